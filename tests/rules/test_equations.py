"""Each rule against its slide's equations, written out here a second time, with plain floats and `math`.

The gradients are given, so that nothing but the update is tested; where the point matters (Nesterov), the
gradient is that of a parabola, taken at the point that the equation names.
"""

import doctest
from math import sqrt

import pytest

import gdcourse as gd

BY_HAND = {
    *("GradientDescent", "Momentum", "Nesterov", "Adagrad", "RMSProp", "Adadelta"),
    *("Adam", "AdamW", "RAdam", "Lookahead"),
}
"""The rules that are worked out here. Any other has its first steps in its docstring."""

GRADIENTS = [2.0, -0.5, 0.25, 1.0, -3.0, 0.0, 0.125, 1.5, -1.0, 0.75]
THETA_0 = 1.5


def given(point, t):
    return GRADIENTS[t - 1]


def slope(theta):
    """∇J of J = ¾θ²."""
    return 1.5 * theta


def assert_path(follow, rule, expected, gradient=given):
    found = [theta for theta, _ in follow(rule, THETA_0, 0.0, gradient, len(expected))]
    assert found == pytest.approx(expected, rel=1e-13, abs=1e-14)
    assert len(set(found)) > 1, "the path must move, or the test shows nothing"


def test_first_steps_by_hand(follow):
    """The two first steps of each rule, worked out on paper for g = 2, −½ from θ_0 = 1.5."""
    by_hand = {
        gd.GradientDescent(0.1): (1.3, 1.35),
        gd.Momentum(0.1, 0.5): (1.3, 1.25),  # v = .2, then .1 − .05 = .05
        gd.Nesterov(0.1, 0.5): (1.3, 1.25),
        gd.Adagrad(0.1, eps=0.0): (1.4, 1.4 + 0.05 / sqrt(4.25)),
        gd.RMSProp(0.1, 0.75, eps=0.0): (1.3, 1.3 + 0.05 / sqrt(0.8125)),  # v = 1, then .75 + .0625
        gd.Adam(0.1, 0.5, 0.75, eps=0.0): (1.4, 1.4 - 0.1 * (1 / 3) / sqrt(0.8125 / 0.4375)),  # m = 1, .25
        gd.RAdam(0.1, 0.5, 0.999): (1.3, 1.3 - 0.1 / 3),  # not adapted yet: m̂ = 2, 1/3
        gd.AdamW(0.1, 0.5, 0.75, eps=0.0, weight_decay=0.2): (
            1.4 - 0.03,
            1.37 * 0.98 - 0.1 * (1 / 3) / sqrt(0.8125 / 0.4375),
        ),
        # E[g²] = 1, Δ = −√¼/√(1 + ¼)·2; E[Δ²] = ¼Δ² = .2; E[g²] = .8125
        gd.Adadelta(0.75, eps=0.25): (1.5 - sqrt(0.8), 1.5 - sqrt(0.8) + 0.5 * sqrt(0.45 / 1.0625)),
        gd.Lookahead(gd.GradientDescent(0.1), k=2, alpha=0.5): (1.3, 1.5 + 0.5 * (1.35 - 1.5)),
    }
    assert {type(rule).__name__ for rule in by_hand} == BY_HAND
    for rule, thetas in by_hand.items():
        found = [theta for theta, _ in follow(rule, THETA_0, 0.0, given, 2)]
        assert found == pytest.approx(thetas, rel=1e-14), rule


def examples_of(kind):
    """How many examples a class's docstring has, and what is wrong with them, if anything is."""
    (found,) = doctest.DocTestFinder(recurse=False, exclude_empty=False).find(kind)
    said: list[str] = []
    result = doctest.DocTestRunner().run(found, out=said.append)
    count = sum(bool(example.want) for example in found.examples)
    return count, "".join(said) if result.failed else ""


def test_first_steps_as_other_rules_docstrings_have_them():
    for name in gd.ALL.keys() - BY_HAND:
        if gd.ALL[name].kind.scope == "tensor":
            continue  # those have tests of their own
        count, wrong = examples_of(getattr(gd, name))
        assert count, f"{name}'s docstring has no example: put its first steps there, worked out on paper"
        assert not wrong, wrong


def test_an_example_in_a_docstring_is_run():
    class Right:
        """
        >>> 1 + 1
        2
        """

    class Wrong:
        """
        >>> 1 + 1
        3
        """

    assert examples_of(Right) == (1, "")
    assert examples_of(Wrong)[1] and examples_of(gd.Momentum) == (0, "")


def test_gradient_descent(follow):
    theta, expected = THETA_0, []
    for g in GRADIENTS:
        theta = theta - 0.3 * g
        expected.append(theta)
    assert_path(follow, gd.GradientDescent(0.3), expected)


def test_momentum(follow):
    theta, v, expected = THETA_0, 0.0, []
    for g in GRADIENTS:
        v = 0.8 * v + 0.3 * g
        theta = theta - v
        expected.append(theta)
    assert_path(follow, gd.Momentum(0.3, 0.8), expected)


def test_nesterov(follow):
    theta, v, expected = THETA_0, 0.0, []
    for _ in GRADIENTS:
        v = 0.8 * v + 0.3 * slope(theta - 0.8 * v)
        theta = theta - v
        expected.append(theta)
    assert_path(follow, gd.Nesterov(0.3, 0.8), expected, lambda point, t: slope(point))


def test_unlook_undoes_look(follow, rule):
    for theta, state in follow(rule, THETA_0, 0.0, given, 5):
        point = rule.look(theta, state)
        assert rule.unlook(point, state) == pytest.approx(theta, rel=1e-15)
    rule, state = gd.Nesterov(0.3, 0.8), {"v": 0.5}
    assert rule.look(1.0, state) == pytest.approx(0.6) and rule.unlook(0.6, state) == pytest.approx(1.0)


def test_adagrad(follow):
    theta, G, expected = THETA_0, 0.0, []
    for g in GRADIENTS:
        G = G + g * g
        theta = theta - 0.3 / sqrt(G + 0.01) * g
        expected.append(theta)
    assert_path(follow, gd.Adagrad(0.3, eps=0.01), expected)


def test_rmsprop(follow):
    theta, v, expected = THETA_0, 0.0, []
    for g in GRADIENTS:
        v = 0.7 * v + 0.3 * g * g
        theta = theta - 0.2 * g / (sqrt(v) + 0.01)
        expected.append(theta)
    assert_path(follow, gd.RMSProp(0.2, 0.7, eps=0.01), expected)


def test_adadelta(follow):
    theta, mean_g2, mean_d2, expected = THETA_0, 0.0, 0.0, []
    for g in GRADIENTS:
        mean_g2 = 0.8 * mean_g2 + 0.2 * g * g
        delta = -sqrt(mean_d2 + 0.01) / sqrt(mean_g2 + 0.01) * g
        mean_d2 = 0.8 * mean_d2 + 0.2 * delta * delta
        theta = theta + delta
        expected.append(theta)
    assert_path(follow, gd.Adadelta(0.8, eps=0.01), expected)


@pytest.mark.parametrize("decay", [None, 0.3])
def test_adam_and_adamw(follow, decay):
    theta, m, v, expected = THETA_0, 0.0, 0.0, []
    for t, g in enumerate(GRADIENTS, start=1):
        m = 0.7 * m + 0.3 * g
        v = 0.95 * v + 0.05 * g * g
        m_hat, v_hat = m / (1 - 0.7**t), v / (1 - 0.95**t)
        theta = theta - 0.2 * (m_hat / (sqrt(v_hat) + 0.01) + (decay or 0.0) * theta)
        expected.append(theta)
    settings = {"lr": 0.2, "beta1": 0.7, "beta2": 0.95, "eps": 0.01}
    assert_path(
        follow, gd.Adam(**settings) if decay is None else gd.AdamW(**settings, weight_decay=decay), expected
    )


@pytest.mark.parametrize("threshold, adapted_from", [(4, 5), (5, 6)])
@pytest.mark.parametrize("eps", [0.0, 0.01])
def test_radam(follow, threshold, adapted_from, eps):
    beta1, beta2 = 0.7, 0.95
    theta, m, v, expected, first = THETA_0, 0.0, 0.0, [], None
    rho_inf = 2 / (1 - beta2) - 1
    for t, g in enumerate(GRADIENTS, start=1):
        v = beta2 * v + (1 - beta2) * g * g
        m = beta1 * m + (1 - beta1) * g
        m_hat = m / (1 - beta1**t)
        rho = rho_inf - 2 * t * beta2**t / (1 - beta2**t)
        if rho > threshold:
            first = first or t
            v_hat = (sqrt(v) + eps) / sqrt(1 - beta2**t)
            r = sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))
            theta = theta - 0.2 * r * m_hat / v_hat
        else:
            theta = theta - 0.2 * m_hat
        expected.append(theta)
    assert first == adapted_from
    assert_path(follow, gd.RAdam(0.2, beta1, beta2, threshold, eps), expected)


def test_radam_that_never_adapts_is_a_smoothed_gradient_descent(follow):
    for beta2 in (0.0, 0.3, 0.6):
        theta, m, expected = THETA_0, 0.0, []
        for t, g in enumerate(GRADIENTS, start=1):
            m = 0.7 * m + 0.3 * g
            theta = theta - 0.2 * m / (1 - 0.7**t)
            expected.append(theta)
        assert_path(follow, gd.RAdam(0.2, 0.7, beta2), expected)


def test_radam_below_the_papers_threshold_has_no_root_to_take():
    """A threshold under 4 must not let r_t become complex."""
    for t in range(1, 5):  # ρ_t is a little under t
        at = gd.RAdam(threshold=0).at(t)
        assert at["rectify"] is False and at["r"] == 1
    assert gd.RAdam(threshold=0).at(5)["rectify"] is True


def test_radam_adapts_above_its_threshold_not_at_it():
    for t in (6, 9):
        rho = gd.RAdam(beta2=0.95).at(t)["rho"]
        assert rho > 4 and gd.RAdam(beta2=0.95).at(t)["rectify"] is True
        assert gd.RAdam(beta2=0.95, threshold=rho).at(t)["rectify"] is False
    late = gd.RAdam(beta2=0.6, threshold=0).at(400)  # ρ_∞ = 4, which ρ_t reaches once 0.6ᵗ is lost beside 1
    assert late["rho"] == 4 and late["rectify"] is False and late["r"] == 1


@pytest.mark.parametrize("beta2", [0.5, 0.9, 0.999])
def test_radams_rho_goes_from_one_to_its_limit(beta2):
    """ρ_t is how many gradients a plain mean would need to vary as little: at first one."""
    assert gd.RAdam(beta2=beta2).at(1)["rho"] == pytest.approx(1, rel=1e-9)
    assert gd.RAdam(beta2=beta2).at(10**6)["rho"] == pytest.approx((1 + beta2) / (1 - beta2), rel=1e-12)


@pytest.mark.parametrize("make, v_hat", [(gd.Adam, 9.0), (gd.AdamW, 9.0), (gd.RAdam, 3.0)])
def test_corrected_averages_of_equal_gradients_are_that_gradient(follow, make, v_hat):
    """From the first step on, and by the names under which a figure draws them. RAdam's v̂ is a root."""
    for _, new in follow(make(beta1=0.7, beta2=0.95), THETA_0, 0.0, lambda point, t: -3.0, 8):
        assert set(new) == {"m", "v", "m_hat", "v_hat"}
        assert new["m_hat"] == pytest.approx(-3, rel=1e-13)
        assert new["v_hat"] == pytest.approx(v_hat, rel=1e-13)


def test_adadeltas_step_is_the_ratio_of_the_two_roots_that_it_names(follow):
    theta = THETA_0
    for (after, new), g in zip(follow(gd.Adadelta(0.8, 0.01), theta, 0.0, given, 10), GRADIENTS, strict=True):
        assert set(new) == {"mean_g2", "mean_delta2", "rms_g", "rms_delta"}
        assert new["rms_g"] == pytest.approx(sqrt(new["mean_g2"] + 0.01), rel=1e-14)
        assert after - theta == pytest.approx(-new["rms_delta"] / new["rms_g"] * g, abs=1e-15)
        theta = after


def test_lookahead(follow):
    """Algorithm 1 with its two loops, as on the slide."""
    k, alpha = 3, 0.4
    phi, expected, used = THETA_0, [], iter(GRADIENTS[:9])
    v = 0.0
    for _ in range(3):
        theta = phi
        for _ in range(k):
            v = 0.8 * v + 0.1 * next(used)
            theta = theta - v
            expected.append(theta)
        phi = phi + alpha * (theta - phi)
        expected[-1] = phi  # the fast weights restart there
    assert_path(follow, gd.Lookahead(gd.Momentum(0.1, 0.8), k, alpha), expected)


def test_lookahead_keeps_both_weights(follow):
    path = follow(gd.Lookahead(gd.GradientDescent(0.1), k=2, alpha=0.5), THETA_0, 0.0, given, 4)
    slow = [new["slow"] for _, new in path]
    assert slow == pytest.approx([1.5, 1.425, 1.425, 1.425 + 0.5 * (-0.1 * 1.25)])
    assert [new["fast"] for _, new in path][1] == pytest.approx(1.35)


def test_lookahead_at_its_ends(follow):
    inner = gd.Momentum(0.1, 0.8)
    plain = [theta for theta, _ in follow(inner, THETA_0, 0.0, given, 6)]
    pulled = [theta for theta, _ in follow(gd.Lookahead(inner, k=2, alpha=1.0), THETA_0, 0.0, given, 6)]
    assert pulled == pytest.approx(plain, rel=1e-14)
    stays = [theta for theta, _ in follow(gd.Lookahead(inner, k=2, alpha=0.0), THETA_0, 0.0, given, 6)]
    assert stays[1::2] == pytest.approx([THETA_0] * 3, rel=1e-15)


def test_a_rule_without_a_step_says_so():
    with pytest.raises(NotImplementedError, match="Rule has no step"):
        gd.Rule().step(0.0, 0.0, {}, {})


def test_the_defaults_are_those_of_the_slides_and_papers():
    defaults = {
        gd.Momentum(1): {"lr": 1, "gamma": 0.9},
        gd.Nesterov(1): {"lr": 1, "gamma": 0.9},
        gd.Adagrad(): {"lr": 0.01, "eps": 1e-8},
        gd.RMSProp(): {"lr": 1e-3, "gamma": 0.9, "eps": 1e-8},
        gd.Adadelta(): {"gamma": 0.95, "eps": 1e-6},
        gd.Adam(): {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
        gd.AdamW(): {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.01},
        gd.RAdam(): {"lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "threshold": 4, "eps": 0.0},
    }
    for rule, values in defaults.items():
        assert vars(rule) == values
    lookahead = gd.Lookahead(gd.Momentum(0.1))
    assert (lookahead.k, lookahead.alpha) == (5, 0.5)
