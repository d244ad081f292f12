"""Clipped: another rule with gradients that are shortened to a greatest length."""

from dataclasses import dataclass
from typing import ClassVar

from gdcourse.rules.around import Around
from gdcourse.rules.rule import Scalar, Scope, norm, where

TINY = 1e-6


@dataclass(frozen=True, eq=False)
class Clipped(Around):
    """The inner rule gets g_t · min(1, M / (‖g_t‖ + 10⁻⁶)), with the norm over all parameters.

    Parameters
    ----------
    inner_rule : any rule that does not need each parameter by itself.
    max_norm : M > 0, in units of g. Default 1.

    State: the inner rule's.

    Source: Pascanu, Mikolov and Bengio (2013), Algorithm 1, with the 10⁻⁶ of torch's.
    torch: ``torch.nn.utils.clip_grad_norm_(params, max_norm)`` before each step of the optimizer inside,
    exactly, for parameters that are in one group, of one dtype, and have gradients at the same steps: one
    that has rested is refused when it has a gradient again. optax: ``optax.clip_by_global_norm(max_norm)``
    before it in a chain, but for the 10⁻⁶.

    Examples
    --------
    By hand: (3, 4) has the length 5 and becomes (0.6, 0.8), (0.3, 0.4) stays.

    >>> import numpy as np
    >>> from gdcourse.rules import GradientDescent
    >>> rule = Clipped(GradientDescent(lr=1.0))
    >>> [rule.step(np.zeros(2), np.array(g), {}, {})[0].round(5).tolist() for g in ([3.0, 4.0], [0.3, 0.4])]
    [[-0.6, -0.8], [-0.3, -0.4]]
    """

    scope: ClassVar[Scope] = "all"

    max_norm: Scalar = 1.0

    def step(self, theta, grad, state, at):
        scale = self.max_norm / (norm(grad) + TINY)
        return self.inner_rule.step(theta, grad * where(scale < 1, scale, 1), state, at)
