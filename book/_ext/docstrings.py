"""Local Sphinx extension: the mathematics in the library's docstrings.

Docstrings write θ_t, θ_{t−1} and |θ|, to be read in an editor. The reference page sets the first two
with a subscript, and takes the bars of the third for an absolute value and not for a substitution.
"""

from __future__ import annotations

import re

CODE = re.compile(r"(``.*?``|`.*?`|^\s*(?:>>>|\.\.\.).*)")
SUBSCRIPT = re.compile(r"(?<=[^\W_]|[\])̂])_(?:\{([^}]+)\}|([t0-9i∞]))(?![A-Za-z0-9_])")


def set_mathematics(line: str) -> str:
    """The line with subscripts set as such and bars escaped, outside of code."""
    parts = CODE.split(line)
    parts[::2] = [SUBSCRIPT.sub(_subscript, words.replace("|", r"\|")) for words in parts[::2]]
    return "".join(parts)


def _subscript(match: re.Match[str]) -> str:
    return rf"\ :sub:`{match[1] or match[2]}`\ "


def on_docstring(app, what, name, obj, options, lines):
    lines[:] = [set_mathematics(line) for line in lines]


def setup(app):
    app.connect("autodoc-process-docstring", on_docstring, priority=600)  # after napoleon's 500
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
