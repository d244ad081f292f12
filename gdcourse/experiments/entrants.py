"""What enters a comparison: a name, a rule, a rule's class, a torch optimizer's class, or what makes one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from gdcourse.experiments.shown import describe
from gdcourse.rules import ALL, Adadelta, Method, Partners, Rule, lr_of, with_lr
from gdcourse.rules.table import torchs_name, unknown_method

USUAL = 0.01
"""Where the search for a learning rate starts if nothing else says it."""

Entrant = Any


def entrants_of(methods: Any, params: Callable[[], list[torch.Tensor]]) -> dict[str, Method]:
    """The methods of a comparison by name, each with the middle of its grid.

    Parameters
    ----------
    methods : a mapping from names to what `method_of` takes; or one of these or several, which get names.
    params : gives parameters of the network, to try an optimizer's maker on.

    Raises
    ------
    TypeError, ValueError : as `method_of`; no method at all.
    """
    if isinstance(methods, Mapping):
        found = {str(name): method_of(one, params)[1] for name, one in methods.items()}
    else:
        several = isinstance(methods, (Sequence, set, np.ndarray)) and not isinstance(methods, str)
        found = {}
        for one in methods if several else [methods]:
            name, method = method_of(one, params)
            number = sum(other == name or other.startswith(f"{name} #") for other in found)
            found[f"{name} #{number + 1}" if number else name] = method
    if not found:
        raise ValueError("there is no method to compare: name some, as in ['Momentum', 'Adam']")
    return found


def method_of(one: Entrant, params: Callable[[], list[torch.Tensor]]) -> tuple[str, Method]:
    """What is compared, and what to call it.

    Parameters
    ----------
    one : a name of `gdcourse.rules.ALL`; a `Method`; a rule, whose search starts at its own learning
        rate (Adadelta's at its ε); a rule's class, of a reader's own, too, whose search starts at its
        default, or at 0.01; partners, whose search is over the rate of the hidden matrices' rule; a torch
        optimizer's class; or a function of parameters and a learning rate, named ``lr`` or second, that
        gives a torch optimizer. The search of torch's starts where that of our rule of the same name does,
        else at their default. A pair ``(name, one)`` gives a name.
    params : as in `entrants_of`.

    Raises
    ------
    ValueError : an unknown name, or a rule whose learning rate is no number above 0.
    TypeError : something else.
    """
    if isinstance(one, str):
        return one, _known(one)
    if isinstance(one, tuple) and len(one) == 2 and isinstance(one[0], str):
        return one[0], method_of(one[1], params)[1]
    if isinstance(one, Method):
        return describe(one.make(one.usual), ("lr", one.tuned)), one
    if isinstance(one, (Rule, Partners)):
        return _of_rule(one)
    if isinstance(one, type) and issubclass(one, Rule):
        return one.__name__, _of_rule_class(one)
    if isinstance(one, torch.optim.Optimizer):
        raise TypeError(
            f"an optimizer that is made already, {type(one).__name__}, has one network's parameters: give "
            "its class, or a function of (params, lr) that makes one"
        )
    if callable(one):
        return _of_maker(one, params)
    raise TypeError(
        "a method must be a name, a rule, a rule's class, a torch optimizer's class, or a function of "
        f"(params, lr) that makes an optimizer; got {one!r}"
    )


def _known(name: str) -> Method:
    if name not in ALL:
        raise ValueError(unknown_method(name))
    return ALL[name]


def _of_rule(rule: Rule | Partners) -> tuple[str, Method]:
    if isinstance(rule, Adadelta):
        return describe(rule, ("eps",)), Method(
            lambda eps: replace(rule, eps=eps), usual=_start(rule, rule.eps), tuned="eps"
        )
    try:
        lr = lr_of(rule)
    except TypeError:
        raise TypeError(
            f"{type(rule).__name__} has no learning rate to search for: name what is to be tuned, as in "
            "gd.rules.Method(lambda value: Mine(decay=value), usual=0.1, tuned='decay')"
        ) from None
    return describe(rule, ("lr",)), Method(lambda lr: with_lr(rule, lr), usual=_start(rule, lr))


def _of_rule_class(kind: type[Rule]) -> Method:
    for method in ALL.values():
        if type(method.make(method.usual)) is kind:
            return method
    known: dict[str, Any] = {f.name: f for f in fields(kind)} if is_dataclass(kind) else {}
    if not known:
        raise TypeError(f"{kind.__name__} is not a dataclass: put @dataclass(frozen=True, eq=False) above it")
    missing = [
        name
        for name, f in known.items()
        if name != "lr" and f.default is MISSING and f.default_factory is MISSING and f.init
    ]
    if "lr" not in known or missing:
        why = f"needs {', '.join(missing)}" if "lr" in known else "has no lr"
        raise TypeError(
            f"{kind.__name__} {why}: give a rule with its hyperparameters, or say what is to be tuned, as in "
            f"gd.rules.Method(lambda value: {kind.__name__}(…), usual=0.1, tuned=…)"
        )
    usual = known["lr"].default
    return Method(lambda lr: kind(lr=lr), usual=USUAL if usual is MISSING else float(usual))  # type: ignore


def _of_maker(make: Any, params: Callable[[], list[torch.Tensor]]) -> tuple[str, Method]:
    try:
        takes = inspect.signature(make).parameters
    except (TypeError, ValueError):  # one of C's, that does not tell
        takes = {}  # type: ignore[assignment]
    by_name = "lr" in takes or any(p.kind is p.VAR_KEYWORD for p in takes.values())
    if takes and not by_name and len(takes) < 2:
        raise TypeError(
            f"{describe(make)} must take parameters and a learning rate, as in "
            "lambda params, lr: torch.optim.SGD(params, lr, momentum=0.9)"
        )

    def at(lr: float) -> Callable[[list[torch.Tensor]], Any]:
        return lambda params: make(params, lr=lr) if by_name else make(params, lr)

    made = at(USUAL)(params())
    if not isinstance(made, torch.optim.Optimizer):
        raise TypeError(f"{describe(make)} must make a torch optimizer from parameters; it made {made!r}")
    own_name = "" if isinstance(make, (type, partial)) else getattr(make, "__name__", "")
    is_named = own_name not in ("", "<lambda>")
    name = own_name if is_named else _name_of(made)
    kind = type(made).__name__
    default = getattr(takes.get("lr"), "default", None)
    table = {known.lower(): method.usual for known, method in ALL.items() if method.tuned == "lr"}
    usual = table.get(torchs_name().get(kind, kind).lower())
    own = isinstance(default, (int, float)) and default > 0 and (is_named or usual is None)
    return name, Method(at, usual=float(default) if own else usual or USUAL)  # type: ignore[arg-type]


def _name_of(optimizer: torch.optim.Optimizer) -> str:
    """A torch optimizer's class with the settings that are not its defaults."""
    kind = type(optimizer)
    rooms = (("torch.optim", "torch.optim."), ("gdcourse.", "gd.optim."))
    room = next((name for module, name in rooms if kind.__module__.startswith(module)), "")
    takes = inspect.signature(kind).parameters
    changed = [
        f"{name}={value}"
        for name, value in optimizer.defaults.items()
        if name in takes and name != "lr" and _differs(value, takes[name].default)
    ]
    return f"{room}{kind.__name__}" + (f"({', '.join(changed)})" if changed else "")


def _differs(value: Any, default: Any) -> bool:
    try:
        return bool(value != default)
    except (RuntimeError, ValueError):  # tensors of several numbers
        return True


def _start(rule: Rule | Partners, value: Any) -> float:
    """A rule's own value, where its search starts."""
    if getattr(value, "shape", ()) or not float(value) > 0:
        raise ValueError(
            f"{describe(rule)}: the search starts at the rule's own value, which must be one number above 0"
        )
    return float(value)
