"""The rules around another one, and those that sum: against their equations, written out a second time for
lists of numbers; and whether runs side by side stay apart."""

from dataclasses import dataclass
from math import hypot, sqrt

import numpy as np
import pytest
import torch

import gdcourse as gd
from gdcourse.rules import per_batch_of, scope_of
from gdcourse.rules.around import chain_of, inside, name_of

GRADIENTS = np.random.default_rng(5).standard_normal((12, 4))
START = np.array([1.5, -0.7, 0.3, 2.0])
RULES = {
    "Cautious": gd.Cautious(gd.Momentum(0.1, 0.8)),
    "Cautious(AdamW)": gd.Cautious(gd.AdamW(0.1, 0.7, 0.95, weight_decay=0.1)),
    "Cautious(Nesterov)": gd.Cautious(gd.Nesterov(0.1, 0.8)),
    "Clipped": gd.Clipped(gd.Momentum(0.1, 0.8), 1.2),
    "Clipped(SAM)": gd.Clipped(gd.SAM(gd.Adam(0.1, 0.7, 0.95), 0.3), 1.2),
    "SAM": gd.SAM(gd.Momentum(0.1, 0.8), 0.3),
    "SAM(ScheduleFree)": gd.SAM(gd.ScheduleFree(0.1, 0.7, warmup=3), 0.3),
    "Prodigy": gd.Prodigy(d0=0.01, beta2=0.95),
    "Lookahead(SAM)": gd.Lookahead(gd.SAM(gd.Momentum(0.1, 0.8), 0.3), k=3),
    "Lookahead(Prodigy)": gd.Lookahead(gd.Prodigy(d0=0.01), k=3),
    "SAM(Lookahead)": gd.SAM(gd.Lookahead(gd.Momentum(0.1, 0.8), k=3), 0.3),
}
every = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


def given(point, t):
    return GRADIENTS[t - 1]


def pulled(point, t):
    """That of a bowl, with noise."""
    return np.array([0.5, 1.0, 3.0, 0.1]) * point + GRADIENTS[t - 1]


def thetas(path):
    return np.stack([theta for theta, _ in path])


def test_cautious(follow):
    theta, v, expected = list(START), [0.0] * 4, []
    for t in range(12):
        g = GRADIENTS[t]
        v = [0.8 * a + 0.1 * b for a, b in zip(v, g, strict=True)]
        agree = [a * b > 0 for a, b in zip(v, g, strict=True)]
        theta = [x - a * yes / max(sum(agree) / 4, 1e-3) for x, a, yes in zip(theta, v, agree, strict=True)]
        expected.append(theta)
    path = follow(gd.Cautious(gd.Momentum(0.1, 0.8)), START, 0 * START, given, 12)
    np.testing.assert_allclose(thetas(path), expected, rtol=1e-12)
    np.testing.assert_allclose(path[-1][1]["v"], v, rtol=1e-12)  # as if nothing had been left out


def test_cautious_that_agrees_nowhere_stays_and_where_few_agree_makes_up_a_thousand_times_at_most():
    rule, up = gd.Cautious(gd.Momentum(1.0, 0.5)), 4 * np.ones(5000)
    theta, _ = rule.step(0 * up, -0.5 * up, {"v": up}, {})
    assert (theta == 0).all()
    one = np.where(np.arange(5000) == 7, 0.5, -0.5) * up
    theta, _ = rule.step(0 * up, one, {"v": up}, {})
    assert theta[7] == pytest.approx(-1000 * (2 + 2)) and np.count_nonzero(theta) == 1


@pytest.mark.filterwarnings("error")
def test_cautious_does_not_go_where_there_is_no_gradient_nor_where_there_is_no_step():
    rule, state = gd.Cautious(gd.Momentum(1.0, 0.5)), {"v": np.array([4.0, -4.0, 0.0, 4.0])}
    theta, _ = rule.step(np.zeros(4), np.array([0.0, 0.0, 0.0, 2.0]), state, {})
    assert [*theta] == [0, 0, 0, -(2 + 2) * 4]


@pytest.mark.parametrize("M, all_short", [(1.2, False), (100.0, True)])
def test_clipped(follow, M, all_short):
    theta, v, expected = START, 0 * START, []
    for g in GRADIENTS:
        v = 0.8 * v + 0.1 * g * min(1, M / (sqrt(sum(x * x for x in g)) + 1e-6))
        theta = theta - v
        expected.append(theta)
    path = follow(gd.Clipped(gd.Momentum(0.1, 0.8), M), START, 0 * START, given, 12)
    np.testing.assert_allclose(thetas(path), expected, rtol=1e-13)
    plain = follow(gd.Momentum(0.1, 0.8), START, 0 * START, given, 12)
    assert np.array_equal(thetas(path), thetas(plain)) == all_short
    norms = np.linalg.norm(GRADIENTS, axis=1)
    assert norms.min() < 1.2 < norms.max() < 100


def test_a_gradient_just_below_the_norm_is_shortened_by_the_millionth_too():
    rule = gd.Clipped(gd.GradientDescent(1.0), 1.0)
    for length, to in ((1.0, 1 / (1 + 1e-6)), (1 - 1e-7, (1 - 1e-7) / (1 - 1e-7 + 1e-6)), (0.9, 0.9)):
        theta, _ = rule.step(np.zeros(2), np.array([0.0, length]), {}, {})
        assert theta[1] == pytest.approx(-to, rel=1e-12)


def test_sam(follow):
    theta, v, expected, points = START, 0 * START, [], []
    bowl = np.array([0.5, 1.0, 3.0, 0.1])
    for pair in range(6):
        g = bowl * theta + GRADIENTS[pair]
        e = 0.3 * g / (hypot(*g) + 1e-12)
        points += [theta, theta + e]
        expected.append(theta)
        v = 0.8 * v + 0.1 * (bowl * (theta + e) + GRADIENTS[pair])
        theta = theta - v
        expected.append(theta)
    seen = []

    def gradient(point, t):
        seen.append(point)
        return bowl * point + GRADIENTS[(t - 1) // 2]

    path = follow(gd.SAM(gd.Momentum(0.1, 0.8), 0.3), START, 0 * START, gradient, 12)
    np.testing.assert_allclose(thetas(path), expected, rtol=1e-13)
    np.testing.assert_allclose(seen, points, rtol=1e-13)
    assert (path[-1][1]["e"] == 0).all()


def test_sam_leaves_no_trace_where_theta_is_0_and_names_what_the_inner_rule_computes(follow):
    rule, theta = gd.SAM(gd.Adam(0.1), 0.3), np.array([0.0, 1.0])
    at_once, new = rule.step(theta, np.ones(2), {**rule.init(theta, 0 * theta), "e": np.ones(2)}, rule.at(2))
    assert (new["e"] == 0).all() and np.isfinite(at_once).all()
    _, inner = gd.Adam(0.1).step(theta, np.ones(2), gd.Adam().init(theta, 0 * theta), gd.Adam().at(1))
    assert new.keys() == {*inner, "e"} and {"m_hat", "v_hat"} < new.keys()


def test_sam_counts_the_inner_rules_own_steps_and_keeps_its_state_while_it_climbs(follow):
    """With ρ = 0 and each gradient given twice it is the inner rule."""
    inner = gd.NAdam(0.1, momentum_decay=0.2)
    plain = follow(inner, START, 0 * START, given, 6)
    twice = follow(gd.SAM(inner, 0.0), START, 0 * START, lambda point, t: GRADIENTS[(t - 1) // 2], 12)
    np.testing.assert_allclose(thetas(twice)[1::2], thetas(plain), rtol=1e-14)
    for name in ("m", "v", "product"):
        np.testing.assert_allclose([new[name] for _, new in twice[1::2]], [new[name] for _, new in plain])
        for (_, before), (_, after) in zip(twice[1:-1:2], twice[2::2], strict=True):
            np.testing.assert_array_equal(before[name], after[name])


def test_sam_without_a_gradient_climbs_nowhere(follow):
    path = follow(gd.SAM(gd.Adam(0.1)), START, 0 * START, lambda point, t: 0 * START, 4)
    assert (thetas(path) == START).all() and all((new["e"] == 0).all() for _, new in path)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_prodigy(follow, decay):
    """d rises from some step on, and stands still at others."""
    lr, beta1, beta2, eps, d0, coef = 0.9, 0.7, 0.9, 0.01, 0.05, 1.5
    theta, m, v, s, r, d, expected, ds = START, 0 * START, 0 * START, 0 * START, 0.0, d0, [], []
    for t in range(1, 13):
        g = 3 * theta + 0.3 * GRADIENTS[t - 1]
        m = beta1 * m + (1 - beta1) * d * g
        v = beta2 * v + (1 - beta2) * d * d * g * g
        r = sqrt(beta2) * r + lr * d * d / d0 * float(g @ (START - theta))
        s = sqrt(beta2) * s + lr * d * d / d0 * g
        larger = max(d, coef * r / sum(abs(s)))
        theta = theta - lr * d * (m / (np.sqrt(v) + larger * eps) + decay * theta)
        d = larger
        expected.append(theta)
        ds.append(d)
    rule = gd.Prodigy(lr, beta1, beta2, eps, decay, d0, coef)
    path = follow(rule, START, 0 * START, lambda point, t: 3 * point + 0.3 * GRADIENTS[t - 1], 12)
    np.testing.assert_allclose(thetas(path), expected, rtol=1e-12)
    np.testing.assert_allclose(np.concatenate([new["d"] for _, new in path]), ds, rtol=1e-12)
    np.testing.assert_allclose(path[-1][1]["s"], s, rtol=1e-12)
    np.testing.assert_allclose(path[-1][1]["r"], [r], rtol=1e-12)
    assert d0 == ds[0] < ds[-1] and 2 < len(set(ds)) < len(ds)


def test_prodigy_rests_where_there_is_no_gradient_and_without_eps(follow):
    path = follow(gd.Prodigy(eps=0.0), START, 0 * START, lambda point, t: 0 * START, 5)
    assert (thetas(path) == START).all()
    path = follow(gd.Prodigy(eps=0.0), START, 0 * START, lambda point, t: pulled(point, t) * [1, 0, 1, 1], 12)
    assert (thetas(path)[:, 1] == START[1]).all() and np.isfinite(thetas(path)).all()
    rule = gd.Prodigy(0.1, eps=0.0, weight_decay=0.5, d0=0.1)
    path = follow(rule, START, 0 * START, lambda point, t: GRADIENTS[t - 1] * [1, 0, 1, 1], 12)
    before = [0.1, *[new["d"][0] for _, new in path[:-1]]]  # by which each step went
    np.testing.assert_allclose(thetas(path)[-1, 1], START[1] * np.prod([1 - 0.05 * d for d in before]))


def test_prodigy_begins_with_one_estimate_for_each_run():
    theta = np.ones((3, 2, 4))
    state = gd.Prodigy(d0=0.25).init(theta, 0 * theta)
    assert (state["d"] == 0.25).all() and (state["r"] == 0).all()
    assert state["d"].shape == state["r"].shape == (3, 2, 1)


# ---- kinds, families, inputs ----


@every
def test_numpy_and_torch_agree(rule, follow):
    arrays = follow(rule, START, 0 * START, pulled, 12)
    tensor = torch.from_numpy(START)
    tensors = follow(rule, tensor, 0 * tensor, lambda p, t: torch.from_numpy(pulled(p.numpy(), t)), 12)
    for (theta, new), (other, its) in zip(arrays, tensors, strict=True):
        np.testing.assert_allclose(theta, other.numpy(), rtol=0, atol=1e-12)
        assert set(new) == set(its)
    single = follow(rule, START.astype("f"), 0 * START.astype("f"), lambda p, t: pulled(p, t).astype("f"), 12)
    state = rule.init(START.astype("f"), 0 * START.astype("f"))
    assert all(theta.dtype == np.float32 for theta, _ in single)
    assert all(new[name].dtype == np.float32 for _, new in single for name in state)


@every
def test_runs_side_by_side_stay_apart(rule, follow):
    """Six runs in two axes, from six starts."""
    starts = np.random.default_rng(1).standard_normal((2, 3, 4))
    together = thetas(follow(rule, starts, 0 * starts, pulled, 12))
    for i in range(2):
        for j in range(3):
            alone = thetas(follow(rule, starts[i, j], 0 * starts[i, j], pulled, 12))
            np.testing.assert_allclose(together[:, i, j], alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "make, values",
    [
        (lambda x: gd.Clipped(gd.Momentum(0.1), x), [0.5, 1.0, 9.0]),
        (lambda x: gd.SAM(gd.Momentum(0.1, gamma=x), x), [0.1, 0.3, 0.9]),
        (lambda x: gd.Prodigy(d0=x), [1e-6, 1e-3, 1e-1]),
        (lambda x: gd.Prodigy(1 - x, x, x, d0=0.1, d_coef=1 / x), [0.1, 0.5, 0.9]),
        (lambda x: gd.Cautious(gd.Lion(x)), [0.01, 0.1, 0.3]),
    ],
    ids=["Clipped", "SAM", "Prodigy's d0", "Prodigy", "Cautious"],
)
def test_arrays_of_hyperparameters_equal_single_runs(make, values, follow):
    starts = np.broadcast_to(START, (3, 4)).copy()
    together = thetas(follow(make(np.array(values)[:, None]), starts, 0 * starts, pulled, 12))
    for i, value in enumerate(values):
        alone = thetas(follow(make(value), START, 0 * START, pulled, 12))
        np.testing.assert_allclose(together[:, i], alone, rtol=0, atol=1e-12)


@every
def test_inputs_are_left_alone_and_unlook_undoes_look(rule, follow):
    theta, grad = START.copy(), GRADIENTS[0].copy()
    state = {name: np.array(value) for name, value in rule.init(theta, 0 * theta).items()}
    before = {name: value.copy() for name, value in state.items()}
    _, new = rule.step(theta, grad, state, rule.at(1))
    assert set(state) <= set(new)
    assert (theta == START).all() and (grad == GRADIENTS[0]).all()
    assert all((state[name] == before[name]).all() for name in before)
    for theta, state in follow(rule, START, 0 * START, pulled, 5):
        np.testing.assert_allclose(rule.unlook(rule.look(theta, state), state), theta, rtol=1e-14)


# ---- what follows from the two ----


@dataclass(frozen=True, eq=False)
class Plain(gd.Rule):
    """A reader's, around another, by the field's name alone."""

    inner_rule: gd.Rule


def test_the_stricter_of_two_scopes():
    adam, muon = gd.Adam(), gd.Muon()
    careful = gd.Cautious(adam)
    cases = {
        "element": [adam, gd.Lookahead(adam), Plain(adam)],
        "vector": [careful, gd.Lookahead(careful), gd.Cautious(Plain(adam))],
        "tensor": [muon, gd.Lookahead(muon), gd.Cautious(muon), Plain(gd.Cautious(muon))],
        "all": [gd.Prodigy(), gd.Clipped(adam), gd.Lookahead(gd.SAM(adam)), Plain(gd.Prodigy())],
    }
    for scope, rules in cases.items():
        assert {scope_of(rule) for rule in rules} == {scope}
    for outer, inner in ((gd.Cautious, gd.Prodigy()), (gd.SAM, muon), (Plain, gd.Clipped(muon))):
        with pytest.raises(ValueError, match=r"sums over all .* needs each by itself .* cannot be one rule"):
            scope_of(outer(inner))


def test_names_and_gradients_per_batch_go_through():
    rule = gd.Lookahead(gd.Clipped(gd.SAM(gd.Adam())))
    assert name_of(rule) == "Lookahead(Clipped(SAM(Adam)))" and name_of(gd.Adam()) == "Adam"
    assert [type(one).__name__ for one in chain_of(rule)] == ["Lookahead", "Clipped", "SAM", "Adam"]
    assert inside(gd.Cautious(gd.Adam)) is None and inside(Plain(0.0)) is None  # no rule: a class, a number
    assert per_batch_of(rule) == 2 and per_batch_of(gd.Clipped(gd.Adam())) == per_batch_of(gd.Adam()) == 1


def test_around_a_matrix_rule_the_mean_is_over_the_matrix():
    """Also of matrices side by side."""
    rng = np.random.default_rng(0)
    theta, grad, momentum = rng.standard_normal((3, 2, 4, 5))
    rule, state = gd.Cautious(gd.Muon(lr=1.0)), {"M": momentum}
    went, _ = rule.step(theta, grad, state, {})
    whole, _ = gd.Muon(lr=1.0).step(theta, grad, state, {})
    u = theta - whole
    agrees = u * grad > 0
    expected = theta - u * agrees / agrees.mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(went, expected, rtol=1e-12)
    assert len(set(agrees.mean(axis=2).ravel())) > 1
