"""What has a name in a picture says it to mouse, finger and keys, and what can be chosen is chosen there."""

from __future__ import annotations

import pytest

from gdcourse.explore.chapters.backpropagation import PIXELS
from tests.browsing import check_labels, set_control, state_of
from tests.explore.made import made
from tests.explore.test_looks import PHONE, WIDE, opened, pages, scrolled, swipe  # noqa: F401, a fixture

TEXT = "<p>Text.</p>" * 40


class Picture:
    """One panel of a figure that stands in the middle of the screen, and places in it."""

    def __init__(self, tab, drawn, which: int):
        self.tab, self.drawn = tab, drawn
        self.svg = drawn.locator("svg.gd-named").nth(which)
        self.svg.evaluate("svg => svg.scrollIntoView({block: 'center'})")
        clip = self.svg.locator("clipPath rect")
        self.box = [float(clip.get_attribute(key)) for key in ("x", "y", "width", "height")]
        panels = [panel for row in drawn.figure.rows for panel in row if is_named(panel)]
        self.panel = panels[which]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the axes lies on the screen."""
        edge, (left, top, width, height) = self.svg.bounding_box(), self.box
        (x0, x1), (y0, y1) = self.panel.x.domain, self.panel.y.domain
        return (
            edge["x"] + left + width * (x - x0) / (x1 - x0),
            edge["y"] + top + height * (1 - (y - y0) / (y1 - y0)),
        )

    def name(self) -> str:
        return self.svg.locator("xpath=..").locator(".gd-tip").inner_text()


def is_named(panel) -> bool:
    marks = panel.marks
    return any(getattr(mark, "names", ()) or getattr(mark, "picks", None) for mark in marks)


def shown(browser, pages, name, width=WIDE, **options):  # noqa: F811
    context, tab, drawn = opened(browser, pages(name, TEXT, TEXT), width, **options)
    drawn.figure = made(name)
    return context, tab, drawn


def controls_of(figure) -> list[dict]:
    return [{"name": c.name, "kind": c.kind, "texts": c.shown()} for c in figure.controls]


@pytest.mark.parametrize(
    ("width", "finger"), [pytest.param(WIDE, False, marks=pytest.mark.pages), (PHONE, True)]
)
def test_each_pixel_unit_and_bar_is_chosen_by_pressing_it(browser, pages, width, finger):  # noqa: F811
    context, tab, drawn = shown(browser, pages, "backpropagation", width, has_touch=finger)
    press = tab.touchscreen.tap if finger else tab.mouse.click
    figure, controls = drawn.figure, controls_of(drawn.figure)
    a = figure.arrays
    left, bars = Picture(tab, drawn, 0), Picture(tab, drawn, 1)

    def choose(picture, control, i, x, y):
        picture.svg.evaluate("svg => svg.scrollIntoView({block: 'center'})")
        press(*picture.at(x, y))
        assert state_of(drawn)[control] == i
        menu = next(c for c in figure.controls if c.name == control)
        assert picture.name() == menu.shown()[i]

    for kind, first, last in (("pixel", 0, PIXELS), ("cell", PIXELS, PIXELS + 32)):
        x, y, right = (a[f"{kind}_{axis}"].ravel() for axis in ("x", "y", "right"))
        for i in range(first, last):
            choose(left, "below", i, x[i], y[i])
        choose(left, "below", first, right[first], y[first])  # in the slopes, too
        if kind == "pixel":
            units = next(mark for mark in bars.panel.marks if getattr(mark, "picks", "") == "unit").x
            for i, unit in enumerate(units):
                choose(bars, "unit", i, unit, 0.3)
            left.svg.evaluate("svg => svg.scrollIntoView({block: 'center'})")
            press(*left.at(35, -2))  # the next layer
            assert state_of(drawn)["below"] >= PIXELS
    for i in range(10):
        choose(bars, "score", i, 1.4 + 3.2 * i, 0.1)
    check_labels(drawn, controls)
    context.close()


def test_a_swipe_over_a_picture_scrolls_the_page_and_chooses_nothing(browser, pages):  # noqa: F811
    context, tab, drawn = shown(browser, pages, "backpropagation", PHONE, has_touch=True)
    picture, touch = Picture(tab, drawn, 0), context.new_cdp_session(tab)
    before, state = scrolled(tab), state_of(drawn)
    swipe(tab, touch, *picture.at(4, 4), 0, -120)
    assert scrolled(tab) > before + 50 and state_of(drawn) == state and picture.name() == ""
    context.close()


def test_a_weight_is_chosen_by_keys_alone(browser, pages):  # noqa: F811
    context, tab, drawn = shown(browser, pages, "backpropagation")
    picture, figure = Picture(tab, drawn, 0), drawn.figure
    below = figure.controls[1]
    drawn.locator(".gd-views button").last.focus()
    tab.keyboard.press("Tab")
    assert picture.svg.evaluate("svg => svg === document.activeElement")
    assert picture.name() in below.shown()
    start = state_of(drawn)["below"]
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowDown")
    name = picture.name()
    assert state_of(drawn)["below"] == start and name in below.shown()  # looked at, and not yet chosen
    tab.keyboard.press("Enter")
    assert below.shown()[state_of(drawn)["below"]] == name
    assert drawn.locator("select").first.evaluate("s => s.options[s.selectedIndex].text") == name
    tab.keyboard.press("Escape")
    assert picture.name() == ""
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_menu_that_is_set_moves_the_frame(browser, pages, theme):  # noqa: F811
    """Pressed or by its menu, the same picture."""
    context, tab, drawn = shown(browser, pages, "backpropagation")
    tab.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
    picture, a = Picture(tab, drawn, 0), drawn.figure.arrays
    tab.mouse.click(*picture.at(a["pixel_x"].ravel()[9], a["pixel_y"].ravel()[9]))
    tab.mouse.move(1, 1)
    pressed = picture.svg.inner_html()
    drawn.locator(".gd-reset").click()
    assert picture.svg.inner_html() != pressed
    set_control(drawn, 1, 9)
    assert picture.svg.inner_html() == pressed
    context.close()


@pytest.mark.parametrize(("width", "finger"), [(WIDE, False), (PHONE, True)])
def test_pixels_outputs_and_units_say_their_names(browser, pages, width, finger):  # noqa: F811
    context, tab, drawn = shown(browser, pages, "network", width, has_touch=finger)
    point = tab.touchscreen.tap if finger else tab.mouse.move
    digits, templates = Picture(tab, drawn, 0), Picture(tab, drawn, 1)
    digits.svg.evaluate("svg => svg.scrollIntoView({block: 'center'})")
    point(*digits.at(9.5, 138 - 4.5))
    assert digits.name() == "a 0: pixel in row 4, column 9"
    point(*digits.at(34 + 1.4 + 2.8 * 3, 138 - 57 + 1))
    assert digits.name() == "output 3, for the 1 above"
    units = templates.panel.marks[0].names
    templates.svg.evaluate("svg => svg.scrollIntoView({block: 'center'})")
    edge, (left, top, _, height) = templates.svg.bounding_box(), templates.box
    size = height / 3
    point(edge["x"] + left + 1.5 * size, edge["y"] + top + 2.5 * size)
    assert templates.name().startswith(f"{units[7]}: pixel in row 1")
    if finger:
        point(10, edge["y"] + edge["height"] + 200)
    else:
        point(1, 1)
        assert templates.name() == ""
    assert drawn.evaluate("figure => figure.scrollWidth <= figure.clientWidth")
    context.close()


def test_the_names_are_said_to_keys_too(browser, pages):  # noqa: F811
    context, tab, drawn = shown(browser, pages, "network")
    digits, templates = Picture(tab, drawn, 0), Picture(tab, drawn, 1)
    digits.svg.focus()
    tab.keyboard.press("ArrowDown")
    assert digits.name().startswith("output ") and digits.name().endswith("for the 0 above")
    tab.keyboard.press("Tab")
    assert digits.name() == "" and templates.name().startswith(templates.panel.marks[0].names[0])
    tab.keyboard.press("ArrowRight")
    there = templates.name()
    assert there.startswith(templates.panel.marks[0].names[1])
    tab.keyboard.press("Shift+ArrowDown")
    row = int(there.split("row ")[1].split(",")[0])
    assert f"row {row + 1}," in templates.name()
    tip = templates.svg.locator("xpath=..").locator(".gd-tip")
    assert tip.get_attribute("role") == "status"
    context.close()
