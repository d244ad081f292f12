"""`descend`: families equal single runs, kinds agree, and what is kept is what was asked for."""

import importlib
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import gdcourse as gd
from gdcourse.experiments.family import Fit, carried, cut_out, cuts_of, zeros_like
from gdcourse.problems import Beale, FiniteSum, LeastSquares, NoisyQuadratic, Quadratic, Rare, ravine
from gdcourse.rules import scope_of
from tests import methods
from tests.conftest import needs_a_compiler

TURNED = Quadratic([1.0, 6.0], angle=30.0)
LR = np.array([0.02, 0.13])
GAMMA = np.array([0.3, 0.85])
FAMILIES = {
    "GradientDescent": lambda lr, x: gd.GradientDescent(lr + x / 20),
    "Momentum": gd.Momentum,
    "Nesterov": gd.Nesterov,
    "Adagrad": lambda lr, x: gd.Adagrad(lr, eps=x / 100),
    "RMSProp": lambda lr, x: gd.RMSProp(lr, gamma=x),
    "Adadelta": lambda lr, x: gd.Adadelta(gamma=x, eps=lr),
    "Adam": lambda lr, x: gd.Adam(lr, beta1=x, beta2=0.9 + x / 10),
    "AdamW": lambda lr, x: gd.AdamW(lr, weight_decay=x),
    "RAdam": lambda lr, x: gd.RAdam(lr, beta2=0.25 + 0.8 * x),
    "Lookahead": lambda lr, x: gd.Lookahead(gd.Momentum(lr), k=np.round(1 + 3 * x), alpha=x),
    "Lion": lambda lr, x: gd.Lion(lr, beta1=x, beta2=0.9 + x / 10, weight_decay=x),
    "NAdam": lambda lr, x: gd.NAdam(lr, beta1=x, momentum_decay=x),
    "AdaBelief": lambda lr, x: gd.AdaBelief(lr, beta1=0.1 + 0.8 * x, beta2=x),
    "AdEMAMix": lambda lr, x: gd.AdEMAMix(lr, beta3=x, alpha=x),
    "Cautious": lambda lr, x: gd.Cautious(gd.AdamW(lr, beta1=x, weight_decay=x)),
    "Clipped": lambda lr, x: gd.Clipped(gd.Momentum(lr), max_norm=0.1 + x),
    "SAM": lambda lr, x: gd.SAM(gd.Momentum(lr), rho=x),
    "ScheduleFreeSGD": lambda lr, x: gd.ScheduleFreeSGD(lr, beta=0.1 + 0.8 * x, weight_decay=x),
    "ScheduleFree": lambda lr, x: gd.ScheduleFree(lr, beta1=0.1 + 0.8 * x, warmup=np.round(10 * x)),
    "Prodigy": lambda lr, x: gd.Prodigy(d0=lr, d_coef=0.1 + x),
}


def as_numpy(values):
    return values.numpy() if isinstance(values, torch.Tensor) else np.asarray(values)


FAMILIES |= {  # any other: one hyperparameter beside what is tuned, if it has one
    name: lambda lr, x, name=name: methods.with_values(name, lr=lr, gamma=x, beta2=x)
    for name in methods.FLAT
    if name not in FAMILIES
}


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_a_grid_equals_its_single_runs(name, kind):
    """2 × 2 settings of a two-dimensional θ: naive broadcasting would mix settings and coordinates."""
    start = np.array([-1.0, 0.8]) if kind == "numpy" else torch.tensor([-1.0, 0.8], dtype=torch.float64)
    family = gd.descend(FAMILIES[name](LR[:, None], GAMMA[None, :]), TURNED, start, steps=30)
    assert family.theta.shape == (31, 2, 2, 2) and family.loss.shape == (31, 2, 2)
    assert family.grad.shape == (30, 2, 2, 2) and family.diverged_at.shape == (2, 2)
    for i, lr in enumerate(LR):
        for j, x in enumerate(GAMMA):
            one = gd.descend(FAMILIES[name](float(lr), float(x)), TURNED, start, steps=30)
            for together, alone in (
                (family.theta, one.theta),
                (family.loss, one.loss),
                (family.grad, one.grad),
            ):
                np.testing.assert_allclose(as_numpy(together[:, i, j]), as_numpy(alone), rtol=0, atol=1e-12)
    assert len(np.unique(as_numpy(family.theta[-1]).round(9))) > 4, "the settings must differ"


@pytest.mark.parametrize("name", methods.FLAT)
def test_numbers_arrays_tensors_and_functions_agree(name):
    rule = gd.ALL[name].make(0.05)
    curvatures = torch.tensor([1.0, 6.0], dtype=torch.float64)
    problem, start = Quadratic([1.0, 6.0]), [-1.0, 0.8]

    def function(theta):
        return 0.5 * (curvatures * theta**2).sum()

    runs = [
        gd.descend(rule, problem, start, steps=25),
        gd.descend(rule, problem, np.array(start), steps=25),
        gd.descend(rule, problem, torch.tensor(start, dtype=torch.float64), steps=25),
        gd.descend(rule, function, start, steps=25),
        gd.descend(rule, function, torch.tensor(start, dtype=torch.float64), steps=25),
    ]
    kinds = [np.ndarray, np.ndarray, torch.Tensor, np.ndarray, torch.Tensor]
    for run, kind in zip(runs, kinds, strict=True):
        assert isinstance(run.theta, kind) and isinstance(run.loss, kind) and isinstance(run.grad, kind)
        for part in ("theta", "loss", "grad"):
            seen, expected = as_numpy(getattr(run, part)), getattr(runs[0], part)
            np.testing.assert_allclose(seen, expected, rtol=0, atol=1e-12)
    if scope_of(rule) != "element":  # a number is a vector of one
        starts = {Quadratic(1.0): -1.0, Quadratic([1.0]): [-1.0]}
        alone = [gd.descend(rule, problem, start, steps=25) for problem, start in starts.items()]
        assert alone[0].theta.shape == (26,)
        np.testing.assert_array_equal(alone[0].theta, alone[1].theta[:, 0])
        return
    # each coordinate by itself, as a bare number
    for i, h in enumerate((1.0, 6.0)):
        alone = gd.descend(rule, Quadratic(h), start[i], steps=25)
        assert alone.theta.shape == (26,)
        np.testing.assert_allclose(alone.theta, runs[0].theta[:, i], rtol=0, atol=1e-12)


def test_a_function_of_a_number_and_families_of_functions():
    run = gd.descend(gd.GradientDescent(np.array([0.1, 0.2])), lambda x: x**2, 3.0, steps=4)
    np.testing.assert_allclose(run.theta[-1], [3 * 0.8**4, 3 * 0.6**4])
    np.testing.assert_allclose(run.loss[-1], run.theta[-1] ** 2)


def test_what_a_run_holds():
    run = gd.descend(gd.Momentum(0.005, 0.8), Beale(), steps=12)
    problem = Beale()
    np.testing.assert_array_equal(run.theta[0], problem.start)
    np.testing.assert_allclose(run.loss, [problem.loss(theta) for theta in run.theta], rtol=1e-14)
    np.testing.assert_allclose(run.grad, [problem.grad(theta) for theta in run.theta[:-1]], rtol=1e-14)


def test_nesterovs_gradient_is_that_of_the_point_looked_at():
    run = gd.descend(gd.Nesterov(0.05, 0.8), TURNED, [1.0, 1.0], steps=8, record="v")
    v = np.concatenate([np.zeros((1, 2)), run.v[:-1]])
    np.testing.assert_allclose(run.grad, [TURNED.grad(p) for p in run.theta[:-1] - 0.8 * v], rtol=1e-13)


def test_record():
    run = gd.descend(
        gd.RAdam(0.1, beta2=0.9), TURNED, [1.0, 1.0], steps=9, record=["m_hat", "v_hat", "r", "m"]
    )
    assert set(run.recorded) == {"m_hat", "v_hat", "r", "m"} and run.r is run.recorded["r"]
    m = v = np.zeros(2)
    for t, g in enumerate(run.grad, start=1):
        m, v = 0.9 * m + 0.1 * g, 0.9 * v + 0.1 * g**2
        np.testing.assert_allclose(run.m_hat[t - 1], m / (1 - 0.9**t), rtol=1e-12)
        np.testing.assert_allclose(run.v_hat[t - 1], (v / (1 - 0.9**t)) ** 0.5, rtol=1e-12)
    assert run.r.shape == (9,) and run.m.shape == (9, 2)
    with pytest.raises(AttributeError, match="no 'rho'; recorded by name: m, m_hat, r, v_hat"):
        _ = run.rho


def test_records_are_of_the_runs_own_kind():
    run = gd.descend(
        gd.RAdam(0.1), TURNED, torch.ones(2, dtype=torch.float64), steps=6, record=["r", "m", "rectify"]
    )
    assert all(isinstance(run.recorded[name], torch.Tensor) for name in ("r", "m", "rectify"))
    assert run.r.dtype == torch.float64 and run.rectify.tolist() == [False] * 4 + [True] * 2


def test_the_end_alone():
    rule = gd.Momentum(np.array([0.05, 0.9]))
    full = gd.descend(rule, TURNED, steps=60, record="v")
    end = gd.descend(rule, TURNED, steps=60, path=False, record="v")
    assert end.theta.shape == (1, 2, 2) and end.loss.shape == (1, 2) and end.grad is None
    np.testing.assert_array_equal(end.theta[0], full.theta[-1])
    np.testing.assert_array_equal(end.loss[0], full.loss[-1])
    np.testing.assert_array_equal(end.diverged_at, full.diverged_at)
    np.testing.assert_array_equal(end.v, full.v)
    assert full.diverged_at[0] == -1 < full.diverged_at[1]


def test_no_steps():
    run = gd.descend(gd.Momentum(0.1), TURNED, [1.0, 2.0], steps=0, record="v")
    assert run.theta.tolist() == [[1.0, 2.0]] and run.loss.shape == (1,)
    assert run.grad.shape == (0, 2) and run.v.shape[0] == 0 and run.diverged_at is None


@pytest.mark.parametrize("path", [True, False])
def test_diverged_at(path):
    def diverged(lr, start, steps=60):
        return gd.descend(gd.GradientDescent(lr), Quadratic([1.0, 10.0]), start, steps, path=path).diverged_at

    # |1 − 3| = 2 a step: 2²⁰ > 10⁶ > 2¹⁹
    assert diverged(0.3, [0.0, 1.0]) is not None and type(diverged(0.3, [0.0, 1.0])) is int
    assert diverged(0.4, [0.0, 1.0]) == 13  # 3¹³ > 10⁶ > 3¹²
    assert diverged(0.3, [0.0, 1.0]) == 20
    assert diverged(0.1, [0.0, 1.0]) is None
    assert diverged(0.4, [0.0, 1.0], steps=12) is None
    assert diverged(0.4, [0.0, 1e3]) == 13, "a far start is its own scale"
    assert diverged(0.4, [0.0, 1e-3]) == 19, "a near one is not: 3¹⁹ > 10⁹"
    # in a family every run is judged by itself
    assert diverged(np.array([0.1, 0.4]), [0.0, 1.0]).tolist() == [-1, 13]
    assert diverged(0.4, [[0.0, 1.0], [0.0, 1e9], [1.0, 0.0]]).tolist() == [13, 13, -1]


def test_nan_counts_as_diverged_and_overflow_is_silent(recwarn):
    run = gd.descend(gd.GradientDescent(1.0), Beale(), steps=60)
    assert run.diverged_at is not None and not np.isfinite(run.theta[-1]).all()
    assert not recwarn.list


def test_schedule():
    run = gd.descend(lambda t: gd.GradientDescent(1 / (t + 1)), Quadratic(1.0), 1.0, steps=5)
    np.testing.assert_allclose(run.theta, [1.0, 1 / 2, 1 / 3, 1 / 4, 1 / 5, 1 / 6])  # ∏ (1 − 1/(t + 1))
    families = gd.descend(lambda t: gd.GradientDescent(LR / t), Quadratic(1.0), 1.0, steps=5)
    for i, lr in enumerate(LR):
        single = gd.descend(lambda t, lr=lr: gd.GradientDescent(lr / t), Quadratic(1.0), 1.0, steps=5)
        np.testing.assert_allclose(families.theta[:, i], single.theta, rtol=1e-14)
    with pytest.raises(ValueError, match="Invalid learning rate: -1"):
        gd.descend(lambda t: gd.GradientDescent(2 - t), Quadratic(1.0), 1.0, steps=5)
    with pytest.raises(ValueError, match="one family"):
        gd.descend(lambda t: gd.GradientDescent(np.ones(t) / 10), Quadratic(1.0), 1.0, steps=3)


def sum_of_squares(batch):
    rng = np.random.default_rng(0)
    return LeastSquares(rng.standard_normal((24, 2)), rng.standard_normal(24), batch)


@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize(
    "problem", [NoisyQuadratic([1.0, 4.0], [0.5, 1.0]), sum_of_squares(3), NoisyQuadratic(2.0)]
)
def test_a_seed_gives_the_same_run_alone_and_in_a_family(problem, kind):
    start = problem.start if kind == "numpy" else torch.as_tensor(problem.start)
    seeds = np.array([7, 0, 3])
    family = gd.descend(gd.Momentum(np.array([[0.02], [0.1]]), 0.7), problem, start, steps=20, seed=seeds)
    assert family.theta.shape[1:3] == (2, 3)
    for i, lr in enumerate((0.02, 0.1)):
        for j, seed in enumerate(seeds):
            one = gd.descend(gd.Momentum(lr, 0.7), problem, start, steps=20, seed=int(seed))
            seen = as_numpy(family.theta[:, i, j])
            np.testing.assert_allclose(seen, as_numpy(one.theta), rtol=0, atol=1e-12)
    ends = as_numpy(family.theta)[-1, 0]
    assert not np.allclose(ends[0], ends[1]), "other seeds, other samples"


def test_numpy_and_torch_see_the_same_samples():
    for problem in (NoisyQuadratic([1.0, 4.0]), sum_of_squares(4)):
        a = gd.descend(gd.Adam(0.05), problem, problem.start, steps=20, seed=5)
        b = gd.descend(gd.Adam(0.05), problem, torch.as_tensor(problem.start), steps=20, seed=5)
        np.testing.assert_allclose(a.theta, b.theta.numpy(), rtol=0, atol=1e-12)


def test_full_batches_have_no_seed():
    a, b = (gd.descend(gd.GradientDescent(0.1), sum_of_squares(None), steps=5, seed=s) for s in (0, 1))
    np.testing.assert_array_equal(a.theta, b.theta)


def test_starts_make_a_family_and_ints_become_float64():
    run = gd.descend(gd.GradientDescent(0.1), TURNED, [[1, 2], [3, 4], [5, 6]], steps=2)
    assert run.theta.shape == (3, 3, 2) and run.theta.dtype == np.float64
    grid = gd.descend(
        gd.GradientDescent(np.array([0.1, 0.2])[:, None]), TURNED, [[1, 2], [3, 4], [5, 6]], steps=2
    )
    assert grid.theta.shape == (3, 2, 3, 2)
    np.testing.assert_allclose(grid.theta[:, 0], run.theta, rtol=1e-14)
    ints = gd.descend(gd.GradientDescent(0.1), TURNED, torch.tensor([1, 2]), steps=2)
    assert ints.theta.dtype == torch.float64


@pytest.mark.parametrize("name", methods.FLAT)
@pytest.mark.parametrize(
    "value", [0.01, np.float64(0.01), np.array([0.01, 0.1])], ids=["number", "scalar", "array"]
)
def test_float32_stays_float32(name, value):
    rule = gd.ALL[name].make(value)
    of_numbers = [Quadratic(2.0)] if scope_of(rule) == "element" else []
    for problem in (Quadratic([1.0, 4.0]), NoisyQuadratic([1.0, 4.0]), sum_of_squares(2), *of_numbers):
        start = np.asarray(problem.start, np.float32)
        for begin in (start, torch.from_numpy(np.array(start))):
            run = gd.descend(rule, problem, begin, steps=7)
            for part in (run.theta, run.loss, run.grad):
                assert str(part.dtype).removeprefix("torch.") == "float32"


@pytest.mark.parametrize("beta", [np.float64(0.9), np.array(0.9), np.array([0.5, 0.9])], ids=str)
def test_float32_stays_float32_with_decays_of_numpy(beta):
    """What depends on t alone is made of them in float64, and cast."""
    for rule in (
        gd.Adam(0.01, beta, beta),
        gd.RAdam(0.01, beta, beta),
        gd.Lookahead(gd.AdamW(0.01, beta), k=2),
    ):
        for begin in (np.ones(2, np.float32), torch.ones(2)):
            run = gd.descend(rule, Quadratic([1.0, 4.0]), begin, steps=8)
            assert str(run.theta.dtype).removeprefix("torch.") == "float32"


def test_bias_corrections_are_exact_in_float32():
    """1 − β₂ᵗ of a float32 β₂ would be off by 1e-5 relatively, and Adam's first step with it."""
    rule = gd.Adam(lr=np.array([0.1]), beta2=np.array([0.999]), eps=np.array([0.0]))
    run = gd.descend(rule, Quadratic([1.0, 4.0]), np.array([1.0, -1.0], np.float32), steps=1)
    np.testing.assert_allclose(run.theta[1, 0], [0.9, -0.9], rtol=0, atol=2e-6)


def test_nothing_is_read_back_from_the_device():
    """Every rule runs on tensors with a device and a shape but no values; reading one back would fail."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        theta = torch.empty(5, 2, device="cuda")
        for name in methods.FLAT:
            rule = gd.ALL[name].make(np.geomspace(0.01, 0.1, 5))
            fit = Fit(theta, 1)
            state, now = fit.for_step(rule).init(theta, zeros_like(theta)), theta
            for t in (1, 2, 6):
                at = fit.values(fit.for_at(rule).at(t))
                point = fit.for_step(rule).look(now, state)
                now, new = fit.for_step(rule).step(now, Quadratic([1.0, 4.0]).grad(point), state, at)
                state = carried(state, new)
                assert now.device.type == "cuda" and now.shape == (5, 2) and now.dtype == torch.float32


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        (lambda: (gd.Momentum(-1), TURNED), ValueError, "Invalid learning rate: -1"),
        (lambda: (gd.Momentum, TURNED), TypeError, "Momentum is a class: give it its hyperparameters"),
        (lambda: ("adam", TURNED), TypeError, "expected a rule such as"),
        (
            lambda: (gd.Momentum(np.ones(2) / 9, np.ones(3) / 9), TURNED),
            ValueError,
            r"lr \(2,\), gamma \(3,\)",
        ),
        (
            lambda: (gd.Momentum(np.ones(2) / 9), TURNED, np.ones((3, 2))),
            ValueError,
            r"lr \(2,\), start \(3,\)",
        ),
        (
            lambda: (gd.Lookahead(gd.Adam(np.ones(2)), k=np.ones(3)), TURNED),
            ValueError,
            r"inner_rule.lr \(2,\), k",
        ),
        (
            lambda: (gd.Momentum(0.1), TURNED, [1.0, 2.0, 3.0]),
            ValueError,
            "must have 2 entries for quadratic",
        ),
        (lambda: (gd.Momentum(0.1), TURNED, [1.0]), ValueError, "must have 2 entries for quadratic"),
        (lambda: (gd.Momentum(0.1), Beale(), np.ones(3)), ValueError, "must have 2 entries for Beale"),
        (lambda: (gd.Momentum(0.1), TURNED, 1.0), ValueError, "start must be a vector for quadratic"),
        (lambda: (gd.Momentum(0.1), TURNED, ["a", "b"]), TypeError, "start must be a number or an array"),
        (lambda: (gd.Momentum(0.1), TURNED, [1j, 1.0]), TypeError, "start must be a number or an array"),
        (
            lambda: (gd.Momentum(0.1), lambda x: x**2),
            TypeError,
            "a function has no start of its own: give one",
        ),
        (lambda: (gd.Momentum(0.1), "Beagle", None), ValueError, "no surface 'Beagle'; did you mean 'Beale'"),
        (
            lambda: (gd.Momentum(0.1), TURNED, None, -1),
            ValueError,
            "steps must be a whole number ≥ 0, got -1",
        ),
        (
            lambda: (gd.Momentum(0.1), TURNED, None, 2.5),
            ValueError,
            "steps must be a whole number ≥ 0, got 2.5",
        ),
        (lambda: (gd.Momentum(0.1), TURNED, None, True), ValueError, "steps must be a whole number"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        gd.descend(*arguments())


def test_bad_seeds_and_names():
    with pytest.raises(ValueError, match="record: Momentum has no 'm_hat'; it has v"):
        gd.descend(gd.Momentum(0.1), TURNED, steps=3, record="m_hat")
    with pytest.raises(ValueError, match=r"lr \(2,\), seed \(3,\)"):
        gd.descend(gd.Momentum(np.ones(2) / 9), NoisyQuadratic(1.0), 1.0, steps=3, seed=[0, 1, 2])


def test_a_readers_own_rule_and_problem():
    @dataclass(frozen=True, eq=False)
    class SignDescent(gd.Rule):
        lr: float

        def step(self, theta, grad, state, at):
            return theta - self.lr * grad / abs(grad), {}

    run = gd.descend(SignDescent(np.array([0.5, 0.25])), ravine(), [4.0, -3.0], steps=2)
    np.testing.assert_allclose(run.theta[-1], [[3.0, -2.0], [3.5, -2.5]])
    assert isinstance(sum_of_squares(1), FiniteSum)


@pytest.mark.parametrize("seed", [1.5, -1, "0", [], True])
def test_a_seed_that_is_no_whole_number_is_refused(seed):
    with pytest.raises(ValueError, match="seed must be a whole number"):
        gd.descend(gd.GradientDescent(0.1), gd.problems.NoisyQuadratic(1.0), steps=1, seed=seed)


descend_module = importlib.import_module("gdcourse.experiments.descend")


@pytest.mark.parametrize("runs", [(), (1,), (7,), (3, 5), (2, 3, 4), (0,), (1, 6)])
@pytest.mark.parametrize("most", [0, 1, 4, 10, 100])
def test_cuts_cover_every_run_once(runs, most):
    count = np.zeros(runs, int)
    for cut in cuts_of(runs, most):
        count[cut] += 1
        assert count[cut].size <= max(1, most)
    assert (count == 1).all()


def test_cut_out_leaves_what_all_runs_share():
    cut = (slice(1, 3), slice(0, 2))
    assert cut_out(np.ones((4, 5)), cut).shape == (2, 2)
    assert cut_out(np.ones((4, 1)), cut).shape == (2, 1)
    assert cut_out(np.ones(5), cut).shape == (2,)
    assert cut_out(np.ones((5, 7)), cut, ndim=1).shape == (2, 7)


OF_EACH_KIND = ("Cautious", "SAM", "ScheduleFree", "Prodigy")
"""Of the rules after the talk."""

IN_PARTS = {
    **{
        name: (lambda make=make: make(LR[:, None, None], GAMMA[:, None]))
        for name, make in FAMILIES.items()
        if name not in gd.rules.AFTER or name in OF_EACH_KIND
    },
    "schedule": lambda: lambda t: gd.Momentum(LR[:, None, None] / t, GAMMA[:, None]),
    "diverging": lambda: gd.Momentum(np.array([0.1, 3.0])[:, None, None], GAMMA[:, None]),
}


@pytest.mark.parametrize("name", IN_PARTS)
@pytest.mark.parametrize("kind", ["numpy", "torch"])
@pytest.mark.parametrize("path", [True, False])
def test_parts_equal_the_whole(name, kind, path, monkeypatch):
    """2 × 2 settings and 3 seeds, walked in parts of two runs of θ in ℝ² and float64."""
    record = {"Adam": ["m_hat", "v_bias"], "RAdam": ["r", "v"], "Momentum": "v"}.get(name, ())
    for problem in (NoisyQuadratic([1.0, 4.0], 0.1), sum_of_squares(3), Beale()):
        start = np.array([0.5, -0.2]) if kind == "numpy" else torch.tensor([0.5, -0.2], dtype=torch.float64)

        def go(problem=problem, start=start):
            settings = {"steps": 19, "seed": [3, 1, 2], "path": path, "record": record}
            return gd.descend(IN_PARTS[name](), problem, start, **settings)

        monkeypatch.undo()
        whole = go()
        monkeypatch.setattr(descend_module, "CACHED", 2 * 2 * 8)
        monkeypatch.setattr(descend_module, "KEPT", 0)
        parts = go()
        assert (parts.grad is None) == (not path)
        pairs = [(parts.theta, whole.theta), (parts.loss, whole.loss), (parts.diverged_at, whole.diverged_at)]
        pairs += [(parts.grad, whole.grad)] if path else []
        pairs += [(parts.recorded[key], whole.recorded[key]) for key in whole.recorded]
        for a, b in pairs:
            assert type(a) is type(b) and a.shape == b.shape and a.dtype == b.dtype
            np.testing.assert_allclose(as_numpy(a), as_numpy(b), rtol=1e-12, atol=1e-12)
    if name == "diverging":
        assert len(np.unique(whole.diverged_at)) > 1


@pytest.mark.parametrize("path", [True, False])
def test_a_problem_whose_numbers_go_with_the_runs_is_not_walked_in_parts(path, monkeypatch):
    start = np.zeros((2, 3, 4))
    problem = Rare(np.array([10, 30])[:, None, None], np.array([19.0, 20.0, 21.0])[:, None])

    def go():
        return gd.descend(gd.Adam(0.1), problem, start, steps=9, seed=np.arange(4), path=path)

    whole = go()
    monkeypatch.setattr(descend_module, "CACHED", 2 * 8)
    monkeypatch.setattr(descend_module, "KEPT", 0)
    np.testing.assert_array_equal(go().theta, whole.theta)
    alone = gd.descend(gd.Adam(0.1), Rare(30, 21.0), np.array(0.0), steps=9, seed=2, path=path)
    np.testing.assert_allclose(whole.theta[:, 1, 2, 2], alone.theta, rtol=1e-12)


def test_sams_two_gradients_see_one_sample_each_time():
    """Also where an odd number of steps ends in mid-pair, and for several seeds."""
    problem, seeds = NoisyQuadratic([1.0, 4.0], 1.0), np.array([3, 1])
    run = gd.descend(gd.SAM(gd.GradientDescent(0.1), 0.2), problem, steps=7, seed=seeds, record="e")
    points = run.theta[:-1] + np.concatenate([np.zeros((1, 2, 2)), run.e[:-1]])
    noise = run.grad - problem.curvatures * points
    drawn = np.stack([problem.draw(np.random.default_rng(seed), 4) for seed in seeds], 1)
    np.testing.assert_allclose(noise, drawn.repeat(2, axis=0)[:7], rtol=0, atol=1e-12)
    fast = gd.descend(gd.SAM(gd.GradientDescent(0.1), 0.2), problem, steps=7, seed=seeds, path=False)
    np.testing.assert_array_equal(fast.theta[-1], run.theta[-1])
    assert (run.theta[1::2] == run.theta[:-1:2]).all() and (run.theta[2] != run.theta[1]).all()


@needs_a_compiler
@pytest.mark.slow
@pytest.mark.parametrize("name", OF_EACH_KIND)
def test_compiled_ends_are_the_uncompiled(name):
    rule, start = IN_PARTS[name](), np.array([0.5, -0.2])
    ends = [
        gd.descend(rule, NoisyQuadratic([1.0, 4.0], 0.1), start, 23, seed=[1, 2], path=False, compile=compile)
        for compile in (False, True)
    ]
    np.testing.assert_allclose(ends[1].theta, ends[0].theta, rtol=1e-12, atol=1e-12)


def test_a_large_family_is_parted_and_equals_its_single_runs():
    lr = np.geomspace(1e-3, 0.3, 200)
    family = gd.descend(gd.Momentum(lr[:, None], lr[None, :]), TURNED, steps=20, path=False)
    assert family.theta.nbytes > descend_module.CACHED
    for i, j in ((0, 0), (57, 140), (199, 199)):
        one = gd.descend(gd.Momentum(lr[i], lr[j]), TURNED, steps=20, path=False)
        np.testing.assert_allclose(family.theta[0, i, j], one.theta[0], rtol=0, atol=1e-12)


def test_what_does_not_fit_into_memory_is_refused_at_once():
    rule = gd.Momentum(np.full((1000, 1000), 0.1))
    with pytest.raises(MemoryError, match=r"takes .* GB, and .* GB are free: path=False keeps"):
        gd.descend(rule, TURNED, steps=10_000_000)


def test_an_empty_family():
    run = gd.descend(gd.Momentum(np.zeros(0)), TURNED, steps=3)
    assert run.theta.shape == (4, 0, 2) and run.diverged_at.shape == (0,)
