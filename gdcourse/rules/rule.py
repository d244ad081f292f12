"""What every update rule has in common: a handful of small methods that a driver calls.

One step of any method in this package is

    point = rule.look(theta, state)            # where the gradient is taken
    grad  = the gradient at that point
    theta, new = rule.step(theta, grad, state, rule.at(t))        # t = 1, 2, 3, …

A rule uses operators, `abs` and the few words below (`where`, `ratio`, `sign`, `maximum`; for vectors and
matrices `@`, ``.mT``, an array's `sum` and `mean`, `norm`, `eigh`, `qr`, `descending` and `reordered`) only.
It imports neither NumPy nor torch, so the same lines run on an array or a tensor on any device, and on a
float where no vector or matrix is needed. A hyperparameter may itself be an array of settings that broadcasts
against θ, unless it is marked as `fixed`.
"""

from __future__ import annotations

import sys
from typing import Any, ClassVar, Literal

Scope = Literal["element", "vector", "tensor", "all"]

Scalar = Any
"""A hyperparameter: a number, or an array or tensor of numbers that broadcasts against θ."""

Values = dict[str, Any]
"""Named quantities, each a number or with θ's shape."""


class Rule:
    """An update rule: how to get θ_t from θ_{t−1} and a gradient.

    A subclass is a frozen dataclass whose fields are its hyperparameters. It must define
    `step`; the other methods have the defaults that suit a method without memory.

    ``scope`` says what it may be run on: ``"element"``, each number by itself, so that parameters may be
    joined in one vector and cut anywhere; ``"vector"``, each parameter by itself, as one vector that is not
    cut; ``"tensor"``, each parameter as a matrix, rows and columns, with a vector as one row and the later
    axes of a tensor of more than two side by side as columns; ``"all"``, all parameters of a group in one
    vector that is not cut, because the rule sums over them. Axes before these are runs side by side.

    ``per_batch`` says how many gradients in a row it wants of one mini-batch. ``matrices_only`` says that the
    rule is for hidden matrices and needs a partner for the rest: vectors, embeddings, the head. Which
    matrices are hidden their shape does not tell; the user does. ``fixed`` names fields that are one value
    for all runs, of whatever type.
    """

    scope: ClassVar[Scope] = "element"
    per_batch: ClassVar[int] = 1
    matrices_only: ClassVar[bool] = False
    fixed: ClassVar[tuple[str, ...]] = ()

    def init(self, theta: Any, zeros: Any) -> Values:
        """The state before the first step. Its keys are what is carried from step to step."""
        return {}

    def at(self, t: Any) -> Values:
        """Everything that depends on the step number t (1, 2, …) and on nothing else."""
        return {}

    def look(self, theta: Any, state: Values) -> Any:
        """The point at which step t takes its gradient: θ_{t−1} itself, for most rules."""
        return theta

    def unlook(self, point: Any, state: Values) -> Any:
        """The inverse of `look`: θ_{t−1}, from the point where the gradient was taken."""
        return point

    def step(self, theta: Any, grad: Any, state: Values, at: Values) -> tuple[Any, Values]:
        """θ_t, and by name what was computed on the way.

        Of the second value a driver keeps what `init` named, as the next step's state.
        The rest (m_hat, say) is there to be recorded.
        """
        raise NotImplementedError(f"{type(self).__name__} has no step: say how θ_t is made from θ_(t-1)")


def where(cond: Any, a: Any, b: Any) -> Any:
    """`a` where `cond` holds, else `b`, for a bool as for arrays and tensors.

    An `if` would fail for an array of settings, of which some say yes and some say no.
    """
    if isinstance(cond, bool):
        return a if cond else b
    return _library_of(cond).where(cond, a, b)


def _library_of(x: Any) -> Any:
    """Where the words for x are: what it names itself, as NumPy's arrays do, or the library that made it, or
    what it is derived from."""
    if hasattr(x, "__array_namespace__"):
        return x.__array_namespace__()
    made_by = [kind.__module__.partition(".")[0] for kind in type(x).__mro__]
    return sys.modules["torch" if "torch" in made_by else made_by[0]]


def ratio(a: Any, b: Any, eps: Scalar = 0.0) -> Any:
    """a / b, and a where b is 0.

    For a b that measures the gradients so far: where it is 0 there were none, or none whose square is a
    number, and 0 / 0 would be NaN. A coordinate without gradient takes no step. ``eps`` is the ε that b
    holds, if it holds one: beside a number above 0 no b is 0, and looking for one, which takes as long as
    ten divisions, is spared."""
    if isinstance(eps, (int, float)) and eps > 0:
        return a / b
    return a / (b + (b == 0))


def sign(x: Any) -> Any:
    """−1, 0 or 1; of an infinite x, too."""
    return where(x > 0, 1, where(x < 0, -1, x))


def maximum(a: Any, b: Any) -> Any:
    """The larger of two, element by element."""
    return where(a > b, a, b)


MATRIX = (-2, -1)
"""The axes of a matrix. Those before them are runs side by side."""


def norm(x: Any, axes: int | tuple[int, ...] = -1) -> Any:
    """The root of the sum of squares along axes, the last by default; they stay, with length 1."""
    return (x * x).sum(axis=axes, keepdims=True) ** 0.5  # torch takes NumPy's words


def eigh(x: Any) -> Any:
    """A symmetric matrix's eigenvalues, the smallest first, and its eigenvectors as columns. NaN for a matrix
    with an entry that is not finite, where the libraries raise: beside others it may be a run that
    diverged."""
    nothing = x - x  # NaN where x is not finite
    values, vectors = _library_of(x).linalg.eigh(where(nothing == 0, x, 0.0))
    spoilt = nothing.sum(axis=MATRIX, keepdims=True)
    return values + spoilt[..., 0], vectors + spoilt


def qr(x: Any) -> Any:
    """Q and R with x = QR: columns at right angles to each other, and what is above the diagonal."""
    return _library_of(x).linalg.qr(x)


def descending(x: Any) -> Any:
    """The places of x's numbers along the last axis, that of the largest first."""
    return _library_of(x).argsort(-x, stable=True)


def reordered(x: Any, places: Any, axis: int) -> Any:
    """A matrix's rows (axis −2) or columns (axis −1) in this order."""
    library = _library_of(x)
    take = getattr(library, "take_along_dim", None) or library.take_along_axis
    return take(x, places[..., None] if axis == -2 else places[..., None, :], axis)
