"""RAdam's schedule: how many gradients Adam's denominator is worth (ρ_t), how much its inverse scatters,
and the factor r_t that makes up for it.

ρ_t, r_t and the decision to adapt are those that the rule itself computes: `gdcourse.RAdam.at`.
"""

from __future__ import annotations

from itertools import count
from math import lgamma
from typing import Any

import numpy as np

from gdcourse.rules import RAdam

Floats = Any
"""A number, or an array of numbers; results have the shape to which the arguments broadcast."""


def rho_inf(beta2: Floats = 0.999) -> Floats:
    """ρ_∞ = 2/(1 − β₂) − 1, to which ρ_t grows; without unit."""
    return RAdam(beta2=beta2).rho_inf


def rho(t: Floats, beta2: Floats = 0.999) -> Floats:
    """ρ_t, the length of a plain average with the centre of gravity of v̂_t, at t = 1, 2, …; without unit."""
    return RAdam(beta2=beta2).at(t)["rho"]


def rectification(t: Floats, beta2: Floats = 0.999, threshold: Floats = 4) -> Floats:
    """r_t in (0, 1), by which RAdam shortens an adapted step; NaN at the steps that it does not adapt."""
    at = RAdam(beta2=beta2, threshold=threshold).at(t)
    return np.where(at["rectify"], at["r"], np.nan)[()]


def first_rectified_step(beta2: float = 0.999, threshold: float = 4) -> int | None:
    """The first step t that RAdam adapts; None where ρ_∞ keeps below the threshold and there is none."""
    rule = RAdam(beta2=beta2, threshold=threshold)
    if rule.rho_inf <= max(threshold, 4):
        return None
    return next(t for t in count(1) if rule.at(t)["rectify"])


def inverse_root_variance(rho: Floats) -> Floats:
    """Var(1/√v̂) for gradients of variance 1, where v̂ is the mean of ρ squared normal numbers:
    ρ/(ρ − 2) − (ρ/2) [Γ((ρ − 1)/2)/Γ(ρ/2)]². Infinite for ρ ≤ 2, and finite from there on.

    Parameters
    ----------
    rho : ρ > 0, not necessarily whole.

    Source: Liu et al. (2020), who have this closed form, under their model that 1/v̂ is a scaled inverse
    χ² variable, for ρ > 4. The moments that it consists of are finite for ρ > 2.
    """
    return np.vectorize(_exact_variance, otypes=[float])(rho)[()]


def inverse_root_variance_delta(rho: Floats) -> Floats:
    """The same to first order (the delta method), ρ/(2(ρ − 2)(ρ − 4)): infinite for ρ ≤ 4, which is where
    RAdam's threshold comes from. Source: Liu et al. (2020), section 4.
    """
    rho = np.asarray(rho, dtype=float)
    known = rho > 4
    safe = np.where(known, rho, 5.0)
    return np.where(known, safe / (2 * (safe - 2) * (safe - 4)), np.inf)[()]


def _exact_variance(rho: float) -> float:
    if rho <= 2:
        return np.inf
    log_ratio = lgamma((rho - 1) / 2) - lgamma(rho / 2)
    return rho / (rho - 2) - rho / 2 * np.exp(2 * log_ratio)
