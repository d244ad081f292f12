"""LAMB: Adam whose step has, for each parameter, a length in proportion to the parameter's own."""

from dataclasses import dataclass
from typing import ClassVar

from gdcourse.rules.adam import Adam
from gdcourse.rules.rule import Scalar, Scope, norm, ratio, where


@dataclass(frozen=True, eq=False)
class LAMB(Adam):
    """u_t = m̂_t / (√v̂_t + ε) + λ θ_{t−1},  r_t = ‖θ_{t−1}‖/‖u_t‖, and 1 where either is 0,
    θ_t = θ_{t−1} − η r_t u_t, with m̂ and v̂ as in Adam.

    The norms are over one parameter, whatever its shape.

    Parameters
    ----------
    lr : η ≥ 0, without unit: a step's length as a share of θ's. Default 0.001.
    beta1, beta2 : as in Adam.
    eps : ε ≥ 0, in units of g. Default 1e-6.
    weight_decay : λ ≥ 0, in units of one over θ. Default 0.01.

    State: ``m`` and ``v`` as in Adam.

    Source: You et al. (2020), Algorithm 2, with φ(x) = x.
    torch has none. optax: ``optax.lamb(lr, beta1, beta2, eps, weight_decay=weight_decay)``, exactly.

    Examples
    --------
    By hand: u is (1, 0) at first, θ has the length 5, and so a tenth of that is the step.

    >>> import numpy as np
    >>> rule, theta = LAMB(lr=0.1, eps=0.0, weight_decay=0.0), np.array([3.0, 4.0])
    >>> rule.step(theta, np.array([7.0, 0.0]), rule.init(theta, 0 * theta), rule.at(1))[0]
    array([2.5, 4. ])
    """

    scope: ClassVar[Scope] = "vector"

    eps: Scalar = 1e-6
    weight_decay: Scalar = 0.01

    def step(self, theta, grad, state, at):
        _, new = super().step(theta, grad, state, at)
        u = ratio(new["m_hat"], new["v_hat"] ** 0.5 + self.eps, self.eps) + self.weight_decay * theta
        length, size = norm(u), norm(theta)
        r = where((size > 0) & (length > 0), ratio(size, length), 1.0)
        return theta - self.lr * r * u, {**new, "r": r}
