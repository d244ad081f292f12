"""Several steps as one kernel: the same ends as step by step."""

import numpy as np
import pytest
import torch

import gdcourse as gd
from gdcourse.experiments import block
from gdcourse.optim import kernels
from tests.conftest import needs_a_compiler

BOWL = gd.problems.Quadratic([1.0, 10.0])
GRID = np.geomspace(1e-3, 1.0, 6)[:, None], np.linspace(0, 0.95, 5)


def check(rule, problem, steps, **inputs):
    """Both ways, from a start as an array."""
    plain = gd.descend(rule, problem, steps=steps, path=False, **inputs)
    compiled = gd.descend(rule, problem, steps=steps, path=False, compile=True, **inputs)
    stays = np.isnan(plain.theta) | (abs(plain.theta) > 1e6)
    np.testing.assert_allclose(
        np.where(stays, 0, compiled.theta), np.where(stays, 0, plain.theta), rtol=1e-12, atol=1e-12
    )
    np.testing.assert_array_equal(compiled.diverged_at, plain.diverged_at)
    assert compiled.theta.dtype == plain.theta.dtype
    assert compiled.loss.shape == plain.loss.shape
    return plain


@needs_a_compiler
def test_the_same_ends_and_the_same_divergence(recwarn):
    run = check(gd.Momentum(*GRID), BOWL, 23)  # 23: no multiple of a block's steps
    assert 0 < (run.diverged_at >= 0).sum() < run.diverged_at.size
    assert not [w for w in recwarn if "could not compile" in str(w.message)]


@needs_a_compiler
def test_coordinates_apart(recwarn):
    """Beale's function gives its partial derivatives one by one."""
    run = check(gd.Adam(GRID[0][:, 0]), gd.problems.Beale(), 41)
    assert run.theta.shape[-1] == 2
    assert not [w for w in recwarn if "could not compile" in str(w.message)]


@needs_a_compiler
@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "problem", "inputs"),
    [
        (gd.GradientDescent(GRID[0]), BOWL, {"start": [1e7, 1.0]}),
        (gd.Nesterov(*GRID), BOWL, {}),
        (gd.Nesterov(*GRID), gd.problems.Rosenbrock(), {}),
        (gd.Adam(0.1, beta2=np.array([0.9, 0.999])), BOWL, {}),
        (gd.RAdam(GRID[0][:, 0]), gd.problems.Beale(), {}),
        (gd.Lookahead(gd.Momentum(GRID[0][:, 0] / 10), k=5), BOWL, {}),
        (gd.Adadelta(0.9, eps=1e-6), BOWL, {}),
        (gd.Adagrad(0.1), gd.problems.Absolute(), {}),
        (gd.Momentum(0.01), gd.problems.NoisyQuadratic([1.0, 10.0]), {"seed": np.arange(4)}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, gd.rules.Rule) else "",
)
def test_the_same_for_every_kind_of_rule(rule, problem, inputs, recwarn):
    check(rule, problem, 41, **inputs)
    assert not [w for w in recwarn if "could not compile" in str(w.message)]


@needs_a_compiler
def test_other_numbers_compile_nothing_anew_and_another_number_of_runs_does(monkeypatch, recwarn):
    monkeypatch.setattr(block, "STEPS", 3)
    before = kernels._compiled.cache_info().misses
    for gamma in np.linspace(0.1, 0.9, 10):
        check(gd.Momentum(GRID[0][:, 0], gamma=float(gamma)), BOWL, 7)
    assert kernels._compiled.cache_info().misses == before + 1
    check(gd.Momentum(GRID[0][:3, 0], gamma=0.5), BOWL, 7)
    assert kernels._compiled.cache_info().misses == before + 2
    assert not [w for w in recwarn if "could not compile" in str(w.message)]


@pytest.mark.parametrize("beta2", [0.99, torch.tensor([0.9, 0.99], dtype=torch.float64)])
def test_tables_give_at_of_each_step_and_those_by_run_only_as_far_as_asked_for(beta2, monkeypatch):
    asked = []
    at = gd.Adam.at
    monkeypatch.setattr(gd.Adam, "at", lambda self, t: asked.append(t) or at(self, t))
    rule, steps = gd.Adam(0.1, beta2=beta2), 2 * block.STEPS + 3
    found = block.tables(rule, steps, torch.zeros(2, dtype=torch.float64))
    parts = [next(found)]
    assert max(asked) == (block.STEPS if isinstance(beta2, torch.Tensor) else steps)
    parts += found
    assert [len(part["v_bias"]) for part in parts] == [block.STEPS, block.STEPS, 3]
    expected = [at(rule, t + 1)["v_bias"] for t in range(steps)]
    whole = torch.cat([part["v_bias"] for part in parts])
    np.testing.assert_array_equal(whole, np.stack([np.asarray(value) for value in expected]))


def test_fewer_steps_than_a_block_and_none():
    check(gd.Momentum(*GRID), BOWL, 3)
    check(gd.Momentum(*GRID), BOWL, 0)


def test_without_a_compiler_a_warning_and_the_same_numbers(no_compiler):
    said = r"torch could not compile the rule \(RuntimeError: No working C\+\+ compiler found\)"
    with pytest.warns(UserWarning, match=said) as seen:
        check(gd.Momentum(*GRID), BOWL, 23)
    assert len(seen) == 1


@pytest.mark.parametrize(
    "wish",
    [{"path": True}, {"path": False, "record": "v"}, {"path": False, "rule": lambda t: gd.Momentum(0.1)}],
)
def test_what_is_kept_of_each_step_is_not_compiled(wish):
    rule = wish.pop("rule", gd.Momentum(0.1))
    with pytest.raises(ValueError, match="compile=True gives the ends alone"):
        gd.descend(rule, BOWL, compile=True, **wish)
