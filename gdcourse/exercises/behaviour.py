"""Exercises whose answer does something: a line of a rule, a whole rule, a formula. They are judged by what
they do on a few probes, not by how they are written."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import math
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gdcourse.exercises.answers import (
    DOTS,
    TROUBLE,
    Borrowed,
    Unread,
    alone,
    by_name,
    compiled,
    complaint,
    is_expression,
    is_lent,
    letters,
    number,
    plain,
    tools,
)
from gdcourse.exercises.exercise import Exercise
from gdcourse.exercises.verdict import Verdict, short
from gdcourse.rules.rule import Rule

GRADIENTS = (2.0, -1.0, 0.5, 3.0, -2.0, 1.0, 0.25, -4.0)
"""Of both signs and of sizes that differ: a constant gradient would hide many a mistake."""


NEARLY = "It is near, but rounded: compute with Python's floats, not in float32, and with all digits."


@dataclass(frozen=True)
class Probe:
    """A short run on which an answer is tried.

    Parameters
    ----------
    settings : the hyperparameters, by the equation's letters.
    gradients : g_t of each step, again from the first where they end.
    bowl : the curvature of a bowl around 0, whose slope at the point is added to g_t. Default 0.
    start : θ_0. Default 1.
    steps : how many. Default 8.
    later : hyperparameters that change, and to what, from step `change` on.
    change : the first step with them. Default 4.
    """

    settings: Mapping[str, Any]
    gradients: tuple[float, ...] = GRADIENTS
    bowl: float = 0.0
    start: float = 1.0
    steps: int = 8
    later: Mapping[str, Any] = field(default_factory=dict)
    change: int = 4

    def at(self, t: int) -> dict[str, Any]:
        """The hyperparameters of step t."""
        return {**self.settings, **(self.later if t >= self.change else {})}

    def gradient(self, point: float, t: int) -> float:
        """The slope at a point in step t."""
        return self.bowl * point + self.gradients[(t - 1) % len(self.gradients)]

    def in_words(self, t: int) -> str:
        """What a reader needs to follow the run on paper up to step t."""
        given = [f"{letters(k)} = {_shown(v)}" for k, v in self.settings.items()]
        given += [f"{letters(k)} = {_shown(v)} from t = {self.change}" for k, v in self.later.items()]
        if any(self.gradients):
            slopes = ", ".join(_shown(self.gradients[i % len(self.gradients)]) for i in range(t))
            noise = f"gradients {slopes}" if t > 1 else f"a gradient of {slopes}"
            given.append(f"{noise}, to which {self.bowl:g} times the point is added" if self.bowl else noise)
        elif self.bowl:
            given.append(f"the gradient {self.bowl:g} times the point")
        return ", ".join([f"θ_0 = {_shown(self.start)}", *given])


def _shown(value: Any) -> str:
    return f"{value:g}".replace("-", "−") if isinstance(value, (int, float)) else short(value)


class Trace(NamedTuple):
    """What an answer gave at each step, and if it stopped before the end, by what and what to say of it."""

    values: tuple[float, ...]
    stop: str = ""
    says: str = ""


def departs(one: Trace, other: Trace) -> int | None:
    """The first step, from 1, at which two traces differ by more than 1e-9; None if they are the same."""
    for t, (a, b) in enumerate(zip(one.values, other.values, strict=False), 1):
        if not abs(a - b) <= 1e-9 * max(1.0, abs(b)):
            return t
    ends = len(one.values), len(other.values)
    return None if ends[0] == ends[1] and one.stop == other.stop else min(ends) + 1


def same(some: list[Trace], others: list[Trace]) -> bool:
    return all(departs(a, b) is None for a, b in zip(some, others, strict=True))


def nearly(some: list[Trace], others: list[Trace]) -> bool:
    """Whether two answers part by no more than float32, or a few digits, would round away."""
    return all(
        len(one.values) == len(other.values)
        and all(
            math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-6)
            for a, b in zip(one.values, other.values, strict=True)
        )
        for one, other in zip(some, others, strict=True)
    )


Run = Callable[[Any], Trace]


def gather(name: str, steps: range, one: Callable[[int], Any]) -> Trace:
    """The values of each step, up to the first that is no finite number or whose computation stops."""
    values: list[float] = []
    for t in steps:
        try:
            value = one(t)
        except (Unread, Borrowed):
            raise
        except TROUBLE as error:
            if isinstance(error, TypeError) and "ellipsis" in str(error):
                raise Unread(DOTS, answered=False) from None
            return Trace(tuple(values), type(error).__name__, complaint(error))
        if value is Ellipsis:
            raise Unread(DOTS, answered=False)
        if isinstance(value, complex):
            return Trace(
                tuple(values),
                "complex",
                f"{name} becomes a complex number at t = {t}: a root is taken of something below 0.",
            )
        found = number(value)
        if found is None:
            return Trace(tuple(values), "none", f"{name} is {short(value)} at t = {t}, which is no number.")
        if not math.isfinite(found):
            return Trace(tuple(values), str(found), f"{name} is {found} at t = {t}.")
        values.append(found)
    return Trace(tuple(values))


@dataclass(frozen=True, kw_only=True, repr=False)
class Behaviour(Exercise):
    """What the three kinds of answers that do something have in common.

    Parameters
    ----------
    probes : what an answer is tried on.
    """

    probes: tuple[Any, ...]
    shows: str = "θ"

    def known(self, lines: Any) -> Run:
        """How lines of the exercise itself run."""
        raise NotImplementedError

    def read(self, answer: Any) -> Run:
        """How an answer runs."""
        raise NotImplementedError

    @property
    def solution(self) -> Any:
        """Lines that are right."""
        raise NotImplementedError

    def place(self, probe: Any, t: int) -> tuple[int | None, str]:
        """The step number, and the words for how to get there."""
        return t, probe.in_words(t)

    def verdict(self, answer: Any) -> Verdict:
        with alone():
            run = self.read(answer)
            theirs = [run(probe) for probe in self.probes]
        ours = self.traces(self.solution)
        if same(theirs, ours):
            return Verdict(True, "")
        says = next((w.says for w in self.wrong if same(theirs, self.traces(w.answer))), "")
        for probe, mine, right in zip(self.probes, theirs, ours, strict=True):
            if (t := departs(mine, right)) is None:
                continue
            if t > min(len(mine.values), len(right.values)):
                return Verdict(False, f"{says} {mine.says}".strip(), probe=self.place(probe, t)[1])
            step, words = self.place(probe, t)
            says = says or (NEARLY if nearly(theirs, ours) else "It does something else than the equation.")
            return Verdict(False, says, step, mine.values[t - 1], right.values[t - 1], self.shows, words)
        raise AssertionError("traces differ somewhere")

    def traces(self, lines: Any) -> list[Trace]:
        """What lines of the exercise itself do on all probes."""
        run = self.known(lines)
        return [run(probe) for probe in self.probes]


def loop(before: str, answer: Any, after: str, begin: str, target: str, watch: str) -> Run:
    """Lines run step by step, with an answer among them: text, or a function that gives `target`."""
    start, first, last = compiled(begin), compiled(before), compiled(after)
    if isinstance(answer, str):
        text = plain(answer)
        if target and is_expression(text):
            text = f"{target} = {text.strip()}"
        middle = compiled(text)
    elif callable(answer) and target:
        middle = compiled(f"{target} = _answer()")
    else:
        raise Unread(f"Give the missing line as text; this is {short(answer)}.")

    def run(probe: Probe) -> Trace:
        names: dict[str, Any] = {**tools(), "theta": probe.start, **probe.at(1)}
        names["gradient"] = lambda point: probe.gradient(point, names["t"])
        if callable(answer):
            names["_answer"] = lambda: by_name(answer, names)
        exec(start, names)

        def one(t: int) -> Any:
            before_t = {f"{k}_old": probe.at(max(t - 1, 1))[k] for k in probe.later}
            names.update(t=t, **probe.at(t), **before_t)
            exec(first, names)
            exec(middle, names)
            if target and target not in names:
                raise Unread(f"The missing line has to set {target}.")
            exec(last, names)
            return names[watch]

        return gather(letters(watch), range(1, probe.steps + 1), one)

    return run


@dataclass(frozen=True, kw_only=True, repr=False)
class MissingLine(Behaviour):
    """A rule with a gap: an answer is the line, or the lines, that stand in it; as text, or as a function of
    the names that it needs.

    Parameters
    ----------
    begin : the lines before the first step.
    before, after : the lines of each step before and after the gap.
    right : what stands in it.
    target : what the line sets, if it is one: then its right-hand side, or a function, is enough.
    watch : the name whose values are compared after each step. Default θ.
    """

    begin: str = ""
    before: str = ""
    right: str = field(repr=False)
    after: str = ""
    target: str = ""
    watch: str = "theta"

    @property
    def template(self) -> str:
        """The rule with the gap in it."""
        lines = [*self.before.splitlines(), "____", *self.after.splitlines()]
        head = [*self.begin.splitlines(), "for t in range(1, steps + 1):"]
        return "\n".join([*head, *(f"    {line}" for line in lines)])

    @property
    def how_to_answer(self) -> str:
        line = f"the line that sets {self.target}" if self.target else "what is missing"
        return f"Give {line}, as text, in place of the gap:\n\n{self.template}"

    @property
    def stub(self) -> str:
        return 'mine = "..."'

    @property
    def solution(self) -> str:
        return self.right

    def known(self, lines: str) -> Run:
        return loop(self.before, lines, self.after, self.begin, self.target, self.watch)

    def read(self, answer: Any) -> Run:
        return self.known(answer)


@dataclass(frozen=True, kw_only=True, repr=False)
class WholeRule(Behaviour):
    """A rule to be written as a class with `init` and `step`, as the library's are: derived from `gd.Rule` or
    not, a frozen dataclass or not; the class itself, or its source.

    Parameters
    ----------
    fields : the arguments that the class takes, each with the equation's letter for it.
    begin : the lines before the first step.
    right : the lines of a step that is right; `gradient(point)` is the slope at a point.
    given : the class `Mine` as it is given out, with dots.
    """

    fields: Mapping[str, str]
    begin: str = ""
    right: str = field(repr=False)
    given: str

    @property
    def how_to_answer(self) -> str:
        asked = ", ".join(self.fields)
        text = f"Give a class whose arguments are {asked}, with a step(self, theta, grad, state, at)."
        return f"{text}\n\n{self.given}"

    @property
    def stub(self) -> str:
        return self.given

    @property
    def cell(self) -> str:
        return f"{self.given}\n\n\ngd.exercises.{self.name}.check(Mine)"

    @property
    def solution(self) -> str:
        return self.right

    def known(self, lines: str) -> Run:
        return loop("", lines, "", self.begin, "", "theta")

    def read(self, answer: Any) -> Run:
        kind = class_from(answer) if isinstance(answer, str) else answer
        refuse_lent(kind)
        if not callable(kind):
            has_step = hasattr(type(kind), "step")
            raise Unread(
                f"Give the class {type(kind).__name__} itself, without numbers: it is tried with several."
                if has_step
                else f"Give a class with a step; this is {short(kind)}."
            )
        if isinstance(kind, type) and not hasattr(kind, "step"):
            raise Unread(f"{kind.__name__} has no step: say how θ_t is made from θ_(t−1) and the gradient.")
        return lambda probe: walk(kind, self.fields, probe)


def class_from(text: str) -> type:
    """The last class with a step that a student's text defines."""
    text = re.sub(r"^(import gdcourse\b.*|from gdcourse\b.*)$", "", text, flags=re.M)
    names = tools()
    exec(compiled(plain(text)), names)
    given = tools()
    kinds = [x for k, x in names.items() if isinstance(x, type) and k not in given and hasattr(x, "step")]
    if not kinds:
        raise Unread("There is no class with a step in your text.")
    return kinds[-1]


def refuse_lent(kind: Any) -> None:
    """Raise `Borrowed` for a rule of the library, and for a class whose `step` is one's."""
    kind = kind if isinstance(kind, type) else type(kind)
    owner = next((one for one in kind.__mro__ if "step" in vars(one)), kind)
    step = vars(owner).get("step")
    file = getattr(getattr(step, "__code__", None), "co_filename", "")
    if owner is not Rule and is_lent(file):
        raise Borrowed(f"{owner.__name__}.step")


def made(kind: Callable, fields: Mapping[str, str], values: Mapping[str, Any]) -> Any:
    """A rule of a student's with these hyperparameters; by position if it names them in another way."""
    arguments = {name: values[letter] for name, letter in fields.items()}
    try:
        parameters = list(inspect.signature(kind).parameters.values())
    except (TypeError, ValueError):
        return kind(**arguments)
    takes = [one.name for one in parameters]
    if set(takes) >= set(fields) or any(one.kind is one.VAR_KEYWORD for one in parameters):
        return kind(**arguments)
    named = {letter: value for name, value in arguments.items() for letter in (name, fields[name])}
    by_letter = {name: named[plain(name)] for name in takes if plain(name) in named}
    if len(by_letter) == len(fields):
        return kind(**by_letter)
    if len(takes) == len(fields):
        return kind(*arguments.values())
    has = ", ".join(takes) or "none"
    bare = not takes and vars(kind).get("__annotations__") if isinstance(kind, type) else None
    more = " A line with @dataclass above it makes its fields its arguments." if bare else ""
    raise Unread(f"The class should take {', '.join(fields)}; its arguments are: {has}.{more}")


def walk(kind: Callable, fields: Mapping[str, str], probe: Probe) -> Trace:
    """A student's rule on a probe, driven as `gd.descend` drives one."""
    base = Rule()
    held: dict[str, Any] = {"theta": probe.start}

    def part(name: str, *arguments: Any) -> Any:
        return getattr(held["rule"], name, getattr(base, name))(*arguments)

    def one(t: int) -> Any:
        if t == 1:
            held["rule"] = made(kind, fields, probe.at(1))
            refuse_lent(held["rule"])
            if not hasattr(held["rule"], "step"):
                raise Unread("What you gave makes no rule: an object with a step.")
            held["state"] = part("init", probe.start, 0.0)
            if not isinstance(held["state"], Mapping):
                raise Unread('init gives back the state\'s names and first values, as in {"v": zeros}.')
        elif probe.at(t) != probe.at(t - 1):
            held["rule"] = changed(held["rule"], kind, fields, probe.at(t - 1), probe.at(t))
        state = held["state"]
        slope = probe.gradient(part("look", held["theta"], state), t)
        result = part("step", held["theta"], slope, state, part("at", t))
        if not isinstance(result, tuple) and not state:
            result = (result, {})
        if not isinstance(result, tuple) or len(result) != 2 or not isinstance(result[1], Mapping):
            raise Unread(f"step gives back two things, θ_t and a dictionary; yours gives {short(result)}.")
        held["theta"], new = result
        lost = [name for name in state if name not in new]
        if lost:
            raise Unread(f"init names {', '.join(map(str, lost))}, and step does not give it back.")
        held["state"] = {name: new[name] for name in state}
        return held["theta"]

    return gather("θ", range(1, probe.steps + 1), one)


def changed(rule: Any, kind: Callable, fields: Mapping[str, str], old: Mapping, new: Mapping) -> Any:
    """The same rule with new hyperparameters, and with whatever else it holds."""
    before, after = made(kind, fields, old), made(kind, fields, new)
    if dataclasses.is_dataclass(rule) or not hasattr(rule, "__dict__"):
        return after
    vars(rule).update({name: value for name, value in vars(after).items() if vars(before)[name] != value})
    return rule


@dataclass(frozen=True, kw_only=True, repr=False)
class Formula(Behaviour):
    """A function to be written: a schedule, or anything else that depends on a few numbers alone. An answer
    is a function, or its text: an expression or a `def`.

    Parameters
    ----------
    names : what it may depend on.
    right : an expression that is right.
    probes : for each place at which it is tried, the values of these names.
    target : what it is called.
    shows : what its value is, in a sentence.
    """

    names: tuple[str, ...]
    right: str = field(repr=False)
    target: str = "rate"
    shows: str = "the factor"

    @property
    def how_to_answer(self) -> str:
        return f"Give {self.shows} as a function of {', '.join(self.names)}, or its right-hand side as text."

    @property
    def stub(self) -> str:
        return f"def mine({', '.join(self.names)}):\n    return ..."

    @property
    def solution(self) -> str:
        return self.right

    def known(self, lines: str) -> Run:
        return self.read(lines)

    def place(self, probe: Any, t: int) -> tuple[int | None, str]:
        values = probe[t - 1]
        step = values.get("t")
        return step, ", ".join(f"{letters(name)} = {_shown(value)}" for name, value in values.items())

    def read(self, answer: Any) -> Run:
        function = self.function_from(answer) if isinstance(answer, str) else answer
        if not callable(function):
            raise Unread(
                f"Give a function of {', '.join(self.names)}, or a formula; this is {short(answer)}."
            )

        def run(places: tuple[dict[str, Any], ...]) -> Trace:
            return gather(
                letters(self.target),
                range(1, len(places) + 1),
                lambda i: called(function, {name: places[i - 1][name] for name in self.names}),
            )

        return run

    def function_from(self, text: str) -> Callable:
        text = plain(text)
        if re.match(r"\s*lambda\b", text):
            text = f"{self.target} = {text.strip()}"
        return _function_of(text, self.target)


def called(function: Any, values: dict[str, Any]) -> Any:
    return function.of(values) if isinstance(function, _Lines) else by_name(function, values, in_order=True)


class _Lines:
    """A text as a function of names."""

    def __init__(self, code: Any, target: str):
        self.code, self.target = code, target

    def __call__(self) -> None:  # so that it is callable, as a function is
        raise NotImplementedError

    def of(self, values: dict[str, Any]) -> Any:
        names = {**tools(), **values}
        exec(self.code, names)
        if self.target not in names:
            raise Unread(f"The text has to set {self.target}.")
        return names[self.target]


def _set_last(last: list[ast.stmt], target: str) -> str:
    """The name that the last line sets: the question may call it p₁ or ρ_t, and the target has no index."""
    if last and isinstance(last[0], ast.Assign) and isinstance(last[0].targets[0], ast.Name):
        return last[0].targets[0].id
    return target


def _function_of(text: str, target: str) -> Callable:
    if is_expression(text):
        return _Lines(compiled(f"{target} = {text.strip()}"), target)
    code = compiled(text)
    last = ast.parse(textwrap.dedent(text)).body[-1:]
    if last and isinstance(last[0], ast.FunctionDef):
        target = last[0].name
    elif not (last and isinstance(last[0], ast.Assign) and isinstance(last[0].value, ast.Lambda)):
        return _Lines(code, _set_last(last, target))
    names = tools()
    exec(code, names)
    if not callable(names.get(target)):
        raise Unread(f"The text has to set {target}.")
    function: Callable = names[target]
    return function
