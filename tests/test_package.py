"""What `import gdcourse` gives, and what it does not load."""

import subprocess
import sys

import gdcourse

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


def test_help_starts_with_what_to_call_first():
    first = gdcourse.__doc__.split("\n\n")[1:3]
    assert first[0] == "What to call first:" and "gd.descend" in gdcourse.__doc__


def test_type_checkers_find_its_types():
    from importlib.resources import files

    assert (files("gdcourse") / "py.typed").is_file()
