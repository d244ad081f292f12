"""What `import gdcourse` gives, and what it does not load."""

import os
import subprocess
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import matplotlib
import pytest
import torch

import gdcourse

matplotlib.use("Agg")

HEAVY = ("matplotlib", "ipywidgets", "IPython", "triton", "pandas", "torch._dynamo", "torch._inductor")


def loaded_after(code: str) -> set[str]:
    """The names of modules that are loaded once some code has run, in a fresh Python."""
    command = [sys.executable, "-c", f"{code}\nimport sys\nprint(*sys.modules)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_the_import_loads_nothing_heavy_beside_torch():
    beside_torch = loaded_after("import gdcourse") - loaded_after("import torch")
    assert not [name for name in beside_torch if name.startswith(HEAVY)]


def test_the_rooms_that_draw_are_there_when_they_are_asked_for():
    code = "import gdcourse as gd; assert 'figures' in dir(gd) and 'explore' in dir(gd); "
    assert "matplotlib" in loaded_after(code + "gd.figures.contours; gd.explore.live")


def test_what_is_not_there_is_an_attribute_error():
    assert not hasattr(gdcourse, "nonsense")


CALLS = [
    line.strip()
    for line in gdcourse.__doc__.split("What to call first:")[1].split("Rooms:")[0].splitlines()
    if line.strip()
]


def test_help_starts_with_what_to_call_first():
    first = gdcourse.__doc__.split("\n\n")[1:3]
    assert first[0] == "What to call first:" and CALLS[0] == "import gdcourse as gd" and len(CALLS) > 9


def test_what_help_says_to_call_first_runs(monkeypatch):
    pandas = ModuleType("pandas")
    pandas.__spec__, pandas.DataFrame = ModuleSpec("pandas", None), dict  # others ask whether it is installed
    monkeypatch.setitem(sys.modules, "pandas", pandas)
    short = {"steps": 3, "trials": 3, "seeds": 2}

    class Quick:  # the same calls, with fewer steps where they take long
        train = staticmethod(lambda *a: gdcourse.train(*a, steps=20, examine=1))
        compare = staticmethod(lambda *a: gdcourse.compare(*a, **short))

        def __getattr__(self, name):
            return getattr(gdcourse, name)

    scope = {"gd": Quick(), "torch": torch, "model": torch.nn.Linear(2, 1)}
    for call in CALLS[1:]:
        exec(call, scope)
    assert type(scope["optimizer"]).__name__ == "RuleOptimizer" and len(scope["found"].methods) == 3


def test_type_checkers_find_its_types():
    from importlib.resources import files

    assert (files("gdcourse") / "py.typed").is_file()


SHARE = 0.25
"""What the import may take, in parts of torch's: of processor time, which others' work does not lengthen."""


@pytest.mark.slow
def test_the_import_takes_next_to_nothing_beside_torch(tmp_path, monkeypatch):
    """From the second time on, as for whoever installed it: the first compiles the sources."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path))
    code = (
        "from time import process_time as now; begin = now(); import torch; between = now(); "
        "import gdcourse; print(between - begin, now() - between)"
    )
    command = [sys.executable, "-c", code]
    told = [subprocess.run(command, capture_output=True, check=True).stdout.split() for _ in range(3)]
    torchs, ours = (min(float(times[i]) for times in told) for i in (0, 1))
    assert ours < SHARE * torchs


@pytest.mark.parametrize(
    ("missing", "asked"),
    [
        (
            "matplotlib",
            {
                "gd.figures": "gdcourse.figures needs matplotlib",
                "gd.descend(gd.Momentum(0.02), 'ravine').plot()": "gdcourse.figures needs matplotlib",
                "import gdcourse.figures": "gdcourse.figures needs matplotlib",
                "gd.explore": "gdcourse.explore needs matplotlib and ipywidgets",
            },
        ),
        (
            "ipywidgets",
            {"gd.explore.live(gd.Momentum(0.1), 'ravine', (-5, 5), (-2, 2))": "sliders need ipywidgets"},
        ),
    ],
)
def test_without_the_extra_one_sentence_says_how_to_get_it(missing, asked):
    script = f"""
import sys
sys.modules[{missing!r}] = None
import gdcourse as gd
for code in {[*asked]!r}:
    try:
        exec(code)
    except ModuleNotFoundError as error:
        print(error)
    else:
        print("nothing was missing")
"""
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}  # without GDCOURSE_STATIC
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert done.stdout.splitlines() == [f'{what}: pip install "gdcourse[book]"' for what in asked.values()]


def test_what_draws_comes_with_the_extra_alone():
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    names = lambda wanted: {one.split(">")[0].split("<")[0] for one in wanted}  # noqa: E731
    assert names(project["dependencies"]) == {"numpy", "torch", "tqdm"}
    assert {"matplotlib", "ipywidgets"} <= names(project["optional-dependencies"]["book"])
