"""Gradients that come from a list, or from noise, wherever θ is."""

import numpy as np

import gdcourse as gd


def test_a_replayed_gradient_is_the_one_that_was_written_down():
    written = np.array([1.0, -2.0, 4.0])
    run = gd.descend(gd.GradientDescent(lr=0.5), gd.problems.Replay(written), start=7.0, steps=3)
    assert np.allclose(run.theta, 7.0 - 0.5 * np.cumsum([0.0, *written]))
    assert not run.loss.any()


def test_noise_is_standard_normal_and_each_runs_own():
    run = gd.descend(gd.GradientDescent(lr=1.0), gd.problems.Noise(), steps=50, seed=np.arange(400))
    steps = -np.diff(run.theta, axis=0)
    assert abs(steps.mean()) < 0.03 and abs(steps.var() - 1) < 0.05
    assert abs(np.corrcoef(steps[:, 0], steps[:, 1])[0, 1]) < 0.5
    assert not np.allclose(steps[:, 0], steps[:, 1])


def test_larger_noise_is_the_same_noise_larger():
    scale = np.array([[0.01], [1.0], [100.0]])
    run = gd.descend(
        gd.GradientDescent(lr=1.0), gd.problems.Noise(scale), np.zeros((3, 5)), steps=20, seed=np.arange(5)
    )
    assert np.allclose(run.theta / scale, run.theta[:, 1:2])
    one = gd.descend(
        gd.GradientDescent(lr=1.0), gd.problems.Noise(), np.zeros(5), steps=20, seed=np.arange(5)
    )
    assert np.allclose(run.theta[:, 1], one.theta)


def test_a_rare_gradient_is_large_as_often_as_it_says_and_the_others_are_minus_one():
    every, large = np.array([[4.0], [50.0]]), np.array([[7.0], [149.0]])
    slope = gd.problems.Rare(every, large)
    run = gd.descend(gd.GradientDescent(lr=1.0), slope, np.zeros((2, 200)), steps=500, seed=np.arange(200))
    for grad, n, size in zip(np.moveaxis(run.grad, 1, 0), every.ravel(), large.ravel(), strict=True):
        assert set(np.unique(grad)) == {size, -1.0}
        assert abs((grad == size).mean() * n - 1) < 0.1
        assert abs(grad.mean() - ((size + 1) / n - 1)) < 0.2
    assert not np.array_equal(run.grad[:, 0, 0], run.grad[:, 0, 1])
