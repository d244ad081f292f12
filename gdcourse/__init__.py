"""gdcourse: gradient-descent optimizers to learn from, to check against, and to use."""

from gdcourse import experiments, optim, problems, rules, theory
from gdcourse.experiments import descend, train
from gdcourse.problems import digits
from gdcourse.rules import (
    METHODS,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    GradientDescent,
    Lookahead,
    Momentum,
    Nesterov,
    RAdam,
    RMSProp,
    Rule,
)

__version__ = "0.1.0"
