"""Shampoo: Adagrad for matrices, with one sum of squares for the rows and one for the columns."""

from dataclasses import dataclass
from typing import ClassVar

from gdcourse.rules.rule import Rule, Scalar, Scope, eigh, maximum, ratio


@dataclass(frozen=True, eq=False)
class Shampoo(Rule):
    """L_t = L_{t−1} + g_t g_tᵀ,  R_t = R_{t−1} + g_tᵀ g_t,
    θ_t = θ_{t−1} − η (εI + L_t)^(−p) g_t (εI + R_t)^(−p),  L_0 = R_0 = 0.

    θ is a matrix of n rows and m columns.

    Parameters
    ----------
    lr : η ≥ 0, in units of θ where p is ¼.
    exponent : p ≥ 0, without unit. Default ¼, the paper's, with which the two together divide by the square
        root of squares, as Adagrad does.
    eps : ε ≥ 0, in units of g². With 0, what no gradient has reached rests. Default 1e-6.

    State: ``L``, shape ``(n, n)``, and ``R``, shape ``(m, m)``, in units of g²: n² + m² numbers for nm
    parameters. The roots come from eigenvalues, of both at each step.

    Source: Gupta, Koren and Singer (2018), Algorithm 1, whose L_0 is εI; here ε stands beside the sum, which
    is the same. Meta's Distributed Shampoo (Shi et al., 2023) adds what the paper leaves to practice: an
    average of gradients and large matrices in blocks, by default; and if asked, decaying averages in the
    place of sums, steps that get the length of another method's, roots that are kept for many steps. torch
    and optax have none.
    """

    scope: ClassVar[Scope] = "tensor"
    matrices_only: ClassVar[bool] = True

    lr: Scalar
    exponent: Scalar = 0.25
    eps: Scalar = 1e-6

    def init(self, theta, zeros):
        return {"L": zeros @ zeros.mT, "R": zeros.mT @ zeros}

    def step(self, theta, grad, state, at):
        L, R = state["L"] + grad @ grad.mT, state["R"] + grad.mT @ grad
        u = self.root(L) @ grad @ self.root(R)
        return theta - self.lr * u, {"L": L, "R": R, "u": u}

    def root(self, S):
        """(εI + S)^(−p)."""
        values, vectors = eigh(S)
        powers = (maximum(values, 0)[..., None, :] + self.eps) ** self.exponent  # rounding may go below 0
        return vectors * ratio(1, powers, self.eps) @ vectors.mT
