"""What an interactive figure is made of: controls, panels, and the marks in them.

A mark names the arrays that it draws. Which part of an array is drawn follows from the state of the controls:
an array's first axes belong to the controls that were computed over, one axis each (of size 1 where it does
not depend on that control); ``at`` picks along further axes, by other controls. The rest of the axes are what
is drawn. Where an array has no number (NaN), nothing is drawn: a line breaks, a dot, a rule or a text is
absent.

Colours are names: ``ink``, ``faint``, ``paper``, and the families' ``grey``, ``orange``, ``blue``,
``purple``, ``green`` (see `gdcourse.figures.style`). A text is a template: see `gdcourse.explore.template`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gdcourse.figures.style import COLORS, Look, look

When = Mapping[str, Sequence[int]]
"""Control by name: the positions at which a mark or a text is shown."""

DASHES = {"-": "solid", "--": "dashed", ":": "dotted"}


# ------------------------------------------------------------------------------------------ controls


@dataclass(frozen=True, kw_only=True)
class Control:
    """Something that a reader sets to one of a list of values.

    Parameters
    ----------
    name : how templates, `at` and the page's address call it: letters, digits and _.
    label : what stands before it.
    values : what it can be set to, in order. `compute` gets them if it has an argument of this name.
    start : at which position it stands at first. Default 0.
    format : how a value is shown, as for Python's `format`. Default ".3g". Ignored where there are texts.
    texts : what is shown in place of each value. Default: the formatted values.
    unit : shown after the value.
    when : when it is shown at all. It keeps its position while it is not.

    Raises
    ------
    ValueError : no values, a start that is none of the positions, or another number of texts than of values.
    """

    kind = "slider"

    name: str
    label: str
    values: Sequence[Any] | np.ndarray
    start: int = 0
    format: str = ".3g"
    texts: Sequence[str] = ()
    unit: str = ""
    when: When = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not len(self.values):
            raise ValueError(f"control {self.name}: it needs at least one value")
        if not 0 <= self.start < len(self.values):
            raise ValueError(
                f"control {self.name}: start must be 0 to {len(self.values) - 1}, got {self.start}"
            )
        if self.texts and len(self.texts) != len(self.values):
            raise ValueError(f"control {self.name}: {len(self.texts)} texts for {len(self.values)} values")

    def shown(self) -> list[str]:
        """What is shown for each value."""
        unit = f" {self.unit}" if self.unit else ""
        return list(self.texts) or [
            format(value, self.format).replace("-", "−") + unit for value in self.values
        ]


@dataclass(frozen=True, kw_only=True)
class Slider(Control):
    """A range to drag, or to move with the arrow keys."""


@dataclass(frozen=True, kw_only=True)
class Scrubber(Control):
    """A slider through time, with buttons: one step back, play (once, in at most five seconds), one step
    on.

    ``on_sight``: whether it plays, once, when the figure first comes into view; not for readers who want
    less motion. Default False. ``stops``: an array with, for each position, the next one at which something
    ends; a button that says ``stop`` plays slowly to there. Default: no such button.
    """

    kind = "scrubber"
    on_sight: bool = False
    stops: str | None = None
    stop: str = ""


@dataclass(frozen=True, kw_only=True)
class Views(Control):
    """Named views of one figure: a row of buttons above the picture, of which one is pressed. Panels, other
    controls and marks say with ``when`` to which of them they belong. It is the first of a figure's
    controls."""

    kind = "views"
    values: Sequence[Any] | np.ndarray = (0, 1)


def views(*texts: str) -> tuple[Views, list[dict[str, tuple[int, ...]]]]:
    """The control for views of these names, and for each view the ``when`` of what belongs to it."""
    control = Views(name="view", label="what is shown", values=range(len(texts)), texts=list(texts))
    return control, [{"view": (i,)} for i in range(len(texts))]


@dataclass(frozen=True, kw_only=True)
class Choice(Control):
    """A menu."""

    kind = "choice"


@dataclass(frozen=True, kw_only=True)
class Toggle(Control):
    """A box to tick: off is position 0, on is position 1."""

    kind = "toggle"
    values: Sequence[Any] | np.ndarray = (False, True)
    texts: Sequence[str] = ("off", "on")


# -------------------------------------------------------------------------------------------- panels


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis of a panel.

    Parameters
    ----------
    label : the quantity, with its unit.
    domain : from where to where. The first may be larger.
    log : whether it is logarithmic; the domain must then be positive. Default False.
    ticks : where ticks stand, with what they say. Default: round numbers, chosen for the room there is. An
        empty list for none.
    """

    label: str = ""
    domain: tuple[float, float] = (0.0, 1.0)
    log: bool = False
    ticks: Sequence[tuple[float, str]] | None = None


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A pair of axes and what is drawn between them.

    Parameters
    ----------
    marks : what is drawn, from the back to the front.
    x, y : the axes. None for a panel without axes (pictures).
    title : what stands above it; a template.
    weight : its share of the row's width. Default 1.
    height : in pixels, of the part between the axes. Default 230. Ignored where ``equal``.
    equal : whether one unit is as long in both directions. Default False.
    pad : the names of two controls that pressing or dragging in the panel sets, along x and along y (None:
        not along this one). Their values are coordinates of the panel. They keep their sliders. A finger
        drags the handle that marks the state, and scrolls the page elsewhere.
    draws : whether a reader can draw in it, with mouse, finger or keys; the figure must have a `Page`.
        Default False.
    when : when it is shown at all.
    """

    marks: Sequence[Any]
    x: Axis | None = None
    y: Axis | None = None
    title: str = ""
    weight: float = 1.0
    height: int = 230
    equal: bool = False
    pad: tuple[str | None, str | None] | None = None
    draws: bool = False
    when: When = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Page:
    """A square page of pixels to draw on, and the network that reads it. Arrays are given by name.

    Parameters
    ----------
    ink : the pictures to start from, 0 (paper) to 1 (ink), shape (..., size, size).
    layers : weights, shape (inputs, outputs), and biases of each dense layer; max(0, ·) stands between them,
        and a softmax at the end. What is drawn is first moved by whole pixels to the middle.
    out : the probabilities, shape (..., outputs). answer : the most probable output, shape (...).
    control : the control that chooses what to start from. own : its position for an empty page, at which it
        stands as soon as a reader draws.
    """

    ink: str
    layers: Sequence[tuple[str, str]]
    out: str
    answer: str
    control: str
    own: int


# --------------------------------------------------------------------------------------------- marks

Data = Any
"""The name of an array, or a number, or a list of numbers, which stays the same at every state."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What all marks have.

    Parameters
    ----------
    at : controls whose positions pick along the axes that follow the computed controls' axes.
    when : when it is drawn.
    color : a colour's name.
    opacity : 0 to 1. Default 1.
    """

    at: Sequence[str] = ()
    when: When = field(default_factory=dict)
    color: str = "ink"
    opacity: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Named(Mark):
    """What marks have whose points, bars or pictures have names, or can be chosen.

    A name is shown under the mouse and after a finger's tap; by keyboard the panel takes the focus, arrow
    keys go from one to the next, with Shift from pixel to pixel of a picture, and Enter chooses.

    Parameters
    ----------
    names : what each point, bar or picture is called, in their order. Default: the texts of `picks`.
    picks : a control that pressing in the panel sets, to the nearest of such points: the i-th stands for
        its position i. It keeps its menu or slider.
    """

    names: Sequence[str] = ()
    picks: str | None = None


@dataclass(frozen=True, kw_only=True)
class Line(Mark):
    """Points joined in order.

    Parameters
    ----------
    x, y : coordinates, one-dimensional once the state is chosen. Default of x: 0, 1, 2, …
    upto : a control: at its position i, the first ``per`` · i + 1 points are drawn. Default: all.
    per : how many points there are to each of its positions. Default 1.
    dash : solid, dashed or dotted.
    width : in pixels. Default 1.8.
    dots : the radius of a dot on every point, in pixels; 0 for none. Default 0.
    marker : the dots' shape: circle, square, triangle, diamond.
    label : a template, written beside the last point that is drawn and in view.
    """

    y: Data
    x: Data = None
    upto: str | None = None
    per: int = 1
    dash: str = "solid"
    width: float = 1.8
    dots: float = 0.0
    marker: str = "circle"
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Dots(Named):
    """Points, each by itself: x and y are numbers or one-dimensional.

    ``shape``: circle, ring, cross, square, triangle, diamond. ``size``: the radius in pixels. ``label``: a
    template, beside the last of them.
    """

    x: Data
    y: Data
    shape: str = "circle"
    size: float = 4.0
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Bars(Named):
    """Bars that stand on ``base``, at ``x`` (default 0, 1, 2, …), ``width`` wide in the axis' unit. The bar
    at the position that ``marked`` names (a number: an array or a constant) has the colour
    ``marked_color``."""

    y: Data
    x: Data = None
    base: float = 0.0
    width: float = 0.8
    marked: Data = None
    marked_color: str = "orange"


@dataclass(frozen=True, kw_only=True)
class Area(Mark):
    """A filled polygon with the corners (x, y), without an outline; NaN separates polygons."""

    x: Data
    y: Data
    opacity: float = 0.18


@dataclass(frozen=True, kw_only=True)
class Heat(Named):
    """A table of values as a picture over x from ``x0`` to ``x1`` and y from ``y0`` to ``y1``; row 0 lies
    at y0.

    From ``lo`` (no colour) to ``hi`` (full ``color``); where ``negative`` is a colour, 0 has none, and
    values below it go to that colour at −hi. Where there is no number, ``missing`` is the colour, faintly
    (default: none). ``cells``: what is said of a pixel, after the picture's name, with its ``{row}``, from
    the top, and ``{column}``, both from 0.
    """

    values: Data
    x0: float
    x1: float
    y0: float
    y1: float
    lo: float = 0.0
    hi: float = 1.0
    negative: str | None = None
    missing: str | None = None
    cells: str = ""


@dataclass(frozen=True, kw_only=True)
class Images(Named):
    """Small pictures, shape (N, height, width) once the state is chosen, row 0 on top, in a panel without
    axes.

    ``columns`` of them stand in a row; ``labels``: a template for each, below it, or none. Colours and
    ``cells`` as in `Heat`.
    """

    values: Data
    columns: int = 8
    lo: float = 0.0
    hi: float = 1.0
    negative: str | None = None
    labels: Sequence[str] = ()
    cells: str = ""


@dataclass(frozen=True, kw_only=True)
class Rule(Mark):
    """A line across the whole panel: at ``x`` upright, at ``y`` level. ``label``: a template, at its end."""

    x: Data = None
    y: Data = None
    dash: str = "dashed"
    width: float = 1.2
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Arrow(Mark):
    """An arrow, or several, from (x0, y0) to (x1, y1). ``label``: a template, at the last one's head."""

    x0: Data
    y0: Data
    x1: Data
    y1: Data
    width: float = 2.0
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Text(Mark):
    """A template, written at (x, y). ``anchor``: start, middle or end."""

    text: str
    x: Data
    y: Data
    anchor: str = "start"


def legend(
    drawn: Mapping[str, dict[str, Any]],
    lines: tuple[float, float],
    names: float,
    heights: Sequence[float],
    sink: float,
) -> list[Mark]:
    """A short line for each name and the name beside it, one below the other, for a panel with a log axis.

    ``drawn`` : the keyword arguments of `Line` by what they stand for; ``lines`` : from which x to which;
    ``names`` : the x of the names; ``heights`` : the y of each; ``sink`` : by what factor a name stands lower
    than its line, so that the line meets the middle of the letters.
    """
    keys = zip(drawn.items(), heights, strict=True)
    return [
        mark
        for (name, how), y in keys
        for mark in (
            Line(x=list(lines), y=[y, y], **how),
            Text(text=name, x=names, y=sink * y, color=how["color"]),
        )
    ]


def style(method: Any) -> dict[str, Any]:
    """The colour, dash and marker of a method, as keyword arguments of `Line`.

    ``method`` : a name, a rule or a rule's class.
    """
    own = look(method)
    return {"color": color_name(own), "dash": DASHES[own.dash], "marker": MARKERS[own.marker]}


def color_name(own: Look) -> str:
    """The name of a look's colour."""
    return next(name for name, (light, _) in COLORS.items() if light == own.color)


MARKERS = {"o": "circle", "s": "square", "^": "triangle", "D": "diamond"}
