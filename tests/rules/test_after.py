"""The rules after the talk that work by element, against their equations, written out a second time with
plain floats; and their authors' defaults. (Other people's code is asked in tests/optim.)"""

from math import copysign, prod, sqrt

import pytest

import gdcourse as gd

GRADIENTS = [2.0, -0.5, 0.25, 1.0, -3.0, 0.0, 0.125, 1.5, -1.0, 0.75]
THETA_0 = 1.5


def given(point, t):
    return GRADIENTS[t - 1]


def slope(theta, t=None):
    """∇J of J = ¾θ²."""
    return 1.5 * theta


def sign(x):
    return copysign(1.0, x) if x else 0.0


def assert_path(follow, rule, expected, gradient=given, **names):
    """The path is the expected one; and so is, step by step, what the rule computed by these names."""
    path = follow(rule, THETA_0, 0.0, gradient, len(expected))
    assert [theta for theta, _ in path] == pytest.approx(expected, rel=1e-13, abs=1e-14)
    assert len(set(expected)) > 1, "the path must move, or the test shows nothing"
    for name, values in names.items():
        assert [new[name] for _, new in path] == pytest.approx(values, rel=1e-13, abs=1e-14), name


@pytest.mark.parametrize("gamma", [0.0, 0.6])
def test_sign_sgd(follow, gamma):
    theta, m, expected = THETA_0, 0.0, []
    for g in GRADIENTS:
        m = gamma * m + (1 - gamma) * g
        theta -= 0.2 * sign(m)
        expected.append(theta)
    assert_path(follow, gd.SignSGD(0.2, gamma), expected)
    steps = {round(b - a, 9) for a, b in zip([THETA_0, *expected], expected, strict=False)}
    assert steps == {-0.2, 0.2, *([] if gamma else [0.0])}


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_lion(follow, decay):
    theta, m, expected, cs = THETA_0, 0.0, [], []
    for g in GRADIENTS:
        cs.append(0.6 * m + 0.4 * g)
        theta = theta - 0.2 * (sign(cs[-1]) + decay * theta)
        m = 0.8 * m + 0.2 * g
        expected.append(theta)
    assert_path(follow, gd.Lion(0.2, 0.6, 0.8, decay), expected, c=cs)


@pytest.mark.parametrize("psi", [0.0, 0.1, 3.0])
def test_nadam(follow, psi):
    theta, m, v, expected, m_hats, v_hats = THETA_0, 0.0, 0.0, [], [], []
    mu = {t: 0.7 * (1 - 0.5 * 0.96 ** (t * psi)) for t in range(1, 12)}
    for t, g in enumerate(GRADIENTS, start=1):
        m, v = 0.7 * m + 0.3 * g, 0.95 * v + 0.05 * g * g
        until, beyond = (prod(mu[s] for s in range(1, end + 1)) for end in (t, t + 1))
        m_hats.append(mu[t + 1] * m / (1 - beyond) + (1 - mu[t]) * g / (1 - until))
        v_hats.append(v / (1 - 0.95**t))
        theta -= 0.2 * m_hats[-1] / (sqrt(v_hats[-1]) + 0.01)
        expected.append(theta)
    assert_path(follow, gd.NAdam(0.2, 0.7, 0.95, 0.01, psi), expected, m_hat=m_hats, v_hat=v_hats)


def test_amsgrad(follow):
    theta, m, v, u, expected, largest, m_hats, v_hats = THETA_0, 0.0, 0.0, 0.0, [], [], [], []
    for t, g in enumerate(GRADIENTS, start=1):
        m, v = 0.7 * m + 0.3 * g, 0.6 * v + 0.4 * g * g
        u = max(u, v)
        m_hats.append(m / (1 - 0.7**t))
        v_hats.append(u / (1 - 0.6**t))
        theta -= 0.2 * m_hats[-1] / (sqrt(v_hats[-1]) + 0.01)
        expected.append(theta)
        largest.append(u)
    rule = gd.AMSGrad(0.2, 0.7, 0.6, 0.01)
    assert_path(follow, rule, expected, largest=largest, m_hat=m_hats, v_hat=v_hats)
    assert len(set(largest)) < len(largest), "it must be kept somewhere"


@pytest.mark.parametrize("eps", [0.0, 0.01])
def test_adabelief(follow, eps):
    theta, m, s, expected, s_hats, m_hats = THETA_0, 0.0, 0.0, [], [], []
    for t, g in enumerate(GRADIENTS, start=1):
        m = 0.7 * m + 0.3 * g
        s = 0.95 * s + 0.05 * (g - m) ** 2 + eps
        m_hats.append(m / (1 - 0.7**t))
        s_hats.append(s / (1 - 0.95**t))
        theta -= 0.2 * m_hats[-1] / (sqrt(s_hats[-1]) + eps)
        expected.append(theta)
    assert_path(follow, gd.AdaBelief(0.2, 0.7, 0.95, eps), expected, s_hat=s_hats, m_hat=m_hats)


def test_adabeliefs_eps_gathers(follow):
    *_, (_, new) = follow(gd.AdaBelief(0.0, 0.0, 0.5, 0.01), 0.0, 0.0, lambda point, t: 3.0, 60)
    assert new["s"] == pytest.approx(0.01 / (1 - 0.5), rel=1e-12)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_ademamix(follow, decay):
    theta, fast, slow, v, expected, v_hats = THETA_0, 0.0, 0.0, 0.0, [], []
    for t, g in enumerate(GRADIENTS, start=1):
        fast, slow, v = 0.7 * fast + 0.3 * g, 0.98 * slow + 0.02 * g, 0.95 * v + 0.05 * g * g
        v_hats.append(v / (1 - 0.95**t))
        u = (fast / (1 - 0.7**t) + 3 * slow) / (sqrt(v_hats[-1]) + 0.01)
        theta -= 0.2 * (u + decay * theta)
        expected.append(theta)
    rule = gd.AdEMAMix(0.2, 0.7, 0.95, 0.98, 3.0, 0.01, decay)
    assert_path(follow, rule, expected, v_hat=v_hats)


@pytest.mark.parametrize("eps", [1e-6, 1.6])
def test_adopt(follow, eps):
    """Some gradients are beyond their bound, on both sides; the first moves nothing. The larger ε is more
    than √v at some of the steps."""
    gradients = [3.0, *GRADIENTS[1:]]
    theta, m, v, expected, ns, roots = THETA_0, 0.0, 9.0, [THETA_0], [None], []
    for t, g in enumerate(gradients[1:], start=2):
        bound = (t - 1) ** 0.25
        roots.append(sqrt(v))
        ns.append(min(max(g / max(roots[-1], eps), -bound), bound))
        m = 0.7 * m + 0.3 * ns[-1]
        theta -= 0.2 * m
        v = 0.5 * v + 0.5 * g * g
        expected.append(theta)
    path = follow(gd.ADOPT(0.2, 0.7, 0.5, eps), THETA_0, 0.0, lambda point, t: gradients[t - 1], 10)
    assert [theta for theta, _ in path] == pytest.approx(expected, rel=1e-13)
    assert [new["n"] for _, new in path[1:]] == pytest.approx(ns[1:], rel=1e-13)
    assert {abs(n) == (t - 1) ** 0.25 for t, n in enumerate(ns[1:], start=2)} == {True, False}
    assert {root < eps for root in roots} == ({False} if eps < 1 else {True, False})


def test_adopt_without_eps_takes_the_bound_where_nothing_was_before(follow):
    path = follow(gd.ADOPT(0.2, 0.5, eps=0.0), 1.5, 0.0, lambda point, t: 7.0 * (t > 2), 3)
    assert [theta for theta, _ in path] == pytest.approx([1.5, 1.5, 1.5 - 0.1 * 2**0.25])


@pytest.mark.parametrize("warmup", [0, 1, 2.5, 4])
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_schedule_free_sgd(follow, warmup, decay):
    theta, z, squares, expected, cs = THETA_0, THETA_0, 0.0, [], []
    for t in range(1, 11):
        warm = min(1, t / max(warmup, 1))
        squares += warm**2
        y = 0.4 * z + 0.6 * theta
        z -= 0.2 * warm * (slope(y) + decay * y)
        cs.append(warm**2 / squares)
        theta = (1 - cs[-1]) * theta + cs[-1] * z
        expected.append(theta)
    rule = gd.ScheduleFreeSGD(0.2, 0.6, decay, warmup)
    assert_path(follow, rule, expected, slope)
    assert [rule.at(t)["c"] for t in range(1, 11)] == pytest.approx(cs, rel=1e-13)


@pytest.mark.parametrize("warmup", [0, 2.5, 4])
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_schedule_free(follow, warmup, decay):
    theta, z, v, squares, expected, v_hats = THETA_0, THETA_0, 0.0, 0.0, [], []
    for t in range(1, 11):
        warm = min(1, t / max(warmup, 1))
        squares += warm**2
        y = 0.4 * z + 0.6 * theta
        v = 0.95 * v + 0.05 * slope(y) ** 2
        v_hats.append(v / (1 - 0.95**t))
        z -= 0.2 * warm * (slope(y) / (sqrt(v_hats[-1]) + 0.01) + decay * y)
        theta += (z - theta) * warm**2 / squares
        expected.append(theta)
    rule = gd.ScheduleFree(0.2, 0.6, 0.95, 0.01, decay, warmup)
    assert_path(follow, rule, expected, slope, v_hat=v_hats)


def test_without_warmup_theta_is_the_mean_of_z(follow):
    path = follow(gd.ScheduleFree(0.1), THETA_0, 0.0, slope, 20)
    assert path[-1][0] == pytest.approx(sum(new["z"] for _, new in path) / 20, rel=1e-13)


def test_where_the_defaults_are_the_authors():
    defaults = {
        gd.SignSGD(1): {"lr": 1, "gamma": 0},
        gd.Lion(): {"lr": 1e-4, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0},
        gd.NAdam(): {"lr": 2e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "momentum_decay": 4e-3},
        gd.AMSGrad(): {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
        gd.AdaBelief(): {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-16},
        gd.AdEMAMix(): {
            **{"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "beta3": 0.9999, "alpha": 2},
            **{"eps": 1e-8, "weight_decay": 0},
        },
        gd.ADOPT(): {"lr": 1e-3, "beta1": 0.9, "beta2": 0.9999, "eps": 1e-6},
        gd.ScheduleFreeSGD(): {"lr": 1, "beta": 0.9, "weight_decay": 0, "warmup": 0},
        gd.ScheduleFree(): {
            **{"lr": 0.0025, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
            **{"weight_decay": 0, "warmup": 0},
        },
        gd.Prodigy(): {
            **{"lr": 1, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0},
            **{"d0": 1e-6, "d_coef": 1},
        },
    }
    for rule, values in defaults.items():
        assert vars(rule) == values
    inner = gd.Adam()
    assert (gd.Clipped(inner).max_norm, gd.SAM(inner).rho) == (1, 0.05)
