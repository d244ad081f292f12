"""The static picture of an interactive figure: the same parts, drawn by matplotlib at one state."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patheffects import Normal, Stroke
from matplotlib.text import Annotation

from gdcourse.explore import parts
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.figures.style import COLORS

INCHES, DPI = 7.2, 100
MARKER = {"circle": "o", "square": "s", "triangle": "^", "diamond": "D", "cross": "+", "ring": "o"}
DASH = {"solid": "-", "dashed": "--", "dotted": ":"}
HALO = [Stroke(linewidth=3, foreground="white"), Normal()]


@dataclass(frozen=True)
class View:
    """A figure at one state: where a mark finds its numbers and its words."""

    figure: Figure
    arrays: Arrays
    state: Mapping[str, int]
    shown: Mapping[str, str]

    def data(self, mark: parts.Mark, name: Any) -> np.ndarray:
        return np.atleast_1d(np.asarray(self.figure.pick(self.arrays, self.state, name, mark.at), float))

    def fill(self, template: str) -> str | None:
        return self.figure.fill(template, self.arrays, self.state, self.shown)

    def is_on(self, when: parts.When) -> bool:
        return all(self.state[name] in positions for name, positions in when.items())


def png(figure: Figure) -> bytes:
    """The figure at its start as a PNG of few colours."""
    from PIL import Image

    shown = {c.name: c.shown()[c.start] for c in figure.controls}
    canvas = draw(View(figure, figure.arrays, figure.start(), shown))
    raw = io.BytesIO()
    canvas.savefig(raw, format="png", dpi=DPI, metadata={"Software": None})
    plt.close(canvas)
    out = io.BytesIO()
    small = Image.open(raw).convert("RGB").quantize(64, kmeans=2, dither=Image.Dither.NONE)
    small.save(out, "PNG", optimize=True)
    return out.getvalue()


def png_text(figure: Figure) -> str:
    """`png` as an address that holds the picture itself."""
    return "data:image/png;base64," + base64.b64encode(png(figure)).decode()


def draw(view: View) -> Canvas:
    """The panels and their marks, at one state."""
    rows = [[panel for panel in row if view.is_on(panel.when)] for row in view.figure.rows]
    rows = [row for row in rows if row]
    heights = [max(panel.height + 70 for panel in row) / DPI for row in rows]
    canvas = plt.figure(figsize=(INCHES, sum(heights)), layout="constrained", facecolor="white")
    for row, under in zip(
        rows, canvas.subfigures(len(rows), 1, height_ratios=heights, squeeze=False)[:, 0], strict=True
    ):
        widths = [panel.weight for panel in row]
        axes = under.subplots(1, len(row), width_ratios=widths, squeeze=False)[0]
        for panel, ax in zip(row, axes, strict=True):
            _panel(view, panel, ax)
    canvas.draw_without_rendering()  # now the words have their places
    for ax in canvas.axes:
        _thin(ax)
        _part(ax)
    return canvas


def _part(ax: Axes) -> None:
    """Names that would lie on other words move up or down to where there is room, from the highest on."""
    words = [text for text in ax.texts if text.get_text()]
    names = [text for text in words if isinstance(text, Annotation)]
    taken = [text.get_window_extent() for text in words if text not in names]
    panel = ax.get_window_extent()
    for name in sorted(names, key=lambda text: -text.get_window_extent().y0):
        box = name.get_window_extent()
        ways = sorted(range(-60, 61, 2), key=abs)
        free = (
            way
            for way in ways
            if panel.y0 <= box.y0 + way
            and box.y1 + way <= panel.y1 + 2
            and not any(box.translated(0, way).overlaps(one) for one in taken)
        )
        by = next(free, 0)
        name.set_position((name.xyann[0], name.xyann[1] + by * 72 / DPI))
        taken.append(box.translated(0, by))


def _thin(ax: Axes) -> None:
    """Of the words along the x axis those that would lie on the ones before them are left out."""
    free = -np.inf
    for label in ax.get_xticklabels():
        box = label.get_window_extent()
        if label.get_text() and box.x0 < free + 2:
            label.set_visible(False)
        elif label.get_text():
            free = box.x1


def _panel(view: View, panel: parts.Panel, ax: Axes) -> None:
    if title := view.fill(panel.title):
        ax.set_title(title, loc="left", fontsize=9)
    for axis, part in ((ax.xaxis, panel.x), (ax.yaxis, panel.y)):
        _axis(ax, axis, part)
    if panel.equal:
        ax.set_aspect("equal")
    for mark in panel.marks:
        if view.is_on(mark.when):
            DRAW[type(mark)](view, mark, ax)
    if panel.x is None and panel.y is None:
        ax.axis("off")


def _axis(ax: Axes, axis: Any, part: parts.Axis | None) -> None:
    which = "x" if axis is ax.xaxis else "y"
    if part is None:  # from 0 to 1, as on the page
        axis.set_visible(False)
        ax.set(**{f"{which}lim": (0, 1)})
        return
    ax.set(**{f"{which}scale": "log" if part.log else "linear", f"{which}lim": part.domain})
    ax.set(**{f"{which}label": part.label})
    if part.ticks is not None:
        axis.set_ticks([place for place, _ in part.ticks], [text for _, text in part.ticks], minor=False)
        axis.set_minor_locator(plt.NullLocator())
    if not part.label and part.ticks is not None and not len(part.ticks):  # nothing is written on it
        axis.set_visible(False)
        sides = ("bottom", "top") if which == "x" else ("left", "right")
        ax.spines[list(sides)].set_visible(False)


def _colour(name: str) -> str:
    return COLORS[name][0]


def _written(name: str) -> str:
    """The colour of words: faint is for lines, and too pale to read."""
    return _colour("quiet" if name == "faint" else name)


def _label(view: View, ax: Axes, text: str, x: float, y: float, color: str) -> None:
    words = view.fill(text) if text else None
    if words and np.isfinite([x, y]).all():
        right = ax.transAxes.inverted().transform(ax.transData.transform((x, y)))[0] > 0.7
        ax.annotate(
            words, (x, y), xytext=(-5 if right else 5, 4), textcoords="offset points", color=_written(color),
            ha="right" if right else "left", fontsize=8, path_effects=HALO, zorder=6,
        )  # fmt: skip


def _last_in_view(ax: Axes, x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    (x0, x1), (y0, y1) = sorted(ax.get_xlim()), sorted(ax.get_ylim())
    inside = np.flatnonzero((x >= x0) & (x <= x1) & (y >= y0) & (y <= y1))
    return (x[inside[-1]], y[inside[-1]]) if inside.size else (np.nan, np.nan)


def _line(view: View, mark: parts.Line, ax: Axes) -> None:
    y = view.data(mark, mark.y)
    x = np.arange(len(y), dtype=float) if mark.x is None else view.data(mark, mark.x)
    if mark.upto:
        x, y = (values[: mark.per * view.state[mark.upto] + 1] for values in (x, y))
    color = _colour(mark.color)
    ax.plot(x, y, DASH[mark.dash], color=color, linewidth=mark.width * 0.75, alpha=mark.opacity)
    if mark.dots:
        ax.plot(x, y, MARKER[mark.marker], color=color, markersize=mark.dots * 1.5, alpha=mark.opacity)
    _label(view, ax, mark.label, *_last_in_view(ax, x, y), mark.color)


def _dots(view: View, mark: parts.Dots, ax: Axes) -> None:
    x, y = np.broadcast_arrays(view.data(mark, mark.x), view.data(mark, mark.y))
    color = _colour(mark.color)
    ax.plot(
        x, y, MARKER[mark.shape], color=color, markersize=1.5 * mark.size, alpha=mark.opacity,
        markerfacecolor="white" if mark.shape == "ring" else color, markeredgewidth=1.5, zorder=5,
    )  # fmt: skip
    _label(view, ax, mark.label, x[-1], y[-1], mark.color)


def _bars(view: View, mark: parts.Bars, ax: Axes) -> None:
    y = view.data(mark, mark.y)
    x = np.arange(len(y), dtype=float) if mark.x is None else view.data(mark, mark.x)
    marked = -1 if mark.marked is None else view.data(mark, mark.marked)[0]
    colors = [_colour(mark.marked_color if i == marked else mark.color) for i in range(len(y))]
    ax.bar(x, y - mark.base, mark.width, mark.base, color=colors, alpha=mark.opacity)


def _area(view: View, mark: parts.Area, ax: Axes) -> None:
    x, y = view.data(mark, mark.x), view.data(mark, mark.y)
    gaps = np.flatnonzero(np.isnan(x) | np.isnan(y))
    for px, py in zip(np.split(x, gaps), np.split(y, gaps), strict=True):
        there = np.isfinite(px) & np.isfinite(py)
        ax.fill(px[there], py[there], color=_colour(mark.color), alpha=mark.opacity, linewidth=0)


def _picture(values: np.ndarray, mark: parts.Heat | parts.Images, missing: str | None = None) -> np.ndarray:
    """Values as red, green, blue and opacity."""

    def rgb(name: str) -> np.ndarray:
        code = _colour(name)
        return np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255

    if mark.negative:
        strength, below = np.abs(values) / mark.hi, values < 0
        color = np.where(below[..., None], rgb(mark.negative), rgb(mark.color))
    else:
        strength = (values - mark.lo) / (mark.hi - mark.lo)
        color = np.broadcast_to(rgb(mark.color), (*values.shape, 3))
    out = np.concatenate([color, np.clip(strength, 0, 1)[..., None]], -1)
    out[np.isnan(values)] = (*rgb(missing), 0.25) if missing else (0, 0, 0, 0)
    return out


def _heat(view: View, mark: parts.Heat, ax: Axes) -> None:
    values = np.asarray(view.figure.pick(view.arrays, view.state, mark.values, mark.at), float)
    (left, right), (low, high), aspect = ax.get_xlim(), ax.get_ylim(), ax.get_aspect()
    rows, columns = values.shape
    axis = lambda a, b, n, log: np.geomspace(a, b, n) if log else np.linspace(a, b, n)  # noqa: E731
    x = axis(mark.x0, mark.x1, columns + 1, ax.get_xscale() == "log")
    y = axis(mark.y0, mark.y1, rows + 1, ax.get_yscale() == "log")
    ax.pcolormesh(x, y, _picture(values, mark, mark.missing), rasterized=True)
    ax.set(xlim=(left, right), ylim=(low, high), aspect=aspect)


def _images(view: View, mark: parts.Images, ax: Axes) -> None:
    pictures = np.asarray(view.figure.pick(view.arrays, view.state, mark.values, mark.at), float)
    rows = -(-len(pictures) // mark.columns)
    cell = 1.35 if mark.labels else 1.08
    for i, picture in enumerate(pictures):
        left, top = (i % mark.columns) * 1.08, -(i // mark.columns) * cell
        ax.imshow(_picture(picture, mark), extent=(left, left + 1, top - 1, top), interpolation="nearest")
        if mark.labels and (words := view.fill(mark.labels[i])):
            ax.text(left + 0.5, top - 1.03, words, ha="center", va="top", fontsize=7)
    ax.set(xlim=(0, mark.columns * 1.08 - 0.08), ylim=(-rows * cell, 0), aspect="equal")


def _rule(view: View, mark: parts.Rule, ax: Axes) -> None:
    look: dict[str, Any] = {
        "color": _colour(mark.color),
        "linestyle": DASH[mark.dash],
        "linewidth": mark.width * 0.75,
    }
    if mark.x is not None:
        for x in view.data(mark, mark.x):
            ax.axvline(x, alpha=mark.opacity, **look)
        _label(view, ax, mark.label, x, ax.get_ylim()[0], mark.color)
    else:
        for y in view.data(mark, mark.y):
            ax.axhline(y, alpha=mark.opacity, **look)
        _label(view, ax, mark.label, ax.get_xlim()[1], y, mark.color)


def _arrow(view: View, mark: parts.Arrow, ax: Axes) -> None:
    ends = np.broadcast_arrays(*(view.data(mark, name) for name in (mark.x0, mark.y0, mark.x1, mark.y1)))
    for x0, y0, x1, y1 in zip(*ends, strict=True):
        if np.isfinite([x0, y0, x1, y1]).all():
            arrow = {"arrowstyle": "-|>", "color": _colour(mark.color), "linewidth": mark.width * 0.75}
            ax.annotate("", (x1, y1), (x0, y0), arrowprops={**arrow, "shrinkA": 0, "shrinkB": 0})
    _label(view, ax, mark.label, ends[2][-1], ends[3][-1], mark.color)


def _text(view: View, mark: parts.Text, ax: Axes) -> None:
    x, y = view.data(mark, mark.x)[0], view.data(mark, mark.y)[0]
    words = view.fill(mark.text)
    if words and np.isfinite([x, y]).all():
        side = {"start": "left", "middle": "center", "end": "right"}[mark.anchor]
        ax.text(x, y, words, ha=side, va="center", color=_written(mark.color), fontsize=8, path_effects=HALO)


DRAW: dict[type, Any] = {
    parts.Line: _line,
    parts.Dots: _dots,
    parts.Bars: _bars,
    parts.Area: _area,
    parts.Heat: _heat,
    parts.Images: _images,
    parts.Rule: _rule,
    parts.Arrow: _arrow,
    parts.Text: _text,
}
