"""What a checkpoint must hold to be loaded, and how torch's own optimizers write the same state."""

from __future__ import annotations

from copy import deepcopy
from inspect import signature
from typing import Any, NamedTuple

import torch

from gdcourse.optim.groups import OPTIONS
from gdcourse.optim.scope import initial
from gdcourse.rules import Adadelta, Adam, AdamW, AMSGrad, GradientDescent, RAdam, RMSProp, Rule
from gdcourse.rules.around import name_of

Saved = dict[str, Any]
Shapes = dict[str, tuple[int, ...]]


class Twin(NamedTuple):
    """torch's optimizer with the same state, for one rule of ours.

    ``names`` has its name for each of ours. ``ours`` are hyperparameters that it has not, at the values that
    it keeps to.
    """

    names: dict[str, str]
    ours: Saved


MOMENTS = {"m": "exp_avg", "v": "exp_avg_sq"}

TWINS: dict[type[Rule], Twin] = {
    GradientDescent: Twin({}, {}),
    RMSProp: Twin({"v": "square_avg"}, {}),
    Adadelta: Twin({"mean_g2": "square_avg", "mean_delta2": "acc_delta"}, {}),
    Adam: Twin(MOMENTS, {}),
    AMSGrad: Twin(MOMENTS | {"largest": "max_exp_avg_sq"}, {}),
    AdamW: Twin(MOMENTS, {}),
    RAdam: Twin(MOMENTS, {"threshold": 5}),
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
    if "rule" in saved or not any(HOW & group.keys() for group in saved["param_groups"]):
        return saved
    twin, options = _twin(rule), OPTIONS.get(type(rule), {})
    for index, group in enumerate(saved["param_groups"]):
        for name, value in options.items():
            if group.get(name, value) != value:
                raise ValueError(
                    f"loaded state dict has {name}={group[name]!r} in parameter group {index}: to be "
                    f"{type(rule).__name__}'s, it must be {value!r}"
                )
    groups = [
        {**{k: v for k, v in group.items() if k not in HOW | options.keys()}, **twin.ours}
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
        {**{k: v for k, v in group.items() if k not in twin.ours}, **OPTIONS.get(type(rule), {})}
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


def check_is_one(saved: Any) -> None:
    """Raise TypeError if something is no checkpoint, whatever hooks may yet make of it."""
    if not isinstance(saved, dict):
        raise TypeError(f"loaded state dict is {saved!r}: must be a dict, as state_dict() gives")


def check_parts(saved: Any) -> None:
    """Raise if a checkpoint lacks one of the parts that every optimizer's has.

    Raises
    ------
    TypeError : it, or a part of it, is of another kind.
    ValueError : a part is missing.
    """
    check_is_one(saved)
    if missing := {"state", "param_groups"} - saved.keys():
        raise ValueError(f"loaded state dict has no {sorted(missing)[0]!r}: must be an optimizer's")
    state, groups = saved["state"], saved["param_groups"]
    for name, part, kinds, inside in (
        ("state", state, dict, state.values() if isinstance(state, dict) else ()),
        ("param_groups", groups, (list, tuple), groups),
    ):
        words = "dict of dicts" if kinds is dict else "list of dicts"
        if not isinstance(part, kinds):
            raise TypeError(
                f"loaded state dict has {name!r} of type {type(part).__name__}: must be a {words}"
            )
        if wrong := [type(one).__name__ for one in inside if not isinstance(one, dict)]:
            raise TypeError(f"loaded state dict has {name!r} with a {wrong[0]} in it: must be a {words}")
    if lacking := [index for index, group in enumerate(groups) if "params" not in group]:
        raise ValueError(f"loaded state dict has no 'params' in parameter group {lacking[0]}")


def check_saved(rule: Rule, groups: list[Saved], saved: Saved, keys: set[str], looks: list[str]) -> None:
    """Raise ValueError, and say why, if a checkpoint does not fit.

    Parameters
    ----------
    rule : the optimizer's.
    groups : its parameter groups.
    saved : the checkpoint, in our words.
    keys : what each of its groups must hold. More is allowed: schedules and users put theirs there.
    looks : which numbers a parameter's state must hold beside the rule's; none but for one that looks ahead.
    """
    owner = name_of(rule)
    if saved.get("rule", owner) != owner:
        raise ValueError(f"loaded state dict is {saved['rule']}'s: must be {owner}'s")
    for index, group in enumerate(saved["param_groups"]):
        if missing := keys - group.keys():
            raise ValueError(
                f"loaded state dict has no {_listed(missing)} in parameter group {index}: {owner} needs "
                f"{_listed(keys)}"
            )
    for _, index, param in _matched(groups, saved):
        if state := saved["state"].get(index):
            blank = torch.zeros(()).expand(param.shape)  # takes no memory
            numbers = {name: torch.zeros(()) for name in ("step", *looks)}
            first = initial(rule, blank, blank)
            check_state(state, shapes_of({**first, **numbers}), owner, index)
            _check_kinds(state, first, index)


def _matched(groups: list[Saved], saved: Saved) -> list[tuple[int, Any, torch.Tensor]]:
    """For each parameter, which group of the checkpoint it is in, its key there, and the parameter; nothing
    if there are more of one than of the other, which torch says itself."""
    if [len(group["params"]) for group in groups] != [len(g["params"]) for g in saved["param_groups"]]:
        return []
    found = [
        (number, index, param)
        for number, (group, other) in enumerate(zip(groups, saved["param_groups"], strict=True))
        for index, param in zip(other["params"], group["params"], strict=True)
    ]
    indices = [index for _, index, _ in found]
    if strangers := saved["state"].keys() - set(indices):
        raise ValueError(
            f"loaded state dict has a state for {_listed(strangers)}: its parameters are {_listed(indices)}"
        )
    return found


def shapes_of(state: Saved) -> Shapes:
    """Each entry's shape, () for what has none."""
    return {name: tuple(getattr(value, "shape", ())) for name, value in state.items()}


def check_state(state: Saved, shapes: Shapes, owner: str, index: Any) -> None:
    """Raise ValueError if a parameter's saved state has other names or shapes than its owner's."""
    where = f"in the state of parameter {index}"
    if shapes.keys() != state.keys():
        wrong = [
            f"{word} {_listed(names)}"
            for word, names in (
                ("lacks", shapes.keys() - state.keys()),
                ("has", state.keys() - shapes.keys()),
            )
            if names
        ]
        raise ValueError(f"loaded state dict {' and '.join(wrong)} {where}: {owner}'s is {_listed(shapes)}")
    for name, shape in shapes_of(state).items():
        if shape != shapes[name]:
            raise ValueError(
                f"loaded state dict has {name!r} of shape {shape} {where}: must be {shapes[name]}"
            )


def _check_kinds(state: Saved, first: Saved, index: Any) -> None:
    """Raise ValueError if a parameter's saved state has no count of steps, or something else than floats
    where the rule starts with them."""
    where, step = f"in the state of parameter {index}", state["step"]
    step = step.item() if hasattr(step, "item") else step
    if not isinstance(step, (int, float)) or step % 1 != 0 or step < 0:  # of ∞ and NaN the rest is NaN
        raise ValueError(f"loaded state dict has step={step!r} {where}: must be a whole number ≥ 0")
    for name in [name for name, begin in first.items() if _is_of_floats(begin)]:
        if not _is_of_floats(value := state[name]):
            kind = value.dtype if isinstance(value, torch.Tensor) else type(value).__name__
            raise ValueError(
                f"loaded state dict has {name!r} of type {kind} {where}: must be a tensor of floats"
            )


def _is_of_floats(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point()


# ---- torch's own, inside Lookahead and Together ----


def check_torchs(optimizer: torch.optim.Optimizer, saved: Saved) -> None:
    """Raise ValueError if a checkpoint does not fit one of torch's optimizers, which torch itself would find
    at the next step only.

    What a state must hold is not written here: a new optimizer of the kind is asked. One that is not torch's
    own, or derived from one of torch's, may keep what it likes, and is not checked.
    """
    kind = type(optimizer)
    known: dict[Any, list[Shapes]] = {}
    for number, index, param in _matched(optimizer.param_groups, saved):
        state = {k: v for k, v in saved["state"].get(index, {}).items() if v is not None}
        if state and getattr(torch.optim, kind.__name__, None) is kind:
            if (number, param.shape) not in known:
                known[number, param.shape] = _forms(kind, saved["param_groups"][number], param, optimizer)
            forms = known[number, param.shape]
            fitting = [shapes for shapes in forms if shapes.keys() == state.keys()]
            check_state(state, (fitting or forms)[-1], kind.__name__, index)


def load_checked(optimizer: torch.optim.Optimizer, saved: Saved) -> None:
    """Load a checkpoint, whose tensors torch would share. One that torch's own does not fit is refused as in
    `check_torchs`, once the optimizer's hooks have made of it what they do; this package's see to it
    themselves."""
    last = optimizer.register_load_state_dict_pre_hook(check_torchs)
    try:
        optimizer.load_state_dict(deepcopy(saved))
    finally:
        last.remove()


def _forms(kind: Any, group: Saved, param: torch.Tensor, optimizer: torch.optim.Optimizer) -> list[Shapes]:
    """The names and shapes that the state of a parameter can have.

    A small parameter shows it, in which other sizes stand for the parameter's: the shapes of a state are
    made of them. LBFGS has one state, for all its parameters in a row, and has more in it from step to step.
    """
    if kind is torch.optim.LBFGS:
        length = sum(p.numel() for p in optimizer.param_groups[0]["params"])
        return _tried(kind, {}, (length,))
    switches: Saved = {k: v for k, v in group.items() if isinstance(v, bool) and k not in HOW}
    switches = {name: value for name, value in switches.items() if name in signature(kind).parameters}
    switches.pop("nesterov", None)  # changes no name, and asks for a momentum
    options = [switches]
    if "momentum" in group:  # which a schedule may have taken to 0; the buffer stays
        options = [{**switches, "momentum": value} for value in (group["momentum"] or 0.9, group["momentum"])]
    size_of = dict(enumerate({*param.shape} - {1}, start=2)) | {1: 1}
    stand_in = {size: small for small, size in size_of.items()}
    return [
        {name: tuple(size_of[n] for n in shape) for name, shape in shapes.items()}
        for given in options
        for shapes in _tried(kind, given, tuple(stand_in[n] for n in param.shape))
    ]


def _tried(kind: Any, options: Saved, shape: tuple[int, ...]) -> list[Shapes]:
    """The shapes of a new optimizer's state after a step without gradient, a first and a second with one."""
    param = torch.nn.Parameter(torch.zeros(shape, dtype=torch.float32, device="cpu"))
    optimizer, forms = kind([param], **options), []
    for number in (0.0, 1.0, 1.0):
        grad = torch.full_like(param, number)
        param.grad = grad.to_sparse() if kind is torch.optim.SparseAdam else grad
        optimizer.step(lambda: torch.zeros(()))
        forms.append(shapes_of(optimizer.state[param]))
    return forms


def _listed(names: Any) -> str:
    return ", ".join(sorted(map(repr, names)))
