"""Nesterov's acceleration: momentum that takes its gradient where the momentum leads."""

from dataclasses import dataclass

from gdcourse.rules.rule import Rule, Scalar


@dataclass(frozen=True, eq=False)
class Nesterov(Rule):
    """v_t = γ v_{t−1} + η ∇J(θ_{t−1} − γ v_{t−1}),  θ_t = θ_{t−1} − v_t,  v_0 = 0.

    Parameters
    ----------
    lr : η ≥ 0, the step size, in units of θ² over units of J.
    gamma : γ in [0, 1), without unit: how much of the last step survives. Default 0.9.

    State: ``v``, with θ's shape and unit; minus the velocity.

    Source: Nesterov (1983); this form: Sutskever et al. (2013), eqs. 3–4; the talk's slide
    "Nesterov acceleration".
    torch: ``torch.optim.SGD(params, lr=lr, momentum=gamma, nesterov=True)`` holds the look-ahead
    point p_t = θ_t − γ v_t, not θ_t; equal while lr is constant.
    """

    lr: Scalar
    gamma: Scalar = 0.9

    def init(self, theta, zeros):
        return {"v": zeros}

    def look(self, theta, state):
        return theta - self.gamma * state["v"]

    def unlook(self, point, state):
        return point + self.gamma * state["v"]

    def step(self, theta, grad, state, at):
        v = self.gamma * state["v"] + self.lr * grad
        return theta - v, {"v": v}
