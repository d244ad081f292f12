"""Muon: momentum whose matrix gets singular values near one."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from gdcourse.rules.rule import MATRIX, Rule, Scalar, norm, where

A, B, C = 3.4445, -4.7750, 2.0315
TIMES, LEAST = 5, 1e-7


@dataclass(frozen=True, eq=False)
class Muon(Rule):
    """M_t = μ M_{t−1} + (1 − μ) g_t,  U_t = μ M_t + (1 − μ) g_t,  θ_t = θ_{t−1} − η √max(1, n/m) NS(U_t),
    M_0 = 0.

    θ is a matrix of n rows and m columns. NS takes X = U/‖U‖ five times to aX + (bA + cA²)X with A = XXᵀ,
    which leaves the singular vectors as they are and takes the singular values near 1.

    Parameters
    ----------
    lr : η > 0, in units of θ. Default 0.02.
    gamma : μ in [0, 1), without unit: how much of the average of gradients survives a step. Default 0.95.

    State: ``M``, with θ's shape and g's unit.

    Raises
    ------
    ValueError : θ is no matrix. Vectors, embeddings and heads are for another rule.

    Source: Jordan et al. (2024), "Muon", https://kellerjordan.github.io/posts/muon/.
    torch: ``torch.optim.Muon(params, lr=lr, momentum=gamma, weight_decay=0)``, which computes NS in bfloat16.
    """

    scope: ClassVar[Literal["element", "tensor", "all"]] = "tensor"

    lr: Scalar = 0.02
    gamma: Scalar = 0.95

    def init(self, theta, zeros):
        shape = getattr(theta, "shape", ())
        if len(shape) < 2:
            raise ValueError(f"Muon moves matrices, got shape {tuple(shape)}: give vectors to Adam")
        return {"M": zeros}

    def step(self, theta, grad, state, at):
        M = self.gamma * state["M"] + (1 - self.gamma) * grad
        n, m = theta.shape[-2:]
        U = orthogonal(self.gamma * M + (1 - self.gamma) * grad)
        return theta - self.lr * max(1, n / m) ** 0.5 * U, {"M": M}


def orthogonal(U):
    """NS: a matrix with U's singular vectors and singular values near 1."""
    tall = U.shape[-2] > U.shape[-1]
    X = U.mT if tall else U
    size = norm(X, MATRIX)
    X = X / where(size > LEAST, size, LEAST)
    for _ in range(TIMES):
        XX = X @ X.mT
        X = A * X + (B * XX + C * XX @ XX) @ X
    return X.mT if tall else X
