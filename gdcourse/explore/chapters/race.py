"""The race: the validation loss over both rates, and ten seeds of each entrant at its best pair."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from gdcourse.experiments.race import ENTRANTS, Race, stored
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.parts import Axis, Choice, Dots, Line, Panel, Rule, Slider, Text, views
from gdcourse.explore.views import in_views
from gdcourse.figures import title

SHOWN: dict[str, tuple[str, dict[str, Any]]] = {
    "Momentum": ("momentum", {"color": "orange", "dash": "solid", "marker": "square"}),
    "Adam": ("adam", {"color": "purple", "dash": "solid", "marker": "circle"}),
    "Muon": ("muon", {"color": "indigo", "dash": "solid", "marker": "triangle"}),
    "SOAP, k = 1": ("soap", {"color": "green", "dash": "dashed", "marker": "diamond"}),
}
"""Of the first view: what texts call them, and how they are drawn."""
HIGHEST = 3.0  # nats, of the first view: what is above is not drawn


def race(found: Race | None = None) -> Figure:
    """The validation loss of four entrants over the rate of the hidden matrices, at a rate of the rest that
    a reader sets, and what is best at each of these; then the test losses of all entrants at their best
    pair, beside one of the reader's choice.

    Parameters
    ----------
    found : a race. Default: the one that comes with the package.
    """
    found = stored() if found is None else found
    rest = np.unique(np.concatenate([found[name].rest for name in SHOWN]))

    @cache  # the numbers are stored
    def compute() -> Arrays:
        curves = {key: at_rest(found, name, rest) for name, (key, _) in SHOWN.items()}
        best = {key: lowest(curve) for key, curve in curves.items()}
        return {
            **in_views("rates", "race", computed=0),
            "rest": rest,
            **{f"{key}_loss": curve for key, curve in curves.items()},
            **{f"{key}_over": low for key, low in best.items()},
            **{f"{key}_at": low for key, low in best.items()},
            **told_apart(found),
        }

    view, on = views("Two rates", "Ten seeds")
    rates = np.concatenate([found[name].hidden for name in SHOWN])
    low = float(min(map(np.nanmin, (found[name].validation for name in SHOWN))))
    losses = Axis(label="validation loss, nats", domain=(np.floor(20 * low) / 20 - 0.05, HIGHEST))
    return Figure(
        name="figure-race",
        title="Two rates to search for",
        controls=[
            view,
            Slider(
                name="beside",
                label="rate of the rest",
                values=rest,
                texts=[f"{rate:.2g}" for rate in rest],
                start=0,
                when=on[0],
            ),
            who(found, on[1]),
        ],
        compute=compute,
        tries=[
            "raise the rate of the rest. Where is each lowest, and how far apart?",
            "choose one after the other. How many are told apart from it?",
        ],
        rows=[
            [
                Panel(
                    title="rest at {beside}",
                    x=Axis(
                        label="rate of the hidden matrices (log)",
                        domain=(float(rates.min()) / 1.3, float(rates.max()) * 1.3),
                        log=True,
                    ),
                    y=losses,
                    when=on[0],
                    marks=[
                        *(
                            Line(
                                x=found[name].hidden.tolist(),
                                y=f"{key}_loss",
                                at=["beside"],
                                dots=2.2,
                                **look,
                            )
                            for name, (key, look) in SHOWN.items()
                        ),
                        *(
                            Text(  # where no line passes: high rates have high losses
                                x=float(rates.max()),
                                y=2.27 - 0.06 * i,
                                text=title(name),
                                color=look["color"],
                                anchor="end",
                            )
                            for i, (name, (_, look)) in enumerate(SHOWN.items())
                        ),
                    ],
                ),
                Panel(
                    title="the best of the hidden rates",
                    x=Axis(
                        label="rate of the rest (log)",
                        domain=(float(rest.min()) / 1.3, float(rest.max()) * 1.3),
                        log=True,
                    ),
                    y=losses,
                    weight=0.8,
                    pad=("beside", None),
                    when=on[0],
                    marks=[
                        Rule(x="rest", at=["beside"], dash="solid", width=1.0),
                        *(
                            Line(x=rest.tolist(), y=f"{key}_over", dots=2.2, **look)
                            for key, look in SHOWN.values()
                        ),
                        *(
                            Dots(x="rest", y=f"{key}_at", at=["beside"], shape="ring", size=6)
                            for key, _ in SHOWN.values()
                        ),
                    ],
                ),
                ten_seeds(found, on[1]),
            ],
        ],
        readouts=[
            "{in_rates@view:?}With the rest at {beside} the lowest losses are: momentum "
            "{momentum_at@beside:.2f}, Adam {adam_at@beside:.2f}, Muon {muon_at@beside:.2f}, SOAP (k = 1) "
            "{soap_at@beside:.2f}.",
            f"{{in_race@view:?}}{TOLD}",
        ],
        caption=[
            "{in_rates@view:?}One seed, 300 steps. Seven rates of the hidden matrices were tried for each "
            "method, and five of the partner for embeddings, head and gains; beyond them nothing was. Losses "
            "above 3 are not drawn.",
            "{in_race@view:?}Each at the pair of rates that validation chose. A dot is a seed, with the "
            "same start and the same batches for all; rings are means.",
        ],
        alt="Two panels. Validation loss over the rate of the hidden matrices, the rest at {beside}: the "
        "curves of Muon and SOAP fall and rise, those of Adam and momentum rise. Lowest: Muon "
        "{muon_at@beside:.2f}, SOAP {soap_at@beside:.2f}, Adam {adam_at@beside:.2f}, momentum "
        "{momentum_at@beside:.2f}. Beside it, the lowest of each over the rate of the rest.",
        fixed={
            "network": "transformer of 65,808 parameters, on the letters of the Opticks",
            "steps": 300,
            "batch": 16,
            "schedule": "linear to zero",
        },
    )


# ----------------------------------------------------- what the figure of the conclusion shows of it, too

TOLD = (
    "{who}: mean {mean@who:.3f} nats. Behind it with all seeds: {behind@who:.0f} of the others; before it: "
    "{before@who:.0f}; open: {open@who:.0f}."
)


def by_mean(found: Race) -> list[str]:
    """The entrants, the lowest test loss first."""
    return sorted(ENTRANTS, key=lambda name: found[name].test.mean())


def told_apart(found: Race) -> Arrays:
    """Of each entrant its mean, and how many others are behind it and before it with all seeds, and open."""
    tests = np.stack([found[name].test for name in by_mean(found)])
    gaps = tests[:, None] - tests[None, :]
    behind, before = (gaps < 0).all(-1).sum(-1), (gaps > 0).all(-1).sum(-1)
    others = len(tests) - 1.0
    return {"mean": tests.mean(-1), "behind": behind, "before": before, "open": others - behind - before}


def who(found: Race, when: dict[str, tuple[int, ...]]) -> Choice:
    """The menu of the entrants."""
    names = by_mean(found)
    texts = [title(name) for name in names]
    return Choice(
        name="who", label="compare", values=names, texts=texts, start=names.index("Adam"), when=when
    )


def ten_seeds(found: Race, when: dict[str, tuple[int, ...]]) -> Panel:
    """The test losses of all entrants at their best pair, with the mean of the one that is chosen."""
    names = by_mean(found)
    every = np.stack([found[name].test for name in names])
    places = np.arange(len(names))
    return Panel(
        title="each seed, and the mean",
        x=Axis(label="test loss, nats", domain=(every.min() - 0.14, every.max() + 0.02)),
        y=Axis(domain=(len(names) - 0.4, -0.6), ticks=[]),
        height=290,
        when=when,
        marks=[
            Rule(x="mean", at=["who"], color="grey"),
            *(
                Dots(
                    x=one.tolist(),
                    y=(i + np.linspace(-0.22, 0.22, len(one))).tolist(),
                    size=2.6,
                    color=SHOWN[name][1]["color"] if name in SHOWN else "grey",
                )
                for i, (name, one) in enumerate(zip(names, every, strict=True))
            ),
            Dots(x=every.mean(-1).tolist(), y=places.tolist(), shape="ring", size=6, picks="who"),
            *(Text(x=every.min() - 0.13, y=i + 0.2, text=title(name)) for i, name in enumerate(names)),
        ],
    )


def at_rest(found: Race, name: str, rest: np.ndarray) -> np.ndarray:
    """One entrant's losses at rates of the rest, shape (rest, hidden); NaN where not tried, and above 3."""
    one = found[name]
    losses = np.full((len(rest), len(one.hidden)), np.nan)
    losses[np.searchsorted(rest, one.rest)] = one.validation.T
    return np.where(losses <= HIGHEST, losses, np.nan)


def lowest(curves: np.ndarray) -> np.ndarray:
    """The lowest of each row; NaN where there is none."""
    least = np.where(np.isnan(curves), np.inf, curves).min(-1)
    return np.where(np.isfinite(least), least, np.nan)
