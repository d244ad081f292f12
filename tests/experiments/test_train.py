"""`train`: a stacked grid equals single trainings, rules equal torch's optimizers, and the loop does what it
says with the examples."""

import sys
from functools import partial

import numpy as np
import prodigyopt
import pytest
import torch

import gdcourse as gd
from gdcourse.experiments.train import batches
from gdcourse.optim import kernels
from gdcourse.problems import Network
from gdcourse.problems.digits import Digits, Split
from tests import methods
from tests.conftest import needs_a_compiler
from tests.experiments.small import small_digits
from tests.optimizers import clipping

NETWORK = Network((784, 6, 10), "tanh")
STEPS = 25


@pytest.fixture(scope="module")
def data():
    return small_digits()


def short(data, optimizer, **settings):
    return gd.train(NETWORK, data, optimizer, **{"steps": STEPS, "batch": 16, "examine": 3, **settings})


@pytest.mark.parametrize(
    "name, batch",
    [
        *((name, batch) for name in gd.METHODS for batch in (16, None)),
        *((name, 16) for name in methods.FLAT if name in gd.rules.AFTER),
    ],
)
def test_a_grid_equals_its_single_trainings(data, name, batch):
    method, values, seeds = gd.ALL[name], gd.ALL[name].usual * np.array([0.1, 1.0]), [4, 0, 7]
    grid = short(data, method.make(values[:, None]), seed=seeds, batch=batch, keep=True)
    assert grid.theta.shape == (2, 3, NETWORK.parameters) and grid.loss.shape == (STEPS, 2, 3)
    for i, value in enumerate(values):
        for j, seed in enumerate(seeds):
            one = short(data, method.make(float(value)), seed=seed, batch=batch, keep=True)
            assert one.theta.shape == (NETWORK.parameters,) and one.loss.shape == (STEPS,)
            for part in ("loss", "validation_loss", "validation_accuracy"):
                together, alone = getattr(grid, part)[:, i, j], getattr(one, part)
                np.testing.assert_allclose(together, alone, rtol=0, atol=1e-10)
            torch.testing.assert_close(grid.kept[:, i, j], one.kept, rtol=0, atol=1e-10)
    ends = grid.theta.flatten(0, 1)
    assert torch.cdist(ends, ends).fill_diagonal_(9).min() > 1e-3, "six different trainings"


@pytest.mark.parametrize(
    "make, values",
    [
        (lambda value: gd.RAdam(0.01, beta2=value), [0.7, 0.9, 0.999]),  # of which the steps rectified differ
        (lambda value: gd.Lookahead(gd.Nesterov(0.05), k=value), [2, 5, 7]),
        (lambda value: gd.Adam(0.01, beta1=value), [0.0, 0.5, 0.9]),
    ],
)
@pytest.mark.parametrize("cached", [1, 100_000])
def test_what_depends_on_t_is_each_networks_own(data, monkeypatch, make, values, cached):
    """One network at a time, and two."""
    monkeypatch.setattr(sys.modules[batches.__module__], "CACHED", cached)
    grid = short(data, make(np.array(values)[:, None]), seed=[3, 1])
    for i, value in enumerate(values):
        for j, seed in enumerate([3, 1]):
            one = short(data, make(value), seed=seed)
            torch.testing.assert_close(grid.theta[i, j], one.theta, rtol=0, atol=1e-10)
            np.testing.assert_allclose(grid.loss[:, i, j], one.loss, rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    "rule, make",
    [
        (gd.GradientDescent(0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
        (gd.Momentum(0.05, 0.9), lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9)),
        (
            gd.Adagrad(0.02, 1e-8),
            lambda p: torch.optim.Adagrad(p, 0.02, initial_accumulator_value=1e-8, eps=0),
        ),
        (gd.RMSProp(0.003), lambda p: torch.optim.RMSprop(p, lr=0.003, alpha=0.9)),
        (gd.Adadelta(0.95, 1e-6), lambda p: torch.optim.Adadelta(p, lr=1.0, rho=0.95, eps=1e-6)),
        (gd.Adam(0.01), lambda p: torch.optim.Adam(p, lr=0.01)),
        (gd.AdamW(0.01, weight_decay=0.1), lambda p: torch.optim.AdamW(p, lr=0.01, weight_decay=0.1)),
        (gd.RAdam(0.01, threshold=5, eps=1e-8), lambda p: torch.optim.RAdam(p, lr=0.01)),
        (gd.AMSGrad(0.01), lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True)),
        (gd.Clipped(gd.Adam(0.01), 0.5), lambda p: clipping(torch.optim.Adam(p, lr=0.01), 0.5)),
        (gd.Prodigy(), prodigyopt.Prodigy),
        (gd.Cautious(gd.Adam(0.01)), partial(gd.optim.from_rule, gd.Cautious(gd.Adam(0.01)))),
    ],
    ids=lambda x: type(x).__name__ if isinstance(x, gd.Rule) else "torch",
)
def test_a_rule_equals_torchs_optimizer(data, rule, make):
    """All of θ in one flat vector moved by the rule, and each layer's tensors moved by torch."""
    for seed in (3, [3, 8]):
        ours, theirs = short(data, rule, seed=seed, keep=True), short(data, make, seed=seed, keep=True)
        assert ours.theta.shape == theirs.theta.shape
        torch.testing.assert_close(ours.kept, theirs.kept, rtol=0, atol=1e-9)
        for part in ("steps", "loss", "validation_loss", "validation_accuracy"):
            np.testing.assert_allclose(getattr(ours, part), getattr(theirs, part), rtol=0, atol=1e-9)


def test_nesterovs_rule_and_torch_are_at_one_point_apart(data):
    """torch's parameters are the look-ahead point p = θ − γv: the losses seen in training agree."""
    ours = short(data, gd.Nesterov(0.05, 0.9))
    theirs = short(data, lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True))
    np.testing.assert_allclose(ours.loss, theirs.loss, rtol=0, atol=1e-9)
    assert (ours.theta - theirs.theta).abs().max() > 1e-4


def test_the_loop_by_hand(data):
    """Batch, forward, loss, backward, update, with torch's autograd for the gradient."""
    history = short(data, gd.GradientDescent(0.2), seed=5, keep=True, examine=STEPS)
    theta, losses = NETWORK.init(5), []
    assert (history.kept[0] == theta).all()
    for step, picked in enumerate(batches(5, 100, 16, STEPS), start=1):
        theta = theta.detach().requires_grad_()
        loss = NETWORK.loss(theta, data.train.x[picked], data.train.y[picked])
        (grad,) = torch.autograd.grad(loss, theta)
        losses.append(loss.item())
        theta = theta - 0.2 * grad
        torch.testing.assert_close(history.kept[step], theta.detach(), rtol=0, atol=1e-10)
    np.testing.assert_allclose(history.loss, losses, rtol=0, atol=1e-10)


def test_sams_two_gradients_are_of_one_mini_batch(data):
    """The loop by hand: climb, take the gradient of the same examples there, step from where it began."""
    rule = gd.SAM(gd.Momentum(0.1, 0.5), rho=0.3)
    history = short(data, rule, seed=5, keep=True, examine=STEPS)
    theta, v, losses = NETWORK.init(5), 0.0, []

    def gradient(at, picked):
        at = at.detach().requires_grad_()
        loss = NETWORK.loss(at, data.train.x[picked], data.train.y[picked])
        losses.append(loss.item())
        return torch.autograd.grad(loss, at)[0]

    for step, picked in enumerate(batches(5, 100, 16, STEPS // 2), start=1):
        grad = gradient(theta, picked)
        torch.testing.assert_close(history.kept[2 * step - 1], theta, rtol=0, atol=1e-10)
        v = 0.5 * v + 0.1 * gradient(theta + 0.3 * grad / grad.norm(), picked)
        theta = theta - v
        torch.testing.assert_close(history.kept[2 * step], theta, rtol=0, atol=1e-9)
    np.testing.assert_allclose(history.loss[:-1], losses, rtol=0, atol=1e-9)
    assert STEPS % 2 and len(history.loss) == STEPS


def test_what_is_examined(data):
    history = short(data, gd.Adam(0.01), seed=[0, 1], examine=4, keep=True)
    assert history.steps.tolist() == [0, 6, 12, 19, 25]
    assert history.validation_loss.shape == history.validation_accuracy.shape == (5, 2)
    assert history.kept.shape == (5, 2, NETWORK.parameters)
    x, y = data.validation.x, data.validation.y
    for i in range(5):
        np.testing.assert_allclose(
            history.validation_loss[i], NETWORK.loss(history.kept[i], x, y), rtol=1e-12
        )
        np.testing.assert_allclose(history.validation_accuracy[i], NETWORK.accuracy(history.kept[i], x, y))
    assert (history.kept[-1] == history.theta).all()
    assert short(data, gd.Adam(0.01)).kept is None
    many = short(data, gd.Adam(0.01), steps=3, examine=10)
    assert many.steps.tolist() == [0, 1, 2, 3]


def test_no_steps(data):
    history = short(data, gd.Adam(np.array([[0.1], [0.2]])), steps=0, seed=[0, 1, 2], keep=True)
    assert history.steps.tolist() == [0] and history.loss.shape == (0, 2, 3)
    assert history.kept.shape == (1, 2, 3, NETWORK.parameters)


def test_it_learns():
    """On real digits, 200 steps of Adam read three of four validation images or more."""
    history = gd.train(Network(), gd.digits(), gd.Adam(0.003), steps=200, examine=2)
    assert history.validation_accuracy[0] < 0.3 and history.validation_accuracy[-1] > 0.75
    assert history.validation_loss[-1] < history.validation_loss[0]


@pytest.mark.parametrize("batch", [1, 7, 16, 100])
def test_each_example_once_in_a_pass(batch):
    per_pass = 100 // batch
    order = batches(3, 100, batch, 2 * per_pass + 1)
    assert order.shape == (2 * per_pass + 1, batch)
    first, second = order[:per_pass], order[per_pass : 2 * per_pass]
    for one in (first, second):
        assert len(np.unique(one)) == one.size
    assert (first.ravel() != second.ravel()).any()
    assert (batches(3, 100, batch, per_pass) == first).all(), "a longer training begins as a shorter one"
    assert (batches(4, 100, batch, per_pass) != first).any()


def test_a_full_batch_is_all_examples(data):
    assert (batches(0, 5, None, 2) == [[0, 1, 2, 3, 4]] * 2).all()
    history = short(data, gd.GradientDescent(0.1), batch=None, steps=1)
    expected = NETWORK.loss(NETWORK.init(0), data.train.x, data.train.y).item()
    assert history.loss[0] == pytest.approx(expected, rel=1e-12)


def test_schedule(data):
    """Halved after ten steps: the first ten as without, and torch's scheduler gives the same."""

    def schedule(t):
        return 1.0 if t <= 10 else 0.5

    plain = short(data, gd.GradientDescent(0.2), steps=10)
    halved = short(data, gd.GradientDescent(0.2), schedule=schedule, examine=STEPS, keep=True)
    torch.testing.assert_close(halved.kept[10], plain.theta, rtol=0, atol=1e-13)

    class Halving(torch.optim.SGD):
        taken = 0

        def step(self, closure=None):
            self.taken += 1
            self.param_groups[0]["lr"] = 0.2 * schedule(self.taken)
            return super().step(closure)

    theirs = short(data, lambda p: Halving(p, lr=0.2))
    torch.testing.assert_close(halved.theta, theirs.theta, rtol=0, atol=1e-12)
    grid = short(data, gd.Adam(np.array([0.01, 0.02])[:, None]), schedule=schedule, seed=[0, 1])
    single = short(data, gd.Adam(0.02), schedule=schedule, seed=1)
    torch.testing.assert_close(grid.theta[1, 1], single.theta, rtol=0, atol=1e-10)
    ahead = short(data, gd.Lookahead(gd.Momentum(0.1)), schedule=schedule)
    assert not torch.allclose(ahead.theta, short(data, gd.Lookahead(gd.Momentum(0.1))).theta)


def test_a_training_that_blows_up_reads_nothing(data):
    rule, network = gd.GradientDescent(np.array([0.1, 1e200])), Network((784, 6, 10), "relu")
    history = gd.train(network, data, rule, steps=5, batch=16)
    assert history.validation_accuracy[-1, 1] == 0 and history.validation_accuracy[-1, 0] > 0


def test_float32_stays_float32(data):
    half = Digits(*(Split(s.x.float(), s.y) for s in (data.train, data.validation, data.test)))
    for value in (0.01, np.array([0.01, 0.1])):
        history = short(half, gd.RAdam(value))
        assert history.theta.dtype == torch.float32 and history.loss.dtype == np.float32
    exact, single = short(data, gd.Adam(0.003)).loss, short(half, gd.Adam(0.003)).loss
    np.testing.assert_allclose(single, exact, rtol=1e-3)


def test_training_leaves_the_callers_tensors_alone(data):
    before = data.train.x.clone()
    short(data, gd.Adam(0.1))
    short(data, lambda p: torch.optim.Adam(p, lr=0.1))
    assert (data.train.x == before).all() and data.train.x.grad is None


@pytest.mark.parametrize(
    "settings, error, message",
    [
        ({"optimizer": gd.Adam(-1.0)}, ValueError, "Invalid learning rate: -1.0"),
        ({"optimizer": gd.Adam}, TypeError, "Adam is a class: give it its hyperparameters"),
        ({"optimizer": "adam"}, TypeError, "optimizer must be a rule, .* got 'adam'"),
        ({"optimizer": torch.optim.SGD([torch.zeros(1)], lr=0.1)}, TypeError, "optimizer must be a rule, or"),
        ({"optimizer": lambda p: None}, TypeError, "it made None"),
        (
            {"optimizer": lambda p: torch.optim.SGD(p, 0.1), "schedule": lambda t: 1.0},
            TypeError,
            "without schedule and compile",
        ),
        ({"optimizer": gd.Adadelta(), "schedule": lambda t: 1.0}, TypeError, "Adadelta has no learning rate"),
        ({"optimizer": gd.Adam(0.1), "schedule": lambda t: -t}, ValueError, "Invalid learning rate: -0.1"),
        ({"batch": 0}, ValueError, "batch must be a whole number from 1 to 100, got 0"),
        ({"batch": 101}, ValueError, "batch must be a whole number from 1 to 100, got 101"),
        ({"batch": 2.5}, ValueError, "batch must be .* got 2.5"),
        ({"steps": -1}, ValueError, "steps must be a whole number ≥ 0, got -1"),
        ({"steps": 1.5}, ValueError, "steps must be .* got 1.5"),
        ({"examine": 0}, ValueError, "examine must be a whole number ≥ 1, got 0"),
        ({"optimizer": gd.Momentum(np.ones(2), np.ones(3) / 2)}, ValueError, r"lr \(2,\), gamma \(3,\)"),
        ({"optimizer": gd.Adam(np.ones(2)), "seed": [0, 1, 2]}, ValueError, r"lr \(2,\), seed \(3,\)"),
    ],
)
def test_bad_arguments(data, settings, error, message):
    with pytest.raises(error, match=message):
        gd.train(NETWORK, data, **{"optimizer": gd.Adam(0.1), "steps": 2, "batch": 16, "seed": 0, **settings})


def test_no_bar_where_outputs_are_stored(data, monkeypatch, capfd):
    monkeypatch.setenv("GDCOURSE_STATIC", "1")
    short(data, gd.Adam(0.01))
    out, err = capfd.readouterr()
    assert out == err == ""


@pytest.mark.parametrize("value", [None, "0", ""])
def test_a_bar_for_a_person(data, monkeypatch, capfd, value):
    if value is None:
        monkeypatch.delenv("GDCOURSE_STATIC", raising=False)
    else:
        monkeypatch.setenv("GDCOURSE_STATIC", value)
    history = short(data, gd.Adam(0.01))
    out, err = capfd.readouterr()
    assert out == "" and "training" in err and f"/{STEPS}" in err
    monkeypatch.setenv("GDCOURSE_STATIC", "1")
    assert (short(data, gd.Adam(0.01)).theta == history.theta).all()


@pytest.mark.parametrize("seed", [1.5, -1, [0, -2]])
def test_a_seed_that_is_no_whole_number_is_refused(seed):
    with pytest.raises(ValueError, match="seed must be a whole number"):
        gd.train(gd.problems.Network(), gd.digits(), gd.GradientDescent(0.1), steps=1, seed=seed)


# ---- compiled ----


@needs_a_compiler
@pytest.mark.parametrize(
    "name",
    [
        *("Nesterov", "Adam", "RAdam", "Lookahead"),
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("ScheduleFree", "SAM")),
    ],
)
def test_compiled_equals_uncompiled(data, name, recwarn):
    """Over a schedule, which compiles nothing anew, and for a grid."""
    method = gd.ALL[name]
    rule = method.make(method.usual * np.array([0.1, 1.0])[:, None])
    wish = {"seed": [4, 0, 7], "keep": True, "schedule": lambda t: 1 / t}
    plain, kernel = short(data, rule, **wish), short(data, rule, compile=True, **wish)
    np.testing.assert_allclose(kernel.loss, plain.loss, rtol=0, atol=1e-12)
    torch.testing.assert_close(kernel.kept, plain.kept, rtol=0, atol=1e-12)
    assert (kernel.kept[1] - kernel.kept[0]).abs().max() > 1e-3, "kept as they were then"
    assert not [w for w in recwarn if "could not compile" in str(w.message)]


@needs_a_compiler
def test_other_hyperparameters_compile_nothing_anew(data):
    before = kernels._compiled.cache_info().misses
    for beta in np.linspace(0.1, 0.9, 10):
        short(data, gd.Adam(0.01, beta1=float(beta)), steps=3, compile=True)
    assert kernels._compiled.cache_info().misses <= before + 1
    short(data, gd.Adam(0.01, beta1=0.5), steps=3, compile=True, seed=[1, 2])
    assert kernels._compiled.cache_info().misses == before + 2


def test_without_a_compiler_a_warning_and_the_same_trainings(data, no_compiler):
    match = r"torch could not compile the rule \(RuntimeError: No working C\+\+ compiler found\)"
    with pytest.warns(UserWarning, match=match) as said:
        kernel = short(data, gd.Adam(0.01), compile=True)
    assert len(said) == 1
    torch.testing.assert_close(kernel.theta, short(data, gd.Adam(0.01)).theta, rtol=0, atol=1e-12)


def test_a_torch_optimizer_compiles_its_own_step(data):
    with pytest.raises(TypeError, match="without schedule and compile"):
        short(data, lambda params: torch.optim.SGD(params, lr=0.1), compile=True)
