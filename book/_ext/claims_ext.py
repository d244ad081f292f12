"""The ledger of the talk's claims, in the book.

- A cell that calls ``decide("some-claim", …)`` gets the anchor ``claim-some-claim``.
- ``{claims}`` becomes a table of all claims, or of one chapter's: ``{claims} momentum``. Each row
  links to the slide's place in the book, and its verdict to the cell that decides it.
- The build fails if a claim has no deciding cell or more than one, or if a cell decides an unknown claim.
"""

from __future__ import annotations

import re

from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from tables import table

from gdcourse.experiments.claims import ledger

log = logging.getLogger(__name__)
DECIDES = re.compile(r"""\bdecide\(\s*["']([^"']+)["']""")
COLUMNS = ("Slide", "The talk says", "Verdict", "What is true")


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
                f"{{ref}}`{c.slide} <slide-{c.slide:02d}>`",
                c.says,
                f"{{ref}}`{c.verdict} <claim-{c.id}>`",
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
        for claim in decided_in(code.astext()) if code is not None else []:
            anchor = f"claim-{claim}"
            cell["ids"].append(anchor)
            labels.anonlabels[anchor] = here, anchor
            labels.labels[anchor] = here, anchor, claim
            deciders.setdefault(here, []).append(claim)


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
