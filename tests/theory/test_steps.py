"""How long Adadelta's and Adam's steps are, measured on the rules themselves."""

import numpy as np
import pytest

import gdcourse as gd
from gdcourse import theory


def step_lengths(rule, gradients):
    """|Δθ_t| for a given sequence of gradients; axes after the first are independent runs."""
    theta = np.zeros_like(gradients[0])
    state = rule.init(theta, np.zeros_like(theta))
    lengths = []
    for t, g in enumerate(gradients, start=1):
        new_theta, state = rule.step(theta, g, state, rule.at(t))
        lengths.append(np.abs(new_theta - theta))
        theta = new_theta
    return np.array(lengths)


def test_adadelta_first_step():
    grads = np.array([1e-9, 1e-3, 1.0, 1e6])
    seen = step_lengths(gd.Adadelta(gamma=0.9, eps=1e-5), grads[None])[0]
    np.testing.assert_allclose(seen, theory.adadelta_first_step(0.9, 1e-5, grads), rtol=1e-12)
    assert seen[3] == pytest.approx(theory.adadelta_first_step(0.9, 1e-5), rel=1e-9)
    assert theory.adadelta_first_step(grad=0.0) == 0
    assert theory.adadelta_first_step() == pytest.approx(4.472e-3, rel=1e-4)


@pytest.mark.parametrize("beta1, beta2", [(0.9, 0.999), (0.0, 0.5)])
def test_adam_first_step(beta1, beta2):
    grads = np.array([-1e4, 1e-8, 0.0, 3.0])
    seen = step_lengths(gd.Adam(0.2, beta1, beta2), grads[None])[0]
    np.testing.assert_allclose(seen, theory.adam_first_step(0.2, grads), rtol=1e-12)


@pytest.mark.parametrize("beta1, beta2", [(0.9, 0.999), (0.5, 0.9)])
def test_adam_after_a_lone_spike(beta1, beta2):
    quiet = int(25 / (1 - beta2))  # until both bias corrections are 1 to 1e-10
    seen = step_lengths(gd.Adam(0.1, beta1, beta2, eps=0.0), np.r_[np.full(quiet, 1e-100), 1.0][:, None])[
        -1, 0
    ]
    assert seen == pytest.approx(theory.adam_spike_step(0.1, beta1, beta2), rel=1e-9)


@pytest.mark.parametrize("beta1, beta2", [(0.9, 0.999), (0.5, 0.9)])
def test_adam_largest_step_is_attained_and_not_passed(beta1, beta2):
    bound = theory.adam_largest_step(0.1, beta1, beta2)
    # gradients that grow by β₂/β₁ a step; the late start makes the bias corrections 1
    quiet, grow = int(25 / (1 - beta2)), 300
    growing = np.r_[np.full(quiet, 1e-100), (beta2 / beta1) ** np.arange(-grow, 1.0)]
    attained = step_lengths(gd.Adam(0.1, beta1, beta2, eps=0.0), growing[:, None])[-1, 0]
    assert attained == pytest.approx(bound, rel=1e-6)
    assert attained > 1.1 * theory.adam_spike_step(0.1, beta1, beta2)
    rng = np.random.default_rng(0)
    wild = np.concatenate([np.full((quiet, 500), 1e-100), rng.standard_cauchy((40, 500)) ** 3])
    assert step_lengths(gd.Adam(0.1, beta1, beta2, eps=0.0), wild).max() < bound


def test_adam_has_no_largest_step_when_its_mean_remembers_longer():
    assert np.isinf(theory.adam_largest_step(0.1, 0.9, 0.81))
    seen = step_lengths(gd.Adam(1.0, 0.9, 0.2, eps=0.0), np.r_[1e8, np.full(19, 1e-8)][:, None])[-1, 0]
    assert seen > 1e4


def test_adam_on_noise_alone():
    """β₂ near 1, 40,000 runs. A squared ratio ≤ t has a standard error below √(2/R) of its mean, and
    √ halves it: five of them are 1.8 %."""
    beta1, runs = 0.9, 40_000
    gradients = np.random.default_rng(1).standard_normal((60, runs))
    rms = (step_lengths(gd.Adam(1.0, beta1, 1 - 1e-9, eps=0.0), gradients) ** 2).mean(1) ** 0.5
    np.testing.assert_allclose(
        rms, theory.adam_noise_rms(beta1, np.arange(1, 61)), rtol=2.5 * (2 / runs) ** 0.5
    )
    assert theory.adam_noise_rms(beta1) == pytest.approx((1 / 19) ** 0.5)
    assert theory.adam_noise_rms(beta1, 1) == pytest.approx(1.0)


def test_half_life_by_counting():
    for beta in (0.5, 0.9, 0.999):
        weights = (1 - beta) * beta ** np.arange(1000)
        half_life = theory.ema_half_life(beta)
        assert np.interp(half_life, np.arange(1000), np.log(weights / weights[0])) == pytest.approx(
            np.log(0.5)
        )


def test_at_the_ends_of_what_is_allowed_there_is_a_number_and_no_warning(recwarn):
    assert theory.ema_half_life(0.0) == 0 and theory.ema_half_life(1.0) == np.inf
    np.testing.assert_array_equal(theory.ema_half_life(np.array([0.0, 0.5])), [0.0, 1.0])
    assert theory.adam_first_step(0.1, 0.0, eps=0.0) == 0
    rule = gd.Adam(0.1, beta1=0.0, beta2=0.0, eps=0.0)  # the sign of the gradient
    seen = step_lengths(rule, np.array([[2.0], [-5.0], [1.0]]))
    np.testing.assert_allclose(seen.max(), theory.adam_largest_step(0.1, 0.0, 0.0), rtol=1e-12)
    assert theory.adam_largest_step(0.1, 0.9, 0.0) == np.inf
    assert not recwarn.list


@pytest.mark.parametrize("gamma", [0.0, 0.9])
def test_mean_step_of_the_sign_of_a_noisy_gradient(gamma):
    snr, draws, late = np.array([0.05, 0.3, 2.0]), 4000, 100
    noise = np.random.default_rng(0).standard_normal((late + 40, draws))
    rule = gd.SignSGD(1.0, gamma)
    theta, state = np.zeros((3, draws)), rule.init(0.0, 0.0)
    for t, g in enumerate(noise, start=1):
        at = theta
        theta, state = rule.step(theta, snr[:, None] + g, state, rule.at(t))
        if t == late:
            begun = at
    mean = (begun - theta).mean(-1) / (len(noise) - late + 1)
    np.testing.assert_allclose(mean, theory.sign_mean_step(snr, gamma), atol=0.02)
    assert theory.sign_mean_step(1e-6, gamma) == pytest.approx(
        np.sqrt(2 / np.pi) * 1e-6 * np.sqrt((1 + gamma) / (1 - gamma))
    )
