"""ADOPT: Adam that divides each gradient by what was known before it, and only then averages."""

from dataclasses import dataclass

from gdcourse.rules.rule import Rule, Scalar, maximum, ratio, sign, where


@dataclass(frozen=True, eq=False)
class ADOPT(Rule):
    """v_1 = g_1²; then, for t > 1,  n_t = g_t / max(√v_{t−1}, ε), between −c_t and c_t with c_t = (t − 1)^¼,
    m_t = β₁ m_{t−1} + (1 − β₁) n_t,  θ_t = θ_{t−1} − η m_t,  v_t = β₂ v_{t−1} + (1 − β₂) g_t²,  m_1 = 0.

    The first gradient moves nothing. No bias is corrected.

    Parameters
    ----------
    lr : η ≥ 0, in units of θ. Default 0.001.
    beta1 : β₁ in [0, 1), without unit: the decay of the mean. Default 0.9.
    beta2 : β₂ in [0, 1), without unit: the decay of the mean square. Default 0.9999.
    eps : ε ≥ 0, in units of g: the least that a gradient is divided by. With 0, a coordinate without any
        gradient before takes c_t. Default 1e-6.

    State: ``m`` without unit and ``v`` in units of g², with θ's shape.

    Source: Taniguchi et al. (2024), with the bound c_t, which the authors added in November 2024.
    torch has none. optax: ``optax.contrib.adopt(lr, b1=beta1, b2=beta2, eps=eps)``, exactly; and
    ``pytorch_optimizer.ADOPT(params, lr=lr, betas=(beta1, beta2), eps=eps)``, if it is told
    ``clip_lambda=lambda t: (t - 1) ** 0.25``: it counts from 2.

    Examples
    --------
    By hand, from θ = 1.5 with gradients of 2, 1 and −8: n is ½, then −8/√(13/4) = −4.4, beyond 2^¼.

    >>> rule = ADOPT(lr=1.0, beta1=0.5, beta2=0.75)
    >>> theta, state = rule.step(1.5, 2.0, rule.init(1.5, 0.0), rule.at(1))
    >>> theta, state["m"], state["v"]
    (1.5, 0.0, 4.0)
    >>> theta, state = rule.step(theta, 1.0, state, rule.at(2))
    >>> theta, state["m"], state["v"]
    (1.25, 0.25, 3.25)
    >>> theta, state = rule.step(theta, -8.0, state, rule.at(3))
    >>> round(theta, 12) == round(1.25 - 0.125 + 2**0.25 / 2, 12), state["v"]
    (True, 18.4375)
    """

    lr: Scalar = 1e-3
    beta1: Scalar = 0.9
    beta2: Scalar = 0.9999
    eps: Scalar = 1e-6

    def init(self, theta, zeros):
        return {"m": zeros, "v": zeros}

    def at(self, t):
        return {"first": t == 1, "bound": (t - 1) ** 0.25}

    def step(self, theta, grad, state, at):
        root = maximum(state["v"] ** 0.5, self.eps)
        over = abs(grad) > at["bound"] * root
        n = where(over, at["bound"] * sign(grad), ratio(grad, root, self.eps))
        m = where(at["first"], state["m"], self.beta1 * state["m"] + (1 - self.beta1) * n)
        v = where(at["first"], grad**2, self.beta2 * state["v"] + (1 - self.beta2) * grad**2)
        return theta - self.lr * m, {"m": m, "v": v, "n": n}
