"""The workbench of schedules: what it draws is the theory's, and what is wrong with a text is said."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from io import BytesIO

import numpy as np
import pytest

from gdcourse import theory
from gdcourse.experiments import schedules
from gdcourse.workbench.schedule import CURVATURES, lower
from gdcourse.workbench.serve import answer
from tests.workbench.test_changes import BENCH, SOURCES, workbench

PAGE = BENCH.search((SOURCES / "schedules.md").read_text(encoding="utf-8"))
NAME, OPTIONS = PAGE[1], dict(re.findall(r"^:(\w+): (.*)$", PAGE[2], re.M))
STEPS = int(OPTIONS["steps"])
TEXT = workbench.schedule_text(NAME, OPTIONS["eta"], OPTIONS["schedule"])
CHANGES = {title: (old, new) for title, old, new, _ in workbench.changes_of(PAGE[3].split("\n"))}


def changed(title: str):
    old, new = CHANGES[title]
    assert TEXT.count(old) == 1
    found = lower(TEXT.replace(old, new), STEPS)
    assert not found.error
    return found


SCHEDULES = {
    "schedules.wsd(60)": schedules.wsd(60),
    "schedules.linear(60)": schedules.linear(60),
    "schedules.cosine(60)": schedules.cosine(60),
    "schedules.warmup(9, schedules.wsd(51, 0.5))": schedules.warmup(9, schedules.wsd(51, 0.5)),
}


@pytest.mark.parametrize("eta", [0.05, 0.5, 1.5])
@pytest.mark.parametrize("made", SCHEDULES)
def test_losses_are_those_of_the_theory_and_of_the_chapters_bowl(made, eta):
    found = lower(f"from gdcourse.experiments import schedules\neta, schedule = {eta}, {made}", 60)
    h = 1 / np.arange(1, 201)
    rates = [eta * SCHEDULES[made](t) for t in range(1, 61)]
    moments = list(theory.sgd_moments(np.array(rates)[:, None], h, h**0.5))
    parts = [((h * mean**2).sum() / 2, (h * variance).sum() / 2) for mean, variance in moments]
    np.testing.assert_allclose(CURVATURES, h)
    np.testing.assert_allclose(found.losses, [sum(both) for both in parts], rtol=1e-12)
    np.testing.assert_allclose((found.way, found.noise), parts[-1], rtol=1e-12)
    assert found.factors == [SCHEDULES[made](t) for t in range(1, 61)] and found.diverged_at is None


def test_the_text_of_the_page_is_the_librarys_schedule():
    names: dict = {"__name__": "__main__"}
    exec(compile(TEXT, "cell", "exec", dont_inherit=True), names)
    ours = schedules.wsd(STEPS)
    assert [names["schedule"](t) for t in range(1, STEPS + 9)] == [ours(t) for t in range(1, STEPS + 9)]
    assert names["eta"] == float(OPTIONS["eta"]) and OPTIONS["schedule"] == f"wsd({STEPS})"


def test_a_schedule_of_another_form_is_taken():
    own = "T = 400\ndef schedule(t):\n    left = T - t + 1\n    return min(1, left / 80)\neta = 0.5"
    assert lower(own, STEPS).losses == pytest.approx(lower(TEXT, STEPS).losses)
    assert lower("eta = 1\nschedule = lambda t: -1", 40).losses[-1] > lower(TEXT, STEPS).losses[0]


WRONG = {
    "x = 1\neta = = 2": ("Python cannot read this line", 2),
    "": ("there is no schedule", None),
    "schedule = 0.5": ("schedule is 0.5: it must be a function", None),
    "schedule = lambda t: 1": ("there is no eta", None),
    "eta = '1'\nschedule = lambda t: 1": ("eta is '1': it must be a finite number", None),
    "eta = True\nschedule = lambda t: 1": ("eta is True: it must be a finite number", None),
    "eta = 1\ndef schedule(t):\n    1 / t": ("schedule(1) is nothing (is there a return?)", None),
    "eta = 1\nschedule = lambda t: 1.0 if t < 3 else float('nan')": ("schedule(3) is nan", None),
    "eta = 1\nschedule = lambda t: 1j": ("schedule(1) is 1j: it must be a finite number", None),
    "eta = 1\nschedule = lambda t: 1 / (t - 2)": ("ZeroDivisionError", 2),
    "eta = 1\nschedule = lambda: 1": ("TypeError", None),
    "eta = 1\nschedule = lambda t: next(iter(()))": ("StopIteration", 2),
    "from gdcourse.experiments.schedules import wsd\neta, schedule = 1, wsd(0)": (
        "steps must be a whole number ≥ 1, got 0",
        2,
    ),
    "import numpy": ("there is no numpy here", 1),
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_said_with_its_line(monkeypatch, text):
    monkeypatch.setitem(sys.modules, "numpy", None)
    said, line = WRONG[text]
    found = lower(text, 40)
    assert said in found.error and found.line == line


def test_what_diverges_says_when_and_what_overflows_is_no_number():
    for eta in (2.5, 1e200, 1e308):
        found = lower(f"eta = {eta}\nschedule = lambda t: 1", 400)
        assert not found.error and found.diverged_at == len(found.losses) < 400
        assert np.isfinite(found.losses).all() and len(found.factors) == len(found.losses) - 1


def test_what_is_printed_is_kept():
    assert lower("print('hello')\n" + TEXT, 1).printed == "hello\n"


# ------------------------------------------------------------------- the changes do what their sentences say


def test_there_are_three_changes():
    assert len(CHANGES) == 3


def test_never_lowered_it_ends_more_than_twice_as_high_and_all_that_is_more_is_noise():
    book, found = lower(TEXT, STEPS), changed("Never lower it")
    assert found.losses[-1] > 2 * book.losses[-1] and found.losses[: STEPS - 80] == book.losses[: STEPS - 80]
    assert 0.7 * book.way < found.way < book.way


def test_lowered_from_the_first_step_half_the_noise_is_left_and_more_than_three_times_the_way():
    book, found = lower(TEXT, STEPS), changed("Lower it from the first step")
    assert found.noise == pytest.approx(book.noise / 2, rel=0.05) and found.way > 3 * book.way
    assert found.losses[-1] < book.losses[-1]


def test_at_a_tenth_of_the_rate_nearly_all_that_is_left_is_way():
    book, found = lower(TEXT, STEPS), changed("Take a tenth of the rate")
    assert found.way > 0.9 * found.losses[-1] and found.losses[-1] > book.losses[-1]
    assert found.rule == f"eta = {float(OPTIONS['eta']) / 10:g}"


# ------------------------------------------------------------------------------------------------ in the page


def test_the_pages_files_alone_run_it_without_numpy(tmp_path):
    zipfile.ZipFile(BytesIO(workbench.package())).extractall(tmp_path)
    program = """
import sys
sys.path.insert(0, sys.argv[1])
from gdcourse.workbench import serve
print(serve.answer(sys.stdin.read()))
assert not {"numpy", "torch"} & set(sys.modules)
"""
    asked = json.dumps({"what": "lower", "args": [TEXT, STEPS]})
    done = subprocess.run(
        [sys.executable, "-S", "-I", "-c", program, str(tmp_path)],
        input=asked,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr
    told = json.loads(done.stdout)
    assert not told["error"] and told == json.loads(answer(asked))
