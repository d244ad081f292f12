"""Adagrad: each coordinate's step shrinks with the gradients that it has seen."""

from dataclasses import dataclass

from gdcourse.rules.rule import Rule, Scalar, ratio


@dataclass(frozen=True, eq=False)
class Adagrad(Rule):
    """G_t = G_{t−1} + g_t²,  θ_t = θ_{t−1} − η / √(G_t + ε) · g_t,  G_0 = 0, all element by element.

    Parameters
    ----------
    lr : η ≥ 0, the length of each coordinate's first step, in units of θ. Default 0.01.
    eps : ε ≥ 0, in units of g². With 0, a coordinate without any gradient so far rests (torch's is NaN).
        Default 1e-8.

    State: ``G``, with θ's shape, in units of g².

    Source: Duchi, Hazan and Singer (2011), the diagonal case; ε inside the root as on the talk's
    slide "Adagrad" and in Ruder (2016).
    torch: ``torch.optim.Adagrad(params, lr=lr, initial_accumulator_value=eps, eps=0)``, exactly.
    With ``eps=eps`` torch adds ε to √G instead.
    """

    lr: Scalar = 0.01
    eps: Scalar = 1e-8

    def init(self, theta, zeros):
        return {"G": zeros}

    def step(self, theta, grad, state, at):
        G = state["G"] + grad**2
        return theta - ratio(self.lr, (G + self.eps) ** 0.5, self.eps) * grad, {"G": G}
