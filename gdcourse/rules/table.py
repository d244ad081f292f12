"""The one table of all rules, in two parts: those of the talk, over which the book's comparisons run, and
those that came after it. A new optimizer adds a line here (and the import above it): its names in the
package, its class for torch, its look in figures, its place in tests and comparisons are made from that."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

from gdcourse.rules.adabelief import AdaBelief
from gdcourse.rules.adadelta import Adadelta
from gdcourse.rules.adafactor import Adafactor
from gdcourse.rules.adagrad import Adagrad
from gdcourse.rules.adam import Adam, AdamW
from gdcourse.rules.ademamix import AdEMAMix
from gdcourse.rules.adopt import ADOPT
from gdcourse.rules.amsgrad import AMSGrad
from gdcourse.rules.around import inside
from gdcourse.rules.cautious import Cautious
from gdcourse.rules.clipped import Clipped
from gdcourse.rules.gradient_descent import GradientDescent
from gdcourse.rules.lamb import LAMB
from gdcourse.rules.lion import Lion
from gdcourse.rules.lookahead import Lookahead
from gdcourse.rules.momentum import Momentum
from gdcourse.rules.muon import Muon
from gdcourse.rules.nadam import NAdam
from gdcourse.rules.names import unknown
from gdcourse.rules.nesterov import Nesterov
from gdcourse.rules.normuon import NorMuon
from gdcourse.rules.partners import Partners
from gdcourse.rules.prodigy import Prodigy
from gdcourse.rules.radam import RAdam
from gdcourse.rules.rmsprop import RMSProp
from gdcourse.rules.rule import Rule, Scalar
from gdcourse.rules.sam import SAM
from gdcourse.rules.schedule_free import ScheduleFree, ScheduleFreeSGD
from gdcourse.rules.shampoo import Shampoo
from gdcourse.rules.sign_sgd import SignSGD
from gdcourse.rules.soap import SOAP

ONE_RATE = "one rate for all parameters"
OWN_RATE = "a rate for each parameter"
BOTH = "a rate for each, and a memory"
AROUND = "around another method"
SIGNS = "only the sign"
REPAIRS = "Adam, repaired"
UNTUNED = "without a schedule or a rate"
MATRICES = "a layer as a matrix"


@dataclass(frozen=True)
class Method:
    """A rule as it enters the package and a comparison.

    Parameters
    ----------
    make : from a value of the tuned hyperparameter (a number or an array) to the rule.
    usual : where a search on the digits starts, the middle of its grid.
    tuned : which hyperparameter a comparison searches over. Default ``"lr"``, the learning rate; Adadelta
        has none, there it is ε.
    family : with which others it is drawn, in one panel and one colour. Default: those without a family.
    torch : what torch calls a hyperparameter, where that is neither its name here, nor ``momentum`` for
        ``gamma``, nor ``betas`` for the pair of ``beta1`` and ``beta2``. Default: none.
    optim : the name of its class in `gdcourse.optim`. Default: the rule's.
    """

    make: Callable[[Scalar], Rule]
    usual: float
    tuned: str = "lr"
    family: str = "other"
    torch: Mapping[str, str] = field(default_factory=dict)
    optim: str = ""

    @property
    def kind(self) -> type[Rule]:
        """The rule's class."""
        return type(self.make(self.usual))


class Methods(dict[str, Method]):
    """Methods by name. Where there is none of a name, the KeyError says what may be meant."""

    def __missing__(self, name: str) -> Method:
        raise KeyError(unknown_method(name))


METHODS: dict[str, Method] = Methods()
METHODS |= {
    "GradientDescent": Method(lambda lr: GradientDescent(lr), 0.3, family=ONE_RATE, optim="SGD"),
    "Momentum": Method(lambda lr: Momentum(lr), 0.1, family=ONE_RATE),
    "Nesterov": Method(lambda lr: Nesterov(lr), 0.1, family=ONE_RATE),
    "Adagrad": Method(lambda lr: Adagrad(lr), 0.03, family=OWN_RATE),
    "RMSProp": Method(lambda lr: RMSProp(lr), 0.003, family=OWN_RATE, torch={"gamma": "alpha"}),
    "Adadelta": Method(lambda eps: Adadelta(eps=eps), 1e-5, "eps", OWN_RATE, {"gamma": "rho"}),
    "Adam": Method(lambda lr: Adam(lr), 0.01, family=BOTH),
    "AdamW": Method(lambda lr: AdamW(lr), 0.01, family=BOTH),
    "RAdam": Method(lambda lr: RAdam(lr), 0.01, family=BOTH),
    "Lookahead": Method(lambda lr: Lookahead(Momentum(lr)), 0.1, family=AROUND),
}
"""The methods up to the talk's last, Lookahead; RMSProp and AdamW are not on its list."""

AFTER: dict[str, Method] = Methods()
AFTER |= {
    "SignSGD": Method(lambda lr: SignSGD(lr), 0.003, family=SIGNS),
    "Lion": Method(lambda lr: Lion(lr), 0.003, family=SIGNS),
    "NAdam": Method(lambda lr: NAdam(lr), 0.01, family=REPAIRS),
    "AMSGrad": Method(lambda lr: AMSGrad(lr), 0.01, family=REPAIRS),
    "AdaBelief": Method(lambda lr: AdaBelief(lr), 0.01, family=REPAIRS),
    "AdEMAMix": Method(lambda lr: AdEMAMix(lr), 0.01, family=REPAIRS),
    "ADOPT": Method(lambda lr: ADOPT(lr), 0.003, family=REPAIRS),
    "Cautious": Method(lambda lr: Cautious(Adam(lr)), 0.01, family=AROUND),
    "Clipped": Method(lambda lr: Clipped(Momentum(lr)), 0.1, family=AROUND),
    "SAM": Method(lambda lr: SAM(Momentum(lr)), 0.1, family=AROUND),
    "ScheduleFreeSGD": Method(
        lambda lr: ScheduleFreeSGD(lr),
        1.0,
        family=UNTUNED,
        torch={"beta": "momentum", "warmup": "warmup_steps"},
    ),
    "ScheduleFree": Method(
        lambda lr: ScheduleFree(lr), 0.03, family=UNTUNED, torch={"warmup": "warmup_steps"}
    ),
    "Prodigy": Method(lambda d_coef: Prodigy(d_coef=d_coef), 1.0, "d_coef", family=UNTUNED),
    "LAMB": Method(lambda lr: LAMB(lr), 0.01, family=MATRICES),
    "Adafactor": Method(lambda lr: Adafactor(lr), 0.01, family=MATRICES),
    "Muon": Method(lambda lr: Muon(lr), 0.01, family=MATRICES),
    "NorMuon": Method(lambda lr: NorMuon(lr), 0.01, family=MATRICES),
    "Shampoo": Method(lambda lr: Shampoo(lr), 0.1, family=MATRICES),
    "SOAP": Method(lambda lr: SOAP(lr), 0.003, family=MATRICES),
}
"""Those that came after it."""


class Both(Mapping[str, Method]):
    """The talk's and then those after it; one that is put into either is in it."""

    def __getitem__(self, name: str) -> Method:
        return (AFTER if name in AFTER else METHODS)[name]

    def __iter__(self) -> Iterator[str]:
        return chain(METHODS, AFTER)

    def __len__(self) -> int:
        return len(METHODS) + len(AFTER)


ALL = Both()


OTHERS = {"Signum": "SignSGD", "AdamWScheduleFree": "ScheduleFree", "SGDScheduleFree": "ScheduleFreeSGD"}
"""What others call a method, and what it is called here, for torch, too."""


def torchs_name() -> dict[str, str]:
    """What torch, or its authors, call a method that goes by another name here: from their word to ours."""
    return OTHERS | {method.optim: name for name, method in ALL.items() if method.optim}


def unknown_method(name: Any) -> str:
    """What is said of a name that the table does not have."""
    return unknown("method", name, ALL, torchs_name())


def with_lr(rule: Any, lr: Scalar) -> Any:
    """The same rule with another learning rate; for one around another, the inner rule's; for partners, that
    of the hidden matrices' rule.

    Raises
    ------
    TypeError : the rule has no learning rate (Adadelta).
    """
    lr_of(rule)  # raises where there is none
    if isinstance(rule, Partners):
        return replace(rule, hidden=with_lr(rule.hidden, lr))
    if hasattr(rule, "lr"):
        return replace(rule, lr=lr)
    return replace(rule, inner_rule=with_lr(rule.inner_rule, lr))


def lr_of(rule: Any) -> Scalar:
    """The rule's learning rate, where `with_lr` puts it. Raises as that does."""
    if isinstance(rule, Partners):
        return lr_of(rule.hidden)
    if hasattr(rule, "lr"):
        return rule.lr
    if (inner := inside(rule)) is None:
        raise TypeError(f"{type(rule).__name__} has no learning rate")
    return lr_of(inner)
