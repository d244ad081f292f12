"""Families of runs: hyperparameters that are arrays, fitted to the shape and kind of θ."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from itertools import product
from math import prod
from typing import Any

import numpy as np
import torch

from gdcourse.optim.scope import check_runs_apart
from gdcourse.rules import Partners, Rule


def runs_shape(rule: Rule | Partners, **others: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of the family that a rule's array hyperparameters and other named shapes span.

    Raises
    ------
    ValueError : they do not broadcast; the message lists each by name.
    """
    shapes = {**_array_shapes(rule), **others}
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items() if shape)
        raise ValueError(f"these shapes do not broadcast to one family of runs: {listed}") from None


def with_arrays(rule: Any) -> Any:
    """The rule, with arrays where its hyperparameters are lists or tuples; anything else as it is."""
    if not isinstance(rule, (Rule, Partners)) or not is_dataclass(rule):
        return rule
    given = _hyperparameters(rule)
    changed: dict[str, Any] = {
        name: with_arrays(value) if isinstance(value, Rule) else np.asarray(value)
        for name, value in given.items()
        if isinstance(value, (Rule, list, tuple)) and name not in getattr(rule, "fixed", ())
    }
    return replace(rule, **changed) if any(given[name] is not changed[name] for name in changed) else rule


Cut = tuple[slice, ...]
"""Which runs of a family: a range along each of its axes."""


def cuts_of(runs: tuple[int, ...], most: int) -> list[Cut]:
    """A family cut into blocks of at most `most` runs, or of one."""
    sizes = []
    for axis, length in enumerate(runs):
        sizes.append(max(1, min(length, most // max(1, prod(runs[axis + 1 :])))))
    starts = product(*(range(0, max(1, n), size) for n, size in zip(runs, sizes, strict=True)))
    return [
        tuple(slice(i, min(i + size, n)) for i, size, n in zip(start, sizes, runs, strict=True))
        for start in starts
    ]


def cut_out(array: Any, cut: Cut, ndim: int = 0) -> Any:
    """What belongs to some runs, of an array that broadcasts to the family and has `ndim` axes more."""
    own = tuple(array.shape)[: array.ndim - ndim]
    aligned = zip(own, cut[len(cut) - len(own) :], strict=True)
    return array[tuple(along if n > 1 else slice(None) for n, along in aligned)]


def part(rule: Rule, cut: Cut) -> Rule:
    """The rule of some runs of its family."""
    changed = {
        name: part(value, cut) if isinstance(value, Rule) else cut_out(value, cut)
        for name, value in _hyperparameters(rule).items()
        if isinstance(value, Rule) or hasattr(value, "shape")
    }
    return replace(rule, **changed) if changed else rule  # type: ignore[type-var]


class Fit:
    """Gives array hyperparameters θ's trailing axes, and its kind, dtype and device.

    What depends on t alone is computed from a float64 copy and cast afterwards: in float32,
    1 − β₂ᵗ would lose three of its seven digits.

    Parameters
    ----------
    theta : the parameters of all runs.
    ndim : how many trailing axes of θ belong to a single run.
    """

    def __init__(self, theta: Any, ndim: int) -> None:
        self.theta, self.ndim = theta, ndim

    def for_at(self, rule: Rule) -> Rule:
        """The rule to call `at` on."""
        return self._rule(rule, exact=True)

    def for_step(self, rule: Rule) -> Rule:
        """The rule to call `look` and `step` on."""
        return self._rule(rule, exact=False)

    def values(self, values: dict[str, Any]) -> dict[str, Any]:
        """What `at` gave, in θ's dtype."""

        def cast(value: Any) -> Any:
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                return value.to(self.theta.dtype)
            if isinstance(value, (np.ndarray, np.floating)) and value.dtype.kind == "f":
                return value.astype(self.theta.dtype)
            return value

        return {name: cast(value) for name, value in values.items()}

    def _rule(self, rule: Rule, exact: bool) -> Rule:
        changed = {
            name: self._rule(value, exact) if isinstance(value, Rule) else self._array(value, exact)
            for name, value in _hyperparameters(rule).items()
            if isinstance(value, Rule) or hasattr(value, "shape")
        }
        return replace(rule, **changed) if changed else rule  # type: ignore[type-var]

    def _array(self, value: Any, exact: bool) -> Any:
        value = value.reshape(tuple(value.shape) + (1,) * self.ndim) if value.shape else value
        if isinstance(self.theta, torch.Tensor):
            dtype = torch.float64 if exact else self.theta.dtype
            return torch.as_tensor(value, dtype=dtype, device=self.theta.device)
        if isinstance(value, torch.Tensor):
            value = value.detach().cpu().numpy()
        return np.asarray(value).astype(np.float64 if exact else self.theta.dtype)


def as_seeds(seed: Any) -> np.ndarray:
    """One seed or many as an array of whole numbers.

    Raises
    ------
    ValueError : a seed is not a whole number ≥ 0.
    """
    seeds = np.asarray(seed)
    if seeds.dtype.kind not in "iu" or (seeds < 0).any() or not seeds.size:
        raise ValueError(f"seed must be a whole number ≥ 0, or several, got {seed!r}")
    return seeds


def check_family(rule: Rule, runs: tuple[int, ...], theta: Any) -> None:
    """Raise ValueError if a rule mixes runs of this shape, which lie side by side in one array as θ is."""
    if runs:
        check_runs_apart(rule, torch.from_numpy if isinstance(theta, torch.Tensor) else np.asarray)


def carried(state: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """What goes on to the next step: those values that the state names."""
    return {name: new[name] for name in state}


def first_state(rule: Rule, theta: Any) -> dict[str, Any]:
    """The state before the first step, each value an array of its own: what a rule gives may be θ itself, or
    one array under two names."""
    return {name: value + 0 for name, value in rule.init(theta, zeros_like(theta)).items()}


def zeros_like(theta: Any) -> Any:
    """Zeros of θ's shape and kind; 0 · θ would be NaN where θ is infinite."""
    return torch.zeros_like(theta) if isinstance(theta, torch.Tensor) else np.zeros_like(theta)


def _hyperparameters(rule: Rule | Partners) -> dict[str, Any]:
    return {f.name: getattr(rule, f.name) for f in fields(rule)}  # type: ignore[arg-type]


def _array_shapes(rule: Rule | Partners) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for name, value in _hyperparameters(rule).items():
        if isinstance(value, Rule):
            shapes.update({f"{name}.{inner}": shape for inner, shape in _array_shapes(value).items()})
        elif getattr(value, "shape", ()):
            shapes[name] = tuple(value.shape)
    return shapes
