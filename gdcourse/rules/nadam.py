"""NAdam: Adam with Nesterov's look ahead, worked into the average."""

from dataclasses import dataclass

from gdcourse.rules.rule import Rule, Scalar, ratio


@dataclass(frozen=True, eq=False)
class NAdam(Rule):
    """μ_t = β₁ (1 − ½ · 0.96^(t ψ)),  Π_t = μ_1 μ_2 ⋯ μ_t,
    m_t = β₁ m_{t−1} + (1 − β₁) g_t,  v_t = β₂ v_{t−1} + (1 − β₂) g_t²,
    m̂_t = μ_{t+1} m_t / (1 − Π_{t+1}) + (1 − μ_t) g_t / (1 − Π_t),  v̂_t = v_t / (1 − β₂ᵗ),
    θ_t = θ_{t−1} − η / (√v̂_t + ε) · m̂_t,  m_0 = v_0 = 0.

    Parameters
    ----------
    lr : η ≥ 0, in units of θ. Default 0.002.
    beta1 : β₁ in [0, 1), without unit: the decay of the mean, and where μ_t goes from half of it. Default
        0.9.
    beta2 : β₂ in [0, 1), without unit: the decay of the mean square. Default 0.999.
    eps : ε ≥ 0, in units of g. With 0, a coordinate without any gradient so far rests. Default 1e-8.
    momentum_decay : ψ ≥ 0, per step: how soon μ_t comes near β₁. Default 0.004.

    State: ``m`` in units of g, ``v`` in units of g², and ``product``, which is Π_t, each with θ's shape.
    (torch keeps one number for Π: it has no closed form, and here a rule's state may be cut anywhere.)

    Source: Dozat (2016), with torch's form of μ_t.
    torch: ``torch.optim.NAdam(params, lr=lr, betas=(beta1, beta2), eps=eps,
    momentum_decay=momentum_decay)``, exactly, but for its Π, which is of torch's default precision. optax has
    another method of this name, without μ_t.

    Examples
    --------
    By hand, with ψ = 0, so that μ is β₁/2: from θ = 1.5 with a gradient of 2, m is 1, m̂ is
    ¼/(1 − 1/16) + ¾ · 2/(1 − ¼) and v̂ is 4.

    >>> rule = NAdam(lr=0.5, beta1=0.5, eps=0.0, momentum_decay=0)
    >>> theta, new = rule.step(1.5, 2.0, rule.init(1.5, 0.0), rule.at(1))
    >>> round(theta, 12) == round(1.5 - 0.5 / 2 * (4 / 15 + 2), 12), new["product"]
    (True, 0.25)
    """

    lr: Scalar = 2e-3
    beta1: Scalar = 0.9
    beta2: Scalar = 0.999
    eps: Scalar = 1e-8
    momentum_decay: Scalar = 4e-3

    def init(self, theta, zeros):
        return {"m": zeros, "v": zeros, "product": zeros + 1}

    def mu(self, t):
        return self.beta1 * (1 - 0.5 * 0.96 ** (t * self.momentum_decay))

    def at(self, t):
        return {"mu": self.mu(t), "mu_next": self.mu(t + 1), "v_bias": 1 - self.beta2**t}

    def step(self, theta, grad, state, at):
        m = self.beta1 * state["m"] + (1 - self.beta1) * grad
        v = self.beta2 * state["v"] + (1 - self.beta2) * grad**2
        product = state["product"] * at["mu"]
        ahead = at["mu_next"] / (1 - product * at["mu_next"]) * m
        m_hat = ahead + (1 - at["mu"]) / (1 - product) * grad
        v_hat = v / at["v_bias"]
        theta = theta - ratio(self.lr, v_hat**0.5 + self.eps, self.eps) * m_hat
        return theta, {"m": m, "v": v, "product": product, "m_hat": m_hat, "v_hat": v_hat}
