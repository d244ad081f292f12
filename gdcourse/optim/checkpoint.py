"""What a checkpoint must hold to be loaded, and how torch's own optimizers write the same state."""

from __future__ import annotations

from itertools import chain
from typing import Any, NamedTuple

import torch

from gdcourse.rules import Adadelta, Adam, AdamW, GradientDescent, RAdam, RMSProp, Rule

Saved = dict[str, Any]


class Twin(NamedTuple):
    """torch's optimizer with the same state, for one rule of ours.

    ``names`` has its name for each of ours. ``options`` are arguments of its that choose another formula,
    at the values for which it is the rule. ``ours`` are hyperparameters that it has not, at the values that
    it keeps to.
    """

    names: dict[str, str]
    options: Saved
    ours: Saved


MOMENTS = {"m": "exp_avg", "v": "exp_avg_sq"}

TWINS: dict[type[Rule], Twin] = {
    GradientDescent: Twin({}, {"momentum": 0, "dampening": 0, "nesterov": False}, {}),
    RMSProp: Twin({"v": "square_avg"}, {"momentum": 0, "centered": False}, {}),
    Adadelta: Twin({"mean_g2": "square_avg", "mean_delta2": "acc_delta"}, {}, {}),
    Adam: Twin(MOMENTS, {"amsgrad": False, "decoupled_weight_decay": False}, {}),
    AdamW: Twin(MOMENTS, {"amsgrad": False, "decoupled_weight_decay": True}, {}),
    RAdam: Twin(MOMENTS, {"decoupled_weight_decay": False}, {"threshold": 5}),
}
"""Not the momenta, whose v holds η, and not Adagrad, whose ε torch keeps in the sum or beside the root."""

HOW = {"foreach", "fused", "capturable", "differentiable"}
"""torch's arguments that say how it computes, not what. The groups of its checkpoints are known by them."""


def from_torch(rule: Rule, saved: Saved) -> Saved:
    """A checkpoint of torch's in our words; one of ours as it is.

    Raises
    ------
    ValueError : torch has no optimizer with this rule's state, or the checkpoint's has an option that
        makes it another method. What torch did not write cannot be refused: before 2.7 the checkpoints of
        its Adam and its AdamW do not tell which of the two they are.
    """
    if not any(HOW & group.keys() for group in saved["param_groups"]):
        return saved
    twin = _twin(rule)
    for index, group in enumerate(saved["param_groups"]):
        for name, value in twin.options.items():
            if group.get(name, value) != value:
                raise ValueError(
                    f"loaded state dict has {name}={group[name]!r} in parameter group {index}: to be "
                    f"{type(rule).__name__}'s, it must be {value!r}"
                )
    groups = [
        {**{k: v for k, v in group.items() if k not in HOW | twin.options.keys()}, **twin.ours}
        for group in saved["param_groups"]
    ]
    ours = {theirs: name for name, theirs in twin.names.items()}
    return {**saved, "param_groups": groups, "state": _renamed(saved["state"], ours)}


def to_torch(rule: Rule, saved: Saved) -> Saved:
    """A checkpoint of ours in torch's words; raises as `from_torch` does."""
    twin = _twin(rule)
    for index, group in enumerate(saved["param_groups"]):
        for name, value in twin.ours.items():
            if group[name] != value:
                raise ValueError(
                    f"parameter group {index} has {name}={group[name]!r}: torch's {type(rule).__name__} "
                    f"knows only {value!r}"
                )
    groups = [
        {**{k: v for k, v in group.items() if k not in twin.ours}, **twin.options}
        for group in saved["param_groups"]
    ]
    state = _renamed(saved["state"], twin.names) if twin.names else {}
    return {"param_groups": groups, "state": state}


def _twin(rule: Rule) -> Twin:
    twin = TWINS.get(type(rule))
    if twin is None:
        have = ", ".join(kind.__name__ for kind in TWINS)
        raise ValueError(
            f"no optimizer of torch's has a state that means what {type(rule).__name__}'s does: state goes "
            f"to and from torch's for {have}"
        )
    return twin


def _renamed(states: Saved, names: dict[str, str]) -> Saved:
    return {
        key: {names.get(name, name): value for name, value in state.items()} for key, state in states.items()
    }


def check_saved(rule: Rule, groups: list[Saved], saved: Saved, keys: set[str], looks: set[str]) -> None:
    """Raise ValueError, and say why, if a checkpoint does not fit.

    Parameters
    ----------
    rule : the optimizer's.
    groups : its parameter groups.
    saved : the checkpoint, in our words.
    keys : what each of its groups must hold. More is allowed: schedules and users put theirs there.
    looks : what a parameter's ``look`` must hold; empty for a rule that does not look ahead.
    """
    owner = type(rule).__name__
    if saved.get("rule", owner) != owner:
        raise ValueError(f"loaded state dict is {saved['rule']}'s: must be {owner}'s")
    for index, group in enumerate(saved["param_groups"]):
        if missing := keys - group.keys():
            raise ValueError(
                f"loaded state dict has no {_listed(missing)} in parameter group {index}: {owner} needs "
                f"{_listed(keys)}"
            )
    if [len(group["params"]) for group in groups] != [len(g["params"]) for g in saved["param_groups"]]:
        return  # torch says so itself
    indices = list(chain.from_iterable(group["params"] for group in saved["param_groups"]))
    if strangers := saved["state"].keys() - set(indices):
        raise ValueError(
            f"loaded state dict has a state for {_listed(strangers)}: its parameters are {_listed(indices)}"
        )
    params = chain.from_iterable(group["params"] for group in groups)
    for index, param in zip(indices, params, strict=True):
        if state := saved["state"].get(index):
            _check_state(rule, param, state, f"the state of parameter {index}", looks)


def _check_state(rule: Rule, param: torch.Tensor, state: Saved, where: str, looks: set[str]) -> None:
    blank = torch.zeros(()).expand(param.shape)  # takes no memory
    first = {**rule.init(blank, blank), "step": torch.zeros(()), **({"look": {}} if looks else {})}
    if first.keys() != state.keys():
        wrong = [
            f"{word} {_listed(names)}"
            for word, names in (("lacks", first.keys() - state.keys()), ("has", state.keys() - first.keys()))
            if names
        ]
        raise ValueError(
            f"loaded state dict {' and '.join(wrong)} in {where}: {type(rule).__name__}'s is {_listed(first)}"
        )
    for name, value in first.items():
        shape = getattr(value, "shape", torch.Size())
        if name != "look" and getattr(state[name], "shape", torch.Size()) != shape:
            raise ValueError(
                f"loaded state dict has {name!r} of shape {tuple(getattr(state[name], 'shape', ()))} in "
                f"{where}: must be {tuple(shape)}"
            )
    if looks and not (isinstance(state["look"], dict) and looks == state["look"].keys()):
        raise ValueError(
            f"loaded state dict has 'look'={state['look']!r} in {where}: must hold {_listed(looks)}"
        )


def _listed(names: Any) -> str:
    return ", ".join(sorted(map(repr, names)))
