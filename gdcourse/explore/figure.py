"""The book's one kind of interactive figure: Python computes, a page only draws.

A `Figure` names its controls, computes with the library's rules for all of their settings at once, packs the
numbers and shows itself as a piece of HTML that needs no kernel and no network. `explore.js` decodes the
numbers and draws them; it knows nothing about optimizers.
"""

from __future__ import annotations

import html
import inspect
import json
import os
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from importlib.resources import files
from typing import Any

import numpy as np

from gdcourse.experiments import is_static
from gdcourse.explore.pack import Encoding, pack
from gdcourse.explore.parts import Control, Mark, Page, Panel
from gdcourse.explore.template import USUAL, fields_of, fill
from gdcourse.figures.style import COLORS

Arrays = dict[str, np.ndarray]
HASHLESS = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


@dataclass(frozen=True, eq=False, kw_only=True)
class Figure:
    """An interactive figure.

    Parameters
    ----------
    name : its name in the page's address and as an anchor: letters, digits and hyphens.
    title : what stands above it.
    controls : what a reader can set.
    compute : called with one array for each of its arguments, which are names of controls: the control's
        values along an axis of its own, so that they broadcast against each other. (A control that is not
        among the arguments only chooses what is drawn.) Returns arrays by name, whose first axes are these,
        each of full size, or of size 1 where the array does not depend on that control.
    rows : the panels, row by row. On a narrow page they stand one below the other.
    readouts : templates, shown below the controls.
    tries : what to do first, in a sentence that stands above the picture; with `Views` one for each of them.
    caption : what is to be seen, with its numbers: one or more templates, of which those are shown, one after
        the other, whose numbers exist at the state. Without JavaScript it is that of the start.
    alt : what the static picture shows, for those who do not see it: a template, filled at the start.
    encoding : how to quantise arrays, by name; `Encoding()` for the others.
    texts : lists of texts for the templates, by name.
    fixed : what else the numbers depend on (steps, seeds, other hyperparameters), for the manifest.
    page : what a reader draws on, and the network that reads it, where there is such a panel. Default None.

    Raises
    ------
    ValueError : when it is shown: an unknown control, array or list of texts; an array whose first axes fit
        neither the controls nor 1.
    """

    name: str
    title: str
    controls: Sequence[Control]
    compute: Callable[..., Arrays]
    rows: Sequence[Sequence[Panel]]
    alt: str
    readouts: Sequence[str] = ()
    tries: str | Sequence[str] = ()
    caption: str | Sequence[str] = ()
    encoding: Mapping[str, Encoding] = field(default_factory=dict)
    texts: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    page: Page | None = None

    @property
    def computed(self) -> list[Control]:
        """The controls that `compute` is called with, in the order of its arguments."""
        by_name = {control.name: control for control in self.controls}
        wanted = inspect.signature(self.compute).parameters
        if unknown := [name for name in wanted if name not in by_name]:
            raise ValueError(f"figure {self.name}: compute has arguments {unknown}, which are no controls")
        return [by_name[name] for name in wanted]

    @cached_property
    def arrays(self) -> Arrays:
        """All numbers, for every setting of the controls."""
        return self.at({control.name: list(control.values) for control in self.computed})

    def at(self, settings: Mapping[str, Sequence[Any]]) -> Arrays:
        """The numbers for some settings: any values of each computed control, also ones between those
        listed."""
        computed = self.computed
        axes = {
            control.name: np.asarray(settings[control.name]).reshape(
                [-1 if other is control else 1 for other in computed]
            )
            for control in computed
        }
        arrays = {name: np.asarray(array) for name, array in self.compute(**axes).items()}
        sizes = [len(settings[control.name]) for control in computed]
        for name, array in arrays.items():
            first = array.shape[: len(sizes)]
            if len(first) < len(sizes) or any(
                have not in (1, size) for have, size in zip(first, sizes, strict=True)
            ):
                raise ValueError(
                    f"figure {self.name}: array {name!r} has shape {array.shape}; its first axes must be "
                    f"{tuple(sizes)} ({', '.join(c.name for c in computed)}), or 1 in place of any of them"
                )
        return arrays

    # ------------------------------------------------------------------------------------ the state

    @property
    def sentences(self) -> list[str]:
        """The caption's templates."""
        return [self.caption] if isinstance(self.caption, str) else list(self.caption)

    def captioned(self, state: Mapping[str, int]) -> str:
        """The caption at a state."""
        said = (self.fill(sentence, self.arrays, state) for sentence in self.sentences)
        return " ".join(one for one in said if one)

    def start(self) -> dict[str, int]:
        """Each control's position at first."""
        return {control.name: control.start for control in self.controls}

    def pick(self, arrays: Arrays, state: Mapping[str, int], name: Any, at: Sequence[str] = ()) -> np.ndarray:
        """What a mark draws at a state: of an array by name, the part that belongs to it; a constant as it
        is."""
        if not isinstance(name, str):
            return np.asarray(name, float)
        if name not in arrays:
            raise ValueError(f"figure {self.name}: there is no array {name!r}; there are {', '.join(arrays)}")
        array = arrays[name]
        for control in self.computed:
            array = array[state[control.name] if len(array) > 1 else 0]
        for other in at:
            array = array[state[other]]
        return array

    def fill(
        self, template: str, arrays: Arrays, state: Mapping[str, int], shown: Mapping[str, str] | None = None
    ) -> str | None:
        """A template at a state, or None if it names a number that is not there."""

        def number(name: str, at: Sequence[str]) -> float:
            found = self.pick(arrays, state, name, at)
            if found.size != 1:
                raise ValueError(
                    f"figure {self.name}: {{{name}}} in {template!r} is an array of shape {found.shape}: "
                    "pick one number of it with @ and the names of controls"
                )
            return float(found.ravel()[0])

        names = shown or {c.name: c.shown()[state[c.name]] for c in self.controls}
        return fill(
            template,
            dict(names),
            number,
            {name: list(texts) for name, texts in self.texts.items()},
        )

    # ----------------------------------------------------------------------------------- what it shows

    def packed(self) -> tuple[str, dict[str, Any]]:
        """The numbers as text, and everything else that the page needs: the manifest and the parts."""
        self.check()
        arrays, drawn = self.arrays, self.drawn
        told = {(name, form): arrays[name] for name, form in self.told}
        shown = {name: array for name, array in arrays.items() if name in drawn}
        payload, entries = pack(shown, dict(self.encoding), told)
        spec = {
            "figure": self.name,
            "made_by": f"gdcourse {_version()}",
            "fixed": dict(self.fixed),
            "controls": [
                {**_plain(c), "kind": c.kind, "values": _values(c), "texts": c.shown()} for c in self.controls
            ],
            "computed": [control.name for control in self.computed],
            "arrays": entries,
            "rows": [[_panel(panel) for panel in row] for row in self.rows],
            "readouts": list(self.readouts),
            "tries": [self.tries] if isinstance(self.tries, str) else list(self.tries),
            "caption": self.sentences,
            "texts": {name: list(texts) for name, texts in self.texts.items()},
            "page": asdict(self.page) if self.page else None,
        }
        return payload, spec

    def html(self) -> str:
        """The figure as HTML that stands by itself: the static picture, the numbers, and the module that
        draws."""
        from gdcourse.explore.poster import png_text

        payload, spec = self.packed()
        text = json.dumps({**spec, "payload": payload}, ensure_ascii=False, separators=(",", ":"))
        for character, escaped in HASHLESS.items():  # nothing in it can end the script element
            text = text.replace(character, escaped)
        caption = self.captioned(self.start())
        alt = html.escape(self.described)
        parts = files("gdcourse.explore")
        return "\n".join(
            [
                f'<figure class="gd-figure" id="{self.name}" data-figure="{self.name}">',
                f"<style>{_palette()}{(parts / 'explore.css').read_text(encoding='utf-8')}</style>",
                f'<div class="gd-title">{html.escape(self.title)}</div>',
                f'<div class="gd-stage" data-alt="{alt}">',
                f'<img class="gd-poster dark-light" alt="{alt}" src="{png_text(self)}">',
                "</div>",
                f'<figcaption class="gd-caption">{html.escape(caption)}</figcaption>',
                f'<script type="application/json" class="gd-data">{text}</script>',
                f'<script type="module" async>{(parts / "explore.js").read_text(encoding="utf-8")}</script>',
                "</figure>",
            ]
        )

    def live(self) -> Any:
        """ipywidgets in place of the page's controls: any value in between, computed when it is asked for.

        Without a kernel (GDCOURSE_STATIC=1, the rendered book) it prints one sentence instead.
        """
        if is_static():
            names = ", ".join(control.label for control in self.controls)
            print(textwrap.fill(f"With a kernel behind this page, live sliders stand here for: {names}.", 80))
            return None
        from gdcourse.explore.widgets import widgets_of

        return widgets_of(self)

    def __repr__(self) -> str:
        read = [self.fill(readout, self.arrays, self.start()) for readout in self.readouts]
        return "\n".join([f"interactive figure: {self.title}", *(line for line in read if line)])

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """Text and a picture; with HTML in a live notebook and in the site, whose build says
        GDCOURSE_SITE=1. What a committed notebook stores is compared, and has no HTML in it."""
        from gdcourse.explore.poster import png

        bundle: dict[str, Any] = {"text/plain": repr(self), "image/png": png(self)}
        if not is_static() or os.environ.get("GDCOURSE_SITE") == "1":
            bundle["text/html"] = self.html()
        return bundle

    @property
    def described(self) -> str:
        """What the static picture shows, in words."""
        filled = self.fill(self.alt, self.arrays, self.start())
        if filled is None:
            raise ValueError(
                f"figure {self.name}: its alt text names a number that is not there at the start"
            )
        return filled

    @property
    def texts_of_parts(self) -> list[tuple[str, str]]:
        """Every template on the page, and where it stands."""
        found = [(text, "a text") for text in (*self.readouts, *self.sentences)]
        for panel in (panel for row in self.rows for panel in row):
            found.append((panel.title, "a panel"))
            for mark in panel.marks:
                where = f"a {type(mark).__name__} in panel {panel.title!r}"
                own = (getattr(mark, "label", ""), getattr(mark, "text", ""), *getattr(mark, "labels", ()))
                found += [(text, where) for text in own if text]
        return found

    @property
    def drawn(self) -> set[str]:
        """The arrays that marks draw, that buttons play to, and that a page to draw on needs."""
        page = self.page
        own = (
            [page.ink, page.out, page.answer, *(name for pair in page.layers for name in pair)]
            if page
            else []
        )
        marks = (mark for row in self.rows for panel in row for mark in panel.marks)
        values = (getattr(mark, key) for mark in marks for key in DATA if hasattr(mark, key))
        stops = (getattr(control, "stops", None) for control in self.controls)
        return {value for value in (*own, *values, *stops) if isinstance(value, str)}

    @property
    def told(self) -> list[tuple[str, str]]:
        """What the page's texts print, each once: an array's name and the format. What the page itself
        computes from a drawing is not among them."""
        controls = {control.name for control in self.controls}
        page = {self.page.out, self.page.answer} if self.page else set()
        found = {
            (name, "d" if words else form or USUAL): None
            for text, _ in self.texts_of_parts
            for name, _, form, words in fields_of(text)
            if name not in controls | page
        }
        return list(found)

    def check(self) -> None:
        """Raise ValueError if a part names a control, an array or a list of texts that is not there."""
        controls, arrays = {c.name for c in self.controls}, self.arrays
        if any(control.kind == "views" for control in self.controls[1:]):
            raise ValueError(f"figure {self.name}: the views must be the first of its controls")

        def known(name: str, among: Any, what: str, where: str) -> None:
            if name not in among:
                raise ValueError(
                    f"figure {self.name}, {where}: there is no {what} {name!r}; there are {', '.join(among)}"
                )

        def template(text: str, where: str) -> None:
            for name, at, _, words in fields_of(text):
                if not (name in controls and not at):
                    known(name, arrays, "array", where)
                for other in at:
                    known(other, controls, "control", where)
                if words:
                    known(words, self.texts, "list of texts", where)

        for text, where in (*self.texts_of_parts, (self.alt, "the alt text")):
            template(text, where)
        for control in self.controls:
            for name in control.when:
                known(name, controls, "control", f"control {control.name!r}")
            if stops := getattr(control, "stops", None):
                known(stops, arrays, "array", f"control {control.name!r}")
        for panel in (panel for row in self.rows for panel in row):
            for name in (*panel.when, *(name for name in panel.pad or () if name)):
                known(name, controls, "control", f"panel {panel.title!r}")
            for mark in panel.marks:
                where = f"a {type(mark).__name__} in panel {panel.title!r}"
                known(mark.color, COLORS, "colour", where)
                own = [getattr(mark, key, None) for key in ("upto", "picks")]
                for name in (*mark.at, *mark.when, *filter(None, own)):
                    known(name, controls, "control", where)
                for key in DATA & {f.name for f in fields(mark)}:
                    if isinstance(value := getattr(mark, key), str):
                        known(value, arrays, "array", where)


DATA = {"x", "y", "x0", "x1", "y0", "y1", "values", "marked"}
"""The attributes of marks that name arrays."""


def _panel(panel: Panel) -> dict[str, Any]:
    return {**_plain(panel), "marks": [{"mark": type(mark).__name__, **_plain(mark)} for mark in panel.marks]}


def _plain(part: Any) -> dict[str, Any]:
    """A part's attributes for JSON, without those that stand at their default."""
    out = {}
    for f in fields(part):
        value = getattr(part, f.name)
        default = f.default_factory() if callable(f.default_factory) else f.default
        if f.name in ("marks", "values") and not isinstance(part, Mark):
            continue
        if isinstance(value, np.ndarray) or value != default:
            out[f.name] = asdict(value) if hasattr(value, "__dataclass_fields__") else _json(value)
    return out


def _json(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else value


def _values(control: Control) -> list[Any]:
    return [_json(value) for value in control.values]


def _palette() -> str:
    """The colours as CSS custom properties: the light ones, and the dark ones where a screen's page is dark.
    Paper is white."""
    light, dark = ("".join(f"--gd-{name}:{pair[i]};" for name, pair in COLORS.items()) for i in (0, 1))
    return (
        f".gd-figure{{{light}color-scheme:light;}}"
        f'@media screen{{html[data-theme="dark"] .gd-figure,[data-jp-theme-light="false"] .gd-figure,'
        f"html[theme=dark] .gd-figure{{{dark}color-scheme:dark;}}}}"
    )


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("gdcourse")
    except PackageNotFoundError:  # a clone that is not installed
        return "(not installed)"
