"""Whether a rule is what its `scope` says: what works element by element may be joined, cut and shuffled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from math import prod
from typing import Any

import numpy as np
import torch

from gdcourse.rules import ALL, Rule, Values
from gdcourse.rules.around import chain_of, inside, name_of, scope_of

OURS = {Rule, *[method.kind for method in ALL.values()]}
SHUFFLED, HALVES = [4, 0, 5, 2, 1, 3], (slice(0, 3), slice(3, 6))
SCOPES = ("element", "vector", "tensor", "all")


def joins(rule: Rule) -> bool:
    """Whether several parameters may stand in one vector for this rule: it is not for each by itself, and its
    state has the parameter's shape, or is one number where it is for all of them."""
    scope = scope_of(rule)
    if scope in ("vector", "tensor"):
        return False
    if is_ours(rule):
        return True
    probe = torch.zeros(2, device="cpu")
    first, fit = rule.init(probe, torch.zeros(2, device="cpu")), [(2,), *([(1,)] if scope == "all" else [])]
    return all(isinstance(x, torch.Tensor) and x.shape in fit for x in first.values())


def seen_shape(rule: Rule, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape in which a rule sees one parameter of this shape: its own, where the rule works by element;
    a vector; or a matrix, whose rows are the first axis, its columns all others. A vector is one row.

    Raises
    ------
    ValueError : the rule is for matrices alone, and this is none.
    """
    shape, scope = tuple(shape), scope_of(rule)
    if matrices_only(rule) and len(shape) < 2:
        raise ValueError(
            f"{name_of(rule)} moves matrices, got shape {shape}: give vectors, embeddings and heads to a "
            "partner such as Adam (gdcourse.optim.Together, gdcourse.Partners)"
        )
    if scope == "tensor":
        return (shape[0], prod(shape[1:])) if len(shape) > 1 else (1, prod(shape))
    return shape if scope == "element" else (prod(shape),)


def matrices_only(rule: Rule) -> bool:
    """Whether a rule, or one that it is around, is for hidden matrices alone."""
    return any(one.matrices_only for one in chain_of(rule))


def initial(rule: Rule, point: Any, zeros: Any) -> Values:
    """A rule's state before the first step of one parameter: as the rule sees it; what has a number for each
    element, in the parameter's shape."""
    shape = seen_shape(rule, point.shape)
    if shape == point.shape:
        return rule.init(point, zeros)
    first = rule.init(point.reshape(shape), zeros.reshape(shape))
    return {
        name: x.reshape(point.shape) if getattr(x, "shape", None) == shape else x for name, x in first.items()
    }


def check_scope(rule: Rule) -> None:
    """Try a reader's rule that claims to work element by element on a vector, the vector shuffled, and its
    two halves: each element must come out the same.

    Raises
    ------
    ValueError : an element comes out otherwise, or ``scope`` is no scope.
    """
    for one in chain_of(rule):
        if one.scope not in SCOPES:
            allowed = "'element', 'vector', 'tensor' or 'all'"
            raise ValueError(f"{type(one).__name__}.scope is {one.scope!r}: must be {allowed}")
    if scope_of(rule) != "element" or is_ours(rule):
        return
    drawn = _drawn(6)
    try:
        found = _ends(rule, drawn, torch.from_numpy, (SHUFFLED, *HALVES))
    except Writes:
        raise
    except Exception as error:
        hint = ': a rule that needs each parameter as a matrix says so, scope = "tensor"'
        raise ValueError(
            f"{type(rule).__name__} does not run on a vector ({type(error).__name__}: {error})"
            f"{hint if _runs_on_a_matrix(rule) else ''}"
        ) from error
    if found is None:
        return
    end, (moved, *halves) = found
    for how, got, wanted in (
        ("shuffled", moved, end[SHUFFLED]),
        ("cut in two", np.concatenate(halves), end),
    ):
        if not _equal(got, wanted):
            raise ValueError(
                f"{type(rule).__name__} does not work element by element: a vector that is {how} comes "
                'out otherwise. Give the class scope = "vector" (each parameter by itself, as a vector), '
                '"tensor" (as a matrix) or "all" (all parameters in one vector)'
            )


def is_elementwise(rule: Rule) -> bool:
    """Whether a rule, whose hyperparameters may be arrays, works by element, as far as trying tells."""
    try:
        check_scope(_single(rule, torch.from_numpy))
    except ValueError:
        return False
    return scope_of(rule) == "element"


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
    if is_ours(rule):
        return
    rule = _single(rule, array)
    drawn = _drawn(2, *((2, 3) if scope_of(rule) == "tensor" else (6,)))
    try:
        found = _ends(rule, drawn, array, (0, 1))
    except Exception as error:
        if scope_of(rule) == "element":
            return  # it says itself what is wrong where it runs
        raise ValueError(
            f"{type(rule).__name__} does not run on rows of numbers ({type(error).__name__}: {error})"
        ) from error
    if found is None:
        return
    beside, alone = found
    if not _equal(beside, np.stack(alone)):
        raise ValueError(
            f"{type(rule).__name__} mixes runs that lie side by side: give its sums axis=-1, keepdims=True, "
            "so that the axes before stay apart, or walk one run at a time"
        )


def is_ours(rule: Rule) -> bool:
    """Whether a rule, and the one that it may be around, are this package's, which its tests see to."""
    inner = inside(rule)
    return type(rule) in OURS and (inner is None or is_ours(inner))


class Writes(ValueError):
    """A rule has written into what it was given."""


def check_unwritten(rule: Rule, theta: Any, grad: Any) -> None:
    """Raise `Writes` if a rule has written into its arguments. Where these are tensors, torch counts how
    often that has happened: to each that is new, or another's ``.data``, by itself."""
    for name, x in (("theta", theta), ("grad", grad)):
        if isinstance(x, torch.Tensor) and not x.is_inference() and x._version:
            raise Writes(
                f"{type(rule).__name__}.step writes into {name} (by an operator such as +=, or a method such "
                "as mul_): it must compute a new tensor, for others go on with what it was given"
            )


def _drawn(*shape: int) -> np.ndarray:
    """A θ and three gradients, of this shape."""
    return np.random.default_rng(0).standard_normal((4, *shape))


def _ends(
    rule: Rule, drawn: np.ndarray, array: Callable[[np.ndarray], Any], views: tuple[Any, ...]
) -> tuple[np.ndarray, list[np.ndarray]] | None:
    """Where a rule ends from a θ with some gradients, and where from each view of these; None if it draws
    random numbers, for then nothing can be compared. Raises whatever the rule does."""
    with _random_numbers_kept():
        end, again, *others = [_walked(rule, drawn[:, view], array) for view in (..., ..., *views)]
    return (end, others) if _equal(end, again) else None


def _runs_on_a_matrix(rule: Rule) -> bool:
    try:
        with _random_numbers_kept():
            _walked(rule, _drawn(2, 3), torch.from_numpy)
    except Exception:
        return False
    return True


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


def _walked(rule: Rule, drawn: np.ndarray, array: Callable[[np.ndarray], Any]) -> np.ndarray:
    start, *grads = drawn
    point = array(start.copy())
    state = rule.init(point, 0 * point)
    with torch.no_grad(), np.errstate(all="ignore"):
        for t, grad in enumerate(grads, start=1):
            given = point, array(grad.copy())
            result = rule.step(*given, state, rule.at(t))
            if not isinstance(result, tuple) or len(result) != 2:
                got = type(result).__name__
                raise TypeError(f"its step gives a {got}, not a pair: θ, and by name what was computed")
            point, new = result
            check_unwritten(rule, *given)
            if (shape := tuple(np.shape(point))) != start.shape:
                raise ValueError(f"its step gives a θ of shape {shape} for one of shape {start.shape}")
            if missing := state.keys() - new.keys():
                raise ValueError(f"its step does not give {min(missing)!r}, which its init names")
            state = {name: new[name] for name in state}
    return np.asarray(point)


def _equal(a: np.ndarray, b: np.ndarray) -> bool:
    return np.allclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True)
