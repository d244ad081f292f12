"""What a reader moves: the signature figures, and sliders in a notebook."""

from gdcourse.experiments.shown import needed

needed("matplotlib", 'gdcourse.explore needs matplotlib and ipywidgets: pip install "gdcourse[book]"')

from gdcourse.explore.chapters import (
    SIGNATURES,
    adadelta,
    adagrad,
    adam,
    backpropagation,
    batch,
    conclusion,
    cover,
    drawing,
    gradient_descent,
    lookahead,
    mini_batch,
    momentum,
    nesterov,
    network,
    radam,
    rmsprop,
    stochastic,
    why_it_matters,
)
from gdcourse.explore.figure import Figure
from gdcourse.explore.sliders import live

__all__ = [
    "SIGNATURES",
    "Figure",
    "adadelta",
    "adagrad",
    "adam",
    "backpropagation",
    "batch",
    "conclusion",
    "cover",
    "drawing",
    "gradient_descent",
    "live",
    "lookahead",
    "mini_batch",
    "momentum",
    "nesterov",
    "network",
    "radam",
    "rmsprop",
    "stochastic",
    "why_it_matters",
]
