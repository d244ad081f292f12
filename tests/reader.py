"""A reader's own run of a chapter: its code with something changed, cell by cell, as Jupyter runs it.

    python -m tests.reader momentum          every edit that is recorded for a chapter
    python -m tests.reader momentum 3        its fourth alone

What is changed stands in tests/edits, a file for each chapter; what is changed in all, in `EVERYWHERE`.
A run is good if every cell ends, or stops with an error of the library that says what to do: one that the
edit names. No cell may fail by a check that was meant for us.
"""

from __future__ import annotations

import multiprocessing
import os
import re
import sys
import time
import tomllib
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jupytext

ROOT = Path(__file__).resolve().parents[1]
SOURCES, EDITS = ROOT / "book" / "src", Path(__file__).parent / "edits"
PACKAGE = str(ROOT / "gdcourse")
Cells = list[str]


@dataclass(frozen=True)
class Edit:
    """One thing that a reader does to a chapter.

    Attributes
    ----------
    chapter : which.
    what : what is changed, in words.
    apply : from the chapter's code cells to the reader's.
    stops : a pattern of the one sentence with which the library may stop; "" if every cell must end.
    """

    chapter: str
    what: str
    apply: Callable[[Cells], Cells]
    stops: str = ""


@cache
def code_of(chapter: str) -> Cells:
    """The code cells of a chapter, in order. To read one takes a while, and hundreds of tests ask."""
    notebook = jupytext.reads((SOURCES / f"{chapter}.md").read_text(encoding="utf-8"), fmt="md:myst")
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def replacing(pairs: list[list[str]]) -> Callable[[Cells], Cells]:
    """Each first text, wherever it stands in the code, becomes the second. It must stand somewhere."""

    def apply(cells: Cells) -> Cells:
        for old, new in pairs:
            if not any(old in cell for cell in cells):
                raise LookupError(f"no cell has {old!r}: the chapter changed, and the edit must follow")
            cells = [cell.replace(old, new) for cell in cells]
        return cells

    return apply


def substituting(pattern: str, by: str) -> Callable[[Cells], Cells]:
    return lambda cells: [re.sub(pattern, by, cell) for cell in cells]


EVERYWHERE: dict[str, Callable[[Cells], Cells]] = {
    "twenty steps in every run": substituting(r"\bsteps=[\d_]+", "steps=20"),
    "every learning rate three times as large": substituting(r"\blr=(\d[\d.e-]*)", r"lr=3*\1"),
    "other seeds": substituting(r"\b(seed=|manual_seed\()(\d+)", r"\g<1>1\2"),
}


def edits_of(chapter: str) -> list[Edit]:
    """The edits of a chapter: its own, and those of all chapters that change something in it."""
    file = EDITS / f"{chapter}.toml"
    own = tomllib.loads(file.read_text(encoding="utf-8"))["edit"] if file.exists() else []
    cells = code_of(chapter)
    return [
        *(Edit(chapter, one["what"], replacing(one["change"]), one.get("stops", "")) for one in own),
        *(Edit(chapter, what, apply) for what, apply in EVERYWHERE.items() if apply(cells) != cells),
    ]


def chapters() -> list[str]:
    """All chapters that run code."""
    return [path.stem for path in sorted(SOURCES.glob("*.md")) if code_of(path.stem)]


def run(edit: Edit) -> str:
    """What is wrong with a reader's run; nothing: ''. In a process of its own, not set as the build is."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_run, (edit.chapter, edit.what))


def _run(chapter: str, what: str) -> str:
    os.environ.pop("GDCOURSE_STATIC", None)
    os.environ.update(MPLBACKEND="agg", OMP_NUM_THREADS="1")  # as in a notebook after its set-up cell
    os.chdir(ROOT / "book")
    sys.path.insert(0, str(ROOT))
    import matplotlib.pyplot as plt
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    edit = next(one for one in edits_of(chapter) if one.what == what)
    shell = InteractiveShell.instance()
    for i, source in enumerate(edit.apply(code_of(chapter)), 1):
        with capture_output():
            result = shell.run_cell(source, store_history=False)
        plt.close("all")
        error = result.error_before_exec or result.error_in_exec
        if error is None:
            continue
        told = f"{type(error).__name__}: {error}"
        if edit.stops and re.search(edit.stops, told):
            innermost = traceback.extract_tb(error.__traceback__)[-1].filename
            return "" if innermost.startswith(PACKAGE) else f"cell {i}: not the library's own error: {told}"
        return f"cell {i}: {told}\n{source}"
    return f"it should stop with {edit.stops!r}, and ran to its end" if edit.stops else ""


def main(arguments: list[str]) -> int:
    chapter, *which = arguments
    edits = edits_of(chapter)
    bad = 0
    for edit in [edits[int(i)] for i in which] or edits:
        started = time.monotonic()
        problem = run(edit)
        bad += bool(problem)
        print(f"{'FAILED' if problem else 'fine':6s} {time.monotonic() - started:5.1f} s  {edit.what}")
        if problem:
            print(problem)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
