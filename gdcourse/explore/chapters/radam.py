"""RAdam: how much Adam's rate scatters at step t, and how far it is held back for that."""

from __future__ import annotations

from typing import Any

import numpy as np

from gdcourse import theory
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import (
    Axis,
    Bars,
    Choice,
    Dots,
    Line,
    Panel,
    Rule,
    Scrubber,
    Text,
    style,
    views,
)
from gdcourse.explore.views import in_views
from gdcourse.rules import RAdam

COORDINATES = 5000
TIMES = np.array([*range(1, 9), 10, 12, 15, 20, 25, 30, 40, 50, 70, 100, 150, 200, 300, 400, 500, 700])
TIMES = np.append(TIMES, [1000, 1500, 2000, 3000])
BETAS = np.array([0.9, 0.99, 0.999, 0.9999])
LAST = 50_000
EVERY = np.arange(1, LAST + 1)
CURVE = np.unique(np.round(np.geomspace(1, LAST, 120)))  # the steps through which smooth curves go
MIDWAY = 40  # where on these curves a label stands
FIRST = np.arange(1, 9)  # the steps around the thresholds
EDGES = np.linspace(-2.3, 1.2, 85)  # of the histogram's bins, in log10 of the rate
BIN = float(EDGES[1] - EDGES[0])
MIDDLES = (EDGES[:-1] + EDGES[1:]) / 2


def radam() -> Figure:
    """The spread of Adam's rate 1/√v̂_t at one step, before and after rectification; then its variance over
    the steps, measured and by the paper's model, and r_t beside a linear warm-up; then ρ_t in the first eight
    steps.

    5,000 coordinates whose gradients are independent N(0, 1), 3,000 steps, β₂ from 0.9 to 0.9999.
    """

    def compute(beta2: np.ndarray) -> Arrays:
        rates = simulated_rates(beta2)
        column = beta2[:, None]
        rho, r = theory.rho(TIMES, column), theory.rectification(TIMES, column)
        exact, approximate = finite_variances(rho)
        curve_exact, curve_approximate = finite_variances(theory.rho(CURVE, column))
        r_curve, warmup_curve = theory.rectification(CURVE, column), warmup(CURVE, column)
        measured, rectified = rates.var(-1), (r[..., None] * rates).var(-1)
        low, median, high = np.quantile(rates, [0.05, 0.5, 0.95], axis=-1)
        late = slice(np.flatnonzero(TIMES == 20)[0], None)
        above = theory.rectification(EVERY, column) > 0.9
        return {
            **in_views("spread", "steps", "rho", computed=1),
            "rho": rho,
            "adapted": where_only(np.isfinite(r), r),
            "r": r,
            "warmup": warmup(TIMES, column),
            "measured": measured,
            "rectified": rectified,
            "here": measured,
            "rectified_here": rectified,
            "low": low,
            "high": high,
            "approximate": approximate,
            # what a text names, and is absent without: the exact variance beside an approximation, or alone
            "exact_beside": where_only(np.isfinite(approximate), exact),
            "exact_alone": where_only(np.isnan(approximate), exact),
            "infinite": where_only(np.isnan(exact), measured),
            "unadapted": where_only(np.isnan(r), rho),
            "bars": histograms(rates),
            "rectified_bars": histograms(r[..., None] * rates),
            "cut": where_only(cut(rates) > 0, cut(rates)),
            "rectified_cut": where_only(cut(r[..., None] * rates) > 0, cut(r[..., None] * rates)),
            "bars_x": np.minimum(np.log10(high) + 0.05, EDGES[-1] - 0.35),
            "rectified_x": np.clip(np.log10(r * median), EDGES[0] + 0.35, None),
            "rectified_middle": r * median,
            "small_rho": where_only(FIRST[-1] >= TIMES, rho),
            "past": where_only(FIRST[-1] < TIMES, rho),
            "level": rectified[:, late].mean(-1),
            "level_y": rectified[:, late].mean(-1) / 4,
            "grown": EVERY[above.argmax(-1)],
            "r_x": 0.75 * CURVE[(r_curve > 0.4).argmax(-1)],
            "warmup_x": 1.3 * CURVE[(warmup_curve > 0.2).argmax(-1)],
            "exact_y": 4 * curve_exact[:, MIDWAY],
            "exact_curve": curve_exact,
            "approximate_curve": curve_approximate,
            "r_curve": r_curve,
            "warmup_curve": warmup_curve,
            "first_rho": theory.rho(FIRST, column),
            "t": TIMES[None],
            "times": TIMES[None],
            "curve_t": CURVE[None],
        }

    view, on = views("The spread at one step", "Over the steps", "The threshold")
    own = style("RAdam")
    color = own["color"]
    ring: dict[str, Any] = {"at": ["step"], "shape": "ring", "size": 6.0}
    variances = ["measured", "rectified", "here", "rectified_here", "infinite", "exact_beside", "exact_alone"]
    variances += ["approximate", "exact_curve", "approximate_curve"]
    steps = Axis(label="step (log)", domain=(1, LAST), log=True)
    return Figure(
        name="figure-radam",
        title="How much Adam's rate scatters, and how far RAdam holds it back",
        controls=[
            view,
            Scrubber(name="step", label="step", values=TIMES, start=4, format="d"),
            Choice(name="beta2", label="β₂", values=BETAS, start=2, texts=[f"{beta2:g}" for beta2 in BETAS]),
        ],
        compute=compute,
        tries=[
            "set the step to 1. Then go on with ›, and watch the grey rates draw together.",
            "play, and follow the rings: which of the two variances changes more?",
            "go back to the first step, and count on to the one where ρ passes 4.",
        ],
        rows=[
            [
                Panel(
                    height=200,
                    when=on[0],
                    title=f"{COORDINATES:,} rates at step {{step}}",
                    x=Axis(
                        label="rate, in units of 1/σ (log)",
                        domain=(EDGES[0], EDGES[-1]),
                        ticks=[(np.log10(v), f"{v:g}") for v in (0.01, 0.03, 0.1, 0.3, 1, 3, 10)],
                    ),
                    y=Axis(label="count (tallest bar: 1)", domain=(0, 1.2), ticks=[]),
                    marks=[
                        Rule(x=0.0, color="faint"),
                        Bars(x=MIDDLES.tolist(), y="bars", at=["step"], width=BIN, color="faint"),
                        Bars(x=MIDDLES.tolist(), y="rectified_bars", at=["step"], width=BIN, color=color),
                        Text(text="1/√v̂", x="bars_x", y=0.6, at=["step"], color="ink"),
                        Text(text="r/√v̂", x="rectified_x", y=1.09, at=["step"], color=color, anchor="middle"),
                        Text(
                            text="ρ = {unadapted@step:.2f}: RAdam does not divide", x=EDGES[0] + 0.1, y=1.09
                        ),
                        Text(text="{cut@step:.2%} outside", x=EDGES[-1] - 0.05, y=0.3, anchor="end"),
                        Text(text="{rectified_cut@step:.2%} outside", x=EDGES[0] + 0.05, y=0.3, color=color),
                    ],
                ),
                Panel(
                    height=200,
                    when=on[1],
                    title="variance of the rate",
                    x=steps,
                    y=Axis(label="variance, in units of 1/σ²", domain=(3e-6, 1e4), log=True),
                    marks=[
                        Rule(x="t", at=["step"], color="faint"),
                        Line(x="curve_t", y="approximate_curve", color="ink", dash="dotted"),
                        Line(x="curve_t", y="exact_curve", color="ink", width=1.2),
                        Dots(x="times", y="measured", color="faint", size=3),
                        Line(x="times", y="rectified", **own, dots=2.5),
                        Dots(x="t", y="here", color="ink", **ring),
                        Dots(x="t", y="rectified_here", color=color, **ring),
                        Text(text="measured", x=2.5, y=4.5),
                        Text(text="model, first order", x=7.5, y=0.7),
                        Text(text="model, exact", x=CURVE[MIDWAY], y="exact_y"),
                        Text(text="of r/√v̂, measured", x=30, y="level_y", color=color),
                    ],
                ),
                Panel(
                    height=200,
                    when=on[1],
                    title="share of Adam's step",
                    x=steps,
                    y=Axis(label="share", domain=(0, 1.1)),
                    marks=[
                        Rule(x="t", at=["step"], color="faint"),
                        Line(x="curve_t", y="warmup_curve", color="ink", dash="dotted"),
                        Line(x="curve_t", y="r_curve", **own),
                        Dots(x="t", y="warmup", color="ink", **ring),
                        Dots(x="t", y="r", color=color, **ring),
                        Text(text="r", x="r_x", y=0.4, color=color, anchor="end"),
                        Text(text="warm-up", x="warmup_x", y=0.2),
                    ],
                ),
                Panel(
                    height=200,
                    when=on[2],
                    title="ρ, the length of the average",
                    x=Axis(label="step", domain=(0.4, 8.6), ticks=[(t, str(t)) for t in FIRST.tolist()]),
                    y=Axis(label="ρ, in steps", domain=(0, 9)),
                    marks=[
                        Bars(x=FIRST.tolist(), y="first_rho", color="faint"),
                        Rule(y=4.0, color=color),
                        Rule(y=5.0, color="ink", dash="dotted"),
                        Text(text="ρ > 4, the paper", x=0.5, y=4.4, color=color),
                        Text(text="ρ > 5, torch", x=0.5, y=5.4),
                        Dots(x="t", y="small_rho", color="ink", label="{small_rho@step:.4f}", **ring),
                    ],
                ),
            ],
        ],
        readouts=[
            "{in_spread@view:?}Nine in ten of Adam's rates lie between {low@step:.2f} and {high@step:.3g}. "
            "RAdam takes r = {adapted@step:.3f} of each.",
            "{in_spread@view:?}Nine in ten of Adam's rates lie between {low@step:.2f} and {high@step:.3g}. "
            "{unadapted@step:?}RAdam does not divide yet: its step is momentum's.",
            "{in_steps@view:?}Variance {here@step:.3g} measured; by the paper's model "
            "{exact_beside@step:.3g}, to first order {approximate@step:.3g}.",
            "{in_steps@view:?}Variance {here@step:.3g} measured; by the paper's model "
            "{exact_alone@step:.3g}, to first order infinite.",
            "{in_steps@view:?}Variance {infinite@step:.3g} in this sample; by the paper's model infinite.",
            "{in_steps@view:?}r = {r@step:.3f}, and the variance of r/√v̂ is {rectified_here@step:.1e}. A "
            "linear warm-up takes {warmup@step:.4f}.",
            "{in_rho@view:?}{small_rho@step:?}ρ = {rho@step:.5g} at step {step}.",
            "{in_rho@view:?}{past@step:?}ρ = {rho@step:.5g} at step {step}, to the right of the bars.",
        ],
        caption=[
            "{in_spread@view:?}Gradients of pure noise, β₂ = {beta2}. At first Adam's rate 1/√v̂ rests on a "
            "few of them, and scatters. Once RAdam divides, it multiplies it by r: the same spread on this "
            "axis, moved to the left.",
            "{in_steps@view:?}The variance of Adam's rate, and of the rate multiplied by r. The price is a "
            "warm-up: r is above 0.9 from step {grown:d} on.",
            "{in_rho@view:?}ρ is how many gradients v̂ amounts to. RAdam divides by √v̂ once it is above "
            "the line.",
        ],
        alt="A histogram of 5,000 rates at step {step}, β₂ {beta2}, on a log axis: nine in ten of Adam's "
        "lie between {low@step:.2f} and {high@step:.2f}. RAdam's have the same shape, around "
        "{rectified_middle@step:.2f}, far to the left.",
        encoding={
            **dict.fromkeys(variances, Encoding(log=True)),
            "bars": Encoding(bits=8),
            "rectified_bars": Encoding(bits=8),
        },
        fixed={"gradients": "independent N(0, 1)", "coordinates": COORDINATES, "seed": 0},
    )


def where_only(there: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The values there, and NaN elsewhere: a text that names them is absent."""
    return np.where(there, values, np.nan)


def warmup(t: np.ndarray, beta2: np.ndarray) -> np.ndarray:
    """The share of the full rate at step t of a linear warm-up over 2/(1 − β₂) steps."""
    return np.minimum(1.0, t * (1 - beta2) / 2)


def finite_variances(rho: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Var(1/√v̂) by the paper's model, exactly and to first order; NaN where it is infinite."""
    both = theory.inverse_root_variance(rho), theory.inverse_root_variance_delta(rho)
    exact, approximate = (np.where(np.isfinite(one), one, np.nan) for one in both)
    return exact, approximate


def cut(rates: np.ndarray) -> np.ndarray:
    """Which share of the rates lies outside the histogram's bins."""
    with np.errstate(invalid="ignore"):
        logs = np.log10(rates)
        return ((logs < EDGES[0]) | (logs > EDGES[-1])).mean(-1)


def histograms(rates: np.ndarray) -> np.ndarray:
    """Counts over the bins along the last axis, each histogram's tallest bar as 1; NaN for rates of NaN."""
    rows = [np.histogram(np.log10(row), EDGES)[0] for row in rates.reshape(-1, rates.shape[-1])]
    counts = np.reshape(rows, (*rates.shape[:-1], -1)).astype(float)
    return np.where(np.isnan(rates[..., :1]), np.nan, counts / np.maximum(counts.max(-1, keepdims=True), 1))


def simulated_rates(beta2: np.ndarray) -> np.ndarray:
    """1/√v̂_t for gradients of pure noise, shape (β₂, TIMES, COORDINATES). The rule's own steps; of all of
    them only those in TIMES are kept."""
    rule, rng = RAdam(lr=1.0, beta2=beta2[:, None]), np.random.default_rng(0)
    theta = np.zeros((len(beta2), COORDINATES))
    state, kept = rule.init(theta, np.zeros_like(theta)), []
    for t in range(1, TIMES[-1] + 1):
        theta, new = rule.step(theta, rng.standard_normal(COORDINATES), state, rule.at(t))
        state = {name: new[name] for name in state}
        if t in TIMES:
            kept.append(1 / new["v_hat"])  # v_hat is a root already
    return np.stack(kept, 1)
