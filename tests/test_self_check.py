"""Exercises that check, where readers meet them: notebooks, the built pages, and what a browser keeps."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import nbformat
import plain  # scripts/plain.py
import pytest
from axe_playwright_python.sync_playwright import Axe

import gdcourse as gd
from gdcourse import exercises
from gdcourse.exercises import Choice, MissingLine, Number, WholeRule
from tests.browsing import Visit
from tests.exercises.right_answers import RIGHT
from tests.test_workbench import LOADS, WIDE

ROOT = Path(__file__).resolve().parents[1]
ALL = [one for name in exercises.CHAPTERS for one in exercises.chapter(name)]
PAGE = "book/momentum"
BEGUN = ".gd-check[data-ready]"
FREE = "name => !document.querySelector(`[data-name='${name}'] [data-do=check]`).disabled"
RIGHT_RULE = """class Mine(gd.Rule):
    def __init__(self, lr, gamma=0.9):
        self.lr, self.gamma = lr, gamma

    def init(self, theta, zeros):
        return {"v": zeros}

    def step(self, theta, grad, state, at):
        v = self.gamma * state["v"] + self.lr * grad
        return theta - v, {"v": v}
"""
TWICE = RIGHT_RULE.replace("theta - v", "theta - self.lr * v")


# -------------------------------------------------------------------------------------------- in notebooks


def cells_of(chapter: str) -> list[nbformat.NotebookNode]:
    notebook = nbformat.read(ROOT / "book" / f"{chapter}.ipynb", as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def name_of(cell: nbformat.NotebookNode) -> str:
    return cell.metadata.get("gdcourse", {}).get("exercise", "")


@pytest.mark.parametrize("chapter", exercises.CHAPTERS)
def test_a_notebook_holds_each_exercise_with_an_open_stub(chapter):
    cells = [cell for cell in cells_of(chapter) if name_of(cell)]
    assert [name_of(cell) for cell in cells] == [one.name for one in exercises.chapter(chapter)]
    assert len(cells) >= 3
    for cell in cells:
        assert cell.outputs[0].data["text/plain"].startswith("Open. "), cell.source


@pytest.mark.parametrize("chapter", exercises.CHAPTERS)
def test_no_cell_below_takes_the_name_of_an_answer_for_its_own(chapter):
    cells = cells_of(chapter)
    first = next(i for i, cell in enumerate(cells) if name_of(cell))
    for cell in cells[first:]:
        if not name_of(cell) and not cell.source.startswith("%"):
            names = {node.id for node in ast.walk(ast.parse(cell.source)) if isinstance(node, ast.Name)}
            assert not names & {"mine", "Mine"}, cell.source


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_its_cell_checks_a_right_answer(one):
    cell = next(cell for cell in cells_of(one.name.split(".")[0]) if name_of(cell) == one.name)
    names = {"gd": gd}
    stub, check = cell.source.rsplit("\n\n", 1)
    exec(stub, names)
    assert not eval(check, names).answered
    names["Mine" if isinstance(one, WholeRule) else "mine"] = RIGHT[one.name][0]
    assert eval(check, names).right
    exercises.forget()


# -------------------------------------------------------------------------------------------- in the pages


def opened(browser, address, page=PAGE, scheme="light", width=1280):
    visit = Visit(browser, address, page, scheme, width)
    visit.tab.wait_for_selector(BEGUN, timeout=15_000, state="attached")
    return visit


@pytest.fixture(scope="module")
def tab(browser, guarded):
    """One page that stays open, so that Python is loaded once."""
    with opened(browser, guarded) as visit:
        yield visit.tab


def card(tab, name):
    return tab.locator(f"[data-name='{name}']")


def checked(tab, name, answer=None) -> str:
    """Give an answer, press the button, and give back what is said."""
    if answer is not None:
        card(tab, name).locator("textarea, input[type=text]").fill(answer)
    card(tab, name).locator("[data-do=check]").click()
    return said(tab, name)


def said(tab, name) -> str:
    tab.wait_for_function(FREE, arg=name, timeout=LOADS)
    return card(tab, name).locator(".gd-check-says").inner_text()


def test_every_page_has_its_exercises(site):
    for name in exercises.CHAPTERS:
        text = (site / "book" / f"{name}.html").read_text(encoding="utf-8")
        assert re.findall(r'data-name="([\w.]+)"', text) == [one.name for one in exercises.chapter(name)]
        assert "self_check.js" in text and "python.js" in text


def test_no_solution_stands_in_a_page(site):
    for one in ALL:
        text = (site / "book" / f"{one.name.split('.')[0]}.html").read_text(encoding="utf-8")
        start = text.index(f'data-name="{one.name}"')
        there = text[start : text.index("</noscript>", start)]
        if isinstance(one, Number | Choice):
            assert "data-right" not in there
        else:
            for line in one.right.splitlines():
                assert f">{line}<" not in there and f"\n    {line}\n" not in there, one.name


def test_a_wrong_rule_is_told_what_is_wrong_and_a_right_one_is_kept(tab):
    name = "momentum.heavy_ball"
    assert "dots" in checked(tab, name)
    assert card(tab, name).get_attribute("data-state") == ""
    told = checked(tab, name, TWICE)
    assert told.startswith("Not yet. η is inside v already")
    assert "First difference at t = 1" in told and "Hint 1 of 2" in told
    assert "Hint 2 of 2" in checked(tab, name, TWICE)
    assert checked(tab, name, RIGHT_RULE).startswith("Right.")
    assert checked(tab, name, TWICE).startswith("Not yet.")
    assert card(tab, name).get_attribute("data-state") == "solved"  # once solved, always
    tab.reload()
    tab.wait_for_selector(BEGUN, state="attached")
    assert card(tab, name).locator("textarea").input_value() == TWICE
    assert "solved" in card(tab, name).inner_text()
    card(tab, name).locator("[data-do=again]").click()
    assert "v = ..." in card(tab, name).locator("textarea").input_value()


def test_a_line_and_a_number(tab):
    assert "First difference" in checked(tab, "momentum.at_change", "b * eta")
    assert checked(tab, "momentum.at_change", "b * eta_old / eta").startswith("Right.")
    assert checked(tab, "momentum.steady", "1/(1 − 0.9)").startswith("Right.")
    assert checked(tab, "momentum.steady", "ten").startswith("Open.")


BAD = {
    "a loop without an end": ("while True:\n    pass", "Stopped after 5 s"),
    "a syntax error": ("class Mine(gd.Rule)\n    pass", "Open."),
    "an import of what is not there": ("import torch\n" + RIGHT_RULE, "Not yet."),
    "much that is printed": ("print('x' * 1_000_000)\n" + RIGHT_RULE, "Right."),
    "a way out": ("import js\n" + RIGHT_RULE, "Not yet."),
}


@pytest.mark.parametrize("what", BAD)
def test_what_students_write_harms_nobody(tab, what):
    text, says = BAD[what]
    told = checked(tab, "momentum.heavy_ball", text)
    assert told.startswith(says) and len(told) < 2000, told
    assert checked(tab, "momentum.steady", "10").startswith("Right.")


def test_a_loop_in_one_card_stops_its_own_check_alone(tab):
    card(tab, "momentum.heavy_ball").locator("textarea").fill("while True:\n    pass")
    card(tab, "momentum.steady").locator("input").fill("10")
    for name in ("momentum.heavy_ball", "momentum.steady", "momentum.at_change"):
        card(tab, name).locator("[data-do=check]").click()
    assert card(tab, "momentum.steady").locator(".gd-check-says").inner_text().startswith("Waits")
    card(tab, "momentum.at_change").locator("[data-do=stop]").click()
    assert said(tab, "momentum.at_change") == "Stopped."
    assert said(tab, "momentum.heavy_ball").startswith("Stopped after 5 s")
    assert said(tab, "momentum.steady").startswith("Right.")


def test_the_loading_can_be_stopped_and_begun_again(browser, guarded):
    with opened(browser, guarded) as visit:
        tab = visit.tab
        card(tab, "momentum.steady").locator("input").fill("10")
        tab.route("**/gdcourse.zip", lambda route: None)  # never comes
        card(tab, "momentum.steady").locator("[data-do=check]").click()
        card(tab, "momentum.steady").locator("[data-do=stop]").click()
        assert said(tab, "momentum.steady") == "Stopped."
        tab.unroute("**/gdcourse.zip")
        assert checked(tab, "momentum.steady").startswith("Right.")


def test_without_a_network_it_says_so_and_may_be_tried_again(browser, guarded):
    with opened(browser, guarded) as visit:
        tab = visit.tab
        visit.context.set_offline(True)
        assert "Is there a network?" in checked(tab, "momentum.steady", "10")
        visit.context.set_offline(False)
        assert checked(tab, "momentum.steady").startswith("Right.")


def test_what_is_solved_in_one_tab_stays_solved_in_another(browser, guarded):
    with opened(browser, guarded) as visit:
        other = visit.context.new_page()
        other.goto(f"{guarded}/{PAGE}.html")
        other.wait_for_selector(BEGUN, state="attached")
        assert checked(visit.tab, "momentum.steady", "10").startswith("Right.")
        card(other, "momentum.steady").locator("input").fill("9")
        assert card(other, "momentum.steady").get_attribute("data-state") == "solved"
        assert "solved" in other.evaluate("localStorage.getItem('gd-exercise:momentum.steady')")


REFUSED = """Object.defineProperty(window, "localStorage", {
    get() { throw new DOMException("refused", "SecurityError"); },
})"""


def test_a_browser_that_keeps_nothing_is_told_so(browser, guarded):
    context = browser.new_context()
    context.add_init_script(REFUSED)
    tab = context.new_page()
    tab.goto(f"{guarded}/book/progress.html")
    assert tab.inner_text(".gd-progress-says").startswith("This browser keeps nothing")
    tab.click("[data-do=delete]")
    assert tab.inner_text(".gd-progress-says") == "Nothing to delete."
    context.close()


def test_by_keyboard_alone(tab):
    field = card(tab, "momentum.steady").locator("input")
    field.focus()
    tab.keyboard.press("Control+a")
    tab.keyboard.type("9")
    tab.keyboard.press("Enter")
    assert "counts the memory alone" in said(tab, "momentum.steady")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.dataset.do") == "check"
    editor = card(tab, "momentum.heavy_ball").locator("textarea")
    editor.focus()
    tab.keyboard.press("Control+Enter")
    said(tab, "momentum.heavy_ball")
    before = editor.input_value()
    tab.keyboard.press("Tab")
    assert len(editor.input_value()) == len(before) + 4
    tab.keyboard.press("Escape")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.tagName") == "BUTTON"


def test_a_choice_by_keyboard(browser, guarded):
    name = "radam.scale"
    with opened(browser, guarded, "book/radam") as visit:
        tab = visit.tab
        card(tab, name).locator("input").first.focus()
        tab.keyboard.press("Space")
        assert "nothing divides the scale away" in checked(tab, name)
        tab.reload()
        tab.wait_for_selector(BEGUN, state="attached")
        assert card(tab, name).locator("input").first.is_checked()


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1280)])
def test_cards_fit_and_can_be_read(browser, guarded, scheme, width):
    with opened(browser, guarded, scheme=scheme, width=width) as visit:
        assert visit.tab.evaluate(WIDE) <= 0
        result = Axe().run(visit.tab, context=".gd-checks")
        assert result.violations_count == 0, result.generate_report()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("chapter", exercises.CHAPTERS)
def test_every_exercise_of_every_page(browser, guarded, chapter, width, scheme):
    with opened(browser, guarded, f"book/{chapter}", scheme, width) as visit:
        tab = visit.tab
        for one in exercises.chapter(chapter):
            right = next((str(x) for x in RIGHT[one.name] if isinstance(x, str | float | int)), None)
            if isinstance(one, Choice):
                card(tab, one.name).locator(f"input[value={one.right}]").check()
                assert checked(tab, one.name).startswith("Right."), one.name
            elif right is not None:
                assert checked(tab, one.name, right).startswith("Right."), one.name
            if isinstance(one, MissingLine):
                assert checked(tab, one.name, one.wrong[0].answer).startswith("Not yet."), one.name
        assert tab.evaluate(WIDE) <= 0


def test_nothing_is_loaded_before_a_click(browser, guarded, asked):
    asked.clear()
    with opened(browser, guarded, "book/adam"):
        assert not [path for path in asked if "/_static/python-" in path]


def test_from_a_file_a_page_says_what_it_needs(browser, site):
    context = browser.new_context()
    tab = context.new_page()
    tab.goto(f"file://{site}/{PAGE}.html")
    tab.wait_for_selector(BEGUN, state="attached")
    assert "make serve" in card(tab, "momentum.steady").inner_text()
    assert card(tab, "momentum.steady").locator("[data-do=check]").is_disabled()
    context.close()


# ------------------------------------------------------------------------------------- what a browser keeps


SAYS = "words => document.querySelector('.gd-progress-says').textContent.includes(words)"


def counts(tab) -> dict[str, list[str]]:
    rows = tab.locator(".gd-progress tbody tr").all()
    return {row.locator("th").inner_text(): row.locator("td").all_inner_texts() for row in rows}


def test_progress_is_shown_saved_deleted_and_loaded_again(browser, guarded, tmp_path):
    with opened(browser, guarded) as visit:
        tab = visit.tab
        checked(tab, "momentum.steady", "10")
        checked(tab, "momentum.overshoot", "0.9")
        question = tab.locator(".gd-ask").first
        question.locator(".gd-answer.wrong").first.locator("summary").click()
        question.locator(".gd-answer.right summary").click()
        tab.goto(f"{guarded}/book/progress.html")
        title = plain.title_of("momentum")
        assert counts(tab)[title][0] == "1 of 5, 1 tried" and counts(tab)[title][1].startswith("1 of ")
        assert set(counts(tab)) >= {plain.title_of(name) for name in exercises.CHAPTERS}
        assert "2 of" in tab.inner_text(".gd-progress-says")

        with tab.expect_download() as download:
            tab.click("[data-do=export]")
        saved = tmp_path / "progress.json"
        download.value.save_as(saved)
        kept = json.loads(saved.read_text())
        assert kept["gd-exercise:momentum.steady"] == {"state": "solved", "tries": 0, "answer": "10"}

        tab.evaluate("localStorage.setItem('another', 'stays')")
        tab.once("dialog", lambda dialog: dialog.dismiss())
        tab.click("[data-do=delete]")
        assert counts(tab)[title][0] == "1 of 5, 1 tried"
        tab.once("dialog", lambda dialog: dialog.accept())
        tab.click("[data-do=delete]")
        assert counts(tab)[title] == ["0 of 5", counts(tab)[title][1]] and counts(tab)[title][1][0] == "0"
        assert tab.evaluate("localStorage.getItem('another')") == "stays"

        for text in ("no JSON", "[1, 2]", '{"another": {"state": "solved"}}'):
            (tmp_path / "bad.json").write_text(text)
            tab.set_input_files(".gd-progress input", tmp_path / "bad.json")
            tab.wait_for_function(SAYS, arg="nothing was changed")
            assert tab.evaluate("localStorage.getItem('another')") == "stays"
            tab.evaluate("document.querySelector('.gd-progress-says').textContent = ''")
        tab.set_input_files(".gd-progress input", saved)
        tab.wait_for_function(
            "() => document.querySelector('.gd-progress-says').textContent.startsWith('2 of')"
        )
        assert counts(tab)[title][0] == "1 of 5, 1 tried"
