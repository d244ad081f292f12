"""Schedule-Free: gradients are taken between fast weights and their average, which is the result."""

from dataclasses import dataclass

from gdcourse.rules.rule import Rule, Scalar, maximum, ratio, where


@dataclass(frozen=True, eq=False)
class ScheduleFreeSGD(Rule):
    """y_t = z_{t−1} + β (θ_{t−1} − z_{t−1}),  z_t = z_{t−1} − η s_t (∇J(y_t) + λ y_t),
    θ_t = θ_{t−1} + c_t (z_t − θ_{t−1}),  z_0 = θ_0.

    s_t = min(1, t/w) is the warmup, and c_t = s_t² / (s_1² + ⋯ + s_t²): without one 1/t, which makes θ_t the
    plain mean of z_1 … z_t.

    Parameters
    ----------
    lr : η ≥ 0, the step size, in units of θ² over units of J. Default 1.
    beta : β in (0, 1), without unit: how near to the average gradients are taken. With 0, θ could not be told
        from y. Default 0.9.
    weight_decay : λ ≥ 0, in units of J over θ². Default 0.
    warmup : w, over how many steps the step size grows to η; 0 and 1 are none. Default 0.

    State: ``z``, with θ's shape and unit.

    Source: Defazio et al. (2024), with the weights c_t of the authors' code. They are those of an η that
    does not rise. The authors weigh by the square of the largest η so far: a schedule that falls changes
    nothing there either, one that rises does.
    torch has none. optax: ``optax.contrib.schedule_free_sgd(lr, b1=beta)`` without decay and warmup. The
    authors' ``schedulefree.SGDScheduleFreeReference(params, lr=lr, momentum=beta, weight_decay=weight_decay,
    warmup_steps=warmup)`` holds y after ``train()``, and θ after ``eval()``; exactly.

    Examples
    --------
    By hand, from θ = 1 on J = θ: z is ½, 0, −½, and θ their mean so far; the second gradient is taken at
    ½ · ½ + ½ · ½.

    >>> rule = ScheduleFreeSGD(lr=0.5, beta=0.5)
    >>> theta, state = 1.0, rule.init(1.0, 0.0)
    >>> for t in (1, 2, 3):
    ...     point = rule.look(theta, state)
    ...     theta, state = rule.step(theta, 1.0, state, rule.at(t))
    ...     print(point, state["z"], round(theta, 12))
    1.0 0.5 0.5
    0.5 0.0 0.25
    0.125 -0.5 0.0
    >>> at = ScheduleFreeSGD(warmup=2).at(3)  # 1/(¼ + 1 + 1)
    >>> at["warm"], round(at["c"], 12)
    (1.0, 0.444444444444)
    """

    lr: Scalar = 1.0
    beta: Scalar = 0.9
    weight_decay: Scalar = 0.0
    warmup: Scalar = 0

    def init(self, theta, zeros):
        return {"z": theta}

    def at(self, t):
        return averaging(t, self.warmup)

    def look(self, theta, state):
        return state["z"] + self.beta * (theta - state["z"])

    def unlook(self, point, state):
        return state["z"] + (point - state["z"]) / self.beta

    def step(self, theta, grad, state, at):
        decay = self.weight_decay * self.look(theta, state)
        z = state["z"] - self.lr * at["warm"] * (grad + decay)
        return theta + at["c"] * (z - theta), {"z": z}


@dataclass(frozen=True, eq=False)
class ScheduleFree(Rule):
    """The same with AdamW inside, but for its average of gradients, in whose place the average of z stands:
    y_t = z_{t−1} + β₁ (θ_{t−1} − z_{t−1}),  v_t = β₂ v_{t−1} + (1 − β₂) ∇J(y_t)²,  v̂_t = v_t / (1 − β₂ᵗ),
    z_t = z_{t−1} − η s_t (∇J(y_t) / (√v̂_t + ε) + λ y_t),  θ_t = θ_{t−1} + c_t (z_t − θ_{t−1}),
    z_0 = θ_0, v_0 = 0.

    Parameters
    ----------
    lr : η ≥ 0, in units of θ. Default 0.0025.
    beta1 : β₁ in (0, 1), without unit: how near to the average gradients are taken. With 0, θ could not be
        told from y. Default 0.9.
    beta2 : β₂ in [0, 1), without unit: the decay of the mean square. Default 0.999.
    eps : ε ≥ 0, in units of g. With 0, a coordinate without any gradient so far rests. Default 1e-8.
    weight_decay : λ ≥ 0, in units of one over θ. Default 0.
    warmup : w, over how many steps the step size grows to η; 0 and 1 are none. Default 0.

    State: ``z``, with θ's shape and unit, and ``v``, with θ's shape in units of g².

    Source: Defazio et al. (2024), Algorithm 1, with the bias of v corrected as in the authors' code since.
    As there, s_t² weighs the average and the decay goes with s_t; what `ScheduleFreeSGD` says of a
    schedule holds here, too.
    torch has none. The authors' ``schedulefree.AdamWScheduleFreeReference(params, lr=lr, betas=(beta1,
    beta2), eps=eps, weight_decay=weight_decay, warmup_steps=warmup)`` holds y after ``train()``, and θ after
    ``eval()``; exactly. Their ``AdamWScheduleFreePaper`` corrects v's bias in η, which weighs the average,
    too: another method.

    Examples
    --------
    By hand, from θ = 1 with a gradient of 2, which √v̂ equals: z goes the length of η, and θ with it.

    >>> rule = ScheduleFree(lr=0.25, eps=0.0, weight_decay=1.0)
    >>> theta, new = rule.step(1.0, 2.0, rule.init(1.0, 0.0), rule.at(1))
    >>> theta, new["z"], round(rule.look(1.0, {"z": 2.0}), 12)
    (0.5, 0.5, 1.1)
    """

    lr: Scalar = 0.0025
    beta1: Scalar = 0.9
    beta2: Scalar = 0.999
    eps: Scalar = 1e-8
    weight_decay: Scalar = 0.0
    warmup: Scalar = 0

    def init(self, theta, zeros):
        return {"z": theta, "v": zeros}

    def at(self, t):
        return {"v_bias": 1 - self.beta2**t, **averaging(t, self.warmup)}

    def look(self, theta, state):
        return state["z"] + self.beta1 * (theta - state["z"])

    def unlook(self, point, state):
        return state["z"] + (point - state["z"]) / self.beta1

    def step(self, theta, grad, state, at):
        v = self.beta2 * state["v"] + (1 - self.beta2) * grad**2
        v_hat = v / at["v_bias"]
        decay = self.weight_decay * self.look(theta, state)
        z = state["z"] - self.lr * at["warm"] * (ratio(1, v_hat**0.5 + self.eps, self.eps) * grad + decay)
        return theta + at["c"] * (z - theta), {"z": z, "v": v, "v_hat": v_hat}


def averaging(t, warmup):
    """s_t and c_t: the share of η that step t takes, and of the average that its z is."""
    w = maximum(warmup, 1)
    warm, rising = where(t < w, t, w) / w, where(t < w, t, w // 1)
    squares = rising * (rising + 1) * (2 * rising + 1) / (6 * w**2) + t - rising
    return {"warm": warm, "c": warm**2 / squares}
