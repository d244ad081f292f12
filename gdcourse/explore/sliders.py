"""Sliders beside a surface, for a notebook with a kernel behind it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from gdcourse.experiments import descend, is_static
from gdcourse.experiments.shown import needed
from gdcourse.figures import contours, path, title
from gdcourse.figures.plots import plane_problem
from gdcourse.rules import Lookahead, Rule, hinted, validate

NO_WIDGETS = 'sliders need ipywidgets: pip install "gdcourse[book]"'

# name: (lowest, highest, steps to a decade or None for a linear slider)
RANGES: dict[str, tuple[float, float, int | None]] = {
    "lr": (1e-4, 1e1, 20),
    "eps": (1e-12, 1e0, 2),
    "gamma": (0.0, 0.99, None),
    "beta1": (0.0, 0.99, None),
    "beta2": (0.5, 0.999, None),
    "alpha": (0.0, 1.0, None),
    "weight_decay": (1e-4, 1e0, 10),
}


@hinted
def live(
    rule: Rule | Sequence[Rule],
    problem: Any,
    x: tuple[float, float],
    y: tuple[float, float],
    steps: int = 60,
    start: Any = None,
) -> Any:
    """Sliders for a rule's hyperparameters and its start, and the path that the library walks with them; for
    several rules their paths side by side, from the same start.

    Without a kernel (GDCOURSE_STATIC=1, the rendered book) it prints one sentence instead.

    Parameters
    ----------
    rule : where the sliders stand at first; or a list of rules.
    problem : one with two coordinates: a problem, the name of a surface, or a function of one θ.
    x, y : the part of the plane to show.
    steps : how many steps to take at first. Default 60.
    start : where to start at first, two numbers. Default: the problem's own start; for a function, the middle
        of the plane.

    Raises
    ------
    TypeError, ValueError : not a rule, or no problem with two coordinates.
    """
    rules: list[Any] = list(rule) if isinstance(rule, (list, tuple)) else [rule]
    for one in rules:
        validate(one)
    problem = plane_problem(problem, x, y)
    first = start if start is not None else problem.start
    at = np.array([np.mean(x), np.mean(y)]) if first is None else np.asarray(first, float)
    if at.shape != (2,):
        raise ValueError(f"start must be two numbers, got {first!r}")
    if is_static():
        whose = [f"{title(one)}'s " if len(rules) > 1 else "" for one in rules]
        moved = [f"{who}{name}" for who, one in zip(whose, rules, strict=True) for name in _named(one)]
        sentence = (
            f"With a kernel behind this page, sliders stand here for: {', '.join(moved)}, start, steps."
        )
        print(textwrap.fill(sentence, width=80))
        return None
    widgets = needed("ipywidgets", NO_WIDGETS)

    own = [_sliders(one) for one in rules]
    common = {
        "start_1": widgets.FloatSlider(at[0], min=x[0], max=x[1], step=0.05, description="start θ₁"),
        "start_2": widgets.FloatSlider(at[1], min=y[0], max=y[1], step=0.05, description="start θ₂"),
        "steps": widgets.IntSlider(steps, 1, 500, description="steps"),
    }

    def draw(steps: int, start_1: float, start_2: float, **settings: float) -> None:
        axes = plt.subplots(1, len(rules), figsize=(7 if len(rules) == 1 else 4.6 * len(rules), 3.6))[1]
        for i, (one, ax) in enumerate(zip(rules, np.atleast_1d(axes), strict=True)):
            its = {name.partition(" ")[2]: v for name, v in settings.items() if name.startswith(f"{i} ")}
            run = descend(moved_rule(one, **its), problem, [start_1, start_2], steps)
            path(run, one, contours(problem, x, y, ax=ax))
            end = f"diverged at step {run.diverged_at}" if run.diverged_at else f"loss {run.loss[-1]:.3g}"
            ax.set_title(f"{title(one)}: {end} after {steps} steps")
        plt.show()

    keyed = {f"{i} {name}": slider for i, its in enumerate(own) for name, slider in its.items()}
    rows = [[*its.values()] for its in own] if len(rules) > 1 else []
    rows = [[widgets.Label(f"{title(one)}:"), *row] for one, row in zip(rules, rows, strict=False)]
    rows.append([*(own[0].values() if len(rules) == 1 else ()), *common.values()])
    return widgets.VBox(
        [
            *(widgets.HBox(row, layout=widgets.Layout(flex_flow="row wrap")) for row in rows),
            widgets.interactive_output(draw, keyed | common),
        ]
    )


def _named(rule: Rule) -> list[str]:
    """What sliders move of a rule."""
    names = [f.name for f in fields(rule) if f.name in RANGES]  # type: ignore[arg-type]
    return [*names, "k", "the inner rule's lr"] if isinstance(rule, Lookahead) else names


def _sliders(rule: Rule) -> dict[str, Any]:
    """A slider for each hyperparameter, by the name that `moved_rule` has for it."""
    sliders = {f.name: _slider(f.name, getattr(rule, f.name)) for f in fields(rule) if f.name in RANGES}  # type: ignore[arg-type]
    if isinstance(rule, Lookahead):
        widgets = needed("ipywidgets", NO_WIDGETS)
        sliders["k"] = widgets.IntSlider(rule.k, 1, 20, description="k")
        sliders["inner_lr"] = _slider("lr", rule.inner_rule.lr)  # type: ignore[attr-defined]
    return sliders


def moved_rule(rule: Rule, inner_lr: float = 0.0, **settings: float) -> Rule:
    """The rule with other settings; ``inner_lr`` is for the rule inside a Lookahead."""
    if isinstance(rule, Lookahead):
        settings = {**settings, "inner_rule": replace(rule.inner_rule, lr=inner_lr)}  # type: ignore
    return replace(rule, **settings)  # type: ignore[type-var]


def _slider(name: str, value: float) -> Any:
    widgets = needed("ipywidgets", NO_WIDGETS)

    low, high, per_decade = RANGES[name]
    if per_decade is None:
        return widgets.FloatSlider(
            value, min=low, max=high, step=0.001 if name == "beta2" else 0.01, description=name
        )
    return widgets.FloatLogSlider(
        value,
        min=np.log10(low),
        max=np.log10(high),
        step=1 / per_decade,
        description=name,
        readout_format=".2g",
    )
