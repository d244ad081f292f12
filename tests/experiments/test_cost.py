"""Costs are counted right."""

import pytest

import gdcourse as gd
from gdcourse.experiments import gradient_operations, state_size, step_operations
from gdcourse.rules import where
from tests import methods


@pytest.mark.parametrize(
    ("rule", "operations", "state"),
    [
        (gd.GradientDescent(0.1), 2, 0),  # η·g; θ −
        (gd.Momentum(0.1), 4, 1),  # γ·v; η·g; +; θ −
        (gd.Nesterov(0.1), 6, 1),  # θ − γ·v first
        (gd.Adagrad(0.1), 7, 1),  # g²; +; + ε; √; η /; · g; θ −
        (gd.Adam(0.1), 14, 2),
        (gd.SignSGD(0.1), 3 + 4 + 2, 1),  # an average; > and <, where twice; η·; θ −
        (gd.Prodigy(), 24, 4),  # d and r are one number for all, and so is what is done with them
        (gd.ScheduleFreeSGD(0.1), 3 + 10, 1),
    ],
)
def test_a_step_takes_the_operations_that_one_counts_by_hand(rule, operations, state):
    assert step_operations(rule) == operations
    assert state_size(rule) == state


class Rich(gd.Rule):
    """Whatever a rule may do with θ and g."""

    def __init__(self, what):
        self.what = what

    def at(self, t):
        return {"decay": 0.5**t}

    def step(self, theta, grad, state, at):
        return self.what(theta, grad, at), {}


@pytest.mark.parametrize(
    ("what", "operations"),
    [
        (lambda theta, g, at: abs(theta), 1),
        (lambda theta, g, at: -theta, 1),
        (lambda theta, g, at: 1 - theta, 1),
        (lambda theta, g, at: 2 / theta, 1),
        (lambda theta, g, at: 2**theta, 1),
        (lambda theta, g, at: theta // 2 % g, 2),
        (lambda theta, g, at: (theta > g) & (theta <= 0), 3),
        (lambda theta, g, at: (theta != g) | ~(theta >= g), 4),
        (lambda theta, g, at: where(theta < g, theta, g), 2),
        (lambda theta, g, at: theta @ g.mT, 2),  # a product and a sum; an attribute is no operation
        (lambda theta, g, at: at["decay"] ** 2 * (1 - at["decay"]) * theta, 1),  # numbers alone are none
        (lambda theta, g, at: theta, 0),
    ],
)
def test_whatever_operator_a_rule_uses_is_counted_once(what, operations):
    assert step_operations(Rich(what)) == operations


@pytest.mark.parametrize("name", methods.FLAT)
def test_every_method_can_be_counted_and_lookahead_adds_to_what_is_inside(name):
    rule = gd.ALL[name].make(0.1)
    assert 2 <= step_operations(rule) <= 50
    if name == "Lookahead":
        shared_out = 3 / rule.k  # a synchronisation: subtract, multiply, add
        assert step_operations(rule) == pytest.approx(step_operations(rule.inner_rule) + shared_out)
        assert state_size(rule) == state_size(rule.inner_rule) + 1


def test_a_transformers_gradient_takes_six_operations_a_matrix_entry_and_those_of_attention():
    network = gd.problems.Transformer()
    matrices = 2 * 12 * 48**2 + 91 * 48  # of two layers, and the head
    attention = 2 * 2 * 32 * 48  # in two layers: a letter's products with 32 keys, and of 32 values
    assert gradient_operations(network) == pytest.approx(6 * (matrices + attention) / network.parameters)


def test_a_gradient_takes_four_operations_a_parameter_in_the_first_layer_and_six_above():
    first, second = 784 * 32, 32 * 10
    counted = gradient_operations(gd.problems.Network((784, 32, 10)))
    assert counted == pytest.approx((4 * first + 6 * second) / (785 * 32 + 33 * 10))
