"""A vector of floats with operators, for rules to run on where there is no NumPy: in the page of the book.

As with NumPy's float64, what has no value is NaN or infinite, and nothing raises.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any


class Vector:
    """Floats (or bools, of a comparison), with arithmetic entry by entry; with a number, or a vector of one
    entry, all entries alike.

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
        """Of the same kind, with other entries."""
        return Vector(values)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.values),)

    def sum(self, axis: int | tuple[int, ...] = -1, keepdims: bool = False) -> Any:
        return Vector([sum(self.values)]) if keepdims else sum(self.values)

    def mean(self, axis: int | tuple[int, ...] = -1, keepdims: bool = False) -> Any:
        return self.sum(axis, keepdims) / len(self.values)

    def all(self) -> bool:
        return all(self.values)

    def any(self) -> bool:
        return any(self.values)

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.values)

    def __getitem__(self, i: int) -> Any:
        return self.values[i]

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


def widest(*operands: Any) -> Vector:
    """Of which kind the outcome is: that of the operand with most axes."""
    return max((x for x in operands if isinstance(x, Vector)), key=lambda x: x.ndim, default=Vector([]))


def beside(*operands: Any) -> Iterator[tuple[Any, ...]]:
    """The entries of several side by side; a number, and a vector of one entry, is as long as the others."""
    columns = [list(x) if isinstance(x, Vector) else [x] for x in operands]
    n = max(map(len, columns))
    if not {len(column) for column in columns} <= {1, n}:
        raise ValueError(f"vectors of {' and '.join(str(len(c)) for c in columns)} entries do not fit")
    return zip(*(column * n if len(column) == 1 else column for column in columns), strict=True)


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
        if not isinstance(other, (Vector, int, float)):
            return NotImplemented
        pairs = beside(other, self) if turned else beside(self, other)
        return widest(self, other).like(function(x, y) for x, y in pairs)

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
    return widest(cond, a, b).like(x if yes else y for yes, x, y in beside(cond, a, b))
