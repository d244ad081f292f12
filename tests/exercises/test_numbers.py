"""Each number that an exercise asks for, computed in another way: by a run, a closed form or an equation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import gdcourse as gd
from gdcourse import exercises, theory
from gdcourse.exercises import Number

NUMBERS = [one for name in exercises.CHAPTERS for one in exercises.chapter(name) if isinstance(one, Number)]


def limit(rule, problem, near):
    """The largest learning rate that converges on a problem, from runs on a fine grid around a value."""
    rates = near * np.arange(0.98, 1.02, 0.0005)
    run = gd.descend(rule(rates), problem, steps=6000, path=False)
    return rates[run.loss[-1] < 1e-6].max()


def ridge():
    run = gd.descend(gd.GradientDescent(0.1), gd.problems.Saddle(), [1.0, 1e-8], steps=300)
    return (run.theta[:, 1] >= 0.5).argmax()


def summed():
    """A least squares problem with 60 examples of curvature 1.25 in the mean, minimised as a sum."""
    return limit(gd.GradientDescent, gd.problems.Quadratic(60 * 1.25), 2 / 75)


def chunks():
    gradients = np.concatenate([np.full(20, 3.0), np.full(40, 6.0)])
    return gradients.mean()


def half_rate():
    return theory.stationary_variance(0.01, 1.0, 1.0) / theory.stationary_variance(0.02, 1.0, 1.0)


def half_error():
    variance = np.array([theory.minibatch_variance(1.0, n, 500) for n in range(1, 501)])
    return 1 + abs(variance - variance[24] / 4).argmin()


def passes():
    rows = torch.utils.data.TensorDataset(torch.zeros(1000, 1))
    return len(torch.utils.data.DataLoader(rows, batch_size=64, drop_last=False))


def steady():
    run = gd.descend(gd.Momentum(0.1, 0.9), gd.problems.Slope(1.0), start=0.0, steps=400)
    return abs(run.theta[-1] - run.theta[-2]).item() / 0.1


def overshoot():
    gammas = np.arange(0.78, 0.84, 0.0005)
    run = gd.descend(gd.Momentum(0.01, gammas), gd.problems.Quadratic(1.0), start=1.0, steps=4000)
    return gammas[(run.theta < 0).any(0)].min()


def same_as_descent():
    rates = np.arange(0.01, 0.4, 0.01)
    paths = [
        gd.descend(rule, gd.problems.Quadratic(4.0), start=1.0, steps=5).theta
        for rule in (gd.Nesterov(rates, 0.3), gd.Nesterov(rates, 0.9), gd.GradientDescent(rates))
    ]
    gap = abs(paths[0] - paths[2]).max(0) + abs(paths[1] - paths[2]).max(0)
    return rates[gap < 1e-12].item()


def distance():
    run = gd.descend(gd.Adagrad(0.1), gd.problems.Slope(10.0), start=0.0, steps=10_000, path=False)
    return abs(run.theta[-1]).item()


def first(rule, grad=7.0):
    theta, _ = rule.step(0.0, grad, rule.init(0.0, 0.0), rule.at(1))
    return abs(theta)


def never():
    betas = np.arange(0.5, 0.7, 0.001)
    adapts = np.array([(theory.rho(np.arange(1, 3000), beta) > 4).any() for beta in betas])
    return betas[~adapts].max()


def cycle():
    rule = gd.Lookahead(gd.GradientDescent(0.1), 5, 0.5)
    return gd.descend(rule, gd.problems.Quadratic(1.0), start=1.0, steps=5).theta[-1].item()


def edge():
    products = np.arange(2.2, 2.3, 0.001)
    run = gd.descend(gd.Lookahead(gd.GradientDescent(products)), gd.problems.Quadratic(1.0), 1.0, steps=5000)
    return products[abs(run.theta[-1]) < 1e-3].max()


MEASURED = {
    "gradient_descent.limit": lambda: limit(gd.GradientDescent, gd.problems.Quadratic([0.5, 3.0, 8.0]), 0.25),
    "gradient_descent.ridge": ridge,
    "batch.sum": summed,
    "batch.chunks": chunks,
    "stochastic.half_rate": half_rate,
    "mini_batch.half_error": half_error,
    "mini_batch.steps": passes,
    "momentum.steady": steady,
    "momentum.overshoot": overshoot,
    "nesterov.limit": lambda: limit(gd.Nesterov, gd.problems.ravine(20.0), 0.0679),
    "nesterov.none": same_as_descent,
    "adagrad.distance": distance,
    "rmsprop.first_step": lambda: first(gd.RMSProp(1.0, 0.9)),
    "rmsprop.half_life": lambda: theory.ema_half_life(0.9),
    "adadelta.first_step": lambda: first(gd.Adadelta(0.9, 1e-4)),
    "adam.no_correction": lambda: theory.adam_spike_step(1.0, 0.9, 0.999),
    "radam.never": never,
    "lookahead.speed": cycle,
    "lookahead.edge": edge,
}


def test_every_number_is_measured():
    assert {one.name for one in NUMBERS} == set(MEASURED)


@pytest.mark.parametrize("one", NUMBERS, ids=[one.name for one in NUMBERS])
def test_the_number_is_what_is_measured(one):
    assert one.judge(MEASURED[one.name]()).right, MEASURED[one.name]()


@pytest.mark.parametrize("one", NUMBERS, ids=[one.name for one in NUMBERS])
def test_no_known_wrong_number_is_near_the_right_one_or_another(one):
    values = [one.right, *(wrong.answer for wrong in one.wrong)]
    for i, value in enumerate(values):
        assert not [other for other in values[i + 1 :] if one.close(value, other)]


def test_the_choices_are_what_is_measured():
    doubled = gd.problems.LeastSquares(np.repeat(np.eye(3), 2, axis=0), np.repeat([1.0, 2.0, 3.0], 2))
    once = gd.problems.LeastSquares(np.eye(3), np.array([1.0, 2.0, 3.0]))
    paths = [gd.descend(gd.GradientDescent(0.5), p, np.zeros(3), steps=20).theta for p in (once, doubled)]
    assert abs(paths[0] - paths[1]).max() < 1e-12 and exercises.batch.twice.right == "b"

    draws = np.random.default_rng(0).integers(50, size=(20_000, 50))
    values = np.random.default_rng(1).normal(size=50)
    ratio = values[draws].mean(1).var() / values.var()
    assert ratio == pytest.approx(1 / 50, rel=0.05) and exercises.mini_batch.putting_back.right == "b"

    t = np.arange(1, 10**6 + 1)
    late = t > 10**5  # what is added from there on tells a sum that ends from one that does not
    meets = [bool(rate[late].sum() > 0.5 and (rate[late] ** 2).sum() < 0.01) for rate in
             (0.5 / t**0.5, 0.5 / t, 0.5 / t**2, 0.5 + 0 * t)]  # fmt: skip
    assert meets == [False, True, False, False] and exercises.stochastic.sums.right == "b"

    slopes = [2.0, -1.0, 3.0, 0.5, 1.0, -2.0]

    def moves(rule, factor):
        theta, state, path = 1.0, rule.init(1.0, 0.0), [1.0]
        for step, slope in enumerate(slopes, 1):
            theta, new = rule.step(theta, factor * slope, state, rule.at(step))
            state = {name: new[name] for name in state}
            path.append(theta)
        return np.diff(path)

    assert moves(gd.Adagrad(0.1, 1e-12), 1000) == pytest.approx(moves(gd.Adagrad(0.1, 1e-12), 1))
    assert exercises.adagrad.scale.right == "c"
    ratios = moves(gd.RAdam(0.1), 100) / moves(gd.RAdam(0.1), 1)
    assert ratios[:4] == pytest.approx(np.full(4, 100)) and ratios[4:] == pytest.approx(np.ones(2))
    assert exercises.radam.scale.right == "c"

    tenfold = gd.problems.Quadratic(1.0 / 100)  # θ = φ/10 in ½θ²
    plain, finer = (
        gd.descend(gd.GradientDescent(0.1), p, start=s, steps=1).theta
        for p, s in ((gd.problems.Quadratic(1.0), 1.0), (tenfold, 10.0))
    )
    assert (finer[1] - finer[0]) / (plain[1] - plain[0]) == pytest.approx(0.1)
    assert exercises.adadelta.unit.right == "c"

    products = np.array([1.99, 2.01])
    run = gd.descend(
        gd.Lookahead(gd.GradientDescent(products), 4), gd.problems.Quadratic(1.0), 1.0, steps=4000
    )
    assert list(abs(run.theta[-1]) < 1) == [True, False] and exercises.lookahead.even.right == "a"


def test_the_formulas_of_radam_are_the_theorys():
    (places,) = exercises.radam.rho.probes
    (trace,) = exercises.radam.rho.traces(exercises.radam.rho.solution)
    assert list(trace.values) == pytest.approx([float(theory.rho(**place)) for place in places])
    for t in (6, 10, 100, 1000):
        names = {"rho_t": float(theory.rho(t)), "rho_inf": float(theory.rho_inf())}
        assert eval(exercises.radam.r.solution, names) == pytest.approx(float(theory.rectification(t)))
