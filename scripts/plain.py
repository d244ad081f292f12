"""A chapter as a plain notebook: Markdown and HTML that Jupyter, Colab and GitHub show as it is meant.

The text of a chapter is MyST, which the site understands and notebooks do not. Here its roles become words
with links, its directives quotes, folds and tables, its labels numbers. The code stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import reading
import yaml
from pybtex.database import Entry, parse_file

from gdcourse import exercises
from gdcourse.exercises import Exercise
from gdcourse.experiments.claims import KINDS, ledger
from gdcourse.workbench.run import in_words

ROOT = Path(__file__).resolve().parents[1]
BOOK = ROOT / "book"
OPEN = re.compile(r"^(:{3,}|`{3,})\{([\w:-]+)\}[ \t]*(.*)$")
FENCE = re.compile(r"^(`{3,}|~{3,})\w*\s*$")
TARGET = re.compile(r"^\(([\w-]+)\)=\s*$")
OPTION = re.compile(r"^:([\w-]+):[ \t]*(.*)$")
ROLE = re.compile(r"\{([\w:]+)\}`([^`]+)`")
TITLED = re.compile(r"^(.*?)\s*<([^<>]+)>$", re.S)
DISPLAYED = re.compile(r"\$\$(.+?)\$\$[ \t]*\(([\w-]+)\)", re.S)
CODE = re.compile(r"(`[^`\n]+`)")
CHECK = re.compile(r"^```\{check\}\n```$", re.M)
MARKUP = re.compile(r"([\\`*_\[\]<>$#])")
HEADS = {
    "note": "Note",
    "tip": "Tip",
    "warning": "Careful",
    "important": "Important",
    "hint": "Hint",
    "seealso": "See also",
}


class PlainError(Exception):
    """A piece of MyST that has no plain form here."""


# ---------------------------------------------------------------------------------- the book as a whole


@dataclass(frozen=True)
class Place:
    """Where a label leads: a page of the site, an anchor on it, and what to call it."""

    page: str
    anchor: str
    words: str


@cache
def config() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))


@cache
def pages() -> list[str]:
    """The names of all pages in reading order."""
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    files = [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]
    return [Path(file).name for file in files]


@cache
def text_of(page: str) -> str:
    """A page's MyST text."""
    source = BOOK / "src" / f"{page}.md"
    return (source if source.exists() else BOOK / f"{page}.md").read_text(encoding="utf-8")


@cache
def title_of(page: str) -> str:
    return re.search(r"^# (.+)$", text_of(page), re.M)[1]  # type: ignore[index]


def chapters() -> list[str]:
    """The pages that are notebooks, in reading order."""
    return [page for page in pages() if (BOOK / "src" / f"{page}.md").exists()]


def where_to_run(page: str) -> str:
    """The ways to run a page's notebook, for those who read the site."""
    repository = config()["repository"]
    owner_and_name = repository["url"].removeprefix("https://github.com/")
    notebook, branch = f"book/{page}.ipynb", repository["branch"]
    buttons = config()["launch_buttons"]
    colab = f"{buttons['colab_url']}/github/{owner_and_name}/blob/{branch}/{notebook}"
    binder = f"{buttons['binderhub_url']}/v2/gh/{owner_and_name}/{branch}?urlpath=lab/tree/{notebook}"
    return (
        "The figures of this page move on grids that were computed when it was built. To give them any value "
        f"between, or to change the code, run the page: in [Colab]({colab}), in [Binder]({binder}), or with "
        "`make lab` in a clone of the book."
    )


def address(page: str, anchor: str = "") -> str:
    """A page of the site."""
    return f"{config()['html']['baseurl']}book/{page}.html" + (f"#{anchor}" if anchor else "")


@cache
def labels() -> dict[str, Place]:
    """Every label of the book: targets of headings, exercises, equations (by number), deciding cells."""
    found: dict[str, Place] = {}
    for page in pages():
        lines = text_of(page).splitlines()
        for i, line in enumerate(lines):
            if match := TARGET.match(line):
                heading = next((x for x in lines[i + 1 :] if x.strip() and not TARGET.match(x)), "")
                found[match[1]] = Place(
                    page, match[1], heading.lstrip("# ") if heading.startswith("#") else title_of(page)
                )
            if (match := OPEN.match(line)) and match[2] == "exercise-start":
                label = next(o[2] for x in lines[i + 1 : i + 5] if (o := OPTION.match(x)) and o[1] == "label")
                found[label] = Place(page, label, match[3])
        for number, match in enumerate(DISPLAYED.finditer(text_of(page)), 1):
            found[match[2]] = Place(page, f"equation-{match[2]}", str(number))
    for claim in ledger().values():
        found[f"claim-{claim.id}"] = Place(claim.chapter, f"claim-{claim.id}", claim.verdict)
    return found


@cache
def bibliography() -> dict[str, Entry]:
    return dict(parse_file(BOOK / "references.bib", bib_format="bibtex").entries)


def cited(key: str, in_brackets: bool) -> str:
    """A work by author and year, with a link to it."""
    entry = bibliography()[key]
    names = [
        " ".join(map(str, [*person.rich_prelast_names, *person.rich_last_names]))
        for person in entry.persons.get("author", [])
    ]
    names = names or [entry.fields.get("organization", key)]
    two = f" and {names[1]}" if len(names) == 2 else " et al." if len(names) > 2 else ""
    who, year = f"{names[0]}{two}", entry.fields.get("year")  # the talk has none
    words = who if year is None else f"{who}, {year}" if in_brackets else f"{who} ({year})"
    if doi := entry.fields.get("doi"):
        return f"[{words}](https://doi.org/{doi})"
    if eprint := entry.fields.get("eprint"):
        return f"[{words}](https://arxiv.org/abs/{eprint})"
    return f"[{words}]({url})" if (url := entry.fields.get("url")) else words


# --------------------------------------------------------------------------------------- roles and formulas


def role(page: str, name: str, content: str) -> str:
    """A role as words with a link."""
    match = TITLED.match(content)
    words, target = (match[1], match[2]) if match else ("", content)
    if name in ("cite:t", "cite:p", "cite"):
        works = [cited(key.strip(), name != "cite:t") for key in content.split(",")]
        return f"({'; '.join(works)})" if name != "cite:t" else " and ".join(works)
    if name == "doc":
        other = Path(target).name
        return f"[{words or title_of(other)}]({address(other)})"
    if name == "eq":
        place = labels()[target]
        return (
            f"({place.words})"
            if place.page == page
            else f"[({place.words}) of {title_of(place.page)}]({address(place.page, place.anchor)})"
        )
    if name in ("ref", "numref", "prf:ref"):
        place = labels()[target]
        return f"[{words or place.words}]({address(place.page, place.anchor)})"
    if name in ("term", "abbr"):
        return words or target
    if name in ("math",):
        return f"${content}$"
    raise PlainError(f"book/src/{page}.md: the role {{{name}}} has no plain form")


def inline(page: str, text: str) -> str:
    """Running text: roles as words, labelled equations with their numbers. Code stays as it is."""

    def prose(piece: str) -> str:
        piece = DISPLAYED.sub(lambda m: f"$${m[1].rstrip()} \\tag{{{labels()[m[2]].words}}}\n$$", piece)
        return piece

    # roles have backquotes themselves, so they go first
    text = ROLE.sub(lambda m: role(page, m[1], m[2]), text)
    return "".join(piece if i % 2 else prose(piece) for i, piece in enumerate(CODE.split(text)))


# ---------------------------------------------------------------------------------------------- directives


def folded(summary: str, body: str) -> str:
    """A fold. The empty lines make what is inside Markdown again."""
    return f"<details>\n<summary>{summary}</summary>\n\n{body.strip()}\n\n</details>"


def quoted(head: str, body: str) -> str:
    lines = [f"**{head}**", "", *body.strip().splitlines()]
    return "\n".join(f"> {line}".rstrip() for line in lines)


def question_of(text: str) -> tuple[str, list[tuple[str, str]]]:
    """A question, and its answers with what to say to each: a definition list at the text's end."""
    question: list[str] = []
    answers: list[tuple[str, str]] = []
    lines = text.splitlines()
    for i, line in enumerate(lines):
        if i + 1 < len(lines) and lines[i + 1].startswith(": "):
            answers.append((line.strip(), ""))
        elif line.startswith(": ") or (answers and line.startswith("  ")):
            words, said = answers[-1]
            answers[-1] = words, f"{said} {line.removeprefix(': ').strip()}".strip()
        elif not answers:
            question.append(line)
    return "\n".join(question).strip(), answers


def claims_table(page: str, chapter: str) -> str:
    """The chapter's claims with their verdicts, or all of them."""
    rows = ["| What is said | Verdict | What is true |", "|---|---|---|"]
    for claim in ledger().values():
        if not chapter or claim.chapter == chapter:
            kind = "" if claim.kind == "experiment" else f" ({KINDS[claim.kind]})"
            sources = "; ".join(cited(key, True) for key in claim.sources)
            truth = claim.statement + (f" ({sources})" if sources else "")
            rows.append(f"| {_in_table(claim.says)} | **{claim.verdict}**{kind} | {_in_table(truth)} |")
    return "\n".join(rows)


def _in_table(text: str) -> str:
    """A bar in a formula would end the cell of a table."""
    return "".join(
        piece.replace("|", "\\vert ") if i % 2 else piece
        for i, piece in enumerate(re.split(r"(\$[^$]*\$)", text))
    )


@dataclass
class Reader:
    """Goes through a chapter's cells in order, and remembers between them whether a solution is open."""

    page: str
    solution: bool = False
    exercises: int = 0
    out: list[str] = field(default_factory=list)

    def directive(self, name: str, title: str, options: dict[str, str], body: list[str]) -> str:
        """A directive that has its body in it."""
        inside = "\n".join(body)
        if name == "claims":
            return claims_table(self.page, title)
        if name == "move":
            return "The figures above move on grids that were computed beforehand. Here, any value between."
        if name == "frame":
            return self.frame(title, inside)
        if name == "keep":
            return quoted("To keep", self.text(inside))
        if name == "ask":
            return self.ask(inside, options.get("answer", ""))
        if name == "workbench":
            return self.workbench(title, options, inside)
        if name == "exercise":
            return self.exercise(title) + "\n\n" + self.text(inside)
        if name == "solution":
            return folded("Solution", self.text(inside))
        if name == "admonition" or name in HEADS or name == "dropdown":
            head = inline(self.page, title or HEADS.get(name, ""))
            fold = name == "dropdown" or "dropdown" in options.get("class", "")
            return folded(head, self.text(inside)) if fold else quoted(head, self.text(inside))
        raise PlainError(f"book/src/{self.page}.md: the directive {{{name}}} has no plain form")

    def frame(self, rests_on: str, able: str) -> str:
        """What a reader will be able to do, what it rests on, how long it takes."""
        rests = ", ".join(
            role(self.page, "doc", name.strip()) for name in rests_on.split(",") if name.strip()
        )
        time = reading.in_words(text_of(self.page))
        last = (f"It rests on {rests}. " if rests else "") + time
        return quoted("You will be able to", f"{self.text(able)}\n\n{last}")

    def ask(self, inside: str, right: str) -> str:
        """A question with its answers; what there is to say to them is folded."""
        told = self.told(inside)
        told += f"\n\nRight is ({right})." if right else "\n\nWhich one is right, the experiment says."
        return f"{self.asked(inside)}\n\n{folded('What to say to each answer', told)}"

    def asked(self, inside: str) -> str:
        """A question and its lettered answers."""
        question, answers = question_of(inside)
        if not answers:
            raise PlainError(f"book/src/{self.page}.md: a question without answers")
        listed = "\n".join(f"- ({x}) {words}" for x, (words, _) in zip("abcde", answers, strict=False))
        return quoted("Before you look", self.text(f"{question}\n\n{listed}"))

    def told(self, inside: str) -> str:
        """What there is to say to each answer."""
        _, answers = question_of(inside)
        said = (f"({x}) {words}" for x, (_, words) in zip("abcde", answers, strict=False))
        return self.text("\n\n".join(said))

    def workbench(self, rule: str, options: dict[str, str], changes: str) -> str:
        """What is worth changing in a rule. In a notebook the cell that does so is one's own."""
        listed = "\n".join(
            f"- **{title}**: {self.text(change)}. {self.text(' '.join(says.split()))}"
            for title, change, says in re.findall(
                r"^(\S.*)\n: (`.+`)\n: ((?:.+\n?(?: +.+\n?)*))", changes, re.M
            )
        )
        where = f"[on the site]({address(self.page, f'workbench-{self.page}')})"
        what = "schedule" if "schedule" in options else "rule"
        head = f"Change the {what} {rule}" if rule else "Write your own rule"
        told = f"In the page {where} a click does this. Here, copy the {what} into a cell."
        if "rule" in options:
            told += f" It is run as `{options['rule']}`."
        if "surface" in options:
            told += f" {in_words(options['surface'], int(options['steps']))}"
        return quoted(head, f"{told}\n\n{listed}")

    def exercise(self, title: str) -> str:
        self.exercises += 1
        return f"### Exercise {self.exercises}" + (f": {inline(self.page, title)}" if title else "")

    def text(self, source: str) -> str:
        """A piece of MyST without gates, as Markdown."""
        lines, done, at = source.splitlines(), [], 0
        while at < len(lines):
            if TARGET.match(lines[at]):
                at += 1
                continue
            match = OPEN.match(lines[at])
            if not match and (opened := FENCE.match(lines[at])):  # code: as it is
                end = next(
                    (i for i in range(at + 1, len(lines)) if lines[i].rstrip() == opened[1]), len(lines)
                )
                done.append("\0" + "\n".join(lines[at : end + 1]) + "\0")
                at = end + 1
                continue
            if not match:
                done.append(lines[at])
                at += 1
                continue
            fence, name, title = match.groups()
            at += 1
            options: dict[str, str] = {}
            while at < len(lines) and (option := OPTION.match(lines[at])):
                options[option[1]] = option[2]
                at += 1
            body = []
            while at < len(lines) and lines[at].rstrip() != fence:
                body.append(lines[at])
                at += 1
            at += 1
            done.append("\0" + self.directive(name, title.strip(), options, body) + "\0")
        # what a directive gave is done already
        pieces = "\n".join(done).split("\0")
        return "".join(piece if i % 2 else inline(self.page, piece) for i, piece in enumerate(pieces))

    def gates(self, source: str) -> Iterator[tuple[str, str]]:
        """A cell's text cut at `exercise-start`, `solution-end` and their like: what was opened, the text."""
        kind, gathered, lines, at = "", [], source.splitlines(), 0
        while at < len(lines):
            match = OPEN.match(lines[at])
            if match and match[2] in ("exercise-start", "exercise-end", "solution-start", "solution-end"):
                yield kind, "\n".join(gathered)
                kind, gathered = match[2] + "|" + match[3], []
                at += 1
                while at < len(lines) and lines[at].rstrip() != match[1]:
                    at += 1
            else:
                gathered.append(lines[at])
            at += 1
        yield kind, "\n".join(gathered)

    def markdown(self, source: str) -> str:
        """A Markdown cell."""
        parts = []
        for gate, text in self.gates(source):
            name, _, title = gate.partition("|")
            if name == "exercise-start":
                parts.append(self.exercise(title.strip()))
            if name in ("solution-start", "solution-end"):
                self.solution = name == "solution-start"
            written = self.text(text).strip()
            if written:
                parts.append(folded("Solution", written) if self.solution else written)
            elif name == "solution-start":
                parts.append("*Solution: unfold the next cell.*")
        return "\n\n".join(parts)


def checks(page: str) -> Iterator[nbformat.NotebookNode]:
    """The cells for the exercises of a chapter that check: a question, and a stub to answer and run."""
    yield nbformat.v4.new_markdown_cell(
        "Put your answer in place of the dots, and run the cell: it says what your answer does. "
        "`gd.exercises.progress()` prints how far you are."
    )
    for one in exercises.chapter(page):
        yield nbformat.v4.new_markdown_cell(asked(one))
        yield nbformat.v4.new_code_cell(one.cell, metadata={"gdcourse": {"exercise": one.name}})


def asked(one: Exercise) -> str:
    """An exercise's question, with its hints folded."""
    hints = [folded(head, _escaped(text)) for head, text in one.numbered_hints]
    return "\n\n".join([f"**{_escaped(one.heading)}.** {_escaped(one.prompt)}", *hints])


def _escaped(text: str) -> str:
    """Plain text, with the letters that Markdown would take for markup."""
    return MARKUP.sub(r"\\\1", text)


def plain_notebook(
    page: str, full: nbformat.NotebookNode, reader: Reader | None = None
) -> nbformat.NotebookNode:
    """The plain form of a chapter: same code cells, Markdown that every front end shows. Another reader than
    the usual one may show some of it in another way.

    Raises
    ------
    PlainError : a role or directive without a plain form.
    """
    notebook, reader = deepcopy(full), reader or Reader(page)
    cells: list[nbformat.NotebookNode] = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            before, *after = CHECK.split(cell.source)
            if after:
                cells += [nbformat.v4.new_markdown_cell(reader.markdown(before)), *checks(page)]
            cell.source = reader.markdown("".join(after) if after else before)
        else:
            if said := cell.metadata.get("fold") or cell.metadata.get("fold-all"):
                cells.append(nbformat.v4.new_markdown_cell(f"*Folded: {said}.*"))
            if cell.metadata.get("only") != "notebook":
                cell.metadata.update(_folds(set(cell.metadata.get("tags", [])), reader.solution))
        if cell.source:
            cells.append(cell)
        if caption := cell.metadata.get("caption"):
            cells.append(nbformat.v4.new_markdown_cell(f"*{inline(page, caption)}*"))
    cells = _setup_after_first_paragraph(cells)
    cells.append(nbformat.v4.new_markdown_cell(ways_on(page)))
    for i, cell in enumerate(cells):
        cell["id"] = f"{page}-{i:03d}".replace("_", "-")[-64:]
    notebook.cells = cells
    return notebook


def _folds(tags: set[str], in_solution: bool) -> dict[str, Any]:
    """The metadata that folds a code cell in Jupyter, and its output in Colab, too."""
    source = in_solution or bool(tags & {"hide-input", "hide-cell", "remove-input", "remove-cell"})
    output = in_solution or bool(tags & {"hide-output", "hide-cell", "remove-output"})
    folded = {"source_hidden": source, "outputs_hidden": output}
    jupyter = {name: True for name, is_so in folded.items() if is_so}
    return ({"jupyter": jupyter} if jupyter else {}) | ({"collapsed": True} if output else {})


def _setup_after_first_paragraph(cells: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """The set-up cell is the first code cell; the title and a paragraph go before it, the rest behind."""
    setup = next(i for i, cell in enumerate(cells) if cell.cell_type == "code")
    title, *paragraphs = re.split(r"\n{2,}", cells[0].source)
    head = nbformat.v4.new_markdown_cell("\n\n".join([title, *paragraphs[:1]]))
    rest = [nbformat.v4.new_markdown_cell("\n\n".join(paragraphs[1:]))] if paragraphs[1:] else []
    return [head, cells[setup], *rest, *cells[1:setup], *cells[setup + 1 :]]


def ways_on(page: str) -> str:
    """The last cell: the page of the site, and the next notebook; on the first page all notebooks."""
    order = chapters()
    words = f"This notebook is the page [{title_of(page)}]({address(page)}) of the book."
    if page == pages()[0]:
        return (
            words
            + "\n\nAll notebooks in reading order:\n\n"
            + "\n".join(f"1. [{title_of(n)}]({n}.ipynb)" for n in order[1:])
        )
    after = order[order.index(page) + 1 :]
    return words + (f" Next: [{title_of(after[0])}]({after[0]}.ipynb)." if after else "")
