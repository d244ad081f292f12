"""Stationary variances and effective learning rates, against simulation.

Monte Carlo tolerances: the variance of R independent Gaussian runs has the relative standard error
√(2/R); the tests allow five of them.
"""

import numpy as np
import pytest

import gdcourse as gd
from gdcourse import theory
from gdcourse.problems import NoisyQuadratic

RUNS = 20_000
FIVE_SIGMA = 5 * (2 / RUNS) ** 0.5


class ManyAtOnce(NoisyQuadratic):
    """One seed, RUNS independent runs: the noise is drawn for all of them together."""

    def draw(self, rng, steps):
        return rng.standard_normal((steps, RUNS))


def end_of(rule, curvature, noise, steps, record=()):
    problem = ManyAtOnce(curvature, noise)
    return gd.descend(rule, problem, np.zeros(RUNS), steps, path=False, record=record)


@pytest.mark.parametrize(
    "lr, h, sigma, gamma, steps",
    [
        (0.1, 1.0, 1.0, 0.0, 120),
        (1.9, 1.0, 2.0, 0.0, 150),
        (0.05, 3.0, 1.0, 0.9, 250),
        (1.5, 2.0, 0.5, 0.7, 120),
    ],
)
def test_stationary_variance(lr, h, sigma, gamma, steps):
    seen = np.var(end_of(gd.Momentum(lr, gamma), h, sigma, steps).theta[-1])
    assert seen == pytest.approx(theory.stationary_variance(lr, h, sigma, gamma), rel=FIVE_SIGMA)


def test_stationary_variance_is_the_fixed_point_of_the_second_moments():
    """Exactly, by a linear system: S = M S Mᵀ + (ησ)² e eᵀ, with M the companion matrix."""
    for lr, h, sigma, gamma in ((0.1, 1.0, 1.0, 0.0), (1.5, 2.0, 0.5, 0.7), (0.3, 5.0, 2.0, 0.9)):
        M = theory.momentum_matrix(lr, gamma, h)
        source = np.array([(lr * sigma) ** 2, 0, 0, 0])
        S = np.linalg.solve(np.eye(4) - np.kron(M, M), source)
        assert theory.stationary_variance(lr, h, sigma, gamma) == pytest.approx(S[0], rel=1e-10)


def test_moments_under_a_schedule():
    """The mean and the variance at the end of a run, and of the average of its last steps, by simulation."""
    lr, h, sigma, start, steps, first = 0.4, 1.5, 0.7, -2.0, 12, 5
    rates = [lr * (1 - t / steps) for t in range(steps)]
    run = gd.descend(
        lambda t: gd.GradientDescent(rates[t - 1]), ManyAtOnce(h, sigma), np.full(RUNS, start), steps
    )
    moments = [*theory.sgd_moments(rates, h, sigma, start)]
    averages = [*theory.averaged_moments(rates, h, sigma, start, first)]
    assert len(moments) == steps + 1 and len(averages) == steps + 1 - first
    for t in (1, 6, steps):
        seen = run.theta[: t + 1]
        last, mean = seen[-1], seen[first:].mean(0) if t >= first else None
        for values, (expected, variance) in ((last, moments[t]), (mean, averages[t - first])):
            if values is not None:
                assert values.mean() == pytest.approx(expected, abs=5 * (variance / RUNS) ** 0.5)
                assert values.var() == pytest.approx(variance, rel=FIVE_SIGMA)


@pytest.mark.parametrize("first", [0, 1, 4, 6])
def test_the_variance_of_an_average_by_the_whole_table_of_covariances(first):
    rates, h, sigma = np.array([0.9, 0.1, 1.4, 0.0, 0.5, 0.3]), 1.2, 0.8
    pairs = [*theory.sgd_moments(rates, h, sigma)]
    table = [
        [pairs[min(s, t)][1] * np.prod(1 - rates[min(s, t) : max(s, t)] * h) for s in range(7)]
        for t in range(7)
    ]
    averages = theory.averaged_moments(rates, h, sigma, first=first)
    for t, (mean, variance) in zip(range(first, 7), averages, strict=True):
        assert mean == pytest.approx(np.mean([m for m, _ in pairs[first : t + 1]]), rel=1e-12)
        block = np.array(table)[first : t + 1, first : t + 1]
        assert variance == pytest.approx(block.mean(), rel=1e-12, abs=1e-15)


def test_at_a_constant_rate_the_variance_tends_to_the_stationary_one():
    curvature, rates = np.array([0.5, 1.0, 3.0]), np.array([[0.1], [0.6]])
    mean, variance = [*theory.sgd_moments(np.broadcast_to(rates, (500, 2, 1)), curvature, 2.0, 7.0)][-1]
    assert variance.shape == (2, 3) and abs(mean).max() < 1e-9
    assert variance == pytest.approx(theory.stationary_variance(rates, curvature, 2.0), rel=1e-9)


def test_moments_of_schedule_free():
    """By simulation of the rule itself."""
    lr, beta, h, sigma, steps = 0.6, 0.7, 1.5, 0.7, 12
    rule = gd.ScheduleFreeSGD(lr, beta)
    run = gd.descend(rule, ManyAtOnce(h, sigma), np.full(RUNS, -2.0), steps)
    moments = [*theory.schedule_free_moments(lr, h, sigma, beta, steps, start=-2.0)]
    assert len(moments) == steps + 1
    for t in (1, 2, 6, steps):
        mean, variance = moments[t]
        assert run.theta[t].mean() == pytest.approx(mean, abs=5 * (variance / RUNS) ** 0.5)
        assert run.theta[t].var() == pytest.approx(variance, rel=FIVE_SIGMA)


def test_schedule_free_without_interpolation_is_the_average_and_its_arguments_broadcast():
    rates, h = np.array([[0.1], [0.9]]), np.array([0.3, 1.0, 1.7])
    plain = theory.averaged_moments(np.broadcast_to(rates, (9, 2, 1)), h, 0.5)
    free = [*theory.schedule_free_moments(rates, h, 0.5, beta=0.0, steps=9)]
    assert free[0][0].shape == free[0][1].shape == (2, 3) and (free[0][0] == 1).all() and not free[0][1].any()
    for (mean, variance), (expected, spread) in zip(free[1:], plain, strict=True):
        assert mean == pytest.approx(expected, rel=1e-12) and variance == pytest.approx(spread, rel=1e-12)


def test_before_the_first_step_there_is_the_start_alone():
    mean, variance = next(theory.sgd_moments(np.ones((5, 2, 1)), np.ones(3), 1.0, 4.0))
    assert mean.shape == variance.shape == (2, 3) and (mean == 4).all() and not variance.any()


def test_no_stationary_variance_from_the_stability_limit_on():
    assert np.isinf(theory.stationary_variance(np.array([2.0, 2.5]), 1.0, 1.0)).all()
    assert np.isfinite(theory.stationary_variance(1.999, 1.0, 1.0))


@pytest.mark.parametrize("n", [1, 4, 64, 256])
def test_minibatch_variance(n):
    rng = np.random.default_rng(5)
    gradients = rng.gamma(2.0, size=256)
    expected = theory.minibatch_variance(gradients.var(ddof=1), n, 256)
    means = rng.permuted(np.tile(gradients, (RUNS, 1)), axis=1)[:, :n].mean(1)
    # the gradients are not normal: the standard error of a variance is √((kurtosis − 1)/R) ≤ √(8/R)
    assert means.var() == pytest.approx(expected, rel=5 * (8 / RUNS) ** 0.5, abs=1e-28)


def test_minibatch_variance_over_every_batch():
    """All 20 batches of 3 out of 6, with no sampling error left."""
    from itertools import combinations

    values = np.array([0.3, -1.0, 2.0, 5.0, 0.1, 7.0])
    means = [values[list(batch)].mean() for batch in combinations(range(6), 3)]
    assert np.var(means) == pytest.approx(theory.minibatch_variance(values.var(ddof=1), 3, 6), rel=1e-12)


def test_adagrad_under_noise():
    sigma, t = 2.0, 400
    G = end_of(gd.Adagrad(lr=0.3), 0.0, sigma, t, record="G").G[-1]
    seen = np.mean(0.3 / G**0.5)
    # Jensen: the mean of 1/√G is 3/(4t) above 1/√(mean G), relatively; here 0.2 %
    assert seen == pytest.approx(theory.adagrad_effective_lr(0.3, sigma, t), rel=0.003)


@pytest.mark.parametrize(
    "alpha, lr, h, k, steps",
    [(0.5, 0.1, 1.0, 5, 200), (0.8, 0.1, 1.0, 5, 150), (0.3, 0.02, 4.0, 5, 250), (0.2, 0.6, 0.5, 10, 200)],
)
def test_lookahead_variance_ratio(alpha, lr, h, k, steps):
    rule = gd.Lookahead(gd.GradientDescent(lr), k=k, alpha=alpha)
    slow = np.var(end_of(rule, h, 1.0, steps).theta[-1])  # k divides the steps: θ is the slow weights
    ratio = slow / theory.stationary_variance(lr, h, 1.0)
    assert ratio == pytest.approx(theory.lookahead_variance_ratio(alpha, lr, h, k), rel=FIVE_SIGMA)


def test_lookahead_without_pulling_back_changes_nothing():
    assert theory.lookahead_variance_ratio(1.0, 0.1, 1.0, 5) == pytest.approx(1.0)
