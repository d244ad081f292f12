"""What a reader sees: the palette, the plots that chapters share, and source code."""

from gdcourse.figures.plots import contours, end_label, images, learning_rate_curves, losses, path
from gdcourse.figures.source import Source, show_source
from gdcourse.figures.style import FAINT, INK, LOOKS, Look, key, look, title, use_style

__all__ = [
    "FAINT",
    "INK",
    "LOOKS",
    "Look",
    "Source",
    "contours",
    "end_label",
    "images",
    "key",
    "learning_rate_curves",
    "look",
    "losses",
    "path",
    "show_source",
    "title",
    "use_style",
]
