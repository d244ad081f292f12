"""`train` and `compare` with what a reader brings: torch modules, data, optimizers, devices, callbacks."""

import functools
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

import gdcourse as gd
from gdcourse.experiments import method_of
from gdcourse.experiments.train import batches
from gdcourse.problems import Network
from tests.experiments.small import small_digits


@pytest.fixture(scope="module")
def data():
    return small_digits()


def copy_of(network, theta):
    """The same network of torch's layers."""
    layers = []
    for weights, biases in network.layers(theta):
        layer = nn.Linear(*weights.shape, dtype=torch.float64)
        with torch.no_grad():
            layer.weight.copy_(weights.T)
            layer.bias.copy_(biases)
        layers += [layer, nn.Tanh()]
    return nn.Sequential(*layers[:-1])


OURS = Network((784, 6, 10), "tanh")
SETTINGS = {"steps": 15, "batch": 16, "examine": 3}


@pytest.mark.parametrize(
    "optimizer", [gd.Nesterov(0.05), gd.Adam(0.01), lambda p: torch.optim.Adam(p, lr=0.01)]
)
def test_a_module_trains_as_our_network_of_the_same_weights(data, optimizer):
    module = copy_of(OURS, OURS.init(3))
    before = [p.clone() for p in module.parameters()]
    ours = gd.train(OURS, data, optimizer, seed=3, **SETTINGS)
    theirs = gd.train(module, data, optimizer, seed=3, **SETTINGS)
    for part in ("loss", "validation_loss", "validation_accuracy", "steps"):
        np.testing.assert_allclose(getattr(theirs, part), getattr(ours, part), atol=1e-10)
    assert all((a == b).all() for a, b in zip(module.parameters(), before, strict=True)), "it is copied"
    found = copy_of(OURS, ours.theta)
    for a, b in zip(theirs.module.parameters(), found.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-10)
    with pytest.raises(TypeError, match="no torch module"):
        ours.module  # noqa: B018


def dropped():
    return nn.Sequential(nn.Linear(784, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 10))


def test_a_grid_of_modules_is_its_single_trainings(data):
    """With dropout, batch norm, and a start of each seed's own."""
    rates, seeds = np.array([0.003, 0.03]), [2, 5]
    state = torch.random.get_rng_state()
    grid = gd.train(dropped, data, gd.Adam(rates[:, None]), seed=seeds, **SETTINGS)
    assert (torch.random.get_rng_state() == state).all(), "the caller's generator is left alone"
    assert grid.loss.shape == (15, 2, 2) and grid.module.shape == (2, 2)
    assert abs(grid.loss[0, 0, 0] - grid.loss[0, 0, 1]) > 1e-6, "each seed has weights of its own"
    for i, lr in enumerate(rates):
        for j, seed in enumerate(seeds):
            one = gd.train(dropped, data, gd.Adam(float(lr)), seed=seed, **SETTINGS)
            np.testing.assert_allclose(grid.loss[:, i, j], one.loss, atol=1e-12)
            np.testing.assert_allclose(grid.validation_loss[:, i, j], one.validation_loss, atol=1e-12)
            mean = one.module[1].running_mean
            torch.testing.assert_close(grid.module[i, j][1].running_mean, mean, rtol=0, atol=1e-12)
            assert mean.abs().max() > 0 and not one.module.training


def test_what_a_module_draws_is_each_seeds_and_each_steps_own(data):
    """One module, all examples at every step, and no update: losses differ by what dropout drew alone."""
    frozen = lambda params: torch.optim.SGD(params, lr=0.0)  # noqa: E731
    history = gd.train(dropped(), data, frozen, seed=[0, 1, 0], steps=3, batch=None)
    assert (history.loss[:, 0] == history.loss[:, 2]).all()
    assert len(np.unique(history.loss[:, :2])) == 6


def test_the_loop_of_a_module_by_hand(data):
    """Batch norm in training mode while training, in evaluation mode when examined."""
    torch.manual_seed(1)
    module = nn.Sequential(nn.Linear(784, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 10)).double()
    history = gd.train(module, data, gd.GradientDescent(0.1), seed=4, steps=6, batch=20, examine=6)
    optimizer, losses = torch.optim.SGD(module.parameters(), lr=0.1), []
    for picked in batches(4, 100, 20, 6):
        module.train()
        loss = nn.functional.cross_entropy(module(data.train.x[picked]), data.train.y[picked])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    np.testing.assert_allclose(history.loss, losses, rtol=1e-10)
    scores = module.eval()(data.validation.x)
    assert history.validation_loss[-1] == pytest.approx(
        nn.functional.cross_entropy(scores, data.validation.y).item(), rel=1e-10
    )
    assert history.validation_accuracy[-1] == (scores.argmax(-1) == data.validation.y).double().mean()


def test_another_loss_for_numbers_that_are_no_labels():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 3))
    y = x @ [1.0, -2.0, 3.0] + 0.5
    history = gd.train(
        lambda: nn.Linear(3, 1), (x.tolist(), y.tolist()), gd.Adam(0.1), epochs=60, batch=20,
        loss=nn.functional.mse_loss, seed=[0, 1],
    )  # fmt: skip
    assert len(history.loss) == 60 * (120 // 20) and (history.validation_loss[-1] < 1e-6).all()
    assert np.isnan(history.validation_accuracy).all() and "validation loss" in repr(history)
    weights = history.module[1].weight.detach().numpy()
    np.testing.assert_allclose(weights, [[1.0, -2.0, 3.0]], atol=1e-3)


def test_whole_numbers_are_looked_up_where_there_is_an_embedding():
    words = np.random.default_rng(0).integers(0, 4, (60, 2))

    def network():
        return nn.Sequential(nn.Embedding(4, 3), nn.Flatten(), nn.Linear(6, 2))

    history = gd.train(network, (words, words[:, 0] % 2), gd.Adam(0.1), epochs=40, batch=12)
    assert history.validation_accuracy[-1] == 1 and history.theta.dtype == torch.float32


def test_lazy_and_partly_frozen_modules(data):
    module = nn.Sequential(nn.LazyLinear(7), nn.ReLU(), nn.Linear(7, 10))
    assert gd.train(module, data, gd.Adam(0.01), **SETTINGS).theta.shape == (784 * 7 + 7 + 80,)
    module = nn.Sequential(nn.Linear(784, 7), nn.ReLU(), nn.Linear(7, 10))
    module[0].requires_grad_(False)
    history = gd.train(module, data, gd.Adam(0.01), **SETTINGS)
    assert history.theta.shape == (80,)
    assert (history.module[0].weight.float() == module[0].weight).all()


def test_our_network_takes_pictures_and_arrays(data):
    pictures = (data.train.images.numpy(), data.train.y.numpy())
    other = (data.validation.images.numpy(), data.validation.y.numpy())
    found = gd.train(OURS, (pictures, other), gd.Adam(0.01), **SETTINGS)
    expected = gd.train(OURS, data, gd.Adam(0.01), **SETTINGS)
    np.testing.assert_array_equal(found.loss, expected.loss)
    np.testing.assert_array_equal(found.validation_loss, expected.validation_loss)


def test_epochs_are_passes(data):
    by_epochs = gd.train(OURS, data, gd.Adam(0.01), epochs=2, batch=16)
    by_steps = gd.train(OURS, data, gd.Adam(0.01), steps=12, batch=16)
    np.testing.assert_array_equal(by_epochs.loss, by_steps.loss)
    assert len(gd.train(OURS, data, gd.Adam(0.01), epochs=3, batch=None).loss) == 3


def test_a_list_of_learning_rates_is_a_grid(data):
    lists = gd.train(OURS, data, gd.Adam([0.01, 0.02]), **SETTINGS)
    arrays = gd.train(OURS, data, gd.Adam(np.array([0.01, 0.02])), **SETTINGS)
    np.testing.assert_array_equal(lists.loss, arrays.loss)


def test_dtype_of_the_training(data):
    history = gd.train(OURS, data, gd.Adam(0.01), dtype="float32", **SETTINGS)
    assert history.theta.dtype == torch.float32 and history.loss.dtype == np.float32
    assert (
        gd.train(dropped, data, gd.Adam(0.01), dtype=torch.float32, **SETTINGS).theta.dtype == torch.float32
    )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("network", [OURS, dropped], ids=["ours", "modules"])
def test_device_of_the_training(data, network):
    on_gpu = gd.train(network, data, gd.Adam(0.01), device="cuda", **SETTINGS)
    assert on_gpu.theta.device.type == "cuda"
    assert isinstance(on_gpu.read(np.zeros((28, 28))), int)
    if network is OURS:
        on_cpu = gd.train(network, data, gd.Adam(0.01), **SETTINGS)
        np.testing.assert_allclose(on_gpu.loss, on_cpu.loss, rtol=1e-8)


def test_a_callback_sees_each_step_and_can_stop(data):
    seen = []
    history = gd.train(OURS, data, gd.Adam(0.01), callback=seen.append, keep=True, **SETTINGS)
    assert [now.step for now in seen] == list(range(1, 16))
    assert [now.loss for now in seen] == history.loss.tolist() and isinstance(seen[0].loss, float)
    examined = {now.step: now.validation_loss for now in seen if now.validation_loss is not None}
    assert list(examined) == history.steps[1:].tolist()
    assert list(examined.values()) == history.validation_loss[1:].tolist()

    kept = []

    def stop(now):
        kept.append(now.theta)
        return np.bool_(now.step == 7)

    stopped = gd.train(OURS, data, gd.Adam(0.01), callback=stop, keep=True, **SETTINGS)
    assert len(stopped.loss) == 7 and stopped.steps.tolist() == [0, 5, 7]
    np.testing.assert_array_equal(stopped.loss, history.loss[:7])
    assert (stopped.kept[1] == history.kept[1]).all() and (stopped.kept[2] == stopped.theta).all()
    assert (kept[-1] == stopped.theta).all() and (kept[4] == history.kept[1]).all()
    grid = []
    gd.train(OURS, data, gd.Adam(np.array([0.01, 0.02])), callback=grid.append, steps=1, batch=16)
    assert grid[0].loss.shape == (2,) and grid[0].theta.shape == (2, OURS.parameters)


@dataclass(frozen=True, eq=False)
class Breaks(gd.Rule):
    def step(self, theta, grad, state, at):
        return theta * float("nan"), {}


def test_divergence_is_named(data):
    rates = np.array([0.01, 1e200, 1e300])
    network = Network((784, 6, 10))
    history = gd.train(network, data, gd.GradientDescent(rates), steps=4, batch=16)
    assert history.diverged_at[0] == -1 and (history.diverged_at[1:] == 1).all()
    assert np.isfinite(history.loss[0]).all() and not np.isfinite(history.loss[1, 1:]).any()
    last = gd.train(network, data, Breaks(), steps=1, batch=16)
    assert np.isfinite(last.loss).all() and last.diverged_at == 1, "in the last step, after its loss"
    assert gd.train(network, data, gd.Adam(0.01), steps=2, batch=16).diverged_at is None


def test_a_history_reads_pictures(data):
    history = gd.train(OURS, data, gd.Adam(0.01), epochs=30, batch=16)
    pictures, labels = data.train.images[:20], data.train.y[:20].tolist()
    assert history.read(pictures).tolist() == labels
    one = history.read((255 * pictures[3]).to(torch.uint8))
    assert one == labels[3] and type(one) is int
    seeds = gd.train(OURS, data, gd.Adam(0.01), seed=[0, 1], epochs=30, batch=16)
    assert seeds.read(pictures).shape == (2, 20) and seeds.read(pictures[0].tolist()).shape == (2,)
    module = gd.train(copy_of(OURS, OURS.init(0)), data, gd.Adam(0.01), epochs=30, batch=16)
    assert module.read(pictures).tolist() == history.read(pictures).tolist()
    assert module.read(pictures[3]) == labels[3]
    with pytest.raises(ValueError, match="diverged, and this network reads nothing"):
        OURS.read(history.theta * np.nan, pictures)


BAD = nn.Linear(784, 3)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"steps": 5, "epochs": 2}, ValueError, "steps or epochs, not both; got steps=5 and epochs=2"),
        ({"epochs": 1.5}, ValueError, "epochs must be a whole number ≥ 0, got 1.5"),
        ({"batch": 500}, ValueError, "from 1 to 100, got 500; None takes all examples"),
        ({"callback": lambda now: now.loss}, TypeError, "callback must return True to stop"),
        ({"network": Network((100, 6, 10))}, ValueError, r"Network\(\(784, 6, 10\)\) does"),
        ({"network": Network((784, 6, 4))}, ValueError, "labels up to 9: Network"),
        ({"network": Network}, TypeError, r"gd.problems.Network\(\)"),
        ({"network": 3}, TypeError, "a gd.problems.Network or a torch module, got 3"),
        ({"network": lambda: 3}, TypeError, "it made int"),
        ({"network": nn.ReLU()}, ValueError, "ReLU has no parameters to train"),
        ({"network": BAD}, ValueError, "a score for each of 10 labels, 0 … 9; it returned 3"),
        ({"network": nn.Flatten(0)}, ValueError, "no parameters"),
        ({"loss": nn.functional.mse_loss}, TypeError, "loss= is for a torch module"),
        ({"network": BAD, "loss": 3}, TypeError, "loss must be a function"),
        ({"network": BAD, "loss": lambda out, y: out}, ValueError, "loss must return one number"),
        ({"data": (np.ones((9, 784)), np.ones(9) / 2)}, ValueError, "y must hold labels, .*mse_loss"),
        ({"data": (np.ones((9, 784)), np.full(9, -1))}, ValueError, "y must hold labels, .* from -1"),
        ({"device": "nosuch"}, ValueError, "device 'nosuch' cannot be used here"),
        ({"n_steps": 3}, TypeError, "argument 'n_steps'; here it is called steps"),
        ({"batch_size": 3}, TypeError, "here it is called batch"),
        ({"lr": 3}, TypeError, r"the rule's own, as in gd.Momentum\(lr=0.1, gamma=0.9\)"),
        ({"seeds": 3}, TypeError, "here it is called seed"),
    ],
)
def test_bad_arguments(data, settings, error, message):
    with pytest.raises(error, match=message):
        gd.train(**{"network": OURS, "data": data, "optimizer": gd.Adam(0.1), "batch": 4, **settings})


def test_a_module_of_the_wrong_size_says_what_it_was_given(data):
    with pytest.raises(RuntimeError) as error:
        gd.train(nn.Linear(100, 10), data, gd.Adam(0.1), **SETTINGS)
    assert "inputs of shape (60, 784)" in error.value.__notes__[0]


# ---- compare ----


@dataclass(frozen=True, eq=False)
class Sign(gd.Rule):
    lr: float = 0.003

    def step(self, theta, grad, state, at):
        return theta - self.lr * grad / (abs(grad) + 1e-12), {}


@dataclass(frozen=True, eq=False)
class NoRate(gd.Rule):
    decay: float

    def step(self, theta, grad, state, at):
        return theta - self.decay * grad, {}


def heavy(params, lr=0.2):
    return torch.optim.SGD(params, lr=lr, momentum=0.9)


MIXED = {
    "Adam": "Adam",
    "Momentum(gamma=0.8)": gd.Momentum(0.05, 0.8),
    "Sign": Sign,
    "Lookahead(Momentum)": gd.Lookahead(gd.Momentum(0.1)),
    "Adadelta": gd.Adadelta,
    "torch.optim.NAdam": torch.optim.NAdam,
    "gd.optim.RAdam": gd.optim.RAdam,
    "torch.optim.SGD(momentum=0.5)": functools.partial(torch.optim.SGD, momentum=0.5),
    "heavy": heavy,
    "torch.optim.Adam(betas=(0.8, 0.99))": lambda params, lr: torch.optim.Adam(params, lr, betas=(0.8, 0.99)),
    "mine": ("mine", gd.Adam(0.02)),
}
PARAMS = lambda: [torch.zeros(3, 2, requires_grad=True)]  # noqa: E731


@pytest.mark.parametrize("name", MIXED)
def test_each_kind_gets_a_clear_name_and_a_grid(name):
    found, method = method_of(MIXED[name], PARAMS)
    assert found == name
    middle = {
        "Momentum(gamma=0.8)": 0.05, "Sign": 0.003, "heavy": 0.2, "mine": 0.02, "Adadelta": 1e-5,
        "torch.optim.SGD(momentum=0.5)": 0.3, "torch.optim.NAdam": 0.01, "Lookahead(Momentum)": 0.1,
    }.get(name, 0.01)  # fmt: skip
    assert method.usual == middle
    made = method.make(0.5)
    if isinstance(made, gd.Rule):
        at = gd.rules.lr_of(made) if method.tuned == "lr" else made.eps
    else:
        at = made(PARAMS()).param_groups[0]["lr"]
    assert at == 0.5


def test_all_kinds_in_one_list(data):
    methods = ["Momentum", gd.Momentum(0.1), Sign(0.01), torch.optim.Adam, gd.Adam, heavy]
    found = gd.compare(methods, data, network=OURS, steps=12, batch=16, trials=3, seeds=2)
    assert list(found.methods) == ["Momentum", "Momentum #2", "Sign", "torch.optim.Adam", "Adam", "heavy"]
    widths = {len(m.values) for m in found.methods.values()}
    assert len(widths) == 1, "each has as many trials"
    for name, m in found.methods.items():
        assert 0 < m.best < len(m.values) - 1 and name in found.table() and name in repr(found)
    ours, theirs = found["Adam"], found["torch.optim.Adam"]
    np.testing.assert_allclose(ours.validation, theirs.validation, atol=1e-12)
    np.testing.assert_allclose(ours.test, theirs.test, atol=1e-12)
    np.testing.assert_allclose(ours.loss, theirs.loss, atol=1e-9)
    single = gd.compare(gd.Adam, data, network=OURS, steps=12, batch=16, trials=3, seeds=2)
    assert list(single.methods) == ["Adam"]
    assert repr(single["Adam"]).startswith("Tuned: Adam, lr ")
    with pytest.raises(KeyError, match="Adma was not compared: put it into the list beside Adam"):
        single["Adma"]


def test_modules_are_compared_by_what_was_trained(data):
    """The test accuracy is that of the trained modules, their averages included."""
    found = gd.compare(
        [gd.Adam, torch.optim.Adam], data, network=dropped, epochs=2, batch=25, trials=3, seeds=2
    )
    ours, theirs = found["Adam"], found["torch.optim.Adam"]
    np.testing.assert_allclose(ours.validation, theirs.validation)
    for m in (ours, theirs):
        best = gd.train(dropped, data, gd.Adam(float(m.values[m.best])), seed=[0, 1], epochs=2, batch=25)
        accuracy = [
            float((one(data.test.x).argmax(-1) == data.test.y).double().mean()) for one in best.module
        ]
        np.testing.assert_allclose(m.test, accuracy)


@pytest.mark.parametrize(
    ("methods", "error", "message"),
    [
        (["Adma"], ValueError, "unknown method 'Adma'; did you mean 'Adam'"),
        (["sgd"], ValueError, "did you mean 'GradientDescent'"),
        ([], ValueError, "no method to compare"),
        ([3], TypeError, "a method must be a name, .* got 3"),
        ([NoRate], TypeError, "NoRate has no lr: .*Method"),
        ([NoRate(0.1)], TypeError, "NoRate has no learning rate to search for: .* tuned='decay'"),
        ([gd.Adam(0.0)], ValueError, "one number above 0"),
        ([gd.Adam(np.array([0.1, 0.2]))], ValueError, "one number above 0"),
        ([torch.optim.SGD(PARAMS(), 0.1)], TypeError, "give its class, or a function of .params, lr."),
        (
            [lambda params: torch.optim.SGD(params, 0.1)],
            TypeError,
            "must take parameters and a learning rate",
        ),
        ([lambda params, lr: 3], TypeError, "must make a torch optimizer from parameters; it made 3"),
    ],
)
def test_what_cannot_be_compared_is_told(data, methods, error, message):
    with pytest.raises(error, match=message):
        gd.compare(methods, data, network=OURS)


def test_a_comparison_needs_a_test_split(data):
    two = ((data.train.x, data.train.y), (data.validation.x, data.validation.y))
    with pytest.raises(ValueError, match="data must have a test split"):
        gd.compare(["Adam"], two, network=OURS)
