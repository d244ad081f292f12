"""Texts that name what is shown."""

import pytest

from gdcourse.explore.template import fields_of, fill

NUMBERS = {("loss", ()): 0.012345, ("step", ()): 12.0, ("gone", ()): float("nan"), ("path", ("t",)): -3.5}
TEXTS = {"words": ["first", "second"]}


def filled(template):
    return fill(template, {"lr": "0.1"}, lambda name, at: NUMBERS[name, at], TEXTS)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("plain", "plain"),
        ("η = {lr}: loss {loss}", "η = 0.1: loss 0.0123"),
        ("{loss:.1e}", "1.2e−02"),
        ("{loss:.1%}", "1.2%"),
        ("at step {step:d}", "at step 12"),
        ("{path@t:.1f}", "−3.5"),
    ],
)
def test_fields_are_filled(template, text):
    assert filled(template) == text


def test_a_number_as_a_position_in_a_list_of_texts():
    assert fill("{step|words}", {}, lambda *_: 1.0, TEXTS) == "second"


def test_a_text_that_names_a_missing_number_is_not_there():
    assert filled("diverged at step {gone:d}") is None
    assert filled("{loss} and {gone}") is None
    assert filled("{step:?}there") == "there" and filled("{gone:?}not there") is None


def test_an_infinite_number_is_not_there_either():
    assert fill("{x}", {}, lambda *_: float("inf"), {}) is None


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{loss", "a brace that opens no field"),
        ("{loss:>10}", "format '>10' is not one of"),
        ("{}", "a brace"),
    ],
)
def test_what_only_python_would_understand_is_refused(template, message):
    with pytest.raises(ValueError, match=message):
        fields_of(template)
