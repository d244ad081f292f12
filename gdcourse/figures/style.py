"""One look for every figure: colour says the family, dash and marker say the member."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib.pyplot as plt

from gdcourse.rules import ALL, Method
from gdcourse.rules.table import AROUND, BOTH, MATRICES, ONE_RATE, OWN_RATE, REPAIRS, SIGNS, UNTUNED

# name: on a light ground, on a dark one. Each but `faint`, which is for lines, has a contrast of at least 4.5
# to its ground. Under three kinds of colour-blindness, too, no two of the families' lie nearer to each other
# than blue and green do (ΔE₀₀ of 7.5).
COLORS = {
    "ink": ("#333333", "#D8DBE0"),
    "faint": ("#9A9A9A", "#7A828C"),
    "quiet": ("#6B6B6B", "#A2A9B2"),
    "paper": ("#FFFFFF", "#14181E"),
    "grey": ("#4D4D4D", "#E0E0E0"),
    "orange": ("#C75000", "#F28E2B"),
    "blue": ("#0072B2", "#4FA8F0"),
    "purple": ("#AA3377", "#F59AD0"),
    "green": ("#00805C", "#1FB589"),
    "brown": ("#6B3A10", "#E8D28A"),
    "indigo": ("#2A1F8F", "#8883B5"),
}
INK, FAINT = COLORS["ink"][0], COLORS["faint"][0]


@dataclass(frozen=True)
class Look:
    """How a method is drawn."""

    color: str = INK
    dash: Any = "-"
    marker: str = "o"

    @property
    def line(self) -> dict[str, Any]:
        """Keyword arguments for a line without markers."""
        return {"color": self.color, "linestyle": self.dash}


GREY, ORANGE, BLUE, PURPLE, GREEN, BROWN, INDIGO = (
    COLORS[name][0] for name in ("grey", "orange", "blue", "purple", "green", "brown", "indigo")
)
FAMILIES = {ONE_RATE: ORANGE, OWN_RATE: BLUE, BOTH: PURPLE, AROUND: GREEN}
FAMILIES |= {SIGNS: BROWN, REPAIRS: BROWN, UNTUNED: BROWN, MATRICES: INDIGO}
"""The colours of the families of the table, where those that came after the talk share one; any other has the
text's."""

DASHES, MARKERS = ("-", "--", ":"), ("o", "s", "^", "D")
PAIRS = [(dash, MARKERS[(i + turn) % 4]) for turn in range(4) for i, dash in enumerate(DASHES)]

CHOSEN = {
    "GradientDescent": Look(GREY),
    "batch": Look(GREY),
    "mini-batch": Look(GREY, "--"),
    "stochastic": Look(GREY, ":"),
    "Momentum": Look(ORANGE),
    "Nesterov": Look(ORANGE, "--", "s"),
    "Adagrad": Look(BLUE),
    "RMSProp": Look(BLUE, ":", "^"),
    "Adadelta": Look(BLUE, "--", "s"),
    "Adam": Look(PURPLE),
    "AdamW": Look(PURPLE, ":", "^"),
    "RAdam": Look(PURPLE, "--", "s"),
    "Lookahead": Look(GREEN, "-", "D"),
}
"""The looks that the chapters' words and pictures know. Any other method gets the next that is free."""


def looks_of(methods: Mapping[str, Method], chosen: Mapping[str, Look]) -> dict[str, Look]:
    """The look of each method by name: the one that was chosen, or its family's colour with the first dash
    and marker that no other of this colour has. As long as there are some, both are new.

    Raises
    ------
    ValueError : all dashes and markers of a colour are taken.
    """
    looks = dict(chosen)
    for name in [name for name in methods if name not in chosen]:
        color = FAMILIES.get(methods[name].family, INK)
        near = (INK, GREY) if color == INK else (color,)  # the two can hardly be told apart
        taken = {(look.dash, look.marker) for look in looks.values() if look.color in near}
        free = [pair for pair in PAIRS if pair not in taken]
        if not free:
            raise ValueError(f"no dash and marker is left for {name} in {color}: choose its look in CHOSEN")
        looks[name] = Look(color, *free[0])
    return looks


LOOKS = looks_of(ALL, CHOSEN)


SPARE = [Look(color, *pair) for pair in PAIRS for color in (INK, ORANGE, BLUE, PURPLE, GREEN)]
"""Looks for a reader's own methods; the first is the plain one."""


def key(method: Any) -> str:
    """A method's name in `LOOKS` and `gdcourse.rules.ALL`, from that name, its rule or its rule's class."""
    return method if isinstance(method, str) else getattr(method, "__name__", type(method).__name__)


def look(method: Any) -> Look:
    """The look of a method, given as for `key`; a plain one if it is not in the table."""
    return LOOKS.get(key(method), Look())


def looks(names: Iterable[str]) -> dict[str, Look]:
    """A look for each of several methods: its own; and for those that are new one that no other has, as long
    as there are any."""
    free = iter([one for one in SPARE if one not in LOOKS.values()])
    return {name: LOOKS.get(name) or next(free, Look()) for name in names}


def title(method: Any) -> str:
    """What figures call a method, given as for `key`."""
    return "gradient descent" if key(method) == "GradientDescent" else key(method)


def use_style() -> None:
    """Set matplotlib's defaults for the book: white ground, thin axes, room for direct labels."""
    plt.rcParams.update(
        {
            "figure.figsize": (7.0, 3.6),
            "figure.dpi": 110,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "savefig.facecolor": "white",
            "font.size": 10,
            "axes.titlesize": 10,
            "axes.titlelocation": "left",
            "axes.edgecolor": FAINT,
            "axes.labelcolor": INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": False,
            "text.color": INK,
            "xtick.color": INK,
            "ytick.color": INK,
            "lines.linewidth": 1.8,
            "lines.markersize": 4,
            "image.cmap": "Greys",
            "axes.prop_cycle": plt.cycler(color=[GREY, ORANGE, BLUE, PURPLE, GREEN]),
        }
    )
