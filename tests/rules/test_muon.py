"""Muon's singular values against the polynomial that they are taken through, and its steps written out."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from gdcourse.rules import Muon
from gdcourse.rules.muon import orthogonal


def taken(sigma):
    """What the paper's odd polynomial makes of singular values, five times over."""
    x = sigma / np.sqrt((sigma**2).sum())
    for _ in range(5):
        x = 3.4445 * x - 4.7750 * x**3 + 2.0315 * x**5
    return x


def drawn(*shape):
    return np.random.default_rng(0).standard_normal(shape)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4)])
def test_the_singular_vectors_stay_and_the_values_come_near_one(shape):
    matrix = drawn(*shape)
    u, sigma, vt = np.linalg.svd(matrix, full_matrices=False)
    expected = u * taken(sigma) @ vt
    np.testing.assert_allclose(orthogonal(matrix), expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(orthogonal(torch.tensor(matrix)).numpy(), expected, rtol=1e-10, atol=1e-12)
    assert (taken(sigma) > 0.5).all() and (taken(sigma) < 1.5).all()


def test_a_matrix_of_nothing_stays_nothing_and_several_are_each_their_own():
    assert not orthogonal(np.zeros((2, 3))).any()
    both = drawn(2, 3, 4)
    np.testing.assert_allclose(orthogonal(both), [orthogonal(both[0]), orthogonal(both[1])], rtol=1e-12)


def test_below_1e_7_a_matrix_is_divided_by_that():
    """So that it stays as much smaller; the polynomial is linear there, aX each time."""
    unit = drawn(3, 3) / np.linalg.norm(drawn(3, 3))
    np.testing.assert_allclose(orthogonal(1e-13 * unit), 3.4445**5 * 1e-6 * unit, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(orthogonal(1.01e-7 * unit), orthogonal(unit), rtol=1e-10)


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4)])
def test_a_step_written_out(shape):
    """Two steps: the average starts at 0, the gradient looks ahead by it, and a tall matrix goes farther."""
    rule, theta, gradients = Muon(lr=0.3, gamma=0.6), drawn(*shape), (drawn(*shape) + 1, drawn(*shape) - 2)
    state, average = rule.init(theta, np.zeros(shape)), np.zeros(shape)
    factor = max(1, shape[0] / shape[1]) ** 0.5
    expected = theta
    for t, grad in enumerate(gradients, start=1):
        theta, state = rule.step(theta, grad, state, rule.at(t))
        average = 0.6 * average + 0.4 * grad
        expected = expected - 0.3 * factor * orthogonal(0.6 * average + 0.4 * grad)
        np.testing.assert_allclose(theta, expected, rtol=1e-12)
    assert state.keys() == {"M"}


@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 5, 3), (7, 3), (3, 7)])
def test_the_square_matrix_is_of_the_smaller_side(shape):
    """Counted by its operations: XXᵀX costs the more, the larger the side of XXᵀ."""
    with FlopCounterMode(display=False) as counter:
        orthogonal(torch.tensor(drawn(*shape)))
    small, large, stack = min(shape[-2:]), max(shape[-2:]), shape[0] if len(shape) == 3 else 1
    once = 2 * small * small * large + 2 * small**3 + 2 * small * small * large
    assert counter.get_total_flops() == 5 * stack * once


def test_a_stack_of_matrices_moves_as_each_of_them():
    theta, grad, rule = drawn(2, 5, 3), drawn(2, 5, 3) + 1, Muon()
    state = rule.init(theta, 0 * theta)
    moved, _ = rule.step(theta, grad, state, {})
    for each, alone, slope in zip(moved, theta, grad, strict=True):
        np.testing.assert_allclose(
            each, rule.step(alone, slope, rule.init(alone, 0 * alone), {})[0], rtol=1e-12
        )


def test_it_is_frozen_and_equal_to_itself_alone():
    with pytest.raises(FrozenInstanceError):
        Muon().lr = 1.0
    assert Muon() != Muon()


def test_its_defaults_are_the_authors():
    rule = Muon()
    assert (rule.lr, rule.gamma, rule.scope) == (0.02, 0.95, "tensor")


@pytest.mark.parametrize("theta", [np.ones(3), 1.0])
def test_what_is_no_matrix_is_refused(theta):
    with pytest.raises(ValueError, match="Muon moves matrices, got shape .*: give vectors to Adam"):
        Muon().init(theta, 0 * theta)
