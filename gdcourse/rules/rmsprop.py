"""RMSProp: Adagrad that forgets. The talk skips it; its average is in Adadelta and in Adam as well."""

from dataclasses import dataclass

from gdcourse.rules.rule import Rule, Scalar, ratio


@dataclass(frozen=True, eq=False)
class RMSProp(Rule):
    """v_t = γ v_{t−1} + (1 − γ) g_t²,  θ_t = θ_{t−1} − η / (√v_t + ε) · g_t,  v_0 = 0.

    Parameters
    ----------
    lr : η ≥ 0, the step size, in units of θ. Default 0.001.
    gamma : γ in [0, 1), without unit: the decay of the average. Default 0.9.
    eps : ε ≥ 0, in units of g. With 0, a coordinate without any gradient so far rests (torch's is NaN).
        Default 1e-8.

    State: ``v``, with θ's shape, in units of g².

    Source: Tieleman and Hinton (2012), lecture 6.5 of "Neural networks for machine learning".
    torch: ``torch.optim.RMSprop(params, lr=lr, alpha=gamma, eps=eps)``, exactly; torch's own
    defaults are lr=0.01 and alpha=0.99.
    """

    lr: Scalar = 1e-3
    gamma: Scalar = 0.9
    eps: Scalar = 1e-8

    def init(self, theta, zeros):
        return {"v": zeros}

    def step(self, theta, grad, state, at):
        v = self.gamma * state["v"] + (1 - self.gamma) * grad**2
        return theta - ratio(self.lr, v**0.5 + self.eps, self.eps) * grad, {"v": v}
