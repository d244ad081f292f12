"""A figure: what it packs, what it shows where, and what it refuses."""

import json
import re
from itertools import pairwise
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest

from gdcourse.explore import Figure
from gdcourse.explore.pack import Encoding, steps_apart, unpack
from gdcourse.explore.parts import (
    Area,
    Arrow,
    Axis,
    Bars,
    Choice,
    Dots,
    Heat,
    Images,
    Line,
    Panel,
    Rule,
    Scrubber,
    Slider,
    Text,
    Toggle,
    Views,
    style,
)
from gdcourse.explore.poster import View, draw, png
from gdcourse.explore.widgets import view_at

A, B = np.array([1.0, 2.0, 4.0]), np.array([0.0, 0.5])


def compute(a, b):
    t = np.arange(5.0)
    return {
        "y": a[..., None] * t + b[..., None],
        "x": t[None, None],
        "size": np.where(a > 3, np.nan, a + 0 * b),
        "huge": np.where(a > 3, 10 * a, np.nan) + 0 * b,
        "table": np.arange(12.0).reshape(1, 1, 3, 4) * a[..., None, None],
        "pictures": np.ones((1, 1, 2, 3, 3)),
        "many": 2 * np.arange(5.0).reshape(1, 1, 5),
    }


def toy(**changes):
    x, y = Axis(label="step", domain=(0, 4)), Axis(label="height", domain=(-1, 20))
    marks = [
        Line(x="x", y="y", **style("Adam"), upto="t", label="a = {a}", dots=2),
        Dots(x=2.0, y="size", shape="ring", label="{size}"),
        Bars(y="y", marked=1),
        Area(x=[0, 1, 1], y=[0, 0, 1]),
        Heat(values="table", x0=0, x1=4, y0=0, y1=3, hi=50, missing="orange"),
        Rule(x=1.0),
        Rule(y="size", label="here"),
        Arrow(x0=0, y0=0, x1=2, y1="size", label="up"),
        Text(text="{many@t:d}", x=1, y=1),
        Text(text="only when on", x=1, y=1, when={"on": (1,)}),
    ]
    parts = {
        "name": "figure-toy",
        "title": "A toy",
        "controls": [
            Slider(name="a", label="the factor a", values=A, start=1),
            Choice(name="b", label="b", values=list(B), texts=["none", "half"]),
            Scrubber(name="t", label="step", values=range(5), start=4, format="d"),
            Toggle(name="on", label="show"),
        ],
        "compute": compute,
        "rows": [
            [Panel(marks=marks, x=x, y=y, title="a = {a}")],
            [Panel(marks=[Images(values="pictures", columns=2)])],
        ],
        "readouts": ["size {size:.1f}", "too large: {huge:d}"],
        "alt": "a toy",
        "caption": ["It is {size:.1f} long.", "It is {huge:d}, too long.", "{huge:?}That is all."],
    }
    return Figure(**{**parts, **changes})


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def data_of(html):
    return json.loads(
        re.search(r'<script type="application/json" class="gd-data">(.*?)</script>', html, re.S)[1]
    )


def test_what_the_page_gets_is_what_was_computed():
    figure = toy(encoding={"table": Encoding(bits=8)})
    data = data_of(figure.html())
    arrays = unpack(data["payload"], data["arrays"])
    assert data["computed"] == ["a", "b"]
    for name in figure.drawn:
        assert steps_apart(figure.arrays[name], arrays[name], data["arrays"][name]) <= 0.5 + 1e-6
    assert set(arrays) == figure.drawn | {"size:.3g", "size:.1f", "many:d", "huge:d", "huge:?"}
    np.testing.assert_array_equal(arrays["size:.1f"], figure.arrays["size"])


def test_what_no_mark_draws_and_no_text_tells_is_not_sent():
    assert "huge" not in toy(readouts=[], caption=[]).packed()[1]["arrays"]


def test_a_control_that_compute_does_not_name_only_chooses_what_is_drawn():
    assert [control.name for control in toy().computed] == ["a", "b"]


def test_values_between_those_of_the_grid():
    figure = toy()
    np.testing.assert_allclose(figure.at({"a": [3.0], "b": [0.25]})["y"][0, 0], 3 * np.arange(5) + 0.25)
    view = view_at(figure, {"a": 3.0, "b": 1, "t": 2, "on": 0})
    assert view.fill("{a}, {b}, {t}: {size}") == "3, half, 2: 3"
    assert len(view.data(figure.rows[0][0].marks[0], "y")) == 5


def test_a_readout_shows_the_state_or_hides():
    figure = toy()
    state = figure.start()
    assert figure.fill(figure.readouts[0], figure.arrays, state) == "size 2.0"
    assert figure.fill(figure.readouts[1], figure.arrays, state) is None
    state["a"] = 2
    assert figure.fill(figure.readouts[0], figure.arrays, state) is None
    assert figure.fill(figure.readouts[1], figure.arrays, state) == "too large: 40"


def test_a_caption_has_the_sentences_whose_numbers_are_there():
    figure = toy()
    state = figure.start()
    assert figure.captioned(state) == "It is 2.0 long."
    assert '<figcaption class="gd-caption">It is 2.0 long.</figcaption>' in figure.html()
    state["a"] = 2
    assert figure.captioned(state) == "It is 40, too long. That is all."
    assert toy(caption="One {a}.").captioned(state) == "One 4."


def test_an_alt_text_is_that_of_the_start():
    assert 'alt="a toy of 2.0"' in toy(alt="a toy of {size:.1f}").html()
    with pytest.raises(ValueError, match="its alt text names a number that is not there at the start"):
        toy(alt="{huge:d}").html()


def test_a_stored_notebook_gets_text_and_a_picture_and_the_site_gets_html(monkeypatch):
    monkeypatch.setenv("GDCOURSE_STATIC", "1")
    monkeypatch.delenv("GDCOURSE_SITE", raising=False)
    stored = toy()._repr_mimebundle_()
    assert set(stored) == {"text/plain", "image/png"}
    assert stored["text/plain"] == "interactive figure: A toy\nsize 2.0"
    monkeypatch.setenv("GDCOURSE_SITE", "1")
    assert "text/html" in toy()._repr_mimebundle_()
    monkeypatch.setenv("GDCOURSE_STATIC", "0")
    monkeypatch.delenv("GDCOURSE_SITE")
    assert "text/html" in toy()._repr_mimebundle_()


def test_the_same_figure_is_the_same_bytes():
    assert toy().html() == toy().html()


def test_nothing_in_the_data_can_end_the_script_element_it_stands_in():
    wicked = "</script><script>alert(1)</script><!--"
    html = toy(readouts=[wicked], texts={"w": [wicked]}).html()
    assert html.count("</script>") == 2
    assert data_of(html)["readouts"] == [wicked]


def test_words_for_people_are_escaped_outside_of_it():
    html = toy(title="a < b", alt='say "a < b"', caption="a < b").html()
    assert html.count("a &lt; b") == 4 and "&quot;a &lt; b&quot;" in html  # title, caption, alt twice


def test_the_module_names_no_address_and_no_other_script():
    html = toy().html()
    assert not re.findall(r"""(?:src|href)=["'](?!data:)""", html)
    assert set(re.findall(r"https?://[^\s\"'`]+", html)) == {"http://www.w3.org/2000/svg"}


def test_the_static_picture_draws_every_mark():
    figure = toy()
    ax = draw(
        View(figure, figure.arrays, figure.start(), {c.name: c.shown()[c.start] for c in figure.controls})
    ).axes[0]
    assert ax.lines[0].get_xydata().tolist() == [[t, 2 * t] for t in range(5)]
    words = {text.get_text() for text in ax.texts}
    assert {"a = 2", "2", "here", "up", "8"} <= words and "only when on" not in words
    assert len(ax.patches) >= 5 and ax.collections
    assert ax.get_title(loc="left") == "a = 2"
    assert png(figure)[:4] == b"\x89PNG" and len(png(figure)) < 40_000


def test_names_on_the_static_picture_do_not_lie_on_one_another():
    y = Axis(domain=(-1, 20))
    marks = [Dots(x=2.0, y=5.0 + i / 10, label=f"a name, {i}") for i in range(4)]
    figure = toy(rows=[[Panel(x=Axis(domain=(0, 4)), y=y, marks=marks)]])
    ax = draw(View(figure, figure.arrays, figure.start(), {})).axes[0]
    boxes = [text.get_window_extent() for text in ax.texts if text.get_text()]
    assert len(boxes) == 4
    assert not any(one.overlaps(two) for i, one in enumerate(boxes) for two in boxes[:i])


def test_ticks_of_the_static_picture_do_not_lie_on_one_another():
    given = Axis(domain=(0, 60), ticks=[(i, "a long word") for i in range(61)])
    figure = toy(rows=[[Panel(x=given, y=Axis(), marks=[Line(x="x", y="y")])]])
    ax = draw(View(figure, figure.arrays, figure.start(), {})).axes[0]
    boxes = [label.get_window_extent() for label in ax.get_xticklabels() if label.get_visible()]
    assert 3 < len(boxes) < 61
    assert all(one.x1 < two.x0 for one, two in pairwise(boxes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"readouts": ["{nothing}"]}, "there is no array 'nothing'"),
        ({"readouts": ["{many}"]}, r"\{many\} in .* is an array of shape \(5,\): pick one"),
        ({"readouts": ["{many@u}"]}, "there is no control 'u'"),
        ({"caption": ["Here.", "{nothing}"]}, "there is no array 'nothing'"),
        ({"alt": "{nothing}"}, "there is no array 'nothing'"),
        ({"readouts": ["{size|words}"]}, "there is no list of texts 'words'"),
        ({"rows": [[Panel(marks=[Line(y="nothing")])]]}, "a Line in panel ''.*there is no array 'nothing'"),
        ({"rows": [[Panel(marks=[Line(y="y", when={"u": (0,)})])]]}, "there is no control 'u'"),
        ({"rows": [[Panel(marks=[Line(y="y", color="mauve")])]]}, "there is no colour 'mauve'"),
        ({"rows": [[Panel(marks=[], pad=("a", "u"))]]}, "there is no control 'u'"),
        ({"rows": [[Panel(marks=[Bars(y="y", picks="u")])]]}, "there is no control 'u'"),
        (
            {"controls": [Slider(name="a", label="a", values=A, when={"u": (0,)}), *toy().controls[1:]]},
            "control 'a': there is no control 'u'",
        ),
        ({"controls": [*toy().controls, Views(name="v", label="v")]}, "the views must be the first"),
        ({"compute": lambda a, c: {}}, "compute has arguments ..c.., which are no controls"),
        (
            {"compute": lambda a, b: {"y": np.zeros((2, 2))}},
            r"shape \(2, 2\); its first axes must be \(3, 2\)",
        ),
    ],
)
def test_a_part_that_names_what_is_not_there_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        print(toy(**changes).html(), toy(**changes))


def test_the_example_of_the_reference_page_is_a_figure():
    page = (Path(__file__).parents[2] / "book" / "api.md").read_text(encoding="utf-8")
    example = next(
        code for code in re.findall(r"```python\n(.*?)```", page, re.S) if "explore.Figure(" in code
    )
    space = {}
    exec(example, space)
    figure = space["figure"]
    assert figure.arrays["loss"].shape == (39, 51)
    assert data_of(figure.html())["figure"] == "figure-mine"


def test_controls_refuse_what_they_cannot_show():
    with pytest.raises(ValueError, match="control a: it needs at least one value"):
        Slider(name="a", label="a", values=[])
    with pytest.raises(ValueError, match="control a: start must be 0 to 1, got 2"):
        Slider(name="a", label="a", values=[1, 2], start=2)
    with pytest.raises(ValueError, match="control a: 1 texts for 2 values"):
        Slider(name="a", label="a", values=[1, 2], texts=["one"])


def test_live_widgets_compute_for_any_value(monkeypatch, capsys):
    monkeypatch.setenv("GDCOURSE_STATIC", "0")
    asked = []

    def spied(a, b):
        asked.append((a.ravel().tolist(), b.ravel().tolist()))
        return compute(a, b)

    figure = toy(compute=spied)
    box = figure.live()
    widgets = {widget.description: widget for widget in box.children[0].children}
    assert set(widgets) == {"the factor a", "b", "step", "show"}
    widgets["the factor a"].value = 2.5
    assert asked[-1][0][0] == pytest.approx(2.5, rel=0.01) and len(asked[-1][0]) == 1
    widgets["b"].value = 1
    assert asked[-1][1] == [0.5]


def test_static_pages_get_one_sentence_in_place_of_widgets(monkeypatch, capsys):
    monkeypatch.setenv("GDCOURSE_STATIC", "1")
    assert toy().live() is None
    assert capsys.readouterr().out.startswith("With a kernel behind this page, live sliders stand here for")
