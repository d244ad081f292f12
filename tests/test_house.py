"""Imports point down the house: a room knows the rooms below it and none above."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "gdcourse"
ROOMS = [  # from the ground up
    "rules",
    "exercises",
    "theory",
    "problems",
    "workbench",
    "optim",
    "experiments",
    "figures",
    "explore",
]
FILES = sorted(PACKAGE.rglob("*.py"))
HEAVY = {"numpy", "torch", "matplotlib", "scipy", "jax", "pandas"}


def modules_imported(path: Path) -> set[str]:
    """The full names of what a file imports, at its top or inside a function."""
    package = ("gdcourse", *path.relative_to(PACKAGE).parts[:-1])
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            names |= {f"{module}.{alias.name}" for alias in node.names}
            if module != "gdcourse":  # `from gdcourse import rules` takes one room, not the package
                names.add(module)
    return names


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "gdcourse" and parts[1] in ROOMS else None


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path):
    room = path.relative_to(PACKAGE).parts[0]
    if room not in ROOMS:
        return  # gdcourse/__init__.py opens every room to the reader
    allowed = ROOMS[: ROOMS.index(room) + 1]
    imported = modules_imported(path)
    above = sorted(name for name in imported if (other := room_of(name)) and other not in allowed)
    assert not above, f"{room}/ imports from above: {above}"
    # `import gdcourse` or `from gdcourse import Adam` would reach every room at once
    inside = [n for n in imported if n == "gdcourse" or (n.startswith("gdcourse.") and room_of(n) is None)]
    assert not inside, f"import from the room itself, not through the package: {inside}"


BARE = sorted(path for room in ("rules", "exercises") for path in (PACKAGE / room).rglob("*.py"))


@pytest.mark.parametrize("path", BARE, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_rules_and_exercises_need_no_array_library(path):
    assert not {name.split(".")[0] for name in modules_imported(path)} & HEAVY


def test_no_room_but_what_serves_a_page_knows_the_exercises():
    for path in FILES:
        room = path.relative_to(PACKAGE).parts[0]
        if room in ROOMS and room not in ("exercises", "workbench"):
            assert not [name for name in modules_imported(path) if room_of(name) == "exercises"], path


def test_there_are_no_other_rooms():
    folders = {p.name for p in PACKAGE.iterdir() if p.is_dir() and any(p.glob("*.py"))}
    assert folders <= set(ROOMS)


def test_the_library_reaches_for_no_network_and_starts_no_program():
    reach = {"socket", "ssl", "http", "urllib", "ftplib", "requests", "subprocess", "webbrowser"}
    for path in FILES:
        assert not {name.split(".")[0] for name in modules_imported(path)} & reach, path
