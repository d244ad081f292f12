"""Local Sphinx extension: what `_config.yml` alone cannot do.

- Chapters find the package without an installation, and run in their static form.
- Exercises, solutions and theorems get ids that are unique on their page.
- Docstrings say `name : what it is` and go on in plain paragraphs; napoleon is told which is which.
- A script that the theme's extensions add twice is added once.
- Chapters are run side by side, on two cores.
- A chapter whose run fails ends the build with an error that names it, with or without `-W`.
"""

from __future__ import annotations

import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import myst_nb.core.execute.direct as direct
import nbformat
from docutils import nodes
from jupyter_cache.executors.utils import single_nb_execution as execute_notebook
from myst_nb.sphinx_ import NbMetadataCollector
from sphinx.errors import ExtensionError

ROOT = Path(__file__).resolve().parents[2]


def keep_one_of_each_script(app, pagename, templatename, context, doctree):
    """sphinx-thebe 0.3.1 adds the same inline script twice, which a browser reports as an error."""
    seen, kept = set(), []
    for script in context.get("script_files", []):
        body = getattr(script, "attributes", {}).get("body")
        if body is not None and body in seen:
            continue
        seen.add(body)
        kept.append(script)
    context["script_files"] = kept


def make_exercise_ids_unique(app, doctree):
    """sphinx-exercise and sphinx-proof give the content of all their boxes on a page the same id."""
    for section in doctree.findall(nodes.section):
        for i, name in enumerate(section["ids"]):
            if name in ("exercise-content", "solution-content", "proof-content"):
                section["ids"][i] = f"{section.parent['label']}-content"


def prepare_docstring(app, what, name, obj, options, lines):
    """Before napoleon: `name : words` gets its words as a description, not as a type to look up,
    and a plain paragraph after a section of names ends that section."""
    named = ("Parameters", "Other Parameters", "Attributes", "Returns", "Yields", "Raises")
    inside, out = False, []
    for i, line in enumerate(lines):
        after = lines[i + 1] if i + 1 < len(lines) else ""
        header = bool(line.strip()) and set(after.strip()) == {"-"} and len(after.strip()) > 2
        item = re.fullmatch(r"(\*{0,2}\w[\w.*, ]*) : (\S.*)", line) if inside else None
        if header:
            inside = line.strip() in named
            out.append(line)
        elif item:
            out += [item[1], f"    {item[2]}"]
        elif inside and line[:1].strip() not in ("", "-") and not lines[i - 1].strip() and after[:1] != " ":
            inside = False
            out += ["Notes", "-----", line]
        else:
            out.append(line)
    lines[:] = out


def drop_modules_without_source(app):
    """viewcode lists `builtins`, where the type of a documented constant lives, and has no page for it."""
    modules = getattr(app.env, "_viewcode_modules", {})
    for name in [name for name, entry in modules.items() if not entry]:
        del modules[name]
    return []


def sources_of(notebook):
    return tuple(cell["source"] for cell in notebook.cells)


def run_side_by_side(app, env, docnames):
    """Start every chapter's run now, on two cores; myst-nb would start each when it comes to read it.

    Sphinx can read pages in parallel itself, but sphinx-proof and Jupyter Book's own extensions
    do not allow it.
    """
    if app.config.nb_execution_mode == "off":
        return
    runs, reached = {}, {}
    pool = ThreadPoolExecutor(min(2, os.cpu_count() or 1))
    for docname in docnames:
        path = Path(env.doc2path(docname))
        if path.suffix == ".ipynb":
            notebook = nbformat.read(path, as_version=4)
            key = sources_of(notebook)

            def note(cell, cell_index, key=key, notebook=notebook):
                reached[key] = sum(c.cell_type == "code" for c in notebook.cells[: cell_index + 1])

            runs[key] = pool.submit(
                execute_notebook,
                notebook,
                cwd=str(path.parent),
                timeout=app.config.nb_execution_timeout,
                allow_errors=app.config.nb_execution_allow_errors,
                on_cell_start=note,
                extra_arguments=["--IPKernelApp.log_level=ERROR"],
            )

    def take_result(notebook, **options):
        run = runs.get(sources_of(notebook))
        if run is None:
            return execute_notebook(notebook, **options)
        result = run.result()
        if result.err is not None:  # the cell and its error, without the runner's own frames
            trace = re.sub(r"\x1b\[[0-9;]*m", "", str(result.err))
            result.exc_string = f"In code cell {reached[sources_of(notebook)]}:\n{trace}"
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
    sys.path.insert(0, str(ROOT))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    os.environ["GDCOURSE_STATIC"] = "1"  # live cells print a sentence, progress bars stay off
    os.environ["GDCOURSE_SITE"] = "1"  # interactive figures show themselves as HTML
    app.connect("autodoc-process-docstring", prepare_docstring, priority=400)
    app.connect("env-before-read-docs", run_side_by_side)
    app.connect("html-page-context", keep_one_of_each_script, priority=900)
    app.connect("html-collect-pages", drop_modules_without_source, priority=400)
    app.connect("doctree-read", make_exercise_ids_unique)
    app.connect("build-finished", report_failed_chapters)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
