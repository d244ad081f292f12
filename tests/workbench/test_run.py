"""What runs in the page runs as in the library, and says in a sentence what is wrong with a text."""

from __future__ import annotations

import _imp
import io
import json
import re
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch

import gdcourse as gd
from gdcourse.problems import surfaces
from gdcourse.rules import ALL, METHODS
from gdcourse.workbench.race import FIRST, RATES, race_as_dict
from gdcourse.workbench.run import FORMULAS, MATRICES, SURFACES, Run, run, walk
from gdcourse.workbench.serve import EMPTY, answer
from tests.workbench.test_changes import HAVE, ROOT, Bench, workbench

PROBLEMS = {
    "ravine": gd.problems.ravine(20),
    "Beale": surfaces.Beale(),
    "Rosenbrock": surfaces.Rosenbrock(),
    "saddle": surfaces.Saddle(),
    "Himmelblau": surfaces.Himmelblau(),
}
OURS = {
    name: method.make(method.usual / 10 if method.tuned == "lr" else method.usual)
    for name, method in ALL.items()
    if not method.kind.matrices_only
}
MOMENTUM = workbench.text_of("Momentum", "Momentum(lr=0.02)")


@pytest.mark.parametrize("surface", SURFACES)
@pytest.mark.parametrize("name", OURS)
def test_every_rule_walks_as_with_numpy(name, surface):
    found = Run()
    plane, start = SURFACES[surface]
    walk(OURS[name], surface, 100, None, found)
    theirs = gd.descend(OURS[name], PROBLEMS[surface], np.array(start), steps=100).theta[: len(found.path)]
    assert len(found.path) > 1
    assert abs(np.array(found.path)[: len(theirs)] - theirs).max() < 1e-10  # rounding grows along a walk
    assert found.losses == [plane.value(*point) for point in found.path]


@pytest.mark.parametrize("surface", SURFACES)
def test_a_surface_is_the_librarys(surface):
    plane, start = SURFACES[surface]
    for point in (start, (0.3, -0.7), (2.0, 1.5)):
        theta = np.array(point)
        assert plane.value(*point) == pytest.approx(float(PROBLEMS[surface].loss(theta)), abs=1e-12)
        np.testing.assert_allclose(plane.slopes(*point), PROBLEMS[surface].grad(theta), atol=1e-12)


@pytest.mark.parametrize("surface", FORMULAS)
def test_what_a_page_says_of_its_surface_is_the_surface(surface):
    formula = re.search(r"\$J = (.+?)\$", FORMULAS[surface])[1]
    for latex, python in (
        (r"\tfrac12", "0.5 * "), (r"\,", " * "), ("^", "**"),
        (r"\theta_1", "x"), (r"\theta_2", "y"), ("s_1", "x"), ("s_2", "y"),
    ):  # fmt: skip
        formula = formula.replace(latex, python)
    plane, start = (SURFACES | MATRICES)[surface]
    for x, y in (start, (0.3, -0.7), (2.0, 1.5)):
        assert plane.value(x, y) == pytest.approx(eval(formula, {"x": x, "y": y}), abs=1e-12)


def test_every_surface_of_a_chapter_is_told():
    assert {Bench(page).surface for page in HAVE} == set(FORMULAS)


# --------------------------------------------------------------------------------------- what a reader writes

HEAD = "from dataclasses import dataclass\n\n@dataclass(frozen=True, eq=False)\nclass Mine(Rule):\n"
WRONG = {
    "def f(:": ("Python cannot read this line", 1),
    "x = 1\n  y = 2": ("Python cannot read this line", 2),
    "import numpy": ("there is no numpy here", 1),
    "x = 1\nfrom torch import nn": ("there is no torch here", 2),
    "": ("there is no rule", None),
    "x = 1": ("there is no rule", None),
    "rule = 3": ("int has no method step", None),
    "class A(Rule):\n    pass\nrule = A": ("rule is a class: give it its hyperparameters", None),
    "class A:\n    def step(self): pass": ("A has no method init: let it inherit from Rule", None),
    f"{HEAD}    lr: float\n    def step(self, theta, grad, state, at): pass": (
        "Mine needs hyperparameters",
        None,
    ),
    f"{HEAD}    def step(self, theta, grad, state, at):\n        theta - grad": (
        "step gives back nothing",
        None,
    ),
    f"{HEAD}    def step(self, theta, grad, state, at):\n        return theta": (
        "step gives back a Vector",
        None,
    ),
    f"{HEAD}    def step(self, theta, grad, state, at):\n        return 3, {{}}": (
        "after step 1 θ is an int",
        None,
    ),
    f"{HEAD}    def step(self, theta, grad, state, at):\n        return theta, state['v']": (
        "there is no 'v' here",
        6,
    ),
    f"{HEAD}    def step(self, theta, grad, state, at):\n        if grad > 0:\n            pass": (
        "write where",
        6,
    ),
    f"{HEAD}    def step(self, theta, grad, state, at):\n        return theta * gradient, {{}}": (
        "NameError",
        6,
    ),
    f"{HEAD}    def init(self, theta, zeros):\n        return zeros\n    def step(self, *_): pass": (
        "init gives back a Vector",
        None,
    ),
    f"{HEAD}    def init(self, theta, zeros):\n        return {{'v': zeros}}\n"
    "    def step(self, theta, grad, state, at):\n        return theta, {}": ("init names 'v'", None),
    "rule = 1 / 0": ("ZeroDivisionError", 1),
    "raise RecursionError('deep')": ("RecursionError", 1),
}


@pytest.mark.parametrize("name", [name for name in ALL if ALL[name].kind.matrices_only])
def test_where_theta_is_no_matrix_a_rule_for_matrices_says_so(name):
    text = f"from {ALL[name].kind.__module__} import {name}\nrule = {name}(lr=0.1)"
    assert run(text, "ravine", 10).error.startswith(f"{name} moves matrices, and here θ is a vector")
    found = run(text, "turned", 10)
    assert not found.error and len(found.path) == 11


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_is_said_with_its_line(monkeypatch, text):
    for name in ("numpy", "torch"):  # as in the page
        monkeypatch.setitem(sys.modules, name, None)
    said, line = WRONG[text]
    found = run(text, "ravine", 10)
    assert said in found.error and found.line == line


def test_a_run_that_diverges_says_when_and_keeps_what_was_finite():
    found = run(MOMENTUM.replace("theta - v", "theta + v"), "ravine", 100)
    assert not found.error and found.diverged_at == len(found.path) < 100
    assert np.isfinite(found.path).all() and np.isfinite(found.losses).all()
    for surface in SURFACES:
        assert run(MOMENTUM.replace("lr=0.02", "lr=1e9"), surface, 100).diverged_at is not None


def test_what_is_printed_is_kept_and_cut():
    assert run("print('hello')\n" + MOMENTUM, "ravine", 1).printed == "hello\n"
    long = run("print('x' * 1_000_000)\n" + MOMENTUM, "ravine", 1).printed
    assert len(long) < 1100 and long.endswith("(cut)")


# -------------------------------------------------------------------------------------- the texts of the book


@pytest.mark.parametrize("name", OURS)
def test_a_text_of_the_book_is_its_rule(name):
    found, theirs = run(workbench.text_of(name, repr(OURS[name])), "ravine", 50), Run()
    walk(OURS[name], "ravine", 50, None, theirs)
    assert not found.error and found.path == theirs.path and len(found.path) > 1


@pytest.mark.parametrize("name", METHODS)
def test_a_text_of_the_book_is_an_optimizer_as_it_is(name):
    rule = METHODS[name].make(METHODS[name].usual / 10)
    text = workbench.text_of(name, repr(rule).replace("inner_rule=", ""))

    names: dict = {"__name__": "__main__"}
    exec(compile(text, "cell", "exec", dont_inherit=True), names)
    np.testing.assert_array_equal(trained(names["rule"]), trained(rule))


def trained(rule) -> np.ndarray:
    """Where the rule's optimizer has the parameter after 50 steps."""
    theta = torch.tensor([-4.0, 1.0], dtype=torch.float64, requires_grad=True)
    optimizer = gd.optim.from_rule(rule, [theta])
    for _ in range(50):
        optimizer.zero_grad()
        (0.5 * (theta[0] ** 2 + 20 * theta[1] ** 2)).backward()
        optimizer.step()
    return theta.detach().numpy()


def test_a_blank_text_is_momentum():
    text = workbench.BLANK.replace("lr=0.01", "lr=0.02")
    assert run(text, "ravine", 60).path == run(MOMENTUM, "ravine", 60).path


# --------------------------------------------------------------------------------------------------- the race


def test_a_race_is_ordered_and_everyone_is_searched_for_in_one_way():
    found = race_as_dict(workbench.BLANK, "ravine", 50)
    assert not found["error"] and len(found["lines"]) == len(METHODS) + 1
    losses = [one["loss"] for one in found["lines"] if one["loss"] is not None]
    assert losses == sorted(losses)
    own = next(one for one in found["lines"] if one["name"] == "yours")
    rates = [0.01 * RATES[i] for i in FIRST]
    assert own["tried"] == len(rates) and own["rate"] in rates[1:-1]
    by_hand = [run(workbench.BLANK.replace("lr=0.01", f"lr={rate!r}"), "ravine", 50) for rate in rates]
    assert own["loss"] == min(one.losses[-1] for one in by_hand if one.diverged_at is None)


@pytest.mark.parametrize("written", [1e-4, 1.0])
def test_a_race_does_not_hang_on_the_rate_that_was_written(written):
    """A search that ends at its smallest or largest rate goes on there."""

    def own(lr):
        found = race_as_dict(workbench.BLANK.replace("lr=0.01", f"lr={lr!r}"), "Rosenbrock", 100)
        return next(one for one in found["lines"] if one["name"] == "yours")

    usual, far = own(0.01), own(written)
    assert far["tried"] > usual["tried"] == len(FIRST)
    assert far["rate"] == pytest.approx(usual["rate"]) and far["loss"] == pytest.approx(usual["loss"])


@pytest.mark.parametrize("surface", workbench.SURFACES)
def test_in_a_race_each_of_the_ten_converges(surface):
    lines = race_as_dict(workbench.BLANK, surface, 100)["lines"]
    assert all(one["loss"] is not None for one in lines)
    assert {one["tried"] for one in lines} <= set(range(len(FIRST), len(FIRST) + 5))


def test_a_race_searches_for_the_rate_of_a_rule_inside_and_for_none_where_there_is_none():
    inside = race_as_dict(workbench.text_of("Lookahead", "Lookahead(Momentum(lr=0.01))"), "ravine", 20)
    assert next(one for one in inside["lines"] if one["name"] == "yours")["tried"] >= len(FIRST)
    without = race_as_dict(workbench.text_of("Adadelta", "Adadelta()"), "ravine", 20)
    own = next(one for one in without["lines"] if one["name"] == "yours")
    assert own["tried"] == 1 and own["rate"] is None


def test_a_race_that_cannot_be_run_says_why():
    found = race_as_dict("rule = Mine()", "ravine", 20)
    assert "NameError" in found["error"] and found["line"] == 1 and found["lines"] == []


def test_the_page_asks_and_is_answered_in_json():
    asked = {"what": "run", "args": [MOMENTUM, "ravine", 5]}
    assert json.loads(answer(json.dumps(asked)))["path"] == run(MOMENTUM, "ravine", 5).path


@pytest.mark.parametrize("name", ["adam.step", "momentum.heavy_ball", "adam.whole"])
@pytest.mark.parametrize("nothing", [None, "", " \n"])
def test_a_field_with_nothing_in_it_is_told_so_in_a_line(name, nothing):
    found = json.loads(answer(json.dumps({"what": "check", "args": [name, nothing, 0]})))
    assert not found["answered"] and found["text"] == f"Open. {EMPTY}"


# ------------------------------------------------------------------------------------- what the page is given


def test_the_page_has_the_packages_files_byte_for_byte():
    archive = zipfile.ZipFile(io.BytesIO(workbench.package()))
    assert len(archive.namelist()) > 30
    for name in archive.namelist():
        assert archive.read(name) == (ROOT / name).read_bytes(), name
    assert workbench.package() == workbench.package()
    workbench.check()


def test_the_standard_library_is_the_published_one_compiled_where_the_start_needs_it():
    published = zipfile.ZipFile(workbench.PYODIDE / "python_stdlib.zip")
    ours = zipfile.ZipFile(workbench.PYODIDE / "stdlib.zip")
    assert {name.removesuffix("c") for name in ours.namelist()} == {
        name.removesuffix("c") for name in published.namelist()
    }
    compiled = [name for name in ours.namelist() if name.endswith(".pyc")]
    assert {"asyncio/base_events.pyc", "inspect.pyc", "re/_parser.pyc"} <= set(compiled)
    for name in ours.namelist():
        source = published.read(name.removesuffix("c") if name in compiled else name)
        if name in compiled:
            version, known = int.from_bytes(ours.read(name)[:4], "little"), ours.read(name)[8:16]
            assert known == _imp.source_hash(version, source), name
        else:
            assert ours.read(name) == source, name
    assert "python_stdlib.zip" not in workbench.served() and "stdlib.zip" in workbench.served()


def test_its_files_alone_run_every_rule_without_numpy(tmp_path):
    zipfile.ZipFile(io.BytesIO(workbench.package())).extractall(tmp_path)
    program = """
import json, sys
sys.path.insert(0, sys.argv[1])
from gdcourse.workbench import serve
asked = json.loads(sys.stdin.read())
told = [json.loads(serve.answer(json.dumps(one))) for one in asked]
assert not {"numpy", "torch", "gdcourse.exercises"} & set(sys.modules)  # nothing that was not asked for
print(json.dumps(told))
"""
    texts = [
        workbench.text_of(name, repr(METHODS[name].make(0.01)).replace("inner_rule=", "")) for name in METHODS
    ]
    asked = [{"what": "run", "args": [text, "Beale", 100]} for text in texts]
    asked.append({"what": "race", "args": [workbench.BLANK, "saddle", 20]})
    done = subprocess.run(
        [sys.executable, "-S", "-I", "-c", program, str(tmp_path)],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, done.stderr
    told = json.loads(done.stdout)
    for text, one in zip(texts, told, strict=False):
        assert one["path"] == run(text, "Beale", 100).path
    assert len(told[-1]["lines"]) == len(METHODS) + 1


def test_a_change_that_cannot_be_read_is_refused():
    lines = ["A", ": `x` → `y`", ": So", "  it is.", "", "B", ": `a` → `b\\nc`", ": Then."]
    assert workbench.changes_of(lines) == [("A", "x", "y", "So it is."), ("B", "a", "b\nc", "Then.")]
    with pytest.raises(ValueError, match="the change 'A' needs two definitions"):
        workbench.changes_of(["A", ": `x` to `y`", ": So."])


def test_what_a_page_asks_of_exercises():
    assert (
        json.loads(answer(json.dumps({"what": "open", "args": ["batch"]})))["exercises"][0]
        == "batch.gradient"
    )
    for given, right in (("2/75", True), ("2", False)):
        told = json.loads(answer(json.dumps({"what": "check", "args": ["batch.sum", given, 0]})))
        assert told["right"] is right and told["text"]
