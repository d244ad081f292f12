"""The update rules: one file per optimizer, the slide's equations and nothing else."""

from gdcourse.rules.adadelta import Adadelta
from gdcourse.rules.adagrad import Adagrad
from gdcourse.rules.adam import Adam, AdamW
from gdcourse.rules.gradient_descent import GradientDescent
from gdcourse.rules.lookahead import Lookahead
from gdcourse.rules.momentum import Momentum
from gdcourse.rules.names import explain_names as _explain_names
from gdcourse.rules.names import hinted
from gdcourse.rules.nesterov import Nesterov
from gdcourse.rules.radam import RAdam
from gdcourse.rules.rmsprop import RMSProp
from gdcourse.rules.rule import Rule, Scalar, Values, ratio, where
from gdcourse.rules.table import METHODS, Method, lr_of, with_lr
from gdcourse.rules.validate import validate

__all__ = [
    "METHODS",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "GradientDescent",
    "Lookahead",
    "Method",
    "Momentum",
    "Nesterov",
    "RAdam",
    "RMSProp",
    "Rule",
    "Scalar",
    "Values",
    "hinted",
    "lr_of",
    "ratio",
    "validate",
    "where",
    "with_lr",
]

_explain_names(
    [GradientDescent, Momentum, Nesterov, Adagrad, RMSProp, Adadelta, Adam, AdamW, RAdam, Lookahead, Method]
)
