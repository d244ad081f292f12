"""The rules after the talk against other people's optimizers, in float64, over sixty noisy steps.

torch's own, the authors' packages (schedulefree, prodigyopt, lion_pytorch) and pytorch_optimizer, which holds
many methods that have none. They are installed by `make test`. Where one of them computes a part in another
precision, or with another constant, that part is replaced, and said.
"""

import copy

import lion_pytorch
import prodigyopt
import pytest
import pytorch_optimizer
import schedulefree
import torch

import gdcourse as gd
from tests.optimizers import NAdam, clipping, gap, give_gradients, parameters, values, walk

STEPS, EXACT = 60, 1e-12
SHAPES = (12, 20), (7,), (), (2, 3, 4)


class CautiousAdam(pytorch_optimizer.AdEMAMix):
    """AdEMAMix without its slow average is Adam, and pytorch_optimizer can make it cautious. The mask's mean
    is the authors'; there it is the paper's (1 + Σφ)/d."""

    def __init__(self, params, betas, **settings):
        super().__init__(params, betas=(*betas, 0.5), alpha=0.0, cautious=True, **settings)

    @staticmethod
    def apply_cautious(update, grad):
        mask = (update * grad > 0).to(grad.dtype)
        update.mul_(mask / mask.mean().clamp(min=1e-3))


LION = {"lr": 0.01, "betas": (0.8, 0.95), "weight_decay": 0.1}
MOMENTS = {"betas": (0.8, 0.95), "eps": 1e-3}
FREE = {"lr": 0.05, "weight_decay": 0.1, "warmup_steps": 7}
CASES = {
    "SignSGD": (gd.SignSGD(0.01), lambda p: pytorch_optimizer.SignSGD(p, 0.01, momentum=0.0)),
    "Signum": (gd.SignSGD(0.01, 0.8), lambda p: pytorch_optimizer.SignSGD(p, 0.01, momentum=0.8)),
    "Lion": (gd.Lion(0.01, 0.8, 0.95, 0.1), lambda p: lion_pytorch.Lion(p, **LION)),
    "NAdam": (
        gd.NAdam(0.03, 0.8, 0.95, 1e-3, 0.03),
        lambda p: NAdam(p, 0.03, **MOMENTS, momentum_decay=0.03),
    ),
    "AMSGrad": (
        gd.AMSGrad(0.03, 0.8, 0.95, 1e-3),
        lambda p: torch.optim.Adam(p, 0.03, **MOMENTS, amsgrad=True),
    ),
    "AdaBelief": (
        gd.AdaBelief(0.03, 0.8, 0.95, 1e-3),
        lambda p: pytorch_optimizer.AdaBelief(p, 0.03, **MOMENTS, rectify=False),
    ),
    "AdEMAMix": (
        gd.AdEMAMix(0.03, 0.8, 0.95, 0.99, 3.0, 1e-3, 0.1),
        lambda p: pytorch_optimizer.AdEMAMix(
            p, 0.03, (0.8, 0.95, 0.99), weight_decay=0.1, weight_decouple=True, alpha=3.0, eps=1e-3
        ),
    ),
    "ADOPT": (
        gd.ADOPT(0.03, 0.8, 0.95, 1e-3),
        lambda p: pytorch_optimizer.ADOPT(p, 0.03, **MOMENTS, clip_lambda=lambda t: (t - 1) ** 0.25),
    ),
    "Cautious": (
        gd.Cautious(gd.Adam(0.03, 0.8, 0.95, 1e-3)),
        lambda p: CautiousAdam(p, lr=0.03, **MOMENTS),
    ),
    "Clipped": (
        gd.Clipped(gd.Momentum(0.03, 0.8), 12.0),
        lambda p: clipping(torch.optim.SGD(p, 0.03, momentum=0.8), 12.0),
    ),
    "Clipped(AdamW)": (
        gd.Clipped(gd.AdamW(0.03), 0.1),
        lambda p: clipping(torch.optim.AdamW(p, 0.03), 0.1),
    ),
    "Prodigy": (gd.Prodigy(), prodigyopt.Prodigy),
    "Prodigy, told otherwise": (
        gd.Prodigy(0.9, 0.8, 0.95, 1e-3, 0.1, 1e-4, 2.0),
        lambda p: prodigyopt.Prodigy(p, 0.9, **MOMENTS, weight_decay=0.1, d0=1e-4, d_coef=2.0),
    ),
}


@pytest.mark.parametrize("rule, make", CASES.values(), ids=CASES)
def test_sixty_steps_are_theirs(rule, make):
    ours, theirs = parameters(*SHAPES), parameters(*SHAPES)
    optimizer, oracle = gd.optim.from_rule(rule, ours), make(theirs)
    largest = 0.0
    for t in range(1, STEPS + 1):
        walk(ours, optimizer, 1, first=t)
        walk(theirs, oracle, 1, first=t)
        largest = max(largest, gap(ours, theirs))
    assert largest <= EXACT
    assert gap(ours, parameters(*SHAPES)) > 0.1


# ---- Schedule-Free: two points ----

FREE_CASES = {
    "SGD": (
        gd.ScheduleFreeSGD(0.05, 0.8, 0.1, 7),
        lambda p: schedulefree.SGDScheduleFreeReference(p, momentum=0.8, **FREE),
    ),
    "AdamW": (
        gd.ScheduleFree(0.05, 0.8, 0.95, 1e-3, 0.1, 7),
        lambda p: schedulefree.AdamWScheduleFreeReference(p, **MOMENTS, **FREE),
    ),
    "AdamW in place": (
        gd.ScheduleFree(0.05, 0.8, 0.95, 1e-3, 0.1, 7),
        lambda p: schedulefree.AdamWScheduleFree(p, **MOMENTS, **FREE),
    ),
    "AdamW without warmup": (
        gd.ScheduleFree(),
        lambda p: schedulefree.AdamWScheduleFreeReference(p),
    ),
}


@pytest.mark.parametrize("rule, make", FREE_CASES.values(), ids=FREE_CASES)
def test_schedule_free_is_theirs_where_it_trains_and_where_it_is_evaluated(rule, make, capsys):
    ours, theirs = parameters(*SHAPES), parameters(*SHAPES)
    optimizer, oracle = gd.optim.from_rule(rule, ours), make(theirs)
    trains = evaluates = apart = 0.0
    for t in range(1, STEPS + 1):
        oracle.train()
        walk(theirs, oracle, 1, first=t)
        walk(ours, optimizer, 1, first=t)
        trains = max(trains, gap(ours, theirs))
        oracle.eval()
        with optimizer.at_theta():
            evaluates = max(evaluates, gap(ours, theirs))
            theta = values(ours)
        apart = max(apart, gap(ours, theta))
    assert max(trains, evaluates) <= EXACT < 1e-3 < apart
    capsys.readouterr()  # theirs says when it switches


def test_the_papers_own_schedule_free_is_another_method(capsys):
    """It leaves the bias of v in η."""
    ours, theirs = parameters(*SHAPES), parameters(*SHAPES)
    oracle = schedulefree.AdamWScheduleFreePaper(theirs, lr=0.05)
    oracle.train()
    walk(theirs, oracle, STEPS)
    walk(ours, gd.optim.from_rule(gd.ScheduleFree(0.05), ours), STEPS)
    assert gap(ours, theirs) > 0.01
    capsys.readouterr()


# ---- SAM: two gradients a step ----


def squared_norm(groups, **_):
    """In double precision; pytorch_optimizer's is in single."""
    return sum((p.grad**2).sum() for group in groups for p in group["params"]).reshape(1)


@pytest.mark.parametrize(
    "inner, base, settings",
    [
        (gd.GradientDescent(0.1), torch.optim.SGD, {"lr": 0.1}),
        (gd.Momentum(0.03), torch.optim.SGD, {"lr": 0.03, "momentum": 0.9}),
        (gd.Adam(0.03), torch.optim.Adam, {"lr": 0.03}),
    ],
    ids=["SGD", "momentum", "Adam"],
)
def test_sam_is_pytorch_optimizers(inner, base, settings, monkeypatch):
    ours, theirs = parameters(*SHAPES), parameters(*SHAPES)
    monkeypatch.setattr(pytorch_optimizer.optimizer.sam, "get_global_gradient_norm", squared_norm)
    optimizer = gd.optim.from_rule(gd.SAM(inner, rho=0.3), ours)
    oracle = pytorch_optimizer.SAM(theirs, base, rho=0.3, **settings)
    largest = 0.0
    for t in range(1, STEPS + 1):
        for _ in range(2):  # one batch, two gradients
            walk(ours, optimizer, 1, first=t)
        give_gradients(theirs, t)
        oracle.first_step()
        give_gradients(theirs, t)
        oracle.second_step()
        largest = max(largest, gap(ours, theirs))
    assert largest <= EXACT


def test_prodigys_two_numbers_are_one_for_all_parameters():
    params = parameters(*SHAPES)
    optimizer = gd.optim.Prodigy(params)
    oracle = prodigyopt.Prodigy(twins := copy.deepcopy(params))
    walk(params, optimizer, STEPS)
    walk(twins, oracle, STEPS)
    for p in params:
        state = optimizer.state[p]
        assert state["d"].numel() == state["r"].numel() == 1 and state["s"].shape == p.shape
        assert float(state["d"]) == pytest.approx(oracle.param_groups[0]["d"], rel=1e-12)
        assert float(state["r"]) == pytest.approx(oracle.param_groups[0]["d_numerator"], rel=1e-12)
    assert float(state["d"]) > 1e-3
