"""AdaBelief: Adam that divides by how far gradients lie from their average, not from 0."""

from dataclasses import dataclass

from gdcourse.rules.adam import Adam
from gdcourse.rules.rule import Scalar, ratio


@dataclass(frozen=True, eq=False)
class AdaBelief(Adam):
    """m_t = β₁ m_{t−1} + (1 − β₁) g_t,  s_t = β₂ s_{t−1} + (1 − β₂)(g_t − m_t)² + ε,
    m̂_t = m_t / (1 − β₁ᵗ),  ŝ_t = s_t / (1 − β₂ᵗ),
    θ_t = θ_{t−1} − η / (√ŝ_t + ε) · m̂_t,  m_0 = s_0 = 0.

    ε is added to s anew at every step and stays in it, so that for equal gradients s tends to ε/(1 − β₂).

    Parameters
    ----------
    lr, beta1, beta2 : as in Adam.
    eps : ε ≥ 0, in units of g² where it is added to s, and of g beside its root. With 0, a coordinate without
        any gradient so far rests. Default 1e-16.

    State: ``m`` in units of g and ``s`` in units of g², with θ's shape.

    Source: Zhuang et al. (2020), Algorithm 2. The authors' package rectifies besides as RAdam does, unless
    told ``rectify=False``.
    torch has none. optax: ``optax.adabelief(lr, b1=beta1, b2=beta2, eps=eps, eps_root=eps)``, exactly; and
    ``pytorch_optimizer.AdaBelief(params, lr=lr, betas=(beta1, beta2), eps=eps, rectify=False)``.

    Examples
    --------
    By hand, from θ = 1.5 with a gradient of 2: m is 1, s is ½ · (2 − 1)², m̂ is 2 and ŝ is 1.

    >>> rule = AdaBelief(lr=0.25, beta1=0.5, beta2=0.5, eps=0.0)
    >>> theta, new = rule.step(1.5, 2.0, rule.init(1.5, 0.0), rule.at(1))
    >>> theta, new["s"], new["s_hat"]
    (1.0, 0.5, 1.0)
    """

    eps: Scalar = 1e-16

    def init(self, theta, zeros):
        return {"m": zeros, "s": zeros}

    def at(self, t):
        return {"m_bias": 1 - self.beta1**t, "s_bias": 1 - self.beta2**t}

    def step(self, theta, grad, state, at):
        m = self.beta1 * state["m"] + (1 - self.beta1) * grad
        s = self.beta2 * state["s"] + (1 - self.beta2) * (grad - m) ** 2 + self.eps
        m_hat, s_hat = m / at["m_bias"], s / at["s_bias"]
        theta = theta - ratio(self.lr, s_hat**0.5 + self.eps, self.eps) * m_hat
        return theta, {"m": m, "s": s, "m_hat": m_hat, "s_hat": s_hat}
