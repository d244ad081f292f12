"""How a figure stands on its page: what is in view at first, that words do not lie on one another, and that
it can be moved with a finger."""

from __future__ import annotations

from pathlib import Path

import pytest

from gdcourse.explore import SIGNATURES
from tests.browsing import a_few_of, is_on, set_control, set_state, state_of
from tests.explore.made import made

NAMES = list(SIGNATURES)
WIDE, PHONE = 688, 358  # pixels that the page's column leaves to a figure
TALLEST = 566  # pixels below a title and a paragraph on a screen of 900
LATER = 600  # pixels of a view that a reader asks for
PAGE = """<!doctype html><html lang="en" data-theme="light"><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><style>
body {{ margin: 0; padding: 0 16px; font: 16px/1.65 system-ui, sans-serif; }}
main {{ max-width: 688px; margin: auto; }}
div.cell_output .output {{ overflow-x: auto; }}
</style><main>{before}<div class="cell_output"><div class="output">{figure}</div></div>
<p id="below">Text.</p>{after}</main></html>"""

FAULTS = """figure => {
    const faults = new Set();
    const shown = text => text.textContent.trim() && text.getClientRects().length;
    for (const svg of figure.querySelectorAll('svg.gd-panel')) {
        const edge = svg.getBoundingClientRect();
        const box = text => [text, text.getBoundingClientRect()];
        const texts = [...svg.querySelectorAll('text')].filter(shown).map(box);
        texts.forEach(([one, a], i) => {
            if (a.left < edge.left - 1 || a.right > edge.right + 2 || a.top < edge.top - 1
                || a.bottom > edge.bottom + 1) faults.add(`cut off: ${one.textContent}`);
            for (const [two, b] of texts.slice(i + 1)) {
                const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
                const tall = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
                if (wide > 1 && tall > 3) faults.add(`collide: ${one.textContent} | ${two.textContent}`);
            }
        });
    }
    for (const select of figure.querySelectorAll('select')) {
        if (!select.getClientRects().length) continue;
        const pen = document.createElement('canvas').getContext('2d');
        pen.font = getComputedStyle(select).font;
        const needed = Math.max(...[...select.options].map(o => pen.measureText(o.text).width));
        if (select.clientWidth < needed + 16) faults.add(`a menu is too narrow: ${select.options[0].text}`);
    }
    return [...faults];
}"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Each figure on a page of its own, with a screen of text before and after it."""
    folder = tmp_path_factory.mktemp("figures")

    def page(name: str, before: str = "", after: str = "") -> str:
        path = Path(folder) / f"{name}{len(before)}.html"
        if not path.exists():
            path.write_text(PAGE.format(figure=made(name).html(), before=before, after=after), "utf-8")
        return f"file://{path}"

    return page


def opened(browser, address: str, width: int, **options):
    context = browser.new_context(
        viewport={"width": width + 32, "height": 900}, reduced_motion="reduce", **options
    )
    tab = context.new_page()
    tab.goto(address)
    tab.wait_for_selector(".gd-figure[data-ready]")
    return context, tab, tab.locator(".gd-figure")


def ends(figure) -> list[dict[str, int]]:
    """The start in every view, and from there each control at both of its ends, and menus at each choice."""
    found = []
    views = next((c for c in figure.controls if c.kind == "views"), None)
    for view in range(len(views.values) if views else 1):
        base = figure.start() | ({views.name: view} if views else {})
        found.append(base)
        for control in figure.controls:
            last = len(control.values) - 1
            if control.kind == "views" or not is_on({"when": control.when}, base):
                continue
            found += [
                base | {control.name: at}
                for at in (range(last + 1) if control.kind == "choice" else (0, last))
            ]
    return found


@pytest.mark.parametrize(("width", "theme"), [(WIDE, "light"), (PHONE, "dark")])
@pytest.mark.parametrize("name", a_few_of(NAMES))
def test_no_words_are_cut_off_or_lie_on_others(browser, pages, name, width, theme):
    figure = made(name)
    context, tab, drawn = opened(browser, pages(name), width)
    tab.evaluate("theme => document.documentElement.dataset.theme = theme", theme)
    found = {}
    for state in ends(figure):
        set_state(drawn, state)
        if faults := drawn.evaluate(FAULTS):
            found[str(state)] = faults
    context.close()
    assert found == {}


@pytest.mark.parametrize("name", a_few_of(NAMES))
def test_at_first_one_thing_is_in_view_and_fits_the_screen(browser, pages, name):
    figure = made(name)
    context, _, drawn = opened(browser, pages(name), WIDE)
    assert drawn.locator("svg.gd-panel").count() <= 2 or name == "cover"  # nine methods, side by side
    assert drawn.bounding_box()["height"] <= TALLEST
    assert drawn.locator(".gd-try").inner_text().startswith("Try this: ")
    views = next((len(c.values) for c in figure.controls if c.kind == "views"), 1)
    assert len([figure.tries] if isinstance(figure.tries, str) else figure.tries) in (1, views)
    context.close()


@pytest.mark.parametrize("name", a_few_of(NAMES))
def test_no_view_is_much_taller_than_the_first(browser, pages, name):
    context, _, drawn = opened(browser, pages(name), WIDE)
    heights = {}
    for button in drawn.locator(".gd-views button").all():
        button.click()
        heights[button.inner_text()] = drawn.bounding_box()["height"]
    context.close()
    assert {view: height for view, height in heights.items() if height > LATER} == {}


@pytest.mark.parametrize("name", a_few_of(NAMES))
def test_what_plays_comes_back_to_its_sign(browser, pages, name):
    scrubber = next((c for c in made(name).controls if c.kind == "scrubber"), None)
    if scrubber is None:
        return
    context, tab, drawn = opened(browser, pages(name), WIDE)
    for view, positions in scrubber.when.items():
        assert view == made(name).controls[0].name
        set_control(drawn, 0, positions[0])
    tab.emulate_media(reduced_motion="no-preference")
    button = drawn.get_by_role("button", name=": play")
    button.click()
    assert drawn.locator(".gd-playing button").nth(1).inner_text() == "❚❚"
    assert drawn.locator(".gd-readouts").get_attribute("aria-live") == "off"
    tab.wait_for_selector(".gd-scrubber:not(.gd-playing)", timeout=8000)
    assert button.inner_text() == "▶"
    assert drawn.locator(".gd-readouts").get_attribute("aria-live") == "polite"
    context.close()


AT_REST = """() => new Promise(resolve => {
  let still = 0, last = scrollY;
  const look = () => {
    still = scrollY === last ? still + 1 : 0;
    last = scrollY;
    still < 12 ? requestAnimationFrame(look) : resolve(scrollY);
  };
  look();
})"""  # a page goes on gliding after the finger has left it: its place counts once it stands still


def scrolled(tab) -> float:
    """Where the page stands when it has come to rest, in pixels."""
    return tab.evaluate(AT_REST)


def swipe(tab, touch, x: float, y: float, dx: float, dy: float) -> None:
    """Press and move as a touch screen does it, so that the browser decides who gets the movement."""
    point = lambda k: [{"x": x + k * dx / 8, "y": y + k * dy / 8}]  # noqa: E731
    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": point(0)})
    for k in range(1, 9):
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": point(k)})
        tab.wait_for_timeout(20)
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    scrolled(tab)


def test_a_finger_on_a_map_scrolls_the_page_and_drags_the_handle(browser, pages):
    text = "<p>Text.</p>" * 40
    context, tab, drawn = opened(browser, pages("momentum", text, text), PHONE, has_touch=True)
    drawn.get_by_role("button", name="All settings").click()
    drawn.locator("svg.gd-pad").evaluate("svg => svg.scrollIntoView({block: 'center'})")
    touch = context.new_cdp_session(tab)
    before, state = scrolled(tab), state_of(drawn)
    box = drawn.locator("svg.gd-pad").bounding_box()
    swipe(tab, touch, box["x"] + 250, box["y"] + 150, 0, -120)
    assert scrolled(tab) > before + 50 and state_of(drawn) == state

    before = scrolled(tab)
    handle = drawn.locator(".gd-handle").bounding_box()
    swipe(tab, touch, handle["x"] + 22, handle["y"] + 22, 20, 60)
    assert scrolled(tab) == before and state_of(drawn)["gamma"] < state["gamma"]

    state, box = state_of(drawn), drawn.locator("svg.gd-pad").bounding_box()
    tab.touchscreen.tap(box["x"] + 150, box["y"] + 40)
    assert state_of(drawn)["gamma"] > state["gamma"]
    context.close()


def test_a_swipe_that_begins_on_a_slider_scrolls_the_page_and_leaves_the_slider(browser, pages):
    text = "<p>Text.</p>" * 40
    context, tab, drawn = opened(browser, pages("schedules", text, text), PHONE, has_touch=True)
    slider = drawn.locator("input[type=range]").first
    slider.evaluate("input => input.scrollIntoView({block: 'center'})")
    touch = context.new_cdp_session(tab)
    before, state, box = scrolled(tab), state_of(drawn), slider.bounding_box()
    x, y = box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2
    swipe(tab, touch, x, y, 0, -120)
    assert scrolled(tab) > before + 50 and state_of(drawn) == state
    box = slider.bounding_box()
    swipe(tab, touch, box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2, 10, 0)
    assert state_of(drawn) != state
    context.close()


ADD = """html => {
    const more = document.createElement("div");
    more.innerHTML = html;
    document.body.append(more);
    for (const old of more.querySelectorAll("script")) {  // one that was set as text does not run
        const script = document.createElement("script");
        for (const { name, value } of old.attributes) script.setAttribute(name, value);
        script.textContent = old.textContent;
        old.replaceWith(script);
    }
}"""


def test_figures_share_no_id_where_one_arrives_after_the_other_is_drawn(browser, pages):
    context, tab, _ = opened(browser, pages("radam"), WIDE)
    tab.evaluate(ADD, made("batch").html())
    tab.wait_for_function("document.querySelectorAll('.gd-figure[data-ready]').length === 2")
    ids = tab.evaluate("[...document.querySelectorAll('[id]')].map(node => node.id)")
    assert len(ids) > 8 and len(set(ids)) == len(ids)
    context.close()


def test_on_a_phone_the_controls_stay_in_view_while_the_picture_is(browser, pages):
    text = "<p>Text.</p>" * 40
    context, _, drawn = opened(browser, pages("momentum", text, text), PHONE)
    drawn.locator("svg.gd-panel").first.evaluate("svg => scrollBy(0, svg.getBoundingClientRect().top - 560)")
    controls = drawn.locator(".gd-controls").bounding_box()
    assert 800 < controls["y"] + controls["height"] <= 901
    context.close()


def test_call_back_plays_to_the_next_call_and_no_further(browser, pages):
    figure = made("lookahead")
    k = int(figure.controls[2].values[figure.start()["k"]])
    context, tab, drawn = opened(browser, pages("lookahead"), WIDE)
    drawn.get_by_role("slider", name="move").press("Home")
    tab.emulate_media(reduced_motion="no-preference")
    for cycle in (1, 2):
        drawn.get_by_role("button", name="Call back").click()
        tab.wait_for_selector(".gd-playing")
        tab.wait_for_selector(".gd-scrubber:not(.gd-playing)", timeout=8000)
        assert state_of(drawn)["move"] == cycle * (k + 1)
    context.close()


def test_the_cover_plays_once_on_sight_unless_motion_is_reduced(browser, pages):
    last = len(made("cover").controls[2].values) - 1
    for motion, plays in (("no-preference", True), ("reduce", False)):
        context = browser.new_context(viewport={"width": 900, "height": 900}, reduced_motion=motion)
        tab = context.new_page()
        tab.goto(pages("cover"))
        tab.wait_for_selector(".gd-figure[data-ready]")
        drawn = tab.locator(".gd-figure")
        if plays:
            tab.wait_for_selector(".gd-playing", timeout=3000)
            assert state_of(drawn)["step"] < last
            tab.wait_for_selector(".gd-scrubber:not(.gd-playing)", timeout=8000)
        tab.wait_for_timeout(300)
        assert drawn.locator(".gd-playing").count() == 0 and state_of(drawn)["step"] == last
        context.close()
