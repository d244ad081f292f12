"""What the benchmark measured, in the book.

``{bench} steps`` are tables of the goals for one step of an optimizer with what was measured, ``{bench}
goals`` is one of all other goals, ``{bench} bars`` draws the times of one run
as bars in the page's own text and colours, ``{bench} times`` lists all times,
``{bench} bound`` says how a step compares with the loop called a bandwidth bound, and ``{bench} machine``
names the machine. The numbers are read from the files that `scripts/bench.py` wrote into ``book/bench``:
several runs with as many threads are shown as the range of what they gave. Runs of an older benchmark may
have other rows.
"""

from __future__ import annotations

import json
import re
import sys
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from tables import table

sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts"))
from contests import BOUND, COMPILED, LARGE, PLAIN, arrays_of

FOLDER = Path(__file__).resolve().parents[1] / "bench"
Run = dict[str, Any]


def stored() -> list[Run]:
    """All runs that are stored, those with more threads first."""
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*/bench.json"))]
    return sorted(runs, key=lambda run: -run["machine"]["torch threads"])


def by_threads(runs: list[Run]) -> dict[int, list[Run]]:
    found: dict[int, list[Run]] = {}
    for run in runs:
        found.setdefault(run["machine"]["torch threads"], []).append(run)
    return found


def short(number: float) -> str:
    """To three digits, without a power of ten where it is large."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def unit_of(goal: dict[str, Any]) -> tuple[str, float]:
    """What a goal is shown in, and how many of the numbers in the file make one of that."""
    if goal["versus"]:
        return f"× {goal['versus']}", 1.0
    return ("s", 1000.0) if goal["at_most"] >= 1000 else ("ms", 1.0)


def span(values: list[float]) -> str:
    low, high = short(min(values)), short(max(values))
    return low if low == high else f"{low} – {high}"


Key = tuple[Any, ...]
STEP = re.compile(r"(?P<method>.+), one (?:of \d+ steps|step), (?P<size>.+)")
"""The title of a contest of steps."""


def threads_text(n: int) -> str:
    return f"{n} thread{'s' * (n > 1)}"


def cell(values: list[float], at_most: float) -> str:
    """What was measured. It stands in bold where all runs reach the goal."""
    if not values:
        return "not run"
    return f"**{span(values)}**" if max(values) <= at_most else span(values)


def goals_in(runs: list[Run], of_steps: bool) -> dict[Key, dict[int, list[float]]]:
    """By title, who, versus and goal: with so many threads, what was measured in each run."""
    found: dict[Key, dict[int, list[float]]] = {}
    for run in runs:
        for contest in run["contests"]:
            if bool(STEP.fullmatch(contest["title"])) != of_steps:
                continue
            for goal in contest["goals"]:
                key = contest["title"], goal["who"], goal["versus"], goal["at_most"]
                values = found.setdefault(key, {}).setdefault(run["machine"]["torch threads"], [])
                values += [] if goal["is"] is None else [goal["is"]]
    return found


def goal_rows(runs: list[Run]) -> tuple[list[str], list[list[str]]]:
    """The head and the rows of the table of goals, but for those of steps."""
    counts = [*by_threads(runs)]
    # What was measured stands beside the work: a phone shows no more than the first columns at once.
    head = ["Work", *map(threads_text, counts), "Goal", "Ours"]
    rows = []
    for (title, who, versus, at_most), seen in goals_in(runs, of_steps=False).items():
        unit, each = unit_of({"versus": versus, "at_most": at_most})
        cells = [cell([value / each for value in seen.get(n, [])], at_most / each) for n in counts]
        rows.append([title, *cells, f"≤ {short(at_most / each)} {unit}", who.removeprefix("ours, ")])
    return head, rows


def step_rows(runs: list[Run], who: str) -> tuple[list[str], list[list[str]]]:
    """The head and the rows of the table of steps: a row for a method and whom it is beside, a column for a
    size of the parameters, and in each cell what was measured, and the goal."""
    sizes: dict[str, None] = {}
    cells: dict[tuple[str, str], dict[str, list[str]]] = {}
    for (title, goals_who, versus, at_most), seen in goals_in(runs, of_steps=True).items():
        if goals_who == who and (found := STEP.fullmatch(title)):
            method, size = found["method"], found["size"]
            sizes[size] = None
            values = [value for some in seen.values() for value in some]
            told = cells.setdefault((method, versus), {}).setdefault(size, [])
            told.append(f"{cell(values, at_most)} (≤ {short(at_most)})")
    rows = [
        [method, *["; ".join(row.get(size, ["–"])) for size in sizes], versus]
        for (method, versus), row in cells.items()
    ]
    return ["Method", *sizes, "Beside"], rows


def time_lines(runs: list[Run]) -> str:
    """All contests of the first run, in words and milliseconds, and what was not run."""
    lines = []
    for contest in runs[0]["contests"]:
        lines.append(contest["title"])
        for who, ms in sorted(contest["ms"].items(), key=lambda item: item[1]):
            lines.append(f"  {who:<28} {ms:12.4g} ms   +{100 * contest['spread'][who]:.0f} %")
        lines += [f"  {note}" for note in contest["notes"]]
        lines += [f"  not run: {who} ({why})" for who, why in contest["not_run"].items()]
        lines.append("")
    return "\n".join(lines).rstrip()


def machine_text(runs: list[Run]) -> str:
    about = runs[0]["machine"]
    counts = ", ".join(f"{len(group)} with {threads_text(n)}" for n, group in by_threads(runs).items())
    return (
        f"{about['processor']}, {about['cores']} cores, GPU: {about['GPU']}; {about['system']}, Python "
        f"{about['python']}, torch {about['torch']}, NumPy {about['numpy']}. Runs: {counts}, the last "
        f"on {max(run['machine']['day'] for run in runs)}."
    )


def against_the_loop(run: Run) -> list[tuple[str, float, float]]:
    """Of each contest with large arrays: its title, and the milliseconds of the loop called a bandwidth bound
    and of the fastest step."""
    found = []
    for contest in run["contests"]:
        times = dict(contest["ms"])
        loop = times.pop(BOUND, None)
        if loop and contest["title"].endswith(LARGE):
            found.append((contest["title"], loop, min(times.values())))
    return found


def bound_text(runs: list[Run]) -> str:
    """How a step compares with the loop beside it, and how far that loop scatters."""
    quotients = [step / loop for run in runs for _, loop, step in against_the_loop(run)]
    scatter = 1.0
    for run in runs:
        by_size: dict[float, list[float]] = {}
        for title, loop, _ in against_the_loop(run):
            by_size.setdefault(arrays_of(title), []).append(loop)
        scatter = max([scatter, *(max(loops) / min(loops) for loops in by_size.values())])
    return (
        f"In the {len(quotients)} stored contests with ten million parameters the fastest step took "
        f"{span(quotients)} times as long as that loop, and in {sum(q < 1 for q in quotients)} of them less "
        "time. The loop itself scatters: for one number of bytes, in one run, it took up to "
        f"{scatter:.2f} times as long in one contest as in another."
    )


WHOSE = {"ours": "ours", "torch,": "torch", "torch.": "torch"}


def whose(who: str) -> str:
    """Whose time it is, as a class: ours, torch's, another's, or one that stands for comparison."""
    if who == BOUND:
        return "beside"
    return next((name for start, name in WHOSE.items() if who.startswith(start)), "other")


def bars_html(run: Run) -> str:
    """Of each contest a bar for everyone, as long as the least of all rounds beside the contest's slowest."""
    parts = []
    for contest in run["contests"]:
        if not contest["ms"]:
            continue
        slowest = max(contest["ms"].values())
        rows = [
            f'<tr class="{whose(who)}"><th scope="row">{escape(who)}</th>'
            f'<td class="gd-bar"><span style="width:{max(0.5, 100 * ms / slowest):.1f}%"></span></td>'
            f"<td>{short(ms)}</td></tr>"
            for who, ms in sorted(contest["ms"].items(), key=lambda item: item[1])
        ]
        parts.append(
            f'<table class="gd-bars"><caption>{escape(contest["title"])}, ms</caption>'
            f"<tbody>{''.join(rows)}</tbody></table>"
        )
    return "\n".join(parts)


class Bench(SphinxDirective):
    """``{bench} steps``, and whatever else the head of this file says."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        self.env.note_dependency(str(FOLDER))
        runs, what = stored(), self.arguments[0]
        if not runs:
            raise self.error("there is no stored benchmark in book/bench")
        if what == "machine":
            return [nodes.paragraph(text=machine_text(runs))]
        if what == "bound":
            return [nodes.paragraph(text=bound_text(runs))]
        if what == "times":
            return [nodes.literal_block(text=time_lines(runs), language="text")]
        if what == "bars":
            return [nodes.raw("", bars_html(runs[0]), format="html")]
        if what == "goals":
            return [self.table(*goal_rows(runs))]
        if what != "steps":
            raise self.error(f"bench shows steps, goals, bars, times, bound or machine, not {what!r}")
        made: list[nodes.Node] = []
        for who, said in ((COMPILED, "With compile=True"), (PLAIN, "Not compiled")):
            for n, group in by_threads(runs).items():
                made += [
                    nodes.paragraph(text=f"{said}, {threads_text(n)}:"),
                    self.table(*step_rows(group, who)),
                ]
        return made

    def table(self, head: list[str], rows: list[list[str]]) -> nodes.table:
        return table(self, head, [(row, []) for row in rows], "bench-goals")


def setup(app):
    app.add_directive("bench", Bench)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
