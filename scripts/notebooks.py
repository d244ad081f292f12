"""Make the notebooks from the texts: book/src/NAME.md is run and stored as book/NAME.ipynb.

    python scripts/notebooks.py               all of them
    python scripts/notebooks.py adam radam    these two

One way only: the text is what people edit, and the site is built from it. The notebook is its plain
form (see `plain`), which needs no MyST to be read. The same text and library give the same bytes. A
notebook is stored only if every cell ran, and if what it stores is text (which nbval compares) and
small pictures (which it does not: they are for the preview where no site is at hand). It is stored
whole or not at all.
"""

from __future__ import annotations

import base64
import io
import multiprocessing
import os
import re
import resource
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import cores
import jupytext
import nbformat
import plain
import safely
import yaml
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

ROOT = Path(__file__).resolve().parents[1]
SOURCES, NOTEBOOKS = ROOT / "book" / "src", ROOT / "book"
SETUP_CELL = Path(__file__).with_name("setup_cell.py")

CELL_TIMEOUT_S = 120
NOTEBOOK_LIMIT_S = 30
BUSY = 1.5  # a run that takes so many times its CPU time shared the machine, and that lengthens CPU time, too
PICTURE_LIMIT = 40_000  # bytes, one picture
PICTURES_LIMIT = 300_000  # bytes, all pictures of a notebook
STORED = {"text/plain", "image/png"}


class ChapterError(Exception):
    """A chapter cannot be stored as a notebook; the message names the chapter, the cell and the reason."""


def setup_source() -> str:
    """The set-up cell, with the repository's address as `_config.yml` gives it."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    text = SETUP_CELL.read_text(encoding="utf-8").strip()
    return text.replace("REPOSITORY_URL", config["repository"]["url"])


def fold(metadata: Any) -> None:
    """What a cell's own words for the page mean to the page's builder.

    `fold: what it shows` folds the code under these words, `fold-all` its output, too; `caption` gives the
    picture a number and a caption; `only: notebook` leaves the cell out of the page.
    """
    for name, tag in (("fold", "hide-input"), ("fold-all", "hide-cell")):
        if words := metadata.get(name):
            metadata["tags"] = [*metadata.get("tags", []), tag]
            prompts = {"code_prompt_show": words, "code_prompt_hide": words}
            metadata["mystnb"] = metadata.get("mystnb", {}) | prompts
    if caption := metadata.get("caption"):
        metadata["mystnb"] = metadata.get("mystnb", {}) | {"figure": {"caption": caption}}
    if metadata.get("only") == "notebook":
        metadata["tags"] = [*metadata.get("tags", []), "remove-cell"]


def read_source(path: Path) -> nbformat.NotebookNode:
    """The notebook that a text describes, not yet run, with the text's MyST: the set-up cell added, ids and
    metadata fixed. The site is built from it."""
    notebook = jupytext.reads(path.read_text(encoding="utf-8"), fmt="md:myst")
    cells = notebook.cells
    first_code = next((i for i, cell in enumerate(cells) if cell.cell_type == "code"), len(cells))
    setup = nbformat.v4.new_code_cell(setup_source(), metadata={"tags": ["remove-cell"]})
    cells.insert(first_code, setup)
    for cell in cells:
        fold(cell.metadata)
    for i, cell in enumerate(cells):
        cell["id"] = f"{path.stem}-{i:03d}".replace("_", "-")[-64:]
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def plain_source(path: Path) -> nbformat.NotebookNode:
    """What is stored for a text, not yet run: its plain form."""
    return plain.plain_notebook(path.stem, read_source(path))


def where(path: Path, notebook: nbformat.NotebookNode, index: int) -> str:
    """The place of a cell, for a message: the file, the line of its text, and which code cell it is."""
    cell = notebook.cells[index]
    number = sum(c.cell_type == "code" for c in notebook.cells[: index + 1])
    if cell.source == setup_source():
        return f"{path.stem}, the set-up cell (scripts/setup_cell.py)"
    at = path.read_text(encoding="utf-8").find(cell.source)
    line = path.read_text(encoding="utf-8")[:at].count("\n") + 1 if at >= 0 else "?"
    return f"book/src/{path.name}:{line}, code cell {number}"


def shown(source: str) -> str:
    return "\n".join("    | " + line for line in source.splitlines())


def small_png(data: bytes) -> bytes:
    """The picture itself if it is small; otherwise with 256 colours, and if need be at half its size."""
    if len(data) <= PICTURE_LIMIT:
        return data
    from PIL import Image

    picture = Image.open(io.BytesIO(data)).convert("RGB")
    for scale in (1, 2):
        size = (picture.width // scale, picture.height // scale)
        reduced = picture.resize(size, Image.Resampling.LANCZOS) if scale > 1 else picture
        out = io.BytesIO()
        reduced.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(
            out, "PNG", optimize=True
        )
        data = out.getvalue()
        if len(data) <= PICTURE_LIMIT:
            break
    return data


def execute(path: Path, notebook: nbformat.NotebookNode) -> None:
    """Run every cell in a fresh kernel, in the folder of the notebooks."""
    running = 0

    def note(cell: Any, cell_index: int) -> None:
        nonlocal running
        running = cell_index

    client = NotebookClient(
        notebook,
        on_cell_start=note,
        timeout=CELL_TIMEOUT_S,
        kernel_name="python3",
        store_widget_state=True,  # without it nbclient fails on `interact`; the state is dropped in `tidy`
        record_timing=False,
        coalesce_streams=True,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        resources={"metadata": {"path": str(NOTEBOOKS)}},
    )
    try:
        client.execute()
    except CellExecutionError as error:
        trace = re.sub(r"\x1b\[[0-9;]*m", "", str(error.traceback)).strip()
        raise ChapterError(f"{where(path, notebook, running)} raised an error:\n{trace}") from None
    except (CellTimeoutError, DeadKernelError) as error:
        reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        source = shown(notebook.cells[running].source)
        raise ChapterError(f"{where(path, notebook, running)} did not end ({reason}):\n{source}") from None


def tidy(path: Path, notebook: nbformat.NotebookNode) -> None:
    """Keep what may be stored and refuse the rest."""
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = nbformat.from_dict({"name": "python"})
    problems: list[str] = []
    pictures = 0
    for i, cell in enumerate(notebook.cells):
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue

        def refuse(reason: str, i: int = i, cell: Any = cell) -> None:
            problems.append(f"{where(path, notebook, i)} {reason}:\n{shown(cell.source)}")

        if cell.execution_count is None:
            refuse("has no execution count (an empty cell?)")
        for output in cell.outputs:
            output.pop("transient", None)
            if output.output_type == "stream":
                if output.name == "stderr":
                    refuse(f"writes to stderr ({output.text.strip()[:300]!r})")
                continue
            output["metadata"] = {}
            for mime in [m for m in output.data if "widget" in m]:
                output.data.pop(mime)
            if extra := set(output.data) - STORED:
                refuse(
                    f"shows an object as {', '.join(sorted(extra))}; only text and PNG are stored: print it"
                )
            if "image/png" in output.data:
                png = small_png(base64.b64decode(output.data["image/png"]))
                output.data["image/png"] = base64.b64encode(png).decode()
                pictures += len(png)
                if len(png) > PICTURE_LIMIT:
                    refuse(f"draws a picture of {len(png):,} bytes; {PICTURE_LIMIT:,} are allowed")
    if pictures > PICTURES_LIMIT:
        problems.append(
            f"book/src/{path.name}: its pictures take {pictures:,} bytes, more than {PICTURES_LIMIT:,}"
        )
    if problems:
        raise ChapterError("\n\n".join(problems))


def check_time(path: Path, wall: float, cpu: float) -> None:
    """Raise `ChapterError` for a chapter that takes too long, by the clock and in CPU time: a busy machine
    lengthens the one, many threads the other."""
    allowed = NOTEBOOK_LIMIT_S * (BUSY if wall > BUSY * cpu else 1)
    if min(wall, cpu) > allowed:
        raise ChapterError(
            f"book/src/{path.name} took {wall:.0f} s ({cpu:.0f} s of CPU); {allowed:.0f} s allowed"
        )


def make(path: Path) -> tuple[str, str, float]:
    """Make one notebook. Returns its name, what is wrong with it (nothing: ''), and the seconds it took."""
    started, used = time.monotonic(), children_cpu()
    try:
        notebook = plain_source(path)
        execute(path, notebook)
        wall, cpu = time.monotonic() - started, children_cpu() - used
        tidy(path, notebook)
        check_time(path, wall, cpu)
        nbformat.validate(notebook)
    except (ChapterError, plain.PlainError) as error:
        return path.stem, str(error), time.monotonic() - started
    except Exception as error:  # a text that cannot be read at all
        return path.stem, f"book/src/{path.name}: {type(error).__name__}: {error}", time.monotonic() - started
    safely.write_whole(NOTEBOOKS / f"{path.stem}.ipynb", nbformat.writes(notebook) + "\n")
    return path.stem, "", wall


def end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever: let it end, and its kernel with it."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main(names: list[str]) -> int:
    known = {path.stem: path for path in sorted(SOURCES.glob("*.md"))}
    names = [Path(name).stem for name in names] or list(known)
    if unknown := [name for name in names if name not in known]:
        print(
            f"No such chapter in book/src: {', '.join(unknown)}. There are: {', '.join(known)}.",
            file=sys.stderr,
        )
        return 1
    os.environ["GDCOURSE_STATIC"] = "1"
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with safely.alone(__file__, "making notebooks"):
        return make_all([known[name] for name in names])


def make_all(paths: list[Path]) -> int:
    """Make notebooks, as many at a time as there are cores, and say how it went."""
    started, done, failed = time.monotonic(), 0, []
    print(f"Running {len(paths)} chapters …", flush=True)
    context = multiprocessing.get_context("spawn")
    workers = cores.side_by_side()
    with ProcessPoolExecutor(workers, mp_context=context, initializer=end_with_parent) as pool:
        try:
            for name, problem, seconds in pool.map(make, paths):
                print(f"  {name:18s} {seconds:5.1f} s{'   FAILED' if problem else ''}", flush=True)
                done += not problem
                if problem:
                    failed.append(problem)
        except BrokenProcessPool:
            failed.append(
                "A process that ran a chapter was killed, perhaps for want of memory. What is stored is "
                "whole: run the command again for the chapters that are not named above."
            )
    for problem in failed:
        print(f"\n{problem}", file=sys.stderr)
    print(
        f"{done} notebooks stored in book/, {len(paths) - done} not, "
        f"after {time.monotonic() - started:.0f} s."
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(safely.run(main, sys.argv[1:]))
