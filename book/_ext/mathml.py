"""Formulas as MathML, written when the site is built: they are there at first paint, are read aloud, and need
no script.

A long formula is cut where a reader would break it, at a relation or a wide gap of its outermost level. Its
pieces stand beside each other where there is room, and below each other where there is none.
"""

from __future__ import annotations

import re
from functools import cache

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.util.math import get_node_equation_number

TOKEN = re.compile(r"\\[a-zA-Z]+|\\.|:=|[{}]|[^\\{}]", re.S)
GAPS = {r"\qquad", r"\quad"}
RELATIONS = {"=", ":=", "<", ">", r"\le", r"\ge", r"\approx", r"\leftarrow", r"\to", r"\gg", r"\ll"}
SIGNS = {"+", "-"}
SIZES = {r"\left", r"\right", r"\bigl", r"\bigr"}
OPENS = {"{", r"\begin", r"\lVert", r"\lvert", r"\langle", "(", "["}
CLOSES = {"}", r"\end", r"\rVert", r"\rvert", r"\rangle", ")", "]"}
LONG = 26  # letters of a piece, from which a sum may be broken, too
ALIGNED = re.compile(r"\\begin\{aligned\}(.*)\\end\{aligned\}", re.S)


def cut(latex: str, before: set[str], away: set[str] = frozenset()) -> list[str]:
    """A formula cut before some tokens of its outermost level, and at others, which go."""
    found, now, depth, size = [], "", 0, ""
    for match in TOKEN.finditer(latex.strip()):
        token = match[0]
        if token in SIZES:
            depth += 1 if token in (r"\left", r"\bigl") else -1
        elif not size:  # the bracket after \left is a part of it
            depth += (token in OPENS) - (token in CLOSES)
        size = token if token in SIZES else ""
        if depth == 0 and token in away:
            found.append(now)
            now = ""
        elif depth == 0 and token in before and now.strip():
            found.append(now)
            now = token
        else:
            now += token
    return [piece.strip() for piece in (*found, now)]


def length(latex: str) -> int:
    """About how many letters wide a formula is."""
    return len(re.sub(r"\\[a-zA-Z]+", "x", re.sub(r"[{}^_\s]|\\[;,]", "", latex)))


def pieces(latex: str) -> list[str]:
    """A formula cut before its relations; what is still long, before its signs."""
    found = []
    for piece in cut(latex, RELATIONS):
        found += [piece] if length(piece) < LONG else cut(piece, SIGNS)
    return [piece for piece in found if piece]


@cache
def mathml(latex: str, display: str) -> str:
    """A formula as a `math` element. Capital Greek letters stand upright, as TeX sets them."""
    latex = latex.replace(r"\bigl", r"\left").replace(r"\bigr", r"\right")
    made = convert(latex, display=display)
    return re.sub(r"<mi>(&#x0039[1-9A-F];|&#x003A[0-9];)</mi>", r'<mi mathvariant="normal">\1</mi>', made)


def in_line(latex: str) -> list[str]:
    """A formula cut behind its relations, where running text may break it. A relation at an end keeps its
    space by an empty term behind it."""
    found: list[str] = []
    for piece in cut(latex, RELATIONS):
        relation = next(iter(TOKEN.findall(piece)), "")
        if found and relation in RELATIONS:
            found[-1] += f"{relation} {{}}"
            piece = piece[len(relation) :]
        found.append(piece)
    return [piece for piece in found if piece.strip()]


def group(latex: str) -> str:
    """A formula whose pieces may stand below each other. A relation or sign at the start of a piece keeps its
    space by an empty term before it."""
    first, *rest = pieces(latex)
    written = [mathml(piece, "block") for piece in (first, *(f"{{}} {piece}" for piece in rest))]
    return f'<span class="gd-group">{"".join(written)}</span>'


def rows(latex: str) -> str:
    """Aligned rows: a grid of pairs of cells, two pairs a row at most, one where there is no room."""
    written = []
    for row in cut(latex, set(), {r"\\"}):
        cells = cut(row, set(), {"&"})
        cells += [""] * (4 - len(cells))
        written += [f"<span>{group(cell) if cell else ''}</span>" for cell in cells]
    return f'<div class="gd-aligned">{"".join(written)}</div>'


def inline(self, node) -> None:
    written = "<wbr>".join(mathml(piece.strip(), "inline") for piece in in_line(node.astext()))
    self.body.append(f'<span class="gd-math">{written}</span>')
    raise nodes.SkipNode


def block(self, node) -> None:
    latex = node.astext().strip()
    aligned = ALIGNED.fullmatch(latex)
    written = rows(aligned[1]) if aligned else "".join(group(one) for one in cut(latex, set(), GAPS) if one)
    self.body.append(self.starttag(node, "div", CLASS="gd-math"))
    self.body.append(f'<div class="gd-formula">{written}</div>')
    if node["number"]:
        number = get_node_equation_number(self, node)
        self.body.append(f'<span class="eqno">({number})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app):
    app.add_html_math_renderer("mathml", inline_renderers=(inline, None), block_renderers=(block, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
