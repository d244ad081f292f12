"""The update rules as optimizers for torch: any training loop, schedule or checkpoint takes them."""

from gdcourse.optim.lookahead import Lookahead
from gdcourse.optim.methods import (
    SGD,
    Adadelta,
    Adagrad,
    Adam,
    AdamW,
    Momentum,
    Nesterov,
    RAdam,
    RMSProp,
    from_rule,
)
from gdcourse.optim.optimizer import RuleOptimizer

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Lookahead",
    "Momentum",
    "Nesterov",
    "RAdam",
    "RMSProp",
    "RuleOptimizer",
    "from_rule",
]
