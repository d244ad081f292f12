"""Noiseless quadratics: how fast gradient descent, momentum and Nesterov's method shrink the error,
and below which learning rate they converge.

On J(θ) = ½ Σ h_i θ_i² every direction runs by itself. Two numbers describe the whole bowl: μ, the
smallest curvature h_i, and L, the largest; κ = L/μ is its condition number. A *rate* is the factor
by which |θ − θ*| shrinks at each step in the long run, from a start that has a part in the slowest
direction; below 1 the method converges. Curvatures are above 0 and have
units of J over θ², learning rates the inverse; rates, γ and κ have none.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Floats = Any
"""A number, or an array of numbers; results have the shape to which the arguments broadcast."""


def gd_rate(lr: Floats, curvatures: Floats) -> Floats:
    """Gradient descent's rate, max_i |1 − η h_i|.

    Parameters
    ----------
    lr : η, any shape.
    curvatures : h, a number, or shape ``(…, d)``: the slowest of the d directions decides.
    """
    return np.abs(1 - _each_direction(lr) * _directions(curvatures)).max(-1)


def gd_stability_limit(L: Floats) -> Floats:
    """2/L: gradient descent converges on a quadratic for 0 < η below this, and diverges above; at 2/L itself
    it oscillates for ever in the steepest direction."""
    return 2 / L


def gd_best_lr(mu: Floats, L: Floats) -> Floats:
    """2/(μ + L), the η at which the steepest and the flattest direction are equally slow.

    Source: Nesterov (2004), Theorem 2.1.15; Polyak (1964).
    """
    return 2 / (mu + L)


def gd_best_rate(kappa: Floats) -> Floats:
    """(κ − 1)/(κ + 1), gradient descent's rate at its best η."""
    return (kappa - 1) / (kappa + 1)


def momentum_matrix(lr: Floats, gamma: Floats, curvature: Floats) -> np.ndarray:
    """M of (θ_t, θ_{t−1}) = M (θ_{t−1}, θ_{t−2}), momentum in one direction, a matrix of shape ``(…, 2, 2)``.

    From θ_t = θ_{t−1} − η h θ_{t−1} + γ (θ_{t−1} − θ_{t−2}). Its largest eigenvalue, in absolute value, is
    the rate. Source: Polyak (1964); Goh (2017), "Why momentum really works".
    """
    return _companion(1 + gamma - lr * curvature, gamma)


def nesterov_matrix(lr: Floats, gamma: Floats, curvature: Floats) -> np.ndarray:
    """As `momentum_matrix`, for Nesterov's method: in a direction of curvature h it is momentum with
    γ (1 − η h) in place of γ.

    Source: Sutskever et al. (2013), Theorem 2.1.
    """
    return momentum_matrix(lr, gamma * (1 - lr * curvature), curvature)


def momentum_rate(lr: Floats, gamma: Floats, curvatures: Floats) -> Floats:
    """Momentum's rate: the largest spectral radius of `momentum_matrix` over all directions.

    Where the eigenvalues are complex in all directions it is √γ and does not depend on η.

    Parameters
    ----------
    lr, gamma : η and γ, any shapes that broadcast: ``lr[:, None], gamma[None, :]`` gives a phase diagram.
    curvatures : h, a number, or shape ``(…, d)``: the slowest of the d directions decides.
    """
    lr, gamma, h = _each_direction(lr), _each_direction(gamma), _directions(curvatures)
    return _spectral_radius(1 + gamma - lr * h, gamma).max(-1)


def momentum_stability_limit(gamma: Floats, L: Floats) -> Floats:
    """2(1 + γ)/L: momentum converges on a quadratic for 0 < η below this, and diverges above."""
    return 2 * (1 + gamma) / L


def momentum_best(mu: Floats, L: Floats) -> tuple[Floats, Floats]:
    """The pair (η, γ) of the smallest rate: η = (2/(√L + √μ))², γ = ((√L − √μ)/(√L + √μ))².

    Source: Polyak (1964); Goh (2017).
    """
    root_mu, root_L = np.sqrt(mu), np.sqrt(L)
    return (2 / (root_L + root_mu)) ** 2, ((root_L - root_mu) / (root_L + root_mu)) ** 2


def momentum_best_rate(kappa: Floats) -> Floats:
    """(√κ − 1)/(√κ + 1), momentum's rate at its best η and γ. No square: that is the best γ."""
    return (np.sqrt(kappa) - 1) / (np.sqrt(kappa) + 1)


def nesterov_rate(lr: Floats, gamma: Floats, curvatures: Floats) -> Floats:
    """As `momentum_rate`, for Nesterov's method with a constant γ."""
    lr, gamma, h = _each_direction(lr), _each_direction(gamma), _directions(curvatures)
    return _spectral_radius((1 + gamma) * (1 - lr * h), gamma * (1 - lr * h)).max(-1)


def nesterov_stability_limit(gamma: Floats, L: Floats) -> Floats:
    """2(1 + γ)/((1 + 2γ)L): smaller than momentum's for γ > 0."""
    return 2 * (1 + gamma) / ((1 + 2 * gamma) * L)


def nesterov_best(mu: Floats, L: Floats) -> tuple[Floats, Floats]:
    """The pair (η, γ), γ constant, of the smallest rate on a quadratic:
    η = 4/(3L + μ), γ = (s − 2)/(s + 2) with s = √(3κ + 1).

    Source: Lessard, Recht and Packard (2016), Proposition 1.
    """
    s = np.sqrt(3 * L / mu + 1)
    return 4 / (3 * L + mu), (s - 2) / (s + 2)


def nesterov_best_rate(kappa: Floats) -> Floats:
    """1 − 2/√(3κ + 1), Nesterov's rate at its best constant η and γ. Source: as `nesterov_best`."""
    return 1 - 2 / np.sqrt(3 * kappa + 1)


def best_rates(kappa: float) -> dict[str, float]:
    """Each method's smallest rate on a quadratic of condition number κ ≥ 1, its constants tuned."""
    return {
        "gradient descent": float(gd_best_rate(kappa)),
        "momentum": float(momentum_best_rate(kappa)),
        "Nesterov": float(nesterov_best_rate(kappa)),
    }


def adam_stability_limit(lr: Floats, beta1: Floats = 0.9) -> Floats:
    """2(1 + β₁)/((1 − β₁)η), the curvature, measured in Adam's own scaled coordinates, below which Adam with
    a denominator that no longer changes is stable on a quadratic: 38/η at β₁ = 0.9.

    The curvature is the top eigenvalue of P⁻¹H with P = diag(√v̂ + ε). Source: Cohen et al. (2022),
    "Adaptive gradient methods at the edge of stability".
    """
    return 2 * (1 + beta1) / ((1 - beta1) * lr)


def _each_direction(setting: Floats) -> np.ndarray:
    return np.asarray(setting, dtype=float)[..., None]


def _directions(curvatures: Floats) -> np.ndarray:
    return np.atleast_1d(np.asarray(curvatures, dtype=float))


def _companion(trace: Floats, det: Floats) -> np.ndarray:
    trace, det = np.broadcast_arrays(np.asarray(trace, dtype=float), np.asarray(det, dtype=float))
    top = np.stack([trace, -det], -1)
    return np.stack([top, np.broadcast_to([1.0, 0.0], top.shape)], -2)


def _spectral_radius(trace: np.ndarray, det: np.ndarray) -> np.ndarray:
    """The larger |z| of z² − trace·z + det = 0."""
    trace, det = np.broadcast_arrays(trace, det)
    inside = trace**2 - 4 * det
    real = (np.abs(trace) + np.sqrt(np.maximum(inside, 0))) / 2
    return np.where(inside >= 0, real, np.sqrt(np.maximum(det, 0)))
