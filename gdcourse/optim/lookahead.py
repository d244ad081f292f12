"""Lookahead around any torch optimizer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import torch

from gdcourse import rules
from gdcourse.optim.kernel import SLOW, pulled, run, working_dtype
from gdcourse.optim.optimizer import Group, RuleOptimizer, holding, number
from gdcourse.rules.validate import check


class Lookahead(torch.optim.Optimizer):
    """Slow weights φ that follow an optimizer's fast weights θ: after every k steps of it,
    φ ← φ + α(θ − φ),  θ ← φ.

    The optimizer inside keeps its own state (momentum, averages) across a synchronisation. Groups,
    schedules, `zero_grad` and `add_param_group` are the inner optimizer's: ``param_groups`` and
    ``defaults`` are the same objects. φ starts where the parameters are at the first step.

    Around an optimizer of this package that was made with ``compile=True``, the synchronisation is a kernel,
    too.

    Between synchronisations the parameters are the fast weights, which are noisy. Evaluate the slow ones::

        with optimizer.slow_weights():
            evaluate(model)

    Parameters
    ----------
    optimizer : any `torch.optim.Optimizer` but another Lookahead, torch's own included.
    k : the synchronisation period, a whole number of steps ≥ 1. Default 5.
    alpha : α in [0, 1], without unit: the share of the way that the slow weights go. Default 0.5.

    Attributes
    ----------
    optimizer : the one inside.
    steps : how many steps have been taken.
    state : ``state[p]["slow"]`` is φ, in float32 where p is of half precision. The inner optimizer's
        state is ``optimizer.state``.

    Raises
    ------
    TypeError : not an optimizer, or k or alpha not a number.
    ValueError : k or alpha out of range; a Lookahead around a Lookahead.

    Source: Zhang, Lucas, Hinton and Ba (2019), Algorithm 1; the talk's slide "Lookahead".
    torch has none.
    """

    optimizer: torch.optim.Optimizer
    rule: rules.Lookahead
    steps: int

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        k: int = rules.Lookahead.k,
        alpha: float = rules.Lookahead.alpha,
    ) -> None:
        if not isinstance(optimizer, torch.optim.Optimizer):
            hint = "; it is a class: give it parameters" if isinstance(optimizer, type) else ""
            raise TypeError(f"{optimizer!r} is not an Optimizer: Lookahead needs a torch optimizer{hint}")
        if isinstance(optimizer, Lookahead):
            raise ValueError("Invalid optimizer: a Lookahead around a Lookahead is not supported")
        # The base class's own constructor would copy the groups; this one shares them.
        self.__setstate__(
            {"optimizer": optimizer, "rule": _rule(k, alpha), "state": defaultdict(dict), "steps": 0}
        )

    @property
    def param_groups(self) -> list[Group]:  # type: ignore[override]
        return self.optimizer.param_groups

    @property
    def defaults(self) -> Group:  # type: ignore[override]
        return self.optimizer.defaults

    def add_param_group(self, param_group: Group) -> None:
        """Add a parameter group to the inner optimizer; its φ starts where it is at its first step."""
        self.optimizer.add_param_group(param_group)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of the inner optimizer, and a synchronisation if it was the k-th, 2k-th, …"""
        begin = {param: self._fast(param) for param in self._params() if param not in self.state}
        loss = self.optimizer.step(closure)
        for param, slow in begin.items():  # not before: the step, or its closure, may have raised
            self.state[param]["slow"] = slow
        self.steps += 1
        if self.rule.at(self.steps)["sync"]:
            self._synchronise()
        return loss

    def _synchronise(self) -> None:
        if isinstance(self.optimizer, RuleOptimizer):
            self.optimizer.pull(self.rule, self.state)
            return
        for param in self._params():
            memory = {SLOW: self.state[param]["slow"]}
            run(pulled, (param.detach(), memory), (self.rule, rules.Rule()))

    @contextmanager
    def slow_weights(self) -> Iterator[None]:
        """Inside, the parameters hold the slow weights; afterwards, even if the body raised, the fast ones,
        bit for bit. Do not step inside."""
        with holding({param: state["slow"] for param, state in self.state.items()}):
            yield

    def state_dict(self) -> Group:
        """The inner optimizer's, and under ``lookahead`` its kind, k, α, the number of steps and the slow
        weights."""
        for before in self._optimizer_state_dict_pre_hooks.values():
            before(self)
        slow = {i: self.state[p]["slow"].clone() for i, p in enumerate(self._params()) if p in self.state}
        own = {"around": _kind(self.optimizer), "k": self.rule.k, "alpha": self.rule.alpha}
        own |= {"steps": self.steps, "slow": slow}
        state_dict = {**self.optimizer.state_dict(), "lookahead": own}
        for after in self._optimizer_state_dict_post_hooks.values():
            changed = after(self, state_dict)
            state_dict = state_dict if changed is None else changed
        return state_dict

    def load_state_dict(self, state_dict: Group) -> None:
        """Load what `state_dict` gave, into an optimizer around the same kind of optimizer and parameters.

        Raises
        ------
        TypeError, ValueError : it is not a Lookahead's, or one around another optimizer, or does not fit;
            then nothing was loaded. Whether the inner state fits, an optimizer of this package finds out at
            once, and one of torch's at its next step.
        """
        state_dict = dict(state_dict)
        for before in self._optimizer_load_state_dict_pre_hooks.values():
            changed = before(self, state_dict)
            state_dict = state_dict if changed is None else changed
        if "lookahead" not in state_dict:
            raise ValueError(
                "loaded state dict has no 'lookahead' entry: it must be a Lookahead's; that of an optimizer "
                "inside goes into .optimizer.load_state_dict"
            )
        own, params = state_dict["lookahead"], self._params()
        self._check_own(own, state_dict.get("state", {}))
        rule = _rule(own["k"], own["alpha"])
        inner = {key: value for key, value in state_dict.items() if key != "lookahead"}
        self.optimizer.load_state_dict(deepcopy(inner))  # torch would share the tensors
        self.rule, self.steps = rule, own["steps"]
        self.state = defaultdict(dict)
        for i, slow in own["slow"].items():
            self.state[params[i]]["slow"] = slow.to(params[i].device, working_dtype(params[i]), copy=True)
        for after in self._optimizer_load_state_dict_post_hooks.values():
            after(self)

    def _check_own(self, own: Group, inner: dict[Any, Any]) -> None:
        """Raise ValueError if what a checkpoint holds for this class does not fit. ``inner`` is the inner
        optimizer's state."""
        around, params = _kind(self.optimizer), self._params()
        if wrong := OWN ^ own.keys():
            raise ValueError(
                f"loaded state dict has {sorted(own)} under 'lookahead' (wrong: {sorted(wrong)})"
            )
        if own["around"] != around:
            raise ValueError(f"loaded state dict is a Lookahead's around {own['around']}: must be {around}")
        if not (isinstance(own["steps"], int) and own["steps"] >= 0):
            raise ValueError(f"loaded state dict has steps={own['steps']!r}: must be a whole number ≥ 0")
        for i, slow in own["slow"].items():
            if i not in range(len(params)) or slow.shape != params[i].shape:
                have = tuple(params[i].shape) if i in range(len(params)) else "there is no such parameter"
                raise ValueError(
                    f"loaded state dict has slow weights of shape {tuple(slow.shape)} for parameter {i}: "
                    f"must be the parameter's shape ({have})"
                )
        moved = range(len(params)) if own["steps"] else ()  # torch's Adagrad has a state from the start
        if missing := [i for i in moved if inner.get(i) and i not in own["slow"]]:
            raise ValueError(f"loaded state dict has no slow weights for parameter {missing[0]}, which moved")

    def __getstate__(self) -> Group:
        return {"optimizer": self.optimizer, "rule": self.rule, "state": self.state, "steps": self.steps}

    def __repr__(self) -> str:
        return f"Lookahead (k: {self.rule.k}, alpha: {self.rule.alpha}) around {self.optimizer!r}"

    def _params(self) -> list[torch.Tensor]:
        return [param for group in self.param_groups for param in group["params"]]

    # For Nesterov the parameter is the look-ahead point. Slow weights follow θ, not that point.

    def _fast(self, param: torch.Tensor) -> torch.Tensor:
        if isinstance(self.optimizer, RuleOptimizer):
            return self.optimizer.theta(param)
        return param.detach().to(working_dtype(param), copy=True)


OWN = {"around", "k", "alpha", "steps", "slow"}
"""What a checkpoint holds under ``lookahead``."""


def _kind(optimizer: torch.optim.Optimizer) -> str:
    """An optimizer's package and method: state of torch's Adam is not for ours."""
    method = type(optimizer.rule if isinstance(optimizer, RuleOptimizer) else optimizer)
    return f"{method.__module__.partition('.')[0]}.{method.__name__}"


def _rule(k: Any, alpha: Any) -> rules.Lookahead:
    """The rule that says when to synchronise and how; the steps between are the optimizer's."""
    k, alpha = number("k", k), number("alpha", alpha)
    check("Lookahead", "k", k)
    check("Lookahead", "alpha", alpha)
    return rules.Lookahead(rules.Rule(), int(k), alpha)
