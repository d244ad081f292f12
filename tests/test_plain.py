"""A notebook in its plain form: no MyST is left in it, and nothing that the MyST said is lost."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import notebooks as builder  # scripts/notebooks.py
import plain  # scripts/plain.py
import pytest
from nbconvert import HTMLExporter

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
MYST = re.compile(
    r"^[:`]{3,}\{|^:{3,}|(?<!`)\{[\w:+-]+\}(`|<code>)|^(<p>)?\([\w-]+\)=|^(<p>)?:(label|class|tags|name):",
    re.M,
)


def of(text: str, page: str = "momentum") -> str:
    """A text in its plain form, as one Markdown cell."""
    return plain.Reader(page).markdown(text)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_no_directive_role_or_label_is_left(path):
    for i, cell in enumerate(nbformat.read(path, as_version=4).cells):
        if cell.cell_type == "markdown":
            found = MYST.search(re.sub(r"^```\w*\n.*?^```$", "", cell.source, flags=re.M | re.S))
            assert not found, f"cell {i}: {cell.source[found.start() :][:80]!r}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_rendered_as_a_notebook_it_shows_none_either(path):
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.cell_type == "markdown"]
    body, _ = HTMLExporter(template_name="basic").from_notebook_node(notebook)
    found = MYST.search(body)
    assert not found, body[max(0, found.start() - 40) : found.end() + 80]


def test_the_pattern_finds_what_a_notebook_must_not_show():
    for bad in (":::{note}", "see {cite:t}`polyak1964`", "(slide-22)=", ":label: x", "```{claims}", ":::"):
        assert MYST.search(bad), bad
    for good in ("a set {1, 2} of `names`", "(see below)", "in Python: `x`", "`{name}`"):
        assert not MYST.search(good), good


def test_citations_are_names_years_and_links():
    assert (
        of("{cite:t}`polyak1964` found")
        == "[Polyak (1964)](https://doi.org/10.1016/0041-5553(64)90137-5) found"
    )
    two = of("so {cite:p}`polyak1964,goh2017`.")
    assert two.startswith("so ([Polyak, 1964](") and "; [Goh, 2017](" in two and two.endswith(").")
    assert of("{cite:t}`zhang2019`").startswith("[Zhang et al. (2019)](")


def test_every_work_can_be_cited():
    for key, work in plain.bibliography().items():
        assert work.fields.get("year", "") in plain.cited(key, True), key
        assert not re.search(r"[{}\\]", plain.cited(key, True)), key


def test_labels_and_targets_become_numbers_and_links():
    assert of("(slide-22)=\n# Momentum\n\nText.") == "# Momentum\n\nText."
    numbered = of("$$\na = b\n$$ (eq-momentum)\n\nsee {eq}`eq-momentum`")
    assert numbered == "$$\na = b \\tag{1}\n$$\n\nsee (1)"
    other = of("{eq}`eq-momentum`", "adam")
    assert other.startswith("[(1) of Momentum](") and other.endswith("momentum.html#equation-eq-momentum)")
    assert of("{doc}`the conclusion <conclusion>`").endswith("book/conclusion.html)")
    assert "[Momentum](" in of("{doc}`momentum`", "adam")


def test_admonitions_are_quotes_and_dropdowns_are_folds():
    quote = of(":::{admonition} A head\nOne.\n\nTwo {doc}`momentum`.\n:::")
    assert quote.startswith("> **A head**\n>\n> One.\n>\n> Two [") and MYST.search(quote) is None
    fold = of(":::{admonition} A head\n:class: dropdown\nOne.\n:::\n\nAfter.")
    assert fold == "<details>\n<summary>A head</summary>\n\nOne.\n\n</details>\n\nAfter."


def test_solutions_are_folded_across_cells_and_exercises_keep_their_titles():
    reader = plain.Reader("momentum")
    first = reader.markdown(
        "```{exercise-start} Ten times\n:label: momentum-x\n```\n\nDo it.\n\n```{exercise-end}\n```\n\n"
        "```{solution-start} momentum-x\n:class: dropdown\n```\n\nLike this."
    )
    assert first.startswith(
        "### Exercise 1: Ten times\n\nDo it.\n\n<details>\n<summary>Solution</summary>\n\nLike this."
    )
    assert reader.solution
    assert (
        reader.markdown("And so on.") == "<details>\n<summary>Solution</summary>\n\nAnd so on.\n\n</details>"
    )
    last = reader.markdown("```{solution-end}\n```\n\n## Next")
    assert last == "## Next" and not reader.solution


def test_code_is_left_as_it_is():
    code = "```python\n(a)=\n:::{note}\n$$x$$ (eq-momentum)\n```"
    assert of(code) == code


def test_the_claims_are_a_table_with_verdicts():
    table = of(":::{claims} momentum\n:::")
    assert table.count("\n| ") == sum(c.chapter == "momentum" for c in plain.ledger().values())
    assert "| **holds if** |" in table


def test_what_has_no_plain_form_is_an_error():
    with pytest.raises(plain.PlainError, match=r"momentum.md: the directive \{figure\}"):
        of(":::{figure} x.png\n:::")
    with pytest.raises(plain.PlainError, match=r"the role \{kbd\}"):
        of("{kbd}`x`")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_its_code_is_the_code_of_the_text_in_the_same_order(path):
    def code(notebook):
        return [
            cell.source
            for cell in notebook.cells
            if cell.cell_type == "code" and "exercise" not in cell.metadata.get("gdcourse", {})
        ]

    full = builder.read_source(path.parent / "src" / f"{path.stem}.md")
    assert code(plain.plain_notebook(path.stem, full)) == code(full)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_set_up_and_solutions_are_folded_and_the_notebook_leads_on(path):
    cells = nbformat.read(path, as_version=4).cells
    setup = next(cell for cell in cells if cell.cell_type == "code")
    assert setup.metadata.jupyter.source_hidden and cells.index(setup) == 1
    assert cells[0].source.count("\n\n") <= 1, "the set-up cell comes after the first paragraph"
    names = re.findall(r"\]\((\w+)\.ipynb\)", cells[-1].source)
    order = plain.chapters()
    expected = order[1:] if path.stem == order[0] else order[order.index(path.stem) + 1 :][:1]
    assert names == expected
    assert plain.address(path.stem) in cells[-1].source
