"""A quadratic whose θ is a matrix, which can be turned."""

from __future__ import annotations

from typing import Any

import numpy as np

from gdcourse.problems.problem import Problem, like


class MatrixQuadratic(Problem):
    """J(W) = ½ ⟨A (W − C) B, W − C⟩, for W a matrix of n rows and m columns; its gradient may be seen with
    noise.

    A mixes rows and B columns, and the Hessian is their Kronecker product: its eigenvalues are all products
    of one of A's and one of B's, from 1 down to 1/(κ_A κ_B). At an angle of 0 both are diagonal, so that
    each entry of W stands by itself. An angle turns the whole problem, A, B and C, in random planes: every
    row and every column is turned by just that angle, if n and m are even. A method to which a basis is
    nothing goes the same way then, only turned, from a start at 0.

    Parameters
    ----------
    rows, columns : n and m. Default 16 and 24.
    kappa : how many times the largest eigenvalue of A, and of B, is the smallest; a number for both, or a
        pair. Their eigenvalues are spaced evenly by ratio. Default 100.
    angle : in degrees. Default 0.
    seed : of C, whose entries are standard normal, and of the planes. Default 0.
    noise : σ. The noise of a gradient has the covariance σ² A ⊗ B, that of the entries row by row: along
        each of the problem's directions its variance is σ² times the curvature, and it turns with the
        problem. Default 0: the gradient is exact.

    Attributes
    ----------
    start, minimum : 0 and C, shape ``(n, m)``.
    A, B : shape ``(n, n)`` and ``(m, m)``.
    scales : two matrices of the same shapes, between which a sample, standard normal numbers of W's shape,
        becomes the noise.

    Raises
    ------
    ValueError : a size below 1, a κ below 1, or a noise below 0.
    """

    name, ndim = "matrix quadratic", 2

    def __init__(
        self,
        rows: int = 16,
        columns: int = 24,
        kappa: Any = 100.0,
        angle: float = 0.0,
        seed: int = 0,
        noise: float = 0.0,
    ) -> None:
        kappas = np.broadcast_to(np.asarray(kappa, dtype=float), 2) if np.ndim(kappa) < 2 else np.zeros(2)
        if rows < 1 or columns < 1 or not (kappas >= 1).all() or not np.isfinite(kappas).all():
            raise ValueError(
                f"a matrix quadratic has sizes ≥ 1 and a finite κ ≥ 1, or two, got rows={rows!r}, "
                f"columns={columns!r}, kappa={kappa!r}"
            )
        if not 0 <= noise < np.inf:
            raise ValueError(f"the noise of a matrix quadratic must be finite and ≥ 0, got {noise!r}")
        rng = np.random.default_rng(seed)
        C = rng.standard_normal((rows, columns))
        U, V = turn(rows, angle, rng), turn(columns, angle, rng)
        values = [np.geomspace(1, 1 / k, len(Q)) for Q, k in zip((U, V), kappas, strict=True)]
        self.A, self.B = (Q * one @ Q.T for Q, one in zip((U, V), values, strict=True))
        self.noise = noise
        self.scales = U * (noise * values[0] ** 0.5), V * values[1] ** 0.5
        self.minimum, self.start = U @ C @ V.T, np.zeros((rows, columns))

    def draw(self, rng: np.random.Generator, steps: int) -> np.ndarray | None:
        return rng.standard_normal((steps, *self.start.shape)) if self.noise else None

    def grad(self, theta: Any, sample: Any = None) -> Any:
        slope = like(self.A, theta) @ (theta - like(self.minimum, theta)) @ like(self.B, theta)
        if sample is None:
            return slope
        left, right = (like(one, theta) for one in self.scales)
        return slope + left @ sample @ right.mT

    def loss(self, theta: Any) -> Any:
        return 0.5 * (self.grad(theta) * (theta - like(self.minimum, theta))).sum((-2, -1))


def turn(size: int, angle: float, rng: np.random.Generator) -> np.ndarray:
    """A rotation in random planes, as many as fit, each by an angle in degrees: where the size is even, every
    vector is turned by just that angle; where it is odd, one direction stays."""
    basis, _ = np.linalg.qr(rng.standard_normal((size, size)))
    one, other = basis[:, 0 : size - 1 : 2], basis[:, 1::2]
    generator = other @ one.T - one @ other.T
    phi = np.radians(angle)
    return np.eye(size) + np.sin(phi) * generator + (1 - np.cos(phi)) * generator @ generator
