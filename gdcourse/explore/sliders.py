"""Sliders beside a surface, for a notebook with a kernel behind it."""

from __future__ import annotations

import textwrap
from dataclasses import fields, replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from gdcourse.experiments import descend, is_static
from gdcourse.experiments.shown import needed
from gdcourse.figures import contours, path
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
    rule: Rule,
    problem: Any,
    x: tuple[float, float],
    y: tuple[float, float],
    steps: int = 60,
    start: Any = None,
) -> Any:
    """Sliders for a rule's hyperparameters and its start, and the path that the library walks with them.

    Without a kernel (GDCOURSE_STATIC=1, the rendered book) it prints one sentence instead.

    Parameters
    ----------
    rule : where the sliders stand at first.
    problem : one with two coordinates: a problem, the name of a surface, or a function of one θ.
    x, y : the part of the plane to show.
    steps : how many steps to take at first. Default 60.
    start : where to start at first, two numbers. Default: the problem's own start; for a function, the middle
        of the plane.

    Raises
    ------
    TypeError, ValueError : not a rule, or no problem with two coordinates.
    """
    validate(rule)
    problem = plane_problem(problem, x, y)
    first = start if start is not None else problem.start
    at = np.array([np.mean(x), np.mean(y)]) if first is None else np.asarray(first, float)
    if at.shape != (2,):
        raise ValueError(f"start must be two numbers, got {first!r}")
    names = [f.name for f in fields(rule) if f.name in RANGES]  # type: ignore[arg-type]
    inner = rule.inner_rule if isinstance(rule, Lookahead) else None
    if is_static():
        moved = [*names, *(["k", "the inner rule's lr"] if inner else []), "start", "steps"]
        sentence = f"With a kernel behind this page, sliders stand here for: {', '.join(moved)}."
        print(textwrap.fill(sentence, width=80))
        return None
    widgets = needed("ipywidgets", NO_WIDGETS)

    sliders: dict[str, Any] = {name: _slider(name, getattr(rule, name)) for name in names}
    if inner is not None:
        sliders["k"] = widgets.IntSlider(rule.k, 1, 20, description="k")  # type: ignore[attr-defined]
        sliders["inner_lr"] = _slider("lr", inner.lr)  # type: ignore[attr-defined]
    sliders["start_1"] = widgets.FloatSlider(at[0], min=x[0], max=x[1], step=0.05, description="start θ₁")
    sliders["start_2"] = widgets.FloatSlider(at[1], min=y[0], max=y[1], step=0.05, description="start θ₂")
    sliders["steps"] = widgets.IntSlider(steps, 1, 500, description="steps")

    def draw(steps: int, start_1: float, start_2: float, inner_lr: float = 0.0, **settings: float) -> None:
        now = moved_rule(rule, inner_lr, **settings)
        run = descend(now, problem, [start_1, start_2], steps)
        ax = contours(problem, x, y)
        path(run, rule, ax)
        end = f"diverged at step {run.diverged_at}" if run.diverged_at else f"loss {run.loss[-1]:.3g}"
        ax.set_title(f"{type(rule).__name__}: {end} after {steps} steps")
        plt.show()

    return widgets.VBox(
        [widgets.HBox(list(sliders.values()), layout=widgets.Layout(flex_flow="row wrap")),
         widgets.interactive_output(draw, sliders)]
    )  # fmt: skip


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
