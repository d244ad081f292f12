"""Workbenches: the rule of a chapter in an editor, run in the page by Python itself.

``{workbench} Momentum`` with options ``surface`` (a name of `gdcourse.workbench.run.SURFACES`), ``rule`` (how
the rule is made) and ``steps``; its content are changes worth making, as a definition list: a title, then
what is replaced by what, ``: `old` → `new` `` (``\\n`` in it is a new line), then what there is to see.
Without a name it is the blank one, which races a reader's rule against the ten. With the name of a schedule,
``{workbench} wsd``, and the options ``eta``, ``schedule`` and ``steps`` it draws what a reader's schedule
makes of gradient descent on a noisy bowl.

What runs is Pyodide and the package's own files, byte for byte. Pyodide is in book/_pyodide as its authors
publish it; of its standard library scripts/compiled.py has compiled what the start imports. All is put beside
the site's other static files under a name with a checksum, so that browsers may keep it for good.
"""

from __future__ import annotations

import ast
import hashlib
import html
import inspect
import io
import json
import re
import shutil
import zipfile
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective

from gdcourse.experiments import schedules
from gdcourse.experiments.words import plain
from gdcourse.explore.contours import contour_lines
from gdcourse.figures.source import bare
from gdcourse.problems.surfaces import Plane
from gdcourse.rules import ALL
from gdcourse.workbench.run import MATRICES, SURFACES, in_words

BOOK = Path(__file__).resolve().parents[1]
PACKAGE = BOOK.parent / "gdcourse"
PYODIDE = BOOK / "_pyodide"
NOT_SERVED = {"SHA256SUMS", "python_stdlib.zip"}  # in its place there is stdlib.zip
WORKER = BOOK / "_static" / "python-worker.mjs"
VIEWS = {
    "ravine": ((-4.5, 2.5), (-1.5, 1.5)),
    "Beale": ((-2.0, 4.0), (-1.0, 2.0)),
    "Rosenbrock": ((-2.0, 2.0), (-1.0, 2.5)),
    "saddle": ((-1.5, 1.5), (-1.5, 1.5)),
    "Himmelblau": ((-5.0, 5.0), (-5.0, 5.0)),
    "turned": ((-4.5, 2.5), (-1.5, 1.5)),
}
AXES = {"turned": ["s₁", "s₂"]}
PLAINLY = 'spellcheck="false" autocapitalize="off" autocomplete="off" autocorrect="off"'
LOWEST = {"saddle": -0.25}
CHANGE = re.compile(r"^`(.+?)` → `(.*?)`$")
BLANK = """from dataclasses import dataclass

from gdcourse.rules.rule import Rule, Scalar


@dataclass(frozen=True, eq=False)
class Mine(Rule):
    lr: Scalar
    gamma: Scalar = 0.9

    def init(self, theta, zeros):
        return {"v": zeros}

    def step(self, theta, grad, state, at):
        v = self.gamma * state["v"] + self.lr * grad
        return theta - v, {"v": v}


rule = Mine(lr=0.01)
"""


# ------------------------------------------------------------------------------------- what a page is given


def text_of(name: str, made: str) -> str:
    """A rule's file without the words: its imports, its class with the constants and functions of the file
    that it needs, and a line that makes one. Other rules that are named in it, as the one inside Lookahead,
    are imported."""
    kind = ALL[name].kind
    source = Path(inspect.getfile(kind)).read_text(encoding="utf-8")
    text = "\n\n\n".join([*parts_of(kind, source), f"rule = {made}\n"])
    used = names_in(text) - {name}
    imports: dict[str, list[str]] = {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            words = [one.name for one in node.names if one.name in used]
            imports |= {node.module: words} if words else {}
            used -= set(words)
    imports |= {ALL[other].kind.__module__: [other] for other in used & set(ALL)}
    ours = sorted(module for module in imports if module.startswith("gdcourse"))
    written = [
        f"from {module} import {', '.join(imports[module])}" for module in imports if module not in ours
    ]
    written += ["", *(f"from {module} import {', '.join(imports[module])}" for module in ours)]
    return "\n".join(written) + f"\n\n\n{text}"


def schedule_text(name: str, eta: str, made: str) -> str:
    """A schedule without the words, its file's other functions imported, and a line that makes one."""
    source = Path(inspect.getfile(schedules)).read_text(encoding="utf-8")
    others = {
        node.name if isinstance(node, ast.FunctionDef) else node.targets[0].id
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef | ast.Assign)
    }
    imported = sorted(other for other in others - {name} if not other.startswith("_"))
    head = f"from {schedules.__name__} import {', '.join(imported)}"
    return f"{head}\n\n\n{bare(getattr(schedules, name))}\n\n\neta, schedule = {eta}, {made}\n"


def parts_of(kind: type, source: str) -> list[str]:
    """A class of a file, and what it needs of the file's functions, in the file's order; before them what it
    needs of the constants."""
    module, lines = inspect.getmodule(kind), source.splitlines()
    constants, blocks = {}, {}
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            constants[node.targets[0].id] = "\n".join(lines[node.lineno - 1 : node.end_lineno])
        elif isinstance(node, ast.FunctionDef) or getattr(node, "name", "") == kind.__name__:
            blocks[node.name] = bare(getattr(module, node.name))
    found = constants | blocks
    needed: set[str] = set()
    more = {kind.__name__}
    while more:
        needed |= more
        more = set.union(*(names_in(found[name]) for name in more)) & set(found) - needed
    first = "\n".join(text for name, text in constants.items() if name in needed)
    return [first] * bool(first) + [text for name, text in blocks.items() if name in needed]


def names_in(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


class Drawn(Plane):
    """A surface of the workbench, for its level lines."""

    def __init__(self, plane: Any) -> None:
        self.value, self.slopes, self.name = plane.value, plane.slopes, plane.name


@cache
def view(name: str) -> dict[str, Any]:
    """A surface as the page draws it."""
    x, y = VIEWS[name]
    surface = {**SURFACES, **MATRICES}[name][0]
    xs, ys = contour_lines(Drawn(surface), x, y, levels=8, points=48)
    lines: list[list[list[float]]] = [[]]
    for a, b in zip(xs.tolist(), ys.tolist(), strict=True):
        if a != a:
            lines.append([])
        else:
            lines[-1].append([round(a, 2), round(b, 2)])
    told = {"name": surface.name, "axes": AXES.get(name, ["θ₁", "θ₂"]), "lowest": LOWEST.get(name, 0.0)}
    return {**told, "x": x, "y": y, "lines": lines}


def changes_of(content: list[str]) -> list[tuple[str, str, str, str]]:
    """Of each change its title, what is replaced by what, and what there is to see."""
    found: list[tuple[str, str, str, str]] = []
    for block in re.split(r"\n(?=\S)(?!:)", "\n".join(content).strip()):
        title, *definitions = [part.strip() for part in re.split(r"\n: ", block)]
        if not title:
            continue
        match = CHANGE.match(definitions[0]) if len(definitions) == 2 else None
        if match is None:
            raise ValueError(
                f"the change {title!r} needs two definitions: `old` → `new`, and what there is to see"
            )
        old, new = (part.replace("\\n", "\n") for part in match.groups())
        found.append((title, old, new, " ".join(definitions[1].split())))
    return found


class Workbench(SphinxDirective):
    """``{workbench} NAME``."""

    has_content = True
    optional_arguments = 1
    option_spec: ClassVar = {
        "surface": directives.unchanged_required,
        "rule": directives.unchanged_required,
        "eta": directives.unchanged_required,
        "schedule": directives.unchanged_required,
        "steps": directives.positive_int,
    }

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0] if self.arguments else ""
        does = "lower" if "schedule" in self.options else "run" if name else "race"
        if does == "lower":
            text = schedule_text(name, self.options["eta"], self.options["schedule"])
        else:
            text = text_of(name, self.options["rule"]) if name else BLANK
        changes = changes_of(list(self.content))
        for title, old, _, _ in changes:
            if text.count(old) != 1:
                raise self.error(f"the change {title!r}: {old!r} stands {text.count(old)} times in the rule")
        own = [self.options.get("surface", "ravine")]
        surfaces = {"run": own, "race": list(VIEWS)[:4], "lower": []}[does]
        page = Path(self.env.docname).name
        data = {
            "name": name,
            "text": text,
            "does": does,
            "surface": surfaces[0] if surfaces else None,
            "surfaces": {surface: view(surface) for surface in surfaces},
            "steps": self.options.get("steps", 60 if name else 100),
            "changes": [{"text": text.replace(old, new)} for _, old, new, _ in changes],
        }
        folder = "../" * self.env.docname.count("/") + f"_static/{folder_name()}/"
        box = nodes.container(classes=["gd-workbench-holder"])
        title = f"Workbench: change {name}" if name else "Your rule, against the ten"
        head = (
            f'<div class="gd-workbench" id="workbench-{page}" data-python="{folder}" data-bytes="{size()}" '
            f'role="group" aria-label="{title}"><p class="gd-wb-title">{title}</p>'
        )
        box += nodes.raw("", head, format="html")
        if does == "run":
            where = plain(in_words(own[0], data["steps"]))  # typeset it would weigh ten times as much
            box += nodes.paragraph("", where)
        box += nodes.raw("", editor(page, data), format="html")
        if changes:
            box += nodes.raw("", '<ul class="gd-wb-changes">', format="html")
            for title, _, _, says in changes:
                words, messages = self.state.inline_text(says, self.lineno)
                box += nodes.raw(
                    "", f'<li><button type="button" data-change>{html.escape(title)}</button>', format="html"
                )
                box += nodes.paragraph("", "", *words, *messages)
                box += nodes.raw("", "</li>", format="html")
            box += nodes.raw("", "</ul>", format="html")
        box += nodes.raw("", "</div>", format="html")
        return [box]


def editor(page: str, data: dict[str, Any]) -> str:
    """The workbench from its editor up to the changes."""
    asked = json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("</", "<\\/")
    menu = ""
    if data["does"] == "race":
        choices = "".join(
            f'<option value="{key}">{html.escape(one["name"])}</option>'
            for key, one in data["surfaces"].items()
        )
        menu = f'<label>on <select aria-label="surface">{choices}</select></label>'
    field = f'<textarea id="workbench-text-{page}" {PLAINLY}'
    what = "schedule" if data["does"] == "lower" else "rule"
    keys = f"The {what}, in Python. Tab indents; Escape, then Tab, leaves the editor."
    loads = f"Python runs in this page. The first click loads it, {size() / 1e6:.0f} MB."
    return f"""<label for="workbench-text-{page}">{keys}</label>
{field} rows="12">{html.escape(data["text"])}</textarea>
<div class="gd-wb-buttons">
<button type="button" data-do="run">Run</button>
<button type="button" data-do="stop" hidden>Stop</button>
<button type="button" data-do="reset">Reset</button>
<button type="button" data-do="link">Copy a link</button>
{menu}
</div>
<progress hidden aria-label="Loading Python"></progress>
<div class="gd-wb-says" role="status"><p>{loads}</p></div>
<noscript><p>This needs JavaScript.</p></noscript>
<div class="gd-wb-picture"></div>
<div class="gd-wb-table"></div>
<script type="application/json" class="gd-wb-data">{asked}</script>
"""


# --------------------------------------------------------------------------------- what runs in the browser


@cache
def served() -> dict[str, bytes]:
    """By name, the files beside the worker."""
    found = {p.name: p.read_bytes() for p in sorted(PYODIDE.iterdir()) if p.name not in NOT_SERVED}
    return {**found, WORKER.name: WORKER.read_bytes(), "gdcourse.zip": package()}


def size() -> int:
    """What the browser loads, in bytes."""
    return sum(len(content) for content in served().values())


def package() -> bytes:
    """The files of the package that need neither NumPy nor torch, zipped, always to the same bytes."""
    out = io.BytesIO()
    files = [PACKAGE / "problems" / "planes.py", PACKAGE / "experiments" / "schedules.py"]
    for room in ("rules", "exercises", "workbench"):
        files += sorted((PACKAGE / room).rglob("*.py"))
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            where = zipfile.ZipInfo(str(file.relative_to(PACKAGE.parent)), (1980, 1, 1, 0, 0, 0))
            where.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(where, file.read_bytes())
    return out.getvalue()


@cache
def folder_name() -> str:
    digest = hashlib.sha256()
    for name, content in served().items():
        digest.update(name.encode() + b"\0" + content)
    return f"python-{digest.hexdigest()[:12]}"


def check() -> None:
    """Raise where a file is not the one that was put there."""
    for line in (PYODIDE / "SHA256SUMS").read_text().splitlines():
        known, name = line.split()
        if hashlib.sha256((PYODIDE / name).read_bytes()).hexdigest() != known:
            raise ValueError(f"book/_pyodide/{name} is damaged: restore it from the repository")


def put_beside(app, exception) -> None:
    if exception is not None or app.builder.format != "html":
        return
    check()
    static = Path(app.outdir) / "_static"
    shutil.rmtree(static / folder_name(), ignore_errors=True)
    (static / folder_name()).mkdir(parents=True)
    for name, content in served().items():
        (static / folder_name() / name).write_bytes(content)
    (static / WORKER.name).unlink(missing_ok=True)


def only_where_needed(app, pagename, templatename, context, doctree) -> None:
    if "gd-workbench" in context.get("body", ""):
        app.add_js_file("python.js", priority=400)
        app.add_js_file("workbench.js")


def setup(app):
    app.add_directive("workbench", Workbench)
    app.connect("html-page-context", only_where_needed)
    app.connect("build-finished", put_beside)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
