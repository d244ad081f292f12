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
    """A gradient of nothing but noise around zero, normal, drawn anew at each step of each run.

    Parameters
    ----------
    scale : its standard deviation, a number or an array that broadcasts against θ: runs with the same seed
        then get the same noise, larger or smaller. Default 1.
    """

    name = "noise"
    scale: Any = 1.0

    def __init__(self, scale: Any = 1.0) -> None:
        super().__init__([])
        self.scale = scale

    def draw(self, rng: np.random.Generator, steps: int) -> np.ndarray:
        return rng.standard_normal(steps)

    def grad(self, theta: Any, sample: Any = None) -> Any:
        return self.scale * super().grad(theta, sample)


class Rare(Replay):
    """A slope that is seen through gradients of two sizes, drawn anew at each step of each run: a large one,
    on one step in so many, and −1 on all others.

    Parameters
    ----------
    every : on one step in how many, in the mean, the gradient is large; a number > 1 or an array that
        broadcasts against θ.
    large : that gradient, a number or such an array. The slope, which is the gradients' mean, is
        (large + 1) / every − 1.
    """

    name = "rare"

    def __init__(self, every: Any, large: Any) -> None:
        super().__init__([])
        self.every, self.large = every, large

    def draw(self, rng: np.random.Generator, steps: int) -> np.ndarray:
        return rng.random(steps)

    def grad(self, theta: Any, sample: Any = None) -> Any:
        return (sample < 1 / self.every) * (self.large + 1) - 1.0 + 0 * theta
