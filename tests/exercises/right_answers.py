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


RIGHT = {
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
}
