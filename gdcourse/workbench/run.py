"""Run a rule that a reader wrote, from its text: the path, the losses, and what went wrong where.

The page calls `run` in the browser, with files of the package alone that need no NumPy. Nothing here raises
for what a reader wrote: a `Run` says it in words.
"""

from __future__ import annotations

import contextlib
import io
import math
import traceback
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from gdcourse.problems.planes import Beale, Himmelblau, Rosenbrock, Saddle, Valley
from gdcourse.rules.around import chain_of, name_of, scope_of
from gdcourse.rules.rule import Rule
from gdcourse.workbench.matrix import Matrix, Turned
from gdcourse.workbench.vector import Vector

FILE = "your rule"
FAR = 1e6
"""A run that is further away than this, or no number, has diverged."""
PRINTED = 1000
"""So many letters of what is printed are kept."""

SURFACES: dict[str, tuple[Any, tuple[float, float]]] = {
    "ravine": (Valley(20.0), (-4.0, 1.0)),
    "Beale": (Beale(), (-1.0, 1.5)),
    "Rosenbrock": (Rosenbrock(), (-1.2, 1.0)),
    "saddle": (Saddle(), (1.0, 1e-3)),
    "Himmelblau": (Himmelblau(), (0.0, 0.0)),
}
"""By name, a surface and where runs start on it."""

MATRICES: dict[str, tuple[Turned, tuple[float, float]]] = {"turned": (Turned(), (-4.0, 1.0))}
"""The same for rules that see a matrix."""

FORMULAS = {
    "ravine": r"the ravine $J = \tfrac12(\theta_1^2 + 20\,\theta_2^2)$",
    "Himmelblau": r"the surface $J = (\theta_1^2 + \theta_2 - 11)^2 + (\theta_1 + \theta_2^2 - 7)^2$",
    "turned": r"the ravine $J = \tfrac12(s_1^2 + 20\,s_2^2)$, seen turned by an angle,",
}
"""What a page says of the surfaces that its workbench runs on, in Markdown."""


def in_words(surface: str, steps: int) -> str:
    """Where a run of the workbench goes, as a sentence in Markdown."""
    x, y = (SURFACES | MATRICES)[surface][1]
    return f"A run takes {steps} steps on {FORMULAS[surface]} from $({x:g}, {y:g})$, without noise."


@dataclass
class Run:
    """What came of it.

    Attributes
    ----------
    path : the points θ_0, θ_1, …, as far as they are finite.
    losses : at these points.
    diverged_at : the step after which θ was no finite number or far away, else None.
    error : what went wrong, in a sentence, else "".
    line : on which line of the text, counted from 1; None where that is not known.
    printed : what the text printed, cut after a thousand letters.
    rule : the rule with its hyperparameters, as text.
    """

    path: list[list[float]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    diverged_at: int | None = None
    error: str = ""
    line: int | None = None
    printed: str = ""
    rule: str = ""


class Kept(io.TextIOBase):
    """What is written to it, up to so many letters."""

    def __init__(self) -> None:
        self.text, self.cut = "", False

    def write(self, text: str) -> int:
        room = PRINTED - len(self.text)
        self.cut = self.cut or len(text) > room
        self.text += text[: max(0, room)]
        return len(text)

    def told(self) -> str:
        return self.text + ("\n… (cut)" if self.cut else "")


def run(text: str, surface: str, steps: int, start: Any = None) -> Run:
    """Run the rule that a text defines.

    Parameters
    ----------
    text : Python. It makes ``rule``, a rule with its hyperparameters; where it does not, the last class with
        a ``step`` is made without any.
    surface : a name of `SURFACES`, or of `MATRICES`.
    steps : how many.
    start : θ_0, two numbers. Default: the surface's own.
    """
    found = Run()
    with told_in(found):
        rule = made(text)
        found.rule = repr(rule)
        walk(rule, surface, steps, start, found)
    return found


@contextlib.contextmanager
def told_in(found: Any) -> Iterator[None]:
    """What a reader's text prints, and the error that ends it, are told in ``found``."""
    out = Kept()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            yield
        except Exception as error:
            found.error, found.line = explained(error)
    found.printed = out.told()


def run_as_dict(*args: Any) -> dict[str, Any]:
    """`run`, in numbers, lists and texts, for the page."""
    return asdict(run(*args))


def names_made(text: str) -> dict[str, Any]:
    """What a text makes, by name, run as in a notebook."""
    names: dict[str, Any] = {"__name__": "__main__", "Rule": Rule}
    exec(compile(text, FILE, "exec", dont_inherit=True), names)
    return names


def made(text: str) -> Any:
    """The rule that a text makes.

    Raises
    ------
    ValueError : it makes none. And whatever the text itself raises.
    """
    names = names_made(text)
    if "rule" in names:
        rule = names["rule"]
        if isinstance(rule, type):
            raise ValueError(
                f"rule is a class: give it its hyperparameters, as in rule = {rule.__name__}(lr=0.1)"
            )
    else:
        own = [x for x in names.values() if isinstance(x, type) and x is not Rule and hasattr(x, "step")]
        if not own:
            raise ValueError(
                "there is no rule: write a class with a method step, and rule = ThatClass(…) below"
            )
        name = own[-1].__name__
        try:
            rule = own[-1]()
        except TypeError as error:
            raise ValueError(
                f"{name} needs hyperparameters: write rule = {name}(lr=0.1) below ({error})"
            ) from None
    for name in ("step", "init", "at", "look"):
        if not callable(getattr(rule, name, None)):
            raise ValueError(f"{type(rule).__name__} has no method {name}: let it inherit from Rule")
    return rule


class OnPlane:
    """A surface for a θ of two numbers."""

    def __init__(self, plane: Any) -> None:
        self.plane = plane

    def begin(self, x: float, y: float) -> Vector:
        return Vector([x, y])

    def seen(self, theta: Any) -> tuple[float, float]:
        x, y = map(float, theta)
        return x, y

    def loss(self, theta: Any) -> float:
        return float(self.plane.value(*self.seen(theta)))

    def grad(self, theta: Any) -> Vector:
        """The gradient; not a number where it is too large for one."""
        try:
            return theta.like(self.plane.slopes(*theta))
        except OverflowError:
            return theta.like([math.nan, math.nan])


def ground_of(surface: str) -> tuple[OnPlane | Turned, tuple[float, float]]:
    """What a rule walks on, and from where."""
    if surface in MATRICES:
        return MATRICES[surface]
    plane, start = SURFACES[surface]
    return OnPlane(plane), start


def seen_by(rule: Any, theta: Vector) -> Vector:
    """θ in the shape in which a rule sees it, as in the library.

    Raises
    ------
    ValueError : the rule is for matrices, and θ is none.
    """
    scope = scope_of(rule) if isinstance(rule, Rule) else "element"
    if theta.ndim < 2 and scope == "tensor":
        if any(one.matrices_only for one in chain_of(rule)):
            raise ValueError(
                f"{name_of(rule)} moves matrices, and here θ is a vector: the workbenches in the chapters on "
                "Muon and on curvature have a matrix"
            )
        return Matrix(theta, (1, len(theta)))
    return Vector(theta) if scope in ("vector", "all") else theta


def walk(rule: Any, surface: str, steps: int, start: Any, found: Run) -> None:
    """Take the steps, and write them down."""
    ground, usual = ground_of(surface)
    theta = seen_by(rule, ground.begin(*map(float, start or usual)))
    first = theta.shape
    state = rule.init(theta, theta.like([0.0] * len(theta)))
    if not isinstance(state, dict):
        raise ValueError(
            f"init gives back {kind_of(state)}: it must be a dict, of what is carried on by name"
        )
    keep(theta, ground, found)
    for t in range(1, steps + 1):
        grad = ground.grad(rule.look(theta, state))
        stepped = rule.step(theta, grad, state, rule.at(t))
        if not (isinstance(stepped, tuple) and len(stepped) == 2 and isinstance(stepped[1], dict)):
            raise ValueError(
                f"step gives back {kind_of(stepped)}: it must be two things, the new θ and a dict of the new "
                "state"
            )
        theta, new = stepped
        if not isinstance(theta, Vector) or theta.shape != first:
            raise ValueError(f"after step {t} θ is {kind_of(theta)}: it must have θ's shape")
        if missing := [name for name in state if name not in new]:
            raise ValueError(f"init names {', '.join(map(repr, missing))}, which step does not give back")
        state = {name: new[name] for name in state}
        if not all(math.isfinite(x) and abs(x) <= FAR for x in theta):
            found.diverged_at = t
            return
        keep(theta, ground, found)


def keep(theta: Vector, ground: Any, found: Run) -> None:
    found.path.append(list(ground.seen(theta)))
    found.losses.append(ground.loss(theta))


def kind_of(thing: Any) -> str:
    if thing is None:
        return "nothing (is there a return?)"
    return f"{'an' if type(thing).__name__[0] in 'aeiou' else 'a'} {type(thing).__name__}"


def explained(error: Exception) -> tuple[str, int | None]:
    """An error in a sentence, and the line of the reader's text that it comes from."""
    if isinstance(error, SyntaxError):
        return f"Python cannot read this line: {error.msg}", error.lineno
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == FILE]
    message = f"{type(error).__name__}: {error}" if not isinstance(error, ValueError) else str(error)
    if isinstance(error, KeyError):
        message = f"there is no {error} here: init names what is carried in state, and at(t) what hangs on t"
    if isinstance(error, ImportError):
        message = f"there is no {error.name} here: in the page there is Python itself, and gdcourse.rules"
    return message, lines[-1] if lines else None
