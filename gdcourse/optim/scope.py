"""Whether a rule is what its `scope` says: what works element by element may be joined, cut and shuffled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from typing import Any

import numpy as np
import torch

from gdcourse.rules import ALL, Rule

OURS = {method.kind for method in ALL.values()}
HALVES = (slice(0, 3), slice(3, 6))


def scope_of(rule: Rule) -> str:
    """A rule's scope; for one around another, the inner rule's."""
    inner = getattr(rule, "inner_rule", None)
    return scope_of(inner) if isinstance(inner, Rule) else rule.scope


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


def check_scope(rule: Rule) -> None:
    """Try a reader's rule that claims to work element by element on a vector, the vector shuffled, and its
    two halves: each element must come out the same.

    Raises
    ------
    ValueError : an element comes out otherwise, or ``scope`` is no scope.
    """
    if rule.scope not in ("element", "tensor", "all"):
        raise ValueError(
            f"{type(rule).__name__}.scope is {rule.scope!r}: must be 'element', 'tensor' or 'all'"
        )
    if rule.scope != "element" or _is_ours(rule):
        return
    theta, *grads = _drawn(6)
    shuffled = np.array([4, 0, 5, 2, 1, 3])
    with _random_numbers_kept():
        try:
            end = _walked(rule, theta, grads, torch.from_numpy)
            if end.shape != theta.shape:
                raise ValueError(f"its step gives a θ of shape {end.shape} for one of shape {theta.shape}")
            if not _equal(end, _walked(rule, theta, grads, torch.from_numpy)):
                return  # it draws random numbers: nothing can be compared
            moved = _walked(rule, theta[shuffled], [g[shuffled] for g in grads], torch.from_numpy)
            halves = [_walked(rule, theta[cut], [g[cut] for g in grads], torch.from_numpy) for cut in HALVES]
        except Exception as error:
            raise ValueError(
                f"{type(rule).__name__} does not run on a vector ({type(error).__name__}: {error}): a "
                'rule that needs a parameter in its own shape says so, scope = "tensor"'
            ) from error
    for how, got, wanted in (
        ("shuffled", moved, end[shuffled]),
        ("cut in two", np.concatenate(halves), end),
    ):
        if not _equal(got, wanted):
            raise ValueError(
                f"{type(rule).__name__} does not work element by element: a vector that is {how} comes "
                'out otherwise. Give the class scope = "tensor" (each parameter in its own shape) or '
                'scope = "all" (all parameters in one vector)'
            )


def is_elementwise(rule: Rule) -> bool:
    """Whether a rule, whose hyperparameters may be arrays, works by element, as far as trying tells."""
    try:
        check_scope(_single(rule, torch.from_numpy))
    except ValueError:
        return False
    return rule.scope == "element"


def check_runs_apart(rule: Rule, array: Callable[[np.ndarray], Any]) -> None:
    """Try a reader's rule on two runs side by side, an array of two rows, and on each: it may look at all of
    a run, and must not mix runs.

    Parameters
    ----------
    rule : its hyperparameters may be arrays; of each, the first number is taken.
    array : what makes of a NumPy array what the rule is going to get.

    Raises
    ------
    ValueError : a run comes out otherwise beside another.
    """
    if _is_ours(rule):
        return
    rule = _single(rule, array)
    theta, *grads = _drawn(2, 6)
    with _random_numbers_kept():
        try:
            beside = _walked(rule, theta, grads, array)
            if not _equal(beside, _walked(rule, theta, grads, array)):
                return
            alone = [_walked(rule, theta[i], [g[i] for g in grads], array) for i in (0, 1)]
        except Exception as error:
            if scope_of(rule) == "element":
                return  # it says itself what is wrong where it runs
            raise ValueError(
                f"{type(rule).__name__} does not run on rows of numbers ({type(error).__name__}: {error})"
            ) from error
    if not _equal(beside, np.stack(alone)):
        raise ValueError(
            f"{type(rule).__name__} mixes runs that lie side by side: give its sums axis=-1, keepdims=True, "
            "so that the axes before stay apart, or walk one run at a time"
        )


def _is_ours(rule: Rule) -> bool:
    """Whether a rule, and the one that it may be around, are this package's, which its tests see to."""
    inner = getattr(rule, "inner_rule", None)
    return type(rule) in OURS and (inner is None or _is_ours(inner))


def _drawn(*shape: int) -> np.ndarray:
    """A θ and three gradients."""
    return np.random.default_rng(0).standard_normal((4, *shape))


@contextmanager
def _random_numbers_kept() -> Iterator[None]:
    """A rule may draw random numbers, and somebody else counts on those that come next."""
    torchs, numpys = torch.get_rng_state(), np.random.get_state()
    try:
        yield
    finally:
        torch.set_rng_state(torchs)
        np.random.set_state(numpys)


def _single(rule: Rule, array: Callable[[np.ndarray], Any]) -> Rule:
    """The rule with a single number where a hyperparameter is an array, in the rule inside, too."""
    values = {field.name: getattr(rule, field.name) for field in fields(rule) if field.init}  # type: ignore[arg-type]
    single = {
        name: array(np.array(np.asarray(x).reshape(-1)[0]))
        for name, x in values.items()
        if getattr(x, "ndim", 0)
    }
    if isinstance(inner := values.get("inner_rule"), Rule):
        single["inner_rule"] = _single(inner, array)
    return replace(rule, **single)  # type: ignore[type-var]


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
