"""Show the code that runs: read from the installed library, never copied."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any


class Source:
    """Source text that shows itself as plain text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def show_source(*things: Any) -> Source:
    """The source of classes, functions or methods, one below the other, without their docstrings (the page
    has the words)."""
    return Source("\n\n\n".join(bare(thing) for thing in things))


def bare(thing: Any) -> str:
    """The source of one class, function or method, without its docstring."""
    text = textwrap.dedent(inspect.getsource(thing))
    body = ast.parse(text).body[0].body  # type: ignore[attr-defined]
    lines = text.splitlines()
    first = body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    if is_docstring and len(body) > 1:
        after = first.end_lineno
        while after < len(lines) and not lines[after].strip():
            after += 1
        lines[first.lineno - 1 : after] = []
    return "\n".join(lines).rstrip()
