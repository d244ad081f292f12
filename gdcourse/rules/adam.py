"""Adam: a smoothed gradient over the root of a smoothed squared gradient. AdamW: the same
with weight decay outside of the averages."""

from dataclasses import dataclass

from gdcourse.rules.rule import Rule, Scalar, ratio


@dataclass(frozen=True, eq=False)
class Adam(Rule):
    """m_t = β₁ m_{t−1} + (1 − β₁) g_t,  v_t = β₂ v_{t−1} + (1 − β₂) g_t²,
    m̂_t = m_t / (1 − β₁ᵗ),  v̂_t = v_t / (1 − β₂ᵗ),
    θ_t = θ_{t−1} − η / (√v̂_t + ε) · m̂_t,  m_0 = v_0 = 0.

    Parameters
    ----------
    lr : η ≥ 0, the length of each coordinate's first step, in units of θ. Default 0.001.
    beta1 : β₁ in [0, 1), without unit: the decay of the mean. Default 0.9.
    beta2 : β₂ in [0, 1), without unit: the decay of the mean square. Default 0.999.
    eps : ε ≥ 0, in units of g. With 0, a coordinate without any gradient so far rests (torch's is NaN).
        Default 1e-8.

    State: ``m`` in units of g and ``v`` in units of g², with θ's shape.

    Source: Kingma and Ba (2015), Algorithm 1; the talk's slide "Adam".
    torch: ``torch.optim.Adam(params, lr=lr, betas=(beta1, beta2), eps=eps)``, exactly.
    """

    lr: Scalar = 1e-3
    beta1: Scalar = 0.9
    beta2: Scalar = 0.999
    eps: Scalar = 1e-8

    def init(self, theta, zeros):
        return {"m": zeros, "v": zeros}

    def at(self, t):
        return {"m_bias": 1 - self.beta1**t, "v_bias": 1 - self.beta2**t}

    def step(self, theta, grad, state, at):
        m = self.beta1 * state["m"] + (1 - self.beta1) * grad
        v = self.beta2 * state["v"] + (1 - self.beta2) * grad**2
        m_hat, v_hat = m / at["m_bias"], v / at["v_bias"]
        theta = theta - ratio(self.lr, v_hat**0.5 + self.eps, self.eps) * m_hat
        return theta, {"m": m, "v": v, "m_hat": m_hat, "v_hat": v_hat}


@dataclass(frozen=True, eq=False)
class AdamW(Adam):
    """Adam's step, and beside it a decay of θ that the averages do not see:
    θ_t = θ_{t−1} − η (m̂_t / (√v̂_t + ε) + λ θ_{t−1}).

    Parameters
    ----------
    lr, beta1, beta2, eps : as in Adam.
    weight_decay : λ ≥ 0, in units of one over θ. Default 0.01.

    Source: Loshchilov and Hutter (2019), Algorithm 2, where λ is multiplied by the schedule alone; here, as
    in torch, by η as well, so that whoever changes η changes the decay.
    torch: ``torch.optim.AdamW(params, lr=lr, betas=(beta1, beta2), eps=eps,
    weight_decay=weight_decay)``, exactly.
    """

    weight_decay: Scalar = 0.01

    def step(self, theta, grad, state, at):
        adam, new = super().step(theta, grad, state, at)
        return adam - self.lr * self.weight_decay * theta, new
