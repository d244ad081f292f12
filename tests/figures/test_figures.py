"""The palette is legible, the plots draw what they are given, the source shown is the source that runs."""

import inspect

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest

import gdcourse as gd
from gdcourse.experiments import Comparison, Tuned
from gdcourse.explore.parts import DASHES, MARKERS
from gdcourse.figures import (
    INK,
    LOOKS,
    contours,
    images,
    key,
    learning_rate_curves,
    look,
    losses,
    path,
    show_source,
    title,
)
from gdcourse.figures.style import CHOSEN, COLORS, FAMILIES, looks, looks_of
from gdcourse.rules import Method
from gdcourse.rules.table import AROUND, BOTH, ONE_RATE, OWN_RATE


def luminance(color):
    rgb = np.array(matplotlib.colors.to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("name", LOOKS)
def test_every_colour_has_contrast_for_text_on_white(name):
    assert 1.05 / (luminance(LOOKS[name].color) + 0.05) >= 4.5


@pytest.mark.parametrize("name", sorted(set(COLORS) - {"paper", "faint"}))
@pytest.mark.parametrize("dark", [False, True])
def test_what_words_are_written_in_has_contrast_on_its_ground(name, dark):
    ground = luminance(COLORS["paper"][dark])
    levels = sorted([luminance(COLORS[name][dark]) + 0.05, ground + 0.05])
    assert levels[1] / levels[0] >= 4.5


def test_every_rule_of_the_table_has_a_look_and_no_two_share_colour_dash_and_marker():
    assert set(gd.ALL) <= set(LOOKS)
    looks = [(LOOKS[n].color, LOOKS[n].dash, LOOKS[n].marker) for n in gd.ALL]
    assert len(set(looks)) == len(looks)


@pytest.mark.parametrize("family", [ONE_RATE, OWN_RATE, BOTH, AROUND, "of its own"])
def test_new_methods_get_their_familys_colour_and_what_is_free_in_it(family):
    new = {f"New{i}": Method(gd.GradientDescent, 0.1, family=family) for i in range(13)}
    few = dict([*new.items()][:8])
    looks = looks_of(gd.METHODS | few, CHOSEN)
    assert {name: looks[name] for name in CHOSEN} == CHOSEN
    colors = {looks[name].color for name in few}
    assert colors == {FAMILIES.get(family, INK)}
    near = colors | ({LOOKS["batch"].color} if family == "of its own" else set())
    drawn = [(one.dash, one.marker) for name, one in looks.items() if one.color in near and name != "batch"]
    assert len(drawn) > len(few) and len(set(drawn)) == len(drawn)
    assert all(dash in DASHES and marker in MARKERS for dash, marker in drawn)  # as interactive figures ask
    with pytest.raises(ValueError, match="no dash and marker is left for New"):
        looks_of(gd.METHODS | new, CHOSEN)


def test_what_came_after_the_talk_has_colours_of_its_own():
    talks = {LOOKS[name].color for name in gd.METHODS}
    for name in gd.rules.AFTER:
        family = gd.ALL[name].family
        assert LOOKS[name].color == FAMILIES[family] and (LOOKS[name].color in talks) == (family == AROUND)
    assert LOOKS["Lion"].color == LOOKS["Prodigy"].color != LOOKS["Muon"].color


def test_a_method_is_found_by_name_rule_and_class_and_a_new_one_gets_a_plain_look():
    assert key("Adam") == key(gd.Adam) == key(gd.Adam()) == "Adam"
    assert look(gd.Adam()) is LOOKS["Adam"]
    assert look("Brand new").color == "#333333"
    assert title("GradientDescent") == "gradient descent" and title(gd.Adam) == "Adam"


@pytest.mark.parametrize("rule", [gd.Adam, gd.Momentum, gd.RAdam, gd.Lookahead, gd.Adadelta])
def test_the_source_shown_is_the_installed_source_without_its_docstring(rule):
    shown = repr(show_source(rule)).splitlines()
    source = inspect.getsource(rule)
    before, _, after = source.split('"""', 2)
    assert "\n".join(shown).split() == (before + after).split()


def test_the_sources_of_several_stand_one_below_the_other():
    both = repr(show_source(gd.Adam, gd.theory.ema_half_life))
    assert both == "\n\n\n".join(repr(show_source(one)) for one in (gd.Adam, gd.theory.ema_half_life))


def test_a_path_is_drawn_where_the_run_went():
    run = gd.descend(gd.GradientDescent(0.1), gd.problems.ravine(5.0), steps=7)
    ax = contours(gd.problems.ravine(5.0), (-5, 5), (-2, 2))
    path(run, "GradientDescent", ax)
    drawn = [line.get_xydata() for line in ax.lines]
    assert any(d.shape == run.theta.shape and np.allclose(d, run.theta) for d in drawn)
    assert any("gradient descent" in text.get_text() for text in ax.texts)
    plt.close("all")


def test_a_path_that_is_shorter_than_its_labels_place_is_labelled_at_its_end():
    run = gd.descend(gd.GradientDescent(0.1), gd.problems.ravine(5.0), steps=2)
    ax = contours(gd.problems.ravine(5.0), (-5, 5), (-2, 2))
    path(run, "GradientDescent", ax, label_at=6)
    assert np.allclose(ax.texts[0].xy, run.theta[-1])
    plt.close("all")


def test_a_path_finds_its_method_and_its_surface_by_itself():
    run = gd.descend(gd.Nesterov(0.02), "ravine", steps=7)
    path(run)
    ax = plt.gca()
    assert ax.collections and ax.texts[0].get_text() == "Nesterov"
    path(run.theta.tolist(), "Adam", ax)
    assert np.allclose(ax.lines[-1].get_xydata(), run.theta[0])
    with pytest.raises(ValueError, match="Give ax, as contours returns it"):
        path(run.theta)
    with pytest.raises(ValueError, match=r"one run of two coordinates, .* got \(8,\)"):
        path(run.theta[:, 0], "Adam", ax)
    plt.close("all")


def lines_of(ax):
    return np.concatenate([p.vertices for c in ax.collections for p in c.get_paths()])


@pytest.mark.parametrize(
    "surface",
    ["Beale", lambda t: gd.problems.Beale().loss(t), lambda t: gd.problems.Beale().loss(np.asarray(t))],
    ids=["name", "torch or NumPy", "NumPy"],
)
def test_contours_take_a_name_and_plain_functions(surface):
    box = {"x": (-2, 4), "y": (-2, 2)}
    expected, found = (lines_of(contours(one, **box)) for one in (gd.problems.Beale(), surface))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    plt.close("all")


def test_contours_look_by_themselves_where_the_minima_are():
    ax = contours("Himmelblau")
    for minimum in gd.problems.Himmelblau.minima:
        assert ax.get_xlim()[0] < minimum[0] < ax.get_xlim()[1]
        assert ax.get_ylim()[0] < minimum[1] < ax.get_ylim()[1]
    plt.close("all")


def test_contours_of_what_is_not_everywhere_finite_and_of_a_plain():
    assert len(lines_of(contours(lambda t: np.log(t[0]) + t[1] ** 2, (-1, 1), (-1, 1))))
    flat = contours(lambda t: 0 * t[0], (-1, 1), (-1, 1))
    assert not flat.collections
    plt.close("all")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((lambda t: t[0] ** 2,), TypeError, "it must be said where to look"),
        ((gd.problems.Quadratic([1.0, 2.0, 3.0]), (0, 1), (0, 1)), ValueError, "two coordinates"),
        ((lambda t: t[0] * np.nan, (0, 1), (0, 1)), ValueError, "nowhere a finite number"),
        (("Beagle", (0, 1), (0, 1)), ValueError, "did you mean 'Beale'"),
    ],
)
def test_what_has_no_level_lines_is_told(arguments, error, message):
    with pytest.raises(error, match=message):
        contours(*arguments)
    plt.close("all")


def test_methods_that_are_new_look_different_from_each_other():
    names = ["Adam", *map(str, range(12))]
    found = looks(names)
    assert found["Adam"] is LOOKS["Adam"] and found["0"] == look("new")
    assert len({(one.color, str(one.dash), one.marker) for one in found.values()}) == len(names)


def test_labels_of_curves_that_begin_alike_stand_apart():
    values, accuracy = np.array([0.1, 1.0]), np.array([[0.8, 0.8], [0.9, 0.9]])
    alike = {
        name: Tuned(name, "lr", values, accuracy, accuracy, 1, accuracy[1])
        for name in ("Momentum", "Nesterov", "Adam")
    }
    ax = learning_rate_curves(Comparison(alike))
    heights = sorted(text.xy[1] for text in ax.texts)
    assert np.diff(np.log(heights)).min() > 0.2
    assert heights[-1] == pytest.approx(20.0)  # the first stands where its curve begins
    plt.close("all")


def test_losses_are_drawn_and_labelled_directly():
    ax = losses({"Adam": [1.0, 0.1, 0.0]}, floor=1e-3)
    assert np.allclose(ax.lines[0].get_ydata(), [1.0, 0.1, 1e-3])
    assert ax.get_legend() is None and ax.texts[0].get_text() == "Adam"
    plt.close("all")


def test_images_show_every_picture_once():
    images(np.random.default_rng(0).random((7, 28, 28)), columns=5)
    assert sum(len(ax.images) for ax in plt.gcf().axes) == 7
    plt.close("all")
