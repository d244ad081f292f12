"""Prodigy: Adam whose learning rate is an estimate of the way from θ_0 to the minimum."""

from dataclasses import dataclass
from typing import ClassVar

from gdcourse.rules.rule import Rule, Scalar, Scope, maximum, norm, ratio


@dataclass(frozen=True, eq=False)
class Prodigy(Rule):
    """m_t = β₁ m_{t−1} + (1 − β₁) d g_t,  v_t = β₂ v_{t−1} + (1 − β₂) d² g_t²,
    r_t = √β₂ r_{t−1} + η d²/d_0 ⟨g_t, θ_0 − θ_{t−1}⟩,  s_t = √β₂ s_{t−1} + η d²/d_0 g_t,
    d' = max(d, κ r_t / ‖s_t‖₁),  θ_t = θ_{t−1} − η d (m_t / (√v_t + d' ε) + λ θ_{t−1}),  then d ← d'.

    d starts as d_0 and never falls. Products and norms are over all parameters, m_0 = v_0 = r_0 = s_0 = 0.

    Parameters
    ----------
    lr : η ≥ 0, without unit: a schedule's place. Default 1.
    beta1 : β₁ in [0, 1), without unit: the decay of the mean. Default 0.9.
    beta2 : β₂ in [0, 1), without unit: the decay of the mean square. Default 0.999.
    eps : ε ≥ 0, in units of g. With 0, a coordinate without any gradient so far rests. Default 1e-8.
    weight_decay : λ ≥ 0, in units of one over θ. Default 0.
    d0 : d_0 > 0, in units of θ. It must only be too small. Default 1e-6.
    d_coef : κ > 0, without unit: what the estimate is multiplied by. Default 1.

    State: ``m`` in units of g θ, ``v`` in units of g² θ², ``s`` in units of g θ and ``start``, which is θ_0,
    with θ's shape; for all of them together ``r``, in units of g θ², and ``d``, in units of θ.

    Source: Mishchenko and Defazio (2023), the version with Adam, with d' beside ε as in the authors' code,
    and without a correction of biases, which is an option there, off by default.
    torch has none. The authors' ``prodigyopt.Prodigy(params, lr=lr, betas=(beta1, beta2), eps=eps,
    weight_decay=weight_decay, d0=d0, d_coef=d_coef)``, exactly, for parameters that are in one group: of
    several groups each has a d of its own here, and all have one there; and a parameter of another dtype, or
    one that has a gradient again after a step without, is refused here. optax always corrects biases, which
    is another method.

    Examples
    --------
    By hand, from θ = 3 on J = θ, where g is 1 and ⟨g, θ_0 − θ⟩ the way done so far: 0, 1.1547, 2.1875. Only
    the third r/s is more than d.

    >>> import numpy as np
    >>> rule, theta, one = Prodigy(d0=1.0, beta1=0.0, beta2=0.25, eps=0.0), np.array([3.0]), np.ones(1)
    >>> state = rule.init(theta, 0 * theta)
    >>> for t in (1, 2, 3):
    ...     theta, state = rule.step(theta, one, state, rule.at(t))
    ...     print(f"{theta[0]:.4f} r {state['r'][0]:.4f} s {state['s'][0]:.4f} d {state['d'][0]:.4f}")
    1.8453 r 0.0000 s 1.0000 d 1.0000
    0.8125 r 1.1547 s 1.5000 d 1.0000
    -0.1954 r 2.7648 s 1.7500 d 1.5799
    """

    scope: ClassVar[Scope] = "all"

    lr: Scalar = 1.0
    beta1: Scalar = 0.9
    beta2: Scalar = 0.999
    eps: Scalar = 1e-8
    weight_decay: Scalar = 0.0
    d0: Scalar = 1e-6
    d_coef: Scalar = 1.0

    def init(self, theta, zeros):
        zero = norm(zeros)
        return {"m": zeros, "v": zeros, "s": zeros, "start": theta, "r": zero, "d": zero + self.d0}

    def step(self, theta, grad, state, at):
        d, decay, weight = state["d"], self.beta2**0.5, self.lr * state["d"] ** 2 / self.d0
        m = self.beta1 * state["m"] + (1 - self.beta1) * d * grad
        v = self.beta2 * state["v"] + (1 - self.beta2) * (d * grad) ** 2
        way = (grad * (state["start"] - theta)).sum(axis=-1, keepdims=True)
        r, s = decay * state["r"] + weight * way, decay * state["s"] + weight * grad
        farther = maximum(d, self.d_coef * ratio(r, abs(s).sum(axis=-1, keepdims=True)))
        step = ratio(1, v**0.5 + farther * self.eps, self.eps) * m + self.weight_decay * theta
        new = {"m": m, "v": v, "s": s, "start": state["start"], "r": r, "d": farther}
        return theta - self.lr * d * step, new
