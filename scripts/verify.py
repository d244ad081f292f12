"""The slower checks: tests marked slow, mutants of the rules that the tests must notice, every claim with
other seeds, and every notebook on other processor paths than the usual one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

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
]


def main() -> int:
    results = []
    for name, variables, command in CHECKS:
        print(f"\n== {name}", flush=True)
        started = time.monotonic()
        code = subprocess.call(command, cwd=ROOT, env=os.environ | variables)
        results.append((name, code in (0, 5) if "slow" in command else code == 0, time.monotonic() - started))
    print("\nSummary")
    for name, good, seconds in results:
        print(f"  {'passed' if good else 'FAILED'}  {seconds:5.0f} s  {name}")
    return 0 if all(good for _, good, _ in results) else 1


if __name__ == "__main__":
    sys.exit(main())
