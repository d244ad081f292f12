"""The examples in the docstrings come out as they stand there."""

import doctest
import pkgutil
from importlib import import_module

import pytest

import gdcourse


def examples() -> dict[str, doctest.DocTest]:
    """What the package's docstrings have of them, each by where it stands."""
    modules = (found.name for found in pkgutil.walk_packages(gdcourse.__path__, "gdcourse."))
    tests = (test for name in modules for test in doctest.DocTestFinder().find(import_module(name)))
    return {test.name: test for test in tests if test.examples}


FOUND = examples()


def test_they_are_found():
    assert len(FOUND) > 25
    assert len(FOUND["gdcourse.problems.text.text"].examples) == 5
    assert {"gdcourse.problems.text.text", "gdcourse.experiments.compare.compare"} <= FOUND.keys()


@pytest.mark.parametrize("name", FOUND)
def test_an_example_comes_out_as_it_stands(name):
    said: list[str] = []
    doctest.DocTestRunner().run(FOUND[name], out=said.append)
    assert not said, "".join(said)
