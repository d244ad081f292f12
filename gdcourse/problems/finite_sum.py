"""Sums over examples: the losses on which batch, stochastic and mini-batch descent differ."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gdcourse.problems.problem import Problem, like, module_of


@dataclass(frozen=True, eq=False)
class FiniteSum(Problem):
    """J(θ) = (1/N) Σ_i J_i(θ), with gradients taken over all N examples or over a few.

    Parameters
    ----------
    X : the examples, shape ``(N, d)``.
    y : their targets, shape ``(N,)``.
    batch : how many examples one gradient is averaged over; None, the default, for all of them.
        With 1 this is the problem that stochastic gradient descent sees.

    A batched gradient draws its examples without replacement, in shuffled passes over the data, as a
    training loop does: within a pass no example comes twice. What is left over when `batch` does not divide
    N waits for another pass.

    Raises
    ------
    ValueError : shapes that do not fit, or a batch outside 1 … N.
    """

    X: np.ndarray
    y: np.ndarray
    batch: int | None = None

    ndim = 1

    def __post_init__(self) -> None:
        for name in ("X", "y"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), float))
        if np.ndim(self.X) != 2 or np.shape(self.y) != np.shape(self.X)[:1]:
            raise ValueError(f"X must be (N, d) and y (N,), got {np.shape(self.X)} and {np.shape(self.y)}")
        if self.batch is not None and not (isinstance(self.batch, int) and 1 <= self.batch <= len(self.X)):
            raise ValueError(f"batch must be a whole number from 1 to N = {len(self.X)}, got {self.batch!r}")

    @property
    def start(self) -> np.ndarray:
        return np.zeros(self.X.shape[1])

    def with_batch(self, batch: int | None) -> FiniteSum:
        """The same sum, its gradient taken over `batch` examples (None: all)."""
        return replace(self, batch=batch)

    def draw(self, rng: np.random.Generator, steps: int) -> np.ndarray | None:
        if self.batch is None:
            return None
        per_pass = len(self.X) // self.batch
        passes = [
            rng.permutation(len(self.X))[: per_pass * self.batch].reshape(per_pass, self.batch)
            for _ in range(-(-steps // per_pass))
        ]
        return np.concatenate(passes)[:steps]

    def loss(self, theta: Any) -> Any:
        return self.example_loss(self._outputs(theta, self.X), like(self.y, theta)).mean(-1)

    def grad(self, theta: Any, sample: Any = None) -> Any:
        if sample is None:
            X, y = like(self.X, theta), like(self.y, theta)
            return self.example_slope(theta @ X.T, y) @ X / len(self.X)
        X, y = like(self.X, theta)[sample], like(self.y, theta)[sample]
        slope = self.example_slope((X * theta[..., None, :]).sum(-1), y)
        return (slope[..., None] * X).mean(-2)

    def _outputs(self, theta: Any, X: np.ndarray) -> Any:
        return theta @ like(X, theta).T

    def example_loss(self, output: Any, y: Any) -> Any:
        """One example's loss as a function of xᵀθ and its target."""
        raise NotImplementedError

    def example_slope(self, output: Any, y: Any) -> Any:
        """Its derivative with respect to xᵀθ."""
        raise NotImplementedError


class LeastSquares(FiniteSum):
    """J_i(θ) = ½ (x_iᵀθ − y_i)²."""

    name = "least squares"

    def example_loss(self, output: Any, y: Any) -> Any:
        return 0.5 * (output - y) ** 2

    def example_slope(self, output: Any, y: Any) -> Any:
        return output - y

    @property
    def minimum(self) -> np.ndarray:
        return np.linalg.lstsq(self.X, self.y, rcond=None)[0]

    @property
    def hessian(self) -> np.ndarray:
        """XᵀX / N, shape ``(d, d)``."""
        return self.X.T @ self.X / len(self.X)


class LogisticRegression(FiniteSum):
    """J_i(θ) = log(1 + exp(−y_i x_iᵀθ)), with targets y_i of −1 or +1."""

    name = "logistic regression"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not np.isin(self.y, (-1, 1)).all():
            raise ValueError(f"y must hold −1 and +1 only, got {np.unique(self.y)[:5]}")

    def example_loss(self, output: Any, y: Any) -> Any:
        xp = module_of(output)
        return xp.logaddexp(like(0.0, output), -y * output)

    def example_slope(self, output: Any, y: Any) -> Any:
        xp = module_of(output)
        return -y * xp.exp(-xp.logaddexp(like(0.0, output), y * output))  # the sigmoid, without overflow
