"""Mutation testing of gdcourse/rules: would the tests in tests/rules notice a wrong sign?

    python scripts/mutants.py                    all files
    python scripts/mutants.py radam validate     two of them

A mutant is one small change to one file: another operator, comparison, constant or hyperparameter, two
arguments swapped, a statement gone. The tests must fail on it. One that they let through either changes what
a caller can see, and then a test is missing, or it does not, and then `mutants.toml` says why. An entry there
that names no mutant, or one that the tests do catch, is an error too.

The messages of errors are left alone, and with them `names.py`, which is words for messages alone; that an
error is raised, when, and of which type, is not. Left alone are also annotations, docstrings and imports:
ruff and mypy watch those, and a rule's name is in the package by its line in the table.

Why neither mutmut nor cosmic-ray: mutmut 3 changes only what stands inside of functions, so neither the
defaults of a dataclass nor the tables of `validate.py` and `table.py`. cosmic-ray deletes no statement and
swaps no arguments; most of its 1,900 mutants are bit shifts, and each starts a process that imports torch.
Here torch is imported once, and a mutant is a fork of that process (`os.fork`: Linux or macOS).
"""

from __future__ import annotations

import ast
import copy
import gc
import importlib
import importlib.util
import itertools
import json
import os
import resource
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from typing import Any

import cores

ROOT = Path(__file__).resolve().parents[1]
RULES = ROOT / "gdcourse" / "rules"
MESSAGES = RULES / "names.py"
EXPLAINED = Path(__file__).with_suffix(".toml")
TESTS = ROOT / "tests" / "rules"
FIRST = {  # the first failure ends it, so the likeliest tests go first
    "validate.py": "test_validate.py",
    "table.py": "test_table.py",
    "__init__.py": "test_table.py",
    **dict.fromkeys(["sign_sgd.py", "lion.py", "nadam.py", "amsgrad.py"], "test_after.py"),
    **dict.fromkeys(["adabelief.py", "ademamix.py", "adopt.py", "schedule_free.py"], "test_after.py"),
    **dict.fromkeys(["around.py", "cautious.py", "clipped.py", "sam.py", "prodigy.py"], "test_around.py"),
    **dict.fromkeys(["adafactor.py", "lamb.py", "normuon.py", "shampoo.py", "soap.py"], "test_matrices.py"),
    "muon.py": "test_muon.py",
}
PYTEST = ("-x", "-q", "--tb=no", "--assert=plain", "--confcutdir=tests/rules", "-p", "no:cacheprovider")
CPU_SECONDS = 30  # for one mutant; all of the tests need 1
CAUGHT, PASSED, BROKEN = 1, 0, 70  # how a fork ends; BROKEN: the mutant was never under test

Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class Mutant:
    """A changed file. The first four fields name it in `mutants.toml`: line numbers would not last."""

    file: str
    place: str
    before: str
    after: str
    line: int
    source: str

    @property
    def key(self) -> Key:
        return self.file, self.place, self.before, self.after


# What is changed into what

ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow)
BITS = (ast.BitAnd, ast.BitOr)
ORDERS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
SYMMETRIC = ("max", "maximum", "min")  # do not mind the order of what they are given
OPPOSITES = {ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In}


def changes(node: Any, fields: Iterable[str], keys: Iterable[str]) -> Iterator[ast.AST]:
    """What is put into a node's place, one after the other.

    `fields` are what the node's class reads from self, `keys` the strings that its function looks up: one
    of them for another is a likely slip.
    """
    match node:
        case ast.BinOp() | ast.AugAssign():
            others = BITS if isinstance(node.op, BITS) else ARITHMETIC
            yield from (altered(node, op=op()) for op in others)
        case ast.BoolOp():
            yield altered(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
            yield from node.values
        case ast.UnaryOp():
            yield node.operand
        case ast.Compare(ops=[op]):
            others = ORDERS if isinstance(op, ORDERS) else (OPPOSITES[type(op)],)
            yield from (altered(node, ops=[other()]) for other in others)
        case ast.IfExp() | ast.If():
            yield from (altered(node, test=test) for test in otherwise(node.test))
        case ast.Constant():
            yield from (ast.Constant(value) for value in other_values(node.value))
            if node.value in keys:
                yield from (ast.Constant(key) for key in sorted(keys))
        case ast.Attribute(value=ast.Name(id="self"), ctx=ast.Load()) if node.attr in fields:
            yield from (altered(node, attr=field) for field in sorted(fields))
        case ast.Call():
            yield from node.args
            if not (isinstance(node.func, ast.Name) and node.func.id in SYMMETRIC):
                yield from (altered(node, args=args) for args in swapped(node.args))
            yield from (altered(node, keywords=keywords) for keywords in without_one(node.keywords))
        case ast.Dict():
            for items in without_one(list(zip(node.keys, node.values, strict=True))):
                yield ast.Dict([key for key, _ in items], [value for _, value in items])
        case ast.Tuple(ctx=ast.Load()) | ast.List(ctx=ast.Load()):
            yield from (altered(node, elts=elts) for elts in without_one(node.elts))
        case ast.Assign(value=ast.Tuple()) | ast.Return(value=ast.Tuple()):
            pairs = swapped(node.value.elts)
            yield from (altered(node, value=altered(node.value, elts=elts)) for elts in pairs)
        case ast.Raise(exc=ast.Call()):
            yield altered(node, exc=altered(node.exc, func=ast.Name("ArithmeticError", ast.Load())))
        case ast.ClassDef() | ast.FunctionDef():
            yield from (altered(node, decorator_list=rest) for rest in without_one(node.decorator_list))
    if isinstance(node, ast.BinOp):
        yield from (node.left, node.right)
        if not isinstance(node.op, (ast.Add, ast.Mult, *BITS)):  # those do not mind
            yield altered(node, left=node.right, right=node.left)
    if is_deletable(node):
        yield ast.Pass()


def altered(node: Any, **fields: Any) -> Any:
    other = copy.copy(node)
    vars(other).update(fields)
    return other


def otherwise(test: ast.expr) -> tuple[ast.expr, ...]:
    return ast.UnaryOp(ast.Not(), test), ast.Constant(True), ast.Constant(False)


def other_values(value: object) -> list[object]:
    match value:
        case bool():
            return [not value]
        case int() | float():
            return [other for other in (value + 1, value - 1, 2 * value, -value, 0) if other != value]
        case str():
            return ["" if value else "x"]
    return []


def without_one(items: Sequence[Any]) -> Iterator[list[Any]]:
    return ([*items[:i], *items[i + 1 :]] for i in range(len(items)))


def swapped(items: Sequence[Any]) -> Iterator[list[Any]]:
    """Two neighbours at a time."""
    return ([*items[:i], items[i + 1], items[i], *items[i + 2 :]] for i in range(len(items) - 1))


def is_deletable(node: ast.AST) -> bool:
    imports = isinstance(node, (ast.Import, ast.ImportFrom))
    return isinstance(node, ast.stmt) and not imports and not is_docstring(node)


def is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


# Where


def mutants_of(path: Path) -> list[Mutant]:
    """Every mutant of a file, each once, in the order of the text."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    parents: dict[ast.AST, ast.AST] = {}
    nodes = list(seen_when_run(tree, parents))
    found = {ast.unparse(tree): Mutant(path.name, "", "", "", 0, "")}
    count: Counter[Key] = Counter()
    for node in nodes:
        above = list(lineage(node, parents))
        owner = next((a for a in above if isinstance(a, ast.ClassDef)), node)
        function = next((a for a in above if isinstance(a, ast.FunctionDef)), node)
        place, shown = place_of(above)
        before = headline(shown)
        for other in list(changes(node, fields_read(owner), strings_looked_up(function))):
            put(other, node, parents[node])
            source = ast.unparse(tree)
            if source not in found:
                after = (
                    "nothing" if isinstance(other, ast.Pass) else headline(other if node is shown else shown)
                )
                key = (path.name, place, before, after)
                count[key] += 1
                nth = f" (no. {count[key]})" if count[key] > 1 else ""
                found[source] = Mutant(path.name, place + nth, before, after, node.lineno, source)
            put(node, other, parents[node])
    return list(found.values())[1:]


def seen_when_run(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> Iterator[Any]:
    """The nodes below one that do something when the code runs, and into `parents` what each stands in."""
    for field, value in ast.iter_fields(node):
        if field in ("annotation", "returns"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, (ast.stmt, ast.expr, ast.arguments, ast.keyword)) and not is_docstring(
                child
            ):
                parents[child] = node
                if isinstance(child, (ast.stmt, ast.expr)):
                    yield child
                if not isinstance(child, (ast.Raise, ast.JoinedStr)):
                    yield from seen_when_run(child, parents)


def put(new: ast.AST, old: ast.AST, parent: ast.AST) -> None:
    for field, value in ast.iter_fields(parent):
        if value is old:
            setattr(parent, field, new)
        elif isinstance(value, list):
            value[:] = [new if item is old else item for item in value]


def lineage(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    while node in parents:
        yield node
        node = parents[node]


def place_of(above: list[ast.AST]) -> tuple[str, ast.AST]:
    """What encloses a node, by name, and what the report quotes: its statement, or its entry in a table."""
    names = [a.name for a in reversed(above) if isinstance(a, (ast.ClassDef, ast.FunctionDef))]
    if not names:
        for child, table in itertools.pairwise(above):
            if isinstance(table, ast.Dict) and child in table.values:
                return ast.unparse(table.keys[table.values.index(child)] or child), child
    return ".".join(names) or "module", next(a for a in above if isinstance(a, ast.stmt))


def headline(node: ast.AST) -> str:
    """The code of a node, of a compound statement the head alone, on one line."""
    if isinstance(node, ast.Pass):
        return "nothing"
    if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.If, ast.For, ast.While, ast.With)):
        node = altered(node, body=[ast.Expr(ast.Constant(...))], orelse=[])
    return " ".join(ast.unparse(node).split())


def fields_read(owner: ast.AST) -> set[str]:
    methods = {node.name for node in ast.walk(owner) if isinstance(node, ast.FunctionDef)}
    read = {
        node.attr
        for node in ast.walk(owner)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    }
    return read - methods


def strings_looked_up(function: ast.AST) -> set[str]:
    slices = [node.slice for node in ast.walk(function) if isinstance(node, ast.Subscript)]
    return {s.value for s in slices if isinstance(s, ast.Constant) and isinstance(s.value, str)}


# Whether the tests notice


class Loader(SourceFileLoader):
    """Gives one module another source; the others are found as ever."""

    def __init__(self, mutant: Mutant) -> None:
        stem = mutant.file.removesuffix(".py")
        name = "gdcourse.rules" if stem == "__init__" else f"gdcourse.rules.{stem}"
        super().__init__(name, str(RULES / mutant.file))
        self.mutant = mutant

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def get_code(self, name: str) -> Any:
        return compile(self.mutant.source, self.path, "exec")


def load_once() -> None:
    """Run all of the tests on the unchanged code, so that what they import is in memory; then forget ours."""
    os.chdir(ROOT)
    os.environ.update(OMP_NUM_THREADS="1", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    sys.path.insert(0, str(ROOT))
    import pytest

    if pytest.main([*PYTEST, str(TESTS)]) != 0:
        sys.exit("the tests fail on the code as it is: mend that first")
    for name in [name for name in sys.modules if name.split(".")[0] in ("gdcourse", "tests")]:
        del sys.modules[name]
    gc.collect()
    gc.freeze()  # the forks share what is there


def outcome(mutant: Mutant) -> int:
    """In a fork: load the package with the mutant in it, and run the tests until one fails."""
    import pytest

    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    loader = Loader(mutant)
    sys.meta_path.insert(0, loader)
    try:
        importlib.import_module("gdcourse")
    except Exception:
        return CAUGHT
    if sys.modules[loader.name].__loader__ is not loader:
        return BROKEN
    first = FIRST.get(mutant.file, "test_equations.py")
    for path in sorted(TESTS.glob("test_*.py"), key=lambda path: (path.name != first, path.name)):
        if pytest.main([*PYTEST, str(path)]) != 0:
            return CAUGHT
    return PASSED


def outcomes(mutants: Sequence[Mutant], processes: int) -> Iterator[tuple[Mutant, int]]:
    """Each mutant with how its fork ended, as they end."""
    running: dict[int, Mutant] = {}
    waiting = list(reversed(mutants))
    while waiting or running:
        while waiting and len(running) < processes:
            mutant = waiting.pop()
            pid = os.fork()
            if pid == 0:
                code = BROKEN
                try:
                    code = outcome(mutant)
                finally:
                    os._exit(code)
            running[pid] = mutant
        pid, status = os.wait()
        code = os.waitstatus_to_exitcode(status)
        yield running.pop(pid), CAUGHT if code < 0 else code  # below 0: a signal, as when its time is up


# What is known of the survivors


def explained(path: Path) -> dict[Key, str]:
    """The entries of `mutants.toml`: a mutant's key, and why no caller can see the change."""
    reasons: dict[Key, str] = {}
    for entry in tomllib.loads(path.read_text(encoding="utf-8"))["survivor"]:
        for after in entry["after"]:
            key = (entry["file"], entry["place"], entry["before"], after)
            if key in reasons or not entry["reason"].strip():
                sys.exit(f"{path.name}: explained twice, or without a reason: {' | '.join(key)}")
            reasons[key] = entry["reason"]
    return reasons


def survivors(path: Path, mutants: Sequence[Mutant]) -> list[Mutant]:
    """Those of a file's mutants that the tests let through."""
    unchanged = Mutant(path.name, "", "", "", 0, path.read_text(encoding="utf-8"))
    if [code for _, code in outcomes([unchanged], 1)] != [PASSED]:
        sys.exit(f"{path.name}: the tests fail on the unchanged file when it is loaded as a mutant is")
    passed = []
    for mutant, code in outcomes(mutants, cores.side_by_side()):
        if code == BROKEN:
            sys.exit(f"{path.name}, line {mutant.line}: could not be tried: {mutant.before} → {mutant.after}")
        if code == PASSED:
            passed.append(mutant)
    return sorted(passed, key=lambda mutant: mutant.line)


def main(stems: list[str]) -> int:
    paths = [RULES / f"{stem}.py" for stem in stems] or sorted(set(RULES.glob("*.py")) - {MESSAGES})
    if unknown := [path.name for path in paths if not path.is_file()]:
        sys.exit(f"not in {RULES.name}/: {', '.join(unknown)}")
    names = {path.name for path in paths}
    reasons = {key: why for key, why in explained(EXPLAINED).items() if not stems or key[0] in names}
    load_once()
    made, passed = 0, []
    for path in paths:
        started = time.monotonic()
        mutants = mutants_of(path)
        found = survivors(path, mutants)
        made, passed = made + len(mutants), passed + found
        new = [mutant for mutant in found if mutant.key not in reasons]
        counts = f"{len(mutants):4d} mutants, {len(found):3d} survive, {len(new):3d} of them unexplained"
        print(f"  {path.name:20s} {counts}  {time.monotonic() - started:5.0f} s", flush=True)
        for mutant in new:
            print(f"\nno test notices {mutant.file}, line {mutant.line}")
            for name, text in zip(("file", "place", "before", "after"), mutant.key, strict=True):
                print(f"{name} = {json.dumps(text if name != 'after' else [text], ensure_ascii=False)}")
        print(end="\n" if new else "", flush=True)
    unexplained = [mutant for mutant in passed if mutant.key not in reasons]
    stale = reasons.keys() - {mutant.key for mutant in passed}
    for key in sorted(stale):
        print(f"\n{EXPLAINED.name} explains what does not survive: {' | '.join(key)}")
    print(
        f"\n{made} mutants: {made - len(passed)} killed, {len(passed) - len(unexplained)} survived and "
        f"explained, {len(unexplained)} unexplained; {len(stale)} explanations out of date"
    )
    return 1 if unexplained or stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
