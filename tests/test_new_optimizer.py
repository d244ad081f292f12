"""An optimizer is three places: its rule, its line in the table, its chapter.

In a copy of the project Lynx is written into the three by hand, and another by `make new`. There the names,
the class for torch, the look, the counts and the tests must be, without any other edit; `make verify` builds
the whole book with them and runs all tests.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import new  # scripts/new.py
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]

RULE = '''"""Lynx: every weight moves by the same amount, along the sign of two averages of the gradient."""

from dataclasses import dataclass

from gdcourse.rules.rule import Rule, Scalar, ratio


@dataclass(frozen=True, eq=False)
class Lynx(Rule):
    """c_t = β₁ m_{t−1} + (1 − β₁) g_t,  θ_t = θ_{t−1} − η (sign c_t + λ θ_{t−1}),
    m_t = β₂ m_{t−1} + (1 − β₂) g_t,  m_0 = 0.

    Parameters
    ----------
    lr : η > 0, the length of each coordinate's step, in units of θ. Default 0.0001.
    beta1 : β₁ in [0, 1), without unit: what the step remembers. Default 0.9.
    beta2 : β₂ in [0, 1), without unit: what the state remembers. Default 0.99.
    weight_decay : λ ≥ 0, in units of one over θ. Default 0.

    State: ``m``, with θ's shape, in units of g.

    Source: Chen et al. (2023), Algorithm 2. torch has none.

    Examples
    --------
    By hand, from θ = 1.5 with gradients of 2 and −1: c is 1, then −¼.

    >>> rule = Lynx(lr=0.25, beta1=0.5, beta2=0.75)
    >>> theta, state = rule.step(1.5, 2.0, rule.init(1.5, 0.0), rule.at(1))
    >>> theta, state
    (1.25, {'m': 0.5})
    >>> rule.step(theta, -1.0, state, rule.at(2))
    (1.5, {'m': 0.125})
    >>> Lynx(0.25, weight_decay=2.0).step(1.0, 1.0, {"m": 0.0}, {})[0]
    0.25
    >>> Lynx()
    Lynx(lr=0.0001, beta1=0.9, beta2=0.99, weight_decay=0.0)
    """

    lr: Scalar = 1e-4
    beta1: Scalar = 0.9
    beta2: Scalar = 0.99
    weight_decay: Scalar = 0.0

    def init(self, theta, zeros):
        return {"m": zeros}

    def step(self, theta, grad, state, at):
        c = self.beta1 * state["m"] + (1 - self.beta1) * grad
        m = self.beta2 * state["m"] + (1 - self.beta2) * grad
        return theta - self.lr * (ratio(c, abs(c)) + self.weight_decay * theta), {"m": m}
'''
LINE = '    "Lynx": Method(lambda lr: Lynx(lr), 0.001, family=BOTH),\n'
IMPORT = "from gdcourse.rules.lynx import Lynx\n"
CHAPTER = """---
jupytext:
  text_representation:
    extension: .md
    format_name: myst
kernelspec:
  display_name: Python 3
  language: python
  name: python3
---

# Lynx

```{code-cell} ipython3
import gdcourse as gd
from gdcourse.figures import show_source

show_source(gd.Lynx)
```

```{code-cell} ipython3
run = gd.descend(gd.Lynx(lr=0.25), gd.problems.ravine(), start=[-4.0, 1.0], steps=10)
print("where ten steps lead:", run.theta[-1])
```
"""

# What a user of the copy finds there
CHECKS = """
import inspect
import gdcourse as gd
from gdcourse.experiments import compare, state_size, step_operations
from gdcourse.figures import LOOKS, look

assert gd.__file__.startswith({root!r}), gd.__file__
for name, arguments in {{
    "Lynx": "(params, lr=0.0001, betas=(0.9, 0.99), weight_decay=0.0, *, maximize=False, ",
    "Brand": "(params, lr, momentum=0.9, weight_decay=0.0, *, maximize=False, ",
}}.items():
    kind = gd.METHODS[name].kind
    assert getattr(gd, name) is getattr(gd.rules, name) is kind and name in dir(gd)
    made = getattr(gd.optim, name)
    assert str(inspect.signature(made)).startswith(arguments), inspect.signature(made)
    assert inspect.getdoc(made).startswith(f"`gdcourse.{{name}}` as an optimizer for torch.")
    assert list(LOOKS.values()).count(look(kind)) == 1 and look(kind).color != "#333333"
    assert state_size(gd.METHODS[name].make(0.1)) == 1
assert look("Lynx").color == look("Adam").color and look("Brand").color == look("Momentum").color
assert step_operations(gd.Lynx(0.1)) == 14  # two averages; |c|, c == 0, +, c /; λθ, +; η·; θ −
assert step_operations(gd.Brand(0.1)) == 4

full, small = gd.digits(), gd.problems.Network((784, 8, 10))
cut = lambda split, n: gd.problems.Split(split.x[:n], split.y[:n])
data = gd.problems.Digits(cut(full.train, 300), cut(full.validation, 200), cut(full.test, 200))
found = compare(["Lynx", "Brand"], data, network=small, steps=20, trials=3, seeds=2)
assert list(found.methods) == ["Lynx", "Brand"] and "Lynx" in found.table()
print("as it should be")
"""


def copy_of_the_project(folder: Path) -> Path:
    """All but what is made: environments, the site, caches and git's own."""
    made = (".git", ".venv*", ".*_cache", ".hypothesis", ".ipynb_checkpoints", "*.unfinished", "__pycache__")
    made += ("_build", "build", "dist", "*.egg-info", "node_modules", "scratch-*")
    return Path(shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*made)))


def add_lynx(root: Path) -> None:
    """The three places, as one would by hand."""
    (root / "gdcourse" / "rules" / "lynx.py").write_text(RULE, encoding="utf-8")
    table = root / "gdcourse" / "rules" / "table.py"
    text = table.read_text(encoding="utf-8")
    text = text.replace("from gdcourse.rules.lookahead", f"{IMPORT}from gdcourse.rules.lookahead")
    text = text.replace('    "Lookahead": Method(', f'{LINE}    "Lookahead": Method(')
    assert text.count("Lynx") == 3
    table.write_text(text, encoding="utf-8")
    (root / "book" / "src" / "lynx.md").write_text(CHAPTER, encoding="utf-8")
    toc = root / "_toc.yml"
    entry = "      - file: book/lookahead\n"
    assert entry in toc.read_text(encoding="utf-8")
    toc.write_text(toc.read_text(encoding="utf-8").replace(entry, f"{entry}      - file: book/lynx\n"))


def run(root: Path, *command: str, timeout: float = 120) -> str:
    """What a command says, in the copy, which must end well."""
    ours = {"PYTHONPATH": str(root), "PYTEST_ADDOPTS": "", "PYTHONDONTWRITEBYTECODE": "1"}
    how = {"cwd": root, "env": os.environ | ours, "capture_output": True, "text": True, "timeout": timeout}
    done = subprocess.run([sys.executable, *command], **how)
    assert done.returncode == 0, f"{' '.join(command)[:200]}\n{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def pytest_in(root: Path, *arguments: str, timeout: float = 120) -> str:
    return run(root, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, timeout=timeout)


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """The project with both: Lynx by hand, and Brand as the command writes it."""
    root = copy_of_the_project(tmp_path_factory.mktemp("with") / "project")
    add_lynx(root)
    new.add(root, "Brand")
    return root


def test_names_classes_looks_counts_and_comparisons_are_made_from_the_line(copy):
    assert run(copy, "-c", CHECKS.format(root=str(copy))).endswith("as it should be\n")


@pytest.mark.slow
def test_the_tests_take_the_new_ones_in_and_pass(copy):
    """Those of the rules, and the quicker ones of the optimizers; all of them in `make verify`."""
    files = ["house", "reference", "guard", "figures/test_figures", "experiments/test_cost"]
    files += [f"optim/test_{name}" for name in ("methods", "optimizers", "update", "sparse", "faults")]
    places = ["tests/rules", *(f"tests/{'' if '/' in name else 'test_'}{name}.py" for name in files)]
    all_of = "test_equations or test_table or test_kinds or test_validate or test_house or test_reference"
    chosen = f"{all_of} or test_figures or test_cost or test_methods or (Lynx or Brand) and not Lookahead"
    said = pytest_in(copy, *places, "-vv", "-k", chosen)  # beside its -q
    assert not re.search(r"FAILED|ERROR|SKIPPED", said)
    for name in ("Lynx", "Brand"):
        passed = re.findall(rf"^tests/(\w+)/.*\b{name}\b.* PASSED", said, re.M)
        assert passed.count("rules") > 10 and passed.count("optim") > 50, name
        assert re.search(rf"test_guard.*{name}.* PASSED", said), "a fault in it is noticed"


def test_the_new_chapter_becomes_a_notebook(copy):
    run(copy, "scripts/notebooks.py", "lynx")
    notebook = (copy / "book" / "lynx.ipynb").read_text(encoding="utf-8")
    assert "where ten steps lead" in notebook and "ratio(c, abs(c))" in notebook


def test_what_the_command_wrote_is_in_the_houses_style(copy):
    for command in (["check"], ["format", "--check"]):
        run(copy, "-m", "ruff", *command, "gdcourse/rules")


@pytest.mark.slow
def test_the_book_is_built_and_all_tests_pass_with_the_new_ones(copy):
    """But for the browser's, and for the lists of files that only git has."""
    shutil.rmtree(copy)
    add_lynx(copy_of_the_project(copy))
    run(copy, "scripts/notebooks.py", "lookahead", "lynx", timeout=600)
    run(copy, "scripts/new.py", "Brand", timeout=600)
    pytest_in(copy, "tests/test_notebooks.py", "-k", "agree or contents or storage", timeout=600)
    run(copy, "-m", "mypy", timeout=300)
    run(copy, "scripts/build_book.py", timeout=1800)
    for name in ("lynx", "brand"):
        assert (copy / "_build" / "html" / "book" / f"{name}.html").exists()
    reference = (copy / "_build" / "html" / "book" / "api.html").read_text(encoding="utf-8")
    for entry in ("rules.Lynx", "optim.Lynx", "rules.Brand", "optim.Brand"):
        assert f'id="gdcourse.{entry}"' in reference
    # the chapter written by hand is three cells: what makes a page teach is held to the command's
    others = "not (test_teaching and lynx)"
    pytest_in(copy, "tests", "--ignore=tests/test_new_optimizer.py", "-k", others, timeout=5400)
    pytest_in(copy, "--nbval", "--nbval-current-env", "--nbval-cell-timeout=240", "book", timeout=3600)
    run(copy, "scripts/mutants.py", "brand", timeout=1200)  # the example in its docstring notices all


# ---- the command ----


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("lynx", "beginning with a capital"),
        ("Li on", "is no name for an optimizer"),
        ("L", "two or more"),
        ("../Lynx", "is no name for an optimizer"),
        ("Löwe", "is no name for an optimizer"),
        ("None", "is no name for an optimizer"),
        ("Async", r"its file, async\.py, could not be imported"),
        ("Adam", r"gdcourse/rules/adam\.py is there already"),
        ("Validate", r"gdcourse/rules/validate\.py is there already"),
        ("Network", r"book/src/network\.md is there already"),
        ("Glossary", r"book/glossary\.md is there already"),
        ("AdamW", "has something of this name already"),
        ("SGD", "has something of this name already"),
        ("Train", "has something of this name already"),
        ("Optim", "has something of this name already"),
        ("RuleOptimizer", "has something of this name already"),
    ],
)
def test_a_name_that_is_none_or_taken_is_refused_and_nothing_is_written(name, why, tmp_path, monkeypatch):
    monkeypatch.setattr(new.safely, "write_whole", lambda *_: pytest.fail("something was written"))
    with pytest.raises(new.NewError, match=why):
        new.add(ROOT, name)


def test_the_command_says_a_sentence(capsys):
    assert new.main(["adam"]) == 1 and new.main([]) == 2 and new.main([""]) == 2
    said = capsys.readouterr()
    assert "'adam' is no name" in said.err and "`make new NAME=Lynx`" in said.err and not said.out


@pytest.mark.parametrize(
    ("name", "module"),
    [("Lynx", "lynx"), ("GradientDescent", "gradient_descent"), ("RMSProp", "rmsprop")],
)
def test_files_are_named_as_those_that_are_there(name, module):
    assert new.module_of(name) == module


def test_line_and_entry_stand_at_the_end_of_their_lists():
    table = (ROOT / "gdcourse" / "rules" / "table.py").read_text(encoding="utf-8")
    after = new.with_line(table, "Lynx")
    assert '    "Lynx": Method(lambda lr: Lynx(lr), 0.1, family=ONE_RATE),\n}\n' in after
    assert len(after.splitlines()) == len(table.splitlines()) + 2
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    contents = yaml.safe_load(new.with_chapter(toc, "Lynx"))
    parts = {part["caption"]: part["chapters"] for part in contents["parts"]}
    assert parts["Optimizers"][-1] == {"file": "book/lynx"}
    assert new.lead_to(new.with_chapter(toc, "Lynx"), "Lynx") == ["intro", "lookahead"]
    with pytest.raises(new.NewError, match="add the line by hand"):
        new.with_line("", "Lynx")
    with pytest.raises(new.NewError, match="add the chapter by hand"):
        new.with_chapter("", "Lynx")
