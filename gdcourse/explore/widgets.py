"""An interactive figure in a running kernel: ipywidgets that ask the library for any value in between."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np

from gdcourse.experiments.shown import needed
from gdcourse.explore.figure import Figure
from gdcourse.explore.parts import Control
from gdcourse.explore.poster import View, draw
from gdcourse.explore.sliders import NO_WIDGETS


def widgets_of(figure: Figure) -> Any:
    """Widgets for a figure's controls, and the figure at what they are set to.

    A slider over numbers that the figure computes with goes to any value between the smallest and the
    largest; the figure is computed anew for it. The other controls choose among their values.
    """
    widgets = needed("ipywidgets", NO_WIDGETS)

    handles = {control.name: _widget(figure, control) for control in figure.controls}

    def show(**settings: Any) -> None:
        view = view_at(figure, settings)
        draw(view)
        plt.show()
        for readout in figure.readouts:
            if text := view.fill(readout):
                print(text)

    shown = widgets.interactive_output(show, handles)
    return widgets.VBox(
        [widgets.HBox(list(handles.values()), layout=widgets.Layout(flex_flow="row wrap")), shown]
    )


def view_at(figure: Figure, settings: dict[str, Any]) -> View:
    """The figure at given values of its computed controls, and positions of the others."""
    between = {c.name for c in figure.computed if _is_continuous(c)}
    arrays = figure.at(
        {
            c.name: [settings[c.name] if c.name in between else c.values[settings[c.name]]]
            for c in figure.computed
        }
    )
    state = {c.name: 0 if c.name in between else settings[c.name] for c in figure.controls}
    shown = {
        c.name: f"{settings[c.name]:{c.format}}{' ' if c.unit else ''}{c.unit}"
        if c.name in between
        else c.shown()[state[c.name]]
        for c in figure.controls
    }
    return View(figure, arrays, state, shown)


def _is_continuous(control: Control) -> bool:
    return (
        control.kind not in ("choice", "views")
        and not control.texts
        and len(control.values) > 2
        and all(isinstance(v, (float, np.floating)) for v in control.values)
    )


def _widget(figure: Figure, control: Control) -> Any:
    widgets = needed("ipywidgets", NO_WIDGETS)

    # a label is given what it takes: by default it has 80 pixels, and the rest is cut
    shape = {
        "description": control.label,
        "style": {"description_width": "initial"},
        "layout": widgets.Layout(width=f"{260 + 8 * len(control.label)}px", max_width="100%"),
    }
    if control in figure.computed and _is_continuous(control):
        values = np.sort(np.asarray(control.values, float))
        start, low, high = float(control.values[control.start]), values[0], values[-1]
        if low > 0 and np.ptp(np.diff(np.log(values))) < 1e-6:  # log-spaced
            return widgets.FloatLogSlider(
                start, min=np.log10(low), max=np.log10(high), step=np.log10(high / low) / 400,
                readout_format=".3g", **shape,
            )  # fmt: skip
        return widgets.FloatSlider(
            start, min=low, max=high, step=(high - low) / 400, readout_format=".3g", **shape
        )
    if control.kind in ("toggle", "choice", "views"):
        options = [(text, i) for i, text in enumerate(control.shown())]
        return widgets.Dropdown(options=options, value=control.start, **shape)
    return widgets.IntSlider(control.start, 0, len(control.values) - 1, **shape)
