"""Rectified Adam: momentum's steps at first, then a growing share of Adam's."""

from dataclasses import dataclass

from gdcourse.rules.rule import Rule, Scalar, ratio, where


@dataclass(frozen=True, eq=False)
class RAdam(Rule):
    """ρ_∞ = 2/(1 − β₂) − 1,  ρ_t = ρ_∞ − 2tβ₂ᵗ/(1 − β₂ᵗ); m_t, v_t and m̂_t as in Adam.
    Where ρ_t > 4:  r_t = √((ρ_t−4)(ρ_t−2)ρ_∞ / ((ρ_∞−4)(ρ_∞−2)ρ_t)),
    θ_t = θ_{t−1} − η r_t m̂_t / √(v_t/(1 − β₂ᵗ));  else θ_t = θ_{t−1} − η m̂_t.

    Parameters
    ----------
    lr : η ≥ 0. In units of θ once ρ_t is past the threshold, in gradient descent's units before:
        the two branches do not scale alike. Default 0.001.
    beta1 : β₁ in [0, 1), without unit. Default 0.9.
    beta2 : β₂ in [0, 1), without unit. From 0.6 down, ρ_∞ ≤ 4 and nothing is ever adapted. Default 0.999.
    threshold : the ρ_t above which the step is adapted. Below 4, where r_t is not real, it acts as 4.
        Default 4, the paper's.
    eps : ε ≥ 0, in units of g, added to √v_t before its bias is corrected. The paper has none, and
        neither has the default, 0; a coordinate without any gradient so far then rests.

    State: ``m`` in units of g and ``v`` in units of g², with θ's shape.

    Source: Liu et al. (2020), Algorithm 2; the talk's slide "Rectified Adam".
    torch: ``torch.optim.RAdam(params, lr=lr, betas=(beta1, beta2), eps=eps)`` equals this one with
    ``threshold=5`` and the same ε, exactly (torch's own is 1e-8). With threshold=4, none exists.
    """

    lr: Scalar = 1e-3
    beta1: Scalar = 0.9
    beta2: Scalar = 0.999
    threshold: Scalar = 4
    eps: Scalar = 0.0

    @property
    def rho_inf(self):
        return 2 / (1 - self.beta2) - 1

    def init(self, theta, zeros):
        return {"m": zeros, "v": zeros}

    def at(self, t):
        rho_inf = self.rho_inf
        rho = rho_inf - 2 * t * self.beta2**t / (1 - self.beta2**t)
        rectify = (rho > self.threshold) & (rho > 4)
        safe = where(rectify, rho, 5)  # where r is not used it is 1: the root stays real
        limit = where(rectify, rho_inf, safe)
        r = ((safe - 4) * (safe - 2) * limit / ((limit - 4) * (limit - 2) * safe)) ** 0.5
        return {
            "m_bias": 1 - self.beta1**t,
            "v_bias": 1 - self.beta2**t,
            "rho": rho,
            "rectify": rectify,
            "r": r,
        }

    def step(self, theta, grad, state, at):
        m = self.beta1 * state["m"] + (1 - self.beta1) * grad
        v = self.beta2 * state["v"] + (1 - self.beta2) * grad**2
        m_hat = m / at["m_bias"]
        v_hat = (v**0.5 + self.eps) / at["v_bias"] ** 0.5  # a root already, as on the slide
        adapted = at["r"] * ratio(m_hat, v_hat, self.eps)
        theta = theta - self.lr * where(at["rectify"], adapted, m_hat)
        return theta, {"m": m, "v": v, "m_hat": m_hat, "v_hat": v_hat}
