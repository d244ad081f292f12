"""The slower checks: the pages that `make test` leaves out, tests marked slow, mutants of the rules that the
tests must notice, every claim with other seeds, every notebook on other processor paths than the usual one,
and the library and the notebooks on other versions of torch and of Python.

    python scripts/verify.py                  all of them, which takes many hours on two cores
    python scripts/verify.py mutants seeds    those whose name has one of these words in it
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import cores
import safely
import versions

ROOT = Path(__file__).resolve().parents[1]
PYTEST = [sys.executable, "-m", "pytest"]
SIDE_BY_SIDE = ["-n", str(cores.side_by_side())]
NBVAL = "--nbval --nbval-current-env --nbval-cell-timeout=240 -q --dist loadfile book"
NOTEBOOKS = [*PYTEST, *NBVAL.split(), *SIDE_BY_SIDE]
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
CHECKS: list[tuple[str, dict[str, str], list[str]]] = [
    ("pages: those that make test leaves out", ONE_THREAD, [*PYTEST, "-m", "pages", *SIDE_BY_SIDE, "tests"]),
    ("slow tests", ONE_THREAD, [*PYTEST, "-m", "slow and not quiet", *SIDE_BY_SIDE, "tests"]),
    ("slow tests that take times", {}, [*PYTEST, "-m", "slow and quiet", "tests"]),
    ("mutants of the rules", {}, [sys.executable, "scripts/mutants.py"]),
    ("seeds: claims, with 20 others", {}, [sys.executable, "scripts/seeds.py"]),
    ("notebooks, torch without vector instructions", {"ATEN_CPU_CAPABILITY": "default"}, NOTEBOOKS),
    ("notebooks, MKL in its compatible mode", {"MKL_CBWR": "COMPATIBLE"}, NOTEBOOKS),
    (
        "notebooks, OpenBLAS for an old core, one thread",
        {"OPENBLAS_CORETYPE": "Prescott", "OMP_NUM_THREADS": "1"},
        NOTEBOOKS,
    ),
    *((f"library, {what}", {}, versions.command(name)) for name, what in versions.WHAT.items()),
]


def main(words: list[str]) -> int:
    chosen = [check for check in CHECKS if not words or any(word in check[0] for word in words)]
    if not chosen:
        names = "; ".join(name for name, _, _ in CHECKS)
        print(f"No check has {' or '.join(words)} in its name. There are: {names}.", file=sys.stderr)
        return 1
    results = []
    for name, variables, command in chosen:
        print(f"\n== {name}", flush=True)
        started = time.monotonic()
        code = subprocess.call(command, cwd=ROOT, env=os.environ | variables)
        good = code in (0, 5) if "slow" in name else code == 0
        outcome = "not run" if code == versions.NOT_RUN else "passed" if good else "FAILED"
        results.append((outcome, time.monotonic() - started, name))
    print("\nSummary")
    for outcome, seconds, name in results:
        print(f"  {outcome:7s}  {seconds:5.0f} s  {name}")
    return 1 if any(outcome == "FAILED" for outcome, _, _ in results) else 0


if __name__ == "__main__":
    sys.exit(safely.run(main, sys.argv[1:]))
