"""The update rules: one file per optimizer, its equations and nothing else."""

from typing import Any as _Any

from gdcourse.rules.adabelief import AdaBelief
from gdcourse.rules.adadelta import Adadelta
from gdcourse.rules.adafactor import Adafactor
from gdcourse.rules.adagrad import Adagrad
from gdcourse.rules.adam import Adam, AdamW
from gdcourse.rules.ademamix import AdEMAMix
from gdcourse.rules.adopt import ADOPT
from gdcourse.rules.amsgrad import AMSGrad
from gdcourse.rules.around import Around, per_batch_of, scope_of
from gdcourse.rules.cautious import Cautious
from gdcourse.rules.clipped import Clipped
from gdcourse.rules.gradient_descent import GradientDescent
from gdcourse.rules.lamb import LAMB
from gdcourse.rules.lion import Lion
from gdcourse.rules.lookahead import Lookahead
from gdcourse.rules.momentum import Momentum
from gdcourse.rules.muon import EXACT, POLAR_EXPRESS, QUINTIC, Muon, orthogonal
from gdcourse.rules.nadam import NAdam
from gdcourse.rules.names import absent as _absent
from gdcourse.rules.names import explain_names as _explain
from gdcourse.rules.names import hinted
from gdcourse.rules.nesterov import Nesterov
from gdcourse.rules.normuon import NorMuon
from gdcourse.rules.partners import Partners
from gdcourse.rules.prodigy import Prodigy
from gdcourse.rules.radam import RAdam
from gdcourse.rules.rmsprop import RMSProp
from gdcourse.rules.rule import (
    Rule,
    Scalar,
    Values,
    descending,
    eigh,
    maximum,
    norm,
    qr,
    ratio,
    reordered,
    sign,
    where,
)
from gdcourse.rules.sam import SAM
from gdcourse.rules.schedule_free import ScheduleFree, ScheduleFreeSGD
from gdcourse.rules.shampoo import Shampoo
from gdcourse.rules.sign_sgd import SignSGD
from gdcourse.rules.soap import SOAP
from gdcourse.rules.table import AFTER, ALL, METHODS, Method, lr_of, with_lr
from gdcourse.rules.table import torchs_name as _torchs_name
from gdcourse.rules.validate import validate

__all__ = [
    *ALL,
    "AFTER",
    "ALL",
    "Around",
    "EXACT",
    "METHODS",
    "Method",
    "POLAR_EXPRESS",
    "Partners",
    "QUINTIC",
    "Rule",
    "Scalar",
    "Values",
    "descending",
    "eigh",
    "hinted",
    "lr_of",
    "maximum",
    "norm",
    "orthogonal",
    "per_batch_of",
    "qr",
    "ratio",
    "reordered",
    "scope_of",
    "sign",
    "validate",
    "where",
    "with_lr",
]


def __getattr__(name: str) -> _Any:
    """A rule that stands in the table and is not named above: those are for type checkers and editors."""
    if name in ALL:
        return ALL[name].kind
    raise _absent(__name__, name, _torchs_name())


def __dir__() -> list[str]:
    return [*{*globals(), *ALL}]


_explain([*(method.kind for method in ALL.values()), Method])
