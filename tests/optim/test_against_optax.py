"""optax, in float64, as a second and independent oracle.

Every rule of this package has a call of optax that equals it:

* Nesterov: as in torch, optax holds the look-ahead point.
* Adagrad needs ``initial_accumulator_value=0`` (optax starts at 0.1); its ε stands inside the root.
* RAdam needs ``eps=0``: optax adds ε to √v̂_t, after the bias correction, and we before it. Its
  threshold is passed with ≥ and ours with >, which no β₂ in use tells apart.
* Of the rules after the talk those that stand below. optax's NAdam, AMSGrad and Prodigy are other methods,
  and its clipping knows no 10⁻⁶.

None exists for RAdam with ε > 0, nor for Momentum and Nesterov under a schedule: optax, like torch,
multiplies its whole sum by the present learning rate.
"""

import numpy as np
import pytest
import torch

import gdcourse as gd
from tests.optimizers import ORACLES, RULE_OF

optax = pytest.importorskip("optax", reason="optax, the second oracle, is not installed (pip install optax)")
jax = pytest.importorskip("jax", reason="jax, which optax runs on, is not installed (pip install optax)")

STEPS, EXACT = 300, 1e-12
PROBLEM = gd.problems.NoisyQuadratic(np.array([1.0, 0.3, 0.1, 0.03]), noise=1.0)
START = np.array([1.0, -2.0, 3.0, -4.0])
SAMPLES = PROBLEM.draw(np.random.default_rng(0), STEPS)  # descend's own, for seed=0


@pytest.fixture(autouse=True)
def double_precision():
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def by_optax(transformation):
    """θ_0 … θ_T; for Lookahead, of the fast weights."""
    is_pair = isinstance(
        transformation.init(optax.LookaheadParams.init_synced(jax.numpy.ones(()))), optax.LookaheadState
    )
    params = jax.numpy.asarray(START)
    params = optax.LookaheadParams.init_synced(params) if is_pair else params

    def step(carry, sample):
        params, state = carry
        fast = params.fast if is_pair else params
        grad = jax.numpy.asarray(PROBLEM.curvatures) * fast + sample
        updates, state = transformation.update(grad, state, params)
        params = optax.apply_updates(params, updates)
        return (params, state), params.fast if is_pair else params

    _, path = jax.lax.scan(step, (params, transformation.init(params)), jax.numpy.asarray(SAMPLES))
    assert path.dtype == np.float64
    return np.concatenate([START[None], np.asarray(path)])


def by_optimizer(rule):
    """What the parameter holds before the first step and after each."""
    param = torch.nn.Parameter(torch.tensor(START))
    optimizer = gd.optim.from_rule(rule, [param])
    path = [param.detach().clone()]
    for sample in torch.as_tensor(SAMPLES):
        param.grad = PROBLEM.grad(param.detach(), sample)
        optimizer.step()
        path.append(param.detach().clone())
    return torch.stack(path).numpy()


CASES = {
    "GradientDescent": (gd.GradientDescent(0.1), lambda: optax.sgd(0.1)),
    "Momentum": (gd.Momentum(0.03, 0.9), lambda: optax.sgd(0.03, momentum=0.9)),
    "Nesterov": (gd.Nesterov(0.03, 0.9), lambda: optax.sgd(0.03, momentum=0.9, nesterov=True)),
    "Adagrad": (gd.Adagrad(0.1, 1e-8), lambda: optax.adagrad(0.1, initial_accumulator_value=0.0, eps=1e-8)),
    "RMSProp": (
        gd.RMSProp(0.01, 0.9, 1e-8),
        lambda: optax.rmsprop(0.01, decay=0.9, eps=1e-8, eps_in_sqrt=False),
    ),
    "Adadelta": (gd.Adadelta(0.95, 1e-6), lambda: optax.adadelta(1.0, rho=0.95, eps=1e-6)),
    "Adam": (gd.Adam(0.01), lambda: optax.adam(0.01)),
    "AdamW": (gd.AdamW(0.01, weight_decay=0.1), lambda: optax.adamw(0.01, weight_decay=0.1)),
    "RAdam": (gd.RAdam(0.1), lambda: optax.radam(0.1, eps=0.0, threshold=4.0)),
    "RAdam past 5": (gd.RAdam(0.1, threshold=5), lambda: optax.radam(0.1, eps=0.0, threshold=5.0)),
    "Lookahead": (
        gd.Lookahead(gd.Momentum(0.03), k=4, alpha=0.3),
        lambda: optax.lookahead(optax.sgd(0.03, momentum=0.9), sync_period=4, slow_step_size=0.3),
    ),
    "Lookahead around Adam": (
        gd.Lookahead(gd.Adam(0.01)),
        lambda: optax.lookahead(optax.adam(0.01), sync_period=5, slow_step_size=0.5),
    ),
    "SignSGD": (gd.SignSGD(0.01), lambda: optax.sign_sgd(0.01)),
    "Signum": (gd.SignSGD(0.01, 0.9), lambda: optax.lion(0.01, b1=0.9, b2=0.9, weight_decay=0.0)),
    "Lion": (
        gd.Lion(0.01, weight_decay=0.1),
        lambda: optax.lion(0.01, b1=0.9, b2=0.99, weight_decay=0.1),
    ),
    "AdaBelief": (gd.AdaBelief(0.01), lambda: optax.adabelief(0.01)),
    "AdEMAMix": (
        gd.AdEMAMix(0.01, weight_decay=0.1),
        lambda: optax.contrib.ademamix(0.01, alpha=2.0, weight_decay=0.1),
    ),
    "ADOPT": (gd.ADOPT(0.01), lambda: optax.contrib.adopt(0.01)),
    "LAMB": (gd.LAMB(0.1, weight_decay=0.1), lambda: optax.lamb(0.1, weight_decay=0.1)),
    "ScheduleFreeSGD": (
        gd.ScheduleFreeSGD(0.1, 0.8),
        lambda: optax.contrib.schedule_free_sgd(0.1, b1=0.8, weight_decay=0.0),
    ),
}
OTHERS = {
    "NAdam": (gd.NAdam(0.1), lambda: optax.nadam(0.1)),
    "AMSGrad": (gd.AMSGrad(0.1, beta2=0.9), lambda: optax.amsgrad(0.1, b2=0.9)),
    "Prodigy": (gd.Prodigy(), lambda: optax.contrib.prodigy()),
}
"""Other methods under the same names."""


@pytest.mark.parametrize("rule, transformation", CASES.values(), ids=CASES)
def test_equals_optax(rule, transformation):
    expected = by_optax(transformation())
    ahead = {gd.Nesterov: ("v",), gd.ScheduleFreeSGD: ("z",)}.get(type(rule), ())
    run = gd.descend(rule, PROBLEM, START, STEPS, record=ahead)
    theta = run.theta
    if ahead:  # where the next gradient is taken
        assert np.abs(theta - expected).max() > 0.01
        theta[1:] = rule.look(theta[1:], run.recorded)
    assert np.isfinite(expected).all() and np.abs(expected - START).max() > 0.1
    assert np.abs(theta - expected).max() <= EXACT
    assert np.abs(by_optimizer(rule) - expected).max() <= EXACT


def test_every_rule_that_equals_one_of_torchs_is_compared_with_optax_too():
    compared = {type(rule) for rule, _ in CASES.values()}
    others = {type(rule) for rule, _ in OTHERS.values()}
    assert compared >= {RULE_OF[name] for name in ORACLES} - others | {gd.Lookahead}
    assert not compared & others


@pytest.mark.parametrize("rule, transformation", OTHERS.values(), ids=OTHERS)
def test_is_not_optaxs_of_the_same_name(rule, transformation):
    assert np.abs(gd.descend(rule, PROBLEM, START, STEPS).theta - by_optax(transformation())).max() > 0.01


def test_radams_eps_stands_elsewhere():
    ours = gd.descend(gd.RAdam(0.1, threshold=5, eps=1e-3), PROBLEM, START, STEPS).theta
    theirs = by_optax(optax.radam(0.1, eps=1e-3, threshold=5.0))
    assert 1e-5 < np.abs(ours - theirs).max() < 1e-1
