"""Gradient descent. Batch, stochastic and mini-batch descent are this one rule: what
differs is how many examples the gradient was taken over."""

from dataclasses import dataclass

from gdcourse.rules.rule import Rule, Scalar


@dataclass(frozen=True, eq=False)
class GradientDescent(Rule):
    """θ_t = θ_{t−1} − η ∇J(θ_{t−1}).

    Parameters
    ----------
    lr : η ≥ 0, the step size, in units of θ² over units of J. No default: it depends on J.

    Source: Cauchy (1847); the talk's slide "Batch gradient descent".
    torch: ``torch.optim.SGD(params, lr=lr)``, exactly.
    """

    lr: Scalar

    def step(self, theta, grad, state, at):
        return theta - self.lr * grad, {}
