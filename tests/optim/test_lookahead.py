"""Lookahead around any optimizer: it is the slide's rule, it keeps its own state, and it is a good guest."""

import copy
import io
import pickle

import numpy as np
import pytest
import torch
from torch.optim import lr_scheduler

import gdcourse as gd
from tests.optimizers import MAKERS, TORCHS, UNUSUAL, torchs_maker

EXACT, STEPS = 1e-12, 60
PROBLEM = gd.problems.NoisyQuadratic(np.array([1.0, 0.3, 0.1]), noise=1.0)
START = np.array([1.0, -2.0, 3.0])
SAMPLES = torch.as_tensor(PROBLEM.draw(np.random.default_rng(0), STEPS))  # descend's own, for seed=0

AROUND_TORCHS = {name: torchs_maker(name) for name in TORCHS if name not in UNUSUAL}
AROUND_OURS = {f"ours: {name}": make for name, make in MAKERS.items()}
around_torchs = pytest.mark.parametrize("make", AROUND_TORCHS.values(), ids=AROUND_TORCHS)
AROUND_ANY = {**AROUND_TORCHS, **AROUND_OURS}
around_any = pytest.mark.parametrize("make", AROUND_ANY.values(), ids=AROUND_ANY)


def a_parameter(dtype=torch.float64):
    return torch.nn.Parameter(torch.tensor(START, dtype=dtype))


def walk(param, optimizer, steps=STEPS, first=1, each=None):
    """What the parameter holds before the first step and after each."""
    path = [param.detach().clone()]
    for t in range(first, first + steps):
        param.grad = PROBLEM.grad(param.detach(), SAMPLES[t - 1]).to(param.dtype)
        optimizer.step()
        if each:
            each(t)
        path.append(param.detach().clone())
    return torch.stack(path)


def gap(a, b):
    return np.abs(np.asarray(a) - np.asarray(b)).max()


# ---- it is the rule ----


@pytest.mark.parametrize("k, alpha", [(5, 0.5), (3, 0.8), (1, 0.5), (7, 0.0), (4, 1.0)])
@pytest.mark.parametrize(
    "inner, make",
    [
        (gd.GradientDescent(0.1), lambda params: torch.optim.SGD(params, lr=0.1)),
        (gd.GradientDescent(0.1), lambda params: gd.optim.SGD(params, lr=0.1)),
        (gd.Momentum(0.03), lambda params: torch.optim.SGD(params, lr=0.03, momentum=0.9)),
        (gd.Momentum(0.03), lambda params: gd.optim.Momentum(params, lr=0.03)),
        (gd.Adam(0.05), lambda params: torch.optim.Adam(params, lr=0.05)),
        (gd.Adam(0.05), lambda params: gd.optim.Adam(params, lr=0.05)),
    ],
    ids=["torch's SGD", "SGD", "torch's momentum", "Momentum", "torch's Adam", "Adam"],
)
def test_equals_the_rule(inner, make, k, alpha):
    run = gd.descend(gd.Lookahead(inner, k=k, alpha=alpha), PROBLEM, START, STEPS, record="slow")
    param = a_parameter()
    optimizer = gd.optim.Lookahead(make([param]), k=k, alpha=alpha)
    slow = []
    path = walk(param, optimizer, each=lambda t: slow.append(optimizer.state[param]["slow"].clone()))
    assert gap(path, run.theta) <= EXACT
    assert gap(torch.stack(slow), run.slow) <= EXACT
    assert alpha == 1 or gap(path, gd.descend(inner, PROBLEM, START, STEPS).theta) > 1e-3


def test_around_nesterov_slow_weights_follow_theta_not_the_look_ahead_point():
    run = gd.descend(gd.Lookahead(gd.Nesterov(0.03)), PROBLEM, START, STEPS, record=("slow", "v"))
    param = a_parameter()
    inner = gd.optim.Nesterov([param], lr=0.03)
    optimizer = gd.optim.Lookahead(inner)
    for t in range(1, STEPS + 1):
        walk(param, optimizer, 1, first=t)
        assert gap(inner.theta(param), run.theta[t]) <= EXACT
        assert gap(param.detach(), run.theta[t] - 0.9 * run.v[t - 1]) <= EXACT
        with optimizer.slow_weights():
            assert gap(param.detach(), run.slow[t - 1]) <= EXACT


def test_from_rule_makes_this_one():
    param = a_parameter()
    optimizer = gd.optim.from_rule(gd.Lookahead(gd.Adam(0.05), k=3, alpha=0.8), [param])
    assert isinstance(optimizer, gd.optim.Lookahead)
    run = gd.descend(gd.Lookahead(gd.Adam(0.05), k=3, alpha=0.8), PROBLEM, START, STEPS)
    assert gap(walk(param, optimizer), run.theta) <= EXACT


def test_before_its_first_step_the_slow_weights_are_theta():
    """Around an optimizer that was used before, whose parameters are another point."""
    param = a_parameter()
    inner = gd.optim.Nesterov([param], lr=0.03)
    walk(param, inner, 3)
    theta, point = inner.theta(param), param.detach().clone()
    optimizer = gd.optim.Lookahead(inner)
    assert not torch.equal(theta, point)
    with optimizer.slow_weights():
        assert torch.equal(param, theta)
    assert torch.equal(param, point)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize(
    "make",
    [
        lambda params: gd.optim.SGD(params, lr=0.1),
        lambda params: torch.optim.SGD(params, lr=0.1),
        lambda params: gd.optim.Adam(params, lr=0.5),
    ],
)
def test_a_parameter_that_was_given_another_shape_is_named_before_it_moves(make, dtype):
    param = torch.nn.Parameter(torch.ones(1, 3, dtype=dtype))
    optimizer = gd.optim.Lookahead(make([param]), k=1)
    param.grad = torch.ones_like(param)
    optimizer.step()
    param.data = torch.full((4, 3), 5.0, dtype=dtype)
    param.grad = torch.ones_like(param)
    for call in (optimizer.step, optimizer.check_step, lambda: optimizer.slow_weights().__enter__()):
        with pytest.raises(RuntimeError, match=r"shape \(4, 3\) has slow weights of shape \(1, 3\)"):
            call()
    assert (param == 5).all() and optimizer.steps == 1
    optimizer.state.pop(param), optimizer.optimizer.state.pop(param, None)
    optimizer.step()
    assert (param < 5).all()


@around_torchs
@pytest.mark.parametrize("k, alpha", [(5, 0.5), (3, 0.8)])
def test_synchronises_at_k_2k_3k(make, k, alpha):
    """Written out by hand around a twin: between synchronisations the inner optimizer alone moves, at
    k, 2k, … the parameter is pulled, and the inner state is what it was."""
    param, twin = a_parameter(), a_parameter()
    optimizer, inner = gd.optim.Lookahead(make([param]), k, alpha), make([twin])
    slow = twin.detach().clone()
    for t in range(1, 4 * k + 1):
        twin.grad = PROBLEM.grad(twin.detach(), SAMPLES[t - 1])
        inner.step()
        fast = twin.detach().clone()
        if t in (k, 2 * k, 3 * k, 4 * k):
            slow = slow + alpha * (fast - slow)
            twin.data.copy_(slow)
        walk(param, optimizer, 1, first=t)
        assert gap(param.detach(), twin.detach()) <= EXACT
        assert gap(optimizer.state[param]["slow"], slow) <= EXACT
        for name, value in inner.state[twin].items():
            if isinstance(value, torch.Tensor):
                assert gap(value, optimizer.optimizer.state[param][name]) <= EXACT
    assert gap(slow, START) > 1e-4


# ---- slow weights ----


@around_any
def test_slow_weights_come_and_go(make):
    param = a_parameter()
    optimizer = gd.optim.Lookahead(make([param]))
    with optimizer.slow_weights():
        assert torch.equal(param, torch.tensor(START))
    walk(param, optimizer, 7)
    fast, slow = param.detach().clone(), optimizer.state[param]["slow"].clone()
    with optimizer.slow_weights():
        assert torch.equal(param, slow) and not torch.equal(param, fast)
        assert torch.is_grad_enabled()
    assert torch.equal(param, fast)
    with pytest.raises(KeyError), optimizer.slow_weights():
        assert torch.equal(param, slow)
        raise KeyError
    assert torch.equal(param, fast)
    assert torch.equal(optimizer.state[param]["slow"], slow)


@pytest.mark.parametrize("make", [gd.optim.Nesterov, gd.optim.ScheduleFree, torch.optim.SGD])
def test_at_theta_is_where_the_fast_weights_are(make):
    param = a_parameter()
    optimizer = gd.optim.Lookahead(make([param], lr=0.03), 100)
    points = walk(param, optimizer, 5)
    ours = make is not torch.optim.SGD
    theta = optimizer.optimizer.theta(param) if ours else points[-1]
    with optimizer.at_theta(), optimizer.at_theta():
        assert torch.equal(param, theta) and torch.equal(param, points[-1]) != ours
        if ours:
            with pytest.raises(RuntimeError, match="state_dict inside"):
                optimizer.state_dict()
        with optimizer.slow_weights():
            assert torch.equal(param, points[0])
        assert torch.equal(param, theta)
    assert torch.equal(param, points[-1])


@pytest.mark.parametrize("make", [gd.optim.Nesterov, torch.optim.SGD])
def test_at_the_slow_weights_nothing_goes_on(make):
    param = a_parameter()
    optimizer = gd.optim.Lookahead(make([param], lr=0.03), 3)
    walk(param, optimizer, 5)
    saved, point = optimizer.state_dict(), param.detach().clone()
    refused = {
        "step": optimizer.step,
        "state_dict": optimizer.state_dict,
        "load_state_dict": lambda: optimizer.load_state_dict(saved),
        "at_theta": lambda: optimizer.at_theta().__enter__(),
        "a copy": lambda: copy.deepcopy(optimizer),
    }
    for what, call in refused.items():
        with optimizer.slow_weights(), pytest.raises(RuntimeError, match=f"{what} inside slow_weights"):
            call()
        with pytest.raises(RuntimeError), optimizer.slow_weights(), optimizer.slow_weights():
            call()
        assert torch.equal(param, point) and optimizer.steps == 5
    optimizer.load_state_dict(optimizer.state_dict())


def test_slow_weights_start_where_the_first_step_starts():
    """Loading a model after making its optimizer is common; the slow weights must not be older."""
    param = a_parameter()
    optimizer = gd.optim.Lookahead(torch.optim.SGD([param], lr=0.1), k=2, alpha=0.25)
    param.data.fill_(5.0)
    for _ in range(2):
        param.grad = torch.ones_like(param)
        optimizer.step()
    assert torch.allclose(param, torch.full((3,), 5.0 - 0.25 * 0.2, dtype=torch.float64), atol=1e-14)


def test_half_precision_slow_weights_are_float32_and_survive_a_checkpoint():
    param = a_parameter(torch.bfloat16)
    optimizer = gd.optim.Lookahead(torch.optim.SGD([param], lr=0.1), k=2, alpha=0.3)
    walk(param, optimizer, 4)
    slow = optimizer.state[param]["slow"]
    assert slow.dtype == torch.float32 and torch.equal(param, slow.bfloat16())
    assert not torch.equal(slow, slow.bfloat16().float())
    again = torch.nn.Parameter(param.detach().clone())
    loaded = gd.optim.Lookahead(torch.optim.SGD([again], lr=0.1))
    loaded.load_state_dict(optimizer.state_dict())
    assert torch.equal(loaded.state[again]["slow"], slow)


# ---- saving, loading, copying ----


@around_any
@pytest.mark.parametrize("at", [0, 5, 7])
def test_a_checkpoint_in_mid_cycle_changes_no_bit(make, at):
    """In float32: torch's NAdam keeps a product in float32, which loading casts to the parameter's type."""
    param = a_parameter(torch.float32)
    optimizer = gd.optim.Lookahead(make([param]), k=5, alpha=0.8)
    walk(param, optimizer, at)
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    saved = param.detach().clone()
    path = walk(param, optimizer, 12, first=at + 1)

    file.seek(0)
    again = torch.nn.Parameter(saved)
    loaded = gd.optim.Lookahead(make([again]))  # k and α come with the checkpoint
    loaded.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(path, walk(again, loaded, 12, first=at + 1))
    assert torch.equal(loaded.state[again]["slow"], optimizer.state[param]["slow"])
    assert loaded.steps == at + 12


@around_any
def test_loaded_state_is_not_shared(make):
    param, other = a_parameter(), a_parameter()
    optimizer, loaded = gd.optim.Lookahead(make([param])), gd.optim.Lookahead(make([other]))
    walk(param, optimizer, 7)
    loaded.load_state_dict(optimizer.state_dict())
    before = copy.deepcopy(loaded.state_dict())
    optimizer.state[param]["slow"].fill_(9.0)
    walk(param, optimizer, 7, first=8)
    now = loaded.state_dict()
    for name, value in before["state"][0].items():
        assert not isinstance(value, torch.Tensor) or torch.equal(value, now["state"][0][name]), name


@around_any
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"]
)
def test_copies_go_on_alike_and_apart(make, copied):
    param = a_parameter()
    optimizer = gd.optim.Lookahead(make([param]))
    walk(param, optimizer, 7)
    twin, other = copied((param, optimizer))
    assert other.optimizer.param_groups[0]["params"][0] is twin
    path = walk(param, optimizer, 8, first=8)
    assert torch.equal(walk(twin, other, 8, first=8), path)
    assert other.steps == optimizer.steps == 15


def test_load_refuses_what_does_not_fit_and_changes_nothing():
    param = a_parameter()
    optimizer = gd.optim.Lookahead(torch.optim.Adam([param]))
    walk(param, optimizer, 7)
    before = copy.deepcopy(optimizer.state_dict())
    with pytest.raises(
        ValueError, match=r"no 'lookahead_around' in a parameter group: it must be a Lookahead's"
    ):
        optimizer.load_state_dict(optimizer.optimizer.state_dict())
    wide = torch.nn.Parameter(torch.zeros(4, dtype=torch.float64))
    stranger = gd.optim.Lookahead(torch.optim.Adam([wide]))
    wide.grad = torch.ones_like(wide)
    stranger.step()
    with pytest.raises(ValueError, match=r"slow weights of shape \(4,\) for parameter 0: must be .*\(3,\)"):
        optimizer.load_state_dict(stranger.state_dict())
    now = optimizer.state_dict()
    assert now["param_groups"][0]["lookahead_steps"] == 7 and float(now["state"][0]["step"]) == 7
    assert torch.equal(now["state"][0]["exp_avg"], before["state"][0]["exp_avg"])


def test_slow_weights_that_are_no_tensor_are_refused_and_nothing_is_loaded():
    param = a_parameter()
    optimizer = gd.optim.Lookahead(gd.optim.Adam([param]))
    walk(param, optimizer, 3)
    saved = optimizer.state_dict()
    walk(param, optimizer, 3, first=4)
    for spoilt in (None, 1.0):
        wrong = copy.deepcopy(saved)
        wrong["state"][0]["slow"] = spoilt
        with pytest.raises(ValueError, match=r"'slow' of type \w+ for parameter 0: must be a tensor"):
            optimizer.load_state_dict(wrong)
        assert optimizer.optimizer.state[param]["step"] == 6 and optimizer.steps == 6


def test_a_checkpoint_is_a_snapshot_around_torchs_too():
    param = a_parameter()
    optimizer = gd.optim.Lookahead(torch.optim.Adam([param]))
    walk(param, optimizer, 3)
    saved = optimizer.state_dict()
    kept = copy.deepcopy(saved)
    walk(param, optimizer, 3, first=4)
    assert all(torch.equal(x, kept["state"][0][name]) for name, x in saved["state"][0].items())


# ---- a good guest ----


@around_any
def test_schedules_reach_the_inner_optimizer(make):
    param, twin = a_parameter(), a_parameter()
    optimizer, plain = (
        gd.optim.Lookahead(make([param]), k=1, alpha=1.0),
        make([twin]),
    )  # Lookahead does nothing
    paths = []
    for p, o in ((param, optimizer), (twin, plain)):
        cycles = bool({"momentum", "betas"} & o.param_groups[0].keys())
        schedule = lr_scheduler.OneCycleLR(o, 0.1, total_steps=STEPS + 1, cycle_momentum=cycles)
        paths.append(walk(p, o, each=lambda _, schedule=schedule: schedule.step()))
    assert gap(*paths) <= EXACT
    assert optimizer.optimizer.param_groups[0]["lr"] == plain.param_groups[0]["lr"] < 0.01
    assert optimizer.param_groups is optimizer.optimizer.param_groups


def test_groups_zero_grad_hooks_closure():
    a, b = a_parameter(), a_parameter()
    optimizer = gd.optim.Lookahead(torch.optim.SGD([a], lr=0.1), k=2, alpha=0.5)
    seen = []
    optimizer.register_step_pre_hook(lambda *_: seen.append("before"))
    optimizer.register_step_post_hook(lambda *_: seen.append("after"))
    optimizer.register_state_dict_pre_hook(lambda *_: seen.append("saving"))
    optimizer.register_state_dict_post_hook(lambda _, saved: {**saved, "note": 1})
    optimizer.register_load_state_dict_pre_hook(lambda _, saved: seen.append(saved["note"]))
    optimizer.register_load_state_dict_post_hook(lambda _: seen.append("loaded"))

    def closure():
        optimizer.zero_grad()
        loss = (a**2).sum() + (b**2).sum()
        loss.backward()
        return loss

    start = START.copy()
    assert optimizer.step(closure).item() == pytest.approx(2 * (start**2).sum())
    optimizer.add_param_group({"params": [b], "lr": 0.2})
    assert optimizer.optimizer.param_groups[1]["lr"] == 0.2
    optimizer.step(closure)
    fast = 0.8 * 0.8 * start
    assert gap(a.detach(), start + 0.5 * (fast - start)) <= EXACT
    assert gap(b.detach(), start + 0.5 * (0.6 * start - start)) <= EXACT
    assert seen == ["before", "after"] * 2
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen[4:] == ["saving", 1, "loaded"]
    assert a.grad is not None
    optimizer.zero_grad()
    assert a.grad is None and b.grad is None
    assert "k: 2, alpha: 0.5" in repr(optimizer) and "lr: 0.2" in repr(optimizer)


def test_works_around_one_that_needs_a_closure():
    param = a_parameter()
    optimizer = gd.optim.Lookahead(torch.optim.LBFGS([param], max_iter=2), k=2)

    def closure():
        optimizer.zero_grad()
        loss = PROBLEM.loss(param)
        loss.backward()
        return loss

    losses = [optimizer.step(closure).item() for _ in range(20)]
    assert losses[-1] < 1e-3 * losses[0]


def test_gradients_are_left_untouched_and_a_frozen_parameter_rests():
    a, b = a_parameter(), a_parameter()
    b.requires_grad_(False)
    optimizer = gd.optim.Lookahead(torch.optim.Adam([a, b]), k=2)
    for _ in range(4):
        a.grad = grad = torch.ones_like(a)
        optimizer.step()
        assert a.grad is grad and torch.equal(grad, torch.ones_like(a))
    assert torch.equal(b, torch.tensor(START)) and not torch.equal(a, torch.tensor(START))


# ---- errors ----


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"k": 0}, ValueError, r"Invalid k: 0 .*whole number ≥ 1"),
        ({"k": 2.5}, ValueError, r"Invalid k: 2\.5 .*whole number ≥ 1"),
        ({"k": "5"}, TypeError, r"Invalid k: '5'"),
        ({"alpha": -0.1}, ValueError, r"Invalid alpha: -0\.1 .*in \[0, 1\]"),
        ({"alpha": 1.1}, ValueError, r"Invalid alpha: 1\.1 .*in \[0, 1\]"),
        ({"alpha": float("nan")}, ValueError, r"Invalid alpha: nan .*in \[0, 1\]"),
        ({"alpha": None}, TypeError, r"Invalid alpha: None"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        gd.optim.Lookahead(torch.optim.SGD([a_parameter()], lr=0.1), **arguments)


def test_only_an_optimizer_can_be_inside():
    with pytest.raises(TypeError, match=r"is not an Optimizer: .*it is a class"):
        gd.optim.Lookahead(torch.optim.SGD)
    with pytest.raises(TypeError, match="is not an Optimizer"):
        gd.optim.Lookahead([a_parameter()])
    with pytest.raises(TypeError, match="is not an Optimizer"):
        gd.optim.Lookahead(gd.Momentum(0.1))
    with pytest.raises(ValueError, match="Lookahead around a Lookahead"):
        gd.optim.Lookahead(gd.optim.Lookahead(torch.optim.SGD([a_parameter()], lr=0.1)))
