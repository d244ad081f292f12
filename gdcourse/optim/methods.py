"""Every rule of the table as a class for torch, and `from_rule` for any other.

One maker makes the classes: arguments have torch's names, defaults and descriptions are the rule's. The
formulas are in `gdcourse.rules`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from functools import wraps
from inspect import Parameter, Signature, getdoc, signature
from itertools import takewhile
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from gdcourse import rules
from gdcourse.optim.groups import OPTIONS, pair, torchs_names, without_options
from gdcourse.optim.lookahead import Lookahead
from gdcourse.optim.optimizer import RuleOptimizer
from gdcourse.rules import ALL, Method, Rule
from gdcourse.rules.names import INSTEAD


class MethodOptimizer(RuleOptimizer):
    """What the classes of the table's rules have in common: a rule is made of arguments with torch's names.

    Raises
    ------
    TypeError : an argument that the class has not, or one missing; else as `RuleOptimizer`.
    """

    method: ClassVar[Method]

    def __init__(self, params: Any, *args: Any, **kwargs: Any) -> None:
        kind = self.method.kind
        try:
            bound = signature_of(kind).bind(params, *args, **kwargs)
        except TypeError as error:
            told = too_many(type(self).__name__, kind) if "too many positional" in str(error) else str(error)
            raise TypeError(f"{type(self).__name__}.__init__() {told}") from None
        bound.apply_defaults()
        given = dict(bound.arguments)
        hyperparameters = {}
        for name, key in torchs_names(kind).items():
            value = given[key]
            hyperparameters[name] = pair(value)[name == "beta2"] if key == "betas" else value
        others = {key: value for key, value in given.items() if key not in torchs_names(kind).values()}
        super().__init__(rule=kind(**hyperparameters), **others)


def signature_of(kind: type[Rule]) -> Signature:
    """The arguments of a rule's class for torch: the parameters, what the rule has, and what `RuleOptimizer`
    has beside that."""
    renamed = torchs_names(kind)
    defaults: dict[str, Any] = {}
    for field in fields(kind):  # type: ignore[arg-type]
        key = renamed[field.name]
        default = Parameter.empty if field.default is MISSING else field.default
        defaults[key] = (*defaults.get(key, ()), default) if key == "betas" else default
    own_rate = {} if "lr" in defaults else {"lr": 1.0}
    defaults = {**own_rate, **defaults, **({} if "weight_decay" in defaults else {"weight_decay": 0.0})}
    by_position = positional(kind, [*defaults])
    by_name = {key: value for key, value in defaults.items() if key not in by_position}
    return Signature(
        [
            Parameter("params", Parameter.POSITIONAL_OR_KEYWORD),
            *(Parameter(k, Parameter.POSITIONAL_OR_KEYWORD, default=defaults[k]) for k in by_position),
            *(
                Parameter(key, Parameter.KEYWORD_ONLY, default=value)
                for key, value in {**by_name, **HOW}.items()
            ),
        ]
    )


def too_many(name: str, kind: type[Rule]) -> str:
    """What is said to somebody who gives by position what must be named."""
    parameters = signature_of(kind).parameters.values()
    by_position = [p.name for p in parameters if p.kind is Parameter.POSITIONAL_OR_KEYWORD]
    by_name = [p.name for p in parameters if p.kind is Parameter.KEYWORD_ONLY and p.name not in HOW]
    momentum = f"; {INSTEAD[name, 'momentum']}" if (name, "momentum") in INSTEAD else ""
    return (
        f"takes {', '.join(by_position)} by position and {', '.join(by_name) or 'nothing else'} by name: "
        f"torch's order goes on otherwise{momentum}"
    )


HOW = {
    "maximize": False,
    "compile": False,
    "foreach": None,
    "fused": None,
    "capturable": False,
    "differentiable": False,
}
"""How a step is computed, whichever the rule; by name alone."""


def positional(kind: type[Rule], keys: list[str]) -> list[str]:
    """Which of a rule's arguments may be given by position: the learning rate, and those that follow it as
    far as torch's optimizer with the same formula has them in the same order. What somebody's habit would put
    elsewhere must be named. Where torch has none, torch's words in their usual order."""
    wanted = TWINS_NAME.get(kind.__name__, kind.__name__).lower()
    twin = next((getattr(torch.optim, name) for name in dir(torch.optim) if name.lower() == wanted), None)
    if not isinstance(twin, type):
        return [key for key in USUAL if key in keys]
    order = [*signature(twin).parameters][1:]
    return [*takewhile(lambda key: key in keys, order)]


USUAL = ("lr", "momentum", "rho", "betas", "alpha", "eps", "weight_decay")
TWINS_NAME = {"GradientDescent": "SGD", "Momentum": "SGD", "Nesterov": "SGD"}
"""What torch calls the optimizer, where it is not the rule's name."""


LOOKS = """The parameters are the points at which the rule takes its gradient (`look`), not θ. θ is
``optimizer.theta(p)``; to evaluate there, or to save weights for use, write
``with optimizer.at_theta(): ...``. A checkpoint to go on from, of model and optimizer, is saved outside. A
trainer that evaluates by itself does so at the parameters as they are: enter ``at_theta`` around it, as in a
subclass of Hugging Face's ``Trainer`` whose ``evaluate`` calls ``super().evaluate(...)`` inside (its
``self.optimizer`` may be a wrapper, with this one as ``self.optimizer.optimizer``). Not with its
``load_best_model_at_end``, which loads the point that was best without the optimizer's state: load both.

Under a schedule the gradient of step t is taken where the hyperparameters of step t−1 put it: the point was
set before those of step t were known.

"""
CYCLES = """It has no momentum for a schedule to cycle: give `torch.optim.lr_scheduler.OneCycleLR` and
``CyclicLR`` ``cycle_momentum=False``.

"""
RATE = """lr : what a step is multiplied by, ≥ 0, without unit. Default 1.0, the rule as it is; there for
    schedules."""


def docstring_of(kind: type[Rule]) -> str:
    """The docstring of a rule's class for torch: the rule's own, with torch's names."""
    renamed, text = torchs_names(kind), getdoc(kind) or ""
    head, _, rest = text.partition("Parameters\n----------\n")
    described, _, notes = rest.partition("\n\n")
    notes = notes.partition("Examples\n--------\n")[0]  # they are of the rule
    common = [key for key in ("params", "weight_decay", "maximize", "compile") if key not in renamed]
    common += ["foreach", "fused", "capturable", "differentiable"]
    entries = [f"{', '.join(common)} : as in `RuleOptimizer`.", *([] if "lr" in renamed else [RATE])]
    entries += _entries(described, renamed)
    for name, key in renamed.items():  # in the call of torch's that the notes give
        notes = re.sub(r"betas=\(beta1,\s+beta2\)", "betas=betas", notes)
        own = f"betas[{name == 'beta2':d}]" if key == "betas" else key
        notes = re.sub(rf"(?:(?<=[=(])|(?<=,\s))\b{name}\b(?![(=])", own, notes)
    parameters = "Parameters\n----------\n" + "\n".join(entries)
    looks = LOOKS if kind.look is not Rule.look else ""
    options = [f"``{key}={value!r}``" for key, value in OPTIONS.get(kind, {}).items()]
    deaf = f"torch's {', '.join(options)} may be given, too: they choose this formula." if options else ""
    cycles = "" if {"momentum", "betas"} & {*renamed.values()} else CYCLES
    title = f"`gdcourse.{kind.__name__}` as an optimizer for torch.\n\n"
    return "\n\n".join(
        part.strip() for part in (title + head + looks + cycles, parameters, deaf, notes) if part.strip()
    )


def _entries(described: str, renamed: dict[str, str]) -> Iterator[str]:
    """The entries of a rule's parameters under torch's names; the two of a pair as one."""
    found: dict[str, str] = {}
    for names, words in re.findall(r"^(\w+(?:, \w+)*) : (.*(?:\n +.*)*)", described, re.M):
        key = ", ".join(dict.fromkeys(renamed.get(name, name) for name in names.split(", ")))
        found[key] = f"{found[key]}\n    {words}" if key in found else words
    for key, words in found.items():
        yield f"{key} : {'a pair. ' if key == 'betas' else ''}{words}"


def class_of(name: str) -> type[MethodOptimizer]:
    """The class for torch of one of the table's rules."""
    method = ALL[name]

    def __init__(self: MethodOptimizer, params: Any, *args: Any, **kwargs: Any) -> None:
        MethodOptimizer.__init__(self, params, *args, **kwargs)

    own: Any = __init__
    own.__qualname__ = f"{method.optim or name}.__init__"
    # the signature stands on the function: a reader's subclass with other arguments does not inherit it
    of_self = Parameter("self", Parameter.POSITIONAL_OR_KEYWORD)
    signature = signature_of(method.kind)
    own.__signature__ = signature.replace(parameters=[of_self, *signature.parameters.values()])
    contents = {
        "__module__": __name__,
        "__doc__": docstring_of(method.kind),
        "__init__": own,
        "method": method,
    }
    made: Any = type(method.optim or name, (MethodOptimizer,), contents)
    made.__init__ = deaf_to_options(made.__init__, method.kind)
    return made


def deaf_to_options(init: Any, kind: type[Rule]) -> Any:
    """A constructor that takes torch's arguments for other formulas, too, where they choose this one. They
    are not in its signature: there is nothing to choose."""

    @wraps(init)
    def __init__(*args: Any, **kwargs: Any) -> None:
        init(*args, **without_options(kind, kwargs))

    return __init__


CLASSES = {
    kind.__name__: kind for kind in map(class_of, ALL) if "inner_rule" not in torchs_names(kind.method.kind)
}
"""All of them by name. A rule around another one is `Lookahead`'s, which goes around any optimizer."""

globals().update(CLASSES)

if TYPE_CHECKING:  # for type checkers and editors; a class that is not named here is there all the same

    class SGD(MethodOptimizer): ...

    class Momentum(MethodOptimizer): ...

    class Nesterov(MethodOptimizer): ...

    class Adagrad(MethodOptimizer): ...

    class RMSProp(MethodOptimizer): ...

    class Adadelta(MethodOptimizer): ...

    class Adam(MethodOptimizer): ...

    class AdamW(MethodOptimizer): ...

    class RAdam(MethodOptimizer): ...

    class SignSGD(MethodOptimizer): ...

    class Lion(MethodOptimizer): ...

    class NAdam(MethodOptimizer): ...

    class AMSGrad(MethodOptimizer): ...

    class AdaBelief(MethodOptimizer): ...

    class AdEMAMix(MethodOptimizer): ...

    class ADOPT(MethodOptimizer): ...

    class ScheduleFreeSGD(MethodOptimizer): ...

    class ScheduleFree(MethodOptimizer): ...

    class Prodigy(MethodOptimizer): ...

    class LAMB(MethodOptimizer): ...

    class Adafactor(MethodOptimizer): ...

    class Muon(MethodOptimizer): ...

    class NorMuon(MethodOptimizer): ...

    class Shampoo(MethodOptimizer): ...

    class SOAP(MethodOptimizer): ...


def from_rule(
    rule: rules.Rule,
    params: Any,
    *,
    weight_decay: Any = None,
    maximize: bool = False,
    compile: bool = False,
    foreach: bool | None = None,
    fused: bool | None = None,
    capturable: bool = False,
    differentiable: bool = False,
) -> torch.optim.Optimizer:
    """Any update rule as an optimizer, a reader's own included.

    Parameters
    ----------
    rule : an update rule whose hyperparameters are single numbers. What it is given, its ``scope`` says (see
        `Rule`): with "element", many parameters in one vector, or a piece of one; with "tensor", each
        parameter as a matrix, or a stack of such.
    params, weight_decay, maximize, compile, foreach, fused, capturable, differentiable : as in
    `RuleOptimizer`, where the names of the groups' keys and
        the errors are listed, too.

    Returns
    -------
    A `RuleOptimizer`; for `gdcourse.Lookahead`, an `optim.Lookahead` around the inner rule's.

    Examples
    --------
    >>> import torch, gdcourse as gd
    >>> model = torch.nn.Linear(3, 1)
    >>> optimizer = gd.optim.from_rule(gd.Momentum(lr=0.1), model.parameters())
    >>> optimizer.param_groups[0]["momentum"]
    0.9
    """
    how: Any = {"weight_decay": weight_decay, "maximize": maximize, "compile": compile, "foreach": foreach}
    how |= {"fused": fused, "capturable": capturable, "differentiable": differentiable}
    if type(rule) is rules.Lookahead:
        rules.validate(rule)
        return Lookahead(RuleOptimizer(params, rule.inner_rule, **how), rule.k, rule.alpha)
    return RuleOptimizer(params, rule, **how)
