"""No slip of one sign is told right: each right answer is changed in one place, another letter, another
operation, a number, a factor left out, two lines swapped, and what longer, random runs tell from it, the
exercise must tell as well."""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from gdcourse import exercises
from gdcourse.exercises.answers import plain
from gdcourse.exercises.behaviour import Behaviour, Probe, same

BEHAVIOURS = [
    one for name in exercises.CHAPTERS for one in exercises.chapter(name) if isinstance(one, Behaviour)
]
OPERATIONS = (ast.Add, ast.Sub, ast.Mult, ast.Div)


def names_of(one: Behaviour) -> set[str]:
    """The letters that a slip may write for one another."""
    nodes = list(ast.walk(ast.parse(plain(one.solution))))
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    functions = {node.func.id for node in nodes if isinstance(node, ast.Call)}
    given = {name for probe in one.probes for name in settings(probe)[0]}
    return (used | given) - functions


def settings(probe) -> list[dict]:
    return [dict(probe.settings)] if isinstance(probe, Probe) else [dict(place) for place in probe]


def instead(node: ast.AST, names: set[str]) -> Iterator[ast.AST]:
    """What a slip may write for one part of an answer."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in names:
        yield from (ast.Name(other, ast.Load()) for other in sorted(names - {node.id}))
    if isinstance(node, ast.BinOp):
        yield from (node.left, node.right)
        if not isinstance(node.op, ast.Pow):
            yield from (ast.BinOp(node.left, op(), node.right) for op in OPERATIONS)
        yield ast.BinOp(node.right, node.op, node.left)
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        yield from (ast.Constant(value) for value in (0, 1, 2, node.value + 1, node.value / 2))
    if isinstance(node, ast.UnaryOp):
        yield node.operand
    if isinstance(node, ast.Call):
        yield from node.args


class _Put(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST):
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        return self.new if node is self.old else super().generic_visit(node)


def slips(one: Behaviour) -> set[str]:
    """The right answer of an exercise with one thing wrong."""
    text = ast.unparse(tree := ast.parse(plain(one.solution)))
    names, found = names_of(one), set()

    def change(new: Callable[[ast.Module, list[ast.AST]], ast.AST]) -> None:
        other = copy.deepcopy(tree)
        found.add(ast.unparse(ast.fix_missing_locations(new(other, list(ast.walk(other))))))

    for k, node in enumerate(ast.walk(tree)):
        for i in range(len(list(instead(node, names)))):
            change(lambda t, nodes, k=k, i=i: _Put(nodes[k], list(instead(nodes[k], names))[i]).visit(t))
    for i in range(len(tree.body) - 1):
        swapped = [*tree.body[:i], tree.body[i + 1], tree.body[i], *tree.body[i + 2 :]]
        found.add(ast.unparse(ast.Module(swapped, [])))
    return found - {text}


def elsewhere(one: Behaviour, times: int = 6) -> Behaviour:
    """The exercise with longer probes at random places."""
    draw = random.Random(1)

    def moved(value):
        if (isinstance(value, int) and value > 2) or not isinstance(value, (int, float)):
            return value
        if 0 < value < 1:
            return min(0.97, max(0.03, value + draw.uniform(-0.5, 0.5) * min(value, 1 - value)))
        return value * draw.uniform(0.6, 1.4)

    def drawn(probe):
        if not isinstance(probe, Probe):
            return tuple({name: moved(value) for name, value in place.items()} for place in probe)
        return replace(
            probe,
            settings={name: moved(value) for name, value in probe.settings.items()},
            later={name: moved(value) for name, value in probe.later.items()},
            gradients=tuple(draw.gauss(0, 2) if any(probe.gradients) else 0.0 for _ in range(13)),
            bowl=probe.bowl * draw.uniform(0.6, 1.5),
            start=probe.start * draw.uniform(-1.5, 1.5),
            steps=max(probe.steps, 26),
        )

    return replace(one, probes=tuple(drawn(probe) for _ in range(times) for probe in one.probes))


def told_right(one: Behaviour) -> list[str]:
    """The slips that the exercise takes for its right answer, and that are none of its other forms."""
    right, wide = one.traces(one.solution), elsewhere(one)
    right_there, found = wide.traces(one.solution), []
    for slip in sorted(slips(one)):
        try:
            if same(one.traces(slip), right) and not same(wide.traces(slip), right_there):
                found.append(slip)
        except Exception:  # no answer any more: a reader is told so
            continue
    return found


@pytest.mark.parametrize("one", BEHAVIOURS, ids=[one.name for one in BEHAVIOURS])
def test_no_slip_of_one_sign_is_told_right(one):
    assert len(slips(one)) > 5
    assert told_right(one) == []


def test_probes_that_are_too_few_are_found_out():
    lion = next(one for one in BEHAVIOURS if one.name == "sign.lion")
    assert told_right(replace(lion, probes=lion.probes[:1]))
