"""What the benchmark measured, in the book.

``{bench} goals`` is a table of the goals with what was measured, ``{bench} bars`` draws the times of one run
as bars in the page's own text and colours, ``{bench} times`` lists all times,
``{bench} bound`` says how a step compares with the loop called a bandwidth bound, and ``{bench} machine``
names the machine. The numbers are read from the files that `scripts/bench.py` wrote into ``book/bench``:
several runs with as many threads are shown as the range of what they gave.
"""

from __future__ import annotations

import json
import sys
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from tables import table

sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts"))
from contests import BOUND, LARGE, arrays_of

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


def goal_rows(runs: list[Run]) -> tuple[list[str], list[list[str]]]:
    """The head and the rows of the table of goals. A number stands in bold where all runs reach the goal."""
    groups = by_threads(runs)
    # What was measured stands beside the work: a phone shows no more than the first columns at once.
    head = ["Work", *[f"{n} thread{'s' * (n > 1)}" for n in groups], "Goal", "Ours"]
    measured: dict[tuple[str, ...], dict[int, list[float]]] = {}
    for n, group in groups.items():
        for run in group:
            for contest in run["contests"]:
                for goal in contest["goals"]:
                    unit, each = unit_of(goal)
                    at_most = goal["at_most"] / each
                    key = contest["title"], f"≤ {short(at_most)} {unit}", goal["who"].removeprefix("ours, ")
                    seen = measured.setdefault(key, {"at_most": at_most}).setdefault(n, [])  # type: ignore[dict-item]
                    if goal["is"] is not None:
                        seen.append(goal["is"] / each)
    rows = []
    for key, seen in measured.items():
        cells = []
        for n in groups:
            values = seen.get(n) or []
            good = bool(values) and max(values) <= seen["at_most"]  # type: ignore[operator]
            cells.append(f"**{span(values)}**" if good else span(values) if values else "not run")
        work, bound, who = key
        rows.append([work, *cells, bound, who])
    return head, rows


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
    counts = ", ".join(
        f"{len(group)} with {n} thread{'s' * (n > 1)}" for n, group in by_threads(runs).items()
    )
    return (
        f"{about['processor']}, {about['cores']} cores, GPU: {about['GPU']}; {about['system']}, Python "
        f"{about['python']}, torch {about['torch']}, NumPy {about['numpy']}. Runs: {counts}."
    )


def against_the_loop(run: Run) -> list[tuple[str, float, float, float]]:
    """Of each contest with large arrays: its title; the milliseconds of the loop called a bandwidth bound and
    of the fastest step; and what as many bytes took the loop where it moved them fastest in this run."""
    found = []
    for contest in run["contests"]:
        times = {who: ms for who, ms in contest["ms"].items() if not who.startswith(PART)}
        loop = times.pop(BOUND, None)
        if loop and contest["title"].endswith(LARGE):
            found.append((contest["title"], loop, min(times.values())))
    fastest = min((loop / arrays_of(title) for title, loop, _ in found), default=0.0)
    return [(title, loop, step, fastest * arrays_of(title)) for title, loop, step in found]


def bound_text(runs: list[Run]) -> str:
    """How often a step was faster than the loop beside it, and than the same loop at its best."""
    contests = [one for run in runs for one in against_the_loop(run)]
    ahead = [step / loop for _, loop, step, _ in contests if step < loop]
    still = [step / best for *_, step, best in contests if step < best]
    scatter = 1.0
    for run in runs:
        by_size: dict[float, list[float]] = {}
        for title, loop, *_ in against_the_loop(run):
            by_size.setdefault(arrays_of(title), []).append(loop)
        scatter = max([scatter, *(max(loops) / min(loops) for loops in by_size.values())])
    return (
        f"In {len(ahead)} of the {len(contests)} stored contests with ten million parameters the fastest "
        f"step took less time than that loop, by {lead(ahead)} at most. The loop itself scatters by more: for"
        f" one number of bytes, in one run, it took up to {scatter:.2f} times as long in one contest as in "
        f"another. Held against the best rate at which it moved bytes anywhere in the same run, in "
        f"{len(still)} the step is still ahead, by {lead(still)} at most."
    )


WHOSE = {"ours": "ours", "torch,": "torch", "torch.": "torch"}


def whose(who: str) -> str:
    """Whose time it is, as a class: ours, torch's, another's, or one that stands for comparison."""
    if who == BOUND or who.startswith(PART):
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


def lead(quotients: list[float]) -> str:
    return f"{100 * (1 - min(quotients, default=1.0)):.0f} %"


class Bench(SphinxDirective):
    """``{bench} goals``, ``{bench} bars``, ``{bench} times``, ``{bench} bound`` or ``{bench} machine``."""

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
        if what != "goals":
            raise self.error(f"bench shows goals, bars, times, bound or machine, not {what!r}")
        head, rows = goal_rows(runs)
        return [table(self, head, [(row, []) for row in rows], "bench-goals")]


def setup(app):
    app.add_directive("bench", Bench)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
