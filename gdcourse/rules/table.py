"""The one table of all rules. A new optimizer adds a line here; every test, figure and
comparison that runs over all rules picks it up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gdcourse.rules.adadelta import Adadelta
from gdcourse.rules.adagrad import Adagrad
from gdcourse.rules.adam import Adam, AdamW
from gdcourse.rules.gradient_descent import GradientDescent
from gdcourse.rules.lookahead import Lookahead
from gdcourse.rules.momentum import Momentum
from gdcourse.rules.nesterov import Nesterov
from gdcourse.rules.radam import RAdam
from gdcourse.rules.rmsprop import RMSProp
from gdcourse.rules.rule import Rule, Scalar


@dataclass(frozen=True)
class Method:
    """A rule as it enters a comparison.

    Parameters
    ----------
    make : from a value of the tuned hyperparameter (a number or an array) to the rule.
    usual : where a search on the digits starts, the middle of its grid.
    tuned : which hyperparameter a comparison searches over. Default ``"lr"``, the learning rate; Adadelta
        has none, there it is ε.
    """

    make: Callable[[Scalar], Rule]
    usual: float
    tuned: str = "lr"


METHODS: dict[str, Method] = {
    "GradientDescent": Method(lambda lr: GradientDescent(lr), usual=0.3),
    "Momentum": Method(lambda lr: Momentum(lr), usual=0.1),
    "Nesterov": Method(lambda lr: Nesterov(lr), usual=0.1),
    "Adagrad": Method(lambda lr: Adagrad(lr), usual=0.03),
    "RMSProp": Method(lambda lr: RMSProp(lr), usual=0.003),
    "Adadelta": Method(lambda eps: Adadelta(eps=eps), usual=1e-5, tuned="eps"),
    "Adam": Method(lambda lr: Adam(lr), usual=0.01),
    "AdamW": Method(lambda lr: AdamW(lr), usual=0.01),
    "RAdam": Method(lambda lr: RAdam(lr), usual=0.01),
    "Lookahead": Method(lambda lr: Lookahead(Momentum(lr)), usual=0.1),
}


def with_lr(rule: Rule, lr: Scalar) -> Rule:
    """The same rule with another learning rate; for Lookahead, the inner rule's.

    Raises
    ------
    TypeError : the rule has no learning rate (Adadelta).
    """
    lr_of(rule)  # raises where there is none
    if isinstance(rule, Lookahead):
        return replace(rule, inner_rule=with_lr(rule.inner_rule, lr))
    return replace(rule, lr=lr)  # type: ignore[type-var]


def lr_of(rule: Rule) -> Scalar:
    """The rule's learning rate; for Lookahead, the inner rule's. Raises as `with_lr` does."""
    if isinstance(rule, Lookahead):
        return lr_of(rule.inner_rule)
    if not hasattr(rule, "lr"):
        raise TypeError(f"{type(rule).__name__} has no learning rate")
    return rule.lr
