"""The ledger of the claims, in the book.

- A cell that calls ``decide("some-claim", …)`` gets the anchor ``claim-some-claim``, and what `decide`
  printed becomes a box with its formulas typeset. The first box of a page links to the one that explains it.
- ``{claims}`` becomes a table of all claims, or of one chapter's: ``{claims} momentum``. Each row
  links to the slide's place in the book (after the talk, to its chapter), and its verdict to the cell that
  decides it.
- The build fails if a claim has no deciding cell or more than one, or if a cell decides an unknown claim.
"""

from __future__ import annotations

import re
from itertools import islice

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from tables import table

from gdcourse.experiments.claims import KINDS, ledger

log = logging.getLogger(__name__)
DECIDES = re.compile(r"""\bdecide\(\s*["']([^"']+)["']""")
COLUMNS = ("Slide", "What is said", "Verdict", "What is true")


def decided_in(source: str) -> list[str]:
    """The claims that a cell's code decides."""
    return DECIDES.findall(source)


class Claims(SphinxDirective):
    """``{claims}`` or ``{claims} CHAPTER``."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        chapter = self.arguments[0] if self.arguments else None
        claims = [c for c in ledger().values() if chapter in (None, c.chapter)]
        if not claims:
            raise self.error(f"the ledger has no claim of a chapter {chapter!r}")
        rows = []
        for c in claims:
            cited = " " + ", ".join(f"{{cite:t}}`{key}`" for key in c.sources) if c.sources else ""
            cells = (
                f"{{ref}}`{c.slide} <slide-{c.slide:02d}>`" if c.slide else f"{{doc}}`{c.chapter}`",
                c.says,
                f"{{ref}}`{c.verdict} <claim-{c.id}>`"
                + ("" if c.kind == "experiment" else f" ({KINDS[c.kind]})"),
                c.statement + (f"{cited}." if cited else ""),
            )
            # claims.js filters by these
            classes = [f"verdict-{c.verdict.replace(' ', '-')}", f"from-{c.chapter.replace('_', '-')}"]
            rows.append((cells, classes))
        return [table(self, COLUMNS, rows, "claims")]


def label_deciding_cells(app, doctree) -> None:
    """Give each deciding cell its anchor, and remember where it is."""
    deciders = app.env.__dict__.setdefault("gd_deciders", {})
    labels = app.env.get_domain("std")
    here = app.env.docname
    deciders.pop(here, None)
    for cell in doctree.findall(lambda node: isinstance(node, nodes.container) and "cell" in node["classes"]):
        code = next(cell.findall(nodes.literal_block), None)
        claims = decided_in(code.astext()) if code is not None else []
        if claims:
            box_verdicts(cell, claims)
        for claim in claims:
            anchor = f"claim-{claim}"
            cell["ids"].append(anchor)
            labels.anonlabels[anchor] = here, anchor
            labels.labels[anchor] = here, anchor, claim
            deciders.setdefault(here, []).append(claim)
    boxes = (node for node in doctree.findall(nodes.container) if "gd-verdict" in node["classes"])
    for box in islice(boxes, 1):
        box += explanation(here)


def explanation(page: str) -> nodes.Node:
    """Where a reader learns what the lines of a box mean."""
    words = nodes.inline(text="What these lines mean")
    link = pending_xref(
        "", words, refdomain="std", reftype="doc", reftarget="verdicts", refdoc=page, refexplicit=True
    )
    return nodes.paragraph("", "", link, classes=["gd-verdict-lines"])


MARKS = {"holds": "✓", "holds if": "◐", "does not hold": "✗"}
LABEL = re.compile(r"(The talk|The claim|Verdict|Measured|As said|If so|Counter): +(.*)")


def typeset(text: str) -> list[nodes.Node]:
    """Text whose formulas stand between dollar signs."""
    pieces = text.split("$")
    return [
        nodes.math(piece, piece) if i % 2 else nodes.Text(piece) for i, piece in enumerate(pieces) if piece
    ]


SAID = ("The talk:", "The claim:")
COMPARED = re.compile(r"^(.*: )(under )?(\S+) ([≤≥<>]) (\S+), (margin.*)$", re.S)
SIGNS = {"≤": r"\le", "≥": r"\ge", "<": "<", ">": ">"}


def number(text: str) -> str:
    """A number as `decide` prints it, in TeX: 3.2e−16 becomes 3.2 · 10^−16."""
    mantissa, _, power = text.replace("−", "-").partition("e")
    if not power:
        return mantissa.replace("inf", r"\infty")
    power = f"10^{{{int(power)}}}"
    return power if mantissa == "1" else rf"{mantissa} \cdot {power}"


def compared(text: str) -> list[nodes.Node]:
    """What was measured, with number, sign and bound as one formula."""
    match = COMPARED.match(text)
    if not match:
        return typeset(text)
    what, under, value, sign, bound, margin = match.groups()
    told = "" if under else f"{number(value)} "  # a rounding error: its digits differ from machine to machine
    formula = f"{told}{SIGNS[sign]} {number(bound)}"
    return [*typeset(what), nodes.math(formula, formula), nodes.Text(f", {margin}")]


def printed(lines: list[str]) -> list[tuple[str, str]]:
    """What `decide` printed, line by line: the label, and the text with its wrapped lines joined."""
    found: list[tuple[str, str]] = []
    for line in lines:
        if match := LABEL.match(line):
            found.append((match[1], match[2]))
        elif found:
            label, text = found[-1]
            found[-1] = label, f"{text} {line.strip()}"
    return found


def verdict_box(id: str, measured: list[tuple[str, str]]) -> nodes.Node:
    """A claim, its verdict, and what was measured."""
    claim = ledger()[id]
    box = nodes.container(classes=["gd-verdict", f"verdict-{claim.verdict.replace(' ', '-')}"])
    kind = "" if claim.kind == "experiment" else f" ({KINDS[claim.kind]})"
    word = nodes.strong(text=f"{MARKS[claim.verdict]} {claim.verdict.capitalize()}{kind}.")
    box += nodes.paragraph("", "", nodes.emphasis(text=f"{claim.said}: "), *typeset(claim.says))
    box += nodes.paragraph("", "", word, nodes.Text(" "), *typeset(claim.statement))
    items = nodes.bullet_list()
    for label, text in measured:
        words = {"As said": "As worded: ", "If so": "Under the condition: ", "Counter": "Counter-case, "}.get(
            label, ""
        )
        items += nodes.list_item("", nodes.paragraph("", "", nodes.emphasis(text=words), *compared(text)))
    if len(items):
        box += items
    return box


def end_of_verdict(lines: list[str], start: int) -> int:
    """The line after a verdict: what follows it has neither a label of `decide` nor its indentation."""
    for i in range(start, len(lines)):
        if not LABEL.match(lines[i]) and not lines[i].startswith(10 * " "):
            return i
    return len(lines)


def box_verdicts(cell: nodes.container, claims: list[str]) -> None:
    """Put a box in place of each verdict that a cell printed."""
    for block in list(cell.findall(nodes.literal_block)):
        lines = block.astext().splitlines()
        starts = [i for i, line in enumerate(lines) if line.startswith(SAID)]
        if not starts or "stream" not in block["classes"]:
            continue
        ends = [*starts[1:], end_of_verdict(lines, starts[-1])]
        boxes = [
            verdict_box(
                id,
                [
                    (label, text)
                    for label, text in printed(lines[start:end])
                    if f"{label}:" not in (*SAID, "Verdict:")
                ],
            )
            for id, start, end in zip(claims, starts, ends, strict=True)
        ]
        before, after = ("\n".join(part) for part in (lines[: starts[0]], lines[ends[-1] :]))
        kept = [[nodes.literal_block(x, x, **block.attributes)] if x.strip() else [] for x in (before, after)]
        block.parent.replace(block, [*kept[0], *boxes, *kept[1]])


def check_deciders(app, env) -> None:
    """No claim without its cell, no cell without its claim."""
    decided = [claim for claims in env.__dict__.get("gd_deciders", {}).values() for claim in claims]
    for claim in sorted(set(decided) - set(ledger())):
        log.warning("a cell decides %r, which is not in the ledger", claim)
    for claim in ledger():
        if decided.count(claim) != 1:
            log.warning("the claim %r is decided by %d cells, not by one", claim, decided.count(claim))


def setup(app):
    app.add_directive("claims", Claims)
    app.connect("doctree-read", label_deciding_cells)
    app.connect("env-check-consistency", lambda app, env: check_deciders(app, env))
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
