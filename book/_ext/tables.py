"""A table whose cells are MyST, for the directives of this book."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

Row = tuple[Sequence[str], list[str]]
"""A row's cells, and its classes."""


def table(directive: SphinxDirective, head: Sequence[str], rows: Iterable[Row], name: str) -> nodes.table:
    """A table of the class ``name``."""
    made = nodes.table(classes=[name])
    group = nodes.tgroup(cols=len(head))
    made += group
    group += [nodes.colspec(colwidth=1) for _ in head]
    top, body = nodes.thead(), nodes.tbody()
    group += [top, body]
    top += _row(directive, head, [])
    body += [_row(directive, cells, classes) for cells, classes in rows]
    return made


def _row(directive: SphinxDirective, cells: Sequence[str], classes: list[str]) -> nodes.row:
    row = nodes.row(classes=classes)
    for text in cells:
        entry, paragraph = nodes.entry(), nodes.paragraph()
        children, messages = directive.state.inline_text(text, directive.lineno)
        paragraph += [*children, *messages]
        entry += paragraph
        row += entry
    return row
