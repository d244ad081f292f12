"""The checkers run where there are the rules and nothing else: no NumPy, no torch, no package around them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import gdcourse

PACKAGE = Path(gdcourse.__file__).parent
CODE = """
import sys
for name in ("numpy", "torch", "matplotlib", "tqdm", "scipy"):
    sys.modules[name] = None
from gdcourse import exercises
import gdcourse
assert not hasattr(gdcourse, "Momentum"), "only the rules and the exercises are here"
for name in exercises.CHAPTERS:
    for one in exercises.chapter(name):
        assert not one.judge(None).answered
        assert not one.judge("0").right and not one.judge("0").as_dict()["right"]
verdict = exercises.momentum.heavy_ball.check('''
import gdcourse as gd
class Mine(gd.Rule):
    def __init__(self, lr, gamma):
        self.lr, self.gamma = lr, gamma
    def init(self, theta, zeros):
        return {"v": zeros}
    def step(self, theta, grad, state, at):
        v = self.gamma * state["v"] + self.lr * grad
        return theta - v, {"v": v}
''')
assert verdict.right, verdict
verdict = exercises.nesterov.whole.check("from gdcourse.rules import Nesterov\\nclass Mine(Nesterov): pass")
assert not verdict.right
exercises.progress()
"""


def test_the_exercises_need_the_rules_alone(tmp_path):
    for room in ("rules", "exercises"):
        shutil.copytree(PACKAGE / room, tmp_path / "gdcourse" / room)
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n{CODE}"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "momentum" in done.stdout


def test_the_package_loads_them_when_asked():
    code = (
        "import sys, gdcourse as gd\nfor _ in 'ab': print('gdcourse.exercises' in sys.modules, gd.exercises)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["False", "True"]
    assert "exercises" in dir(gdcourse)
