"""AdEMAMix: Adam with a second average of gradients, a hundred or a thousand times as long as the first."""

from dataclasses import dataclass

from gdcourse.rules.rule import Rule, Scalar, ratio


@dataclass(frozen=True, eq=False)
class AdEMAMix(Rule):
    """m₁ ← β₁ m₁ + (1 − β₁) g_t,  m₂ ← β₃ m₂ + (1 − β₃) g_t,  v ← β₂ v + (1 − β₂) g_t²,
    m̂₁ = m₁ / (1 − β₁ᵗ),  v̂ = v / (1 − β₂ᵗ),
    θ_t = θ_{t−1} − η ((m̂₁ + α m₂) / (√v̂ + ε) + λ θ_{t−1}),  m₁ = m₂ = v = 0 at first.

    The bias of m₂ is not corrected: it comes in slowly.

    Parameters
    ----------
    lr : η ≥ 0, in units of θ. Default 0.001.
    beta1 : β₁ in [0, 1), without unit: the decay of the fast mean. Default 0.9.
    beta2 : β₂ in [0, 1), without unit: the decay of the mean square. Default 0.999.
    beta3 : β₃ in [0, 1), without unit: the decay of the slow mean. Default 0.9999.
    alpha : α ≥ 0, without unit: how much the slow mean counts. Default 2.
    eps : ε ≥ 0, in units of g. With 0, a coordinate without any gradient so far rests. Default 1e-8.
    weight_decay : λ ≥ 0, in units of one over θ. Default 0.

    State: ``m1`` and ``m2`` in units of g, ``v`` in units of g², with θ's shape.

    Source: Pagliardini, Ablin and Grangier (2024), Algorithm 1, which also lets α and β₃ grow from 0 and β₁
    over a warmup. The authors' code does so where it is asked; here, give other values from step to step.
    torch has none. optax: ``optax.contrib.ademamix(lr, b1=beta1, b2=beta2, b3=beta3, alpha=alpha, eps=eps,
    weight_decay=weight_decay)``, exactly; and ``pytorch_optimizer.AdEMAMix(params, lr=lr, betas=(beta1,
    beta2, beta3), alpha=alpha, eps=eps, weight_decay=weight_decay,
    weight_decouple=True)``.

    Examples
    --------
    By hand, from θ = 1.5 with a gradient of 2: m₁ is 1, m₂ is ½, m̂₁ and √v̂ are 2.

    >>> rule = AdEMAMix(lr=0.5, beta1=0.5, beta2=0.5, beta3=0.75, alpha=4.0, eps=0.0, weight_decay=1.0)
    >>> theta, new = rule.step(1.5, 2.0, rule.init(1.5, 0.0), rule.at(1))
    >>> theta, new["m1"], new["m2"]
    (-0.25, 1.0, 0.5)
    """

    lr: Scalar = 1e-3
    beta1: Scalar = 0.9
    beta2: Scalar = 0.999
    beta3: Scalar = 0.9999
    alpha: Scalar = 2.0
    eps: Scalar = 1e-8
    weight_decay: Scalar = 0.0

    def init(self, theta, zeros):
        return {"m1": zeros, "m2": zeros, "v": zeros}

    def at(self, t):
        return {"m1_bias": 1 - self.beta1**t, "v_bias": 1 - self.beta2**t}

    def step(self, theta, grad, state, at):
        m1 = self.beta1 * state["m1"] + (1 - self.beta1) * grad
        m2 = self.beta3 * state["m2"] + (1 - self.beta3) * grad
        v = self.beta2 * state["v"] + (1 - self.beta2) * grad**2
        mixed, v_hat = m1 / at["m1_bias"] + self.alpha * m2, v / at["v_bias"]
        went = theta - ratio(self.lr, v_hat**0.5 + self.eps, self.eps) * mixed
        return went - self.lr * self.weight_decay * theta, {"m1": m1, "m2": m2, "v": v, "v_hat": v_hat}
