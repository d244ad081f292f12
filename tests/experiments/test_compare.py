"""Comparisons are fair: equal trials, the best inside the grid, chosen on the validation split."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import gdcourse as gd
from gdcourse.experiments import compare
from gdcourse.experiments.compare import SPACING, Comparison, Tuned
from gdcourse.rules import Method

SMALL = gd.problems.Network((784, 8, 10))


@pytest.fixture(scope="module")
def data():
    full = gd.digits()
    cut = lambda split, n: gd.problems.Split(split.x[:n], split.y[:n])  # noqa: E731
    return gd.problems.Digits(cut(full.train, 500), cut(full.validation, 300), cut(full.test, 300))


def test_a_grid_whose_best_is_at_its_end_is_widened_and_the_other_method_gets_as_many_trials(data):
    far = Method(lambda lr: gd.GradientDescent(lr), usual=1e-4)  # far too small: the best is at the upper end
    near = Method(lambda lr: gd.Adam(lr), usual=1e-2)
    found = compare({"far": far, "near": near}, data, network=SMALL, steps=30, trials=3, seeds=2)
    for m in found.methods.values():
        assert 0 < m.best < len(m.values) - 1
        assert np.allclose(m.values[1:] / m.values[:-1], SPACING)
    assert len(found["far"].values) == len(found["near"].values) > 3


def test_the_choice_is_made_by_validation_accuracy_and_test_is_that_of_the_chosen(data):
    found = compare(["GradientDescent"], data, network=SMALL, steps=30, seeds=2)["GradientDescent"]
    assert found.best == found.validation.mean(-1).argmax()
    again = gd.train(
        SMALL, data, gd.GradientDescent(float(found.values[found.best])), steps=30, seed=[0, 1], examine=1
    )
    alone = SMALL.accuracy(again.theta, data.test.x, data.test.y)
    assert torch.allclose(alone, torch.as_tensor(found.test), atol=1e-12)
    assert np.allclose(again.validation_accuracy[-1], found.validation[found.best])
    means = np.sort(found.validation.mean(-1))
    assert found.validation[found.second].mean() == means[-2] and found.second != found.best
    second = gd.GradientDescent(float(found.values[found.second]))
    theta = gd.train(SMALL, data, second, steps=30, seed=[0, 1], examine=1).theta
    assert np.allclose(SMALL.accuracy(theta, data.test.x, data.test.y), found.test_second, atol=1e-12)


@pytest.mark.parametrize(
    ("method", "like"), [("Momentum", gd.Momentum), (torch.optim.SGD, gd.GradientDescent)]
)
def test_fresh_seeds_train_at_the_chosen_value_and_none_of_them_chose_it(data, method, like):
    budget = {"network": SMALL, "steps": 20, "trials": 3, "seeds": 2}
    (few,) = compare(method, data, **budget).methods.values()
    (found,) = compare(method, data, **budget, fresh=3).methods.values()
    assert len(few.fresh) == 0 and found.fresh.shape == (3,)
    assert found.best == few.best and np.array_equal(found.test, few.test)
    rule = like(float(found.values[found.best]))
    theta = gd.train(SMALL, data, rule, steps=20, seed=[2, 3, 4], examine=1).theta
    assert np.allclose(SMALL.accuracy(theta, data.test.x, data.test.y), found.fresh, atol=1e-12)


def tuned(name, test, fresh=()):
    one = Tuned(name, "lr", np.ones(1), np.ones((1, len(test))), np.ones((1, 1, 1)), 0, np.array(test))
    return replace(one, fresh=np.array(fresh))


def test_one_against_one_goes_seed_by_seed_and_needs_fresh_seeds():
    a, b = [0.80, 0.90, 0.70, 0.60], [0.81, 0.92, 0.69, 0.62]  # ranges overlap, differences are small
    rows = {"a": (a, a), "b": (b, b), "c": (b, ()), "d": (b, b[:3])}
    found = Comparison({name: tuned(name, test, fresh) for name, (test, fresh) in rows.items()})
    assert "no difference" in found.verdict("a", "b")
    assert (
        found.one_against_one("a", "b")
        == "b has 1.00 ± 0.71 points of test error less than a, seed by seed; less in 3 of 4"
    )
    assert "a has -1.00 ±" in found.one_against_one("b", "a")
    for other in "cd":
        with pytest.raises(ValueError, match=r"compare\(…, fresh=20\)"):
            found.one_against_one("a", other)
    two = Comparison(found.methods | {"e": tuned("e", b[:3], b)})
    with pytest.raises(ValueError, match="fresh seeds of a begin at 4, e's at 3"):
        two.one_against_one("a", "e")


def test_no_ranking_where_the_spreads_overlap():
    found = Comparison(
        {"a": tuned("a", [0.90, 0.92]), "b": tuned("b", [0.91, 0.93]), "c": tuned("c", [0.8, 0.85])}
    )
    assert "no difference" in found.verdict("a", "b")
    assert found.verdict("a", "c").startswith("a is above c")
    assert found.verdict("c", "a").startswith("a is above c")


@pytest.mark.parametrize(
    ("test", "second", "said"),
    [
        (
            [0.9, 0.92],
            [0.7, 0.83],
            "a is above b: every seed of the one beats every seed of the other. a's choice was nearly even: "
            "with the other lr, 0.3, they would not be told apart.",
        ),
        (
            [0.9, 0.92],
            [0.7, 0.75],
            "a is above b: every seed of the one beats every seed of the other. a's choice was nearly even: "
            "with the other lr, 0.3, b would be above.",
        ),
        (
            [0.8, 0.92],
            [0.9, 0.95],
            "a and b: no difference beyond the spread of the seeds. a's choice was nearly even: "
            "with the other lr, 0.3, a would be above.",
        ),
        ([0.9, 0.92], [0.91, 0.95], "a is above b: every seed of the one beats every seed of the other."),
    ],
)
def test_a_verdict_that_hangs_on_a_nearly_even_choice_says_so(test, second, said):
    values = np.array([0.1, 0.3, 1.0])
    even = np.array([[0.1, 0.1], [0.5, 0.6], [0.6, 0.51]])  # the best is the last, by less than chance
    clear = np.array([[0.1, 0.1], [0.5, 0.6], [0.6, 0.7]])
    a, b = (Tuned(n, "lr", values, even, np.ones((1, 3, 2)), 2, np.array(test)) for n in "ab")
    a = replace(a, test_second=np.array(second))
    b = replace(b, test=np.array([0.8, 0.82]), validation=clear, test_second=np.array([0.99, 1.0]))
    assert (a.second, a.nearly_even, b.second, b.nearly_even) == (1, True, 1, False)
    assert Comparison({"a": a, "b": b}).verdict("a", "b") == said
    away = {"a": replace(a, validation=clear), "b": b}  # the same, had the choice been a clear one
    assert Comparison(away).verdict("a", "b") == said.partition(" a's choice")[0]


def test_with_the_second_best_value_it_is_the_best(data):
    found = compare(["Momentum", "Adam"], data, network=SMALL, steps=20, trials=3, seeds=2, fresh=2)
    before, after = found["Adam"], found.with_second("Adam")["Adam"]
    assert after.best == before.second and after.second == before.best and len(after.fresh) == 0
    assert np.array_equal(after.test, before.test_second) and np.array_equal(after.test_second, before.test)
    assert found.with_second("Adam")["Momentum"] is found["Momentum"]
    assert after.nearly_even == before.nearly_even


def test_a_clear_choice_is_clear_from_either_side_and_a_missing_number_is_no_best():
    values, clear = np.array([0.1, 0.3, 1.0, 3.0]), [[0.1, 0.1], [0.5, 0.6], [0.9, 0.95], [np.nan, 0.99]]
    one = Tuned("a", "lr", values, np.array(clear), np.ones((1, 4, 2)), 2, np.array([0.9, 0.95]))
    one = replace(one, test_second=np.array([0.7, 0.75]))
    assert one.second == 1 and not one.nearly_even
    other = Comparison({"a": one}).with_second("a")["a"]
    assert other.second == 2 and not other.nearly_even
    assert not replace(one, validation=np.array(clear)[:, :1]).nearly_even  # of one seed nobody can tell


def test_no_second_best_value():
    with pytest.raises(ValueError, match="a has no second-best value: only one was tried"):
        tuned("a", [0.9, 0.92]).second  # noqa: B018
    with pytest.raises(ValueError, match="nobody looked at the second-best value of a: `compare` does"):
        Comparison({"a": tuned("a", [0.9, 0.92])}).with_second("a")


def test_a_method_that_was_left_out_is_named_beside_those_that_were_not():
    found = Comparison({"a": tuned("a", [0.90, 0.92])})
    with pytest.raises(KeyError, match="b was not compared: put it into the list beside a"):
        found.verdict("a", "b")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"methods": ["Adma"]}, "unknown method 'Adma'"),
        ({"methods": ["Adam"], "trials": 4}, "odd number"),
        ({"methods": ["Adam"], "seeds": 1}, "at least 2"),
        ({"methods": ["Adam"], "fresh": -1}, "whole number ≥ 0, got -1"),
        ({"methods": ["Adam"], "fresh": True}, "whole number ≥ 0, got True"),
        ({"methods": ["Adam"], "fresh": 2.5}, "whole number ≥ 0, got 2.5"),
    ],
)
def test_what_cannot_be_compared_is_refused(data, arguments, message):
    with pytest.raises(ValueError, match=message):
        compare(data=data, **arguments)


def test_a_search_that_never_finds_an_inside_best_says_so(data):
    same = Method(lambda lr: gd.GradientDescent(0 * lr), usual=1.0)  # the first of equals is at the end
    with pytest.raises(ValueError, match="still lies at the end"):
        compare({"same": same}, data, network=SMALL, steps=1, trials=3, seeds=2)
