"""The palette is legible, the plots draw what they are given, the source shown is the source that runs."""

import inspect

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest

import gdcourse as gd
from gdcourse.explore.parts import DASHES, MARKERS
from gdcourse.figures import INK, LOOKS, contours, images, key, look, losses, path, show_source, title
from gdcourse.figures.style import CHOSEN, COLORS, FAMILIES, looks_of
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
    assert set(gd.METHODS) <= set(LOOKS)
    looks = [(LOOKS[n].color, LOOKS[n].dash, LOOKS[n].marker) for n in gd.METHODS]
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


def test_a_path_is_drawn_where_the_run_went():
    run = gd.descend(gd.GradientDescent(0.1), gd.problems.ravine(5.0), steps=7)
    ax = contours(gd.problems.ravine(5.0), (-5, 5), (-2, 2))
    path(run, "GradientDescent", ax)
    drawn = [line.get_xydata() for line in ax.lines]
    assert any(d.shape == run.theta.shape and np.allclose(d, run.theta) for d in drawn)
    assert any("gradient descent" in text.get_text() for text in ax.texts)
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
