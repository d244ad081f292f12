"""Momentum: gradient descent that remembers (the heavy ball)."""

from dataclasses import dataclass

from gdcourse.rules.rule import Rule, Scalar


@dataclass(frozen=True, eq=False)
class Momentum(Rule):
    """v_t = γ v_{t−1} + η ∇J(θ_{t−1}),  θ_t = θ_{t−1} − v_t,  v_0 = 0.

    Parameters
    ----------
    lr : η ≥ 0, the step size, in units of θ² over units of J.
    gamma : γ in [0, 1), without unit: how much of the last step survives. Default 0.9.

    State: ``v``, with θ's shape and unit; minus the velocity.

    Source: Polyak (1964), eq. 9; the talk's slide "SGD + momentum".
    torch: ``torch.optim.SGD(params, lr=lr, momentum=gamma)`` while lr is constant. torch keeps
    b_t = γ b_{t−1} + g_t and steps by η b_t, so after a change of η the two part, until b is
    multiplied by η_old/η_new.
    """

    lr: Scalar
    gamma: Scalar = 0.9

    def init(self, theta, zeros):
        return {"v": zeros}

    def step(self, theta, grad, state, at):
        v = self.gamma * state["v"] + self.lr * grad
        return theta - v, {"v": v}
