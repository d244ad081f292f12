"""How results show themselves: in a line, as a table in a notebook, as a picture, as a pandas DataFrame."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from importlib import import_module
from typing import Any

import numpy as np

from gdcourse.experiments.progress import is_static
from gdcourse.rules import Partners, Rule

LONGEST = 120
"""Characters of a description that is longer elsewhere."""

_pictures: list[Callable[[], Any]] = []


class Shown:
    """Shows itself by its `facts`: in one line as text, and in a live notebook as a table.

    What a committed notebook stores is compared, and has no HTML in it: with GDCOURSE_STATIC=1 there is none.
    """

    def facts(self) -> dict[str, str]:
        """What there is to say, by name; what is empty is left out."""
        raise NotImplementedError

    def __repr__(self) -> str:
        told = {name: value for name, value in self.facts().items() if value}
        # as a sentence: "50 steps of Momentum(lr=0.02) on ravine, loss 18 → 0.046"
        start = [f"{told.pop(name)} {name}" for name in ("runs", "trainings", "steps") if name in told]
        by = "".join(f" {name} {told.pop(name)}" for name in ("of", "by", "on") if name in told)
        first = (", ".join(start) + by).strip()
        rest = [f"{name} {value}" for name, value in told.items()]
        return f"{type(self).__name__}: {', '.join(one for one in (first, *rest) if one)}"

    def _repr_html_(self) -> str | None:
        return None if is_static() else table(self.facts(), type(self).__name__)


def table(facts: Mapping[str, str], title: str) -> str:
    """Facts as an HTML table of two columns."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
        f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
        for name, value in facts.items()
        if value
    )
    return f"<table><caption>{html.escape(title)}</caption><tbody>{rows}</tbody></table>"


def describe(thing: Any, without: tuple[str, ...] = ()) -> str:
    """A rule with its hyperparameters but those named, arrays by their shape; else what it is called."""
    if isinstance(thing, (Rule, Partners)) and is_dataclass(thing):
        parts = []
        for f in fields(thing):
            value = getattr(thing, f.name)
            if f.name in without or (f.default is not MISSING and value is f.default):
                continue
            if isinstance(value, Rule):
                parts.append(describe(value, without))
            elif getattr(value, "shape", ()):
                parts.append(f"{f.name} of shape {tuple(value.shape)}")
            else:
                parts.append(f"{f.name}={float(value):.4g}" if _is_number(value) else f"{f.name}={value}")
        return type(thing).__name__ + (f"({', '.join(parts)})" if parts else "")
    name = getattr(thing, "__name__", type(thing).__name__)
    return "a function" if name == "<lambda>" else name


def from_to(values: Any, runs: tuple[int, ...], form: str) -> str:
    """How a series went, shape ``(K, *runs)``: from its first to its last value; of many, where they end."""
    if not runs and len(values) == 1:
        return form.format(float(values[0]))
    if not runs:
        return f"{form.format(float(values[0]))} → {form.format(float(values[-1]))}"
    ends = np.asarray(values[-1], float)
    ends = ends[np.isfinite(ends)]
    if not ends.size:
        return ""
    return f"{form.format(ends.min())} … {form.format(ends.max())} at the end"


def divergence(diverged_at: Any, what: str) -> str:
    """When a run diverged, or how many of many did; empty for never."""
    if diverged_at is None:
        return ""
    if np.ndim(diverged_at):
        out = int((np.asarray(diverged_at) >= 0).sum())
        return f"{out:,} of {np.size(diverged_at):,}" if out else ""
    return f"at step {int(diverged_at)}: {what}"


def drawn_by(pictures: Callable[[], Any]) -> None:
    """Say where the functions are that draw results: in the room above, which this one does not know. The
    package itself calls this."""
    _pictures[:] = [pictures]


def draw(what: str, *arguments: Any, **settings: Any) -> Any:
    """Call the function of that name in the room that draws."""
    if not _pictures:
        raise RuntimeError("nothing draws results: import gdcourse as a whole")
    return getattr(_pictures[0](), what)(*arguments, **settings)


def frame(columns: Mapping[str, np.ndarray], runs: tuple[int, ...], first: str = "step") -> Any:
    """A pandas DataFrame of arrays of shape ``(K, *runs)``: a row for each entry, with its indices."""
    pandas = needed("pandas", "to_pandas needs pandas: pip install pandas")
    shape = next(iter(columns.values())).shape
    index = dict(zip(_axes(runs, first), np.indices(shape).reshape(len(shape), -1), strict=True))
    return pandas.DataFrame({**index, **{name: np.ravel(values) for name, values in columns.items()}})


def needed(module: str, sentence: str) -> Any:
    """A module that may not be installed.

    Raises
    ------
    ModuleNotFoundError : it is not; the sentence says what to do.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module.partition(".")[0]:
            raise
        raise ModuleNotFoundError(sentence, name=error.name) from None


def _axes(runs: tuple[int, ...], first: str) -> list[str]:
    return [first, *(["run"] if len(runs) == 1 else [f"run_{i}" for i in range(len(runs))])]


def _is_number(value: Any) -> bool:
    return (not isinstance(value, (bool, str)) and isinstance(value, (int, float, np.number))) or (
        hasattr(value, "item") and not getattr(value, "shape", ())
    )  # fmt: skip
