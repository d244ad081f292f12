"""Run the chapters: as many at a time as there are cores, and only those that changed since their last run.

What a chapter's cells give depends on its code, on the library and on the versions of what it runs on.
The executed notebook is kept in `_build/executed` under a hash of all of them, and taken from there while
the hash is the same. Each chapter that is run is told with its time.
"""

from __future__ import annotations

import hashlib
import os
import platform
import re
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

import myst_nb.core.execute.direct as direct
import nbformat
from jupyter_cache.executors.utils import ExecutionResult
from jupyter_cache.executors.utils import single_nb_execution as execute_notebook
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.errors import ExtensionError

ROOT = Path(__file__).resolve().parents[2]
KEPT = ROOT / "_build" / "executed"


def full_form(path):
    """The notebook to build a page from: of the text if there is one, which has the MyST in it."""
    import notebooks  # scripts/notebooks.py

    text = path.parent / "src" / f"{path.stem}.md"
    return notebooks.read_source(text) if text.exists() else nbformat.read(path, as_version=4)


def read_full_form(app, docname, content):
    path = Path(app.env.doc2path(docname))
    if path.suffix == ".ipynb":
        content[0] = nbformat.writes(full_form(path))


@cache
def surroundings() -> str:
    """A hash of everything but a chapter's own code that its outputs depend on."""
    digest = hashlib.sha256(f"{sys.version} {platform.machine()}".encode())
    for found in sorted(f"{d.metadata['Name']} {d.version}" for d in distributions()):
        digest.update(found.encode())
    files = [*(ROOT / "gdcourse").rglob("*"), Path(__file__)]
    for path in sorted(p for p in files if p.is_file() and "__pycache__" not in p.parts):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def code_of(notebook) -> tuple[str, ...]:
    return tuple(cell["source"] for cell in notebook.cells if cell["cell_type"] == "code")


def key_of(notebook) -> str:
    """The name under which the executed notebook is kept."""
    tags = [str(cell.metadata.get("tags", [])) for cell in notebook.cells if cell["cell_type"] == "code"]
    return hashlib.sha256("\0".join([surroundings(), *code_of(notebook), *tags]).encode()).hexdigest()[:32]


def taken_from_store(notebook) -> ExecutionResult | None:
    """The executed notebook, if it was run before: the outputs are put to this text's cells."""
    kept = KEPT / f"{key_of(notebook)}.ipynb"
    if not kept.exists():
        return None
    executed = nbformat.read(kept, as_version=4)
    os.utime(kept)
    outputs = iter([cell for cell in executed.cells if cell.cell_type == "code"])
    for cell in notebook.cells:
        if cell.cell_type == "code":
            ran = next(outputs)
            cell.outputs, cell.execution_count = ran.outputs, ran.execution_count
    notebook.metadata = executed.metadata
    return ExecutionResult(notebook, None, 0.0)


def store(key: str, executed) -> None:
    """Keep an executed notebook, whole or not at all."""
    KEPT.mkdir(parents=True, exist_ok=True)
    unfinished = KEPT / f"{key}.{os.getpid()}.unfinished"
    unfinished.write_text(nbformat.writes(executed), encoding="utf-8")
    unfinished.replace(KEPT / f"{key}.ipynb")


def forget_old(keys: set[str]) -> None:
    """What is not of this build is not needed again."""
    for path in KEPT.glob("*"):
        if path.stem not in keys:
            path.unlink(missing_ok=True)


def say(line: str) -> None:
    print(line, file=sys.__stdout__, flush=True)


def run_side_by_side(app, env, docnames):
    """Start every chapter's run now, on all cores; myst-nb would start each when it comes to read it.

    Sphinx can read pages in parallel itself, but sphinx-proof and Jupyter Book's own extensions
    do not allow it.
    """
    if app.config.nb_execution_mode == "off":
        return
    import cores  # scripts/cores.py

    runs: dict[tuple[str, ...], Future] = {}
    reached: dict[tuple[str, ...], int] = {}
    notebooks = {}
    for docname in docnames:
        path = Path(env.doc2path(docname))
        if path.suffix == ".ipynb":
            notebooks[path] = full_form(path)
    waiting = [path for path, nb in notebooks.items() if not (KEPT / f"{key_of(nb)}.ipynb").exists()]
    if len(waiting) < len(notebooks):
        same = len(notebooks) - len(waiting)
        say(f"  {same} of {len(notebooks)} chapters have not changed: their last run serves.")
    started, done = time.monotonic(), []

    def run(path, notebook) -> ExecutionResult:
        if (before := taken_from_store(notebook)) is not None:
            return before
        key, name = code_of(notebook), key_of(notebook)

        def note(cell, cell_index):
            reached[key] = sum(c.cell_type == "code" for c in notebook.cells[: cell_index + 1])

        result = execute_notebook(
            notebook,
            cwd=str(path.parent),
            timeout=app.config.nb_execution_timeout,
            allow_errors=app.config.nb_execution_allow_errors,
            on_cell_start=note,
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
        )
        done.append(path)
        left = len(waiting) - len(done)
        per_chapter = (time.monotonic() - started) / len(done)
        rest = f"{left} left, about {left * per_chapter:.0f} s" if left else "the pages come next"
        say(f"  {path.stem:18s} {result.time:5.1f} s{'   FAILED' if result.err else ''}   ({rest})")
        if result.err is None:
            store(name, result.nb)
        return result

    pool = ThreadPoolExecutor(cores.side_by_side())
    # the longest texts first: the end is then shared evenly
    for path in sorted(notebooks, key=lambda path: -sum(map(len, code_of(notebooks[path])))):
        runs[code_of(notebooks[path])] = pool.submit(run, path, notebooks[path])
    forget_old({key_of(notebook) for notebook in notebooks.values()})

    def take_result(notebook, **options):
        waited_for = runs.get(code_of(notebook))
        if waited_for is None:
            return execute_notebook(notebook, **options)
        result = waited_for.result()
        if result.err is not None:  # the cell and its error, without the runner's own frames
            trace = re.sub(r"\x1b\[[0-9;]*m", "", str(result.err))
            result.exc_string = f"In code cell {reached[code_of(notebook)]}:\n{trace}"
        notebook.cells, notebook.metadata = result.nb.cells, result.nb.metadata
        return result

    direct.single_nb_execution = take_result


def report_failed_chapters(app, exception):
    """Without `-W` a chapter that fails would only leave a warning and a page with an error in it."""
    if exception is not None:
        return
    ran = {name: NbMetadataCollector.get_exec_data(app.env, name) for name in sorted(app.env.found_docs)}
    failed = [f"{name} ({data['error']})" for name, data in ran.items() if data and not data["succeeded"]]
    if failed:
        raise ExtensionError(
            f"chapters whose run failed: {', '.join(failed)}; the cell and its error stand above"
        )


def setup(app):
    app.connect("source-read", read_full_form)
    app.connect("env-before-read-docs", run_side_by_side)
    app.connect("build-finished", report_failed_chapters)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
