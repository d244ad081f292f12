"""The box of a verdict: its numbers are formulas."""

import sys
from pathlib import Path

import pytest
from docutils import nodes

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "book" / "_ext"))
import claims_ext


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("0.02", "0.02"),
        ("1e−09", "10^{-9}"),
        ("3.2e−16", r"3.2 \cdot 10^{-16}"),
        ("1e+03", "10^{3}"),
        ("−5", "-5"),
        ("inf", r"\infty"),
    ],
)
def test_a_number_as_decide_prints_it(text, tex):
    assert claims_ext.number(text) == tex


def test_number_sign_and_bound_are_one_formula():
    what, formula, rest = claims_ext.compared("gap to $v_t$'s path: 0.31 > 0.02, margin ×15")[-3:]
    assert isinstance(formula, nodes.math) and formula.astext() == "0.31 > 0.02"
    assert rest.astext() == ", margin ×15" and what.astext() == "'s path: "


def test_of_a_rounding_error_the_bound_alone_is_told():
    formula = claims_ext.compared("largest gap: under 1e−9 ≤ 1e−12, margin over ×100")[1]
    assert formula.astext() == r"\le 10^{-12}"


def test_what_is_no_comparison_stays_text():
    assert [node.astext() for node in claims_ext.compared("at η = 0.01: 0.14")] == ["at η = 0.01: 0.14"]


def test_what_a_cell_prints_after_its_verdict_is_not_a_part_of_it():
    lines = [
        "before",
        "The talk: it",
        "          holds.",
        "Verdict:  holds. So.",
        "Counter:  other: 2",
        "after it",
    ]
    assert claims_ext.end_of_verdict(lines, 1) == 5
    assert claims_ext.end_of_verdict(lines[:5], 1) == 5
