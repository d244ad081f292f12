"""A problem whose θ somebody sees in another shape."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from gdcourse.problems.problem import Problem


class Shaped(Problem):
    """A problem with θ as a vector or as a matrix, whatever shape it has by itself.

    Parameters
    ----------
    problem : any problem.
    own : the shape of its θ, for a single run.
    seen : the shape that θ is to have here, of as many numbers.
    """

    def __init__(self, problem: Problem, own: tuple[int, ...], seen: tuple[int, ...]) -> None:
        if prod(own) != prod(seen):
            raise ValueError(f"a θ of shape {own} cannot be seen as one of shape {seen}")
        self.problem, self.own, self.seen = problem, tuple(own), tuple(seen)
        self.name, self.ndim = problem.name, len(self.seen)

    def back(self, theta: Any) -> Any:
        """θ, or what has its shape, in the problem's own shape."""
        return theta.reshape((*theta.shape[: theta.ndim - self.ndim], *self.own))

    def loss(self, theta: Any) -> Any:
        return self.problem.loss(self.back(theta))

    def grad(self, theta: Any, sample: Any = None) -> Any:
        return self.problem.grad(self.back(theta), sample).reshape(theta.shape)

    def draw(self, rng: np.random.Generator, steps: int) -> np.ndarray | None:
        return self.problem.draw(rng, steps)
