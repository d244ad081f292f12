"""Lion: every weight moves by the same amount, along the sign of an average that the state forgets slower."""

from dataclasses import dataclass

from gdcourse.rules.rule import Rule, Scalar, sign


@dataclass(frozen=True, eq=False)
class Lion(Rule):
    """c_t = β₁ m_{t−1} + (1 − β₁) g_t,  θ_t = θ_{t−1} − η (sign c_t + λ θ_{t−1}),
    m_t = β₂ m_{t−1} + (1 − β₂) g_t,  m_0 = 0.

    Parameters
    ----------
    lr : η ≥ 0, the length of each coordinate's step, in units of θ. Default 0.0001.
    beta1 : β₁ in [0, 1), without unit: how much of m the step remembers. Default 0.9.
    beta2 : β₂ in [0, 1), without unit: how much of m the state remembers. Default 0.99.
    weight_decay : λ ≥ 0, in units of one over θ. Default 0.

    State: ``m``, with θ's shape, in units of g.

    Source: Chen et al. (2023), Algorithm 2. The authors advise an η of a third to a tenth of AdamW's, and a λ
    as many times larger.
    torch has none. optax: ``optax.lion(lr, b1=beta1, b2=beta2, weight_decay=weight_decay)``, exactly; and
    ``lion_pytorch.Lion(params, lr=lr, betas=(beta1, beta2), weight_decay=weight_decay)``.

    Examples
    --------
    By hand, from θ = 1.5 with gradients of 2 and −1: c is 1, then −¼.

    >>> rule = Lion(lr=0.25, beta1=0.5, beta2=0.75)
    >>> theta, state = rule.step(1.5, 2.0, rule.init(1.5, 0.0), rule.at(1))
    >>> theta, state
    (1.25, {'m': 0.5, 'c': 1.0})
    >>> rule.step(theta, -1.0, state, rule.at(2))
    (1.5, {'m': 0.125, 'c': -0.25})
    >>> Lion(0.25, weight_decay=2.0).step(1.0, 1.0, {"m": 0.0}, {})[0]
    0.25
    """

    lr: Scalar = 1e-4
    beta1: Scalar = 0.9
    beta2: Scalar = 0.99
    weight_decay: Scalar = 0.0

    def init(self, theta, zeros):
        return {"m": zeros}

    def step(self, theta, grad, state, at):
        c = self.beta1 * state["m"] + (1 - self.beta1) * grad
        m = self.beta2 * state["m"] + (1 - self.beta2) * grad
        return theta - self.lr * (sign(c) + self.weight_decay * theta), {"m": m, "c": c}
