"""The rules that every test below runs over, and how one is walked along a fixed list of gradients."""

from __future__ import annotations

import pytest

import gdcourse as gd

RULES = {
    "GradientDescent": gd.GradientDescent(lr=0.1),
    "Momentum": gd.Momentum(lr=0.1, gamma=0.8),
    "Nesterov": gd.Nesterov(lr=0.1, gamma=0.8),
    "Adagrad": gd.Adagrad(lr=0.3, eps=1e-6),
    "RMSProp": gd.RMSProp(lr=0.05, gamma=0.7, eps=1e-6),
    "Adadelta": gd.Adadelta(gamma=0.8, eps=1e-4),
    "Adam": gd.Adam(lr=0.1, beta1=0.7, beta2=0.95, eps=1e-6),
    "AdamW": gd.AdamW(lr=0.1, beta1=0.7, beta2=0.95, eps=1e-6, weight_decay=0.1),
    "RAdam": gd.RAdam(lr=0.1, beta1=0.7, beta2=0.95),
    "Lookahead(GradientDescent)": gd.Lookahead(gd.GradientDescent(lr=0.1), k=3, alpha=0.4),
    "Lookahead(Nesterov)": gd.Lookahead(gd.Nesterov(lr=0.1, gamma=0.8), k=2, alpha=0.7),
    "Lookahead(RAdam)": gd.Lookahead(gd.RAdam(lr=0.1, beta1=0.7, beta2=0.95), k=4, alpha=0.5),
}


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


@pytest.fixture(params=RULES, ids=list(RULES))
def rule(request):
    return RULES[request.param]


@pytest.fixture(name="follow")
def follow_fixture():
    return follow
