"""Costs are counted right."""

import pytest

import gdcourse as gd
from gdcourse.experiments import gradient_operations, state_bytes, state_size, step_operations
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


# ---- by shape ----

SHAPES = [(64, 256), (256, 64), (32, 32), (1, 50)]


class OfMatrices(gd.Rule):
    """One product of each kind."""

    scope = "tensor"

    def __init__(self, what):
        self.what = what

    def step(self, theta, grad, state, at):
        return self.what(theta), {}


@pytest.mark.parametrize("n, m", SHAPES)
def test_a_product_costs_what_it_takes(n, m):
    for what, operations in (
        (lambda x: x @ x.mT, 2 * n * m * n),
        (lambda x: x.mT @ x, 2 * m * n * m),
        (lambda x: gd.rules.qr(x @ x.mT), 2 * n * m * n + 8 / 3 * n**3),
        (lambda x: x.sum(axis=-1, keepdims=True), n * m),  # reads more than it makes
        (lambda x: x.sum(axis=-1, keepdims=True) * 2, n * m + n),
        (lambda x: x.sum(axis=-1, keepdims=True) + x, 2 * n * m),  # makes more than it reads of one
        (lambda x: gd.rules.reordered(x, gd.rules.descending(x[..., 0, :]), -1), m),  # −x, to sort by
    ):
        assert step_operations(OfMatrices(what), shape=(n, m)) == pytest.approx(operations / (n * m))
    eigen = step_operations(OfMatrices(lambda x: gd.rules.eigh(x @ x.mT)[0]), shape=(n, m)) * n * m
    assert 2 * n * m * n + 9 * n**3 < eigen < 2 * n * m * n + 9 * n**3 + 7 * n**2


@pytest.mark.parametrize("n, m", SHAPES)
def test_a_matrix_rules_step_is_mostly_its_products(n, m):
    """So much, and a few operations for each number of what they are made of."""
    small, large = min(n, m), max(n, m)
    products = {
        gd.Muon(): 5 * (4 * small**2 * large + 2 * small**3),
        gd.Muon(coefficients=gd.rules.EXACT): 12 * (4 * small**2 * large + 2 * small**3),
        gd.Shampoo(0.1): 9 * (n**3 + m**3) + 2 * (n**3 + m**3) + 4 * n * m * (n + m),
        gd.SOAP(k=1): 12 * n * m * (n + m) / 2 + 2 * n * m * (n + m) + (2 + 8 / 3) * (n**3 + m**3),
        gd.Adafactor(): 2 * n * m,
    }
    for rule, operations in products.items():
        rest = step_operations(rule, shape=(n, m)) * n * m - operations
        assert 0 < rest < 60 * (n * m + n**2 + m**2)
    assert step_operations(gd.SOAP(k=1), shape=(n, m)) > step_operations(gd.SOAP(k=10), shape=(n, m))


@pytest.mark.parametrize("n, m", SHAPES)
def test_state_by_shape(n, m):
    numbers = {
        gd.Muon(): n * m,
        gd.NorMuon(): n * m + n,
        gd.Shampoo(0.1): n**2 + m**2,
        gd.SOAP(): 2 * (n * m + n**2 + m**2),
        gd.Adafactor(): n + m,
        gd.LAMB(): 2 * n * m,
        gd.Lookahead(gd.Muon()): 2 * n * m,
        gd.Adam(): 2 * n * m,
        gd.GradientDescent(0.1): 0,
    }
    for rule, kept in numbers.items():
        assert state_size(rule, (n, m)) == pytest.approx(kept / (n * m))
        assert state_bytes(rule, (n, m)) == 4 * kept and state_bytes(rule, (n, m), 8) == 8 * kept


def test_soaps_qr_is_shared_out_over_its_steps():
    """Nine of ten steps have none."""
    by_step = [step_operations(gd.SOAP(k=k), shape=(8, 8)) for k in (1, 2, 10)]
    once, half, tenth = by_step
    assert once - half == pytest.approx((once - tenth) * (1 / 2) / (9 / 10))


@pytest.mark.parametrize("count", [step_operations, state_size])
def test_what_sees_matrices_must_be_told_their_shape(count):
    for rule in (gd.Muon(), gd.Lookahead(gd.SOAP())):
        with pytest.raises(
            ValueError, match=r"sees matrices, and what it costs depends on their shape: .*\(64"
        ):
            count(rule)
    assert step_operations(gd.LAMB()) == pytest.approx(
        step_operations(gd.LAMB(), shape=(1000, 100)), rel=1e-3
    )
