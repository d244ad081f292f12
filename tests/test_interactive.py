"""The interactive figures as they stand in the built site: their numbers, and what they do in a browser.

What happens when they are played with is in test_play.py.
"""

from __future__ import annotations

import json
import threading
from functools import partial
from http.server import ThreadingHTTPServer

import numpy as np
import pytest
import torch

from gdcourse.explore import SIGNATURES
from gdcourse.explore.pack import pack, steps_apart, unpack
from gdcourse.explore.template import fill
from gdcourse.problems import Network
from tests.browsing import (
    DATA,
    QuietHandler,
    a_few_of,
    anchor,
    check_labels,
    data_of,
    open_figure,
    set_state,
    state_of,
)
from tests.explore.made import made, states

FIGURE_LIMIT, PAGE_LIMIT = 200_000, 600_000  # bytes
NAMES = list(SIGNATURES)
# ------------------------------------------------------------------------------------------- the numbers


def test_every_figure_has_its_place_on_one_page(figures):
    assert set(figures) == {anchor(name) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_and_its_page_are_light(figures, name):
    page, html = figures[anchor(name)]
    assert len(html.encode()) <= FIGURE_LIMIT
    assert page.stat().st_size <= PAGE_LIMIT


@pytest.mark.parametrize("name", a_few_of(NAMES))
def test_some_of_the_grid_computed_again_gives_the_numbers_on_the_page(figures, name):
    check_again(figures, name, most=5)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_two_per_cent_of_the_grid_computed_again_give_the_numbers_on_the_page(figures, name):
    check_again(figures, name, most=None)


def check_again(figures, name, most) -> None:
    """Two per cent of the settings, or so many."""
    data = data_of(figures[anchor(name)][1])
    stored = unpack(data["payload"], data["arrays"])
    controls = {control["name"]: control for control in data["controls"]}
    values = [controls[control]["values"] for control in data["computed"]]
    size = int(np.prod([len(v) for v in values]))
    some = np.random.default_rng(0).permutation(size)[: -(-size // 50)][:most]
    for at in zip(*np.unravel_index(some, [len(v) for v in values]), strict=True) if values else [()]:
        again = made(name).at({n: [v[i]] for n, v, i in zip(data["computed"], values, at, strict=True)})
        assert {key.split(":")[0] for key in stored} <= set(again)
        for key, there in stored.items():
            array, _, form = key.partition(":")
            for axis, i in enumerate(at):
                there = np.take(there, [i if there.shape[axis] > 1 else 0], axis)
            where = f"{key} at {dict(zip(data['computed'], at, strict=True))}"
            if form:
                assert printed(again[array], form) == printed(there, form), where
            else:
                assert steps_apart(again[array], there, data["arrays"][key]) <= 1, where


def printed(numbers, form: str) -> list[str | None]:
    return [fill(f"{{n:{form}}}", {}, lambda *_, v=v: float(v), {}) for v in np.ravel(numbers)]


def test_recomputing_would_see_a_wrong_number(figures):
    """The comparison above can fail: a rate that is a few hundredths off moves a path by more than a step."""
    data = data_of(figures["figure-momentum"][1])
    stored = unpack(data["payload"], data["arrays"])["theta"][4, 14]
    again = made("momentum").at({"product": [0.52], "gamma": [0.84]})["theta"][0, 0]
    assert steps_apart(again, stored, data["arrays"]["theta"]) > 1


# ------------------------------------------------------------------------------------------ in a browser


@pytest.mark.parametrize(
    "cut", ['id="figure-drawing"', '"figure":"figure-drawing"'], ids=["figure", "numbers"]
)
def test_a_page_that_arrives_slowly_gets_all_its_figures(browser, site, cut):
    """The first figure draws itself while half of the second is on its way, and must not spoil it."""
    page = (site / "book" / "network.html").read_bytes()
    at = page.index(cut.encode()) + 2000
    released = threading.Event()

    class Slow(QuietHandler):
        def do_GET(self):
            if not self.path.startswith("/book/network.html"):
                return super().do_GET()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            self.wfile.write(page[:at])
            self.wfile.flush()
            released.wait(60)
            self.wfile.write(page[at:])

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Slow, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        tab = browser.new_context().new_page()
        errors: list[str] = []
        tab.on("pageerror", lambda error: errors.append(str(error)))
        tab.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        try:
            tab.goto(f"http://127.0.0.1:{server.server_port}/book/network.html", wait_until="commit")
            tab.wait_for_selector("#figure-network[data-ready]")
            assert tab.locator("#figure-drawing").count() == 1  # a part of it is there
            released.set()
            tab.wait_for_selector("#figure-drawing[data-ready]")
            assert errors == []
        finally:
            released.set()
            tab.context.close()
            server.shutdown()


@pytest.mark.parametrize("name", a_few_of(NAMES))
def test_a_figure_fits_the_narrowest_phone(browser, site, address, figures, name):
    visit, figure = open_figure(browser, site, address, figures, name, width=320)
    with visit:
        beyond = """f => [...f.querySelectorAll('svg, input, select, button, output, p')]
            .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
            .map(e => e.outerHTML.slice(0, 80))"""
        assert figure.evaluate(beyond) == []


@pytest.mark.parametrize("name", a_few_of(NAMES))
def test_where_the_numbers_are_constant_the_drawing_is(browser, site, figures, tmp_path, name):
    """With every array replaced by a constant no state draws another point: the page computes nothing."""
    html = figures[anchor(name)][1].replace('src="../', f'src="file://{site}/')
    data = data_of(html)
    zeros = {key: np.zeros(entry["shape"]) for key, entry in data["arrays"].items()}
    constants = {key: zero for key, zero in zeros.items() if ":" not in key}
    payload, entries = pack(constants, {}, {tuple(key.split(":")): zeros[key] for key in zeros if ":" in key})
    for array in constants:
        logs = data["arrays"][array]["log"]
        entries[array].update(lo=data["arrays"][array]["lo"], log=logs)
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
            const seen = {};
            let view = 0;  // in another view a panel may be wider
            const look = () => figure.querySelectorAll('[data-mark]').forEach(group => {
                if (group.childElementCount === 0) return;  // not shown at this state
                const drawn = [...new Set(group.innerHTML.match(DRAWN) ?? [])].join(' ');
                (seen[`${group.dataset.mark} ${view}`] ??= new Set()).add(drawn);
            });
            const inputs = [...figure.querySelectorAll('.gd-control input, .gd-control select')];
            const play = () => {
                look();
                for (const input of inputs) {
                    const box = input.type === 'checkbox';
                    const last = box ? 1 : Number(input.max || input.options.length - 1);
                    for (let i = 0; i <= last; i++) {
                        if (box) input.checked = i === 1;
                        else input.value = i;
                        input.dispatchEvent(new Event(input.type === 'range' ? 'input' : 'change'));
                        look();
                    }
                }
            };
            const views = [...figure.querySelectorAll('.gd-views button')];
            views.forEach((button, i) => {
                button.click();
                view = i;
                play();
            });
            if (!views.length) play();
            return Object.fromEntries(Object.entries(seen).map(([key, set]) => [key, [...set]]));
        }"""
    )
    context.close()
    panels = [panel for row in data["rows"] for panel in row]
    assert drawn
    for key, seen in drawn.items():
        panel, mark = (int(part) for part in key.split()[0].split("."))
        mark = panels[panel]["marks"][mark]
        # a line drawn up to a step over constant data is the shorter or longer part of the same points
        parts = [set(points.split()) for points in seen]
        whole = max(parts, key=len)
        same = all(part <= whole for part in parts) if "upto" in mark else len(seen) == 1
        assert same, f"{mark['mark']} {key} draws {len(seen)} different things from constant numbers"


# ---------------------------------------------------------------------- one figure, for the mechanism


def test_the_address_holds_the_state_and_gives_it_back(browser, site, address, figures):
    visit, figure = open_figure(browser, site, address, figures, "momentum", "http")
    with visit:
        figure.get_by_label("ηλ").focus()
        visit.tab.keyboard.press("Home")
        for _ in range(9):
            visit.tab.keyboard.press("ArrowRight")
        visit.tab.wait_for_function("location.hash.endsWith('=1.0')")
        link, state = visit.tab.evaluate("location.hash"), state_of(figure)
    assert link == "#figure-momentum?product=1.0"
    visit, figure = open_figure(browser, site, address, figures, "momentum", "file", query=link)
    with visit:
        assert state_of(figure) == state
        top = figure.bounding_box()["y"]
        assert -50 < top < 450, "the figure of the link is not in view"


def test_a_pad_follows_mouse_and_finger(browser, site, address, figures):
    data = data_of(figures["figure-momentum"][1])
    products, gammas = (c["values"] for c in data["controls"] if c["name"] in ("product", "gamma"))
    visit, figure = open_figure(browser, site, address, figures, "momentum")
    with visit:
        figure.get_by_role("button", name="All settings").click()
        pad = figure.locator("svg.gd-pad").first
        pad.scroll_into_view_if_needed()
        clip = pad.locator("clipPath rect")
        left, top, width, height = (float(clip.get_attribute(k)) for k in ("x", "y", "width", "height"))
        edge = pad.bounding_box()
        panel = next(panel for row in data["rows"] for panel in row if "pad" in panel)
        x, y = panel["x"]["domain"], panel["y"]["domain"]

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
        figure.get_by_role("button", name="All settings").click()
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


def shown_panels(figure, state) -> tuple[bool, ...]:
    """Which panels are there: a picture with others may be taller."""
    panels = (panel for row in figure.rows for panel in row)
    return tuple(all(state[name] in at for name, at in panel.when.items()) for panel in panels)


SAID = """figure => [
    figure.querySelector('figcaption').innerText,
    [...figure.querySelectorAll('.gd-readouts p')].map(line => line.innerText),
    figure.getBoundingClientRect().height,
]"""


@pytest.mark.parametrize("name", a_few_of(NAMES))
def test_captions_and_readouts_are_those_of_the_state(browser, tmp_path, name):
    check_words(browser, tmp_path, name, most=24)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_captions_and_readouts_are_those_of_more_states(browser, tmp_path, name):
    check_words(browser, tmp_path, name, most=40)


def check_words(browser, tmp_path, name, most) -> None:
    """At so many states the page says what Python says, and what is below does not move."""
    figure = made(name)
    page = tmp_path / "figure.html"
    page.write_text(f'<!doctype html><html lang="en"><meta charset="utf-8">{figure.html()}</html>')
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    tab = context.new_page()
    tab.goto(f"file://{page}")
    tab.wait_for_selector(".gd-figure[data-ready]")
    drawn = tab.locator(".gd-figure")
    below: dict[tuple[bool, ...], set[int]] = {}
    for state in states(figure, 30)[:most]:
        set_state(drawn, state)
        caption, lines, height = drawn.evaluate(SAID)
        assert caption == figure.captioned(state)
        said = (figure.fill(text, figure.arrays, state) for text in figure.readouts)
        assert lines == [line for line in said if line]
        below.setdefault(shown_panels(figure, state), set()).add(round(height))
    assert all(max(heights) - min(heights) <= 1 for heights in below.values()), below
    context.close()


@pytest.mark.parametrize("name", a_few_of(NAMES))
def test_without_javascript_the_picture_and_the_caption_are_there(browser, figures, name):
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
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
        page = figure.locator("svg.gd-page")
        figure.locator(".gd-clear").click()
        page.scroll_into_view_if_needed()
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
        assert by_keys[:12].sum() == 0 and not np.array_equal(by_mouse, by_keys)
        assert visit.errors == []


@pytest.mark.slow
@pytest.mark.quiet
@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_drawn_within_a_second_and_follows_within_a_frame(browser, address, figures, name):
    """Opened as a reader opens it: no request is watched (that would slow each of them)."""
    page, _ = figures[anchor(name)]
    opened, took = [], []
    for _ in range(3):
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.goto(f"{address}/book/{page.name}")
        tab.wait_for_selector(f"#{anchor(name)}[data-ready]")
        opened.append(tab.evaluate("performance.getEntriesByName('gd-first')[0].startTime"))
        took += tab.locator(f"#{anchor(name)}").evaluate(
            """figure => [...figure.querySelectorAll('input[type=range]')].flatMap(input => {
                const times = [];
                for (let i = 0; i <= Number(input.max); i++) {
                    input.value = i;
                    const began = performance.now();
                    input.dispatchEvent(new Event('input'));
                    figure.getBoundingClientRect(); // the layout is part of the time
                    times.push(performance.now() - began);
                }
                return times;
            })"""
        )
        tab.close()
    print(f"first drawn after {sorted(round(ms) for ms in opened)} ms")
    assert np.median(opened) <= 1000
    if took:  # a figure may have no slider
        print(f"a slider's event {np.median(took):.1f} ms, 95 of 100 {np.quantile(took, 0.95):.1f} ms")
        assert np.quantile(took, 0.95) <= 16
