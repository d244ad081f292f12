"""The slower checks: tests marked slow, mutants of the rules that the tests must notice, every claim with
other seeds, every notebook on other processor paths than the usual one, and the library and the notebooks on
other versions of torch and of Python."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import safely
import versions

ROOT = Path(__file__).resolve().parents[1]
PYTEST = [sys.executable, "-m", "pytest"]
NBVAL = "--nbval --nbval-current-env --nbval-cell-timeout=240 -q -n 2 --dist loadfile book"
NOTEBOOKS = [*PYTEST, *NBVAL.split()]
CHECKS: list[tuple[str, dict[str, str], list[str]]] = [
    ("tests marked slow", {}, [*PYTEST, "-m", "slow", "tests"]),
    ("mutants of the rules", {}, [sys.executable, "scripts/mutants.py"]),
    ("claims, with 20 other seeds", {}, [sys.executable, "scripts/seeds.py"]),
    ("notebooks, torch without vector instructions", {"ATEN_CPU_CAPABILITY": "default"}, NOTEBOOKS),
    ("notebooks, MKL in its compatible mode", {"MKL_CBWR": "COMPATIBLE"}, NOTEBOOKS),
    (
        "notebooks, OpenBLAS for an old core, one thread",
        {"OPENBLAS_CORETYPE": "Prescott", "OMP_NUM_THREADS": "1"},
        NOTEBOOKS,
    ),
    *((f"library, {what}", {}, versions.command(name)) for name, what in versions.WHAT.items()),
]


def main() -> int:
    results = []
    for name, variables, command in CHECKS:
        print(f"\n== {name}", flush=True)
        started = time.monotonic()
        code = subprocess.call(command, cwd=ROOT, env=os.environ | variables)
        good = code in (0, 5) if "slow" in command else code == 0
        outcome = "not run" if code == versions.NOT_RUN else "passed" if good else "FAILED"
        results.append((outcome, time.monotonic() - started, name))
    print("\nSummary")
    for outcome, seconds, name in results:
        print(f"  {outcome:7s}  {seconds:5.0f} s  {name}")
    return 1 if any(outcome == "FAILED" for outcome, _, _ in results) else 0


if __name__ == "__main__":
    sys.exit(safely.run(main))
