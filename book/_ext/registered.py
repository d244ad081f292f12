"""What registers itself in the library, in the reference: the rules of the table, their classes for torch,
and the figures of the chapters. ``.. registered:: rules``, inside ``eval-rst``, is an entry for each.
"""

from __future__ import annotations

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

from gdcourse.explore import SIGNATURES
from gdcourse.optim.methods import CLASSES
from gdcourse.rules import ALL

REGISTERED = {
    "rules": ("autoclass", ALL),
    "optim": ("autoclass", CLASSES),
    "explore": ("autofunction", SIGNATURES),
}


def entries(room: str) -> list[str]:
    """The directives of a room's entries, as one would write them."""
    directive, names = REGISTERED[room]
    return [f".. {directive}:: gdcourse.{room}.{name}" for name in names]


class Registered(SphinxDirective):
    """``.. registered:: ROOM``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        if self.arguments[0] not in REGISTERED:
            raise self.error(f"nothing registers itself in {self.arguments[0]!r}: {', '.join(REGISTERED)} do")
        here = nodes.section()
        lines = [line for entry in entries(self.arguments[0]) for line in (entry, "")]
        self.state.nested_parse(StringList(lines, self.env.docname), 0, here)
        return here.children


def setup(app):
    app.add_directive("registered", Registered)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
