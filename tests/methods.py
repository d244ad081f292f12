"""The rules of the table as the tests run them. Nothing here needs NumPy or torch.

A rule that stands in the table and is not named here is tested all the same, with the values that the names
of its hyperparameters ask for.
"""

from __future__ import annotations

from dataclasses import fields, replace

import gdcourse as gd

SETTINGS = {
    "GradientDescent": {"lr": 0.1},
    "Momentum": {"lr": 0.1, "gamma": 0.8},
    "Nesterov": {"lr": 0.1, "gamma": 0.8},
    "Adagrad": {"lr": 0.3, "eps": 1e-6},
    "RMSProp": {"lr": 0.05, "gamma": 0.7, "eps": 1e-6},
    "Adadelta": {"gamma": 0.8, "eps": 1e-4},
    "Adam": {"lr": 0.1, "beta1": 0.7, "beta2": 0.95, "eps": 1e-6},
    "AdamW": {"lr": 0.1, "beta1": 0.7, "beta2": 0.95, "eps": 1e-6, "weight_decay": 0.1},
    "RAdam": {"lr": 0.1, "beta1": 0.7, "beta2": 0.95},
    "SignSGD": {"lr": 0.05, "gamma": 0.7},
    "Lion": {"lr": 0.05, "beta1": 0.6, "beta2": 0.9, "weight_decay": 0.1},
    "NAdam": {"lr": 0.1, "beta1": 0.7, "beta2": 0.95, "eps": 1e-6, "momentum_decay": 0.1},
    "AMSGrad": {"lr": 0.1, "beta1": 0.7, "beta2": 0.8, "eps": 1e-6},
    "AdaBelief": {"lr": 0.1, "beta1": 0.7, "beta2": 0.95, "eps": 1e-6},
    "AdEMAMix": {"lr": 0.05, "beta1": 0.7, "beta2": 0.95, "beta3": 0.98, "weight_decay": 0.1},
    "ADOPT": {"lr": 0.1, "beta1": 0.7, "beta2": 0.95},
    "ScheduleFreeSGD": {"lr": 0.3, "beta": 0.8, "weight_decay": 0.05, "warmup": 5},
    "ScheduleFree": {"lr": 0.2, "beta1": 0.8, "beta2": 0.95, "weight_decay": 0.05, "warmup": 5},
}
"""Hyperparameters by which forty steps of a rule show all that it does."""

THREE = {
    "lr": [0.01, 0.1, 0.2],
    "gamma": [0.0, 0.5, 0.9],
    "beta1": [0.0, 0.5, 0.9],
    "beta2": [0.55, 0.9, 0.999],  # with .55 RAdam never adapts, with .9 and .999 from step 5 on
    "eps": [1e-10, 1e-4, 1.0],
    "weight_decay": [0.0, 0.1, 1.0],
    "threshold": [4, 5, 4],  # apart by a step
    "momentum_decay": [0.0, 0.01, 1.0],
    "beta3": [0.0, 0.9, 0.99],
    "AdEMAMix.alpha": [0.0, 1.0, 3.0],
    "AdaBelief.beta1": [0.3, 0.5, 0.9],  # with 0 the gradient is its own mean
    "ScheduleFree.beta1": [0.3, 0.5, 0.9],
    "beta": [0.3, 0.5, 0.9],
    "warmup": [0.0, 1.0, 7.0],
}
"""Three values of each hyperparameter, or of a rule's own, to be run side by side."""


def usual(name):
    """The rule of this name as the table makes it."""
    return gd.ALL[name].make(gd.ALL[name].usual)


PLAIN = [name for name in gd.ALL if not hasattr(usual(name), "inner_rule") and usual(name).scope == "element"]
"""The rules that work by element and are not around another one."""

FLAT = [name for name in gd.ALL if gd.rules.scope_of(usual(name)) != "tensor"]
"""Those, and the rules around another one or over all parameters: what runs on a vector."""

KINDS = {name: type(usual(name)) for name in PLAIN}


def hyperparameters(name):
    """The names of a rule's hyperparameters that are numbers, in its order."""
    return [field.name for field in fields(usual(name)) if field.name != "inner_rule"]


def with_values(name, **values):
    """The rule of the table with those of these values for which it has a hyperparameter."""
    known = hyperparameters(name)
    return replace(usual(name), **{key: value for key, value in values.items() if key in known})


def three_of(name):
    """Three settings of a rule of which each hyperparameter is a list of three."""
    return {
        key: THREE.get(f"{name}.{key}") or THREE.get(key) or [getattr(usual(name), key)] * 3
        for key in hyperparameters(name)
    }


RULES = {name: with_values(name, **SETTINGS.get(name, {"lr": 0.1})) for name in PLAIN}
RULES |= {
    "Lookahead(GradientDescent)": gd.Lookahead(gd.GradientDescent(lr=0.1), k=3, alpha=0.4),
    "Lookahead(Nesterov)": gd.Lookahead(gd.Nesterov(lr=0.1, gamma=0.8), k=2, alpha=0.7),
    "Lookahead(RAdam)": gd.Lookahead(gd.RAdam(lr=0.1, beta1=0.7, beta2=0.95), k=4, alpha=0.5),
    "Lookahead(ScheduleFree)": gd.Lookahead(gd.ScheduleFree(0.2, 0.8, 0.95, warmup=5), k=3, alpha=0.4),
}
"""What the tests of the rules run over."""


def follow(rule, theta, zeros, gradient, steps):
    """θ_1 … θ_T and what the rule computed, with g_t = gradient(point, t)."""
    state = rule.init(theta, zeros)
    path = []
    for t in range(1, steps + 1):
        grad = gradient(rule.look(theta, state), t)
        theta, new = rule.step(theta, grad, state, rule.at(t))
        state = {name: new[name] for name in state}
        path.append((theta, new))
    return path
