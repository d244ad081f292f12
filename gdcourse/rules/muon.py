"""Muon: momentum whose matrix gets singular values near one."""

from dataclasses import dataclass
from typing import ClassVar

from gdcourse.rules.rule import MATRIX, Rule, Scalar, Scope, norm, where

QUINTIC = ((3.4445, -4.7750, 2.0315),) * 5
"""Jordan's: steep at 0, and at the end anywhere near 1."""

EXACT = ((2.0, -1.5, 0.5),) * 12
"""1 is a fixed point, with slope 0: slow for small values, and then exact."""

MARGIN = 1.02  # by which Polar Express divides beside the norm; here a part of its first polynomial
POLAR_EXPRESS = (
    (8.156554524902461 / MARGIN, -22.48329292557795 / MARGIN**3, 15.878769915207462 / MARGIN**5),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
)
"""Another polynomial at each step, the best for what is left to do: Amsel et al. (2025)."""

LEAST = 1e-7


@dataclass(frozen=True, eq=False)
class Muon(Rule):
    """M_t = μ M_{t−1} + (1 − μ) g_t,  U_t = μ M_t + (1 − μ) g_t,  Q_t = NS(U_t),
    θ_t = θ_{t−1} − η (√max(1, n/m) Q_t + λ θ_{t−1}),  M_0 = 0.

    θ is a matrix of n rows and m columns: a layer's outputs and inputs, as torch keeps them. (In
    `gdcourse.problems.Network` the rows are the inputs, and the factor is that of the other side.) NS begins
    with X = U/‖U‖ and takes X to aX + (bA + cA²)X with A = XXᵀ, once for each (a, b, c): the singular vectors
    stay as they are, and the singular values σ go through the polynomials aσ + bσ³ + cσ⁵ towards 1.

    Parameters
    ----------
    lr : η ≥ 0, in units of θ. Default 0.02.
    gamma : μ in [0, 1), without unit: how much of the average of gradients survives a step. Default 0.95.
    weight_decay : λ ≥ 0, in units of one over θ. Default 0.
    coefficients : the (a, b, c), without unit, a step of NS for each. Default `gdcourse.rules.QUINTIC`,
        Jordan's, five times the same, after which singular values above a hundredth of the norm lie around 1
        and not at it; ``EXACT`` takes those above a thousandth to 1, in 12 steps; ``POLAR_EXPRESS`` has five
        different ones.

    State: ``M``, with θ's shape and g's unit.

    Source: Jordan et al. (2024), "Muon", https://kellerjordan.github.io/posts/muon/, with the decay of Liu et
    al. (2025). Jordan's code of 2024 has the sum M_t = μ M_{t−1} + g_t, U_t = μ M_t + g_t, of which NS sees
    the same; the average is there since 2025. Of parameters of more than two axes, such as convolutions, the
    first are the rows and the others the columns, for the factor √max(1, n/m), too, as in his code of 2024.
    His later one takes the factor from a kernel's height and width, and three axes for a batch of matrices.
    torch: ``torch.optim.Muon(params, lr=lr, momentum=gamma, weight_decay=weight_decay)``, which computes NS
    in bfloat16, on a CPU, too, and knows one (a, b, c) for all steps. Its
    ``adjust_lr_fn="match_rms_adamw"``, Liu et al.'s, has 0.2 √max(n, m) in the place of √max(1, n/m): here
    that is another η, and another λ, for each shape, and so a group for each. optax: none;
    ``optax.contrib.muon`` divides both parts of U by their own bias corrections, so that its steps
    from the second on have other directions, at first.
    """

    scope: ClassVar[Scope] = "tensor"
    matrices_only: ClassVar[bool] = True
    fixed: ClassVar[tuple[str, ...]] = ("coefficients",)

    lr: Scalar = 0.02
    gamma: Scalar = 0.95
    weight_decay: Scalar = 0.0
    coefficients: tuple[tuple[float, float, float], ...] = QUINTIC

    def init(self, theta, zeros):
        return {"M": zeros}

    def step(self, theta, grad, state, at):
        M = self.gamma * state["M"] + (1 - self.gamma) * grad
        U = self.gamma * M + (1 - self.gamma) * grad
        Q = orthogonal(U, self.coefficients)
        return self.moved(theta, Q), {"M": M, "Q": Q}

    def moved(self, theta, Q):
        n, m = theta.shape[-2:]
        return theta - self.lr * (max(1, n / m) ** 0.5 * Q + self.weight_decay * theta)


def orthogonal(U, coefficients=QUINTIC):
    """NS: the matrix with U's singular vectors, whose singular values went through the polynomials.

    Parameters
    ----------
    U : shape ``(*runs, n, m)``. Below 10⁻⁷ its norm counts as that, and what is 0 stays 0.
    coefficients : (a, b, c) for each step. Default Jordan's, five times.
    """
    tall = U.shape[-2] > U.shape[-1]
    X = U.mT if tall else U
    size = norm(X, MATRIX)
    X = X / where(size > LEAST, size, LEAST)
    for a, b, c in coefficients:
        A = X @ X.mT
        X = a * X + (b * A + c * A @ A) @ X
    return X.mT if tall else X
