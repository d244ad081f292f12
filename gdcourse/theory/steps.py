"""How long a step can be: what Adadelta's and Adam's first steps, largest steps and typical steps are."""

from __future__ import annotations

from math import erf, sqrt
from typing import Any

import numpy as np

from gdcourse.rules import ratio

Floats = Any
"""A number, or an array of numbers; results have the shape to which the arguments broadcast."""


def adadelta_first_step(gamma: Floats = 0.95, eps: Floats = 1e-6, grad: Floats = np.inf) -> Floats:
    """|Δθ_1| of Adadelta: √(ε / (1 − γ + ε/g²)), which is near √(ε/(1 − γ)) for gradients far above that.

    Parameters
    ----------
    gamma, eps : γ in [0, 1) and ε > 0. Defaults 0.95 and 1e-6.
    grad : g_1. Default: infinite, the limit of large gradients. Far below √(ε/(1 − γ)) the step is |g_1|.
    """
    g2 = np.square(np.asarray(grad, dtype=float))
    with np.errstate(divide="ignore"):
        return np.sqrt(eps / (1 - gamma + eps / g2))


def adam_first_step(lr: Floats, grad: Floats, eps: Floats = 1e-8) -> Floats:
    """|Δθ_1| of Adam: η|g|/(|g| + ε), which is near η for every gradient far above ε, and 0 where there is
    no gradient. It depends neither on β₁ nor on β₂."""
    return ratio(lr * np.abs(grad), np.abs(grad) + eps)


def adam_spike_step(lr: Floats, beta1: Floats = 0.9, beta2: Floats = 0.999) -> Floats:
    """|Δθ_t| of Adam when, after many gradients of 0, one is not, for late t and negligible ε:
    η(1 − β₁)/√(1 − β₂); 3.16 η by default.

    Kingma and Ba (2015), section 2.1, give it as a bound. It is not one: see `adam_largest_step`.
    """
    return lr * (1 - beta1) / np.sqrt(1 - beta2)


def adam_largest_step(lr: Floats, beta1: Floats = 0.9, beta2: Floats = 0.999) -> Floats:
    """The supremum of Adam's |Δθ_t| over all sequences of gradients, for late t and negligible ε:
    η(1 − β₁)/√((1 − β₂)(1 − β₁²/β₂)); 7.27 η by default. Infinite where β₁² ≥ β₂ and β₁ is not 0.

    By Cauchy and Schwarz: m = (1 − β₁) Σ β₁ⁱ g_{t−i} and v = (1 − β₂) Σ β₂ⁱ g²_{t−i}, so
    m²/v ≤ (1 − β₁)²/(1 − β₂) · Σ (β₁²/β₂)ⁱ. Gradients that grow by β₂/β₁ a step come as near as one likes.
    """
    beta1 = np.asarray(beta1, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        fading = np.where(beta1 == 0, 0.0, np.square(beta1) / np.asarray(beta2, dtype=float))
        room = np.maximum(1 - fading, 0.0)
        return adam_spike_step(lr, beta1, beta2) / np.sqrt(room)


def adam_noise_rms(beta1: Floats = 0.9, t: Floats = np.inf) -> Floats:
    """The root mean square of m̂_t/√v̂_t, Adam's step in units of η, when gradients are nothing but noise:
    √((1 − β₁)(1 + β₁ᵗ) / ((1 + β₁)(1 − β₁ᵗ))). It falls from 1 at t = 1 to √((1 − β₁)/(1 + β₁)).

    Parameters
    ----------
    beta1 : β₁. Default 0.9.
    t : the step, from 1. Default: infinite.

    Exact for independent Gaussian gradients of mean 0 and one variance as β₂ → 1.
    """
    fading = np.power(beta1, t)
    return np.sqrt((1 - beta1) * (1 + fading) / ((1 + beta1) * (1 - fading)))


def sign_mean_step(snr: Floats, gamma: Floats = 0.0) -> Floats:
    """The mean of sign m, signSGD's step in units of η, along a gradient g that comes with Gaussian noise of
    standard deviation σ, independent from step to step: erf(g/σ · √((1 + γ)/(1 − γ)) / √2), late in a run.

    Parameters
    ----------
    snr : g/σ, the signal-to-noise ratio of one gradient; of a batch of n it is √n times as large.
    gamma : γ in [0, 1). Default 0, the sign of the gradient itself. An average of decay γ divides the noise's
        variance by (1 + γ)/(1 − γ).

    For noise that is small beside g it is 1, for large noise √(2/π) snr without an average.
    """
    gamma = np.asarray(gamma, dtype=float)
    clear = np.asarray(snr, dtype=float) * np.sqrt((1 + gamma) / (1 - gamma))
    return np.vectorize(erf, otypes=[float])(clear / sqrt(2))[()]


def ema_half_life(beta: Floats) -> Floats:
    """How many steps halve a value's weight in a moving average of decay β: −ln 2/ln β. 0 where nothing is
    kept, infinite where everything is.

    Parameters
    ----------
    beta : β in [0, 1].
    """
    with np.errstate(divide="ignore"):
        return np.log(2) / (0.0 - np.log(beta))  # 0 − 0, not −0, or β = 1 would give −∞
