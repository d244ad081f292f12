"""The signature figures: in each file one function of the file's name makes the figure of that chapter."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules

from gdcourse.explore.figure import Figure

SIGNATURES: dict[str, Callable[..., Figure]] = {
    name: getattr(import_module(f"{__name__}.{name}"), name)
    for name in sorted(module.name for module in iter_modules(__path__))
}
"""Every figure of the book, by the name of the function that makes it. A file in this folder registers it."""
