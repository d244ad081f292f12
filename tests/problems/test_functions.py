"""A function of the reader's own is a problem, whether it is written for NumPy, for torch or for numbers."""

import math

import numpy as np
import pytest
import torch

import gdcourse as gd
from gdcourse.problems import ArrayFunction, Beale, Function, as_problem

BEALE = Beale()
START = [-1.0, 1.5]


def for_numpy(theta):
    return np.sum(np.square(1.5 - theta[0] + theta[0] * theta[1])) + np.linalg.norm(theta) ** 2


def for_torch(theta):
    return torch.square(1.5 - theta[0] + theta[0] * theta[1]) + torch.linalg.norm(theta) ** 2


def test_functions_for_numpy_and_for_torch_give_the_same_path():
    runs = [gd.descend(gd.Adam(0.05), function, START, 60) for function in (for_numpy, for_torch)]
    np.testing.assert_allclose(runs[0].theta, runs[1].theta, atol=1e-7)
    np.testing.assert_allclose(runs[0].loss, runs[1].loss, atol=1e-7)
    assert isinstance(as_problem(for_torch, START), Function)
    assert isinstance(as_problem(for_numpy, START), ArrayFunction)


def test_a_function_of_one_number():
    run = gd.descend(gd.GradientDescent(0.1), math.cosh, 1.0, 50)
    assert run.theta.shape == (51,)
    np.testing.assert_allclose(run.grad, np.sinh(run.theta[:-1]), rtol=1e-8)


def test_a_gradient_of_ones_own_is_the_one_that_is_used():
    own = ArrayFunction(BEALE.loss, BEALE.grad)
    run, exact = (gd.descend(gd.Momentum(0.001), problem, START, 40) for problem in (own, BEALE))
    np.testing.assert_array_equal(run.theta, exact.theta)
    twice = ArrayFunction(BEALE.loss, lambda theta: 2 * BEALE.grad(theta))
    np.testing.assert_array_equal(
        gd.descend(gd.GradientDescent(0.001), twice, START, 1).grad[0], 2 * exact.grad[0]
    )


def test_differences_are_exact_to_eight_digits():
    theta = np.array([0.3, -0.7])
    np.testing.assert_allclose(ArrayFunction(BEALE.loss).grad(theta), BEALE.grad(theta), rtol=1e-8)


def test_a_family_of_runs_is_its_runs_one_by_one():
    rates = np.array([0.001, 0.003])
    family = gd.descend(gd.Momentum(rates), for_numpy, START, 30)
    for i, lr in enumerate(rates):
        np.testing.assert_allclose(
            family.theta[:, i], gd.descend(gd.Momentum(lr), for_numpy, START, 30).theta
        )


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda theta: theta, "must return one number"),
        (lambda theta: "seven", "must return one number"),
        (lambda theta: theta[9], "must return one number"),
        (Beale, r"as in Beale\(\)"),
        (3.0, "a function of θ; got 3.0"),
        (lambda x, y: x**2 + y**2, r"It takes 2 numbers; .* lambda theta: function\(\*theta\)"),
    ],
)
def test_what_is_no_function_to_minimise_is_told(function, message):
    with pytest.raises(TypeError, match=message):
        gd.descend(gd.Momentum(0.1), function, START, 5)


def test_a_gradient_of_the_wrong_shape_is_told():
    with pytest.raises(ValueError, match=r"has shape \(3,\), θ has \(2,\)"):
        gd.descend(gd.Momentum(0.1), ArrayFunction(BEALE.loss, lambda theta: np.ones(3)), START, 1)
    with pytest.raises(TypeError, match="must be callable"):
        ArrayFunction(BEALE.loss, gradient=1.0)


def test_a_surface_by_its_name():
    run = gd.descend(gd.Momentum(0.001), "Beale", steps=30)
    np.testing.assert_array_equal(run.theta, gd.descend(gd.Momentum(0.001), BEALE, steps=30).theta)


@pytest.mark.parametrize("function", [for_numpy, for_torch])
def test_many_starts_of_a_function_are_many_runs(function):
    starts = [[-1.0, 1.5], [0.5, 0.5], [2.0, 1.0]]
    family = gd.descend(gd.Momentum(0.001), function, starts, 20)
    assert family.theta.shape == (21, 3, 2) and family.loss.shape == (21, 3)
    for i, start in enumerate(starts):
        alone = gd.descend(gd.Momentum(0.001), function, start, 20)
        np.testing.assert_allclose(family.theta[:, i], alone.theta, rtol=1e-12)


def test_a_function_without_a_start_is_told_so():
    with pytest.raises(TypeError, match="a function has no start of its own"):
        gd.descend(gd.Momentum(0.1), for_numpy)


@pytest.mark.parametrize("theta", [[3.0, 0.5], (3, 0.5), [[3.0, 0.5], [1, 2]]])
def test_problems_take_lists(theta):
    for method in (BEALE.loss, BEALE.grad):
        np.testing.assert_array_equal(method(theta), method(np.array(theta, float)))
    assert gd.problems.Quadratic(2.0).loss(3) == 9.0
    least = gd.problems.LeastSquares([[1, 2], [3, 4], [5, 6]], [1, 2, 3])
    run = gd.descend(gd.Momentum(0.01), least.with_batch(1), steps=3, seed=[0, 1])
    assert run.theta.shape == (4, 2, 2) and least.loss([0, 0]) == pytest.approx(14 / 6)


def test_lists_of_settings_are_grids():
    lists = gd.descend(gd.Lookahead(gd.Momentum([0.001, 0.002]), alpha=(0.5, 0.6)), BEALE, steps=9)
    rule = gd.Lookahead(gd.Momentum(np.array([0.001, 0.002])), alpha=np.array([0.5, 0.6]))
    np.testing.assert_array_equal(lists.theta, gd.descend(rule, BEALE, steps=9).theta)
    with pytest.raises(TypeError, match="Invalid learning rate"):
        gd.descend(gd.Momentum(["a", "b"]), BEALE)
