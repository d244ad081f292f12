"""Adafactor: the squared gradients of a matrix kept as one number for each row and one for each column."""

from dataclasses import dataclass
from typing import ClassVar

from gdcourse.rules.rule import MATRIX, Rule, Scalar, Scope, maximum, norm, where


@dataclass(frozen=True, eq=False)
class Adafactor(Rule):
    """w_t = t^τ,  R_t = (1 − w_t) R_{t−1} + w_t mean over columns of g_t²,
    C_t = (1 − w_t) C_{t−1} + w_t mean over rows of g_t²,
    V_t = R_t C_t / max(mean(R_t), ε₁),  u_t = g_t / √max(V_t, ε₁²),
    θ_t = (1 − ηλ) θ_{t−1} − max(ε₂, rms(θ_{t−1})) min(η, 1/√t) u_t / max(1, rms(u_t)/d),  R_0 = C_0 = 0.

    θ is a matrix of n rows and m columns, and rms(x) = ‖x‖/√(nm). A vector is one row, whose V is C: nothing
    is factored.

    Parameters
    ----------
    lr : η ≥ 0, without unit: with d = 1, at most so much of θ's root mean square, or of ε₂ if that is larger,
        is a step's. Default 0.01.
    beta2_decay : τ ≤ 0, without unit: how the weight of the newest gradient falls. Default −0.8.
    eps1 : ε₁ ≥ 0, in units of g (below mean(R), of g²). With 0, a row or a column that has had no gradient
        becomes NaN, as torch's. Default 2.2e-16.
    eps2 : ε₂ ≥ 0, in units of θ: what counts as the root mean square of smaller θ. Default 0.001.
    d : d ≥ 1, without unit: the largest root mean square of u. Default 1.
    weight_decay : λ ≥ 0, without unit, as η is. Default 0.

    State: ``R``, shape ``(n, 1)``, and ``C``, shape ``(1, m)``, in units of g²: n + m numbers for nm
    parameters.

    Source: Shazeer and Stern (2018), Algorithms 4, 5 and 6, which add ε₁ to g² instead, and take 10⁻³⁰ for
    it; here it stands where torch has it.
    torch: ``torch.optim.Adafactor(params, lr=lr, beta2_decay=beta2_decay, eps=(eps1, eps2), d=d,
    weight_decay=weight_decay)``, for vectors and matrices, exactly; by default its ε₁ is the
    parameter's precision. In tensors of more axes it factors the last two.
    """

    scope: ClassVar[Scope] = "tensor"

    lr: Scalar = 1e-2
    beta2_decay: Scalar = -0.8
    eps1: Scalar = 2.220446049250313e-16
    eps2: Scalar = 1e-3
    d: Scalar = 1.0
    weight_decay: Scalar = 0.0

    def init(self, theta, zeros):
        return {"R": zeros.sum(axis=-1, keepdims=True), "C": zeros.sum(axis=-2, keepdims=True)}

    def at(self, t):
        return {"w": t**self.beta2_decay, "limit": t**-0.5}

    def step(self, theta, grad, state, at):
        g2 = grad * grad
        R = state["R"] + at["w"] * (g2.mean(axis=-1, keepdims=True) - state["R"])
        C = state["C"] + at["w"] * (g2.mean(axis=-2, keepdims=True) - state["C"])
        V = C if theta.shape[-2] == 1 else R @ C / maximum(R.mean(axis=-2, keepdims=True), self.eps1)
        u = grad / maximum(V, self.eps1**2) ** 0.5
        share = where(self.lr < at["limit"], self.lr, at["limit"])
        length = maximum(rms(theta), self.eps2) * share
        theta = theta - self.lr * self.weight_decay * theta - length / maximum(rms(u) / self.d, 1) * u
        return theta, {"R": R, "C": C, "V": V, "u": u}


def rms(x):
    """The root mean square of a matrix."""
    return norm(x, MATRIX) / (x.shape[-2] * x.shape[-1]) ** 0.5
