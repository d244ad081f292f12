"""A square matrix, and a ravine for one of two rows to walk in, for rules that see a layer as a matrix."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from gdcourse.problems.planes import Valley
from gdcourse.workbench.vector import Vector


class Matrix(Vector):
    """A square matrix of floats: as a `Vector`, entry by entry, and with ``@`` and ``.mT`` as a matrix.

    Parameters
    ----------
    values : the entries, row by row, shape ``(n · n,)``.

    Examples
    --------
    >>> from gdcourse.workbench.matrix import Matrix
    >>> Matrix([0.0, 1.0, 2.0, 3.0]) @ Matrix([1.0, 0.0, 0.0, 2.0])
    Matrix([0.0, 2.0, 2.0, 6.0])
    """

    ndim = 2

    def like(self, values: Iterable[Any]) -> Matrix:
        return Matrix(values)

    @property
    def shape(self) -> tuple[int, ...]:
        size = math.isqrt(len(self.values))
        return size, size

    @property
    def rows(self) -> list[list[Any]]:
        n = self.shape[0]
        return [self.values[n * i : n * (i + 1)] for i in range(n)]

    @property
    def mT(self) -> Matrix:
        return Matrix(x for column in zip(*self.rows, strict=True) for x in column)

    def __matmul__(self, other: Matrix) -> Matrix:
        return Matrix(
            sum(x * y for x, y in zip(row, column, strict=True))
            for row in self.rows
            for column in other.mT.rows
        )

    def __repr__(self) -> str:
        return f"Matrix({self.values})"


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
        S = self.turn @ theta @ self.turn.mT
        return S[0], S[3]

    def loss(self, theta: Any) -> float:
        S = self.turn @ theta @ self.turn.mT
        return 0.5 * (self.curvatures * S * S).sum()

    def grad(self, theta: Any) -> Matrix:
        return self.turn.mT @ (self.curvatures * (self.turn @ theta @ self.turn.mT)) @ self.turn
