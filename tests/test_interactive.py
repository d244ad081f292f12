"""The interactive figures as they stand in the built site: their numbers, and what they do in a browser.

`make test` plays with each figure from a file in the light on a wide page, and from localhost in the dark on
a phone; `make verify` goes through the other combinations, and looks at the time that drawing takes.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe

from gdcourse.explore import SIGNATURES
from gdcourse.explore.pack import pack, steps_apart, unpack
from gdcourse.problems import Network
from tests.browsing import Visit

FIGURE_LIMIT, PAGE_LIMIT = 170_000, 600_000  # bytes
NAMES = list(SIGNATURES)
WAYS = [("file", "light", 1280), ("http", "dark", 390)]
OTHER_WAYS = [
    (protocol, scheme, width)
    for protocol in ("file", "http")
    for scheme in ("light", "dark")
    for width in (390, 1280)
    if (protocol, scheme, width) not in WAYS
]
FIGURE = re.compile(r'<figure class="gd-figure" id="([\w-]+)".*?</figure>', re.S)
DATA = re.compile(r'(<script type="application/json" class="gd-data">)(.*?)(</script>)', re.S)


def anchor(name: str) -> str:
    return f"figure-{name.replace('_', '-')}"


@pytest.fixture(scope="session")
def figures(site) -> dict[str, tuple[Path, str]]:
    """Every figure of the site by its id: its page and its HTML."""
    found: dict[str, tuple[Path, str]] = {}
    for page in sorted(site.glob("book/*.html")):
        for match in FIGURE.finditer(page.read_text(encoding="utf-8")):
            assert match[1] not in found, f"{match[1]} stands on two pages"
            found[match[1]] = (page, match[0])
    return found


def data_of(html: str) -> dict:
    match = DATA.search(html)
    assert match
    return json.loads(match[2])


# ------------------------------------------------------------------------------------------- the numbers


def test_every_figure_has_its_place_on_one_page(figures):
    assert set(figures) == {anchor(name) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_and_its_page_are_light(figures, name):
    page, html = figures[anchor(name)]
    assert len(html.encode()) <= FIGURE_LIMIT
    assert page.stat().st_size <= PAGE_LIMIT


@cache
def made(name: str):
    return SIGNATURES[name]()


@pytest.mark.parametrize("name", NAMES)
def test_two_per_cent_of_the_grid_computed_again_give_the_numbers_on_the_page(figures, name):
    data = data_of(figures[anchor(name)][1])
    stored = unpack(data["payload"], data["arrays"])
    controls = {control["name"]: control for control in data["controls"]}
    values = [controls[control]["values"] for control in data["computed"]]
    size = int(np.prod([len(v) for v in values]))
    some = np.random.default_rng(0).choice(size, max(1, -(-size // 50)), replace=False)
    for at in zip(*np.unravel_index(some, [len(v) for v in values]), strict=True) if values else [()]:
        again = made(name).at({n: [v[i]] for n, v, i in zip(data["computed"], values, at, strict=True)})
        assert set(again) == set(stored)
        for array, found in again.items():
            there = stored[array]
            for axis, i in enumerate(at):
                there = np.take(there, [i if there.shape[axis] > 1 else 0], axis)
            entry = data["arrays"][array]
            assert steps_apart(found, there, entry) <= 1, (
                f"{array} at {dict(zip(data['computed'], at, strict=True))}"
            )


def test_recomputing_would_see_a_wrong_number(figures):
    """The comparison above can fail: a rate that is one hundredth off moves a path by more than a step."""
    data = data_of(figures["figure-momentum"][1])
    stored = unpack(data["payload"], data["arrays"])["theta"][4, 27]
    again = made("momentum").at({"product": [0.505], "gamma": [0.81]})["theta"][0, 0]
    assert steps_apart(again, stored, data["arrays"]["theta"]) > 1


# ------------------------------------------------------------------------------------------ in a browser


def open_figure(browser, site, address, figures, name, protocol="file", scheme="light", width=1280, query=""):
    page, _ = figures[anchor(name)]
    base = f"file://{site}" if protocol == "file" else address
    visit = Visit(browser, base, f"book/{page.stem}", scheme, width, query)
    figure = visit.tab.locator(f"#{anchor(name)}")
    visit.tab.wait_for_selector(f"#{anchor(name)}[data-ready]", timeout=15_000)
    return visit, figure


SHOWN = """figure => JSON.stringify([
    [...figure.querySelectorAll('svg')].map(svg => svg.innerHTML),
    figure.querySelector('.gd-readouts').textContent])"""


def state_of(figure) -> dict[str, int]:
    return json.loads(figure.get_attribute("data-state"))


def check_labels(figure, controls) -> None:
    """What stands beside each control is the state that is drawn."""
    state = state_of(figure)
    boxes = figure.locator(".gd-control")
    for i, control in enumerate(controls):
        box, words = boxes.nth(i), control["texts"][state[control["name"]]]
        if control["kind"] == "choice":
            assert box.locator("select").evaluate("s => s.options[s.selectedIndex].text") == words
        elif control["kind"] == "toggle":
            assert box.locator("input").is_checked() == (state[control["name"]] == 1)
        else:
            assert box.locator("output").inner_text() == words
            assert box.locator("input").get_attribute("aria-valuetext") == words
            assert int(box.locator("input").input_value()) == state[control["name"]]


def by_keyboard(figure, i: int, control: dict) -> None:
    """Move a control to every position, or to some twenty of them, with keys alone; each sets the state."""
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


def moves(figure, control: dict) -> bool:
    """Whether setting a control through its positions changes what is drawn or said."""
    i = [c["name"] for c in data_of(figure.evaluate("f => f.outerHTML"))["controls"]].index(control["name"])
    handle = figure.locator(".gd-control").nth(i).locator("input, select").first
    seen = set()
    for position in np.unique(np.linspace(0, len(control["texts"]) - 1, 6).astype(int)):
        handle.evaluate(
            """(input, position) => {
                if (input.type === 'checkbox') input.checked = position === 1;
                else input.value = position;
                input.dispatchEvent(new Event(input.type === 'range' ? 'input' : 'change'));
            }""",
            int(position),
        )
        seen.add(figure.evaluate(SHOWN))
    return len(seen) > 1


def play(browser, site, address, figures, name, protocol, scheme, width):
    controls = data_of(figures[anchor(name)][1])["controls"]
    visit, figure = open_figure(browser, site, address, figures, name, protocol, scheme, width)
    with visit:
        assert figure.locator(".gd-poster").count() == 0
        first = figure.evaluate(SHOWN)
        assert "NaN" not in first
        check_labels(figure, controls)
        for i, control in enumerate(controls):
            by_keyboard(figure, i, control)
            check_labels(figure, controls)
            figure.locator(".gd-reset").click()
            assert state_of(figure) == {c["name"]: c.get("start", 0) for c in controls}
            assert figure.evaluate(SHOWN) == first, "reset does not bring the first picture back"
        still = [control["name"] for control in controls if not moves_or_could(figure, control)]
        assert not still, f"moving {still} changes nothing"
        assert "NaN" not in figure.evaluate(SHOWN)
        figure.locator(".gd-reset").click()
        for box, control in zip(figure.locator(".gd-control").all(), controls, strict=True):
            if control["kind"] in ("slider", "scrubber"):
                handle = box.locator("input")
                handle.scroll_into_view_if_needed()
                size = handle.bounding_box()
                visit.tab.mouse.click(size["x"] + 0.75 * size["width"], size["y"] + size["height"] / 2)
                at = state_of(figure)[control["name"]] / max(1, len(control["texts"]) - 1)
                assert abs(at - 0.75) < 0.25 or len(control["texts"]) < 5
                check_labels(figure, controls)
        assert visit.tab.evaluate("document.documentElement.scrollWidth") <= width
        found = Axe().run(visit.tab, context=f"#{anchor(name)}").response["violations"]
        assert [(v["id"], v["nodes"][0]["html"][:200]) for v in found] == []
        assert visit.errors == [] and visit.outside == []


def moves_or_could(figure, control: dict) -> bool:
    """Whether a control moves the figure at its start, or once the other menus and boxes stand elsewhere (a
    bet is needed before its answer is shown)."""
    figure.locator(".gd-reset").click()
    if moves(figure, control):
        return True
    for handle in figure.locator(".gd-control select, .gd-control input[type=checkbox]").all():
        handle.evaluate(
            """input => {
                if (input.type === 'checkbox') input.checked = !input.checked;
                else input.selectedIndex = input.options.length - 1;
                input.dispatchEvent(new Event('change'));
            }"""
        )
    return moves(figure, control)


@pytest.mark.parametrize(("protocol", "scheme", "width"), WAYS, ids=lambda value: str(value))
@pytest.mark.parametrize("name", NAMES)
def test_play(browser, site, address, figures, name, protocol, scheme, width):
    play(browser, site, address, figures, name, protocol, scheme, width)


@pytest.mark.slow
@pytest.mark.parametrize(("protocol", "scheme", "width"), OTHER_WAYS, ids=lambda value: str(value))
@pytest.mark.parametrize("name", NAMES)
def test_play_in_the_other_ways(browser, site, address, figures, name, protocol, scheme, width):
    play(browser, site, address, figures, name, protocol, scheme, width)


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_fits_the_narrowest_phone(browser, site, address, figures, name):
    visit, figure = open_figure(browser, site, address, figures, name, width=320)
    with visit:
        beyond = """f => [...f.querySelectorAll('svg, input, select, button, output, p')]
            .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
            .map(e => e.outerHTML.slice(0, 80))"""
        assert figure.evaluate(beyond) == []


@pytest.mark.parametrize("name", NAMES)
def test_where_the_numbers_are_constant_the_drawing_is(browser, figures, tmp_path, name):
    """With every array replaced by a constant no state draws another point: the page computes nothing."""
    html = figures[anchor(name)][1]
    data = data_of(html)
    constants = {array: np.zeros(entry["shape"]) for array, entry in data["arrays"].items()}
    payload, entries = pack(constants, {})
    for array, entry in entries.items():
        logs = data["arrays"][array]["log"]
        entry.update(lo=data["arrays"][array]["lo"], log=logs)
    text = json.dumps({**data, "payload": payload, "arrays": entries}).replace("<", "\\u003c")
    page = tmp_path / "constant.html"
    constant = DATA.sub(lambda match: match[1] + text + match[3], html)
    page.write_text(
        f'<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8">{constant}</html>'
    )
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    tab = context.new_page()
    tab.goto(f"file://{page}")
    tab.wait_for_selector(".gd-figure[data-ready]")
    drawn = tab.evaluate(
        """() => {
            const figure = document.querySelector('.gd-figure');
            const DRAWN = /-?\\d+(\\.\\d+)?,-?\\d+(\\.\\d+)?|(height|width|x|y|href)="[^"]*"/g;
            const points = () => [...figure.querySelectorAll('[data-mark]')].map(group =>
                group.style.display === 'none' ? null
                : [...new Set(group.innerHTML.match(DRAWN) ?? [])].join(' '));
            const inputs = [...figure.querySelectorAll('.gd-control input, .gd-control select')];
            const seen = points().map(p => new Set(p === null ? [] : [p]));
            for (const input of inputs) {
                const last = input.type === 'checkbox' ? 1 : Number(input.max || input.options.length - 1);
                for (let i = 0; i <= last; i++) {
                    if (input.type === 'checkbox') input.checked = i === 1;
                    else input.value = i;
                    input.dispatchEvent(new Event(input.type === 'range' ? 'input' : 'change'));
                    points().forEach((p, k) => p !== null && seen[k].add(p));
                }
            }
            return seen.map(set => [...set]);
        }"""
    )
    context.close()
    marks = [mark for row in data["rows"] for panel in row for mark in panel["marks"]]
    assert len(drawn) == len(marks)
    for mark, seen in zip(marks, drawn, strict=True):
        # a line drawn up to a step over constant data is the shorter or longer part of the same points
        parts = [set(points.split()) for points in seen]
        whole = max(parts, key=len, default=set())
        same = all(part <= whole for part in parts) if "upto" in mark else len(seen) <= 1
        assert same, f"{mark['mark']} draws {len(seen)} different things from constant numbers"


# ---------------------------------------------------------------------- one figure, for the mechanism


def test_the_address_holds_the_state_and_gives_it_back(browser, site, address, figures):
    visit, figure = open_figure(browser, site, address, figures, "momentum", "http")
    with visit:
        figure.locator("input").first.focus()
        for _ in range(5):
            visit.tab.keyboard.press("ArrowRight")
        visit.tab.wait_for_function("location.hash.includes('?')")
        link, state = visit.tab.evaluate("location.hash"), state_of(figure)
    assert link == "#figure-momentum?product=1.0"
    visit, figure = open_figure(browser, site, address, figures, "momentum", "file", query=link)
    with visit:
        assert state_of(figure) == state
        top = figure.bounding_box()["y"]
        assert -50 < top < 450, "the figure of the link is not in view"


def test_a_pad_follows_mouse_and_finger(browser, site, address, figures):
    data = data_of(figures["figure-momentum"][1])
    products, gammas = (control["values"] for control in data["controls"])
    visit, figure = open_figure(browser, site, address, figures, "momentum")
    with visit:
        pad = figure.locator("svg.gd-pad").first
        pad.scroll_into_view_if_needed()
        clip = pad.locator("clipPath rect")
        left, top, width, height = (float(clip.get_attribute(k)) for k in ("x", "y", "width", "height"))
        edge = pad.bounding_box()
        x, y = data["rows"][0][0]["x"]["domain"], data["rows"][0][0]["y"]["domain"]

        def place(product, gamma):
            return (
                edge["x"] + left + width * (product - x[0]) / (x[1] - x[0]),
                edge["y"] + top + height * (1 - (gamma - y[0]) / (y[1] - y[0])),
            )

        visit.tab.mouse.move(*place(1.0, 0.3))
        visit.tab.mouse.down()
        assert (products[state_of(figure)["product"]], gammas[state_of(figure)["gamma"]]) == (1.0, 0.3)
        visit.tab.mouse.move(*place(3.0, 0.6), steps=4)
        assert (products[state_of(figure)["product"]], gammas[state_of(figure)["gamma"]]) == (3.0, 0.6)
        visit.tab.mouse.up()
        visit.tab.mouse.move(*place(0.5, 0.1))
        assert products[state_of(figure)["product"]] == 3.0, "it follows without being pressed"
        check_labels(figure, data["controls"])


def test_colours_follow_the_page_when_its_theme_is_switched(browser, site, address, figures):
    visit, figure = open_figure(browser, site, address, figures, "momentum")
    with visit:
        look = """f => [getComputedStyle(f.querySelector('.gd-axis-label')).fill,
            f.querySelector('image').getAttribute('href')]"""
        light = figure.evaluate(look)
        visit.tab.evaluate("document.documentElement.dataset.theme = 'dark'")
        visit.tab.wait_for_function(
            "old => document.querySelector('#figure-momentum image').getAttribute('href') !== old",
            arg=light[1],
        )
        dark = figure.evaluate(look)
        assert dark[0] != light[0]


def test_a_scrubber_plays_once_and_reduced_motion_goes_to_the_end(browser, site, address, figures):
    name = "cover"
    last = (
        len(
            next(c for c in data_of(figures[anchor(name)][1])["controls"] if c["kind"] == "scrubber")["texts"]
        )
        - 1
    )
    for motion in ("no-preference", "reduce"):
        visit, figure = open_figure(browser, site, address, figures, name)
        with visit:
            visit.tab.emulate_media(reduced_motion=motion)
            figure.locator("input[type=range]").last.press("Home")
            assert state_of(figure)["step"] == 0
            figure.get_by_role("button", name="play").click()
            if motion == "reduce":
                assert state_of(figure)["step"] == last
            else:
                assert state_of(figure)["step"] < last
                visit.tab.wait_for_function(
                    "last => JSON.parse(document.querySelector('#figure-cover').dataset.state).step === last",
                    arg=last,
                    timeout=8000,
                )
            figure.get_by_role("button", name="one step back").click()
            assert state_of(figure)["step"] == last - 1


def test_without_javascript_the_picture_and_the_caption_are_there(browser, site, figures):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    for name in NAMES:
        page, _ = figures[anchor(name)]
        tab.goto(f"file://{page}")
        picture = tab.locator(f"#{anchor(name)} img.gd-poster")
        assert picture.is_visible() and len(picture.get_attribute("alt")) > 40
        assert tab.locator(f"#{anchor(name)} figcaption").is_visible()
    context.close()


def test_a_drawing_is_read_as_python_reads_it(browser, site, address, figures):
    data = data_of(figures["figure-drawing"][1])
    arrays = unpack(data["payload"], data["arrays"])
    theta = torch.cat([torch.from_numpy(arrays[n]).flatten() for n in ("W1", "b1", "W2", "b2")])
    network = Network(sizes=(784, 32, 10))
    visit, figure = open_figure(browser, site, address, figures, "drawing")

    def check_reading():
        drawn = json.loads(figure.get_attribute("data-drawn"))
        ink = np.array(drawn["ink"]).reshape(28, 28)
        assert ink.sum() > 5
        rows, columns = np.indices(ink.shape)
        move = [round(13.5 - (ink * at).sum() / ink.sum()) for at in (rows, columns)]
        centred = np.roll(ink, move, (0, 1))
        scores = network.forward(theta, torch.from_numpy(centred.reshape(1, 784)))[-1][0]
        np.testing.assert_allclose(drawn["out"], torch.softmax(scores, -1), atol=1e-3)
        said = figure.locator(".gd-readouts").inner_text()
        assert said == f"The network reads a {int(scores.argmax())}."
        return ink

    with visit:
        page = figure.locator("svg.gd-pad")
        page.scroll_into_view_if_needed()
        figure.locator(".gd-clear").click()
        box = page.bounding_box()
        visit.tab.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.2 * box["height"])
        visit.tab.mouse.down()
        visit.tab.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.7 * box["height"], steps=6)
        visit.tab.mouse.up()
        by_mouse = check_reading()
        assert figure.locator("select").evaluate("s => s.options[s.selectedIndex].text") == "your own drawing"

        figure.locator(".gd-clear").click()
        page.focus()
        visit.tab.keyboard.press("Space")
        for _ in range(9):
            visit.tab.keyboard.press("ArrowDown")
        by_keys = check_reading()
        assert by_keys[:13].sum() == 0 and not np.array_equal(by_mouse, by_keys)
        assert visit.errors == []


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_drawn_within_a_second_and_follows_within_a_frame(browser, site, address, figures, name):
    opened = []
    for _ in range(3):
        visit, figure = open_figure(browser, site, address, figures, name, "http")
        with visit:
            opened.append(visit.tab.evaluate("performance.getEntriesByName('gd-first')[0].startTime"))
            took = figure.evaluate(
                """figure => [...figure.querySelectorAll('input[type=range]')].flatMap(input => {
                    const times = [];
                    for (let i = 0; i <= Number(input.max); i++) {
                        input.value = i;
                        const began = performance.now();
                        input.dispatchEvent(new Event('input'));
                        times.push(performance.now() - began);
                    }
                    return times;
                })"""
            )
    assert min(opened) <= 1000
    assert not took or np.median(took) <= 16
