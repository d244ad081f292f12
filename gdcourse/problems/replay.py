"""Gradients that depend on nothing but the step: written down beforehand, or drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from gdcourse.problems.problem import Problem


class Replay(Problem):
    """A gradient that was written down beforehand, for one coordinate; the loss is 0.

    Parameters
    ----------
    gradients : shape ``(steps,)``; step t gets entry t − 1, wherever θ is.
    """

    name, ndim, start = "replay", 0, 0.0

    def __init__(self, gradients: Any) -> None:
        self.gradients = np.asarray(gradients, float)

    def draw(self, rng: np.random.Generator, steps: int) -> np.ndarray:
        return self.gradients[:steps]

    def grad(self, theta: Any, sample: Any = None) -> Any:
        return sample + 0 * theta

    def loss(self, theta: Any) -> Any:
        return 0 * theta


class Noise(Replay):
    """A gradient of nothing but noise: standard normal, drawn anew at each step of each run."""

    name = "noise"

    def __init__(self) -> None:
        super().__init__([])

    def draw(self, rng: np.random.Generator, steps: int) -> np.ndarray:
        return rng.standard_normal(steps)
