"""What a rule may be run on: each number, each parameter as a vector or a matrix, or all in one vector."""

import re
from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch

import gdcourse as gd
from gdcourse.optim.scope import check_scope, joins
from gdcourse.rules.muon import Muon
from tests import methods
from tests.conftest import needs_a_compiler
from tests.optimizers import equal, gap, give_gradients, parameters, values, walk

SHAPES = [(4, 3), (5,), (), (2, 2, 2), (0, 3), (6,)]
EXACT = 1e-12


@dataclass(frozen=True, eq=False)
class Clipped(gd.Rule):
    """Element by element, by what only a tensor has, with an average and a choice by t."""

    lr: float = 0.1

    def init(self, theta, zeros):
        return {"v": zeros}

    def at(self, t):
        return {"first": t == 1}

    def step(self, theta, grad, state, at):
        v = 0.9 * state["v"] + grad.clamp(-1, 1)
        return theta - self.lr * gd.rules.where(at["first"], grad, v), {"v": v}


@dataclass(frozen=True, eq=False)
class Normalised(gd.Rule):
    """Steps of length η, whatever the gradient's. It says it works element by element, and does not."""

    lr: float = 0.1

    def step(self, theta, grad, state, at):
        SEEN.append(tuple(theta.shape))
        return theta - self.lr * grad / (grad * grad).sum() ** 0.5, {}


SEEN = []
"""The shapes on which `Normalised` was called."""


class OfEach(Normalised):
    scope: ClassVar[str] = "tensor"


class OfAll(Normalised):
    scope: ClassVar[str] = "all"


class Misspelt(Normalised):
    scope: ClassVar[str] = "elements"


@dataclass(frozen=True, eq=False)
class ByPlace(gd.Rule):
    """Each element knows where it stands: a vector cut in two comes out otherwise."""

    lr: float = 0.1

    def step(self, theta, grad, state, at):
        return theta - self.lr * grad / (1 + torch.arange(len(theta))), {}


class InThrees(ByPlace):
    """Each element gets the mean of its three. Each half is made of such: only shuffling shows it."""

    def step(self, theta, grad, state, at):
        return theta - self.lr * grad.reshape(-1, 3).mean(1).repeat_interleave(3), {}


class Noisy(ByPlace):
    def step(self, theta, grad, state, at):
        return theta - self.lr * (grad + torch.randn_like(grad)), {}


class OfAMatrix(ByPlace):
    def step(self, theta, grad, state, at):
        return theta - self.lr * grad @ grad.mT @ grad, {}


def by_hand(params, each, steps=5, lr=0.1):
    """Normalised gradient descent, with the norm of each gradient or of all of them."""
    for t in range(1, steps + 1):
        give_gradients(params, t)
        whole = sum((p.grad**2).sum() for p in params) ** 0.5
        for p in params:
            norm = (p.grad**2).sum() ** 0.5 if each else whole
            p.data -= lr * p.grad / norm if p.numel() else 0


# ---- the check ----


@pytest.mark.parametrize("name", methods.RULES)
def test_every_rule_of_this_package_works_element_by_element(name, monkeypatch):
    """Tried as a reader's would be."""
    rule = methods.RULES[name]
    monkeypatch.setattr("gdcourse.optim.scope.OURS", set())
    check_scope(rule)
    assert rule.scope == "element" and joins(rule)


def test_a_readers_that_does_is_taken():
    check_scope(Clipped())
    params, twins = parameters(*SHAPES), parameters(*SHAPES)
    walk(params, gd.optim.from_rule(Clipped(), params), 5)
    for i, p in enumerate(twins):
        optimizer = gd.optim.from_rule(Clipped(), [p])
        for t in range(1, 6):
            give_gradients(twins, t, [j for j in range(len(twins)) if j != i])
            optimizer.step()
    assert gap(params, twins) <= EXACT


@pytest.mark.parametrize(
    "rule, how", [(Normalised(), "cut in two"), (InThrees(), "shuffled"), (ByPlace(), "shuffled")]
)
def test_a_readers_that_does_not_is_refused_and_told_what_to_write(rule, how):
    said = (
        rf"^{type(rule).__name__} does not work element by element: a vector that is {how} comes out "
        + re.escape(
            'otherwise. Give the class scope = "vector" (each parameter by itself, as a vector), "tensor" '
            '(as a matrix) or "all" '
        )
    )
    for refusing in (check_scope, lambda rule: gd.optim.from_rule(rule, parameters())):
        with pytest.raises(ValueError, match=said):
            refusing(rule)


def test_one_that_does_not_run_on_a_vector_is_told_so():
    with pytest.raises(ValueError, match=r"OfAMatrix does not run on a vector \(\w+: .*scope = \"tensor\"$"):
        gd.optim.from_rule(OfAMatrix(), parameters((3, 2)))


ENDS = {
    "only θ": (lambda theta: theta, "its step gives a Tensor, not a pair: θ, and by name what was computed"),
    "no v": (lambda theta: (theta, {}), "its step does not give 'v', which its init names"),
    "a column": (lambda theta: (theta[..., None], {"v": theta}), r"its step gives a θ of shape \(6, 1\) for"),
    "an error": (lambda theta: theta.nothing, "AttributeError: 'Tensor' object has no attribute 'nothing'"),
}


@pytest.mark.parametrize("result, said", ENDS.values(), ids=ENDS)
def test_one_that_runs_on_a_matrix_no_better_is_told_what_is_wrong(result, said):
    @dataclass(frozen=True, eq=False)
    class Wrong(gd.Rule):
        def init(self, theta, zeros):
            return {"v": zeros}

        def step(self, theta, grad, state, at):
            return result(theta)

    with pytest.raises(ValueError, match=rf"Wrong does not run on a vector \(.*{said}") as error:
        gd.optim.from_rule(Wrong(), parameters())
    assert "matrix" not in str(error.value)


@pytest.mark.parametrize("result", [lambda theta: 0.25, lambda theta: theta[:1]], ids=["()", "(1,)"])
def test_one_whose_point_has_another_shape_is_told_so(result):
    @dataclass(frozen=True, eq=False)
    class Shrinks(gd.Rule):
        def step(self, theta, grad, state, at):
            return result(theta), {}

    with pytest.raises(ValueError, match=r"its step gives a θ of shape \(1?,?\) for one of shape \(6,\)"):
        gd.optim.from_rule(Shrinks(), parameters())


def test_one_that_draws_random_numbers_passes():
    check_scope(Noisy())
    params = parameters(*SHAPES)
    walk(params, gd.optim.from_rule(Noisy(), params), 2)
    assert gap(params, parameters(*SHAPES)) > 1e-3


def test_an_unknown_scope_is_refused():
    said = "Misspelt.scope is 'elements': must be 'element', 'vector', 'tensor' or 'all'"
    with pytest.raises(ValueError, match=said):
        gd.optim.from_rule(Misspelt(), parameters())


def test_the_check_changes_no_ones_numbers():
    """It is run under whatever default device and precision, and leaves random numbers where they are."""
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    check_scope(Clipped())
    assert torch.equal(torch.rand(2), expected)
    had = torch.get_default_dtype()
    torch.set_default_dtype(torch.float16)
    try:
        with torch.device("meta"):
            check_scope(Clipped())
            with pytest.raises(ValueError, match="does not work element by element"):
                check_scope(Normalised())
    finally:
        torch.set_default_dtype(had)


# ---- each parameter as a matrix ----


def test_of_scope_tensor_it_is_called_for_each_as_a_matrix():
    """With the scope said, the one that was refused is taken. Tiny ones are not joined, nor long ones cut; a
    vector is a row, and the later axes of what has more are one."""
    shapes = [(4, 3), (5,), (), (2, 2, 2), (7, 2), (300, 200), (0, 2, 3)]
    matrices = [(4, 3), (1, 5), (1, 1), (2, 4), (7, 2), (300, 200)]  # nothing is nothing to move
    params, twins = parameters(*shapes), parameters(*shapes)
    optimizer = gd.optim.from_rule(OfEach(), params)
    SEEN.clear()
    walk(params, optimizer, 1)
    assert matrices == SEEN
    walk(params, optimizer, 4, first=2)
    by_hand(twins, each=True)
    assert gap(params, twins) <= EXACT


class Remembers(OfEach):
    """Keeps what has another shape than its matrix, and a number that is no tensor."""

    def init(self, theta, zeros):
        return {"mean": zeros, "rows": zeros.sum(-1, keepdims=True), "count": 0}

    def step(self, theta, grad, state, at):
        new = {"mean": state["mean"] + grad, "rows": state["rows"] + grad.sum(-1, keepdims=True)}
        return theta - self.lr * grad, {**new, "count": state["count"] + 1}


def test_what_a_rule_keeps_for_each_element_has_the_parameters_shape_in_the_state():
    """And goes to and fro as a matrix; anything else is as the rule has it."""
    params = parameters((4, 3), (5,), (), (2, 3, 2))
    optimizer = gd.optim.from_rule(Remembers(), params)
    walk(params, optimizer, 3)
    sums = [torch.zeros_like(p) for p in params]
    twins = parameters((4, 3), (5,), (), (2, 3, 2))
    for t in range(1, 4):
        give_gradients(twins, t)
        for p, total in zip(twins, sums, strict=True):
            total += p.grad
            p.data -= 0.1 * p.grad
    for p, total, rows in zip(params, sums, [(4, 1), (1, 1), (), (2, 1)], strict=True):
        state = optimizer.state[p]
        assert state["mean"].shape == p.shape and state["rows"].shape == rows and state["count"] == 3
        assert gap([state["mean"]], [total]) <= EXACT and gap([state["rows"].sum()], [total.sum()]) <= EXACT
    assert gap(params, twins) <= EXACT


def test_no_rule_that_sums_over_all_is_compiled(recwarn):
    """A kernel sees one parameter, or a piece of a vector; without a word, for the numbers are the same."""
    shapes = [(4, 3), (5,), (300,)]
    params, twins = parameters(*shapes), parameters(*shapes)
    walk(params, gd.optim.from_rule(OfAll(), params, compile=True), 3)
    walk(twins, gd.optim.from_rule(OfAll(), twins), 3)
    assert equal(params, twins)
    assert not recwarn.list


# ---- all in one vector ----


@pytest.mark.parametrize("shapes", [SHAPES, [(4, 3)], [(300, 200), (5,)]], ids=["tiny", "one", "long"])
def test_of_scope_all_it_is_called_on_one_vector(shapes):
    """Whatever their number and size, and uncut."""
    params, twins = parameters(*shapes), parameters(*shapes)
    optimizer = gd.optim.from_rule(OfAll(), params)
    SEEN.clear()
    walk(params, optimizer, 1)
    assert [(sum(p.numel() for p in params),)] == SEEN
    walk(params, optimizer, 4, first=2)
    by_hand(twins, each=False)
    assert gap(params, twins) <= EXACT


def test_each_group_is_a_vector_of_its_own():
    params, twins = parameters(*SHAPES), parameters(*SHAPES)
    groups = [{"params": params[:3]}, {"params": params[3:], "lr": 0.5}]
    walk(params, gd.optim.from_rule(OfAll(), groups), 1)
    give_gradients(twins, 1)
    for some, lr in ((twins[:3], 0.1), (twins[3:], 0.5)):
        whole = sum((p.grad**2).sum() for p in some) ** 0.5
        for p in some:
            p.data -= lr * p.grad / whole
    assert gap(params, twins) <= EXACT


@needs_a_compiler
def test_lookahead_around_one_pulls_as_it_does_around_any():
    """Its synchronisation works element by element whatever the rule."""
    params, twins = parameters(*SHAPES), parameters(*SHAPES)
    start = values(twins)
    walk(params, gd.optim.Lookahead(gd.optim.from_rule(OfAll(), params, compile=True), 5, 0.5), 5)
    by_hand(twins, each=False)
    halfway = [(a + b.detach()) / 2 for a, b in zip(start, twins, strict=True)]
    assert gap(params, halfway) <= EXACT


# ---- Muon ----

MATRICES = {"square": (5, 5), "tall": (9, 4), "wide": (3, 8), "a row": (1, 6), "a column": (6, 1)}


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="torch has Muon from 2.9 on")
@pytest.mark.parametrize("shape", MATRICES.values(), ids=MATRICES)
def test_muon_is_torchs_but_for_its_half_precision(shape, monkeypatch):
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda x: x.clone())  # torch's iterates in it
    params, twins = parameters(shape, shape), parameters(shape, shape)
    walk(params, gd.optim.from_rule(Muon(lr=0.02, gamma=0.9), params), 20)
    walk(twins, torch.optim.Muon(twins, lr=0.02, momentum=0.9, weight_decay=0), 20)
    assert gap(params, twins) <= EXACT
    assert gap(params, parameters(shape, shape)) > 0.05


def test_muon_takes_the_singular_values_near_one():
    params = parameters(*MATRICES.values())
    before = values(params)
    walk(params, gd.optim.from_rule(Muon(lr=1.0), params), 1)
    for p, start in zip(params, before, strict=True):
        n, m = p.shape
        found = torch.linalg.svdvals((start - p.detach()) / max(1, n / m) ** 0.5)
        assert found.min() > 0.3 and found.max() < 1.3


def test_muon_takes_a_convolution_for_a_matrix_with_a_row_for_each_output():
    """And the factor √(n/m) is that matrix's: 16 rows, of 8."""
    (kernels,) = parameters((16, 2, 2, 2))
    (flat,) = [torch.nn.Parameter(kernels.detach().flatten(1).clone())]
    optimizers = [gd.optim.from_rule(Muon(), [p]) for p in (kernels, flat)]
    for t in range(1, 6):
        give_gradients([kernels], t)
        flat.grad = kernels.grad.flatten(1)
        for optimizer in optimizers:
            optimizer.step()
    assert gap([kernels.flatten(1)], [flat]) <= EXACT
    assert optimizers[0].state[kernels]["M"].shape == kernels.shape


def test_muon_rests_at_a_zero_gradient_from_the_start():
    params = parameters((3, 2))
    params[0].grad = torch.zeros_like(params[0])
    gd.optim.from_rule(Muon(), params).step()
    assert equal(params, parameters((3, 2)))


@pytest.mark.parametrize(
    "rule", [Muon(), gd.Lookahead(Muon()), gd.Cautious(Muon()), gd.SOAP(), gd.Shampoo(0.1)]
)
def test_a_rule_of_matrices_refuses_vectors_before_anything_moves(rule):
    name = re.escape(gd.rules.around.name_of(rule if not isinstance(rule, gd.Lookahead) else rule.inner_rule))
    said = rf"^{name} moves matrices, got shape \(4,\): give vectors, embeddings and heads to a partner"
    for params in (parameters((3, 2), (4,)), [{"params": parameters((3, 2))}, {"params": parameters((4,))}]):
        with pytest.raises(ValueError, match=said):
            gd.optim.from_rule(rule, params)
    optimizer = gd.optim.from_rule(rule, parameters((3, 2)))
    with pytest.raises(ValueError, match=said):
        optimizer.add_param_group({"params": parameters((4,))})
    assert len(optimizer.param_groups) == 1


def test_a_rule_that_sums_over_all_says_what_does_not_fit_into_one_vector():
    late = [torch.nn.Parameter(torch.ones(2)) for _ in range(2)]
    mixed = [torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2, dtype=torch.float64))]
    for params, resting, why in ((late, [late[1]], "number of gradients"), (mixed, [], "has dtype")):
        optimizer = gd.optim.from_rule(OfAll(), params)
        for t in range(2):
            for p in params:
                p.grad = None if t == 0 and any(p is q for q in resting) else torch.ones_like(p)
            if t == 0 and resting:
                optimizer.step()
                continue
            before = [p.detach().clone() for p in params]
            with pytest.raises(ValueError, match=f"sums over all parameters of a group .*{why}"):
                optimizer.step()
            assert all(torch.equal(p, b) for p, b in zip(params, before, strict=True))
