"""Local Sphinx extension: what `_config.yml` alone cannot do.

- Chapters find the package without an installation, and run in their static form.
- Exercises, solutions and theorems get ids that are unique on their page.
- Docstrings say `name : what it is` and go on in plain paragraphs; napoleon is told which is which.
- A script that the theme's extensions add twice is added once.
- What every page asks for again is looked up once.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from docutils import nodes
from pybtex.plugin import find_plugin, register_plugin

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


def find_backends_once():
    """pybtex looks through all installed packages for each citation's writer, unless it is registered."""
    for name in ("docutils", "plaintext"):
        register_plugin("pybtex.backends", name, find_plugin("pybtex.backends", name), force=True)


def keep_trees(app):
    """A table of contents for pages that stand in none, such as a module's source: one for each depth."""
    kept = {}

    def take_kept_tree(app, pagename, templatename, context, doctree):
        made = context.get("toctree")
        if made is None or pagename in app.env.found_docs:
            return

        def toctree(**options):
            key = pagename.count("/"), *sorted(options.items())
            if key not in kept:
                kept[key] = made(**options)
            return kept[key]

        context["toctree"] = toctree

    app.connect("html-page-context", take_kept_tree, priority=100)  # before the theme's, which calls it


def setup(app):
    sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    os.environ["GDCOURSE_STATIC"] = "1"  # live cells print a sentence, progress bars stay off
    os.environ["GDCOURSE_SITE"] = "1"  # interactive figures show themselves as HTML
    app.connect("autodoc-process-docstring", prepare_docstring, priority=400)
    app.connect("html-page-context", keep_one_of_each_script, priority=900)
    app.connect("html-collect-pages", drop_modules_without_source, priority=400)
    app.connect("doctree-read", make_exercise_ids_unique)
    app.add_js_file("contents.js", loading_method="defer")
    find_backends_once()
    keep_trees(app)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
