"""A matrix, and a ravine for one of two rows to walk in, for rules that see a layer as a matrix."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from itertools import chain
from operator import mul
from types import SimpleNamespace
from typing import Any

from gdcourse.problems.planes import Valley
from gdcourse.workbench import decompositions
from gdcourse.workbench.vector import Vector, entry_of, where

__all__ = ["Matrix", "Turned", "linalg", "take_along_axis", "where"]


class Matrix(Vector):
    """A matrix of floats: as a `Vector`, entry by entry, and with ``@``, ``.mT`` and its axes as a matrix.

    Parameters
    ----------
    values : the entries, row by row, shape ``(n · m,)``.
    shape : (n, m). Default: a square.

    Examples
    --------
    >>> from gdcourse.workbench.matrix import Matrix
    >>> Matrix([0.0, 1.0, 2.0, 3.0]) @ Matrix([1.0, 0.0, 0.0, 2.0])
    Matrix([0.0, 2.0, 2.0, 6.0])
    """

    ndim = 2

    def __init__(self, values: Iterable[Any], shape: tuple[int, ...] | None = None) -> None:
        super().__init__(values)
        self.sides = shape or (math.isqrt(len(self.values)),) * 2

    def __array_namespace__(self) -> Any:
        return sys.modules[__name__]

    def like(self, values: Iterable[Any]) -> Matrix:
        return Matrix(values, self.shape)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.sides

    @property
    def rows(self) -> list[list[Any]]:
        n, m = self.shape
        return [self.values[m * i : m * (i + 1)] for i in range(n)]

    @property
    def columns(self) -> list[list[Any]]:
        m = self.shape[1]
        return [self.values[j::m] for j in range(m)]

    @property
    def mT(self) -> Matrix:
        n, m = self.shape
        return Matrix(chain.from_iterable(self.columns), (m, n))

    def spread(self, shape: tuple[int, ...]) -> Matrix:
        if self.shape == shape:
            return self
        rows = [row * (shape[1] // len(row)) for row in self.rows]
        return of_rows(rows * (shape[0] // len(rows)))

    def sum(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
        if axis == -1:
            sums = Vector(map(sum, self.rows))
            return sums[..., None] if keepdims else sums
        if axis == -2:
            sums = Vector(map(sum, self.columns))
            return sums[..., None, :] if keepdims else sums
        return Matrix([sum(self.values)]) if keepdims else sum(self.values)

    def __getitem__(self, at: Any) -> Any:
        """An entry, counted row by row, or with ``[..., j]`` a column."""
        if isinstance(at, tuple):
            column = entry_of(at)
            return Vector(row[column] for row in self.rows)
        return self.values[at]

    def __matmul__(self, other: Matrix) -> Matrix:
        (n, inner), (height, m) = self.shape, other.shape
        if inner != height:
            raise ValueError(f"matrices of {n} × {inner} and {height} × {m} have no product")
        columns = other.columns
        return Matrix((sum(map(mul, row, column)) for row in self.rows for column in columns), (n, m))

    def __repr__(self) -> str:
        return f"Matrix({self.values})"


def of_rows(rows: Iterable[list[Any]]) -> Matrix:
    own = list(rows)
    return Matrix(chain.from_iterable(own), (len(own), len(own[0])))


def take_along_axis(x: Matrix, places: Matrix, axis: int) -> Matrix:
    """Of each column (axis −2) or row (axis −1) the entries at these places."""
    if axis == -2:
        return take_along_axis(x.mT, places.mT, -1).mT
    rows = zip(x.rows, places.spread(x.shape).rows, strict=True)
    return of_rows([row[i] for i in order] for row, order in rows)


def eigh(x: Matrix) -> tuple[Vector, Matrix]:
    values, vectors = decompositions.eigh(x.rows)
    return Vector(values), of_rows(vectors)


def qr(x: Matrix) -> tuple[Matrix, Matrix]:
    Q, R = decompositions.qr(x.rows)
    return of_rows(Q), of_rows(R)


linalg = SimpleNamespace(eigh=eigh, qr=qr)
"""Where a rule's words look for the two, as in NumPy."""


class Turned:
    """The ravine of curvatures 1 and 20 for a matrix: J(W) = ½ Σ a_i a_j S_ij² with S = RWRᵀ, a = (1, √20)
    and R a turn by an angle. From a start whose S is diagonal, what treats W as a matrix keeps it so, and
    what is then left is a walk in a plane: the two numbers on the diagonal of S.

    Parameters
    ----------
    angle : in degrees. Default 30.
    """

    name = "turned ravine of a matrix"

    def __init__(self, angle: float = 30.0) -> None:
        c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        self.turn, self.plane = Matrix([c, -s, s, c]), Valley(20.0)
        a = (1.0, self.plane.kappa**0.5)
        self.curvatures = Matrix([a[i] * a[j] for i in range(2) for j in range(2)])

    def value(self, x: Any, y: Any) -> Any:
        """On the plane, that is where S is diagonal."""
        return self.plane.value(x, y)

    def slopes(self, x: Any, y: Any) -> tuple[Any, Any]:
        """The slopes of `value`."""
        return self.plane.slopes(x, y)

    def begin(self, x: float, y: float) -> Matrix:
        """W for a diagonal S."""
        return self.turn.mT @ Matrix([x, 0.0, 0.0, y]) @ self.turn

    def seen(self, theta: Any) -> tuple[float, float]:
        """The diagonal of S, which is drawn."""
        S = self.S(theta)
        return S[0], S[3]

    def loss(self, theta: Any) -> float:
        S = self.S(theta)
        return 0.5 * (self.curvatures * S * S).sum()

    def grad(self, theta: Any) -> Any:
        return theta.like(self.turn.mT @ (self.curvatures * self.S(theta)) @ self.turn)

    def S(self, theta: Any) -> Any:
        """Of W, whose entries a rule may see as one vector."""
        return self.turn @ Matrix(theta) @ self.turn.mT
