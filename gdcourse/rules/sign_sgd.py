"""signSGD: every weight moves by the same amount, along the sign of its gradient. Signum: of an average."""

from dataclasses import dataclass

from gdcourse.rules.rule import Rule, Scalar, sign


@dataclass(frozen=True, eq=False)
class SignSGD(Rule):
    """m_t = γ m_{t−1} + (1 − γ) g_t,  θ_t = θ_{t−1} − η sign m_t,  m_0 = 0.

    With γ = 0 this is signSGD, with γ > 0 Signum. Where m is 0, so is its sign.

    Parameters
    ----------
    lr : η ≥ 0, the length of each coordinate's step, in units of θ. No default: it depends on θ.
    gamma : γ in [0, 1), without unit: how much of the average survives a step. Default 0, no average.

    State: ``m``, with θ's shape, in units of g.

    Source: Bernstein, Wang, Azizzadenesheli and Anandkumar (2018).
    torch has none. optax: ``optax.sign_sgd(lr)`` with γ = 0, ``optax.lion(lr, b1=gamma, b2=gamma,
    weight_decay=0)`` with any, exactly.

    Examples
    --------
    By hand, from θ = 1.5 with gradients of 2 and −½: m is 1, then ¼, and the second step goes on.

    >>> rule = SignSGD(lr=0.25, gamma=0.5)
    >>> theta, state = rule.step(1.5, 2.0, rule.init(1.5, 0.0), rule.at(1))
    >>> theta, state
    (1.25, {'m': 1.0})
    >>> rule.step(theta, -0.5, state, rule.at(2))
    (1.0, {'m': 0.25})
    >>> SignSGD(0.25).step(1.5, -0.5, {"m": 1.0}, {})
    (1.75, {'m': -0.5})
    """

    lr: Scalar
    gamma: Scalar = 0.0

    def init(self, theta, zeros):
        return {"m": zeros}

    def step(self, theta, grad, state, at):
        m = self.gamma * state["m"] + (1 - self.gamma) * grad
        return theta - self.lr * sign(m), {"m": m}
