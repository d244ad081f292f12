"""The reference page has an entry for every public name, and for no other."""

import importlib
import inspect
import re
import sys
from pathlib import Path

import pytest

from gdcourse.experiments import ledger

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "book" / "_ext"))
import registered  # noqa: E402  book/_ext/registered.py

PAGE = (ROOT / "book" / "api.md").read_text(encoding="utf-8")
ROOMS = ("rules", "exercises", "theory", "problems", "optim", "experiments", "figures", "explore")


def entries():
    found, module = set(), ""
    for line in PAGE.splitlines():
        if match := re.match(r"\.\. (?:currentmodule|automodule):: (\S+)", line):
            module = match[1]
        elif match := re.match(r"\.\. auto(?:function|class|data):: ([\w.]+)", line):
            found.add(f"{module}.{match[1]}")
        elif match := re.match(r"\.\. registered:: (\w+)", line):
            found |= {entry.split(":: ")[1] for entry in registered.entries(match[1])}
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_every_public_function_and_class_is_in_the_reference(room):
    module = importlib.import_module(f"gdcourse.{room}")
    things = {name: getattr(module, name) for name in module.__all__}
    ours = {
        name: thing for name, thing in things.items() if getattr(thing, "__module__", "").startswith("gd")
    }
    public = [name for name, thing in ours.items() if inspect.isfunction(thing) or inspect.isclass(thing)]
    assert public
    missing = [name for name in public if f"gdcourse.{room}.{name}" not in entries()]
    assert not missing, f"book/api.md has no entry for {missing}"


def test_every_entry_exists_and_has_a_docstring():
    for entry in entries():
        module, _, name = entry.rpartition(".")
        thing = getattr(importlib.import_module(module), name)
        assert inspect.getdoc(thing), f"{entry} has no docstring"


def test_every_work_in_the_bibliography_is_cited_and_every_citation_is_in_it():
    book = ROOT / "book"
    works = set(re.findall(r"^@\w+\{([^,]+),", (book / "references.bib").read_text(encoding="utf-8"), re.M))
    cited = {key for claim in ledger().values() for key in claim.sources}
    for page in [*book.glob("*.md"), *(book / "src").glob("*.md")]:
        for keys in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", page.read_text(encoding="utf-8")):
            cited |= {key.strip() for key in keys.split(",")}
    assert cited == works, f"cited nowhere: {sorted(works - cited)}; missing: {sorted(cited - works)}"
