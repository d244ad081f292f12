"""gdcourse: gradient-descent optimizers to learn from, to check against, and to use.

What to call first:

    import gdcourse as gd

    run = gd.descend(gd.Momentum(lr=0.02), gd.problems.ravine(), steps=50)     # walk down a surface
    run = gd.descend(gd.Adam(0.1), lambda x: (x**2).sum(), start=[3.0, 4.0])   # or a function of your own
    run.plot(), run.animate(), run.to_pandas()                                 # look at it
    gd.figures.contours("Beale", x=(-2, 4), y=(-2, 2))                         # look at a surface
    history = gd.train(gd.problems.Network(), gd.digits(), gd.Adam(lr=0.01))   # a network reads digits
    history.read(gd.digits().test.images[0])                                   # and one of your own
    gd.train(gd.problems.Transformer(), gd.text(), gd.Adam(lr=0.003))          # a transformer learns letters
    found = gd.compare(["Momentum", gd.Adam(0.01), torch.optim.NAdam])         # which is best, fairly tuned?
    optimizer = gd.optim.Adam(model.parameters(), lr=1e-3)                     # in your own training loop
    optimizer = gd.optim.from_rule(gd.Nesterov(0.1), model.parameters())       # any rule, also your own

Rooms: `rules` (one file an optimizer, the equations), `theory` (closed forms), `problems` (what is
minimised), `optim` (the rules as torch optimizers), `experiments` (runs, trainings, comparisons), `exercises`
(that check an answer), `figures` and `explore` (pictures); the last three are loaded when first used.
"""

import importlib
from typing import Any

from gdcourse import experiments, optim, problems, rules, theory
from gdcourse.experiments import compare, descend, train
from gdcourse.problems import digits, text
from gdcourse.rules import (
    ADOPT,
    LAMB,
    METHODS,
    SAM,
    SOAP,
    AdaBelief,
    Adadelta,
    Adafactor,
    Adagrad,
    Adam,
    AdamW,
    AdEMAMix,
    AMSGrad,
    Cautious,
    Clipped,
    GradientDescent,
    Lion,
    Lookahead,
    Momentum,
    Muon,
    NAdam,
    Nesterov,
    NorMuon,
    Partners,
    Prodigy,
    RAdam,
    RMSProp,
    Rule,
    ScheduleFree,
    ScheduleFreeSGD,
    Shampoo,
    SignSGD,
)
from gdcourse.rules.names import absent as _absent
from gdcourse.rules.table import ALL
from gdcourse.rules.table import torchs_name as _torchs_name

__version__ = "0.2.0"

_LATER = ("exercises", "explore", "figures")  # loaded when asked for: the last two bring matplotlib


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return importlib.import_module(f"gdcourse.{name}")
    if name in ALL:
        return ALL[name].kind
    words = {name: f"gd.rules.{name}"} if callable(getattr(rules, name, None)) else {}
    raise _absent(__name__, name, words | _torchs_name())


experiments.drawn_by(lambda: importlib.import_module("gdcourse.figures"))


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER, *ALL})
