"""Muon's singular values against the polynomial that they are taken through, and its steps written out."""

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from gdcourse.rules import EXACT, POLAR_EXPRESS, QUINTIC, Muon, orthogonal, validate


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
@pytest.mark.parametrize("decay", [0.0, 0.2])
def test_a_step_written_out(shape, decay):
    """Two steps: the average starts at 0, the gradient looks ahead by it, and a tall matrix goes farther;
    the decay does not."""
    rule, theta = Muon(lr=0.3, gamma=0.6, weight_decay=decay), drawn(*shape)
    gradients = drawn(*shape) + 1, drawn(*shape) - 2
    state, average = rule.init(theta, np.zeros(shape)), np.zeros(shape)
    factor = max(1, shape[0] / shape[1]) ** 0.5
    expected = theta
    for t, grad in enumerate(gradients, start=1):
        theta, state = rule.step(theta, grad, {"M": state["M"]}, rule.at(t))
        average = 0.6 * average + 0.4 * grad
        Q = orthogonal(0.6 * average + 0.4 * grad)
        expected = expected - 0.3 * factor * Q - 0.3 * decay * expected
        np.testing.assert_allclose(state["Q"], Q, rtol=1e-12)
        np.testing.assert_allclose(theta, expected, rtol=1e-12)
    assert rule.init(theta, 0 * theta).keys() == {"M"} and state.keys() == {"M", "Q"}


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


def test_its_defaults_are_the_authors():
    rule = Muon()
    assert (rule.lr, rule.gamma, rule.weight_decay, rule.coefficients) == (0.02, 0.95, 0.0, QUINTIC)
    assert (rule.scope, rule.matrices_only, rule.fixed) == ("tensor", True, ("coefficients",))


@pytest.mark.parametrize(
    ("coefficients", "steps", "least", "off"),
    [(QUINTIC, 5, 0.002, 0.35), (EXACT, 12, 0.01, 0.01), (POLAR_EXPRESS, 5, 0.01, 0.25)],
)
def test_where_each_set_of_polynomials_takes_singular_values(coefficients, steps, least, off):
    """From `least` of the norm on, near 1; the singular vectors stay."""
    assert len(coefficients) == steps
    sigma = np.geomspace(least, 0.9, 40)
    sigma = np.append(sigma, 0)
    x = sigma / np.linalg.norm(sigma)
    for a, b, c in coefficients:
        x = a * x + b * x**3 + c * x**5
    u, v = np.linalg.qr(drawn(41, 41))[0], np.linalg.qr(drawn(41, 41) + 1)[0]
    found = u.T @ orthogonal(u * sigma @ v.T, coefficients) @ v
    np.testing.assert_allclose(found, np.diag(x), atol=1e-9)
    assert x[-1] == 0
    ends = np.array([_through(coefficients, s) for s in np.geomspace(least, 1, 400)])
    assert abs(ends - 1).max() < off
    assert EXACT[0] == (2.0, -1.5, 0.5) and _through(EXACT, 1.0) == 1.0


def _through(coefficients, x):
    for a, b, c in coefficients:
        x = a * x + b * x**3 + c * x**5
    return x


def test_polar_express_is_the_authors_with_the_margin_that_they_divide_by():
    """Their first polynomial, of x/1.02; the sixth and later are not needed. optax has the same five for
    itself."""
    a, b, c = 8.156554524902461, -22.48329292557795, 15.878769915207462
    for x in (0.01, 0.3, 1.0):
        y = x / 1.02
        assert _through(POLAR_EXPRESS[:1], x) == pytest.approx(a * y + b * y**3 + c * y**5, rel=1e-12)


@pytest.mark.parametrize("bad", [(), (1, 2, 3), ((1, 2),), ((1, 2, "3"),), ((1, 2, float("inf")),), None, 5])
def test_coefficients_are_three_numbers_for_each_step(bad):
    with pytest.raises(
        ValueError, match=r"Invalid coefficients: .* \(Muon's must be three numbers for each step"
    ):
        validate(Muon(coefficients=bad))
    validate(Muon(coefficients=[[1, 2.0, 3]]))
