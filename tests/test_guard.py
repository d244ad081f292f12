"""The guard bites: whatever is broken in a rule, the suite goes red.

Each test plants one fault in a copy of the rules and runs the tests of the equations on that copy, in a
process of its own. The rules need neither NumPy nor torch, and so the copy starts in a fraction of a second.
These are the faults that one thinks of; `make verify` plants all others that `scripts/mutants.py` can make.
"""

import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gdcourse.rules import METHODS

ROOT = Path(__file__).resolve().parents[1]
RULES = ROOT / "gdcourse" / "rules"

# rule: its file, and the faults: a piece of its source, and what stands there instead
FAULTS = {
    "GradientDescent": (
        "gradient_descent.py",
        [("theta - self.lr * grad", "theta + self.lr * grad"), ("self.lr * grad, {}", "grad, {}")],
    ),
    "Momentum": (
        "momentum.py",
        [
            ("return theta - v", "return theta + v"),
            ("self.gamma * state", "-self.gamma * state"),
            ("self.lr * grad", "(1 - self.gamma) * self.lr * grad"),
        ],
    ),
    "Nesterov": (
        "nesterov.py",
        [
            ("return theta - v", "return theta + v"),
            ("return theta - self.gamma * state", "return theta + self.gamma * state"),
            ('return theta - self.gamma * state["v"]', "return theta"),
            ("return point + self.gamma", "return point - self.gamma"),
        ],
    ),
    "Adagrad": (
        "adagrad.py",
        [
            ("return theta - ratio", "return theta + ratio"),
            ('state["G"] + grad**2', "grad**2"),
            ("(G + self.eps) ** 0.5", "(G**0.5 + self.eps)"),
        ],
    ),
    "RMSProp": (
        "rmsprop.py",
        [
            ("return theta - ratio", "return theta + ratio"),
            ("(1 - self.gamma) * grad**2", "grad**2"),
            ("v**0.5 + self.eps, ", "(v + self.eps) ** 0.5, "),
        ],
    ),
    "Adadelta": (
        "adadelta.py",
        [
            ("delta = -ratio", "delta = ratio"),
            ('rms_delta = (state["mean_delta2"] + self.eps) ** 0.5', "rms_delta = self.eps**0.5"),
            ("(1 - self.gamma) * delta**2", "delta**2"),
        ],
    ),
    "Adam": (
        "adam.py",
        [
            ("theta = theta - ratio", "theta = theta + ratio"),
            ('m / at["m_bias"]', "m"),
            ('v / at["v_bias"]', "v"),
            ("(1 - self.beta1) * grad", "grad"),
            ("v_hat**0.5 + self.eps, ", "(v_hat + self.eps) ** 0.5, "),
        ],
    ),
    "AdamW": (
        "adam.py",
        [
            ("return adam - self.lr", "return adam + self.lr"),
            ("self.lr * self.weight_decay * theta", "self.weight_decay * theta"),
            ("self.weight_decay * theta", "self.weight_decay * adam"),
        ],
    ),
    "RAdam": (
        "radam.py",
        [
            ("theta = theta - self.lr", "theta = theta + self.lr"),
            ("(rho > self.threshold)", "(rho > self.threshold + 1)"),
            ('m / at["m_bias"]', "m"),
            ('/ at["v_bias"] ** 0.5', "/ 1"),
            ('at["r"] * ratio', "ratio"),
            ("(safe - 4) * (safe - 2)", "(safe - 4) * (safe - 3)"),
        ],
    ),
    "Lookahead": (
        "lookahead.py",
        [
            ("slow + self.alpha", "slow - self.alpha"),
            ("t % self.k == 0", "t % self.k == 1"),
            ('return where(at["sync"], slow, fast)', "return fast"),
            (
                'slow = where(at["sync"], self.pull(state["slow"], fast), state["slow"])',
                'slow = state["slow"]',
            ),
        ],
    ),
}
ANY = {
    name: (Path(inspect.getfile(method.kind)).name, [("theta - ", "theta + ")])
    for name, method in METHODS.items()
    if name not in FAULTS
}
FAULTS |= ANY  # any other rule steps the wrong way
CASES = [(rule, old, new) for rule, (_, faults) in FAULTS.items() for old, new in faults]
FIRST = [(rule, *faults[0]) for rule, (_, faults) in FAULTS.items()]  # the others take as long again


def suite_on(folder, changed=None, source=""):
    """Run the equations' tests on a copy of the rules in which one file has another source."""
    package, tests = folder / "gdcourse", folder / "tests" / "rules"
    shutil.copytree(RULES, package / "rules", ignore=shutil.ignore_patterns("__pycache__"))
    (package / "__init__.py").write_text("from gdcourse.rules import *\n", encoding="utf-8")
    tests.mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "methods.py", folder / "tests")
    for name in ("conftest.py", "test_equations.py"):
        shutil.copy(ROOT / "tests" / "rules" / name, tests)
    if changed is not None:
        (package / "rules" / changed).write_text(source, encoding="utf-8")
    environment = {
        **os.environ,
        "PYTHONPATH": str(folder),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_ADDOPTS": "",
    }
    options = ["-x", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", "--disable-plugin-autoload"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(tests)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


def assert_red(result):
    """Red because a test failed, not because the faulty file could not be imported or nothing was run."""
    assert result.returncode == 1, f"the suite stayed green:\n{result.stdout}{result.stderr}"
    assert "1 failed" in result.stdout and "error" not in result.stdout.splitlines()[-1], result.stdout


def test_the_copy_without_a_fault_is_green(tmp_path):
    result = suite_on(tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "passed" in result.stdout and "skipped" not in result.stdout


@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [
        pytest.param(*case, id="{}: {} → {}".format(*case), marks=[pytest.mark.slow] * (case not in FIRST))
        for case in CASES
    ],
)
def test_a_fault_turns_the_suite_red(rule, old, new, tmp_path):
    file, _ = FAULTS[rule]
    source = (RULES / file).read_text(encoding="utf-8")
    assert source.count(old) == 1 or (rule in ANY and old in source), (
        f"{file} no longer holds {old!r} once: say what the fault is now"
    )
    assert_red(suite_on(tmp_path, file, source.replace(old, new)))
