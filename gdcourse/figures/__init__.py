"""What a reader sees: the palette, the plots that chapters share, and source code."""

from gdcourse.experiments.shown import needed

needed("matplotlib", 'gdcourse.figures needs matplotlib: pip install "gdcourse[book]"')

from gdcourse.figures.animation import Animation, animate
from gdcourse.figures.plots import contours, end_label, images, learning_rate_curves, losses, path
from gdcourse.figures.results import plot_history, plot_run
from gdcourse.figures.source import Source, show_source
from gdcourse.figures.style import FAINT, INK, LOOKS, Look, key, look, title, use_style

__all__ = [
    "FAINT",
    "INK",
    "LOOKS",
    "Animation",
    "Look",
    "Source",
    "animate",
    "contours",
    "end_label",
    "images",
    "key",
    "learning_rate_curves",
    "look",
    "losses",
    "path",
    "plot_history",
    "plot_run",
    "show_source",
    "title",
    "use_style",
]
