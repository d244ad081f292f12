"""The mutants of `make verify`: what is changed, what is left alone, and what survivors lead to."""

import json

import mutants  # scripts/mutants.py
import pytest

SOURCE = '''"""A docstring."""
from dataclasses import dataclass

RATES: dict[str, float] = {"slow": 0.5}

def keep(a: int, b: bool = True) -> int:
    """Another."""
    if a < RATES["slow"]:
        raise ValueError(f"{a - b} is too small")
    return a - b

@dataclass(frozen=True)
class Pair:
    x: float
    y: float

    def gap(self):
        return abs(self.x - self.y)
'''
HEAD = "@dataclass(frozen=True) class Pair: ..."
RETURN = "return abs(self.x - self.y)"
EXPECTED = {
    ("module", "RATES: dict[str, float] = {'slow': 0.5}"): {
        "nothing",
        "RATES: dict[str, float] = {}",
        "RATES: dict[str, float] = {'': 0.5}",
    },
    ("'slow'", "0.5"): {"1.5", "-0.5", "1.0", "0"},
    ("keep", "def keep(a: int, b: bool=True) -> int: ..."): {
        "nothing",
        "def keep(a: int, b: bool=False) -> int: ...",
    },
    ("keep", "if a < RATES['slow']: ..."): {
        *(
            "nothing",
            "if not a < RATES['slow']: ...",
            "if True: ...",
            "if False: ...",
            "if a < RATES['']: ...",
        ),
        *(f"if a {op} RATES['slow']: ..." for op in ("<=", ">", ">=", "==", "!=")),
    },
    ("keep", "raise ValueError(f'{a - b} is too small')"): {
        "nothing",
        "raise ArithmeticError(f'{a - b} is too small')",
    },
    ("keep", "return a - b"): {
        *(f"return a {op} b" for op in ("+", "*", "/", "**")),
        *("nothing", "return a", "return b", "return b - a"),
    },
    ("Pair", HEAD): {
        "nothing",
        "class Pair: ...",
        "@dataclass() class Pair: ...",
        "@dataclass(frozen=False) class Pair: ...",
    },
    ("Pair", "x: float"): {"nothing"},
    ("Pair", "y: float"): {"nothing"},
    ("Pair.gap", "def gap(self): ..."): {"nothing"},
    ("Pair.gap", RETURN): {
        *(f"return abs(self.x {op} self.y)" for op in ("+", "*", "/", "**")),
        *("nothing", "return self.x - self.y", "return abs(self.x)", "return abs(self.y)"),
        *("return abs(self.y - self.x)", "return abs(self.y - self.y)", "return abs(self.x - self.x)"),
    },
}


@pytest.fixture
def room(tmp_path, monkeypatch):
    """A package of one file, and an empty list of explanations."""
    (tmp_path / "pair.py").write_text(SOURCE, encoding="utf-8")
    monkeypatch.setattr(mutants, "RULES", tmp_path)
    monkeypatch.setattr(mutants, "EXPLAINED", tmp_path / "mutants.toml")
    (tmp_path / "mutants.toml").write_text("survivor = []")
    return tmp_path


def test_what_is_changed_and_what_is_left_alone(room):
    found = mutants.mutants_of(room / "pair.py")
    by_statement: dict[tuple[str, str], set[str]] = {}
    for mutant in found:
        assert mutant.after not in by_statement.setdefault((mutant.place, mutant.before), set())
        by_statement[mutant.place, mutant.before].add(mutant.after)
    assert by_statement == EXPECTED
    assert len({mutant.source for mutant in found}) == len(found)
    for mutant in found:
        compile(mutant.source, mutant.file, "exec")


def entry(before, after, reason="no caller can tell", place="keep"):
    values = {"file": "pair.py", "place": place, "before": before, "after": after, "reason": reason}
    return "\n".join(["[[survivor]]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())])


SURVIVE = ["return b - a", "return a"]


@pytest.mark.parametrize(
    ("entries", "code", "told"),
    [
        ([entry("return a - b", SURVIVE)], 0, "2 survived and explained, 0 unexplained; 0 expl"),
        ([entry("return a - b", SURVIVE[:1])], 1, "no test notices pair.py, line 10"),
        (
            [entry("return a - b", [*SURVIVE, "return b"])],
            1,
            "does not survive: pair.py | keep | return a - b",
        ),
        ([entry("return a - b", SURVIVE), entry("return c", ["nothing"])], 1, "keep | return c | nothing"),
    ],
    ids=["all explained", "one is not", "one is killed", "one is no mutant"],
)
def test_survivors_are_explained_and_nothing_else_is(room, monkeypatch, capsys, entries, code, told):
    def outcomes(made, processes):
        for mutant in made:
            yield mutant, mutants.PASSED if mutant.after in ["", *SURVIVE] else mutants.CAUGHT

    monkeypatch.setattr(mutants, "load_once", lambda: None)
    monkeypatch.setattr(mutants, "outcomes", outcomes)
    (room / "mutants.toml").write_text("\n".join(entries))
    assert mutants.main([]) == mutants.main(["pair"]) == code
    assert told in capsys.readouterr().out


@pytest.mark.parametrize(
    ("unchanged", "told"),
    [(mutants.CAUGHT, "fail on the unchanged file"), (mutants.PASSED, "could not be tried")],
)
def test_what_shows_nothing_ends_it(room, monkeypatch, unchanged, told):
    """Tests that fail on the file as it is, or a mutant that was not loaded."""

    def outcomes(made, processes):
        return [(mutant, mutants.BROKEN if mutant.after else unchanged) for mutant in made]

    monkeypatch.setattr(mutants, "load_once", lambda: None)
    monkeypatch.setattr(mutants, "outcomes", outcomes)
    with pytest.raises(SystemExit, match=told):
        mutants.main(["pair"])


def test_an_explanation_needs_a_reason_and_stands_once(room):
    for entries in ([entry("return a - b", ["return a"], " ")], [entry("return a - b", ["return a"])] * 2):
        (room / "mutants.toml").write_text("\n".join(entries))
        with pytest.raises(
            SystemExit, match=r"without a reason: pair.py \| keep \| return a - b \| return a"
        ):
            mutants.main([])


def test_a_file_that_is_not_there_is_named(room):
    with pytest.raises(SystemExit, match="adma.py"):
        mutants.main(["adma"])
