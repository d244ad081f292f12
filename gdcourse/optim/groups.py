"""A rule's hyperparameters and a parameter group's: the same numbers under two names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache
from typing import Any

import torch

from gdcourse.rules import (
    ALL,
    Adagrad,
    Adam,
    AdamW,
    AMSGrad,
    GradientDescent,
    Momentum,
    NAdam,
    Nesterov,
    RAdam,
    RMSProp,
    Rule,
    Values,
    validate,
)
from gdcourse.rules.around import Around, chain_of, inside
from gdcourse.rules.muon import Muon
from gdcourse.rules.names import INSTEAD
from gdcourse.rules.validate import check

Group = dict[str, Any]

COMMON = {"lr", "weight_decay", "maximize"}
"""What a group of any rule's holds."""

OURS = {"params", "param_names", "maximize", "compile"}
"""Names that a rule's field must not have."""


@dataclass
class Settings:
    """A group's hyperparameters, as one step reads them: its rule, and what `update` takes beside it. ``lr``
    and ``weight_decay`` are None where the rule has its own, or there is no decay. ``looks`` : what a rule
    that looks ahead leaves in the states, by name; None for one that does not."""

    rule: Rule
    lr: Any
    weight_decay: Any
    maximize: bool
    looks: Group | None
    _made: dict[Any, tuple[Any, ...]] = field(default_factory=dict)

    def stage(self, state: Group) -> tuple[int, Before]:
        """Which step is next for a parameter with this state, and by which hyperparameters its point was
        made. Those for which it is the same can move in one call."""
        return int(state["step"]) + 1, None if self.looks is None else looked_by(self.looks, state)

    def at(self, t: int, before: Before) -> tuple[Any, ...]:
        """What `update` takes beside the tensors, for parameters at this stage."""
        key = t, before
        if key not in self._made:
            former = as_before(self.rule, before)
            self._made[key] = self.rule, former, self.rule.at(t), self.lr, self.weight_decay, self.maximize
        return self._made[key]

    def note(self, states: list[Group], t: int) -> None:
        """Write into the states of parameters that they have moved for the t-th time, and by what."""
        for state in states:
            state["step"].fill_(t)
        if self.looks is not None:
            note_look(self.looks, states)


def settings_of(rule: Rule, group: Group) -> Settings:
    """A group's hyperparameters, read anew."""
    lr = None if has(rule, "lr") else number("lr", group["lr"])
    decay = None if has(rule, "weight_decay") else number("weight_decay", group["weight_decay"])
    decays = isinstance(decay, torch.Tensor) or decay
    rule = from_group(rule, group)
    ahead = {LOOK + name: x for name, x in values_of(rule).items()} if looks(rule) else None
    return Settings(rule, lr, decay if decays else None, group["maximize"], ahead)


def to_group(rule: Rule) -> Group:
    """A rule's hyperparameters under torch's names."""
    values, renamed = values_of(rule), renamed_of(*kinds_of(rule))
    group = {renamed.get(name, name): value for name, value in values.items()}
    if "betas" in renamed.values():
        group["betas"] = (values["beta1"], values["beta2"])
    return group


def from_group(rule: Rule, group: Group) -> Rule:
    """The same rule with a parameter group's hyperparameters, each a single Python number, so that what
    depends on t alone is computed in double precision; on another device than the CPU, a tensor stays one."""
    kinds = kinds_of(rule)
    renamed = renamed_of(*kinds)
    values = {name: group[renamed.get(name, name)] for name in numbers_of(*kinds)}
    if "betas" in renamed.values():
        values["beta1"], values["beta2"] = pair(group["betas"])
    return with_values(rule, {name: number(name, value) for name, value in values.items()})


def check_group(rule: Rule, group: Group) -> None:
    """Raise if a group's hyperparameters are not what the rule and the optimizer admit."""
    owner = type(rule).__name__
    for name, key in renamed_of(*kinds_of(rule)).items():
        if name in group:
            raise ValueError(f"Invalid key in a parameter group: {name!r} ({owner}'s is called {key!r} here)")
    if "compile" in group:
        raise ValueError(
            "Invalid key in a parameter group: 'compile' (it is the whole optimizer's: give it there)"
        )
    without_options(type(rule), group)  # raises for one that this is not
    check_bool("maximize", group["maximize"])
    validate(from_group(rule, group))
    for name in ("lr", "weight_decay"):
        if not has(rule, name):
            check(name, number(name, group[name]), owner)


def with_size_of_lr(group: Group) -> Group:
    """A checkpoint's group without the sign of a rate that is 0 but for rounding: torch's ``LinearLR`` to 0
    may leave -2e-18, with which the training went on, and will."""
    lr = number("lr", group["lr"])
    below = isinstance(lr, (int, float)) and -1e-9 < lr < 0
    return {**group, "lr": -lr} if below else group


# ---- what a rule that looks ahead leaves in the state ----


LOOK = "look_"
"""What the state calls a hyperparameter by which a parameter's point was made: its name after this."""


def looks(rule: Rule) -> bool:
    """Whether the rule takes its gradient elsewhere than at θ."""
    inner = inside(rule)
    if inner is not None and type(rule).look is Around.look:
        return looks(inner)
    return type(rule).look is not Rule.look


def look_names(rule: Rule) -> list[str]:
    """The entries of the state that tell by which hyperparameters a point was made; none for most rules."""
    return [LOOK + name for name in numbers_of(*kinds_of(rule))] if looks(rule) else []


Before = tuple[float | None, ...] | None
"""The hyperparameters by which a point was made, in the rule's order. None for one that is as it is now (a
tensor
on a device is not read, so it is not known what it was); None for all where the point is θ, or is new."""


def as_before(rule: Rule, before: Before) -> Rule:
    """What the point of a parameter rests on: a schedule may have changed γ since `look` was called."""
    if not looks(rule):
        return Rule()
    names = numbers_of(*kinds_of(rule))
    known = {name: x for name, x in zip(names, before or (), strict=before is not None) if x is not None}
    return with_values(rule, known)


def looked_by(names: Iterable[str], state: Group) -> Before:
    """The hyperparameters by which a parameter's point was made; ``names`` are the rule's `look_names`."""
    values = tuple([float(state[name]) if name in state else None for name in names])
    return None if all(x is None for x in values) else values


def note_look(values: Group, states: list[Group]) -> None:
    """Write into parameters' states by which hyperparameters their points have been made."""
    for name, value in values.items():
        for state in states:
            if isinstance(value, torch.Tensor):
                state.pop(name, None)
            elif name not in state:
                state[name] = torch.full((), value, dtype=torch.float64, device="cpu")
            elif float(state[name]) != value:
                state[name].fill_(value)


def memory_of(state: Group) -> Values:
    """What of a parameter's state is the rule's."""
    memory = state.copy()
    memory.pop("step", None)
    for name in [name for name in memory if name[:5] == LOOK]:
        del memory[name]
    return memory


# ---- names ----


def kinds_of(rule: Rule) -> tuple[Any, ...]:
    """The classes of a rule, of the one that it is around, and so on."""
    return (type(rule),) if inside(rule) is None else tuple(map(type, chain_of(rule)))


def kind_of(rule: Rule) -> Any:
    """A rule's class, of which a type checker does not ask whether it can be hashed."""
    return type(rule)


@cache
def names_of(kind: Any) -> tuple[str, ...]:
    """The names of a rule's fields."""
    return tuple(field.name for field in fields(kind) if field.init) if is_dataclass(kind) else ()


@cache
def numbers_of(*kinds: Any) -> tuple[str, ...]:
    """The names of the hyperparameters of a rule, and of those inside.

    Raises
    ------
    ValueError : two of the rules have one of the same name, which a group could not hold.
    """
    inner = {"inner_rule"} if len(kinds) > 1 else set()
    names = [name for kind in kinds for name in names_of(kind) if name not in inner]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        called = " and ".join(kind.__name__ for kind in kinds if twice[0] in names_of(kind))
        raise ValueError(f"{called} both have {twice[0]!r}, and a parameter group has one: rename it in one")
    return tuple(names)


def values_of(rule: Rule) -> Group:
    """The hyperparameters of a rule and of those inside, by name."""
    values = {name: getattr(one, name) for one in chain_of(rule) for name in names_of(kind_of(one))}
    return {name: values[name] for name in numbers_of(*kinds_of(rule))}


def with_values(rule: Rule, values: Group) -> Rule:
    """The same rule with these values of hyperparameters, its own and those of the rules inside."""
    inner = inside(rule)
    own = {name: values[name] for name in names_of(kind_of(rule)) if name in values}
    if inner is not None:
        own["inner_rule"] = with_values(inner, values)
    return replace(rule, **own)  # type: ignore[type-var]


def has(rule: Rule, name: str) -> bool:
    """Whether the rule has a hyperparameter of this name, or one inside has."""
    return name in numbers_of(*kinds_of(rule))


def torchs_names(kind: Any) -> dict[str, str]:
    """What each hyperparameter of a rule's class is called in a parameter group, in the rule's order."""
    return {name: renamed_of(kind).get(name, name) for name in names_of(kind)}


@cache
def renamed_of(*kinds: Any) -> dict[str, str]:
    """Which hyperparameters go by another name in torch; a name that a rule itself uses is not taken."""
    names = numbers_of(*kinds)
    by_the_table = [method.torch for method in ALL.values() if method.kind in kinds]
    renamed = {"gamma": "momentum"}
    for torchs in by_the_table:
        renamed |= torchs
    if "beta1" in names and "beta2" in names:
        renamed |= {"beta1": "betas", "beta2": "betas"}
    return {name: key for name, key in renamed.items() if name in names and key not in names}


# ---- torch's other arguments ----

OPTIONS: dict[Any, Group] = {
    GradientDescent: {"momentum": 0, "dampening": 0, "nesterov": False},
    Momentum: {"dampening": 0, "nesterov": False},
    Nesterov: {"dampening": 0, "nesterov": True},
    Adagrad: {"lr_decay": 0, "initial_accumulator_value": 0},
    RMSProp: {"momentum": 0, "centered": False},
    Adam: {"amsgrad": False, "decoupled_weight_decay": False},
    AdamW: {"amsgrad": False, "decoupled_weight_decay": True},
    AMSGrad: {"amsgrad": True, "decoupled_weight_decay": False},
    RAdam: {"decoupled_weight_decay": False},
    NAdam: {"decoupled_weight_decay": False},
    Muon: {"nesterov": True, "adjust_lr_fn": None},
}
"""Arguments of torch's that choose the formula, by rule, at the values that choose this one."""


def without_options(kind: Any, given: Group) -> Group:
    """Arguments, or what a group holds, without those of torch's that choose the formula.

    Raises
    ------
    ValueError : one of them chooses another than this rule's.
    """
    options = OPTIONS.get(kind, {})
    for name in options.keys() & given.keys():
        if given[name] != options[name]:
            owner = next(method.optim or name for name, method in ALL.items() if method.kind is kind)
            reason = INSTEAD.get((owner, name), "another method, which is not here")
            raise ValueError(
                f"Invalid {name}: {given[name]!r} (not supported by {owner}, whose {name} is "
                f"{options[name]!r}: {reason})"
            )
    return {name: value for name, value in given.items() if name not in options}


# ---- checks ----


def check_rule(rule: Rule) -> None:
    """Raise if something is no rule, or none that groups can hold."""
    if not isinstance(rule, Rule):
        validate(rule)  # raises, and says what is wrong
    if not is_dataclass(type(rule)):
        raise TypeError(f"{type(rule).__name__} must be a dataclass: its fields are the hyperparameters")
    if taken := OURS & set(numbers_of(*kinds_of(rule))):
        raise ValueError(f"{type(rule).__name__} must not have a field {taken.pop()!r}: groups use the name")


def check_params(params: Any) -> None:
    """Raise where a module, or what has parameters by name, stands in the place of parameters; anything else
    is torch's to check."""
    inside = [*params] if isinstance(params, (list, tuple)) else []  # a generator can be read only once
    groups = [one["params"] for one in inside if isinstance(one, dict) and "params" in one]
    for one in (params, *inside, *groups):
        if isinstance(one, torch.nn.Module):
            hint, got = ", as in model.parameters()", f"the module {type(one).__name__} itself"
        elif callable(one) and isinstance(getattr(one, "__self__", None), torch.nn.Module):
            hint, got = f"; call it, as in model.{one.__name__}()", f"the method {one.__name__}"
        elif isinstance(one, dict) and "params" not in one:
            hint, got = ", as in model.parameters()", "a dict"
        else:
            continue
        raise TypeError(f"params must be an iterable of parameters{hint}; got {got}")


def check_bool(name: str, value: Any) -> None:
    """Raise TypeError for what would count as true or false without being it, such as "False"."""
    if not isinstance(value, bool):
        raise TypeError(f"Invalid {name}: {value!r} (must be True or False)")


def pair(betas: Any) -> tuple[Any, Any]:
    """(β₁, β₂), or an error if it is anything but two."""
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise TypeError(f"Invalid betas: {betas!r} (must be a pair of numbers, each in [0, 1))")
    beta1, beta2 = betas
    return beta1, beta2


def number(name: str, value: Any) -> Any:
    """A tensor or array of one number as that number; one that lies on a device as it is, for reading it
    would wait for the device; anything that is not an array as it is."""
    if not hasattr(value, "item"):
        return value
    if value.ndim and len(value.reshape(-1)) != 1:
        raise ValueError(
            f"Tensor {name} must be 1-element, got shape {tuple(value.shape)}: an optimizer takes single "
            "numbers; for a family of runs, give the rule to gdcourse.descend or gdcourse.train"
        )
    if isinstance(value, torch.Tensor) and value.device.type != "cpu":
        return value.detach().reshape(())
    return value.item()
