"""Rates and stability limits, against the rules themselves run on quadratics."""

import numpy as np
import pytest

import gdcourse as gd
from gdcourse import theory
from gdcourse.problems import Quadratic

LRS = np.array([0.02, 0.3, 0.9, 1.5, 2.7, 3.5])[:, None]
GAMMAS = np.array([0.0, 0.2, 0.65, 0.9])[None, :]


def transition(rule, curvature):
    """The 2 × 2 matrix that takes (θ, v) over one step, found by running the rule on both basis vectors."""
    columns = []
    for theta, v in ((1.0, 0.0), (0.0, 1.0)):
        point = rule.look(theta, {"v": v})
        theta, new = rule.step(theta, curvature * point, {"v": v}, rule.at(1))
        columns.append((theta, new["v"]))
    return np.array(columns).T


def radius(matrix):
    return np.abs(np.linalg.eigvals(matrix)).max()


@pytest.mark.parametrize(
    "make, rate, matrix",
    [
        (gd.Momentum, theory.momentum_rate, theory.momentum_matrix),
        (gd.Nesterov, theory.nesterov_rate, theory.nesterov_matrix),
    ],
)
def test_rate_is_the_spectral_radius_of_the_rule(make, rate, matrix):
    found = rate(LRS, GAMMAS, 1.3)
    assert found.shape == (6, 4)
    for i, lr in enumerate(LRS[:, 0]):
        for j, gamma in enumerate(GAMMAS[0]):
            one_step = transition(make(lr, gamma), 1.3)
            assert found[i, j] == pytest.approx(radius(one_step), rel=1e-9)
            assert radius(matrix(lr, gamma, 1.3)) == pytest.approx(found[i, j], rel=1e-9)


def test_matrices_move_two_iterates_on():
    for rule, matrix in (
        (gd.Momentum(0.3, 0.7), theory.momentum_matrix(0.3, 0.7, 1.3)),
        (gd.Nesterov(0.3, 0.7), theory.nesterov_matrix(0.3, 0.7, 1.3)),
    ):
        path = gd.descend(rule, Quadratic(1.3), 1.0, steps=6).theta
        for t in range(1, 6):
            np.testing.assert_allclose(matrix @ path[[t, t - 1]], path[[t + 1, t]], rtol=0, atol=1e-14)


def test_several_directions_go_at_the_slowest_one():
    h = np.array([0.1, 1.0, 1.9])
    for rate in (theory.momentum_rate, theory.nesterov_rate):
        each = [rate(0.4, 0.5, one) for one in h]
        assert rate(0.4, 0.5, h) == max(each) > min(each)
    assert theory.gd_rate(np.array([0.1, 1.0]), h) == pytest.approx([0.99, 0.9])


def test_gd_rate_is_what_a_run_shows():
    path = gd.descend(gd.GradientDescent(lr=0.15), Quadratic([1.0, 10.0]), steps=300).theta
    seen = np.linalg.norm(path[-1]) / np.linalg.norm(path[-2])
    assert seen == pytest.approx(theory.gd_rate(0.15, [1.0, 10.0]), rel=1e-12)


@pytest.mark.parametrize(
    "make, limit",
    [
        (lambda lr: gd.GradientDescent(lr), theory.gd_stability_limit(4.0)),
        (lambda lr: gd.Momentum(lr, 0.9), theory.momentum_stability_limit(0.9, 4.0)),
        (lambda lr: gd.Nesterov(lr, 0.9), theory.nesterov_stability_limit(0.9, 4.0)),
        (lambda lr: gd.Momentum(lr, 0.3), theory.momentum_stability_limit(0.3, 4.0)),
        (lambda lr: gd.Nesterov(lr, 0.3), theory.nesterov_stability_limit(0.3, 4.0)),
    ],
)
def test_just_below_the_limit_converges_and_just_above_diverges(make, limit):
    run = gd.descend(make(limit * np.array([0.99, 1.01])), Quadratic(4.0), steps=4000)
    assert run.diverged_at[0] == -1 and abs(run.theta[-1, 0]) < 1e-3
    assert run.diverged_at[1] > 0


@pytest.mark.parametrize("mu, L", [(1.0, 10.0), (0.5, 500.0)])
def test_no_neighbour_beats_the_best_constants(mu, L):
    kappa, h = L / mu, [mu, L]
    near = np.exp(np.linspace(-0.05, 0.05, 21))  # 21 is odd: the middle is the claimed best
    rates = theory.gd_rate(theory.gd_best_lr(mu, L) * near, h)
    assert rates.argmin() == 10
    assert rates[10] == pytest.approx(theory.gd_best_rate(kappa))
    for best, rate, best_rate in (
        (theory.momentum_best, theory.momentum_rate, theory.momentum_best_rate),
        (theory.nesterov_best, theory.nesterov_rate, theory.nesterov_best_rate),
    ):
        lr, gamma = best(mu, L)
        rates = rate(lr * near[:, None], gamma * near[None, :].clip(max=0.999 / gamma), h)
        assert rates[10, 10] == pytest.approx(best_rate(kappa), abs=1e-6)  # a double root: √rounding
        assert rates.min() >= best_rate(kappa) - 1e-6


def test_best_rates_of_goh():
    """The values for κ = 10, 100, 1000 are the spectral radii given by numpy for the best constants."""
    for kappa in (10.0, 100.0, 1000.0):
        lr, gamma = theory.momentum_best(1.0, kappa)
        seen = max(radius(transition(gd.Momentum(lr, gamma), h)) for h in np.geomspace(1.0, kappa, 50))
        assert theory.best_rates(kappa)["momentum"] == pytest.approx(seen, abs=1e-6)
        lr = theory.gd_best_lr(1.0, kappa)
        assert theory.best_rates(kappa)["gradient descent"] == pytest.approx(1 - lr)
    rates = theory.best_rates(100.0)
    assert rates["momentum"] < rates["Nesterov"] < rates["gradient descent"]


def test_adam_with_a_settled_denominator_is_stable_up_to_its_limit():
    """Gradients far below ε = 1 leave the denominator at 1, so that P is the identity."""
    for beta1 in (0.0, 0.9):
        limit = theory.adam_stability_limit(0.1, beta1)
        for factor, stable in ((0.99, True), (1.01, False)):
            rule = gd.Adam(lr=0.1, beta1=beta1, eps=1.0)
            path = abs(gd.descend(rule, Quadratic(factor * limit), 1e-20, steps=2000).theta)
            # past the first steps, in which the bias correction lengthens the mean
            assert path[-1] < 1e-3, "the denominator has not stayed at 1"
            assert (path[1900:].max() < path[1700:1800].max()) == stable
