"""A cell that is run again, once the whole page has run, finds the names that it had: what a cell takes from
an earlier one, no later cell calls anything else by."""

import ast
import symtable

import pytest

from tests import reader

CHAPTERS = reader.chapters()


def bound_by(source: str) -> set[str]:
    """The names that code gives to something, at the level of the page."""
    found = symtable.symtable(source, "cell", "exec").get_symbols()
    return {name.get_name() for name in found if name.is_assigned() or name.is_imported()}


def asked_by(source: str) -> set[str]:
    """The page's names that code asks for, those in its functions included."""

    def names(table: symtable.SymbolTable) -> set[str]:
        own = {
            name.get_name()
            for name in table.get_symbols()
            if name.is_referenced() and (name.is_global() or table.get_type() == "module")
        }
        return own.union(*map(names, table.get_children()))

    return names(symtable.symtable(source, "cell", "exec"))


def taken(source: str) -> set[str]:
    """What a cell takes from an earlier one: asked for before the cell itself gives it to something."""
    own: set[str] = set()
    found: set[str] = set()
    for statement in ast.parse(source).body:
        text = ast.unparse(statement)
        bound = bound_by(text)
        asked = asked_by(text)
        if isinstance(statement, (ast.For, ast.While, ast.With, ast.If)):
            asked -= bound  # what a loop gives, it asks for in its body
        found |= asked - own
        own |= bound
    return found


def clashes(cells: list[str]) -> list[str]:
    """By cell and name, what a later cell calls otherwise."""
    bound = [bound_by(cell) for cell in cells]
    return [
        f"cell {i} takes {name!r} from an earlier one, and cell {k} gives it to something else"
        for i, cell in enumerate(cells)
        for name in sorted(taken(cell))
        for k in range(i + 1, len(cells))
        if name in bound[k] and any(name in earlier for earlier in bound[:i])
    ]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_cell_that_is_run_again_finds_the_names_that_it_had(chapter):
    assert clashes(reader.code_of(chapter)) == []


def test_a_name_that_is_taken_away_is_found():
    cells = [
        "steps = 200\nrun = steps",
        "late = [run for _ in range(steps)]",
        "for steps in (1, 2):\n    print(steps)",
    ]
    assert clashes(cells) == [
        "cell 1 takes 'steps' from an earlier one, and cell 2 gives it to something else"
    ]
    assert clashes([*cells[:2], "def f(steps):\n    return steps", "run = 1", "run + 1"]) == [
        "cell 1 takes 'run' from an earlier one, and cell 3 gives it to something else"
    ]
    assert clashes(["a = 1", "a = 2\nprint(a)", "a = 3"]) == []
