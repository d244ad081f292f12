"""Texts of the figures at all their states: the page writes what Python computed, in every digit, and a
caption takes its numbers from the state."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from gdcourse.explore import SIGNATURES, Figure
from gdcourse.explore.pack import pack
from gdcourse.explore.template import FIELD
from tests.browsing import a_few_of
from tests.explore.made import made, states

HERE = Path(__file__).parent
NAMES = list(SIGNATURES)
LONGEST = 45  # words of a caption


@cache
def sampled(name: str) -> list[dict[str, int]]:
    return states(made(name))


def compared(folder: Path, figure: Figure, at: list[dict[str, int]], told: bool = True) -> dict:
    """How many texts the page's own fill writes at some states, how many otherwise than Python, and some.

    ``told`` : whether the page has the digits of what texts print; else the quantised numbers, as if drawn.
    """
    node = shutil.which("node")
    if node is None:
        reason = "no node on PATH (`make test` installs it on Debian where it has the right to)"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    payload, spec = figure.packed()
    if not told:
        payload, spec["arrays"] = pack(figure.arrays, dict(figure.encoding))
    templates = list(dict.fromkeys(text for text, _ in figure.texts_of_parts if "{" in text))
    expected = [[figure.fill(text, figure.arrays, state) for text in templates] for state in at]
    fixture = {"spec": spec, "payload": payload, "templates": templates, "states": at, "expected": expected}
    (folder / "fixture.json").write_text(json.dumps(fixture))
    module = folder / "gdcourse" / "explore" / "explore.mjs"  # Node takes it for a module by its name
    module.parent.mkdir(parents=True)
    shutil.copy(HERE.parents[1] / "gdcourse" / "explore" / "explore.js", module)
    script = folder / "tests" / "explore" / "texts.test.mjs"
    script.parent.mkdir(parents=True)
    script.write_text((HERE / "texts.test.mjs").read_text().replace("explore.js", "explore.mjs"))
    done = subprocess.run(
        [node, str(script)],
        env={**os.environ, "FIXTURE": str(folder / "fixture.json")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", a_few_of(NAMES))
def test_what_the_page_prints_is_what_was_computed_in_every_digit(tmp_path, name):
    found = compared(tmp_path, made(name), sampled(name))
    assert found["compared"] >= len(sampled(name))
    assert found["different"] == 0, found["first"]


@pytest.mark.parametrize("name", ["cover", "gradient_descent", "batch"])
def test_the_comparison_sees_quantised_numbers(tmp_path, name):
    found = compared(tmp_path, made(name), sampled(name), told=False)
    assert found["different"] > 0


@pytest.mark.parametrize("name", a_few_of(NAMES))
def test_at_every_state_there_is_a_caption_of_whole_sentences(name):
    figure = made(name)
    for state in sampled(name):
        said = figure.captioned(state)
        assert said.endswith(".") and not re.search(r"[{}]|nan|inf\b|  ", said), (state, said)


@pytest.mark.parametrize("name", NAMES)
def test_no_two_readouts_of_a_state_say_the_same_otherwise(name):
    figure = made(name)
    for state in sampled(name):
        said = [figure.fill(text, figure.arrays, state) for text in figure.readouts]
        starts = [tuple(one.split()[:8]) for one in said if one]
        assert len(starts) == len(set(starts)), (state, said)


FORMULA, SETTING = "of a formula, or an end of what a formula can give", "a setting that no control changes"
CONSTANTS: dict[str, dict[str, str]] = {
    "adadelta": {
        "0.05": SETTING,  # gradient descent's rate
    },
    "adagrad": {
        "0": "the first angle, and the start on the floor, (1, 0)",
        "45": "the last angle",
        "1": SETTING,  # a curvature, and the start on the floor
        "100": SETTING,  # the other curvature
        "two": "its coordinates",
    },
    "adam": {
        "1": "what m̂/√v̂ is where gradients agree",
        "0": "what it is where they cancel, and β₁ where its sentence is shown",
        "1,000": "the step at which the number beside it is taken",
        "0.999": SETTING,
    },
    "backpropagation": {
        "half": "the nudge beside which the error is compared",
    },
    "batch": {
        "2": FORMULA,  # 2/L
        "40": SETTING,
        "400": SETTING,
        "0": "the ridge's height",
        "1": "the minima's heights",
    },
    "conclusion": {"5": SETTING, "two": SETTING},
    "cover": {"81": SETTING, "80": SETTING, "0": SETTING},
    "drawing": {},
    "curvature": {},
    "gradient_descent": {"1": FORMULA, "2": FORMULA, "two": "lines", "eight": "directions"},
    "lookahead": {"1": "k or α, where its sentence is shown"},
    "mini_batch": {
        "two": "standard deviations",
        "0.5": SETTING,
        "100": SETTING,  # looks
        "three": SETTING,
    },
    "momentum": {
        "128": SETTING,  # the flattest direction
        "1": SETTING,  # the curvature along the valley; the start; and of ηλ, up to where its sentence holds
    },
    "muon": {
        "0": SETTING,  # the ends of the slider
        "45": SETTING,
        "0.9": SETTING,  # Adam's default
        "ten": FORMULA,  # powers of ten
        "half": "beyond what rounding does to Muon, see test_statements",
        "16": SETTING,
        "24": SETTING,
        "five": SETTING,
        "twelve": SETTING,
        "2": SETTING,  # coefficients
        "1.5": SETTING,
        "0.5": SETTING,
    },
    "nesterov": {
        "two": "arrows",
        "1": "of ηλ, where it keeps nothing; the start",
        "0": "γ, where its sentence is shown",
    },
    "network": {
        "half": "what must be read right of a digit that is learnt",
        "0.1": SETTING,
        "64": SETTING,
        "0": "a digit, and the first step",
        "1": "a digit",
        "9": "a digit",
        "ten": SETTING,
    },
    "race": {
        "300": SETTING,  # steps
        "3": SETTING,  # the highest loss
        "five": SETTING,  # rates
    },
    "radam": {
        "1": FORMULA,
        "0.9": "the share that r must reach, at the step beside it",
    },
    "repairs": {
        "1": SETTING,  # the small gradients, −1
        "0.03": SETTING,  # the least mean step that counts as uphill
    },
    "rmsprop": {
        "0": "the smallest γ",
        "1": SETTING,  # the gradients
        "0.1": SETTING,
        "0.9": SETTING,
    },
    "schedule_free": {},
    "schedules": {"19": SETTING, "181": SETTING, "1": SETTING, "20": SETTING, "1.5": SETTING},
    "sign": {
        "39": "the letters of the rarest group",
        "1": "its share of the book in per cent",
    },
    "stochastic": {},
    "weight_decay": {"1": FORMULA},  # 1/λ
    "why_it_matters": {},
}
"""The numbers that a figure's caption may name by itself, each with the reason why it is the same at every
state. All others come from the state, through fields."""

NUMBER = re.compile(
    r"\d[\d,.]*\d|\d|\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|half|twice|double"
    r"|third|quarter|tenth|hundredth|thousandth|million)\b"
)


def literals(sentences: list[str]) -> set[str]:
    """The numbers in templates that are no fields."""
    return {number for sentence in sentences for number in NUMBER.findall(FIELD.sub("", sentence))}


@pytest.mark.parametrize("name", NAMES)
def test_a_caption_is_short(name):
    figure = made(name)
    longest = max(
        (figure.captioned(state) for state in states(figure, 600)), key=lambda text: len(text.split())
    )
    assert len(longest.split()) <= LONGEST, longest


@pytest.mark.parametrize("name", NAMES)
def test_a_caption_names_no_number_that_depends_on_the_state(name):
    assert literals(made(name).sentences) == set(CONSTANTS[name])


def test_a_number_written_into_a_caption_is_seen():
    assert literals(["At β₂ = {beta2} a factor of 120, twice, from step 2,737 on."]) == {
        "120",
        "twice",
        "2,737",
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_sentence_of_a_caption_is_shown_at_some_state(name):
    figure = made(name)
    for sentence in figure.sentences:
        assert any(figure.fill(sentence, figure.arrays, state) for state in sampled(name)), sentence
