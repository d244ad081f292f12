"""Noisy gradients: how far from the minimum a constant learning rate keeps θ, and what a larger batch,
Adagrad's denominator or Lookahead's averaging change about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

Floats = Any
"""A number, or an array of numbers; results have the shape to which the arguments broadcast."""


def stationary_variance(lr: Floats, curvature: Floats, noise: Floats, gamma: Floats = 0.0) -> Floats:
    """Var θ_t for t → ∞ on J(θ) = ½hθ² with gradients hθ + σξ, where ξ has variance 1 and depends neither on
    θ nor on the ξ of other steps: ησ²(1 + γ) / (h(1 − γ)(2(1 + γ) − ηh)).

    Parameters
    ----------
    lr : η, below the stability limit 2(1 + γ)/h; infinite from there on.
    curvature : h > 0.
    noise : σ, the standard deviation of the gradient's noise.
    gamma : γ of momentum in the slide's form. Default 0: stochastic gradient descent, ησ²/(h(2 − ηh)).

    Source: Mandt, Hoffman and Blei (2017) to first order in η; exact from the recursion's own second moments.
    """
    room = 2 * (1 + gamma) - lr * curvature
    with np.errstate(divide="ignore"):
        variance = lr * np.square(noise) * (1 + gamma) / (curvature * (1 - gamma) * np.maximum(room, 0.0))
    return variance


def sgd_moments(
    rates: Floats, curvature: Floats, noise: Floats, start: Floats = 1.0
) -> Iterator[tuple[Floats, Floats]]:
    """E θ_t and Var θ_t, one pair after the other for t = 0, 1, …, T, of stochastic gradient descent whose
    learning rate at step t is η_t, on J(θ) = ½hθ² with gradients hθ + σξ as in `stationary_variance`.

    E θ_t = (1 − η_t h) E θ_{t−1} and Var θ_t = (1 − η_t h)² Var θ_{t−1} + η_t² σ². So the expected loss,
    ½h(E θ_t)² + ½h Var θ_t, has two parts: the way that is left, and noise.

    Parameters
    ----------
    rates : η_1, …, η_T along the first axis; the others broadcast with the curvatures.
    curvature : h ≥ 0.
    noise : σ, the standard deviation of the gradient's noise.
    start : θ_0. Default 1.

    Source: Wu, Ren, Liao and Grosse (2018), Theorem 1, without momentum.

    Examples
    --------
    >>> from gdcourse import theory
    >>> for mean, variance in theory.sgd_moments([0.5, 0.25], curvature=1.0, noise=2.0):
    ...     print(f"{mean:.4f} {variance:.4f}")
    1.0000 0.0000
    0.5000 1.0000
    0.3750 0.8125
    """
    rates = np.asarray(rates, float)
    shapes = (rates.shape[1:], *(np.shape(one) for one in (curvature, noise, start)))
    mean = start + np.zeros(np.broadcast_shapes(*shapes))
    variance = 0.0 * mean
    yield mean, variance
    for rate in rates:
        shrink = 1 - rate * curvature
        mean, variance = shrink * mean, shrink**2 * variance + np.square(rate * noise)
        yield mean, variance


def averaged_moments(
    rates: Floats, curvature: Floats, noise: Floats, start: Floats = 1.0, first: int = 1
) -> Iterator[tuple[Floats, Floats]]:
    """Mean and variance of the average (θ_first + … + θ_t)/(t − first + 1), for t = first, …, T, along the
    path of `sgd_moments`.

    The errors of two steps go together, the more the nearer they are: Cov(θ_s, θ_t) is Var θ_s times the
    product of 1 − η_i h over i = s + 1, …, t.

    Parameters
    ----------
    rates, curvature, noise, start : as for `sgd_moments`.
    first : the first step whose θ is averaged, from 0, the start. Default 1.
    """
    rates = np.asarray(rates, float)
    total = spread = shared = 0.0  # the sum's mean, its variance, and its covariance with the last θ
    for t, (mean, variance) in enumerate(sgd_moments(rates, curvature, noise, start)):
        if t < first:
            continue
        if t > first:
            shared = shared * (1 - rates[t - 1] * curvature)
        total, spread, shared = total + mean, spread + 2 * shared + variance, shared + variance
        count = t - first + 1
        yield total / count, spread / count**2


def schedule_free_moments(
    lr: Floats, curvature: Floats, noise: Floats, beta: Floats, steps: int, start: Floats = 1.0
) -> Iterator[tuple[Floats, Floats]]:
    """E θ_t and Var θ_t, one pair after the other for t = 0, 1, …, T, of `gdcourse.ScheduleFreeSGD`, whose θ
    is the average, on J(θ) = ½hθ² with gradients hθ + σξ as in `stationary_variance`.

    With z the fast weights, y = z + β(θ − z) and c_t = 1/t: z ← z − η(hy + σξ), θ ← θ + c_t(z − θ). Both are
    linear in z, θ and ξ, so that means and second moments obey recursions of their own. The mean does not
    depend on σ, and the variance goes with σ².

    Parameters
    ----------
    lr : η, constant.
    curvature : h ≥ 0.
    noise : σ, the standard deviation of the gradient's noise.
    beta : β from 0, the plain average of z, up to 1.
    steps : T.
    start : θ_0. Default 1.

    Examples
    --------
    With β = 0, z walks as stochastic gradient descent does, and θ is the mean of z_1, z_2, …

    >>> from gdcourse import theory
    >>> for mean, variance in theory.schedule_free_moments(0.5, 1.0, 2.0, beta=0.0, steps=2):
    ...     print(f"{mean:.4f} {variance:.4f}")
    1.0000 0.0000
    0.5000 1.0000
    0.3750 0.8125
    """
    shape = np.broadcast_shapes(*(np.shape(one) for one in (lr, curvature, noise, beta, start)))
    fast = mean = start + np.zeros(shape)
    of_fast = shared = variance = np.zeros(shape)  # Var z, Cov(z, θ), Var θ
    yield mean, variance
    keeps, pull = 1 - lr * curvature * (1 - beta), lr * curvature * beta
    for t in range(1, steps + 1):
        c = 1 / t
        fast = keeps * fast - pull * mean
        crossed = keeps * shared - pull * variance  # Cov of the new z and the old θ
        of_fast = keeps**2 * of_fast - 2 * keeps * pull * shared + pull**2 * variance + np.square(lr * noise)
        variance = (1 - c) ** 2 * variance + 2 * c * (1 - c) * crossed + c**2 * of_fast
        shared = (1 - c) * crossed + c * of_fast
        mean = mean + c * (fast - mean)
        yield mean, variance


def minibatch_variance(sigma2: Floats, n: Floats, N: Floats) -> Floats:
    """The variance of a mini-batch's mean gradient around the full one: (σ²/n)(N − n)/N.

    Parameters
    ----------
    sigma2 : σ², the variance of the N examples' gradients, with N − 1 in its denominator
        (``np.var(…, ddof=1)``).
    n : examples in the mini-batch, drawn without replacement; n = N leaves no variance.
    N : examples in all.

    Source: simple random sampling, such as Cochran (1977), Theorem 2.2.
    """
    return sigma2 / n * (N - n) / N


def adagrad_effective_lr(lr: Floats, sigma: Floats, t: Floats) -> Floats:
    """η/(σ√t), Adagrad's η/√G_t after t gradients of mean square σ² each.

    Where the gradients die out so fast that Σ g² stays finite, as on a bowl without noise, the learning rate
    settles above 0 instead.

    Parameters
    ----------
    lr, sigma : η and σ > 0.
    t : the step, from 1.
    """
    return lr / (sigma * np.sqrt(t))


def lookahead_variance_ratio(alpha: Floats, lr: Floats, curvature: Floats, k: Floats) -> Floats:
    """The stationary variance of Lookahead's slow weights over that of its inner SGD alone at the same η:
    α(1 + a)/(2 − α(1 − a)) with a = (1 − ηh)^k. On J(θ) = ½hθ², with noise that does not depend on θ.

    Parameters
    ----------
    alpha : α in (0, 1].
    lr : η of the inner SGD, below 2/h.
    curvature : h > 0.
    k : the synchronisation period.

    Source: Zhang, Lucas, Hinton and Ba (2019), Proposition 2, simplified.
    """
    a = (1 - lr * curvature) ** k
    return alpha * (1 + a) / (2 - alpha * (1 - a))
