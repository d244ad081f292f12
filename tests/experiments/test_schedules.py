"""Schedules against torch's schedulers, and by what they promise."""

import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from gdcourse.experiments.schedules import cosine, linear, warmup, wsd

T, W, N = 50, 7, 20  # steps; of warm-up; of WSD's decay


def torchs(make, steps=T):
    """The rates of steps 1 … T under a scheduler of torch, for an optimizer with the rate 1."""
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    rates = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SequentialLR calls its parts in a way that torch itself warns of
        scheduler = make(optimizer)
        for _ in range(steps):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            scheduler.step()
    return rates


def line(optimizer, steps):
    return lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=steps)


def sequence(optimizer, first, then, milestone):
    return lr_scheduler.SequentialLR(optimizer, [first, then], milestones=[milestone])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (linear(T), lambda o: line(o, T)),
        (cosine(T), lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=T)),
        (wsd(T, N / T), lambda o: sequence(o, lr_scheduler.ConstantLR(o, 1.0), line(o, N), T - N)),
        (
            warmup(W, cosine(T - W)),
            lambda o: sequence(
                o,
                lr_scheduler.LinearLR(o, 1 / W, 1.0, total_iters=W - 1),
                lr_scheduler.CosineAnnealingLR(o, T_max=T - W),
                W,
            ),
        ),
        (wsd(T), lambda o: lr_scheduler.LambdaLR(o, lambda k: wsd(T)(k + 1))),
    ],
    ids=["linear", "cosine", "wsd", "warmup", "LambdaLR"],
)
def test_the_rates_are_those_of_torchs_scheduler(ours, theirs):
    assert [ours(t) for t in range(1, T + 1)] == pytest.approx(torchs(theirs), abs=1e-12)


@given(st.integers(1, 300), st.floats(0, 1))
def test_no_step_is_wasted_and_none_is_longer_than_the_peak(steps, decay):
    for schedule in (linear(steps), cosine(steps), wsd(steps, decay)):
        factors = [schedule(t) for t in range(1, steps + 1)]
        assert factors[0] == 1 and min(factors) > 0
        assert factors == sorted(factors, reverse=True)
        assert schedule(steps + 1) == schedule(steps + 9) == 0


@given(st.integers(1, 300))
def test_wsd_lies_between_a_constant_rate_and_the_line(steps):
    at = range(1, steps + 2)
    assert [wsd(steps, 1.0)(t) for t in at] == [linear(steps)(t) for t in at]
    assert [wsd(steps, 0.0)(t) for t in at] == steps * [1.0] + [0.0]


def test_the_last_share_of_wsd_is_the_line_of_so_many_steps():
    assert [wsd(100, 0.2)(t) for t in range(81, 101)] == [linear(20)(t) for t in range(1, 21)]
    assert wsd(100)(80) == 1.0
    assert wsd(100, 0.29)(72) == 1.0 > wsd(100, 0.29)(73)  # 0.29 · 100 is a little less than 29 in floats


def test_a_warm_up_ends_at_the_peak_and_what_follows_begins_there():
    assert [warmup(4, linear(4))(t) for t in range(1, 9)] == [0.25, 0.5, 0.75, 1, 1, 0.75, 0.5, 0.25]
    assert [warmup(0, linear(4))(t) for t in range(1, 5)] == [1, 0.75, 0.5, 0.25]


@pytest.mark.parametrize("make", [linear, cosine, wsd, lambda steps: warmup(steps, linear(3))])
@pytest.mark.parametrize("steps", [-1, 2.5, True, "9"])
def test_steps_that_are_no_whole_number_are_refused(make, steps):
    with pytest.raises(ValueError, match="steps must be a whole number"):
        make(steps)


def test_what_else_is_refused():
    for make in (linear, cosine, wsd):
        with pytest.raises(ValueError, match="≥ 1"):
            make(0)
    for decay in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="decay must be a share"):
            wsd(10, decay)
    with pytest.raises(TypeError, match="then must be a schedule"):
        warmup(3, 0.5)
