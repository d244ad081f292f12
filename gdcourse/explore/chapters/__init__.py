"""The signature figures: one function for each, named after its chapter."""

from gdcourse.explore.chapters.adadelta import adadelta
from gdcourse.explore.chapters.adagrad import adagrad
from gdcourse.explore.chapters.adam import adam
from gdcourse.explore.chapters.backpropagation import backpropagation
from gdcourse.explore.chapters.batch import batch
from gdcourse.explore.chapters.conclusion import conclusion
from gdcourse.explore.chapters.cover import cover
from gdcourse.explore.chapters.drawing import drawing
from gdcourse.explore.chapters.gradient_descent import gradient_descent
from gdcourse.explore.chapters.lookahead import lookahead
from gdcourse.explore.chapters.mini_batch import mini_batch
from gdcourse.explore.chapters.momentum import momentum
from gdcourse.explore.chapters.nesterov import nesterov
from gdcourse.explore.chapters.network import network
from gdcourse.explore.chapters.radam import radam
from gdcourse.explore.chapters.rmsprop import rmsprop
from gdcourse.explore.chapters.stochastic import stochastic
from gdcourse.explore.chapters.why_it_matters import why_it_matters

SIGNATURES = {
    function.__name__: function
    for function in (
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
}
"""Every figure of the book, by the name of the function that makes it."""
