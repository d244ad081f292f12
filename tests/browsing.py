"""Opening the built site in a browser: what the tests of its pages share."""

from __future__ import annotations

import http.server
import json
import re
from collections.abc import Iterable
from typing import Any

import pytest

FEW = ["cover", "intro", "network", "momentum", "lookahead", "workbench", "search", "404"]
"""Figures and pages of each kind: one that plays on sight, a pad to draw on, a map with views, a scrubber.
`make test` looks at these; `make verify CHECK="pages"`, which the workflow runs before it
publishes the site, at all the others."""


def a_few_of(names: Iterable[str]) -> list[Any]:
    """Names of figures or pages as a test's parameters, those that are not among the few marked."""
    marks = {True: [], False: [pytest.mark.pages]}
    return [pytest.param(name, marks=marks[name.rpartition("/")[2] in FEW]) for name in names]


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


class Visit:
    """One page opened in one colour scheme, with everything that it asked for and complained of."""

    def __init__(self, browser, address: str, page: str, scheme: str, width: int = 1280, query: str = ""):
        self.context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            reduced_motion="reduce",  # nothing plays by itself
        )
        self.tab = self.context.new_page()
        self.outside: list[str] = []
        self.errors: list[str] = []

        def route(request_route):
            url = request_route.request.url
            if url.startswith((address, "data:", "blob:")):
                request_route.continue_()
            else:
                self.outside.append(url)
                request_route.abort()

        self.tab.route("**/*", route)
        self.tab.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.goto(f"{address}/{page}.html{query}", wait_until="load")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.context.close()


DATA = re.compile(r'(<script type="application/json" class="gd-data">)(.*?)(</script>)', re.S)


def anchor(name: str) -> str:
    return f"figure-{name.replace('_', '-')}"


def data_of(html: str) -> dict:
    match = DATA.search(html)
    assert match
    return json.loads(match[2])


AT_REST = """() => document.fonts.ready.then(() =>
    new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done))))"""
"""What comes late, such as fonts and a scrollbar, has its place: when its width changes, a figure is drawn
anew."""


def open_figure(browser, site, address, figures, name, protocol="file", scheme="light", width=1280, query=""):
    page, _ = figures[anchor(name)]
    base = f"file://{site}" if protocol == "file" else address
    visit = Visit(browser, base, f"book/{page.stem}", scheme, width, query)
    figure = visit.tab.locator(f"#{anchor(name)}")
    visit.tab.wait_for_selector(f"#{anchor(name)}[data-ready]", timeout=15_000)
    visit.tab.wait_for_load_state("load")
    visit.tab.evaluate(AT_REST)
    return visit, figure


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
        elif control["kind"] == "views":
            assert box.locator("button[aria-pressed=true]").all_inner_texts() == [words]
        elif control["kind"] == "toggle":
            assert box.locator("input").is_checked() == (state[control["name"]] == 1)
        else:
            assert box.locator("output").inner_text() == words
            assert box.locator("input").get_attribute("aria-valuetext") == words
            assert int(box.locator("input").input_value()) == state[control["name"]]


def is_on(control: dict, state: dict[str, int]) -> bool:
    return all(state[name] in at for name, at in control.get("when", {}).items())


def bring_into_view(figure, controls, i: int) -> None:
    """Choose a view, and what else must be chosen, in which a control is shown."""
    names = [control["name"] for control in controls]
    for name, wanted in controls[i].get("when", {}).items():
        if state_of(figure)[name] not in wanted:
            set_control(figure, names.index(name), wanted[0])


SET = """(box, position) => {
    const input = box.querySelector('input, select');
    if (!input) return box.querySelectorAll('button')[position].click();
    if (input.type === 'checkbox') input.checked = position === 1;
    else input.value = position;
    input.dispatchEvent(new Event(input.type === 'range' ? 'input' : 'change'));
}"""


def set_control(figure, i: int, position: int) -> None:
    """Set a control, shown or not, as a reader's hand would."""
    figure.locator(".gd-control").nth(i).evaluate(SET, position)


SET_ALL = f"""(figure, positions) => {{
    const set = {SET}, boxes = figure.querySelectorAll('.gd-control');
    const names = JSON.parse(figure.querySelector('.gd-data').textContent).controls.map(c => c.name);
    names.forEach((name, i) => {{
        if (JSON.parse(figure.dataset.state)[name] !== positions[name]) set(boxes[i], positions[name]);
    }});
    return figure.dataset.state;
}}"""


def set_state(figure, positions: dict[str, int]) -> None:
    """Set all controls that stand elsewhere, in one call: hundreds of states are many calls."""
    assert json.loads(figure.evaluate(SET_ALL, positions)) == positions
