"""For each exercise at least three different answers that are right, other parameterisations among them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from gdcourse import Rule


@dataclass(frozen=True, eq=False)
class SlidesMomentum(Rule):
    lr: float
    gamma: float = 0.9

    def init(self, theta, zeros):
        return {"v": zeros}

    def step(self, theta, grad, state, at):
        v = self.gamma * state["v"] + self.lr * grad
        return theta - v, {"v": v}


class Velocity:
    """The velocity itself, which points downhill; not derived from Rule, and not frozen."""

    def __init__(self, lr, gamma=0.9):
        self.lr, self.gamma = lr, gamma

    def init(self, theta, zeros):
        return {"velocity": zeros}

    def step(self, theta, grad, state, at):
        velocity = self.gamma * state["velocity"] - self.lr * grad
        return theta + velocity, {"velocity": velocity}


class TwoPlaces:
    """Polyak's: no v, but the last two places."""

    def __init__(self, eta, gamma):
        self.eta, self.gamma = eta, gamma

    def init(self, theta, zeros):
        return {"last": theta}

    def step(self, theta, grad, state, at):
        return theta - self.eta * grad + self.gamma * (theta - state["last"]), {"last": theta}


class KeptInside:
    """The state in the object itself, and θ alone given back."""

    def __init__(self, lr, gamma):
        self.lr, self.gamma, self.v = lr, gamma, 0.0

    def step(self, theta, grad, state, at):
        self.v = self.gamma * self.v + self.lr * grad
        return theta - self.v


class TorchMomentum(Velocity):
    def init(self, theta, zeros):
        return {"b": zeros}

    def step(self, theta, grad, state, at):
        b = self.gamma * state["b"] + grad
        return theta - self.lr * b, {"b": b}


class Downhill(Velocity):
    """torch's memory with the other sign."""

    def init(self, theta, zeros):
        return {"b": zeros}

    def step(self, theta, grad, state, at):
        b = self.gamma * state["b"] - grad
        return theta + self.lr * b, {"b": b}


class AverageOfGradients(Velocity):
    """A mean in place of the sum, and the factor put into the step."""

    def init(self, theta, zeros):
        return {"m": zeros}

    def step(self, theta, grad, state, at):
        m = self.gamma * state["m"] + (1 - self.gamma) * grad
        return theta - self.lr / (1 - self.gamma) * m, {"m": m}


class Ahead(SlidesMomentum):
    def look(self, theta, state):
        return theta - self.gamma * state["v"]


class AheadByVelocity(Velocity):
    def look(self, theta, state):
        return theta + self.gamma * state["velocity"]


class AheadByPlaces(TwoPlaces):
    def look(self, theta, state):
        return theta + self.gamma * (theta - state["last"])


class SlidesAdagrad:
    def __init__(self, lr, eps):
        self.lr, self.eps = lr, eps

    def init(self, theta, zeros):
        return {"G": zeros}

    def step(self, theta, grad, state, at):
        G = state["G"] + grad**2
        return theta - self.lr / (G + self.eps) ** 0.5 * grad, {"G": G}


class StartsWithEps(SlidesAdagrad):
    """ε is in the sum from the start."""

    def init(self, theta, zeros):
        return {"G": zeros + self.eps}

    def step(self, theta, grad, state, at):
        G = state["G"] + grad * grad
        return theta - self.lr * grad * G**-0.5, {"G": G}


class MeanTimesT(SlidesAdagrad):
    """The mean of the squares, times how many there are."""

    def init(self, theta, zeros):
        return {"mean": zeros}

    def at(self, t):
        return {"t": t}

    def step(self, theta, grad, state, at):
        t = at["t"]
        mean = state["mean"] + (grad**2 - state["mean"]) / t
        return theta - self.lr * grad / np.sqrt(t * mean + self.eps), {"mean": mean}


class PlainRMSProp:
    def __init__(self, lr, gamma, eps):
        self.lr, self.gamma, self.eps = lr, gamma, eps

    def init(self, theta, zeros):
        return {"v": zeros}

    def step(self, theta, grad, state, at):
        v = self.gamma * state["v"] + (1 - self.gamma) * grad**2
        return theta - self.lr * grad / (v**0.5 + self.eps), {"v": v}


class Towards(PlainRMSProp):
    """v moves a share of the way to the new square."""

    def step(self, theta, grad, state, at):
        v = state["v"] + (1 - self.gamma) * (grad**2 - state["v"])
        return theta - self.lr * grad / (np.sqrt(v) + self.eps), {"v": v}


class FadingSum(PlainRMSProp):
    """A sum that fades, with 1 − γ in the step."""

    def step(self, theta, grad, state, at):
        v = self.gamma * state["v"] + grad**2
        return theta - self.lr * grad / (((1 - self.gamma) * v) ** 0.5 + self.eps), {"v": v}


class PlainAdadelta:
    def __init__(self, gamma, eps):
        self.gamma, self.eps = gamma, eps

    def init(self, theta, zeros):
        return {"g2": zeros, "d2": zeros}

    def step(self, theta, grad, state, at):
        g2 = self.gamma * state["g2"] + (1 - self.gamma) * grad**2
        delta = -((state["d2"] + self.eps) ** 0.5) / (g2 + self.eps) ** 0.5 * grad
        return theta + delta, {"g2": g2, "d2": self.gamma * state["d2"] + (1 - self.gamma) * delta**2}


class OneRoot(PlainAdadelta):
    """The root of the quotient, and the step counted downhill."""

    def step(self, theta, grad, state, at):
        g2 = state["g2"] + (1 - self.gamma) * (grad**2 - state["g2"])
        down = ((state["d2"] + self.eps) / (g2 + self.eps)) ** 0.5 * grad
        return theta - down, {"g2": g2, "d2": state["d2"] + (1 - self.gamma) * (down**2 - state["d2"])}


class EpsInside(PlainAdadelta):
    """Averages that hold ε from the start: it stays in them for ever, since γε + (1 − γ)ε is ε."""

    def init(self, theta, zeros):
        return {"g2": zeros + self.eps, "d2": zeros + self.eps}

    def step(self, theta, grad, state, at):
        gamma = self.gamma
        g2 = gamma * state["g2"] + (1 - gamma) * (grad**2 + self.eps)
        delta = -((state["d2"] / g2) ** 0.5) * grad
        return theta + delta, {"g2": g2, "d2": gamma * state["d2"] + (1 - gamma) * (delta**2 + self.eps)}


@dataclass(frozen=True, eq=False)
class PlainAdam(Rule):
    lr: float
    beta1: float
    beta2: float
    eps: float

    def init(self, theta, zeros):
        return {"m": zeros, "v": zeros}

    def at(self, t):
        return {"m_bias": 1 - self.beta1**t, "v_bias": 1 - self.beta2**t}

    def step(self, theta, grad, state, at):
        m = self.beta1 * state["m"] + (1 - self.beta1) * grad
        v = self.beta2 * state["v"] + (1 - self.beta2) * grad**2
        m_hat, v_hat = m / at["m_bias"], v / at["v_bias"]
        return theta - self.lr * m_hat / (v_hat**0.5 + self.eps), {"m": m, "v": v}


class CountsItself:
    """t in the state, and sums in place of averages: the factors cancel against the corrections'."""

    def __init__(self, lr, beta1, beta2, eps):
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps

    def init(self, theta, zeros):
        return {"m": zeros, "v": zeros, "weight1": 0, "weight2": 0}

    def step(self, theta, grad, state, at):
        m, weight1 = self.beta1 * state["m"] + grad, self.beta1 * state["weight1"] + 1
        v, weight2 = self.beta2 * state["v"] + grad**2, self.beta2 * state["weight2"] + 1
        moved = theta - self.lr * (m / weight1) / ((v / weight2) ** 0.5 + self.eps)
        return moved, {"m": m, "v": v, "weight1": weight1, "weight2": weight2}


class TwoBetas(PlainAdam):
    """The corrected averages are kept, each moving by a share that shrinks with t."""

    def init(self, theta, zeros):
        return {"m": zeros, "v": zeros}

    def at(self, t):
        a, b = ((1 - beta) / (1 - beta**t) for beta in (self.beta1, self.beta2))
        return {"a": a, "b": b}

    def step(self, theta, grad, state, at):
        m = state["m"] + at["a"] * (grad - state["m"])
        v = state["v"] + at["b"] * (grad**2 - state["v"])
        return theta - self.lr * m / (v**0.5 + self.eps), {"m": m, "v": v}


class PlainAdamW(PlainAdam):
    """A plain class that takes its decay by position."""

    def __init__(self, lr, beta1, beta2, eps, weight_decay):
        for name, value in zip(("lr", "beta1", "beta2", "eps"), (lr, beta1, beta2, eps), strict=True):
            object.__setattr__(self, name, value)
        object.__setattr__(self, "weight_decay", weight_decay)

    def step(self, theta, grad, state, at):
        moved, new = super().step(theta, grad, state, at)
        return moved - self.lr * self.weight_decay * theta, new


class ShrinksFirst(PlainAdamW):
    """θ is multiplied before Adam's step, which does not depend on θ."""

    def step(self, theta, grad, state, at):
        return PlainAdam.step(self, (1 - self.lr * self.weight_decay) * theta, grad, state, at)


class SumsAndDecays(CountsItself):
    def __init__(self, lr, beta1, beta2, eps, weight_decay):
        super().__init__(lr, beta1, beta2, eps)
        self.weight_decay = weight_decay

    def step(self, theta, grad, state, at):
        moved, new = super().step(theta, grad, state, at)
        return moved - self.lr * self.weight_decay * theta, new


class PlainLion:
    def __init__(self, lr, beta1, beta2, weight_decay):
        self.lr, self.beta1, self.beta2, self.decay = lr, beta1, beta2, weight_decay

    def init(self, theta, zeros):
        return {"m": zeros}

    def step(self, theta, grad, state, at):
        c = self.beta1 * state["m"] + (1 - self.beta1) * grad
        m = self.beta2 * state["m"] + (1 - self.beta2) * grad
        return theta - self.lr * (np.sign(c) + self.decay * theta), {"m": m}


class SumLion(PlainLion):
    """A sum in place of the average that is kept: only c's sign counts."""

    def step(self, theta, grad, state, at):
        share = self.beta1 * (1 - self.beta2) / (1 - self.beta1)
        uphill = share * state["m"] + grad > 0
        theta = (1 - self.lr * self.decay) * theta + (-self.lr if uphill else self.lr)
        return theta, {"m": self.beta2 * state["m"] + grad}


class DownhillLion(PlainLion):
    def step(self, theta, grad, state, at):
        c = state["m"] + (1 - self.beta1) * (-grad - state["m"])
        m = state["m"] + (1 - self.beta2) * (-grad - state["m"])
        return theta + self.lr * (c / abs(c) - self.decay * theta), {"m": m}


class Free:
    def __init__(self, lr, beta):
        self.lr, self.beta = lr, beta

    def init(self, theta, zeros):
        return {"z": theta}

    def at(self, t):
        return {"t": t}

    def look(self, theta, state):
        return (1 - self.beta) * state["z"] + self.beta * theta

    def step(self, theta, grad, state, at):
        z = state["z"] - self.lr * grad
        return theta + (z - theta) / at["t"], {"z": z}


class FreeBySum(Free):
    """The sum of all z, and how many there are, in place of t."""

    def init(self, theta, zeros):
        return {"z": theta, "sum": zeros, "count": 0}

    def step(self, theta, grad, state, at):
        z, count = state["z"] - self.lr * grad, state["count"] + 1
        total = state["sum"] + z
        return total / count, {"z": z, "sum": total, "count": count}


class FreeByY(Free):
    """The page's second form: y is kept in z's place."""

    def init(self, theta, zeros):
        return {"y": theta}

    def look(self, theta, state):
        return state["y"]

    def step(self, theta, grad, state, at):
        stepped = state["y"] - (1 - self.beta) * self.lr * grad
        new = theta + (stepped - theta) / (1 - self.beta) / at["t"]
        return new, {"y": stepped + self.beta * (new - theta)}


class PlainAMSGrad(PlainAdam):
    def init(self, theta, zeros):
        return {"m": zeros, "v": zeros, "largest": zeros}

    def step(self, theta, grad, state, at):
        m = self.beta1 * state["m"] + (1 - self.beta1) * grad
        v = self.beta2 * state["v"] + (1 - self.beta2) * grad**2
        largest = max(state["largest"], v)
        root = (largest / at["v_bias"]) ** 0.5
        return theta - self.lr * (m / at["m_bias"]) / (root + self.eps), {"m": m, "v": v, "largest": largest}


class LargestRoot(PlainAMSGrad):
    """The largest root in place of the largest square."""

    def step(self, theta, grad, state, at):
        m = state["m"] + (1 - self.beta1) * (grad - state["m"])
        v = state["v"] + (1 - self.beta2) * (grad**2 - state["v"])
        largest = np.maximum(state["largest"], np.sqrt(v))
        size = largest / np.sqrt(at["v_bias"]) + self.eps
        return theta - self.lr * m / at["m_bias"] / size, {"m": m, "v": v, "largest": largest}


class AllOfThem(PlainAMSGrad):
    """Every v so far is kept."""

    def init(self, theta, zeros):
        return {"m": zeros, "all": (zeros,)}

    def step(self, theta, grad, state, at):
        m = self.beta1 * state["m"] + (1 - self.beta1) * grad
        v = (*state["all"], self.beta2 * state["all"][-1] + (1 - self.beta2) * grad**2)
        size = (max(v) / at["v_bias"]) ** 0.5 + self.eps
        return theta - self.lr * m / at["m_bias"] / size, {"m": m, "all": v}


MOMENTUM_AS_TEXT = """
from dataclasses import dataclass

@dataclass(frozen=True, eq=False)
class Mine(gd.Rule):
    lr: float
    gamma: float = 0.9

    def init(self, theta, zeros):
        return {"v": zeros}

    def step(self, θ, g, state, at):
        v = self.gamma·state["v"] + self.lr·g
        return θ − v, {"v": v}
"""


def numbers(value, *more):
    """A number in three ways."""
    return (value, repr(value), np.float64(value), Fraction(value), *more)


class Falling(Rule):
    """Gradient descent at η/t, with the rate from at(t)."""

    def __init__(self, lr):
        self.lr = lr

    def at(self, t):
        return {"lr": self.lr / t}

    def step(self, theta, grad, state, at):
        return theta - at["lr"] * grad, {}


class Counting:
    """The same, which counts its steps itself."""

    def __init__(self, lr):
        self.lr, self.t = lr, 0

    def step(self, theta, grad, state, at):
        self.t += 1
        return theta - self.lr * grad / self.t


@dataclass(frozen=True)
class Remembering(Rule):
    """The same, with the number of steps in its state."""

    eta: float

    def init(self, theta, zeros):
        return {"t": zeros}

    def step(self, theta, grad, state, at):
        t = state["t"] + 1
        return theta - grad / (t / self.eta), {"t": t}


RIGHT = {
    "introduction.shorter": (Falling, Counting, Remembering),
    "introduction.passes": numbers(3.2, "300*64/6000", "16/5"),
    "introduction.report": ("c", "(c)", "The test accuracy at the chosen rate"),
    "race.luck": numbers(2 / 64, "1/32", "2*0.5**6"),
    "race.edge": ("c", "C", "Widen all grids by as many values, until every best is inside"),
    "race.seconds": numbers(0.6, "0.5*1.2", "60 %"),
    "gradient_descent.step": (
        "theta = theta - eta * g",
        "theta -= g * eta",
        "θ − η·g",
        "move = -eta * g\ntheta = theta + move",
        lambda theta, eta, g: theta - eta * g,
    ),
    "gradient_descent.limit": numbers(0.25, "1/4", "2/8", "25 %"),
    "gradient_descent.ridge": (188, 186.0, "log(0.5/1e-8)/log(1.1)", np.int64(187)),
    "batch.gradient": (
        "g = sum((theta * x - y) * x for x, y in zip(xs, ys)) / len(xs)",
        "g = sum(x * (theta * x - y) / len(ys) for x, y in zip(xs, ys))",
        "g = 0\nfor x, y in zip(xs, ys):\n    g += theta * x**2 - x * y\ng = g / len(xs)",
        "theta * sum(x * x for x in xs) / len(xs) - sum(x * y for x, y in zip(xs, ys)) / len(xs)",
        lambda theta, xs, ys: float(np.mean((theta * np.array(xs) - ys) * np.array(xs))),
    ),
    "batch.sum": numbers(2 / 75, "2/(60*1.25)", "1.6/60"),
    "batch.chunks": numbers(5.0, 5, "(20*3 + 40*6)/60"),
    "batch.twice": ("b", "B", "(b)", "The same path, at twice the cost"),
    "stochastic.half_rate": (0.497, 0.5, "1/2", "(0.01/1.99)/(0.02/1.98)"),
    "stochastic.sums": ("b", " B ", "0.5/t"),
    "stochastic.mean": (
        "mean = mean + (theta - mean) / t",
        "mean = ((t - 1) * mean + theta) / t",
        "mean * (1 - 1 / t) + theta / t",
        "total = total + theta if t > 1 else theta\nmean = total / t",
    ),
    "mini_batch.half_error": numbers(87.0, 87, "1/((1/25 - 1/500)/4 + 1/500)"),
    "mini_batch.putting_back": ("b", "(B)", "σ²/N"),
    "mini_batch.steps": numbers(16.0, 16, "15 + 1"),
    "mini_batch.slice": (
        "i = (t - 1) * n % N",
        "((t - 1) % (N // n)) * n",
        "i = 0 if t == 1 else i + n\nif i == N:\n    i = 0",
        lambda t, n, N: (t * n - n) % N,
    ),
    "momentum.heavy_ball": (SlidesMomentum, Velocity, TwoPlaces, KeptInside, MOMENTUM_AS_TEXT),
    "momentum.torch_form": (
        TorchMomentum,
        Downhill,
        AverageOfGradients,
        lambda lr, gamma: TorchMomentum(lr, gamma),
    ),
    "momentum.at_change": (
        "b = b * eta_old / eta",
        "b *= eta_old / eta",
        "if eta != eta_old:\n    b = b / (eta / eta_old)",
        lambda b, eta, eta_old: eta_old * b / eta,
    ),
    "momentum.steady": numbers(10.0, 10, "1/(1 - 0.9)"),
    "momentum.overshoot": numbers(0.81, "(1 - sqrt(0.01))**2", "0.9^2"),
    "nesterov.look_ahead": (
        "look = theta - gamma * v",
        "θ − γ·v",
        "look = theta\nlook -= v * gamma",
        lambda theta, gamma, v: theta - gamma * v,
    ),
    "nesterov.whole": (Ahead, AheadByVelocity, AheadByPlaces),
    "nesterov.limit": numbers(0.0678571, "2*1.9/2.8/20", 0.0679),
    "nesterov.none": numbers(0.25, "1/4"),
    "adagrad.whole": (SlidesAdagrad, StartsWithEps, MeanTimesT),
    "adagrad.distance": (19.85, 20, "2*0.1*sqrt(10000)", "2*0.1*100"),
    "adagrad.scale": ("c", "C", "Nothing to speak of"),
    "adagrad.torch_start": (
        "G = where(t == 1, eps, G)",
        "eps if t == 1 else G",
        "if t == 1:\n    G = G + eps",
        "G = max(G, eps) if t < 2 else G",
    ),
    "rmsprop.whole": (PlainRMSProp, Towards, FadingSum),
    "rmsprop.first_step": numbers(3.16228, "sqrt(10)", "1/sqrt(0.1)"),
    "rmsprop.half_life": (6.58, 6.6, "log(0.5)/log(0.9)", "-ln(2)/ln(0.9)"),
    "rmsprop.mend": (
        "v_hat = v / (1 - gamma**t)",
        "v * (1 - gamma**t)**-1",
        "weight = sum((1 - gamma) * gamma**s for s in range(t))\nv_hat = v / weight",
        lambda v, gamma, t: v / -np.expm1(t * np.log(gamma)),
    ),
    "adadelta.whole": (PlainAdadelta, OneRoot, EpsInside),
    "adadelta.first_step": numbers(0.0316, "sqrt(1e-4/0.1)", "sqrt(0.001)"),
    "adadelta.step": (
        "delta = -(d2 + eps)**0.5 / (g2 + eps)**0.5 * g",
        "-g * ((d2 + eps) / (g2 + eps))**0.5",
        "delta = -sqrt(d2 + eps) / sqrt(g2 + eps) * g",
        "rms = lambda x: (x + eps)**0.5\ndelta = -rms(d2) / rms(g2) * g",
    ),
    "adadelta.unit": ("c", "(C)", "It shrinks by 10"),
    "adam.bias": (
        "m_hat = m / (1 - beta1**t)\nv_hat = v / (1 - beta2**t)",
        "m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)",
        "v_hat = v * (1 - β₂**t)**-1\nm_hat = m * (1 - β₁**t)**-1",
        "correct = lambda x, b: x / sum((1 - b) * b**s for s in range(t))\n"
        "m_hat = correct(m, beta1)\nv_hat = correct(v, beta2)",
    ),
    "adam.step": (
        "theta = theta - eta / (v_hat**0.5 + eps) * m_hat",
        "theta -= eta * m_hat / (sqrt(v_hat) + eps)",
        "theta - m_hat * eta / (eps + v_hat**(1/2))",
    ),
    "adam.whole": (PlainAdam, CountsItself, TwoBetas),
    "adam.no_correction": numbers(3.1623, "0.1/sqrt(0.001)", "sqrt(10)"),
    "adam.decoupled": (
        "theta = theta - adam - eta * lam * theta",
        "(1 - eta * lam) * theta - adam",
        "theta -= adam + eta * lam * theta",
        lambda theta, adam, eta, lam: theta * (1 - eta * lam) - adam,
    ),
    "radam.never": numbers(0.6, "3/5", "1 - 2/5"),
    "radam.rho": (
        "2 / (1 - beta2) - 1 - 2 * t * beta2**t / (1 - beta2**t)",
        lambda t, beta2: (1 + beta2) / (1 - beta2) - 2 * t / (beta2**-t - 1),
        "def rho(t, beta2):\n    b = beta2**t\n    return 2 / (1 - beta2) - 1 - 2 * t * b / (1 - b)",
        "rho = lambda t, beta2: 2 / (1 - beta2) - 1 - 2 * t * beta2**t / (1 - beta2**t)",
        lambda beta2, t: 2 / (1 - beta2) - 1 + 2 * t * (1 - 1 / (1 - beta2**t)),
    ),
    "radam.r": (
        "((rho_t - 4) * (rho_t - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho_t))**0.5",
        lambda rho_t, rho_inf: (
            ((rho_t - 4) / (rho_inf - 4) * (rho_t - 2) / (rho_inf - 2) * rho_inf / rho_t) ** 0.5
        ),
        "a = lambda x: (x - 4) * (x - 2) / x\nr = (a(ρ_t) / a(ρ_∞))**0.5",
        "sqrt((rho_t - 4) * (1 - 2 / rho_t) / ((rho_inf - 4) * (1 - 2 / rho_inf)))",
    ),
    "radam.scale": ("c", "(c)", "The first become 100 times as long, the later stay"),
    "lookahead.sync": (
        "if t % k == 0:\n    slow = slow + alpha * (theta - slow)\n    theta = slow",
        "if not t % k:\n    slow = theta = (1 - alpha) * slow + alpha * theta",
        "sync = t % k == 0\nslow = where(sync, slow + alpha * (theta - slow), slow)\n"
        "theta = where(sync, slow, theta)",
        "if t / k == t // k:\n    theta += (1 - alpha) * (slow - theta)\n    slow = theta",
    ),
    "lookahead.speed": numbers(0.795245, "0.5 + 0.5*0.9**5", "(1 + 0.9^5)/2"),
    "lookahead.edge": numbers(2.24573, "1 + 3**0.2", "1 + 3^(1/5)"),
    "lookahead.even": ("a", "A", "2"),
    "network.count": numbers(52650.0, "785*64 + 65*32 + 33*10", "784*64 + 64 + 64*32 + 32 + 320 + 10"),
    "network.softmax": (
        "exp(s1) / (exp(s1) + exp(s2))",
        "1 / (1 + exp(s2 - s1))",
        lambda s1, s2: float(np.exp(s1 - max(s1, s2)) / np.exp(np.array([s1, s2]) - max(s1, s2)).sum()),
        "top = max(s1, s2)\na, b = exp(s1 - top), exp(s2 - top)\np = a / (a + b)",
    ),
    "network.first_loss": numbers(2.302585, "log(10)", "-ln(1/10)"),
    "network.recall": numbers(0.75, "45/60", "75 %"),
    "network.blank": ("a", "A", "They stay as they were"),
    "backpropagation.scores": ("p - hit", "p - 1 if hit else p", lambda p, hit: -(hit - p)),
    "backpropagation.hidden": (
        "(d1 * w1 + d2 * w2) * (z > 0)",
        "where(z > 0, d1 * w1 + d2 * w2, 0)",
        lambda d1, d2, w1, w2, z: float(np.dot([d1, d2], [w1, w2])) if z > 0 else 0,
        "way1, way2 = d1 * w1, d2 * w2\ndelta = 0 if z < 0 else way1 + way2",
    ),
    "backpropagation.weight": (
        "g = (s - y) * w * (z > 0) * x",
        "(s - y) * w * x if z > 0 else 0",
        "delta = (s - y) * w\nif a == 0:\n    delta = 0\ng = x * delta",
        lambda s, y, w, z, x: w * x * (s - y) * float(z > 0),
    ),
    "backpropagation.depth": numbers(1024.0, 1024, "2**10"),
    "backpropagation.zero": ("a", "(A)", "Those of the upper biases b₂ alone"),
    "why_it_matters.random_plane": numbers(2 / 25450, "2/25450", 7.86e-5),
    "why_it_matters.angle": numbers(0.01, "1/sqrt(10000)", "1 %"),
    "why_it_matters.line": (
        "a + share * (b - a)",
        "(1 - share) * a + share * b",
        lambda a, b, share: b + (1 - share) * (a - b),
    ),
    "why_it_matters.rescaled": ("b", "B", "The loss stays, but is much sharper for moves of one length"),
    "schedules.linear": (
        "(T - t + 1) / T",
        "1 - (t - 1) / T",
        lambda t, T: np.linspace(1, 0, T + 1)[t - 1],
    ),
    "schedules.cosine": (
        "(1 - cos(pi * (T - t + 1) / T)) / 2",
        "(1 + cos(pi * (t - 1) / T)) / 2",
        lambda t, T: float(np.cos(np.pi * (t - 1) / (2 * T)) ** 2),
        "left = T - t + 1\nrate = 0.5 - 0.5 * cos(pi * left / T)",
    ),
    "schedules.wsd": (
        "min(1, (T - t + 1) / n)",
        "1 if t <= T - n else (T - t + 1) / n",
        lambda t, T, n: float(np.interp(t, [T - n + 1, T + 1], [1, 0])),
        "def rate(t, T, n):\n    if t + n > T:\n        return 1 - (t + n - T - 1) / n\n    return 1.0",
    ),
    "schedules.warmup": (
        "min(1, t / w)",
        "t / max(t, w)",
        lambda t, w: float(np.interp(t, [0, w], [0, 1])),
    ),
    "schedules.horizons": numbers(1840.0, 1840, "1600 + 400/5 + 800/5"),
    "weight_decay.l2": (
        "g = gradient(theta) + lam * theta",
        "gradient(theta) + λ·θ",
        "g = lam * theta\ng += gradient(theta)",
        lambda gradient, theta, lam: gradient(theta) + lam * theta,
    ),
    "weight_decay.adamw": (PlainAdamW, ShrinksFirst, SumsAndDecays),
    "weight_decay.left": numbers(0.921, "log(100)/5", "-ln(0.01)/(10000*0.001/2)"),
    "weight_decay.bound": numbers(10.0, "1/0.1", 10),
    "sign.signum": (
        "m = gamma * m + (1 - gamma) * g",
        "m + (1 - gamma) * (g - m)",
        "m = g - gamma * (g - m)",
        lambda m, g, gamma: float(np.average([m, g], weights=[gamma, 1 - gamma])),
    ),
    "sign.lion": (PlainLion, SumLion, DownhillLion),
    "sign.batch": (35, 34.66, "ln(2)/0.02", "log(0.5)/log(0.98) + 0.7"),
    "sign.noise": (0.0797, 0.08, "0.1*sqrt(2/pi)", 0.07966),
    "repairs.largest": (
        "u = maximum(u, v)",
        "max(u, v)",
        "if v > u:\n    u = v",
        lambda u, v: (u + v + abs(u - v)) / 2,
    ),
    "repairs.clip": (
        "g = g * min(1, M / abs(g))",
        "max(-M, min(M, g))",
        "if abs(g) > M:\n    g = M * sign(g)",
        lambda g, M: float(np.clip(g, -M, M)),
    ),
    "repairs.cautious": (
        "theta = theta - (u if u * g > 0 else 0)",
        "theta - u * (u * g > 0)",
        "if (u > 0) == (g > 0):\n    theta -= u",
        lambda theta, u, g: theta - u * max(float(np.sign(u * g)), 0.0),
    ),
    "repairs.standstill": (350, 349, "ln(100/3)/0.01", "-log(100/3)/log(0.99)"),
    "repairs.belief": ("b", "B", "They are far longer"),
    "muon.polynomial": (
        "a * x + b * x**3 + c * x**5",
        "x * (a + x**2 * (b + c * x**2))",
        lambda x, a, b, c: float(np.polyval([c, 0, b, 0, a, 0], x)),
        "A = x * x\ny = a * x + b * A * x + c * A * A * x",
    ),
    "muon.steps": numbers(16.0, 16, "15 + 1"),
    "muon.average": (
        "U = mu * M + (1 - mu) * g",
        "M + (1 - mu) * (g - M)",
        "U = g - mu * (g - M)",
        lambda M, mu, g: g * (1 - mu) + M * mu,
    ),
    "muon.shape": (
        "max(1, n / m)**0.5",
        "sqrt(n / m) if n > m else 1",
        lambda n, m: max(n, m) ** 0.5 / m**0.5,
        "sqrt(max(n, m) / m)",
    ),
    "muon.scale": ("b", "(b)", "They stay"),
    "curvature.shampoo": (
        "theta = theta - eta * (eps + L)**-p * g * (eps + R)**-p",
        "theta - eta * g / ((eps + L) * (eps + R))**p",
        "left, right = (L + eps)**p, (R + eps)**p\ntheta -= eta * g / left / right",
        lambda theta, eta, eps, L, g, p: theta - eta * g * (eps + L) ** (-2 * p),
    ),
    "curvature.power": (
        "sigma**(1 - 4 * p)",
        "(sigma**2)**-p * sigma * (sigma**2)**-p",
        lambda sigma, p: sigma / sigma ** (4 * p),
        "exp((1 - 4 * p) * log(sigma))",
    ),
    "curvature.memory": (48.83, "(50000**2 + 512**2)/(2*50000*512)", 48.8),
    "curvature.adafactor": (
        "r * c / mean",
        "r / mean * c",
        lambda r, c, mean: r * (c / mean),
    ),
    "schedule_free.between": (
        "y = z + beta * (theta - z)",
        "(1 - beta) * z + beta * theta",
        "θ − (1 − β)·(θ − z)",
        lambda z, beta, theta: beta * theta + z - beta * z,
    ),
    "schedule_free.average": (
        "theta = theta + (z - theta) / t",
        "((t - 1) * theta + z) / t",
        "total = z if t == 1 else total + z\ntheta = total / t",
    ),
    "schedule_free.whole": (Free, FreeBySum, FreeByY),
    "schedule_free.limit": numbers(5.0, "2/(0.1*4)", "20/4"),
    "schedule_free.evaluate": ("c", "C", "θ, the average"),
    "conclusion.amsgrad": (PlainAMSGrad, LargestRoot, AllOfThem),
    "conclusion.chance": numbers(2 / 252, "1/126", 0.00794),
    "conclusion.memory": numbers(203600.0, "2*4*25450", 203600),
    "conclusion.fair": ("b", "B", "That the new method, tuned, beats Adam untuned, and no more"),
}
