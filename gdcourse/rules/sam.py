"""SAM: climb a little, take the gradient there, and step with it from where the climb began."""

from dataclasses import dataclass
from typing import ClassVar

from gdcourse.rules.around import Around
from gdcourse.rules.rule import Scalar, Scope, norm, where

TINY = 1e-12


@dataclass(frozen=True, eq=False)
class SAM(Around):
    """Of two gradients on one mini-batch the first climbs,  e = ρ g / (‖g‖ + 10⁻¹²);  the second, taken at
    θ + e, is for the inner rule, which steps from θ.

    One step of SAM is therefore two of this rule. At odd t it sets e and leaves θ where it is; at even t the
    inner rule takes its step t/2, and e is 0 again. The norm is over all parameters.

    Parameters
    ----------
    inner_rule : any rule that does not need each parameter by itself.
    rho : ρ ≥ 0, in units of θ: how far to climb. Default 0.05.

    State: ``e``, with θ's shape and unit, and the inner rule's state.

    `gdcourse.train` and `gdcourse.descend` take both gradients of a pair on the same examples; their steps
    count gradients. In a training loop of one's own with ``gdcourse.optim.from_rule``, compute the loss's
    gradient twice on each batch, with a step of the optimizer after each.

    Source: Foret, Kleiner, Mobahi and Neyshabur (2021), Algorithm 1.
    torch has none; ``pytorch_optimizer.SAM(params, torch.optim.SGD, rho=rho, lr=lr)`` is SAM around gradient
    descent, for parameters that are in one group, of one dtype and with gradients at the same steps: its norm
    is over all groups, and the others are refused here. optax: ``optax.contrib.sam``,
    of the same period, whose climb is a gradient step with a normalised gradient.

    Examples
    --------
    By hand, from θ = (1, 1) on J = ½θ₁² + ¾θ₂: the gradient (1, ¾) has the length 1¼, so that with ρ = ½ the
    climb is (0.4, 0.3), and the gradient up there is (1.4, ¾).

    >>> import numpy as np
    >>> from gdcourse.rules import GradientDescent
    >>> rule, theta = SAM(GradientDescent(lr=0.5), rho=0.5), np.ones(2)
    >>> state = rule.init(theta, 0 * theta)
    >>> for t in (1, 2):
    ...     point = rule.look(theta, state)
    ...     theta, state = rule.step(theta, np.array([point[0], 0.75]), state, rule.at(t))
    ...     print(point, theta, state["e"])
    [1. 1.] [1. 1.] [0.4 0.3]
    [1.4 1.3] [0.3   0.625] [0. 0.]
    """

    scope: ClassVar[Scope] = "all"
    per_batch: ClassVar[int] = 2

    rho: Scalar = 0.05

    def init(self, theta, zeros):
        return {"e": zeros, **self.inner_rule.init(theta, zeros)}

    def at(self, t):
        return {"climbs": t % 2 == 1, **self.inner_rule.at((t + 1) // 2)}

    def look(self, theta, state):
        return self.inner_rule.look(theta, state) + state["e"]

    def unlook(self, point, state):
        return self.inner_rule.unlook(point - state["e"], state)

    def step(self, theta, grad, state, at):
        went, new = self.inner_rule.step(theta, grad, state, at)
        kept = {name: where(at["climbs"], state[name], new[name]) for name in new.keys() & state.keys()}
        e = where(at["climbs"], self.rho * grad / (norm(grad) + TINY), 0 * theta)
        return where(at["climbs"], theta, went), {**new, **kept, "e": e}
