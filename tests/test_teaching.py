"""A page teaches: it shows first, its code is the idea, its questions are answered by what was measured."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import plain  # scripts/plain.py
import pytest
import reading  # scripts/reading.py
from docutils import nodes
from docutils.utils import new_document

import gdcourse as gd
from tests.browsing import a_few_of

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted((ROOT / "book" / "src").glob("*.md"))
NOT_CHAPTERS = {"intro", "checks", "errata", "verdicts"}
CHAPTERS = [path.stem for path in SOURCES if path.stem not in NOT_CHAPTERS]
METHODS = [page for page in CHAPTERS if page in {name.lower() for name in gd.METHODS}]
SHOWN_LINES = 60

sys.path.insert(0, str(ROOT / "book" / "_ext"))
import teaching  # noqa: E402


def asked(text: str) -> list[tuple[str, str]]:
    """Each question's name, and the answer that the text itself marks, if any."""
    found = re.findall(r"^:::\{ask\} ([\w-]+)\n(?::answer: (\w)\n)?", text, re.M)
    return [(name, letter) for name, letter in found]


# ------------------------------------------------------------------------------------------- the chapters


def test_there_are_method_chapters():
    assert len(METHODS) >= 7


@pytest.mark.parametrize("page", CHAPTERS)
def test_a_chapter_opens_with_a_picture_to_play_with(page):
    text = reading.text_of(page)
    before = text[: text.index("```{code-cell}")]
    options, code = reading.cells(text)[0]
    assert ("explore." in code or "alt:" in options) and reading.is_folded(options), code
    opening = re.sub(r"\A---\n.*?\n---\n", "", before, flags=re.S)
    assert len(opening.split()) <= 110, f"{len(opening.split())} words stand before the picture"
    assert re.search(r"^\*\*[^*]+\?\*\*", opening, re.M), "no question stands above the picture"
    assert "\n## " not in opening


@pytest.mark.parametrize("page", CHAPTERS)
def test_a_chapter_has_its_frame_and_what_to_keep(page):
    text = reading.text_of(page)
    frame = re.search(r"^:::\{frame\}[^\n]*\n(.*?)^:::$", text, re.M | re.S)
    assert frame and 2 <= frame[1].count("\n- ") + frame[1].startswith("- ") <= 5
    keep = re.search(r"^:::\{keep\}\n(.*?)^:::$", text, re.M | re.S)
    assert keep and len(re.findall(r"^\d\. ", keep[1], re.M)) == 3


@pytest.mark.parametrize("page", METHODS)
def test_what_a_method_chapter_shows_of_its_code_is_the_idea(page):
    shown = reading.shown_code(reading.text_of(page))
    assert len(shown) <= SHOWN_LINES, f"{len(shown)} lines of code are in view: fold what is not the idea"


@pytest.mark.parametrize("page", CHAPTERS)
def test_a_chapter_asks_before_it_measures(page):
    text = reading.text_of(page)
    questions = asked(text)
    assert len({name for name, _ in questions}) == len(questions)
    measured = [name for name, letter in questions if not letter]
    assert len(measured) >= 1 and len(questions) - len(measured) >= 3, questions
    for name in measured:
        asks, says = text.index(f"{{ask}} {name}\n"), re.search(rf'answer\(\s*"{name}",', text)
        assert says and says.start() > asks, f"a cell below the question must compute the answer to {name}"
        assert not re.match(r'answer\(\s*"[\w-]+",\s*"\w"\s*\)', text[says.start() :]), (
            f"{name}: the answer is written, not computed"
        )


@pytest.mark.parametrize("page", CHAPTERS)
def test_the_answers_are_not_all_the_same_letter(page):
    letters = [letter for _, letter in asked(reading.text_of(page)) if letter]
    assert len(letters) < 3 or len(set(letters)) > 1


@pytest.mark.parametrize("page", [page for page in CHAPTERS if "{exercise-start}" in reading.text_of(page)])
def test_an_exercise_says_how_hard_and_how_long_and_has_a_hint(page):
    for match in re.finditer(
        r"\{exercise-start\} ([^\n]*)\n(.*?)\{exercise-end\}", reading.text_of(page), re.S
    ):
        assert reading.LEVEL.search(match[2]), f"{match[1]}: how hard, and how many minutes?"
        assert re.search(r"\{admonition\} (A|Another) hint\n:class: dropdown", match[2]), (
            f"{match[1]}: no hint"
        )


@pytest.mark.parametrize("page", CHAPTERS)
def test_a_chapter_has_no_table_of_verdicts_and_no_box_on_its_slides(page):
    text = reading.text_of(page)
    assert "{claims}" not in text and "{admonition} On the slide" not in text


@pytest.mark.parametrize("page", CHAPTERS)
def test_no_output_is_a_bare_true(page):
    import nbformat

    for cell in nbformat.read(ROOT / "book" / f"{page}.ipynb", as_version=4).cells:
        for output in cell.get("outputs", []):
            text = output.get("text", "") or output.get("data", {}).get("text/plain", "")
            assert not re.search(r"^(True|False)$", text, re.M), cell.source[:80]


# ---------------------------------------------------------------------------------------------- on the site


@pytest.mark.parametrize("page", a_few_of(CHAPTERS))
def test_the_picture_stands_in_the_first_screen(browser, site, page):
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.goto((site / "book" / f"{page}.html").as_uri())
    top = tab.locator("figure.gd-figure, .cell_output img").first.evaluate(
        "e => e.getBoundingClientRect().top + scrollY"
    )
    tab.close()
    assert top <= 480, f"the picture begins {top:.0f} px down"


def test_an_answer_opens_by_keyboard_and_says_in_a_word_whether_it_is_right(browser, site):
    tab = browser.new_page(java_script_enabled=False)  # the page needs no script for it
    tab.goto((site / "book" / "momentum.html").as_uri())
    question = tab.locator("#ask-momentum-digits")
    right, wrong = question.locator("details.right"), question.locator("details.wrong")
    assert right.count() == 1 and wrong.count() == 2
    assert not right.locator(".gd-mark").is_visible()
    right.locator("summary").focus()
    tab.keyboard.press("Enter")
    assert right.locator(".gd-mark").inner_text() == "✓ Right."
    wrong.first.locator("summary").click()
    assert wrong.first.locator(".gd-mark").inner_text() == "✗ Not so."
    tab.close()


def test_the_whole_title_of_a_solution_opens_it(browser, site):
    tab = browser.new_page()
    tab.goto((site / "book" / "momentum.html").as_uri())
    solution = tab.locator("div.solution").first
    title, inside = solution.locator("p.admonition-title"), solution.locator("section").first
    assert not inside.is_visible()
    box = title.bounding_box()
    title.click(position={"x": min(160, box["width"] / 2), "y": box["height"] / 2})  # where the words are
    inside.wait_for(state="visible", timeout=5_000)
    assert "#" not in tab.url
    tab.close()


def test_the_line_of_the_answer_is_for_notebooks_alone(site):
    for page in CHAPTERS:
        assert "The answer to" not in (site / "book" / f"{page}.html").read_text(encoding="utf-8")
        if [name for name, letter in asked(reading.text_of(page)) if not letter]:
            assert "The answer to" in (ROOT / "book" / f"{page}.ipynb").read_text(encoding="utf-8")


# ------------------------------------------------------------------------------------------- the mechanisms


def page_with(question_right: str, printed: str) -> nodes.document:
    document = new_document("page")
    question = teaching.ask(name="some-name", right=question_right, recall=bool(question_right), ids=["x"])
    for letter in "abc":
        answer = teaching.ask_answer(name="some-name", letter=letter)
        answer += teaching.ask_summary("", letter)
        question += answer
    output = nodes.container("", nodes.literal_block(printed, printed, classes=["output", "stream"]))
    document += [question, nodes.container("", output, classes=["cell"])]
    return document


class App:
    class env:
        docname = "page"


def test_the_cell_says_which_answer_is_right(caplog):
    document = page_with("", "gap 0.1\nThe answer to some-name is (b).\n")
    teaching.mark_answers(App, document)
    assert [answer["is_right"] for answer in document.findall(teaching.ask_answer)] == [False, True, False]
    assert [block.astext() for block in document.findall(nodes.literal_block)] == ["gap 0.1"]


def test_an_output_that_only_answers_leaves_nothing_behind():
    document = page_with("", "The answer to some-name is (c).\n")
    teaching.mark_answers(App, document)
    assert not list(document.findall(nodes.literal_block))


@pytest.mark.parametrize(
    ("marked", "printed", "complaint"),
    [
        ("", "nothing", "no cell says which answer to 'some-name' is right"),
        ("", "The answer to some-name is (e).", "no cell says which answer to 'some-name' is right"),
        ("a", "The answer to another is (b).", "answers 'another', which nobody asked"),
    ],
)
def test_a_question_without_answer_and_an_answer_without_question_are_warned_of(
    marked, printed, complaint, monkeypatch
):
    said = []
    monkeypatch.setattr(teaching.log, "warning", lambda text, *values, **_: said.append(text % values))
    teaching.mark_answers(App, page_with(marked, printed))
    assert any(complaint in line for line in said), said


def test_a_folded_check_tells_its_number_in_the_line_above():
    document = new_document("page")
    printed = "the same path\nMeasured: largest gap over\n          100 steps: 4e−16 ≤ 1e-12, margin"
    cell = nodes.container(hide_mode="all", prompt_show="as torch", prompt_hide="as torch")
    cell += nodes.literal_block(printed, printed, classes=["output", "stream"])
    document += cell
    teaching.tell_in_the_fold(App, document)
    assert cell["prompt_show"] == "as torch: largest gap over 100 steps 4e−16"


TEXT = """---
x: y
---
# Title

Some {words} here, four more words.

```{code-cell} ipython3
:fold: what it shows
import a
```

```{code-cell} ipython3
---
mystnb:
  image:
    alt: "A picture of it."
---
one = 1

two = 2
```

```{code-cell} ipython3
:only: notebook
in_the_notebook = 4
```

```{exercise-start} One
:label: one
```

*Hard, 40 minutes.*

Do it.

```{exercise-end}
```

```{solution-start} one
:class: dropdown
```

```{code-cell} ipython3
hidden = 3
```

```{solution-end}
```
"""


def test_what_is_counted_of_a_page():
    assert reading.shown_code(TEXT) == ["one = 1", "two = 2"]
    assert reading.pictures(TEXT) == 1
    assert reading.words(TEXT) == 8  # "#", the title, and the paragraph
    assert reading.minutes_of_exercises(TEXT) == 40
    assert reading.in_words(TEXT) == "About 5 minutes, and 40 for the exercises."


def test_longer_pages_take_longer():
    ten, thirty = (TEXT + n * reading.WORDS_A_MINUTE * "word " for n in (10, 30))
    assert reading.minutes(thirty) == reading.minutes(ten) + 20


def test_a_question_in_a_notebook_is_read_without_its_answers():
    text = ":::{ask} some-name\n\nWhich?\n\nThis one\n: Because $x$.\n\nThat one\n: Not so,\n  by far.\n:::\n"
    made = plain.Reader("momentum").markdown(text)
    question, fold = made.split("<details>")
    assert (
        "> **Before you look**" in question and "> - (a) This one" in question and "(b) That one" in question
    )
    assert "Because" not in question
    assert "(a) Because $x$." in fold and "(b) Not so, by far." in fold
    assert "Which one is right, the experiment says." in fold
    marked = plain.Reader("momentum").markdown(text.replace("some-name\n", "some-name\n:answer: b\n"))
    assert "Right is (b)." in marked


def test_a_frame_in_a_notebook_has_links_and_minutes():
    made = plain.Reader("momentum").markdown(":::{frame} nesterov, adam\n- say it;\n- do it.\n:::\n")
    assert "> - say it;" in made and "nesterov.html" in made and "About " in made


def test_the_package_runs_a_folded_cell_as_any_other():
    """Folding is of the page alone: in the notebook the code is there, in the order of the text."""
    import nbformat

    source = reading.text_of("momentum")
    stored = nbformat.read(ROOT / "book" / "momentum.ipynb", as_version=4)
    folded = [cell for cell in stored.cells if cell.metadata.get("fold")]
    assert len(folded) == len(re.findall(r"^:?fold: ", source, re.M)) > 5
    assert all(cell.metadata["jupyter"]["source_hidden"] for cell in folded)
    assert all(cell.source.strip() for cell in folded)
    compile("\n".join(cell.source for cell in folded), "momentum", "exec")


def test_the_count_of_shown_lines_is_a_command_away():
    done = subprocess.run(
        [sys.executable, "scripts/reading.py", "momentum"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0 and "momentum" in done.stdout, done.stderr
