"""A vector of floats with operators, for rules to run on where there is no NumPy: in the page of the book.

As with NumPy's float64, what has no value is NaN or infinite, and nothing raises.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import repeat
from typing import Any


class Vector:
    """Floats (or bools of a comparison, or places), with arithmetic entry by entry; with a number, or along
    an axis of one entry, all entries alike.

    Parameters
    ----------
    values : the entries, shape ``(n,)``.

    Examples
    --------
    >>> from gdcourse.workbench.vector import Vector
    >>> 2 * Vector([1.0, -3.0]) ** 2 / Vector([0.0, 4.0])
    Vector([inf, 4.5])
    """

    ndim = 1

    def __init__(self, values: Iterable[Any]) -> None:
        self.values = list(values)

    def __array_namespace__(self) -> Any:
        """Where a rule's words look for `where` and the like."""
        return sys.modules[__name__]

    def like(self, values: Iterable[Any]) -> Vector:
        """Of the same kind and shape, with other entries."""
        return Vector(values)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.values),)

    def spread(self, shape: tuple[int, ...]) -> Vector:
        """Repeated along axes of one entry, up to this shape."""
        if len(shape) > self.ndim:
            return self[..., None, :].spread(shape)
        return self if self.shape == shape else Vector(self.values * shape[0])

    def sum(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
        return Vector([sum(self.values)]) if keepdims else sum(self.values)

    def mean(self, axis: int | tuple[int, ...] | None = None, keepdims: bool = False) -> Any:
        total = self.sum(axis, keepdims)
        return total / (len(self) // (len(total) if isinstance(total, Vector) else 1))

    def all(self) -> bool:
        return all(self.values)

    def any(self) -> bool:
        return any(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)

    def __getitem__(self, at: Any) -> Any:
        """An entry; with ``[..., None, :]`` a matrix of one row, with ``[..., None]`` of one column."""
        if not isinstance(at, tuple):
            return self.values[at]
        from gdcourse.workbench.matrix import Matrix  # which is itself made of this

        if at == (..., None, slice(None)):
            return Matrix(self.values, (1, len(self)))
        if at == (..., None):
            return Matrix(self.values, (len(self), 1))
        return self.values[entry_of(at)]

    def __repr__(self) -> str:
        return f"Vector({self.values})"

    def __bool__(self) -> bool:
        raise ValueError(
            "a rule's numbers are many at once, so `if` and `and` cannot ask them: write "
            "where(condition, a, b), from gdcourse.rules"
        )

    def __neg__(self) -> Vector:
        return self.like(-x for x in self.values)

    def __abs__(self) -> Vector:
        return self.like(map(abs, self.values))

    def __invert__(self) -> Vector:
        return self.like(not x for x in self.values)

    __hash__ = None  # type: ignore[assignment]


def entry_of(at: tuple[Any, ...]) -> int:
    """What stands behind the dots of ``[..., i]``."""
    if len(at) != 2 or at[0] is not ... or not isinstance(at[1], int):
        raise IndexError(f"of this index there is nothing here: {at}")
    return at[1]


def together(function: Callable[..., Any], *operands: Any) -> Vector:
    """A function of the entries of several side by side; a number, and what has one entry along an axis, is
    as long as the others."""
    shapes = [x.shape for x in operands if isinstance(x, Vector)]
    if shapes.count(shapes[0]) < len(shapes):
        shape = common(set(shapes))
        operands = tuple(x.spread(shape) if isinstance(x, Vector) else x for x in operands)
    kind = next(x for x in operands if isinstance(x, Vector))
    return kind.like(map(function, *(x.values if isinstance(x, Vector) else repeat(x) for x in operands)))


def common(shapes: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    """The shape of what comes of these."""
    own = sorted(shapes)
    axes = max(map(len, own))
    by_axis = list(zip(*((1,) * (axes - len(shape)) + shape for shape in own), strict=True))
    if any(len(set(sizes) - {1}) > 1 for sizes in by_axis):
        told = (" × ".join(map(str, shape)) for shape in own)
        raise ValueError(f"vectors of {' and '.join(told)} entries do not fit")
    return tuple(max(sizes) for sizes in by_axis)


def divided(a: float, b: float) -> float:
    try:
        return a / b
    except ZeroDivisionError:
        return math.nan if a == 0 or math.isnan(a) else math.copysign(math.inf, a) * math.copysign(1.0, b)


def power(a: float, b: float) -> float:
    if b == 2:
        return a * a
    try:
        return math.sqrt(a) if b == 0.5 else math.pow(a, b)
    except OverflowError:
        return -math.inf if a < 0 and b % 2 == 1 else math.inf
    except ValueError:  # a root of a negative number, or 0 to a negative power
        if a != 0:
            return math.nan
        return math.copysign(math.inf, a) if b % 2 == 1 else math.inf


def entrywise(function: Callable[[Any, Any], Any], turned: bool = False) -> Callable[[Any, Any], Any]:
    def method(self: Vector, other: Any) -> Any:
        if isinstance(other, (int, float)):  # with this and with one shape, a rule's most frequent cases
            others: Iterable[Any] = repeat(other)
        elif not isinstance(other, Vector):
            return NotImplemented
        elif other.shape != self.shape:
            return together(function, other, self) if turned else together(function, self, other)
        else:
            others = other.values
        return self.like(map(function, others, self.values) if turned else map(function, self.values, others))

    return method


ARITHMETIC = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "truediv": divided,
    "pow": power,
    "and": lambda a, b: a and b,
    "or": lambda a, b: a or b,
}
for _name, _function in ARITHMETIC.items():
    setattr(Vector, f"__{_name}__", entrywise(_function))
    setattr(Vector, f"__r{_name}__", entrywise(_function, turned=True))
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Vector, f"__{_name}__", entrywise(getattr(operator, _name)))


def where(cond: Any, a: Any, b: Any) -> Vector:
    """Entry by entry a where the condition holds, else b."""
    return together(lambda yes, x, y: x if yes else y, cond, a, b)


def argsort(x: Vector, stable: bool = True) -> Vector:
    """The places of the entries, that of the smallest first, and NaN last, as with NumPy."""
    return Vector(sorted(range(len(x)), key=lambda i: (math.isnan(x[i]), x[i])))
