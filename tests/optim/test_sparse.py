"""Sparse gradients: gradient descent and Adagrad move the rows that occur, as torch's do; others refuse."""

import copy

import pytest
import torch

import gdcourse as gd
from gdcourse.optim.optimizer import ROW_BY_ROW
from tests.methods import SETTINGS as KNOWN
from tests.optimizers import MAKERS, pair_of

SPARSE = {"SGD": pair_of("SGD"), "Adagrad": pair_of("Adagrad")}
OTHERS = [name for name in MAKERS if name not in SPARSE]
both = pytest.mark.parametrize("name", SPARSE)


def made(name, params, **kw):
    return MAKERS[name](params, **{"lr": 0.1, **kw})


def words_and_bias(dtype=torch.float64):
    """A table of six words, and a parameter whose gradients are dense."""
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    return [torch.nn.Parameter(table.to(dtype)), torch.nn.Parameter(torch.ones(3, dtype=dtype))]


def give_gradients(params, t, dense=False):
    """One word twice, so that its two rows of the gradient must be added; the last never occurs."""
    table, bias = params
    generator = torch.Generator().manual_seed(t)
    rows = torch.tensor([[t % 3, 4, t % 3]])
    numbers = torch.randn(3, 3, generator=generator, dtype=torch.float64).to(table.dtype)
    table.grad = torch.sparse_coo_tensor(rows, numbers, table.shape, check_invariants=True)
    if dense:
        table.grad = table.grad.to_dense()
    bias.grad = torch.randn(3, generator=generator, dtype=torch.float64).to(bias.dtype)


def walk(params, optimizer, steps, first=1, dense=()):
    for t in range(first, first + steps):
        give_gradients(params, t, t in dense)
        optimizer.step()


def close(a, b):
    return all(torch.allclose(x, y, rtol=0, atol=1e-12) for x, y in zip(a, b, strict=True))


@both
@pytest.mark.parametrize("extra", [{}, {"maximize": True}], ids=["descent", "maximize"])
def test_equals_torchs(name, extra):
    ours, theirs = words_and_bias(), words_and_bias()
    for params, make in zip((ours, theirs), SPARSE[name], strict=True):
        walk(params, make(params, **extra), 20)
    assert close(ours, theirs) and not close(ours, words_and_bias())


@both
@pytest.mark.parametrize(
    "dense", [range(1, 4), range(4, 8), range(1, 20, 2)], ids=["first", "then", "by turns"]
)
@pytest.mark.parametrize("compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_dense_and_sparse_gradients_are_the_same_run(name, dense, compile):
    """A parameter may change between them, and no other row moves by a bit."""
    mixed, plain = words_and_bias(), words_and_bias()
    optimizer, expected = made(name, mixed, compile=compile), made(name, plain)
    walk(mixed, optimizer, 12, dense=dense)
    walk(plain, expected, 12, dense=range(100))
    assert close(mixed, plain)
    assert torch.equal(mixed[0][5], words_and_bias()[0][5])
    assert [int(optimizer.state[p]["step"]) for p in mixed] == [12, 12]
    for p, q in zip(mixed, plain, strict=True):
        for key, value in optimizer.state[p].items():
            assert torch.allclose(value, expected.state[q][key], rtol=0, atol=1e-12)


@both
def test_the_gradient_is_left_untouched(name):
    params = words_and_bias()
    optimizer = made(name, params, maximize=True)
    give_gradients(params, 1)
    grad, numbers = params[0].grad, params[0].grad._values().clone()
    optimizer.step()
    assert params[0].grad is grad and not grad.is_coalesced() and torch.equal(grad._values(), numbers)


@both
def test_half_precision_rows_are_computed_in_float32(name):
    """A gradient of 1e-5, whose square float16 cannot hold, counts as much as in float32."""
    half = torch.nn.Parameter(torch.ones(4, 2, dtype=torch.float16))
    optimizer = made(name, [half])
    for _ in range(2):
        half.grad = torch.sparse_coo_tensor([[1]], torch.full((1, 2), 1e-5, dtype=torch.float16), half.shape)
        optimizer.step()
    if name == "Adagrad":
        assert (half[1] < 0.99).all() and optimizer.state[half]["G"].dtype == torch.float32
    assert (half[[0, 2, 3]] == 1).all()


@both
def test_a_checkpoint_and_lookahead_around_it(name):
    params = words_and_bias()
    optimizer = gd.optim.Lookahead(made(name, params), k=3)
    walk(params, optimizer, 4)
    saved = copy.deepcopy(optimizer.state_dict())
    twins = [torch.nn.Parameter(p.detach().clone()) for p in params]
    twin = gd.optim.Lookahead(made(name, twins), k=3)
    twin.load_state_dict(saved)
    dense = words_and_bias()
    expected = gd.optim.Lookahead(made(name, dense), k=3)
    walk(params, optimizer, 5, first=5)
    walk(twins, twin, 5, first=5)
    walk(dense, expected, 9, dense=range(100))
    assert all(torch.equal(p, q) for p, q in zip(params, twins, strict=True))
    assert close(params, dense)


@both
def test_an_embedding_learns(name):
    torch.manual_seed(0)
    table = torch.nn.Embedding(10, 4, sparse=True)
    optimizer = made(name, table.parameters())
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = table(torch.tensor([1, 7, 7])).pow(2).sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_a_gradient_without_any_row_moves_nothing():
    params = words_and_bias()
    before = params[0].detach().clone()
    params[0].grad = torch.sparse_coo_tensor(torch.zeros(1, 0, dtype=int), torch.zeros(0, 3).double(), (6, 3))
    gd.optim.Adagrad(params).step()
    assert torch.equal(params[0], before)


@pytest.mark.parametrize("name", gd.METHODS)
def test_the_rules_that_take_sparse_gradients_rest_at_a_zero_one(name):
    """Run on a zero gradient from a state in mid-run, is all as it was? All others refuse."""
    rule = gd.METHODS[name].make(0.1)
    theta = torch.tensor([1.0, -2.0], dtype=torch.float64)
    state = {key: torch.full_like(theta, 0.5) for key in rule.init(theta, torch.zeros_like(theta))}
    stepped, new = rule.step(theta, torch.zeros_like(theta), state, rule.at(3))
    rests = torch.equal(stepped, theta) and all(torch.equal(new[key], state[key]) for key in state)
    params = words_and_bias()
    optimizer = gd.optim.from_rule(rule, params)
    give_gradients(params, 1)
    if isinstance(rule, ROW_BY_ROW):
        optimizer.step()
        assert rests
    else:
        with pytest.raises(RuntimeError, match="does not support sparse gradients"):
            optimizer.step()
    assert name not in KNOWN or rests is isinstance(rule, ROW_BY_ROW)


@pytest.mark.parametrize("name", OTHERS)
def test_others_refuse_before_anything_moves(name):
    params = words_and_bias()
    optimizer = made(name, params)
    give_gradients(params, 1)
    with pytest.raises(
        RuntimeError, match=r"does not support sparse gradients.*\(6, 3\).*SGD and Adagrad take"
    ):
        optimizer.step()
    assert close(params, words_and_bias()) and not optimizer.state


@both
def test_weight_decay_would_move_all_rows(name):
    params = words_and_bias()
    optimizer = made(name, [{"params": [params[1]]}, {"params": [params[0]], "weight_decay": 0.1}])
    give_gradients(params, 1)
    with pytest.raises(RuntimeError, match="weight_decay option is not compatible with sparse gradients"):
        optimizer.step()
    assert close(params, words_and_bias()) and not optimizer.state
    optimizer.param_groups[1]["weight_decay"] = 0.0
    optimizer.step()
    assert not close(params[:1], words_and_bias()[:1])
