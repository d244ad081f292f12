"""`train` and `compare` on letters: our transformer, many at once, and modules that tell many labels for an
example."""

import numpy as np
import pytest
import torch
from torch import nn

import gdcourse as gd
from gdcourse.experiments.train import batches
from gdcourse.problems import Transformer, as_text
from tests.transformers import Torchs, torchs

STRING = "the rays of light differ in colour; and the rays that differ in colour differ in degree. " * 12
NETWORK = Transformer(symbols=21, context=6, width=6, heads=2, layers=1)
SETTINGS = {"steps": 12, "batch": 8, "examine": 3, "dtype": torch.float64}


@pytest.fixture(scope="module")
def data():
    return as_text(STRING, context=6)


@pytest.mark.parametrize(
    "rule", [gd.Adam, lambda lr: gd.Lookahead(gd.Nesterov(lr), k=3)], ids=["Adam", "Lookahead"]
)
def test_a_grid_equals_its_single_trainings(data, rule):
    rates, seeds = np.array([0.003, 0.03]), [4, 0, 7]
    grid = gd.train(NETWORK, data, rule(rates[:, None]), seed=seeds, keep=True, **SETTINGS)
    assert grid.theta.shape == (2, 3, NETWORK.parameters) and grid.loss.shape == (12, 2, 3)
    for i, j in np.ndindex(2, 3):
        one = gd.train(NETWORK, data, rule(float(rates[i])), seed=seeds[j], keep=True, **SETTINGS)
        assert one.loss.shape == (12,) and one.kept.shape == (4, NETWORK.parameters)
        for part in ("loss", "validation_loss", "validation_accuracy"):
            np.testing.assert_allclose(getattr(grid, part)[:, i, j], getattr(one, part), rtol=0, atol=1e-11)
        torch.testing.assert_close(grid.kept[:, i, j], one.kept, rtol=0, atol=1e-11)


def test_the_loop_by_hand_with_torchs_layers_and_optimizer(data):
    """Batches of windows as dealt, torch's own model, loss, backward pass and Adam."""
    ours = gd.train(NETWORK, data, gd.Adam(0.01), seed=5, keep=True, **SETTINGS)
    module, losses = torchs(NETWORK, NETWORK.init(5, torch.float64)), []
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    for picked in batches(5, len(data.train), 8, 12):
        x, y = data.train.x[picked], data.train.y[picked]
        loss = nn.functional.cross_entropy(module(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    np.testing.assert_allclose(ours.loss, losses, rtol=1e-10)
    for part, param in zip(NETWORK.parts(ours.theta), module.parameters(), strict=True):
        torch.testing.assert_close(part, param.detach(), rtol=0, atol=1e-10)
    scores = module(data.validation.x)
    told = (scores.argmax(-1) == data.validation.y).double().mean()
    assert ours.validation_accuracy[-1] == pytest.approx(told.item())
    loss = nn.functional.cross_entropy(scores.flatten(0, 1), data.validation.y.flatten())
    assert ours.validation_loss[-1] == pytest.approx(loss.item(), rel=1e-10)


@pytest.mark.parametrize("optimizer", [gd.Adam(0.01), lambda params: torch.optim.Adam(params, lr=0.01)])
def test_a_module_that_tells_many_labels_trains_as_ours(data, optimizer):
    """Scores of shape (B, T, classes), targets of shape (B, T); from a Text, a pair, and a Dataset."""
    ours = gd.train(NETWORK, data, optimizer, seed=3, **SETTINGS)
    module = torchs(NETWORK, NETWORK.init(3, torch.float64))
    parts = [(part.x, part.y) for part in (data.train, data.validation)]
    dataset = [torch.utils.data.TensorDataset(*part) for part in parts]
    for given in (data, tuple(parts), dataset):
        theirs = gd.train(module, given, optimizer, seed=3, **SETTINGS)
        for part in ("loss", "validation_loss", "validation_accuracy"):
            np.testing.assert_allclose(getattr(theirs, part), getattr(ours, part), rtol=0, atol=1e-10)
        torch.testing.assert_close(theirs.theta, ours.theta, rtol=0, atol=1e-10)
    assert 0 < ours.validation_accuracy[-1] < 1


def test_windows_that_are_one_set_of_examples_are_cut_in_three(data):
    history = gd.train(NETWORK, (data.train.x, data.train.y), gd.Adam(0.01), **SETTINGS)
    assert np.isfinite(history.loss).all() and history.validation_accuracy.shape == (4,)


def test_a_grid_of_modules(data):
    def fresh():
        return Torchs(NETWORK)

    rates = np.array([0.003, 0.03])
    grid = gd.train(fresh, data, gd.Adam(rates[:, None]), seed=[2, 5], steps=4, batch=8, examine=1)
    assert grid.loss.shape == (4, 2, 2) and grid.theta.dtype == torch.float32
    one = gd.train(fresh, data, gd.Adam(0.03), seed=5, steps=4, batch=8, examine=1)
    np.testing.assert_allclose(grid.loss[:, 1, 1], one.loss, atol=1e-6)
    np.testing.assert_allclose(grid.validation_accuracy[:, 1, 1], one.validation_accuracy)


def test_dtypes(data):
    settings = SETTINGS | {"dtype": None}
    for value in (0.01, np.array([0.01, 0.1])):
        history = gd.train(NETWORK, data, gd.Adam(value), **settings)
        assert history.theta.dtype == torch.float32 and history.loss.dtype == np.float32
    exact = gd.train(NETWORK, data, gd.Adam(0.01), **SETTINGS)
    single = gd.train(NETWORK, data, gd.Adam(0.01), **settings)
    assert exact.theta.dtype == torch.float64
    np.testing.assert_allclose(single.loss, exact.loss, rtol=1e-3)
    module = gd.train(lambda: Torchs(NETWORK), data, gd.Adam(0.01), **SETTINGS)
    assert module.theta.dtype == torch.float64 and module.module.head.weight.dtype == torch.float64


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_device(data):
    there = gd.train(NETWORK, data, gd.Adam(0.01), device="cuda", **SETTINGS)
    here = gd.train(NETWORK, data, gd.Adam(0.01), **SETTINGS)
    assert there.theta.device.type == "cuda"
    np.testing.assert_allclose(there.loss, here.loss, rtol=1e-8)
    prompt = data.encode("the ")
    assert (
        there.network.sample(there.theta, prompt, 9).cpu() == here.network.sample(here.theta, prompt, 9)
    ).all()


def test_it_learns():
    """80 steps on the Opticks, from ln 91 = 4.51 to below what letters' frequencies alone tell, 3.16."""
    data = gd.text()
    share = torch.bincount(data.letters) / len(data.letters)
    alone = float(-(share * share.log()).sum())
    history = gd.train(Transformer(), data, gd.Adam(0.01), steps=80, batch=16, examine=1)
    assert history.validation_loss[0] == pytest.approx(np.log(91), abs=0.06)
    assert history.validation_loss[1] < alone - 0.1 and alone == pytest.approx(3.16, abs=0.01)
    assert 0.2 < history.validation_accuracy[1] < 0.4 and "validation accuracy" in repr(history)
    written = data.decode(history.network.sample(history.theta, data.encode("The Rays "), 40))
    assert len(written) == 40 and written.count(" ") > 2


def test_a_history_of_letters_reads_no_pictures(data):
    history = gd.train(NETWORK, data, gd.Adam(0.01), **SETTINGS)
    with pytest.raises(TypeError, match=r"a Transformer reads letters, not pictures: history.network.sample"):
        history.read(np.zeros((28, 28)))
    with pytest.raises(TypeError, match="a Transformer was trained, and no torch module"):
        history.module  # noqa: B018
    assert isinstance(history.network, Transformer)


def test_compare_on_letters(data):
    settings = {"steps": 6, "batch": 8, "dtype": "float64"}
    for network in (NETWORK, torchs(NETWORK, NETWORK.init(0, torch.float64))):
        methods = [gd.Adam, torch.optim.Adam]
        found = gd.compare(methods, data, network=network, trials=3, seeds=2, **settings)
        ours, theirs = found["Adam"], found["torch.optim.Adam"]
        np.testing.assert_allclose(ours.loss, theirs.loss, atol=1e-9)
        np.testing.assert_allclose(ours.test, theirs.test, atol=1e-12)
        best = gd.train(network, data, gd.Adam(float(ours.values[ours.best])), seed=[0, 1], **settings)
        told = best.network.scores(best.theta, data.test.x).argmax(-1)
        np.testing.assert_allclose(ours.test, (told == data.test.y).double().mean((-1, -2)))


class Flat(nn.Module):
    """A module with an embedding whose scores have the shape that is asked for."""

    def __init__(self, end):
        super().__init__()
        self.letters, self.end = nn.Embedding(21, 21), end

    def forward(self, x):
        return self.end(self.letters(x))


WORDS = np.arange(60).reshape(10, 6) % 21


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"network": Transformer}, TypeError, r"make one, as in gd.problems.Transformer\(\)"),
        ({"loss": nn.functional.mse_loss}, TypeError, "a Transformer learns by the cross-entropy"),
        (
            {"network": Transformer(18, 6, 6, 2, 1)},
            ValueError,
            r"up to 18: Transformer\(symbols=19, context=6, .* does",
        ),
        (
            {"network": Transformer(21, 5, 6, 2, 1)},
            ValueError,
            r"of 6 letters .*: Transformer\(symbols=21, context=6",
        ),
        ({"data": (WORDS - 1, WORDS)}, ValueError, "letters are numbered from 0 on, got -1"),
        (
            {"data": (WORDS / 2, WORDS)},
            ValueError,
            r"windows of letters, .* got float64 of shape \(6, 6\) and int64",
        ),
        ({"data": (WORDS, WORDS[:, 0])}, ValueError, r"int64 of shape \(6, 6\) and int64 of shape \(6,\)"),
        ({"data": gd.digits()}, ValueError, "as gd.text.. has them"),
        (
            {"network": gd.problems.Network((6, 8, 21))},
            ValueError,
            "for a gd.problems.Transformer, or a torch module",
        ),
        ({"dtype": int}, TypeError, "dtype must be one of floating-point numbers"),
        (
            {"network": Flat(lambda out: out.movedim(-1, 1))},
            ValueError,
            r"scores of shape \(examples, 6, classes\) for labels .* classes come last here, out.movedim",
        ),
        ({"network": Flat(lambda out: out[:, -1])}, ValueError, r"scores of shape \(examples, 6, classes\)"),
        ({"network": Flat(lambda out: out[..., :18])}, ValueError, "a score for each of 19 labels, 0 … 18"),
    ],
)
def test_what_does_not_fit_is_told(data, settings, error, message):
    with pytest.raises(error, match=message):
        gd.train(**{"network": NETWORK, "data": data, "optimizer": gd.Adam(0.1), "batch": 4} | settings)


def test_labels_in_a_column_are_told():
    """One label for each example, as many write it: shape (N, 1)."""
    x, y = np.random.default_rng(0).standard_normal((40, 3)), np.arange(40)[:, None] % 2
    with pytest.raises(
        ValueError, match=r"scores of shape \(examples, 1, classes\) for labels of shape \(8, 1\)"
    ):
        gd.train(lambda: nn.Linear(3, 2), (x, y), gd.Adam(0.1), batch=4)


def test_labels_that_may_hold_together_have_no_accuracy():
    """A yes or no for each of three labels, by a loss of the reader's own."""
    x = np.random.default_rng(0).standard_normal((60, 3))
    settings = {"loss": lambda out, y: nn.functional.binary_cross_entropy_with_logits(out, y.to(out))}
    history = gd.train(lambda: nn.Linear(3, 3), (x, x > 0), gd.Adam(0.1), seed=[0, 1], batch=12, **settings)
    assert (history.validation_loss[-1] < 0.2).all() and np.isnan(history.validation_accuracy).all()


def test_numbers_for_each_place_of_an_example_have_no_accuracy():
    x = np.random.default_rng(0).standard_normal((60, 5, 3))
    settings = {"loss": nn.functional.mse_loss, "seed": [0, 1], "batch": 12}
    history = gd.train(lambda: nn.Linear(3, 1, bias=False), (x, x[..., :1]), gd.Adam(0.1), **settings)
    assert (history.validation_loss[-1] < 1e-6).all() and np.isnan(history.validation_accuracy).all()
