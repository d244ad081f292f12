"""What a reader moves: the signature figures, and sliders in a notebook."""

from gdcourse.explore.chapters import SIGNATURES, momentum
from gdcourse.explore.figure import Figure
from gdcourse.explore.sliders import live

__all__ = ["SIGNATURES", "Figure", "live", "momentum"]
