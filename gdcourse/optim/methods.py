"""Every rule of the table as a class for torch, and `from_rule` for any other.

One maker makes the classes: arguments have torch's names, defaults and descriptions are the rule's. The
formulas are in `gdcourse.rules`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from inspect import Parameter, Signature, getdoc
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from gdcourse import rules
from gdcourse.optim.lookahead import Lookahead
from gdcourse.optim.groups import pair, torchs_names
from gdcourse.optim.optimizer import RuleOptimizer
from gdcourse.rules import METHODS, Method, Rule

POSITIONAL = ("lr", "momentum", "alpha", "rho", "betas", "eps", "weight_decay")
"""What torch's optimizers call so may be given by position here, too; anything else by its name alone."""


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
            raise TypeError(f"{type(self).__name__}.__init__() {error}") from None
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
    by_position = sorted(
        (key for key in defaults if key in POSITIONAL), key=lambda key: defaults[key] is not Parameter.empty
    )
    by_name = {key: value for key, value in defaults.items() if key not in POSITIONAL}
    return Signature(
        [
            Parameter("params", Parameter.POSITIONAL_OR_KEYWORD),
            *(Parameter(k, Parameter.POSITIONAL_OR_KEYWORD, default=defaults[k]) for k in by_position),
            *(
                Parameter(key, Parameter.KEYWORD_ONLY, default=value)
                for key, value in {**by_name, "maximize": False, "compile": False}.items()
            ),
        ]
    )


LOOKS = """The parameters are the points at which the rule takes its gradient (`look`), not θ. θ is
``optimizer.theta(p)``; to evaluate or save there, use ``with optimizer.at_theta(): ...``. Under a schedule
the gradient of step t is taken where the hyperparameters of step t−1 put it: the point was set before those
of step t were known.

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
    entries = [f"{', '.join(common)} : as in `RuleOptimizer`.", *([] if "lr" in renamed else [RATE])]
    entries += _entries(described, renamed)
    for name, key in renamed.items():  # in the call of torch's that the notes give
        notes = notes.replace("betas=(beta1, beta2)", "betas=betas")
        notes = re.sub(rf"=\b{name}\b(?!\()", f"={key}", notes)
    parameters = "Parameters\n----------\n" + "\n".join(entries)
    looks = LOOKS if kind.look is not Rule.look else ""
    title = f"`gdcourse.{kind.__name__}` as an optimizer for torch.\n\n"
    return "\n\n".join(part.strip() for part in (title + head + looks, parameters, notes) if part.strip())


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
    method = METHODS[name]

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
    return type(method.optim or name, (MethodOptimizer,), contents)


CLASSES = {
    kind.__name__: kind
    for kind in map(class_of, METHODS)
    if "inner_rule" not in torchs_names(kind.method.kind)
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


def from_rule(
    rule: rules.Rule,
    params: Any,
    *,
    weight_decay: Any = None,
    maximize: bool = False,
    compile: bool = False,
) -> torch.optim.Optimizer:
    """Any update rule as an optimizer, a reader's own included.

    Parameters
    ----------
    rule : an update rule whose hyperparameters are single numbers. It works element by element, as `Rule`
        says: what it is given may be many parameters in one vector, or a piece of one.
    params, weight_decay, maximize, compile : as in `RuleOptimizer`, where the names of the groups' keys and
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
    if type(rule) is rules.Lookahead:
        rules.validate(rule)
        inner = RuleOptimizer(
            params, rule.inner_rule, weight_decay=weight_decay, maximize=maximize, compile=compile
        )
        return Lookahead(inner, rule.k, rule.alpha)
    return RuleOptimizer(params, rule, weight_decay=weight_decay, maximize=maximize, compile=compile)
