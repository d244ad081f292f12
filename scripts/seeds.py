"""Run the chapters with other random numbers: does every claim keep its verdict?

    python scripts/seeds.py                    all chapters but the race, 20 other seeds
    python scripts/seeds.py 3 adam batch       three other seeds, two chapters
    python scripts/seeds.py 4-20 adam          the others of the twenty, one chapter

The stored numbers differ then, and are not compared. What must hold are the verdicts, which `decide`
holds against the ledger, and the assertions. A seed is changed where it is used: NumPy's and torch's
generators get another one than the chapter names. Cells after the one that fails are run, too.
"""

from __future__ import annotations

import io
import os
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import cores

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
STORED = "race"  # its verdicts are of trainings that are stored, which no seed of the page's changes


def reseed(shift: int) -> None:
    """From here on, whoever asks for the random numbers of a seed gets those of another."""
    import numpy as np
    import torch

    import gdcourse

    gdcourse.digits()  # the split of the digits is part of the task, not of chance: it stays
    real_rng, real_manual = np.random.default_rng, torch.Generator.manual_seed

    class Generator(torch.Generator):
        def manual_seed(self, seed: int) -> torch.Generator:
            return real_manual(self, seed + 1_000_003 * shift)

    def default_rng(seed: object = None) -> np.random.Generator:
        return real_rng([shift, 7919, *np.atleast_1d(np.asarray(seed, dtype=np.int64)).tolist()])

    np.random.default_rng = default_rng  # type: ignore[assignment]
    torch.Generator = Generator  # type: ignore[misc]


def run(task: tuple[str, int]) -> tuple[str, int, float, list[str]]:
    """One chapter with one shift of the seeds: the failures, each with its last line."""
    os.environ["MPLBACKEND"] = "agg"
    import matplotlib.pyplot as plt
    import nbformat

    chapter, shift = task
    started, failures = time.monotonic(), []
    os.chdir(BOOK)
    sys.path.insert(0, str(ROOT))
    reseed(shift)
    space: dict[str, object] = {"__name__": "__main__"}
    for i, cell in enumerate(nbformat.read(BOOK / f"{chapter}.ipynb", as_version=4).cells):
        if cell.cell_type != "code":
            continue
        try:
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                exec(compile(cell.source, f"{chapter}, cell {i}", "exec"), space)
        except Exception:
            failures.append(f"cell {i}: {traceback.format_exc().strip().splitlines()[-1]}")
        finally:
            plt.close("all")
    return chapter, shift, time.monotonic() - started, failures


def main(arguments: list[str]) -> int:
    span = arguments.pop(0) if arguments and arguments[0][0].isdigit() else "20"
    first, _, last = span.rpartition("-")
    shifts = range(int(first or 1), int(last) + 1)
    chapters = arguments or sorted({path.stem for path in BOOK.glob("*.ipynb")} - {STORED})
    os.environ.update(GDCOURSE_STATIC="1", OMP_NUM_THREADS="1")
    tasks = [(chapter, shift) for shift in shifts for chapter in chapters]
    print(f"{len(chapters)} chapters, each with {len(shifts)} other seeds …", flush=True)
    bad = 0
    with ProcessPoolExecutor(cores.side_by_side(), max_tasks_per_child=1) as pool:
        for chapter, shift, seconds, failures in pool.map(run, tasks):
            bad += bool(failures)
            outcome = "FAILED" if failures else "holds"
            print(f"  {chapter:18s} shift {shift:2d} {seconds:6.1f} s  {outcome}", flush=True)
            for failure in failures:
                print(f"      {failure}", flush=True)
    print(f"{len(tasks) - bad} of {len(tasks)} runs hold")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
