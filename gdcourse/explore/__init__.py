"""What a reader moves: the signature figures, and sliders in a notebook."""

from collections.abc import Callable

from gdcourse.experiments.shown import needed

needed("matplotlib", 'gdcourse.explore needs matplotlib and ipywidgets: pip install "gdcourse[book]"')

from gdcourse.explore.chapters import SIGNATURES
from gdcourse.explore.figure import Figure
from gdcourse.explore.sliders import live

__all__ = [*SIGNATURES, "SIGNATURES", "Figure", "live"]


def __getattr__(name: str) -> Callable[..., Figure]:
    """A figure of a chapter, by the name of the function that makes it."""
    if name in SIGNATURES:
        return SIGNATURES[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
