"""Adadelta: where η was, the size of its own recent steps; its one ε sets the first of them."""

from dataclasses import dataclass

from gdcourse.rules.rule import Rule, Scalar, ratio


@dataclass(frozen=True, eq=False)
class Adadelta(Rule):
    """E[g²]_t = γ E[g²]_{t−1} + (1 − γ) g_t²,
    Δθ_t = − √(E[Δθ²]_{t−1} + ε) / √(E[g²]_t + ε) · g_t,
    E[Δθ²]_t = γ E[Δθ²]_{t−1} + (1 − γ) Δθ_t²,  θ_t = θ_{t−1} + Δθ_t; both averages start at 0.

    Parameters
    ----------
    gamma : γ in [0, 1), without unit: the decay of both averages (the paper's ρ). Default 0.95.
    eps : ε > 0. Under the gradient it has units of g², over it units of θ²; there it decides the
        first steps, of length √(ε / (1 − γ)): with 0 none is ever taken. Default 1e-6.

    State: ``mean_g2`` in units of g² and ``mean_delta2`` in units of θ², with θ's shape.

    Source: Zeiler (2012), Algorithm 1; the talk's slide "Adadelta".
    torch: ``torch.optim.Adadelta(params, lr=1.0, rho=gamma, eps=eps)``, exactly; torch's default
    rho is 0.9.
    """

    gamma: Scalar = 0.95
    eps: Scalar = 1e-6

    def init(self, theta, zeros):
        return {"mean_g2": zeros, "mean_delta2": zeros}

    def step(self, theta, grad, state, at):
        mean_g2 = self.gamma * state["mean_g2"] + (1 - self.gamma) * grad**2
        rms_delta = (state["mean_delta2"] + self.eps) ** 0.5
        rms_g = (mean_g2 + self.eps) ** 0.5
        delta = -ratio(rms_delta, rms_g, self.eps) * grad
        mean_delta2 = self.gamma * state["mean_delta2"] + (1 - self.gamma) * delta**2
        return theta + delta, {
            "mean_g2": mean_g2,
            "mean_delta2": mean_delta2,
            "rms_delta": rms_delta,
            "rms_g": rms_g,
        }
