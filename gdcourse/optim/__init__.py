"""The update rules as optimizers for torch: any training loop, schedule or checkpoint takes them."""

from typing import Any

from gdcourse.optim.lookahead import Lookahead
from gdcourse.optim.methods import (
    ADOPT,
    CLASSES,
    LAMB,
    SGD,
    SOAP,
    AdaBelief,
    Adadelta,
    Adafactor,
    Adagrad,
    Adam,
    AdamW,
    AdEMAMix,
    AMSGrad,
    Lion,
    Momentum,
    Muon,
    NAdam,
    Nesterov,
    NorMuon,
    Prodigy,
    RAdam,
    RMSProp,
    ScheduleFree,
    ScheduleFreeSGD,
    Shampoo,
    SignSGD,
    from_rule,
)
from gdcourse.optim.optimizer import RuleOptimizer
from gdcourse.optim.together import Together, hidden_matrices
from gdcourse.rules.around import inside as _inside
from gdcourse.rules.names import absent as _absent
from gdcourse.rules.table import ALL
from gdcourse.rules.table import OTHERS as _OTHERS
from gdcourse.rules.table import torchs_name as _torchs_name

__all__ = [*CLASSES, "Lookahead", "RuleOptimizer", "Together", "from_rule", "hidden_matrices"]


def __getattr__(name: str) -> Any:
    """A class that is made from the table and not named above: those are for type checkers and editors."""
    if name in CLASSES:
        return CLASSES[name]
    if name in ALL and _inside(ALL[name].make(ALL[name].usual)):
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}: a rule around another is made an optimizer by "
            f"gd.optim.from_rule(gd.{name}(gd.Adam()), params)"
        )
    raise _absent(__name__, name, _OTHERS | {ours: torchs for torchs, ours in _torchs_name().items()})


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
