"""Playing with every interactive figure: each control by keyboard and by mouse, on wide and narrow pages.

`make test` tries each control of all figures from localhost in the dark on a phone, and plays through one
figure of each kind from a file in the light on a wide page; `make verify` plays with all, in all ways.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe

from gdcourse.explore import SIGNATURES
from tests.browsing import (
    a_few_of,
    anchor,
    bring_into_view,
    check_labels,
    data_of,
    open_figure,
    set_control,
    state_of,
)

NAMES = list(SIGNATURES)
A_MAP, A_SCRUBBER, VIEWS, A_BOX, A_PAD = "momentum", "cover", "adam", "stochastic", "drawing"
WAYS = list(product(("file", "http"), ("light", "dark"), (390, 1280)))

SHOWN = """figure => JSON.stringify([
    [...figure.querySelectorAll('svg')].map(svg => svg.innerHTML.replace(/<text[^>]*><\\/text>/g, '')),
    figure.querySelector('.gd-readouts').textContent])"""
COORDINATES = (
    "f => [...f.querySelectorAll('svg')].map(svg => svg.innerHTML.replace(/href=\"[^\"]*/g, '')).join()"
)


def by_keyboard(figure, i: int, control: dict) -> None:
    """Move a control to every position, or to some twenty of them, with keys alone; each sets the state."""
    if control["kind"] == "views":
        buttons = figure.locator(".gd-control").nth(i).locator("button")
        buttons.first.focus()
        for position in range(1, len(control["texts"])):
            figure.page.keyboard.press("ArrowRight")
            figure.page.keyboard.press("Enter")
            assert state_of(figure)[control["name"]] == position
        return
    handle = figure.locator(".gd-control").nth(i).locator("input, select").first
    handle.focus()
    last = len(control["texts"]) - 1
    if control["kind"] == "toggle":
        before = state_of(figure)[control["name"]]
        handle.press("Space")
        assert state_of(figure)[control["name"]] == 1 - before
        return
    if control["kind"] == "choice":
        for position in [*range(last + 1)][:8]:
            before = state_of(figure)[control["name"]]
            handle.press("ArrowDown" if before < last else "ArrowUp")
            assert abs(state_of(figure)[control["name"]] - before) == min(1, last), position
        return
    handle.press("Home")
    assert state_of(figure)[control["name"]] == 0
    for position in range(1, min(last, 8) + 1):
        handle.press("ArrowRight")
        assert state_of(figure)[control["name"]] == position
    handle.press("End")
    assert state_of(figure)[control["name"]] == last


def moves(figure, i: int, control: dict) -> bool:
    """Whether setting a control through its positions changes what is drawn or said."""
    seen = set()
    for position in np.unique(np.linspace(0, len(control["texts"]) - 1, 6).astype(int)):
        set_control(figure, i, int(position))
        seen.add(figure.evaluate(SHOWN))
    return len(seen) > 1


def check_page(visit, name) -> None:
    """Nothing that axe or the console complains of, and no request to elsewhere."""
    found = (
        Axe()
        .run(
            visit.tab,
            context=f"#{anchor(name)}",
            options={"resultTypes": ["violations"], "preload": False},
        )
        .response["violations"]
    )
    assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found] == []
    assert visit.errors == [] and visit.outside == []


def play(browser, site, address, figures, name, protocol, scheme, width):
    controls = data_of(figures[anchor(name)][1])["controls"]
    visit, figure = open_figure(browser, site, address, figures, name, protocol, scheme, width)
    with visit:
        assert figure.locator(".gd-poster").count() == 0
        first = figure.evaluate(SHOWN)
        assert "NaN" not in figure.evaluate(COORDINATES)
        check_labels(figure, controls)
        for i, control in enumerate(controls):
            bring_into_view(figure, controls, i)
            by_keyboard(figure, i, control)
            check_labels(figure, controls)
            figure.locator(".gd-reset").click()
            assert state_of(figure) == {c["name"]: c.get("start", 0) for c in controls}
            assert figure.evaluate(SHOWN) == first, "reset does not bring the first picture back"
        still = [c["name"] for i, c in enumerate(controls) if not moves_or_could(figure, controls, i)]
        assert not still, f"moving {still} changes nothing"
        assert "NaN" not in figure.evaluate(COORDINATES)
        figure.locator(".gd-reset").click()
        for i, (box, control) in enumerate(zip(figure.locator(".gd-control").all(), controls, strict=True)):
            bring_into_view(figure, controls, i)
            if control["kind"] in ("slider", "scrubber"):
                handle = box.locator("input")
                handle.scroll_into_view_if_needed()
                size = handle.bounding_box()
                visit.tab.mouse.click(size["x"] + 0.75 * size["width"], size["y"] + size["height"] / 2)
                at = state_of(figure)[control["name"]] / max(1, len(control["texts"]) - 1)
                assert abs(at - 0.75) < 0.25 or len(control["texts"]) < 5
                check_labels(figure, controls)
        assert visit.tab.evaluate("document.documentElement.scrollWidth") <= width
        check_page(visit, name)


def moves_or_could(figure, controls: list[dict], i: int) -> bool:
    """Whether a control moves the figure at its start, or once the other menus and boxes stand elsewhere (a
    bet is needed before its answer is shown)."""
    figure.locator(".gd-reset").click()
    bring_into_view(figure, controls, i)
    if moves(figure, i, controls[i]):
        return True
    for k, other in enumerate(controls):
        if other["kind"] in ("choice", "toggle") and k != i:
            set_control(figure, k, len(other["texts"]) - 1)
    return moves(figure, i, controls[i])


@pytest.mark.parametrize("name", [A_MAP, A_SCRUBBER, VIEWS, A_BOX, A_PAD])
def test_play(browser, site, address, figures, name):
    play(browser, site, address, figures, name, "file", "light", 1280)


@pytest.mark.parametrize("name", a_few_of(NAMES))
def test_on_a_phone_in_the_dark_from_a_server(browser, site, address, figures, name):
    """Each control by one key, and what axe and the console say."""
    controls = data_of(figures[anchor(name)][1])["controls"]
    visit, figure = open_figure(browser, site, address, figures, name, "http", "dark", 390)
    with visit:
        check_labels(figure, controls)
        for i, control in enumerate(controls):
            if control["kind"] == "views":
                continue
            bring_into_view(figure, controls, i)
            before = state_of(figure)[control["name"]]
            on, back = {"toggle": ("Space", "Space"), "choice": ("ArrowDown", "ArrowUp")}.get(
                control["kind"], ("ArrowRight", "ArrowLeft")
            )
            key = back if before == len(control["texts"]) - 1 else on
            figure.locator(".gd-control").nth(i).locator("input, select").first.press(key)
            assert state_of(figure)[control["name"]] != before
        check_labels(figure, controls)
        assert visit.tab.evaluate("document.documentElement.scrollWidth") <= 390
        check_page(visit, name)


@pytest.mark.slow
@pytest.mark.parametrize(("protocol", "scheme", "width"), WAYS, ids=lambda value: str(value))
@pytest.mark.parametrize("name", NAMES)
def test_play_in_all_ways(browser, site, address, figures, name, protocol, scheme, width):
    play(browser, site, address, figures, name, protocol, scheme, width)
