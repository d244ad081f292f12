"""Rules around another rule, and those that sum over a parameter or over all, as optimizers for torch: what
their groups hold, what they sum over, what their checkpoints tell."""

import copy
import re
from dataclasses import dataclass

import numpy as np
import pytest
import torch

import gdcourse as gd
from gdcourse.optim import bucket
from gdcourse.optim.groups import looks
from tests.optimizers import equal, gap, give_gradients, parameters, twins_of, values, walk

EXACT = 1e-12
SHAPES = [(4, 3), (5,), (), (2, 2, 2), (0, 3), (300, 200)]
RULES = {
    "Cautious(Adam)": gd.Cautious(gd.Adam(0.05)),
    "Cautious(ScheduleFree)": gd.Cautious(gd.ScheduleFree(0.05)),
    "Clipped(Momentum)": gd.Clipped(gd.Momentum(0.05), 0.7),
    "Clipped(SAM(Nesterov))": gd.Clipped(gd.SAM(gd.Nesterov(0.05), 0.2), 0.7),
    "SAM(AdamW)": gd.SAM(gd.AdamW(0.05), 0.2),
    "Prodigy": gd.Prodigy(d0=1e-3),
}
every = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
of_all = pytest.mark.parametrize(
    "rule",
    [rule for name, rule in RULES.items() if "Cautious" not in name],
    ids=lambda rule: type(rule).__name__,
)


def made(rule, params, **kwargs):
    return gd.optim.from_rule(rule, params, **kwargs)


# ---- one vector: the rule itself ----


@every
@pytest.mark.parametrize("ahead", [False, True], ids=["", "in Lookahead"])
def test_on_one_vector_it_is_the_rule(rule, ahead):
    problem, start = gd.problems.NoisyQuadratic(np.array([1.0, 0.3, 3.0]), 0.5), np.array([1.0, -2.0, 0.5])
    rule = gd.Lookahead(rule, k=3, alpha=0.4) if ahead else rule
    steps = 12
    run = gd.descend(rule, problem, start, steps)
    each = gd.rules.per_batch_of(rule)
    samples = torch.as_tensor(problem.draw(np.random.default_rng(0), steps // each).repeat(each, axis=0))
    param = torch.nn.Parameter(torch.tensor(start))
    optimizer = made(rule, [param])
    for t, sample in enumerate(samples, start=1):
        param.grad = problem.grad(param.detach(), sample)
        optimizer.step()
        theta = getattr(optimizer, "optimizer", optimizer).theta(param)
        assert np.abs(theta.numpy() - run.theta[t]).max() <= EXACT


# ---- groups ----


def test_a_group_holds_what_the_rule_inside_has():
    group = made(gd.Cautious(gd.AdamW(eps=1e-6)), parameters()).param_groups[0]
    own = {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-6, "weight_decay": 0.01, "maximize": False}
    assert {key: value for key, value in group.items() if key != "params"} == own
    group = made(gd.Clipped(gd.SAM(gd.Adadelta(gamma=0.8)), 2.0), parameters()).param_groups[0]
    own = {"max_norm": 2.0, "gamma": 0.8, "rho": 0.05, "eps": 1e-6, "lr": 1.0, "weight_decay": 0.0}
    assert {
        key: value for key, value in group.items() if key not in ("params", "maximize")
    } == own  # ρ is SAM's
    group = made(gd.Clipped(gd.Momentum(0.1)), parameters()).param_groups[0]
    assert group["momentum"] == 0.9 and group["lr"] == 0.1


def test_what_a_group_says_is_what_the_rules_use():
    params, twins = parameters(*SHAPES), parameters(*SHAPES)
    groups = [{"params": params[:2], "lr": 0.3, "max_norm": 0.1}, {"params": params[2:], "momentum": 0.5}]
    optimizer = made(gd.Clipped(gd.Momentum(0.05)), groups)
    others = [
        made(gd.Clipped(gd.Momentum(0.3), 0.1), twins[:2]),
        made(gd.Clipped(gd.Momentum(0.05, 0.5)), twins[2:]),
    ]
    for t in range(1, 6):
        walk(params, optimizer, 1, first=t)
        give_gradients(twins, t)
        for one in others:
            one.step()
    assert equal(params, twins)


def test_a_schedule_reaches_the_rule_inside():
    params, twins = parameters(*SHAPES), parameters(*SHAPES)
    optimizer = made(gd.Cautious(gd.Adam(0.1)), params)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch))
    walk(params, optimizer, 5, each=lambda _: schedule.step())
    other = made(gd.Cautious(gd.Adam(0.1)), twins)
    for t in range(1, 6):
        other.param_groups[0]["lr"] = 0.1 / t
        walk(twins, other, 1, first=t)
    assert gap(params, twins) <= EXACT and not equal(params, parameters(*SHAPES))
    cycle = made(gd.Cautious(gd.Adam(0.1)), params)
    torch.optim.lr_scheduler.OneCycleLR(cycle, 0.1, total_steps=21)
    assert cycle.param_groups[0]["betas"][0] == 0.95  # it found what to cycle


@dataclass(frozen=True, eq=False)
class Rough(gd.Rule):
    """A reader's, by what only a tensor has, with a name that SAM has, too."""

    lr: float = 0.1
    rho: float = 0.5

    def step(self, theta, grad, state, at):
        return theta - self.lr * grad.clamp(-self.rho, self.rho), {}


def test_two_hyperparameters_of_one_name_are_refused():
    with pytest.raises(ValueError, match="SAM and Rough both have 'rho', and a parameter group has one"):
        made(gd.SAM(Rough()), parameters())


@pytest.mark.parametrize("key, value", [("lr", -1), ("max_norm", 0), ("eps", -1.0), ("betas", (1.0, 0.9))])
def test_a_bad_value_in_a_group_is_refused_whichever_rules_it_is(key, value):
    optimizer = made(gd.Clipped(gd.Adam()), parameters())
    with pytest.raises(ValueError, match=r"Invalid .* must be"):
        optimizer.add_param_group({"params": parameters((2,)), key: value})
    assert len(optimizer.param_groups) == 1


def test_what_cannot_be_run_as_both_must_is_refused_when_it_is_made():
    with pytest.raises(ValueError, match=r"Clipped sums over all parameters .* Muon needs each by itself"):
        made(gd.Clipped(gd.Muon()), parameters((3, 2)))


def test_around_a_readers_rule_it_runs_on_tensors():
    params, twins = parameters(*SHAPES), parameters(*SHAPES)
    walk(params, made(gd.Cautious(Rough()), params), 4)
    walk(twins, made(Rough(), twins), 4)
    assert gap(params, twins) <= EXACT  # every step agrees with its own gradient
    walk(params, made(gd.Clipped(Rough(), 1e9), params), 2)
    walk(twins, made(Rough(), twins), 2)
    assert gap(params, twins) <= EXACT


# ---- each parameter by itself, all of a group together ----


def test_cautions_mean_is_over_a_parameter_of_any_shape():
    """Moved together they are what each is alone, and what the flat vector of each is."""
    rule = gd.Cautious(gd.Adam(0.05))
    params, alone = parameters(*SHAPES), parameters(*SHAPES)
    flat = [torch.nn.Parameter(p.detach().reshape(-1).clone()) for p in params]
    optimizers = [made(rule, [p]) for p in alone]
    optimizer, other = made(rule, params), made(rule, flat)
    for t in range(1, 6):
        walk(params, optimizer, 1, first=t)
        give_gradients(alone, t)
        for p, q in zip(flat, alone, strict=True):
            p.grad = q.grad.reshape(-1).clone()
        other.step()
        for one in optimizers:
            one.step()
    assert equal(params, alone)
    assert equal([p.reshape(-1) for p in params], flat)


def test_a_parameter_whose_numbers_lie_otherwise_is_the_same():
    plain = parameters((4, 3), (2, 2, 2))
    turned = [torch.nn.Parameter(p.detach().mT.contiguous().mT) for p in plain]
    rule, strides = gd.Cautious(gd.Adam(0.05)), [p.stride() for p in turned]
    assert strides != [p.stride() for p in plain]
    walk(plain, made(rule, plain), 5)
    walk(turned, made(rule, turned), 5)
    assert gap(plain, turned) <= EXACT and [p.stride() for p in turned] == strides != [
        p.stride() for p in plain
    ]


def test_tied_parameters_move_one_after_the_other():
    def tied():
        params = parameters(*[(4, 3)] * 3)
        params[2] = torch.nn.Parameter(params[0].detach())
        return params

    params, twins = tied(), tied()
    walk(params, made(gd.Cautious(gd.Adam(0.05)), params), 4)
    one = [made(gd.Cautious(gd.Adam(0.05)), [p]) for p in twins]
    for t in range(1, 5):
        give_gradients(twins, t)
        for optimizer in one:
            optimizer.step()
    assert torch.equal(params[0], params[2]) and not torch.equal(params[0], params[1])
    with pytest.raises(ValueError, match="sums over all parameters of a group"):
        walk(again := tied(), made(gd.Clipped(gd.Adam()), again), 1)


def test_what_is_no_plain_tensor_must_be_a_vector():
    for shape, fits in (((4,), True), ((4, 3), False)):
        param = torch.nn.Parameter(torch._neg_view(torch.ones(shape, dtype=torch.float64)))
        optimizer = made(gd.Cautious(gd.GradientDescent(0.1)), [param])
        param.grad = torch.ones(shape, dtype=torch.float64)
        if fits:
            optimizer.step()
            assert torch.allclose(param.detach(), torch.full((4,), -1.1, dtype=torch.float64))
        else:
            with pytest.raises(ValueError, match=r"shape \(4, 3\) is no plain tensor .* as one vector"):
                optimizer.step()


@of_all
def test_the_sums_are_over_a_group(rule):
    """Two groups are two optimizers; one group is its parameters in a row."""
    params, twins = parameters(*SHAPES), parameters(*SHAPES)
    row = torch.nn.Parameter(torch.cat([p.detach().reshape(-1) for p in twins[2:]]))
    groups = [{"params": params[:2]}, {"params": params[2:]}]
    optimizer, first, second = made(rule, groups), made(rule, twins[:2]), made(rule, [row])
    for t in range(1, 7):
        walk(params, optimizer, 1, first=t)
        give_gradients(twins, t)
        # in the numbers that the row has by now
        given = [torch.nn.Parameter(x.clone()) for x in row.detach().split([p.numel() for p in params[2:]])]
        shaped = [x.detach().reshape(p.shape) for x, p in zip(given, params[2:], strict=True)]
        for p, x in zip(twins[2:], shaped, strict=True):
            p.data.copy_(x)
        give_gradients(twins, t)
        row.grad = torch.cat([p.grad.reshape(-1) for p in twins[2:]])
        first.step()
        second.step()
    found = torch.cat([p.detach().reshape(-1) for p in params[2:]])
    assert equal(params[:2], twins[:2]) and gap([found], [row.detach()]) <= EXACT


@of_all
def test_one_that_starts_late_or_rests_has_no_place_in_the_vector(rule):
    for resting in (1, 4):
        params = parameters((3,), (4, 2))
        optimizer = made(rule, params)
        with pytest.raises(ValueError, match=r"sums over all parameters .* another number of gradients"):
            for t in range(1, 8):
                give_gradients(params, t, resting={1} if t == resting else ())
                optimizer.step()
        first, second = (int(optimizer.state.get(param, {"step": 0})["step"]) for param in params)
        assert first == second + 1


def test_the_vector_is_not_cut(monkeypatch, short_pieces):
    """Where others go in pieces: a norm of a piece would be another."""
    monkeypatch.setattr(bucket, "SMALL", {"cpu": 10})
    for name in ("Clipped(Momentum)", "Prodigy", "Cautious(Adam)"):
        params = parameters((500,), (30,))
        walk(params, made(RULES[name], params), 3)
        monkeypatch.undo()
        twins = parameters((500,), (30,))
        walk(twins, made(RULES[name], twins), 3)
        assert equal(params, twins)


# ---- looking ahead ----


def test_who_looks_ahead():
    for rule, ahead in (
        (gd.Cautious(gd.Adam()), False),
        (gd.Clipped(gd.Cautious(gd.Adam())), False),
        (gd.Cautious(gd.Nesterov(0.1)), True),
        (gd.Clipped(gd.SAM(gd.Adam())), True),
        (gd.Prodigy(), False),
    ):
        assert looks(rule) is ahead
    params = parameters()
    optimizer = made(gd.Cautious(gd.Adam()), params)
    walk(params, optimizer, 1)
    assert optimizer.state[params[0]].keys() == {"step", "m", "v"}


def test_while_sam_is_up_the_parameters_are_there_and_theta_is_not():
    params = parameters()
    optimizer = made(gd.SAM(gd.GradientDescent(0.1), rho=0.5), params)
    start = values(params)
    walk(params, optimizer, 1)
    length = sum(((p - q) ** 2).sum() for p, q in zip(params, start, strict=True)) ** 0.5
    assert length.item() == pytest.approx(0.5)
    with optimizer.at_theta():
        assert gap(params, start) <= EXACT
    walk(params, optimizer, 1)
    with optimizer.at_theta():
        assert gap(params, values(params)) == 0 and gap(params, start) > 0.01


# ---- states ----


@every
def test_a_checkpoint_changes_no_bit(rule):
    """In mid-pair, too; and what is one number for all is saved with each."""
    for steps in (3, 4):
        params = parameters(*SHAPES)
        optimizer = made(rule, params, maximize=True)
        walk(params, optimizer, steps)
        twins = twins_of(params)
        other = made(rule, twins)
        other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
        walk(params, optimizer, 3, first=steps + 1)
        walk(twins, other, 3, first=steps + 1)
        assert equal(params, twins)
        for p, q in zip(params, twins, strict=True):
            assert optimizer.state[p].keys() == other.state[q].keys()
            assert all(torch.equal(x, other.state[q][name]) for name, x in optimizer.state[p].items())


def test_a_checkpoint_of_other_rules_is_refused():
    params = parameters()
    optimizer = made(gd.Cautious(gd.Adam()), params)
    walk(params, optimizer, 1)
    saved = optimizer.state_dict()
    for other in (gd.Cautious(gd.AdamW()), gd.Adam(), gd.Clipped(gd.Adam())):
        said = re.escape(f"is Cautious(Adam)'s: must be {gd.rules.around.name_of(other)}'s")
        with pytest.raises(ValueError, match=said):
            made(other, parameters()).load_state_dict(saved)
    ahead = gd.optim.Lookahead(made(gd.Cautious(gd.Adam()), params))
    walk(params, ahead, 1)
    with pytest.raises(ValueError, match=r"around gdcourse.Cautious\(Adam\): must be gdcourse.Adam$"):
        gd.optim.Lookahead(gd.optim.Adam(parameters())).load_state_dict(ahead.state_dict())
    damaged = copy.deepcopy(made(gd.Prodigy(), params).state_dict())
    walk(params, prodigy := gd.optim.Prodigy(params), 1)
    damaged = copy.deepcopy(prodigy.state_dict())
    damaged["state"][0]["d"] = torch.ones(2)
    with pytest.raises(ValueError, match=r"'d' of shape \(2,\) in the state of parameter 0: must be \(1,\)"):
        gd.optim.Prodigy(parameters()).load_state_dict(damaged)


@every
def test_half_precision_keeps_its_state_in_float32(rule):
    half, single = parameters(*SHAPES[:4], dtype=torch.bfloat16), parameters(*SHAPES[:4], dtype=torch.float32)
    for p, q in zip(half, single, strict=True):
        q.data.copy_(p.data)
    optimizer, other = made(rule, half), made(rule, single)
    for t in range(1, 9):
        give_gradients(half, t)
        for p, q in zip(half, single, strict=True):
            q.grad = p.grad.float()
        optimizer.step()
        other.step()
    assert {x.dtype for p in half for x in optimizer.state[p].values() if x.numel()} <= {
        torch.float32,
        torch.float64,
    }
    assert gap([p.float() for p in half], single) <= 0.1
    assert gap(single, parameters(*SHAPES[:4], dtype=torch.float32)) > 0.01


@every
@pytest.mark.parametrize("how", ["reset", "pullback"])
def test_lookahead_resets_and_pulls_back_what_is_inside(rule, how):
    """By hand, around the optimizer."""
    params, twins = parameters(*SHAPES[:4]), parameters(*SHAPES[:4])
    optimizer = gd.optim.Lookahead(made(rule, params), 2, 0.4, how)
    walk(params, optimizer, 6)
    inner, slow = made(rule, twins), values(twins)
    kept: list[dict] = [{} for _ in twins]
    started = values(twins)
    for t in range(1, 7):
        walk(twins, inner, 1, first=t)
        if t % 2:
            continue
        slow = [a + 0.4 * (inner.theta(p) - a) for a, p in zip(slow, twins, strict=True)]
        for p, held, begun in zip(twins, kept, started, strict=True):
            for name, x in inner.state[p].items():
                if how == "pullback" and name != "step" and not name.startswith("look_"):
                    first = {"z": begun, "start": begun, "d": torch.full_like(x, 1e-3)}.get(name, 0 * x)
                    x.copy_(held.get(name, first) + 0.4 * (x - held.get(name, first)))
                    held[name] = x.clone()
        if how == "reset":
            inner = made(rule, twins)
        for p, a in zip(twins, slow, strict=True):
            inner.set_theta(p, a)
    assert gap(params, twins) <= 1e-9 and gap(params, parameters(*SHAPES[:4])) > 1e-4
