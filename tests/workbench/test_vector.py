"""The vector of the page beside NumPy's: the same numbers, and nothing raises."""

from __future__ import annotations

import operator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gdcourse.workbench import vector
from gdcourse.workbench.vector import Vector

NUMBERS = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 2.0, float("inf"), -float("inf"), float("nan"), 1e-300, -1e300]),
    st.floats(),
)
PAIRS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=4)
ARITHMETIC = [operator.add, operator.sub, operator.mul, operator.truediv]
COMPARED = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]
examples = settings(derandomize=True, deadline=None, database=None)  # the machine may be busy
POWERS = [2, 3, 0.5, 0.25, -1, -0.5, 0, 1, 1.5]


def same(ours: Vector, theirs: np.ndarray) -> None:
    got = np.array(list(ours), dtype=theirs.dtype)
    assert got.shape == theirs.shape
    np.testing.assert_array_equal(got, theirs)
    where = ~np.isnan(theirs) if theirs.dtype.kind == "f" else slice(None)
    if theirs.dtype.kind == "f":
        np.testing.assert_array_equal(np.signbit(got[where]), np.signbit(theirs[where]))


@pytest.mark.parametrize("operation", [*ARITHMETIC, *COMPARED])
@examples
@given(pairs=PAIRS, number=NUMBERS)
def test_an_operator_is_numpys(operation, pairs, number):
    a, b = ([float(x) for x in column] for column in zip(*pairs, strict=True))
    with np.errstate(all="ignore"):
        same(operation(Vector(a), Vector(b)), operation(np.array(a), np.array(b)))
        same(operation(Vector(a), number), operation(np.array(a), number))
        same(operation(number, Vector(a)), operation(number, np.array(a)))


@pytest.mark.parametrize("power", POWERS)
@examples
@given(values=st.lists(NUMBERS, min_size=1, max_size=4))
def test_a_power_is_numpys_and_nothing_raises(power, values):
    with np.errstate(all="ignore"):
        theirs = np.array(values) ** power
    ours = np.array(list(Vector(values) ** power))
    np.testing.assert_allclose(ours, theirs, rtol=1e-15, atol=0)


@examples
@given(values=st.lists(NUMBERS, min_size=1, max_size=4))
def test_signs_and_sizes_are_numpys(values):
    same(-Vector(values), -np.array(values))
    same(abs(Vector(values)), abs(np.array(values)))


@examples
@given(
    values=st.lists(st.tuples(st.booleans(), st.booleans(), NUMBERS, NUMBERS), min_size=1, max_size=4),
)
def test_yes_no_and_where_are_numpys(values):
    p, q, a, b = map(list, zip(*values, strict=True))
    same(Vector(p) & Vector(q), np.array(p) & np.array(q))
    same(Vector(p) | Vector(q), np.array(p) | np.array(q))
    same(~Vector(p), ~np.array(p))
    same(vector.where(Vector(p), Vector(a), Vector(b)), np.where(p, a, b))
    assert Vector(p).all() == np.all(p) and Vector(p).any() == np.any(p)


def test_sums_keep_an_axis_where_asked_and_one_entry_goes_with_all():
    x = Vector([3.0, 4.0])
    assert x.sum() == 7.0 and x.mean() == 3.5 and list(x.sum(keepdims=True)) == [7.0]
    assert list(x / (x * x).sum(keepdims=True) ** 0.5) == [0.6, 0.8]
    assert x.shape == (2,) and len(x) == 2 and x[1] == 4.0


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match="2 and 3 entries do not fit"):
        Vector([1.0, 2.0]) + Vector([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="write where"):
        bool(Vector([1.0]) > 0)
    with pytest.raises(TypeError):
        Vector([1.0]) + "1"
