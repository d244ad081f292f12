"""Cautious: another rule's step, but only where it goes down the present gradient."""

from dataclasses import dataclass
from typing import ClassVar

from gdcourse.rules.around import Around, scope_of
from gdcourse.rules.rule import MATRIX, Scope, maximum, sign

LEAST = 1e-3


@dataclass(frozen=True, eq=False)
class Cautious(Around):
    """With u_t the step that the inner rule would take from θ_{t−1}:  φ = 1 where u_t g_t > 0, else 0,
    θ_t = θ_{t−1} − u_t φ / max(φ̄, 0.001).

    φ̄ is the mean of φ over a parameter: what the others would have gone is made up for.

    Parameters
    ----------
    inner_rule : any rule; its own state goes on as if all of the step were taken.

    State: the inner rule's.

    A parameter is one of the optimizer's for torch, whatever its shape; in `gdcourse.train` a part of the
    network, a layer's weights or its biases; in `gdcourse.descend` all of a run's θ.

    Source: Liang, Chen, Liu and Liu (2024); the mean as in the authors' C-AdamW. Their C-Lion has d/(1 + Σφ)
    in the place of 1/φ̄, as the paper has, with d numbers in the parameter. Around a rule that decays θ by
    itself the decay is a part of u; in the authors' code it stays outside and is not masked.
    torch and optax have none.

    Examples
    --------
    By hand, around momentum that still goes up in one of two coordinates: it stays, the other takes both
    steps.

    >>> import numpy as np
    >>> from gdcourse.rules import Momentum
    >>> rule, state = Cautious(Momentum(lr=0.5, gamma=0.5)), {"v": np.array([2.0, 2.0])}
    >>> theta, new = rule.step(np.zeros(2), np.array([-1.0, 1.0]), state, rule.at(2))
    >>> theta, new["v"]
    (array([ 0., -3.]), array([0.5, 1.5]))
    """

    scope: ClassVar[Scope] = "vector"

    def step(self, theta, grad, state, at):
        went, new = self.inner_rule.step(theta, grad, state, at)
        u = theta - went
        agrees = maximum(sign(u * grad), 0)
        axes = MATRIX if scope_of(self) == "tensor" else -1
        share = agrees.mean(axis=axes, keepdims=True)
        return theta - u * agrees / maximum(share, LEAST), new
