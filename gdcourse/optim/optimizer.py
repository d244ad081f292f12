"""An update rule as a `torch.optim.Optimizer`. No formula stands here: `at`, `unlook`, `step` and
`look` are the rule's own, called for one parameter tensor after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from itertools import chain
from typing import Any

import torch

from gdcourse.rules import Adadelta, RMSProp, Rule, validate
from gdcourse.rules.validate import check

Group = dict[str, Any]

TORCH_NAME_OF_GAMMA: dict[type[Rule], str] = {Adadelta: "rho", RMSProp: "alpha"}
"""What torch calls γ, where it is not momentum."""


class RuleOptimizer(torch.optim.Optimizer):
    """Moves parameters by an update rule.

    A parameter is the point at which the rule takes its gradient. For most rules that is θ; for
    Nesterov it is p = θ − γv, and `theta` and `at_theta` give θ.

    What a checkpoint or a schedule sees:

    * A parameter group holds the rule's hyperparameters under torch's names: ``betas`` for
      (``beta1``, ``beta2``), ``momentum`` for ``gamma`` (``rho`` for Adadelta, ``alpha`` for RMSProp),
      any other under its own. They are read at every step.
    * A rule without a learning rate gets one, ``lr=1.0``, by which its steps are multiplied, as in
      torch's Adadelta.
    * ``state[p]`` holds the rule's state, in float32 where p is of half precision, and ``step``, how
      many gradients p has had. So a parameter whose first gradient comes late gets the bias correction
      of a first step. A parameter without a gradient is left alone.

    ``p.grad`` is only read.

    Parameters
    ----------
    params : tensors, named tensors or parameter groups, as for any torch optimizer. Real numbers only.
    rule : an update rule whose hyperparameters are single numbers: the default of every group.
    lr : what the steps of a rule without a learning rate are multiplied by, ≥ 0, without unit. Default 1.
    weight_decay : λ ≥ 0, in units of g over units of θ: λ p is added to the gradient. Default 0. Not for
        a rule with a weight decay of its own (AdamW).
    maximize : whether to climb instead. Default False.

    Raises
    ------
    TypeError : not a rule, not tensors, or a hyperparameter that is not a number; at a step, a sparse
        gradient.
    ValueError : a hyperparameter out of range, whether given here or in a group; no parameters; a
        complex parameter.
    """

    def __init__(
        self,
        params: Any,
        rule: Rule,
        *,
        lr: Any = None,
        weight_decay: Any = None,
        maximize: bool = False,
    ) -> None:
        _check_rule(rule)
        for name, value in (("lr", lr), ("weight_decay", weight_decay)):
            if value is not None and _has(rule, name):
                raise ValueError(f"Invalid {name}: {value} ({type(rule).__name__} has its own: set it there)")
        self.rule = rule
        defaults = {
            "lr": 1.0 if lr is None else lr,
            "weight_decay": 0.0 if weight_decay is None else weight_decay,
            **to_group(rule),
            "maximize": maximize,
        }
        self._check(defaults)
        super().__init__(params, defaults)

    def add_param_group(self, param_group: Group) -> None:
        """Add a parameter group; see `torch.optim.Optimizer.add_param_group`. Raises as the class does."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        try:
            self._check(group)
            for param in group["params"]:
                if param.is_complex():
                    raise ValueError(
                        f"optimizer got a complex parameter of shape {tuple(param.shape)}: only real ones "
                        "are supported; split it by torch.view_as_real"
                    )
        except (TypeError, ValueError):
            self.param_groups.pop()
            raise
        for key, value in group.items():
            if isinstance(value, torch.Tensor):
                group[key] = value.clone()  # a schedule writes into it, and must reach one group only

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step. ``closure``, if given, computes the loss and its gradients anew; its loss is returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        moving = [[p for p in group["params"] if p.grad is not None] for group in self.param_groups]
        for param in chain.from_iterable(moving):
            if param.grad.layout != torch.strided:
                raise TypeError(
                    f"{type(self).__name__} does not support sparse gradients, got one for a parameter of "
                    f"shape {tuple(param.shape)}; dense ones are allowed (Embedding(..., sparse=False))"
                )
        for group, params in zip(self.param_groups, moving, strict=True):
            rule = from_group(self.rule, group)
            for param in params:
                self._move(param, rule, group)
        return loss

    def _move(self, param: torch.Tensor, rule: Rule, group: Group) -> None:
        point = param.detach().to(working_dtype(param))
        grad = param.grad.detach().to(point.dtype)  # type: ignore[union-attr]
        if group["maximize"]:
            grad = -grad
        if not _has(rule, "weight_decay") and group["weight_decay"] != 0:
            grad = grad + number("weight_decay", group["weight_decay"]) * point

        state = self.state[param]
        if not state:
            memory = rule.init(point, torch.zeros_like(point))
            if taken := {"step", "look"} & set(memory):
                raise ValueError(
                    f"{type(rule).__name__}.init must not name a state {taken.pop()!r}: it is in use here"
                )
            state.update(step=torch.zeros((), dtype=torch.float32), **_own(memory, param))
        state["step"] = state["step"] + 1
        memory = _memory(state)

        theta = self._looked(rule, state).unlook(point, memory)
        moved, new = rule.step(theta, grad, memory, rule.at(int(state["step"])))
        if not _has(rule, "lr"):
            moved = torch.lerp(theta, moved, number("lr", group["lr"]))
        state.update(_own({name: new[name] for name in memory}, param))
        self._look(param, rule, moved, state)

    # Nesterov's point rests on the γ of the step that made it. A schedule may have changed γ since, so
    # what `look` used is remembered for `unlook`.

    def _look(self, param: torch.Tensor, rule: Rule, theta: torch.Tensor, state: Group) -> None:
        param.copy_(rule.look(theta, _memory(state)))
        if type(rule).look is not Rule.look:
            state["look"] = to_group(rule)

    def _looked(self, rule: Rule, state: Group) -> Rule:
        return from_group(rule, state["look"]) if "look" in state else rule

    def theta(self, param: torch.Tensor) -> torch.Tensor:
        """θ of one parameter, as a new tensor; in float32 where the parameter is of half precision."""
        point = param.detach().to(working_dtype(param))
        state = self.state.get(param)
        if state:
            point = self._looked(self.rule, state).unlook(point, _memory(state))
        return point.clone()

    @torch.no_grad()
    def set_theta(self, param: torch.Tensor, theta: torch.Tensor) -> None:
        """Put the parameter where its θ is the given one; the state stays."""
        state = self.state.get(param)
        if state:
            self._look(param, self._looked(self.rule, state), theta.to(working_dtype(param)), state)
        else:
            param.copy_(theta)

    @contextmanager
    def at_theta(self) -> Iterator[None]:
        """Inside, the parameters hold θ; afterwards, even if the body raised, what they held before.

        For Nesterov, whose parameters are the look-ahead points, this is where to evaluate; for the
        other rules of this package nothing changes. Do not step inside.
        """
        params = [param for group in self.param_groups for param in group["params"]]
        with holding({param: self.theta(param) for param in params}):
            yield

    def load_state_dict(self, state_dict: Group) -> None:
        """Load what `state_dict` gave. The state is copied, and float32 state of a half-precision parameter
        stays float32, where torch would round it to the parameter's own precision."""
        saved: Group = {}
        last = self.register_load_state_dict_pre_hook(lambda _, final: saved.update(final))
        first = self.register_load_state_dict_post_hook(lambda _: self._copy_state(saved), prepend=True)
        try:
            super().load_state_dict(state_dict)
        finally:
            last.remove()
            first.remove()

    def _copy_state(self, saved: Group) -> None:
        indices = chain.from_iterable(group["params"] for group in saved["param_groups"])
        params = chain.from_iterable(group["params"] for group in self.param_groups)
        for index, param in zip(indices, params, strict=True):
            for name, value in _memory(saved["state"].get(index, {})).items():
                if isinstance(value, torch.Tensor):
                    dtype = working_dtype(param) if value.is_floating_point() else value.dtype
                    self.state[param][name] = value.to(param.device, dtype, copy=True)

    def __getstate__(self) -> Group:
        return {**super().__getstate__(), "rule": self.rule}

    def _check(self, group: Group) -> None:
        """Raise if a group's hyperparameters are not what the rule and this class admit."""
        owner = type(self.rule).__name__
        for name, key in _renamed(self.rule).items():
            if name in group:
                raise ValueError(
                    f"Invalid key in a parameter group: {name!r} ({owner}'s is called {key!r} here)"
                )
        validate(from_group(self.rule, group))
        for name in ("lr", "weight_decay"):
            if not _has(self.rule, name):
                check(owner, name, number(name, group[name]))


def to_group(rule: Rule) -> Group:
    """A rule's hyperparameters under torch's names."""
    renamed = _renamed(rule)
    group = {renamed.get(name, name): getattr(rule, name) for name in _names(rule)}
    if "betas" in renamed.values():
        group["betas"] = (rule.beta1, rule.beta2)  # type: ignore[attr-defined]
    return group


def from_group(rule: Rule, group: Group) -> Rule:
    """The same rule with a parameter group's hyperparameters, each a single Python number, so that what
    depends on t alone is computed in double precision."""
    renamed = _renamed(rule)
    values = {name: group[renamed.get(name, name)] for name in _names(rule)}
    if "betas" in renamed.values():
        values["beta1"], values["beta2"] = pair(group["betas"])
    return replace(rule, **{name: number(name, value) for name, value in values.items()})  # type: ignore[type-var]


@contextmanager
def holding(values: dict[torch.Tensor, torch.Tensor]) -> Iterator[None]:
    """Inside, each parameter holds the value beside it; afterwards what it held before, bit for bit."""
    before = {param: param.detach().clone() for param in values}
    try:
        with torch.no_grad():
            for param, value in values.items():
                param.copy_(value)
        yield
    finally:
        with torch.no_grad():
            for param, value in before.items():
                param.copy_(value)


def _names(rule: Rule) -> list[str]:
    return [field.name for field in fields(rule) if field.init]  # type: ignore[arg-type]


def _has(rule: Rule, name: str) -> bool:
    return name in _names(rule)


def _renamed(rule: Rule) -> dict[str, str]:
    """Which hyperparameters go by another name in torch; a name that the rule itself uses is not taken."""
    names = _names(rule)
    renamed = {"gamma": TORCH_NAME_OF_GAMMA.get(type(rule), "momentum")}
    if "beta1" in names and "beta2" in names:
        renamed |= {"beta1": "betas", "beta2": "betas"}
    return {name: key for name, key in renamed.items() if name in names and key not in names}


def _check_rule(rule: Rule) -> None:
    if not isinstance(rule, Rule):
        validate(rule)  # raises, and says what is wrong
    if not is_dataclass(type(rule)):
        raise TypeError(f"{type(rule).__name__} must be a dataclass: its fields are the hyperparameters")
    if taken := {"params", "param_names", "maximize"} & set(_names(rule)):
        raise ValueError(f"{type(rule).__name__} must not have a field {taken.pop()!r}: groups use the name")


def _own(values: Group, param: torch.Tensor) -> Group:
    """The values, copied where they are the parameter or its gradient: these are overwritten in place."""
    borrowed = {tensor.untyped_storage().data_ptr() for tensor in (param, param.grad) if tensor is not None}

    def own(value: Any) -> Any:
        if isinstance(value, torch.Tensor) and value.untyped_storage().data_ptr() in borrowed:
            return value.clone()
        return value

    return {name: own(value) for name, value in values.items()}


def _memory(state: Group) -> Group:
    """What of a parameter's state is the rule's."""
    return {name: value for name, value in state.items() if name not in ("step", "look")}


def working_dtype(param: torch.Tensor) -> torch.dtype:
    """float32 for half precision, in which g² and ε vanish; else the parameter's own."""
    return torch.promote_types(param.dtype, torch.float32)


def pair(betas: Any) -> tuple[Any, Any]:
    """(β₁, β₂), or an error if it is anything but two."""
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise TypeError(f"Invalid betas: {betas!r} (must be a pair of numbers, each in [0, 1))")
    beta1, beta2 = betas
    return beta1, beta2


def number(name: str, value: Any) -> Any:
    """A tensor or array of one number as that number; anything that is not an array as it is."""
    if not hasattr(value, "item"):
        return value
    if value.ndim and len(value.reshape(-1)) != 1:
        raise ValueError(
            f"Tensor {name} must be 1-element, got shape {tuple(value.shape)}: an optimizer takes single "
            "numbers; for a family of runs, give the rule to gdcourse.descend or gdcourse.train"
        )
    return value.item()
