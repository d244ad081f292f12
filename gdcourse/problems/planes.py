"""Functions of (x, y) to walk on, by their value and two partial derivatives: arithmetic alone, so that they
run on numbers, arrays and tensors, and in the page of the book, where there is no NumPy.

`gdcourse.problems.surfaces` makes problems of them.
"""

from __future__ import annotations

from typing import Any


class Beale:
    """Beale's function: steep walls, a valley that grows flatter the further out it runs, and one minimum, at
    (3, ½), of value 0.

    J = (1.5 − x + xy)² + (2.25 − x + xy²)² + (2.625 − x + xy³)².
    """

    name = "Beale's function"

    def value(self, x: Any, y: Any) -> Any:
        return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2

    def slopes(self, x: Any, y: Any) -> tuple[Any, Any]:
        a, b, c = 1.5 - x + x * y, 2.25 - x + x * y**2, 2.625 - x + x * y**3
        dx = 2 * a * (y - 1) + 2 * b * (y**2 - 1) + 2 * c * (y**3 - 1)
        dy = 2 * a * x + 4 * b * x * y + 6 * c * x * y**2
        return dx, dy


class Rosenbrock:
    """Rosenbrock's function: a curved valley, easy to enter and hard to follow to (1, 1).

    J = (1 − x)² + b (y − x²)².

    Parameters
    ----------
    b : how steep the walls are. Default 100.
    """

    name = "Rosenbrock's function"

    def __init__(self, b: float = 100.0) -> None:
        self.b = b

    def value(self, x: Any, y: Any) -> Any:
        return (1 - x) ** 2 + self.b * (y - x**2) ** 2

    def slopes(self, x: Any, y: Any) -> tuple[Any, Any]:
        wall = y - x**2
        return -2 * (1 - x) - 4 * self.b * x * wall, 2 * self.b * wall


class Saddle:
    """J = ½x² + ¼y⁴ − ½y²: a saddle at (0, 0) between two minima at (0, ±1) of value −¼."""

    name = "saddle"

    def value(self, x: Any, y: Any) -> Any:
        return 0.5 * x**2 + 0.25 * y**4 - 0.5 * y**2

    def slopes(self, x: Any, y: Any) -> tuple[Any, Any]:
        return x, y**3 - y


class Himmelblau:
    """Himmelblau's function: four minima, all of value 0. Where a run ends depends on where it starts.

    J = (x² + y − 11)² + (x + y² − 7)².
    """

    name = "Himmelblau's function"

    def value(self, x: Any, y: Any) -> Any:
        return (x**2 + y - 11) ** 2 + (x + y**2 - 7) ** 2

    def slopes(self, x: Any, y: Any) -> tuple[Any, Any]:
        a, b = x**2 + y - 11, x + y**2 - 7
        return 4 * x * a + 2 * b, 2 * a + 4 * y * b


class Valley:
    """A long narrow valley along the x axis, its minimum at (0, 0).

    J = ½ (x² + κy²).

    Parameters
    ----------
    kappa : κ. Default 20.
    """

    name = "ravine"

    def __init__(self, kappa: float = 20.0) -> None:
        self.kappa = kappa

    def value(self, x: Any, y: Any) -> Any:
        return 0.5 * (x * x + self.kappa * (y * y))

    def slopes(self, x: Any, y: Any) -> tuple[Any, Any]:
        return x, self.kappa * y
