"""Lookahead around any torch optimizer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch

from gdcourse import rules
from gdcourse.optim.groups import Group, memory_of, number
from gdcourse.optim.optimizer import (
    RuleOptimizer,
    elsewhere,
    first_state,
    holding,
    kind_of,
    snapshot_of,
    synchronise,
    to_be_kept,
)
from gdcourse.optim.state_dict import check_is_one, check_parts, load_checked, shapes_of
from gdcourse.optim.together import Together
from gdcourse.optim.update import SLOW, Ways, former, never_traced, working_dtype
from gdcourse.rules.around import chain_of
from gdcourse.rules.validate import check


class Lookahead(torch.optim.Optimizer):
    """Slow weights φ that follow an optimizer's fast weights θ: after every k steps of it,
    φ ← φ + α(θ − φ),  θ ← φ.

    Groups, schedules, `zero_grad` and `add_param_group` are the inner optimizer's: ``param_groups`` and
    ``defaults`` are the same objects. φ starts where the parameters are at the first step.

    The optimizer inside has a state of its own (momentum, averages), which was made on the fast path. What
    becomes of it at a synchronisation, ``pullback_momentum`` says:

    * ``"none"``: it goes on.
    * ``"reset"``: it is dropped, and the inner optimizer begins anew at φ, with the step count and so the
      bias correction, too.
    * ``"pullback"``: each moment m goes the way of the weights, m ← m̃ + α(m − m̃), m̃ ← m, where m̃ is what it
      was after the last synchronisation, and before the first, what it was when Lookahead began: of a new
      inner optimizer, what that starts it with.
      Every real or complex tensor of the state counts as a moment (Adam's both, Adagrad's sum, Rprop's step
      sizes), except for what follows from the step count alone.

    With "pullback" the step count goes on, and with it the bias correction, which is then too weak. It takes
    an average after t steps to hold its start, 0, by the share βᵗ; pulled back n = t/k times, it holds it by
    (1 − α(1 − βᵏ))ⁿ. For Adam's m either share soon vanishes. But right after
    a synchronisation v̂ is about α times what it should be, at first, so that Adam goes up to 1/√α times as
    far; that fades over some 1/(α(1 − β₂)) steps.

    Around an optimizer of this package that was made with ``compile=True``, the synchronisation is a kernel,
    too.

    A parameter that is frozen on the way (its ``grad`` is None) still moves once, at the next
    synchronisation, to its φ, and then rests. Freeze it right after one if it must stay where it is.

    Between synchronisations the parameters are the fast weights, which are noisy. Evaluate the slow ones::

        with optimizer.slow_weights():
            evaluate(model)

    Parameters
    ----------
    optimizer : any `torch.optim.Optimizer` but another Lookahead, torch's own included.
    k : the synchronisation period, a whole number of steps ≥ 1. Default 5.
    alpha : α in [0, 1], without unit: the share of the way that the slow weights go. Default 0.5.
    pullback_momentum : "none", "reset" or "pullback", as above. Default "none". LBFGS, whose state is
        a list of past steps, has no moments to pull back.

    Attributes
    ----------
    optimizer : the one inside.
    steps : how many steps have been taken.
    state : ``state[p]["slow"]`` is φ, in float32 where p is of half precision; with "pullback",
        ``state[p]["former_…"]`` are the m̃, named after the inner optimizer's state, which is
        ``optimizer.state``.

    Raises
    ------
    TypeError : not an optimizer, or k or alpha not a number.
    ValueError : k or alpha out of range; another pullback_momentum, or "pullback" around LBFGS or SOAP; a
        Lookahead around a Lookahead or a Together.

    Source: Zhang, Lucas, Hinton and Ba (2019), Algorithm 1; the talk's slide "Lookahead". "reset" and
    "pullback": the authors' code, where they reach a ``momentum_buffer`` only, such as SGD's, and where the
    copy m̃ is m itself, so that from the second synchronisation on m is multiplied by α(2 − α) instead. torch
    has none.
    """

    optimizer: torch.optim.Optimizer
    rule: rules.Lookahead
    pullback_momentum: str
    steps: int
    _inside: set[str]
    """As `RuleOptimizer`'s: whether the parameters hold the slow weights at present."""

    @rules.hinted
    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        k: int = rules.Lookahead.k,
        alpha: float = rules.Lookahead.alpha,
        pullback_momentum: str = "none",
    ) -> None:
        if not isinstance(optimizer, torch.optim.Optimizer):
            hint = "; it is a class: give it parameters" if isinstance(optimizer, type) else ""
            if isinstance(optimizer, torch.nn.Module):
                hint = ", as in Lookahead(gd.optim.SGD(model.parameters(), lr=0.1))"
            raise TypeError(f"{optimizer!r} is not an Optimizer: Lookahead needs a torch optimizer{hint}")
        if isinstance(optimizer, Lookahead):
            raise ValueError("Invalid optimizer: a Lookahead around a Lookahead is not supported")
        if isinstance(optimizer, Together):
            raise ValueError(
                "Invalid optimizer: a Lookahead around a Together is not supported: put one around each of "
                "its optimizers, as in Together(Lookahead(gd.optim.Muon(hidden)), "
                "Lookahead(gd.optim.Adam(rest)))"
            )
        _check_pullback(pullback_momentum, optimizer)
        # The base class's own constructor would copy the groups; this one shares them.
        own = {"rule": _rule(k, alpha), "pullback_momentum": pullback_momentum}
        self.__setstate__({"optimizer": optimizer, **own, "state": defaultdict(dict), "steps": 0})

    @property
    def param_groups(self) -> list[Group]:
        return self.optimizer.param_groups

    @param_groups.setter
    def param_groups(self, groups: list[Group]) -> None:
        self.optimizer.param_groups = groups

    @property
    def defaults(self) -> Group:  # type: ignore[override]
        return self.optimizer.defaults

    def add_param_group(self, param_group: Group) -> None:
        """Add a parameter group to the inner optimizer; its φ starts where it is at its first step."""
        self.optimizer.add_param_group(param_group)

    def check_step(self) -> None:
        """Raise what a step would, or the optimizer inside, before it has moved anything."""
        self._refuse_at_slow("step")
        self._check_shapes()
        if isinstance(self.optimizer, RuleOptimizer) and not self._optimizer_step_pre_hooks:
            self.optimizer.check_step()

    @never_traced
    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of the inner optimizer, and a synchronisation if it was the k-th, 2k-th, …"""
        self._refuse_at_slow("step")
        self._check_shapes()
        with to_be_kept():
            begin = {param: self._beginning(param) for param in self._params() if param not in self.state}
        loss = self.optimizer.step(closure)
        self.state.update(begin)  # not before: the step, or its closure, may have raised
        if self.pullback_momentum == "pullback":
            with to_be_kept():
                self._note_new_moments()
        self.steps += 1
        if self.rule.at(self.steps)["sync"]:
            self._synchronise()
        return loss

    def _check_shapes(self) -> None:
        """Raise RuntimeError if a parameter was given another shape after it had moved."""
        for param in self._params():
            slow = self.state[param][SLOW] if param in self.state else param
            if slow.shape != param.shape:
                raise RuntimeError(
                    f"a parameter of shape {tuple(param.shape)} has slow weights of shape "
                    f"{tuple(slow.shape)}: it was given another shape after it had moved; forget both "
                    "states, by lookahead.state.pop(parameter) and "
                    "lookahead.optimizer.state.pop(parameter, None), or make a new optimizer"
                )

    def _synchronise(self) -> None:
        if isinstance(self.optimizer, RuleOptimizer):
            self.optimizer.pull(self.rule, self.state)
        else:
            values = self.rule, rules.Rule()
            with Ways(compiles=False) as ways:
                params = self._params()
                states = [self.optimizer.state.get(param, {}) for param in params]
                synchronise(params, states, self.state, values, ways, whole=False)
                ways.finish()
        if self.pullback_momentum == "reset":
            self._begin_anew()

    def _begin_anew(self) -> None:
        """Let the inner optimizer forget all that it has done."""
        inner, params = self.optimizer, self._params()
        for param in params:
            state = inner.state.get(param)
            if state and isinstance(inner, torch.optim.Adagrad):  # makes its state before any step
                state["step"].zero_()
                state["sum"].fill_(_both(inner.defaults["initial_accumulator_value"], state["sum"]))
            else:
                inner.state.pop(param, None)
        if params and isinstance(
            inner, RuleOptimizer
        ):  # Nesterov's points were made with the v that are gone
            torch._foreach_copy_(params, [self.state[param][SLOW] for param in params])

    def _note_new_moments(self) -> None:
        """Put down what the moments that a step has made started with."""
        for group in self.param_groups:
            for param in group["params"]:
                own, state = self.state[param], self.optimizer.state.get(param, {})
                if new := [name for name in _moments(self.optimizer, state) if former(name) not in own]:
                    start = self._start(param, state, group)
                    own |= {former(name): start[name] for name in new if name in start}

    def _start(self, param: torch.Tensor, state: Group, group: Group) -> Group:
        """What the moments of a parameter's state were before its first step."""
        inner = self.optimizer
        if isinstance(inner, RuleOptimizer):
            return first_state(self.state[param][SLOW], inner.rule)
        numbers = defaultdict(float)
        if isinstance(inner, torch.optim.Adagrad):
            numbers["sum"] = inner.defaults["initial_accumulator_value"]
        if isinstance(inner, torch.optim.Rprop):
            numbers["step_size"] = float(group["lr"])
        return {
            name: torch.full_like(x, _both(numbers[name], x), dtype=working_dtype(x))
            for name, x in _moments(inner, state).items()
        }

    @contextmanager
    def slow_weights(self) -> Iterator[None]:
        """Inside, the parameters hold the slow weights; afterwards, even if the body raised, the fast ones,
        bit for bit.

        What is saved inside is for use, as with `RuleOptimizer.at_theta`.

        Raises
        ------
        RuntimeError : inside, a step, `at_theta`, a checkpoint or a copy.
        """
        if AT_SLOW in self._inside:
            yield
            return
        self._check_shapes()
        slow = {
            param: self.state[param][SLOW] if param in self.state else self._fast(param)
            for param in self._params()
        }
        with holding(slow, self._inside, AT_SLOW):
            yield

    def _refuse_at_slow(self, what: str) -> None:
        if AT_SLOW in self._inside:
            raise elsewhere(AT_SLOW, what)

    @contextmanager
    def at_theta(self) -> Iterator[None]:
        """Inside, the parameters hold the fast weights θ, where the inner optimizer keeps another point in
        them, as with `RuleOptimizer.at_theta`; around one of torch's they do so anyway."""
        self._refuse_at_slow("at_theta")
        inner = self.optimizer
        with inner.at_theta() if isinstance(inner, RuleOptimizer) else nullcontext():
            yield

    def state_dict(self) -> Group:
        """The inner optimizer's, with more in it: in each parameter's state the slow weights and the former
        moments, by the names that they have in ``state``; in each group, under names that begin with
        ``lookahead_``, its kind, k, α, pullback_momentum and the number of steps. A snapshot; not inside
        `slow_weights`, nor inside `at_theta`.

        ``get_state_dict`` of `torch.distributed.checkpoint` takes it, without
        ``flatten_optimizer_state_dict=True``, of which torch reads back what is in ``param_groups`` and
        ``state`` alone."""
        self._refuse_at_slow("state_dict")
        for before in self._optimizer_state_dict_pre_hooks.values():
            before(self)
        state_dict = snapshot_of(self.optimizer)
        state = {key: dict(inner) for key, inner in state_dict["state"].items()}
        for i, param in enumerate(self._params()):
            if param in self.state:
                state[i] = {**state.get(i, {}), **_snapshot(self.state[param])}
        own = {OWN + name: value for name, value in self._own().items()}
        groups = [{**group, **own} for group in state_dict["param_groups"]]
        state_dict = {**state_dict, "state": state, "param_groups": groups}
        for after in self._optimizer_state_dict_post_hooks.values():
            changed = after(self, state_dict)
            state_dict = state_dict if changed is None else changed
        return state_dict

    def _own(self) -> Group:
        how = self.pullback_momentum
        numbers = {"k": self.rule.k, "alpha": self.rule.alpha, "steps": self.steps}
        return {"around": kind_of(self.optimizer), **numbers, "pullback_momentum": how}

    def load_state_dict(self, state_dict: Group) -> None:
        """Load what `state_dict` gave, into an optimizer around the same kind of optimizer and parameters.

        Raises
        ------
        TypeError, ValueError : it is not a Lookahead's, or one around another optimizer, or does not fit;
            then nothing was loaded. Whether the inner state has the right names and shapes is known of
            optimizers of this package and torch's; one from elsewhere finds out at its next step.
        RuntimeError : inside `slow_weights` or `at_theta`.
        """
        self._refuse_at_slow("load_state_dict")
        check_is_one(state_dict)
        state_dict = dict(state_dict)
        for before in self._optimizer_load_state_dict_pre_hooks.values():
            changed = before(self, state_dict)
            state_dict = state_dict if changed is None else changed
        check_parts(state_dict)
        own, held, inner = _parted(state_dict)
        params = self._params()
        self._check_own(own, held, inner)
        rule = _rule(own["k"], own["alpha"])
        load_checked(self.optimizer, inner)
        self.rule, self.pullback_momentum, self.steps = rule, own["pullback_momentum"], int(own["steps"])
        self.state = defaultdict(dict)
        numbers = {key: i for i, key in enumerate(_keys(inner))}
        for key, values in held.items():
            param = params[numbers[key]]
            there = {"device": param.device, "dtype": working_dtype(param), "copy": True}
            self.state[param] = {name: x.to(**there) for name, x in values.items()}
        for after in self._optimizer_load_state_dict_post_hooks.values():
            after(self)

    def _check_own(self, own: Group, held: dict[Any, Group], inner: Group) -> None:
        """Raise ValueError if what a checkpoint holds for this class does not fit.

        Parameters
        ----------
        own : what its groups say of it.
        held : the slow weights and former moments, by parameter.
        inner : the inner optimizer's checkpoint.
        """
        around, params, keys = kind_of(self.optimizer), self._params(), _keys(inner)
        if own["around"] != around:
            raise ValueError(f"loaded state dict is a Lookahead's around {own['around']}: must be {around}")
        if not (isinstance(own["steps"], int) and own["steps"] >= 0):
            raise ValueError(f"loaded state dict has steps={own['steps']!r}: must be a whole number ≥ 0")
        _check_pullback(own["pullback_momentum"], self.optimizer)
        for key, values in held.items():
            for name, value in values.items():
                if not isinstance(value, torch.Tensor):
                    raise ValueError(
                        f"loaded state dict has {name!r} of type {type(value).__name__} for parameter {key}: "
                        "must be a tensor"
                    )
        if len(keys) != len(params):
            return  # which torch says itself
        for key, param in zip(keys, params, strict=True):
            slow = held.get(key, {}).get(SLOW)
            if slow is not None and slow.shape != param.shape:
                raise ValueError(
                    f"loaded state dict has slow weights of shape {tuple(slow.shape)} for parameter {key}: "
                    f"must be the parameter's shape ({tuple(param.shape)})"
                )
        pulls = own["pullback_momentum"] == "pullback" and own["steps"]
        for key in inner["state"].keys() | held.keys():
            here = {name: x for name, x in held.get(key, {}).items() if name != SLOW}
            moments = _moments(self.optimizer, inner["state"].get(key, {})) if pulls else {}
            there = {former(name): x for name, x in moments.items()}
            if shapes_of(here) != shapes_of(there):
                raise ValueError(
                    f"loaded state dict has former moments {shapes_of(here)} for parameter {key}: with "
                    f"pullback_momentum={own['pullback_momentum']!r} must have {shapes_of(there)}"
                )
        # torch's Adagrad has a state from the start
        moved = (
            [key for key, state in inner["state"].items() if state and key in keys] if own["steps"] else []
        )
        if missing := [key for key in moved if SLOW not in held.get(key, {})]:
            raise ValueError(f"loaded state dict has no slow weights for parameter {missing[0]}, which moved")

    def __getstate__(self) -> Group:
        self._refuse_at_slow("a copy")
        own = {name: getattr(self, name) for name in ("optimizer", "rule", "pullback_momentum", "steps")}
        return {**own, "state": defaultdict(dict, {p: _snapshot(state) for p, state in self.state.items()})}

    def __setstate__(self, state: Group) -> None:
        super().__setstate__(state)
        if not hasattr(self, "_inside"):  # new, or a copy
            self._inside = set()

    def __repr__(self) -> str:
        how = f"k: {self.rule.k}, alpha: {self.rule.alpha}, pullback_momentum: {self.pullback_momentum}"
        return f"Lookahead ({how}) around {self.optimizer!r}"

    def _params(self) -> list[torch.Tensor]:
        return [param for group in self.param_groups for param in group["params"]]

    # For Nesterov the parameter is the look-ahead point. Slow weights follow θ, not that point.

    def _beginning(self, param: torch.Tensor) -> Group:
        """What is held of a parameter before the first step with it."""
        begin: Group = {SLOW: self._fast(param)}
        if self.pullback_momentum == "pullback":  # the optimizer may have been used before
            now = _moments(self.optimizer, self.optimizer.state.get(param, {}))
            begin |= {former(name): x.to(working_dtype(x), copy=True) for name, x in now.items()}
        return begin

    def _fast(self, param: torch.Tensor) -> torch.Tensor:
        if isinstance(self.optimizer, RuleOptimizer):
            return self.optimizer.theta(param)
        return param.detach().to(working_dtype(param), copy=True)


AT_SLOW = "slow_weights"
OWN = "lookahead_"
"""What the names begin with that a checkpoint's groups have for this class."""

OWNS = ("around", "k", "alpha", "steps", "pullback_momentum")


def _parted(saved: Group) -> tuple[Group, dict[Any, Group], Group]:
    """A checkpoint's three parts: what it says of this class, what it holds for it, and the inner
    optimizer's.

    Raises
    ------
    ValueError : it is not a Lookahead's, or its groups do not agree.
    """
    if not saved["param_groups"]:
        raise ValueError("loaded state dict has a different number of parameter groups: it has none")
    if missing := [name for group in saved["param_groups"] for name in OWNS if OWN + name not in group]:
        raise ValueError(
            f"loaded state dict has no {OWN + missing[0]!r} in a parameter group: it must be a Lookahead's; "
            "that of an optimizer inside goes into .optimizer.load_state_dict. "
            "torch.distributed.checkpoint's flatten_optimizer_state_dict=True drops it: save without"
        )
    found = [{name: group[OWN + name] for name in OWNS} for group in saved["param_groups"]]
    if any(own != found[0] for own in found):
        raise ValueError("loaded state dict has parameter groups of different Lookaheads")
    names = {OWN + name for name in OWNS}
    groups = [
        {name: value for name, value in group.items() if name not in names} for group in saved["param_groups"]
    ]
    held: dict[Any, Group] = {}
    states: dict[Any, Group] = {}
    for key, state in saved["state"].items():
        mine = {name for name in state if name == SLOW or name.startswith(former(""))}
        if mine:
            held[key] = {name: state[name] for name in mine}
        if others := {name: value for name, value in state.items() if name not in mine}:
            states[key] = others
    return found[0], held, {**saved, "param_groups": groups, "state": states}


def _keys(saved: Group) -> list[Any]:
    """What a checkpoint calls its parameters, in their order."""
    return [key for group in saved["param_groups"] for key in group["params"]]


PULLBACKS = ("none", "reset", "pullback")

COUNTS: dict[type, set[str]] = {
    torch.optim.NAdam: {"mu_product"},
    torch.optim.ASGD: {"eta", "mu"},
    rules.NAdam: {"product"},
}
"""What else than ``step`` follows from the step count alone in the state of torch's optimizers, and of our
rules."""


def _moments(optimizer: torch.optim.Optimizer, state: Group) -> dict[str, torch.Tensor]:
    """What of a parameter's state is pulled back."""
    ours = chain_of(optimizer.rule) if isinstance(optimizer, RuleOptimizer) else []
    counts = {"step"}.union(
        *[names for kind, names in COUNTS.items() if any(isinstance(one, kind) for one in (optimizer, *ours))]
    )
    return {
        name: value
        for name, value in (memory_of(state) if isinstance(optimizer, RuleOptimizer) else state).items()
        if isinstance(value, torch.Tensor)
        and (value.is_floating_point() or value.is_complex())
        and name not in counts
    }


def _snapshot(state: Group) -> Group:
    return {name: value.clone() for name, value in state.items()}


def _both(number: float, like: torch.Tensor) -> float | complex:
    """A number as the element of a tensor; torch takes a complex one to be two real ones."""
    return complex(number, number) if like.is_complex() else number


def _check_pullback(pullback_momentum: Any, optimizer: torch.optim.Optimizer) -> None:
    if pullback_momentum not in PULLBACKS:
        allowed = ", ".join(map(repr, PULLBACKS))
        raise ValueError(f"Invalid pullback_momentum: {pullback_momentum!r} (must be one of {allowed})")
    ours = chain_of(optimizer.rule) if isinstance(optimizer, RuleOptimizer) else []
    if pullback_momentum == "pullback" and any(isinstance(rule, rules.SOAP) for rule in ours):
        raise ValueError(
            "Invalid pullback_momentum: 'pullback' (between two of SOAP's bases lies none: must be 'none' or "
            "'reset')"
        )
    if pullback_momentum == "pullback" and isinstance(optimizer, torch.optim.LBFGS):
        raise ValueError(
            "Invalid pullback_momentum: 'pullback' (the state of LBFGS is a list of past steps, not moments: "
            "must be 'none' or 'reset')"
        )


def _rule(k: Any, alpha: Any) -> rules.Lookahead:
    """The rule that says when to synchronise and how; the steps between are the optimizer's."""
    k, alpha = number("k", k), number("alpha", alpha)
    check("Lookahead.k", k)
    check("Lookahead.alpha", alpha)
    return rules.Lookahead(rules.Rule(), int(k), alpha)
