"""The transformer: against the same one of torch's layers, against finite differences, alone and side by
side."""

import numpy as np
import pytest
import torch

import gdcourse as gd
from gdcourse.problems import Transformer, transformer
from tests.transformers import torchs

SMALL = Transformer(symbols=7, context=5, width=6, heads=2, layers=2)
DOUBLE = torch.float64


def batch(network, *shape, seed=0):
    draws = np.random.default_rng(seed).integers(0, network.symbols, (2, *shape))
    return torch.tensor(draws[0]), torch.tensor(draws[1])


def drawn(network, *runs, seed=0):
    """Parameters of the size that trained ones have."""
    theta = torch.tensor(np.random.default_rng(seed).standard_normal((*runs, network.parameters)))
    return 0.5 * theta


def equal(a, b, atol=1e-12):
    torch.testing.assert_close(a, b, rtol=1e-10, atol=atol)


@pytest.mark.parametrize("network", [SMALL, Transformer(), Transformer(5, 4, 4, 1, 1)], ids=str)
def test_loss_and_gradients_are_those_of_torchs_layers(network):
    for theta in (
        network.init(1, DOUBLE),
        drawn(network) if network is SMALL else 1.5 * network.init(2, DOUBLE),
    ):
        x, y = batch(network, 3, network.context)
        module = torchs(network, theta)
        scores = module(x)
        loss = torch.nn.functional.cross_entropy(scores.flatten(0, 1), y.flatten())
        loss.backward()
        equal(network.scores(theta, x), scores.detach())
        equal(network.loss(theta, x, y), loss.detach())
        for name, ours, theirs in zip(
            network.names, network.parts(network.grad(theta, x, y)), module.parameters(), strict=True
        ):
            assert theirs.grad.abs().max() > 1e-8, name
            equal(ours, theirs.grad)


def test_gradient_is_that_of_finite_differences():
    theta, (x, y), h = drawn(SMALL, seed=3), batch(SMALL, 2, 5), 1e-6
    grad = SMALL.grad(theta, x, y)
    each = torch.tensor(np.random.default_rng(0).choice(len(theta), 200, replace=False))
    apart = h * torch.nn.functional.one_hot(each, len(theta))
    seen = (SMALL.loss(theta + apart, x, y) - SMALL.loss(theta - apart, x, y)) / (2 * h)
    torch.testing.assert_close(grad[each], seen, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(
    "runs, batches",
    [
        ((3,), ()),
        ((3,), (3,)),
        ((2, 3), ()),
        ((2, 3), (3,)),
        ((2, 3), (2, 3)),
        ((5,), (1,)),
        ((2, 1, 2), (2,)),
    ],
    ids=str,
)
@pytest.mark.parametrize("block", [1, 25, 10_000])
def test_side_by_side_equals_alone(runs, batches, block, monkeypatch):
    """Runs that share a batch, runs with their own, and a last axis of batches under many settings."""
    monkeypatch.setattr(transformer, "BLOCK", block)
    theta, (x, y) = drawn(SMALL, *runs), batch(SMALL, *batches, 4, 5)
    loss, grad, accuracy = (f(theta, x, y) for f in (SMALL.loss, SMALL.grad, SMALL.accuracy))
    told = SMALL.predict(theta, x)
    assert loss.shape == accuracy.shape == runs and grad.shape == theta.shape and told.shape == (*runs, 4, 5)
    xs, ys = x.expand(*runs, 4, 5), y.expand(*runs, 4, 5)
    for at in np.ndindex(*runs):
        one = theta[at], xs[at], ys[at]
        equal(loss[at], SMALL.loss(*one))
        equal(grad[at], SMALL.grad(*one))
        assert (told[at] == torchs(SMALL, theta[at])(xs[at]).argmax(-1)).all()
        assert accuracy[at] == (told[at] == ys[at]).double().mean()


def test_later_letters_do_not_matter():
    theta, (x, other) = drawn(SMALL), batch(SMALL, 6, 5)
    scores = SMALL.scores(theta, x)
    for t in range(1, 5):
        mixed = torch.cat([x[:, :t], other[:, t:]], 1)
        equal(SMALL.scores(theta, mixed)[:, :t], scores[:, :t])
        equal(SMALL.scores(theta, x[:, :t]), scores[:, :t])  # and windows may be shorter
    earlier = torch.cat([(x[:, :1] + 1) % 7, x[:, 1:]], 1)
    assert (SMALL.scores(theta, earlier)[:, -1] - scores[:, -1]).abs().min(-1).values.max() > 1e-3


def test_the_order_of_letters_matters():
    theta = drawn(SMALL)
    there, back = torch.tensor([[1, 2, 3]]), torch.tensor([[2, 1, 3]])
    assert (SMALL.scores(theta, there)[0, -1] - SMALL.scores(theta, back)[0, -1]).abs().max() > 1e-3


def test_parts():
    assert Transformer().parameters == 65_808 and len(Transformer().names) == 20
    assert SMALL.names[:3] == ("embedding", "positions", "attention gain 1") and SMALL.names[-1] == "head"
    theta = torch.arange(SMALL.parameters)
    parts = SMALL.parts(theta)
    assert torch.equal(torch.cat([part.flatten() for part in parts]), theta)
    assert [tuple(part.shape) for part in SMALL.parts(theta.expand(4, 2, -1))] == [
        (4, 2, *s) for s in SMALL.shapes
    ]
    parts[0][0, 0] = 50
    assert theta[0] == 50, "views"
    hidden = [name for name, is_hidden in zip(SMALL.names, SMALL.hidden, strict=True) if is_hidden]
    assert hidden == [
        f"{name} {n}" for n in (1, 2) for name in ("query", "key", "value", "out", "up", "down")
    ]
    assert all(type(is_hidden) is bool for is_hidden in SMALL.hidden)
    with pytest.raises(ValueError, match=r"θ must have 1008 entries for Transformer\(symbols=7, .* got 5"):
        SMALL.parts(torch.zeros(5))


def test_init():
    network = Transformer()
    theta = network.init(3)
    assert theta.dtype == torch.float32 and network.init(3, DOUBLE).dtype == DOUBLE
    for name, part in zip(network.names, network.parts(theta), strict=True):
        kind = name.rstrip(" 12")
        if kind.endswith("gain"):
            assert (part == 1).all()
            continue
        spread = {"embedding": 0.02, "positions": 0.02, "out": 48**-0.5 / 2, "down": 192**-0.5 / 2}
        spread["head"] = 48**-0.5 / 10
        # the standard error of a standard deviation of n normal numbers is 1/√(2n), relatively
        within = 5 / (2 * part.numel()) ** 0.5
        assert part.std().item() == pytest.approx(spread.get(kind, 48**-0.5), rel=within), name
    many = network.init([[3], [5]])
    assert many.shape == (2, 1, 65_808) and (many[0, 0] == theta).all() and not (many[1, 0] == theta).all()
    data = gd.text()
    loss = network.loss(theta, data.train.x[:16], data.train.y[:16])
    assert loss.item() == pytest.approx(np.log(91), abs=0.05), "at first all letters are about equally likely"


def test_forward_leaves_the_callers_parameters_alone():
    theta, (x, y) = drawn(SMALL).requires_grad_(), batch(SMALL, 2, 5)
    SMALL.grad(theta, x, y)
    assert theta.grad is None
    (slope,) = torch.autograd.grad(SMALL.loss(theta, x, y), theta)  # which torch can differentiate itself
    equal(slope, SMALL.grad(theta, x, y))
    with torch.no_grad():
        equal(slope, SMALL.grad(theta, x, y))
    plain = theta.detach().clone()
    equal(slope, SMALL.grad(plain, x, y))
    assert not plain.requires_grad


def test_scores_that_are_not_finite_tell_nothing_right():
    theta, (x, y) = drawn(SMALL, 2), batch(SMALL, 4, 5)
    theta[1, 0] = torch.nan
    y = SMALL.predict(theta[0], x)
    assert SMALL.accuracy(theta, x, y)[0] == 1 and SMALL.accuracy(theta, x, y)[1] < 1
    assert SMALL.accuracy(theta * torch.nan, x, y).tolist() == [0, 0]


# ---- what it writes ----


def test_it_writes_by_its_own_probabilities():
    """Over many seeds the first letter comes as often as it is likely; and from one draw as by hand."""
    theta, prompt = drawn(SMALL), torch.tensor([3, 1])
    chances = torch.softmax(SMALL.scores(theta, prompt[None])[0, -1], -1)
    found = torch.stack([SMALL.sample(theta, prompt, 1, seed) for seed in range(400)]).flatten()
    share = torch.bincount(found, minlength=7) / 400
    assert ((share - chances).abs() < 4 * (chances * (1 - chances) / 400).sqrt() + 1e-3).all()
    draws, written = np.random.default_rng(9).random(12), prompt.tolist()
    for draw in draws:  # of as many letters as it reads, the last
        window = torch.tensor(written[-5:])[None]
        upto = torch.softmax(torchs(SMALL, theta)(window)[0, -1], -1).cumsum(-1)
        written.append(int(torch.searchsorted(upto, draw)))
    assert SMALL.sample(theta, prompt, 12, seed=9).tolist() == written[2:]


def test_many_write_as_each_alone():
    theta, prompt = drawn(SMALL, 2, 2), torch.tensor([3])
    together = SMALL.sample(theta, prompt, 9)
    assert together.shape == (2, 2, 9) and together.dtype == torch.int64
    for at in np.ndindex(2, 2):
        assert together[at].tolist() == SMALL.sample(theta[at], prompt, 9).tolist()
    assert SMALL.sample(theta, prompt, 0).shape == (2, 2, 0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Transformer(symbols=0), "symbols must be a whole number ≥ 1, got 0"),
        (lambda: Transformer(layers=1.5), "layers must be .* got 1.5"),
        (lambda: Transformer(heads=True), "heads must be"),
        (lambda: Transformer(width=50), "width must be a multiple of heads, got 50 and 3"),
        (
            lambda: SMALL.scores(drawn(SMALL), torch.zeros(1, 6).long()),
            "reads at most 5 letters at a time, got 6",
        ),
        (lambda: SMALL.sample(drawn(SMALL), torch.zeros(0).long(), 3), r"one letter or more .* shape \(0,\)"),
        (lambda: SMALL.sample(drawn(SMALL), torch.zeros(1, 2).long(), 3), r"in a row, got shape \(1, 2\)"),
        (
            lambda: SMALL.sample(drawn(SMALL), torch.zeros(1).long(), -1),
            "n must be a whole number ≥ 0, got -1",
        ),
        (lambda: SMALL.sample(drawn(SMALL), torch.zeros(1).long(), 1.5), "n must be a whole .* got 1.5"),
        (
            lambda: SMALL.sample(drawn(SMALL) * torch.nan, torch.zeros(1).long(), 1),
            "diverged, .* writes nothing",
        ),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()
