"""More surfaces that others test optimizers on, and all surfaces by name."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from typing import Any

import numpy as np

from gdcourse.problems.problem import Problem, module_of
from gdcourse.problems.surfaces import (
    Absolute,
    Ackley,
    Beale,
    Himmelblau,
    Plane,
    Rastrigin,
    Rosenbrock,
    Saddle,
    StyblinskiTang,
    ravine,
)


class Booth(Plane):
    """Booth's function: a bowl with its axes turned, of condition number 9; its minimum, of value 0, is at
    (1, 3).

    J = (x + 2y − 7)² + (2x + y − 5)².
    """

    name = "Booth's function"
    start = np.array([-3.0, 4.0])
    minimum = np.array([1.0, 3.0])

    def value(self, x: Any, y: Any) -> Any:
        return (x + 2 * y - 7) ** 2 + (2 * x + y - 5) ** 2

    def slopes(self, x: Any, y: Any) -> tuple[Any, Any]:
        a, b = x + 2 * y - 7, 2 * x + y - 5
        return 2 * a + 4 * b, 4 * a + 2 * b


class Matyas(Plane):
    """Matyas' function: a flat bowl stretched along x = y, of condition number 25; its minimum, of value 0,
    is at (0, 0).

    J = 0.26 (x² + y²) − 0.48 xy.
    """

    name = "Matyas' function"
    start = np.array([4.0, -1.0])
    minimum = np.array([0.0, 0.0])

    def value(self, x: Any, y: Any) -> Any:
        return 0.26 * (x**2 + y**2) - 0.48 * x * y

    def slopes(self, x: Any, y: Any) -> tuple[Any, Any]:
        return 0.52 * x - 0.48 * y, 0.52 * y - 0.48 * x


class ThreeHumpCamel(Plane):
    """The three-hump camel: the deepest of three minima, of value 0, at (0, 0), and one on either side, at
    ±(1.7476, −0.8738), of value 0.2986.

    J = 2x² − 1.05x⁴ + x⁶/6 + xy + y².
    """

    name = "three-hump camel"
    start = np.array([-1.9, 1.5])
    minimum = np.array([0.0, 0.0])

    def value(self, x: Any, y: Any) -> Any:
        return 2 * x**2 - 1.05 * x**4 + x**6 / 6 + x * y + y**2

    def slopes(self, x: Any, y: Any) -> tuple[Any, Any]:
        return 4 * x - 4.2 * x**3 + x**5 + y, x + 2 * y


class SixHumpCamel(Plane):
    """The six-hump camel: six minima, of which two are deepest, at ±(0.0898, −0.7127), of value −1.0316.

    J = (4 − 2.1x² + x⁴/3) x² + xy + (4y² − 4) y².
    """

    name = "six-hump camel"
    start = np.array([1.4, 0.4])
    minima = np.array([[0.08984201, -0.71265640], [-0.08984201, 0.71265640]])

    def value(self, x: Any, y: Any) -> Any:
        return (4 - 2.1 * x**2 + x**4 / 3) * x**2 + x * y + (4 * y**2 - 4) * y**2

    def slopes(self, x: Any, y: Any) -> tuple[Any, Any]:
        return 8 * x - 8.4 * x**3 + 2 * x**5 + y, x + 16 * y**3 - 8 * y


class Branin(Plane):
    """Branin's function: three minima in −5 ≤ x ≤ 10, 0 ≤ y ≤ 15, at (−π, 12.275), (π, 2.275) and
    (3π, 2.475), all of value 0.3979.

    J = (y − 5.1x²/4π² + 5x/π − 6)² + 10 (1 − 1/8π) cos x + 10.
    """

    name = "Branin's function"
    start = np.array([2.0, 10.0])
    minima = np.array([[-np.pi, 12.275], [np.pi, 2.275], [3 * np.pi, 2.475]])

    def value(self, x: Any, y: Any) -> Any:
        wave = 10 * (1 - 1 / (8 * np.pi))
        return (y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6) ** 2 + wave * module_of(x).cos(x) + 10

    def slopes(self, x: Any, y: Any) -> tuple[Any, Any]:
        off = y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6
        wave = 10 * (1 - 1 / (8 * np.pi))
        return 2 * off * (5 / np.pi - 10.2 / (4 * np.pi**2) * x) - wave * module_of(x).sin(x), 2 * off


class GoldsteinPrice(Plane):
    """The function of Goldstein and Price: values from 3, at its minimum (0, −1), to a million within
    |x|, |y| ≤ 2.

    J = [1 + (x + y + 1)² (19 − 14x + 3x² − 14y + 6xy + 3y²)]
    × [30 + (2x − 3y)² (18 − 32x + 12x² + 48y − 36xy + 27y²)].
    """

    name = "Goldstein–Price function"
    start = np.array([0.5, 0.5])
    minimum = np.array([0.0, -1.0])

    def value(self, x: Any, y: Any) -> Any:
        left, right = self._factors(x, y)
        return left[0] * right[0]

    def slopes(self, x: Any, y: Any) -> tuple[Any, Any]:
        (a, a_x, a_y), (b, b_x, b_y) = self._factors(x, y)
        return a_x * b + a * b_x, a_y * b + a * b_y

    def _factors(self, x: Any, y: Any) -> tuple[tuple[Any, Any, Any], tuple[Any, Any, Any]]:
        """Each factor and its two partial derivatives."""
        s, u = x + y + 1, 2 * x - 3 * y
        p = 19 - 14 * x + 3 * x**2 - 14 * y + 6 * x * y + 3 * y**2
        q = 18 - 32 * x + 12 * x**2 + 48 * y - 36 * x * y + 27 * y**2
        along = 2 * s * p + s**2 * (-14 + 6 * x + 6 * y)  # the same for x and for y
        right_x = 4 * u * q + u**2 * (-32 + 24 * x - 36 * y)
        right_y = -6 * u * q + u**2 * (48 - 36 * x + 54 * y)
        return (1 + s**2 * p, along, along), (30 + u**2 * q, right_x, right_y)


class Easom(Plane):
    """Easom's function: a plain of 0 with one hole, of value −1, at (π, π): far from it there is no slope to
    follow.

    J = −cos x cos y exp(−(x − π)² − (y − π)²).
    """

    name = "Easom's function"
    start = np.array([2.0, 4.0])
    minimum = np.array([np.pi, np.pi])

    def value(self, x: Any, y: Any) -> Any:
        m = module_of(x)
        return -m.cos(x) * m.cos(y) * m.exp(-((x - np.pi) ** 2) - (y - np.pi) ** 2)

    def slopes(self, x: Any, y: Any) -> tuple[Any, Any]:
        m = module_of(x)
        hole = m.exp(-((x - np.pi) ** 2) - (y - np.pi) ** 2)
        dx = m.cos(y) * hole * (m.sin(x) + 2 * (x - np.pi) * m.cos(x))
        dy = m.cos(x) * hole * (m.sin(y) + 2 * (y - np.pi) * m.cos(y))
        return dx, dy


class Griewank(Plane):
    """Griewank's function: a wide, shallow bowl with a wave on it, and so full of dents; the deepest, of
    value 0, is at (0, 0).

    J = 1 + (x² + y²)/4000 − cos x cos(y/√2).
    """

    name = "Griewank's function"
    start = np.array([5.0, -3.5])
    minimum = np.array([0.0, 0.0])

    def value(self, x: Any, y: Any) -> Any:
        m = module_of(x)
        return 1 + (x**2 + y**2) / 4000 - m.cos(x) * m.cos(y / 2**0.5)

    def slopes(self, x: Any, y: Any) -> tuple[Any, Any]:
        m, root = module_of(x), 2**0.5
        dx = x / 2000 + m.sin(x) * m.cos(y / root)
        dy = y / 2000 + m.cos(x) * m.sin(y / root) / root
        return dx, dy


SURFACES: dict[str, Callable[[], Problem]] = {
    "ravine": ravine,
    **{
        kind.__name__: kind
        for kind in (
            Absolute, Ackley, Beale, Booth, Branin, Easom, GoldsteinPrice, Griewank, Himmelblau, Matyas,
            Rastrigin, Rosenbrock, Saddle, SixHumpCamel, StyblinskiTang, ThreeHumpCamel,
        )
    },
}  # fmt: skip
"""All surfaces that need no argument, by name."""


def surface(name: str) -> Problem:
    """A surface by its name, whether written in capitals, with spaces or with dashes: ``"Himmelblau"``,
    ``"six-hump camel"``.

    Raises
    ------
    ValueError : there is none of that name; the message has the nearest, or all of them.
    """
    names = {_bare(known): known for known in SURFACES}
    if (found := names.get(_bare(name))) is None:
        near = [names[one] for one in get_close_matches(_bare(name), names, n=1)]
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(SURFACES)}"
        raise ValueError(f"there is no surface {name!r}; {hint}")
    return SURFACES[found]()


def _bare(name: str) -> str:
    words = name.lower().replace("'s ", " ").removesuffix("function")
    return "".join(c for c in words if c.isalpha())
