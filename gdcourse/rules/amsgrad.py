"""AMSGrad: Adam that divides by the largest mean square so far, which is never forgotten."""

from dataclasses import dataclass

from gdcourse.rules.adam import Adam
from gdcourse.rules.rule import maximum, ratio


@dataclass(frozen=True, eq=False)
class AMSGrad(Adam):
    """m_t = β₁ m_{t−1} + (1 − β₁) g_t,  v_t = β₂ v_{t−1} + (1 − β₂) g_t²,  u_t = max(u_{t−1}, v_t),
    m̂_t = m_t / (1 − β₁ᵗ),  û_t = u_t / (1 − β₂ᵗ),
    θ_t = θ_{t−1} − η / (√û_t + ε) · m̂_t,  m_0 = v_0 = u_0 = 0.

    Parameters
    ----------
    lr, beta1, beta2, eps : as in Adam.

    State: ``m`` in units of g, ``v`` and ``largest``, which is u, in units of g², with θ's shape.

    Source: Reddi, Kale and Kumar (2018), Algorithm 2, which corrects no bias. The correction is torch's: of
    the largest v, by today's factor, so that û_t may fall while β₂ᵗ does.
    torch: ``torch.optim.Adam(params, lr=lr, betas=(beta1, beta2), eps=eps, amsgrad=True)``, exactly. optax
    takes the largest of the corrected v̂ instead: another method.

    Examples
    --------
    By hand, from θ = 1.5 with gradients of 2 and 0, where Adam's v halves: v is 2, then 1, u stays 2;
    m̂ is 2, then (½ · 1) / ¾.

    >>> rule = AMSGrad(lr=0.5, beta1=0.5, beta2=0.5, eps=0.0)
    >>> theta, state = rule.step(1.5, 2.0, rule.init(1.5, 0.0), rule.at(1))
    >>> theta, state["largest"]
    (1.0, 2.0)
    >>> theta, state = rule.step(theta, 0.0, state, rule.at(2))
    >>> round(theta, 12) == round(1 - 0.5 * (2 / 3) / (2 / 0.75) ** 0.5, 12), state["v"], state["largest"]
    (True, 1.0, 2.0)
    """

    def init(self, theta, zeros):
        return {**super().init(theta, zeros), "largest": zeros}

    def step(self, theta, grad, state, at):
        m = self.beta1 * state["m"] + (1 - self.beta1) * grad
        v = self.beta2 * state["v"] + (1 - self.beta2) * grad**2
        largest = maximum(state["largest"], v)
        m_hat, v_hat = m / at["m_bias"], largest / at["v_bias"]
        theta = theta - ratio(self.lr, v_hat**0.5 + self.eps, self.eps) * m_hat
        return theta, {"m": m, "v": v, "largest": largest, "m_hat": m_hat, "v_hat": v_hat}
