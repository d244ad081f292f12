"""Sums over examples: what a batch is, and that a pass over the batches is the full gradient."""

import numpy as np
import pytest
import torch

from gdcourse.problems import LeastSquares, LogisticRegression

RNG = np.random.default_rng(4)
X = RNG.standard_normal((12, 3))
Y = RNG.standard_normal(12)
SUMS = [LeastSquares(X, Y), LogisticRegression(X, np.sign(Y))]


@pytest.mark.parametrize("batch", [1, 3, 5, 12])
def test_each_example_once_in_a_pass(batch):
    per_pass = 12 // batch
    picks = SUMS[0].with_batch(batch).draw(np.random.default_rng(0), 3 * per_pass)
    assert picks.shape == (3 * per_pass, batch)
    orders = set()
    for one in np.split(picks, 3):
        assert len(np.unique(one)) == one.size == per_pass * batch
        orders.add(tuple(one.ravel()))
    assert len(orders) == 3, "every pass is shuffled anew"


def test_steps_need_not_fill_a_pass():
    picks = SUMS[0].with_batch(5).draw(np.random.default_rng(0), 3)
    assert picks.shape == (3, 5) and len(np.unique(picks[:2])) == 10
    assert SUMS[0].draw(np.random.default_rng(0), 3) is None


@pytest.mark.parametrize("problem", SUMS, ids=lambda p: p.name)
@pytest.mark.parametrize("batch", [1, 4, 12])
@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_the_mean_over_a_pass_is_the_full_gradient(problem, batch, kind):
    theta = RNG.standard_normal((2, 3)) if kind == "numpy" else torch.tensor(RNG.standard_normal((2, 3)))
    batched = problem.with_batch(batch)
    picks = batched.draw(np.random.default_rng(1), 12 // batch)
    mean = sum(batched.grad(theta, sample) for sample in picks) / len(picks)
    np.testing.assert_allclose(mean, batched.grad(theta), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(batched.grad(theta), problem.grad(theta), rtol=1e-14)
    if batch < 12:
        assert not np.allclose(batched.grad(theta, picks[0]), batched.grad(theta))


def test_a_batch_gradient_is_the_mean_of_its_examples_gradients():
    problem, theta = SUMS[0].with_batch(4), np.array([0.3, -1.0, 2.0])
    sample = np.array([7, 2, 9, 0])
    by_hand = np.mean([(X[i] @ theta - Y[i]) * X[i] for i in sample], axis=0)
    np.testing.assert_allclose(problem.grad(theta, sample), by_hand, rtol=1e-13)


def test_every_run_may_have_its_own_batch():
    problem, theta = SUMS[1].with_batch(2), RNG.standard_normal((4, 5, 3))
    samples = RNG.integers(0, 12, (5, 2))
    grads = problem.grad(theta, samples)
    for j in range(5):
        np.testing.assert_allclose(grads[:, j], problem.grad(theta[:, j], samples[j]), rtol=1e-13)


def test_losses_by_hand():
    theta = np.array([0.3, -1.0, 2.0])
    assert SUMS[0].loss(theta) == pytest.approx(np.mean(0.5 * (X @ theta - Y) ** 2), rel=1e-14)
    assert SUMS[1].loss(theta) == pytest.approx(
        np.mean(np.log1p(np.exp(-np.sign(Y) * (X @ theta)))), rel=1e-13
    )


def test_logistic_regression_does_not_overflow():
    problem = LogisticRegression(np.array([[1.0], [1.0]]), np.array([1, -1]))
    with np.errstate(over="raise", invalid="raise"):
        assert problem.loss(np.array([2000.0])) == 1000
        assert problem.grad(np.array([2000.0])) == pytest.approx([0.5])


def test_least_squares_minimum():
    best = SUMS[0].minimum
    np.testing.assert_allclose(SUMS[0].grad(best), 0, atol=1e-14)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: LeastSquares(X[0], Y), r"X must be \(N, d\) and y \(N,\), got \(3,\) and \(12,\)"),
        (lambda: LeastSquares(X, Y[:-1]), r"got \(12, 3\) and \(11,\)"),
        (lambda: LeastSquares(X, Y, 0), "batch must be a whole number from 1 to N = 12, got 0"),
        (lambda: LeastSquares(X, Y, 13), "batch must be .* got 13"),
        (lambda: LeastSquares(X, Y, 2.0), "batch must be .* got 2.0"),
        (lambda: SUMS[0].with_batch(-1), "batch must be .* got -1"),
        (lambda: LogisticRegression(X, Y), "y must hold −1 and \\+1 only"),
        (lambda: LogisticRegression(X, (Y > 0).astype(float)), "y must hold −1 and \\+1 only"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
