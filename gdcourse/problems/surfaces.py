"""Surfaces to walk on: small functions with their gradients by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from gdcourse.problems import planes
from gdcourse.problems.problem import Problem, like, module_of


class Slope(Problem):
    """J(θ) = s θ, for θ a number: a gradient that never changes.

    Parameters
    ----------
    slope : s.
    """

    name, ndim, start = "slope", 0, 0.0

    def __init__(self, slope: float = 1.0) -> None:
        self.slope = slope

    def loss(self, theta: Any) -> Any:
        return self.slope * theta

    def grad(self, theta: Any, sample: Any = None) -> Any:
        return self.slope + 0 * theta


class Absolute(Problem):
    """J(θ) = |θ|, for θ a number: convex, with no second derivative at its minimum."""

    name, ndim, start, minimum = "absolute value", 0, 1.0, 0.0

    def loss(self, theta: Any) -> Any:
        return module_of(theta).abs(theta)

    def grad(self, theta: Any, sample: Any = None) -> Any:
        return module_of(theta).sign(theta)


class Quadratic(Problem):
    """J(θ) = ½ (θ − θ*)ᵀ H (θ − θ*).

    Parameters
    ----------
    curvatures : the eigenvalues of H, shape ``(d,)``; a number for a θ that is a number.
    angle : in degrees; turns the axes of a two-dimensional bowl anticlockwise. Default 0.
    minimum : θ*, shape ``(d,)``. Default 0.
    """

    name = "quadratic"

    def __init__(self, curvatures: Any, angle: float = 0.0, minimum: Any = 0.0) -> None:
        self.curvatures = np.asarray(curvatures, dtype=float)
        if self.curvatures.ndim > 1 or not np.isfinite(self.curvatures).all():
            raise ValueError(f"curvatures must be a number or a list of finite numbers, got {curvatures!r}")
        self.ndim = self.curvatures.ndim
        if angle and self.curvatures.shape != (2,):
            raise ValueError(f"angle turns a bowl of two curvatures; there are {self.curvatures.size}")
        self.minimum = minimum + np.zeros_like(self.curvatures)
        self.start = self.minimum + 1.0
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        self.axes = np.array([[c, -s], [s, c]]) if angle else None  # the columns are H's eigenvectors

    def grad(self, theta: Any, sample: Any = None) -> Any:
        away = theta - like(self.minimum, theta)
        if self.axes is None:
            return like(self.curvatures, theta) * away
        return away @ like(self.axes * self.curvatures @ self.axes.T, theta)

    def loss(self, theta: Any) -> Any:
        products = 0.5 * self.grad(theta) * (theta - like(self.minimum, theta))
        return products.sum(-1) if self.ndim else products

    @property
    def hessian(self) -> np.ndarray:
        """H, shape ``(d, d)``."""
        if self.axes is None:
            return np.diag(np.atleast_1d(self.curvatures))
        return self.axes * self.curvatures @ self.axes.T


def ravine(kappa: float = 20.0) -> Quadratic:
    """A long narrow valley: curvature 1 along it and κ across it."""
    problem = Quadratic([1.0, float(kappa)])
    problem.name, problem.start = "ravine", np.array([-4.0, 1.0])
    return problem


def _beside(dx: Any, dy: Any) -> Any:
    """(dx, dy) along a new last axis, each still in one piece of memory: of many runs that is the faster."""
    if isinstance(dx, torch.Tensor):
        return torch.stack((dx, dy)).movedim(0, -1)
    both = np.array((dx, dy))
    return both if both.ndim == 1 else np.moveaxis(both, 0, -1)


class Plane(Problem):
    """A function of (x, y), given by its value and its two partial derivatives.

    A subclass defines both, and may have a ``start``, a ``minimum`` or several ``minima``, shape ``(K, 2)``.
    """

    def loss(self, theta: Any) -> Any:
        return self.value(theta[..., 0], theta[..., 1])

    def grad(self, theta: Any, sample: Any = None) -> Any:
        return _beside(*self.slopes(theta[..., 0], theta[..., 1]))

    def value(self, x: Any, y: Any) -> Any:
        """J(x, y)."""
        raise NotImplementedError

    def slopes(self, x: Any, y: Any) -> tuple[Any, Any]:
        """∂J/∂x and ∂J/∂y."""
        raise NotImplementedError


class Beale(planes.Beale, Plane):
    """Beale's function: steep walls, a valley that grows flatter the further out it runs, and one minimum, at
    (3, ½), of value 0.

    J = (1.5 − x + xy)² + (2.25 − x + xy²)² + (2.625 − x + xy³)².
    """

    start = np.array([-1.0, 1.5])
    minimum = np.array([3.0, 0.5])


class Rosenbrock(planes.Rosenbrock, Plane):
    """Rosenbrock's function: a curved valley, easy to enter and hard to follow to (1, 1).

    J = (1 − x)² + b (y − x²)².

    Parameters
    ----------
    b : how steep the walls are. Default 100.
    """

    start = np.array([-1.2, 1.0])
    minimum = np.array([1.0, 1.0])


class Saddle(planes.Saddle, Plane):
    """J = ½x² + ¼y⁴ − ½y²: a saddle at (0, 0) between two minima at (0, ±1) of value −¼."""

    start = np.array([1.0, 1e-3])


class Himmelblau(planes.Himmelblau, Plane):
    """Himmelblau's function: four minima, all of value 0. Where a run ends depends on where it starts.

    J = (x² + y − 11)² + (x + y² − 7)².
    """

    start = np.array([0.0, 0.0])
    minima = np.array([[3.0, 2.0], [-2.805118, 3.131312], [-3.779310, -3.283186], [3.584428, -1.848126]])


class Rastrigin(Plane):
    """Rastrigin's function: a bowl with a dent near each pair of whole numbers that are not larger than about
    πA; the deepest, of value 0, is at (0, 0).

    J = 2A + x² − A cos 2πx + y² − A cos 2πy.

    Parameters
    ----------
    a : A, how deep the dents are. Default 10.
    """

    name = "Rastrigin's function"
    start = np.array([3.2, -2.3])
    minimum = np.array([0.0, 0.0])

    def __init__(self, a: float = 10.0) -> None:
        self.a = a

    def value(self, x: Any, y: Any) -> Any:
        cos, turn = module_of(x).cos, 2 * np.pi
        return 2 * self.a + x**2 - self.a * cos(turn * x) + y**2 - self.a * cos(turn * y)

    def slopes(self, x: Any, y: Any) -> tuple[Any, Any]:
        sin, turn = module_of(x).sin, 2 * np.pi
        return 2 * x + turn * self.a * sin(turn * x), 2 * y + turn * self.a * sin(turn * y)


class Ackley(Plane):
    """Ackley's function: nearly flat far out, full of dents, with a steep hole of value 0 at (0, 0), where it
    has no gradient (here: 0).

    J = 20 + e − 20 exp(−0.2 √((x² + y²)/2)) − exp((cos 2πx + cos 2πy)/2).
    """

    name = "Ackley's function"
    start = np.array([2.6, -1.7])
    minimum = np.array([0.0, 0.0])

    def value(self, x: Any, y: Any) -> Any:
        m, turn = module_of(x), 2 * np.pi
        hole = m.exp(-0.2 * m.sqrt(0.5 * (x**2 + y**2)))
        return 20 + np.e - 20 * hole - m.exp(0.5 * (m.cos(turn * x) + m.cos(turn * y)))

    def slopes(self, x: Any, y: Any) -> tuple[Any, Any]:
        m, turn = module_of(x), 2 * np.pi
        radius = m.sqrt(0.5 * (x**2 + y**2))
        inward = 2 * m.exp(-0.2 * radius) / (radius + (radius == 0))
        dents = np.pi * m.exp(0.5 * (m.cos(turn * x) + m.cos(turn * y)))
        return inward * x + dents * m.sin(turn * x), inward * y + dents * m.sin(turn * y)


class StyblinskiTang(Plane):
    """The function of Styblinski and Tang: four minima of three depths, the deepest, of value −78.3323, at
    (−2.9035, −2.9035).

    J = ½ (x⁴ − 16x² + 5x + y⁴ − 16y² + 5y).
    """

    name = "Styblinski–Tang function"
    start = np.array([0.5, 4.0])
    minimum = np.array([-2.903534027771177, -2.903534027771177])

    def value(self, x: Any, y: Any) -> Any:
        return 0.5 * (x**4 - 16 * x**2 + 5 * x + y**4 - 16 * y**2 + 5 * y)

    def slopes(self, x: Any, y: Any) -> tuple[Any, Any]:
        return 2 * x**3 - 16 * x + 2.5, 2 * y**3 - 16 * y + 2.5


class NoisyQuadratic(Problem):
    """J(θ) = ½ Σ h_i θ_i², whose gradient is seen with Gaussian noise: h_i θ_i + σ_i ξ, ξ ~ N(0, 1).

    Parameters
    ----------
    curvatures : h, shape ``(d,)``, or a number for a θ that is a number.
    noise : σ, the standard deviation of each coordinate's noise, a number or shape ``(d,)``. Default 1.
    """

    name, minimum = "noisy quadratic", 0.0

    def __init__(self, curvatures: Any, noise: float | Sequence[float] = 1.0) -> None:
        self.curvatures = np.asarray(curvatures, dtype=float)
        self.noise = np.asarray(noise, dtype=float)
        if not (self.noise >= 0).all():
            raise ValueError(f"noise must be at least 0, got {noise!r}")
        if self.noise.shape not in ((), self.curvatures.shape):
            raise ValueError(f"noise has shape {self.noise.shape}, the curvatures {self.curvatures.shape}")
        self.ndim = self.curvatures.ndim
        self.start = np.ones_like(self.curvatures)

    def loss(self, theta: Any) -> Any:
        products = 0.5 * like(self.curvatures, theta) * theta**2
        return products.sum(-1) if self.ndim else products

    def grad(self, theta: Any, sample: Any = None) -> Any:
        exact = like(self.curvatures, theta) * theta
        return exact if sample is None else exact + like(self.noise, theta) * sample

    def draw(self, rng: np.random.Generator, steps: int) -> np.ndarray:
        return rng.standard_normal((steps, *self.curvatures.shape))
