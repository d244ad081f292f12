"""SOAP: Adam in the turned basis in which Shampoo's two matrices are diagonal."""

from dataclasses import dataclass
from typing import ClassVar

from gdcourse.rules.rule import Rule, Scalar, Scope, descending, eigh, qr, ratio, reordered, where


@dataclass(frozen=True, eq=False)
class SOAP(Rule):
    """g'_t = Q_Lᵀ g_t Q_R,  m_t = β₁ m_{t−1} + (1 − β₁) g_t,  v_t = β₂ v_{t−1} + (1 − β₂) g'_t²,
    u_t = Q_L [Q_Lᵀ m_t Q_R √(1 − β₂ˢ) / ((1 − β₁ˢ)(√v_t + ε))] Q_Rᵀ,  s = t − 1,
    θ_t = (1 − ηλ)(θ_{t−1} − η u_t),
    L_t = β₂ L_{t−1} + (1 − β₂) g_t g_tᵀ,  R_t = β₂ R_{t−1} + (1 − β₂) g_tᵀ g_t.

    θ is a matrix of n rows and m columns. The first gradient moves nothing: it fills L and R, whose
    eigenvectors are Q_L and Q_R, that of the largest eigenvalue first. After that, whenever k divides s, they
    are not computed anew but led on: the columns of Q are put into the order of the diagonal of QᵀLQ, v's
    rows (for Q_R its columns) with them, and then Q is the first factor of LQ = QR. That v fits the basis it
    is used in rests on this: a basis of new eigenvectors may jump. Where n ≠ m, the first gradient leaves
    directions in which there is none, and which eigenvectors stand there is the library's choice: two correct
    programs go apart.

    Parameters
    ----------
    lr : η ≥ 0, in units of θ. Default 0.003.
    beta1 : β₁ in [0, 1), without unit: the decay of the mean. Default 0.95.
    beta2 : β₂ in [0, 1), without unit: the decay of v, L and R. Default 0.95.
    eps : ε ≥ 0, in units of g. With 0, directions that no gradient has reached move by what
        rounding leaves in them. Default 1e-8.
    weight_decay : λ ≥ 0, in units of one over θ. Default 0.01.
    k : how many steps a basis is kept, a whole number ≥ 1. Default 10.

    State: ``m`` in units of g and ``v`` in units of g², with θ's shape; ``L`` and ``QL``, shape ``(n, n)``,
    ``R`` and ``QR``, shape ``(m, m)``: 2(n² + m²) numbers for nm parameters, beside Adam's 2nm.

    Source: Vyas et al. (2024), Algorithm 3, in the form of the authors' code: there the decay follows the
    step, ε is not corrected, L and R have β₂, and the first gradient is not used. The code keeps m in the
    basis, which is the same; a side of more than 10,000 is left as it is, and here is not. torch and optax
    have none.
    """

    scope: ClassVar[Scope] = "tensor"
    matrices_only: ClassVar[bool] = True

    lr: Scalar = 3e-3
    beta1: Scalar = 0.95
    beta2: Scalar = 0.95
    eps: Scalar = 1e-8
    weight_decay: Scalar = 0.01
    k: Scalar = 10

    def init(self, theta, zeros):
        L, R = zeros @ zeros.mT, zeros.mT @ zeros
        return {"m": zeros, "v": zeros, "L": L, "R": R, "QL": L, "QR": R}

    def at(self, t):
        s = t - 1
        return {
            "first": s == 0,
            "renews": s % self.k == 0,
            "m_bias": where(s == 0, 1.0, 1 - self.beta1**s),
            "v_bias": where(s == 0, 1.0, 1 - self.beta2**s),
        }

    def step(self, theta, grad, state, at):
        QL, QR, first = state["QL"], state["QR"], at["first"]
        m = where(first, state["m"], self.beta1 * state["m"] + (1 - self.beta1) * grad)
        v = (
            self.beta2 * state["v"] + (1 - self.beta2) * (QL.mT @ grad @ QR) ** 2
        )  # Q is 0 at first, and so is v
        m_hat, v_hat = QL.mT @ m @ QR / at["m_bias"], v / at["v_bias"]
        root = v**0.5 + self.eps
        u = QL @ ratio(m_hat * at["v_bias"] ** 0.5, root, self.eps) @ QR.mT
        moved = (1 - self.lr * self.weight_decay) * (theta - self.lr * u)
        L = self.beta2 * state["L"] + (1 - self.beta2) * grad @ grad.mT
        R = self.beta2 * state["R"] + (1 - self.beta2) * grad.mT @ grad
        v, QL, QR = chosen(
            first,
            lambda: (v, largest_first(L), largest_first(R)),
            lambda: chosen(at["renews"], lambda: led_on(v, L, R, QL, QR), lambda: (v, QL, QR)),
        )
        new = {"m": m, "v": v, "L": L, "R": R, "QL": QL, "QR": QR, "m_hat": m_hat, "v_hat": v_hat, "u": u}
        return where(first, theta, moved), new


def chosen(cond, a, b):
    """What one of two functions gives, by `where`; where the choice is one for all runs, only that one is
    called."""
    if isinstance(cond, bool):
        return a() if cond else b()
    return tuple(where(cond, one, other) for one, other in zip(a(), b(), strict=True))


def largest_first(S):
    """The eigenvectors of a symmetric matrix, that of the largest eigenvalue first."""
    values, vectors = eigh(S)
    return reordered(vectors, descending(values), -1)


def led_on(v, L, R, QL, QR):
    """v and both bases after one step of orthogonal iteration."""
    rows, QL = turned(L, QL)
    columns, QR = turned(R, QR)
    return reordered(reordered(v, rows, -2), columns, -1), QL, QR


def turned(S, Q):
    """The order in which S says that Q's columns are large, and the basis after it."""
    SQ = S @ Q
    places = descending((Q * SQ).sum(axis=-2))
    return places, qr(reordered(SQ, places, -1))[0]
