"""Whether a rule is what its `scope` says: what works element by element may be joined, cut and shuffled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch

from gdcourse.rules import METHODS, Rule

OURS = {method.kind for method in METHODS.values()}
HALVES = (slice(0, 3), slice(3, 6))


def joins(rule: Rule) -> bool:
    """Whether several parameters may stand in one vector for this rule: it is not for each in its own shape,
    and its state has the parameter's shape."""
    if rule.scope == "tensor":
        return False
    if type(rule) in OURS:
        return True
    probe = torch.zeros(2, device="cpu")
    first = rule.init(probe, torch.zeros(2, device="cpu"))
    return all(isinstance(x, torch.Tensor) and x.shape == (2,) for x in first.values())


def check_scope(rule: Rule, array: Callable[[np.ndarray], Any] = torch.from_numpy) -> None:
    """Try a reader's rule that claims to work element by element on a vector, the vector shuffled, and its
    two halves: each element must come out the same.

    Parameters
    ----------
    rule : its hyperparameters may be arrays; of each, the first number is taken.
    array : what makes of a NumPy array what the rule is going to get. Default: a tensor.

    Raises
    ------
    ValueError : an element comes out otherwise, or ``scope`` is no scope.
    """
    if rule.scope not in ("element", "tensor", "all"):
        raise ValueError(
            f"{type(rule).__name__}.scope is {rule.scope!r}: must be 'element', 'tensor' or 'all'"
        )
    if rule.scope != "element":
        return
    if hasattr(rule, "inner_rule"):
        check_scope(rule.inner_rule, array)
    if type(rule) in OURS:
        return
    rule = _single(rule)
    theta, *grads = np.random.default_rng(0).standard_normal((4, 6))
    shuffled = np.array([4, 0, 5, 2, 1, 3])
    torchs, numpys = torch.get_rng_state(), np.random.get_state()
    try:
        end = _walked(rule, theta, grads, array)
        if end.shape != theta.shape:
            raise ValueError(f"its step gives a θ of shape {end.shape} for one of shape {theta.shape}")
        if not _equal(end, _walked(rule, theta, grads, array)):
            return  # it draws random numbers: nothing can be compared
        moved = _walked(rule, theta[shuffled], [g[shuffled] for g in grads], array)
        halves = [_walked(rule, theta[cut], [g[cut] for g in grads], array) for cut in HALVES]
    except Exception as error:
        raise ValueError(
            f"{type(rule).__name__} does not run on a vector ({type(error).__name__}: {error}): a rule that "
            'needs a parameter in its own shape says so, scope = "tensor"'
        ) from error
    finally:  # it may have drawn random numbers, which somebody else counts on
        torch.set_rng_state(torchs)
        np.random.set_state(numpys)
    for how, got, wanted in (
        ("shuffled", moved, end[shuffled]),
        ("cut in two", np.concatenate(halves), end),
    ):
        if not _equal(got, wanted):
            raise ValueError(
                f"{type(rule).__name__} does not work element by element: a vector that is {how} comes out "
                'otherwise. Give the class scope = "tensor" (each parameter in its own shape) or '
                'scope = "all" (all parameters in one vector)'
            )


def _single(rule: Rule) -> Rule:
    """The rule with a single number where a hyperparameter is an array."""
    values = {field.name: getattr(rule, field.name) for field in fields(rule) if field.init}  # type: ignore[arg-type]
    arrays = {
        name: np.asarray(x).reshape(-1)[0].item() for name, x in values.items() if getattr(x, "ndim", 0)
    }
    return replace(rule, **arrays) if arrays else rule  # type: ignore[type-var]


def _walked(rule: Rule, theta: Any, grads: list[Any], array: Callable[[np.ndarray], Any]) -> np.ndarray:
    point = array(theta.copy())
    state = rule.init(point, 0 * point)
    with torch.no_grad(), np.errstate(all="ignore"):
        for t, grad in enumerate(grads, start=1):
            point, new = rule.step(point, array(grad.copy()), state, rule.at(t))
            state = {name: new[name] for name in state}
    return np.asarray(point)


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return np.allclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True)
