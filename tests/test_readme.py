"""The code that the README shows runs as it stands; long calls with few steps."""

import re
from pathlib import Path

import numpy as np
import torch

import gdcourse

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.M | re.S)


class Quick:
    """The package, whose trainings are short."""

    def __getattr__(self, name):
        return getattr(gdcourse, name)

    @staticmethod
    def train(*arguments, **settings):
        return gdcourse.train(*arguments, **settings, steps=2, examine=1)

    @staticmethod
    def compare(*arguments, **settings):
        return gdcourse.compare(*arguments, **settings, steps=2, trials=3, seeds=2)


def module():
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(6, 3))


def test_what_the_readme_shows_runs(capsys):
    torch.manual_seed(0)
    batch = torch.randn(32, 784), torch.randint(0, 10, (32,))
    rng = np.random.default_rng(0)
    scope = {
        "batches": [batch] * 12,
        "problem": "Beale",
        "start": [1.0, 2.0],
        "x": rng.standard_normal((200, 6)),
        "y": rng.integers(0, 3, 200),
        "MyModule": module,
        "np": np,
        "gd": Quick(),
    }
    assert len(BLOCKS) > 3
    for block in BLOCKS:
        exec(block.replace("import gdcourse as gd\n", ""), scope)
        if "Together" in block:
            assert scope["loss"] < 1.6, "of ln 10 = 2.3 at first"
    assert "['0.weight']" in capsys.readouterr().out
