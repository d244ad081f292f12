"""Live cells: one sentence in the static book, sliders that call the library in a notebook."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pytest

import gdcourse as gd
from gdcourse.explore import live
from gdcourse.explore.sliders import moved_rule


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


RULES = {name: method.make(method.usual) for name, method in gd.METHODS.items()}
PLANE = {"x": (-5.0, 3.0), "y": (-2.0, 2.0)}


@pytest.mark.parametrize("name", RULES)
def test_static_pages_get_one_sentence(monkeypatch, capsys, name):
    monkeypatch.setenv("GDCOURSE_STATIC", "1")
    assert live(RULES[name], gd.problems.ravine(), **PLANE) is None
    out = capsys.readouterr().out
    assert out.count(".") == 1 and out.startswith("With a kernel behind this page")


@pytest.mark.parametrize("name", RULES)
def test_moving_a_slider_runs_the_library_with_the_new_value(monkeypatch, name):
    monkeypatch.setenv("GDCOURSE_STATIC", "0")
    seen = []
    monkeypatch.setattr("gdcourse.explore.sliders.descend", lambda *a: seen.append(a) or gd.descend(*a))
    box = live(RULES[name], gd.problems.ravine(), **PLANE)
    sliders = {s.description: s for s in box.children[0].children}
    before = len(seen)
    sliders["steps"].value = 17
    sliders["start θ₁"].value = -2.0
    assert len(seen) == before + 2
    assert seen[-1][3] == 17 and seen[-1][2] == [-2.0, pytest.approx(1.0)]
    hyperparameter = next(iter(set(sliders) & {"lr", "eps"}))
    sliders[hyperparameter].value = 0.01
    rule = seen[-1][0]
    rule = getattr(rule, "inner_rule", rule)
    assert getattr(rule, hyperparameter) == pytest.approx(0.01, rel=0.2)


def test_a_moved_lookahead_moves_its_inner_rule():
    moved = moved_rule(gd.Lookahead(gd.Momentum(0.1)), inner_lr=0.2, alpha=0.3, k=7)
    assert (moved.alpha, moved.k, moved.inner_rule.lr) == (0.3, 7, 0.2)


def test_sliders_for_a_plain_function(monkeypatch):
    monkeypatch.setenv("GDCOURSE_STATIC", "0")
    seen = []
    monkeypatch.setattr("gdcourse.explore.sliders.descend", lambda *a: seen.append(a) or gd.descend(*a))
    live(gd.Momentum(0.1), lambda theta: (theta**2).sum(), (-1, 3), (-1, 2), steps=5)
    assert seen[-1][2] == [1.0, 0.5], "in the middle of the plane"
    live(gd.Momentum(0.1), "ravine", **PLANE, start=[1, -1])
    assert seen[-1][2] == [1.0, -1.0]
    with pytest.raises(ValueError, match="start must be two numbers"):
        live(gd.Momentum(0.1), "ravine", **PLANE, start=[1])
    with pytest.raises(TypeError, match="give it its hyperparameters"):
        live(gd.Momentum, "ravine", **PLANE)


def test_two_rules_stand_side_by_side_each_with_its_own_sliders(monkeypatch, capsys):
    pair = [gd.GradientDescent(0.05), gd.Momentum(0.02)]
    monkeypatch.setenv("GDCOURSE_STATIC", "1")
    assert live(pair, gd.problems.ravine(), **PLANE) is None
    told = " ".join(capsys.readouterr().out.split())
    assert "gradient descent's lr, Momentum's lr, Momentum's gamma, start, steps." in told
    monkeypatch.setenv("GDCOURSE_STATIC", "0")
    seen = []
    monkeypatch.setattr("gdcourse.explore.sliders.descend", lambda *a: seen.append(a) or gd.descend(*a))
    first, second, common, _ = live(pair, gd.problems.ravine(), **PLANE).children
    assert [w.description for w in common.children] == ["start θ₁", "start θ₂", "steps"]
    assert first.children[0].value == "gradient descent:" and second.children[0].value == "Momentum:"
    seen.clear()
    second.children[2].value = 0.5
    assert [type(a[0]).__name__ for a in seen] == ["GradientDescent", "Momentum"]
    assert (seen[0][0].lr, seen[1][0].lr, seen[1][0].gamma) == (0.05, 0.02, 0.5)
    assert len(plt.gcf().axes) == 2
    with pytest.raises(TypeError, match="expected a rule"):
        live([gd.GradientDescent(0.05), "Adam"], gd.problems.ravine(), **PLANE)
