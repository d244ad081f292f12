"""Muon: a problem that is turned, and who notices; and what becomes of singular values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch

from gdcourse.experiments import descend, schedules
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import Axis, Dots, Line, Panel, Rule, Slider, Text, legend, style, views
from gdcourse.explore.views import in_views
from gdcourse.problems import MatrixQuadratic, Transformer, text
from gdcourse.rules import EXACT, POLAR_EXPRESS, QUINTIC, Adam, Momentum, Muon, Shampoo
from gdcourse.rules import Rule as UpdateRule

KAPPA, STEPS, EVERY = 1000.0, 200, 4
T = np.arange(0, STEPS + 1, EVERY)
ANGLES = np.array([0.0, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 45.0])
TRIED: dict[str, tuple[str, Callable[[Any], UpdateRule], np.ndarray]] = {
    "momentum": ("Momentum", Momentum, 10 ** np.arange(0.0, 0.76, 0.25)),
    "adam": ("Adam", Adam, 10 ** np.arange(-0.5, 0.76, 0.25)),
    "muon": ("Muon", Muon, 10 ** np.arange(-0.75, 0.26, 0.25)),
    "shampoo": ("Shampoo", lambda lr: Shampoo(lr, eps=1e-12), 10 ** np.arange(1.75, 2.76, 0.5)),
}
SETS = {"jordan": QUINTIC[:1] * 12, "express": POLAR_EXPRESS, "exact": EXACT}
TIMES = np.arange(0, 13)
SIGMA = np.geomspace(1e-4, 1, 97)


def muon() -> Figure:
    """Four methods on a quadratic of a 16 × 24 matrix, turned by an angle: their losses over the steps, and
    at the end over the angle; then what the polynomials of Newton–Schulz make of singular values, of all from
    10⁻⁴ to 1 and of those of a transformer's gradient.

    Rows and columns have curvatures from 1 to 1/1000 each; 200 steps, η falling to zero in a line, each
    method at each angle with the best of its rates, four a decade, Shampoo's two. The gradient is that of the
    matrix "up 1" of `gdcourse.problems.Transformer` at its start, seed 0, on 64 windows of the *Opticks*.
    """
    over = {f"{name}_over": np.array([tuned(name, at)[1][-1] for at in ANGLES])[None] for name in TRIED}
    sigma = of_a_gradient()
    pushed = {f"{name}_curve": push(SIGMA, SETS[name])[None] for name in SETS}
    pushed |= {f"{name}_real": push(sigma, SETS[name])[None] for name in SETS}

    def compute(angle: np.ndarray) -> Arrays:
        curves = {name: np.stack([tuned(name, at)[1] for at in angle]) for name in TRIED}
        return {
            **in_views("turn", "push", computed=1),
            "at": angle,
            **{f"{name}_loss": losses[:, ::EVERY] for name, losses in curves.items()},
            **{f"{name}_end": losses[:, -1] for name, losses in curves.items()},
            **{f"{name}_ten": np.log10(losses[:, -1]) for name, losses in curves.items()},
            "adam_lost": np.log10(over["adam_over"][:, -1] / over["adam_over"][:, 0]),
            **over,
            **pushed,
            **{
                f"{name}_{which}": found(pushed[f"{name}_real"], axis=-1)
                for name in SETS
                for which, found in (("least", np.min), ("most", np.max))
            },
        }

    styles = {name: style(key) for name, (key, *_) in TRIED.items()}
    said = dict(zip(("momentum", "Adam", "Muon", "Shampoo"), styles.values(), strict=True))
    looks: dict[str, dict[str, Any]] = {
        "jordan": {"color": "indigo", "dash": "solid"},
        "express": {"color": "orange", "dash": "dashed"},
        "exact": {"color": "green", "dash": "dotted"},
    }
    view, on = views("Turn the problem", "Push singular values")
    loss = Axis(label="loss, of the first", domain=(1e-11, 30.0), log=True)
    rank = np.arange(1, len(sigma) + 1).tolist()
    return Figure(
        name="figure-muon",
        title="Turn the problem: who notices?",
        controls=[
            view,
            Slider(
                name="angle",
                label="angle of the problem",
                values=ANGLES,
                texts=[f"{at:g}°" for at in ANGLES],
                when=on[0],
            ),
            Slider(name="k", label="steps of Newton–Schulz", values=TIMES, start=5, format="d", when=on[1]),
        ],
        compute=compute,
        tries=[
            "turn the problem from 0° to 45°. Whose curve moves?",
            "take the steps back to 0 and forward again. Which small values arrive first?",
        ],
        rows=[
            [
                Panel(
                    title="turned by {angle}",
                    x=Axis(label="step", domain=(0, STEPS)),
                    y=loss,
                    height=225,
                    when=on[0],
                    marks=[
                        *legend(said, (5, 25), 30, (2e-7, 2e-8, 2e-9, 2e-10), 0.6),
                        *(Line(x=T.tolist(), y=f"{name}_loss", **styles[name]) for name in TRIED),
                    ],
                ),
                Panel(
                    title=f"after {STEPS} steps",
                    x=Axis(label="angle, degrees", domain=(0, 46)),
                    y=loss,
                    height=225,
                    pad=("angle", None),
                    when=on[0],
                    marks=[
                        Rule(x="at", dash="solid", width=1.0),
                        *(
                            Line(x=ANGLES.tolist(), y=f"{name}_over", dots=1.8, **styles[name])
                            for name in TRIED
                        ),
                        *(Dots(x="at", y=f"{name}_end", shape="ring", size=6) for name in TRIED),
                        Text(x=43, y=4e-3, anchor="end", text="momentum", color=styles["momentum"]["color"]),
                        Text(x=4, y=2e-10, text="Adam", color=styles["adam"]["color"]),
                        Text(x=43, y=7e-6, anchor="end", text="Muon", color=styles["muon"]["color"]),
                        Text(x=43, y=2e-8, anchor="end", text="Shampoo", color=styles["shampoo"]["color"]),
                    ],
                ),
                Panel(
                    title="a singular value after {k} steps",
                    x=Axis(label="σ before, of a norm of 1", domain=(1e-4, 1.0), log=True),
                    y=Axis(label="σ after", domain=(1e-4, 3.0), log=True),
                    height=225,
                    when=on[1],
                    marks=[
                        Rule(y=1.0, color="faint"),
                        *(
                            Line(x=SIGMA.tolist(), y=f"{name}_curve", at=["k"], **looks[name])
                            for name in SETS
                        ),
                        Text(x=0.9, y=1e-3, anchor="end", text="Jordan's", color="indigo"),
                        Text(x=0.9, y=4.2e-4, anchor="end", text="Polar Express", color="orange"),
                        Text(x=0.9, y=1.75e-4, anchor="end", text="(2, −1.5, 0.5)", color="green"),
                    ],
                ),
                Panel(
                    title="those of a real gradient",
                    x=Axis(label="from the largest to the smallest", domain=(0, len(sigma) + 1)),
                    y=Axis(label="σ after", domain=(0, 1.4)),
                    height=225,
                    when=on[1],
                    marks=[
                        Rule(y=1.0, color="faint"),
                        *(
                            Line(x=rank, y=f"{name}_real", at=["k"], dots=1.8, width=1.0, **looks[name])
                            for name in SETS
                        ),
                    ],
                ),
            ],
        ],
        readouts=[
            "{in_turn@view:?}Loss at {angle}, in powers of ten of the first: momentum {momentum_ten:.1f}, "
            "Adam {adam_ten:.1f}, Muon {muon_ten:.1f}, Shampoo {shampoo_ten:.1f}.",
            "{in_push@view:?}After {k} steps the gradient's singular values lie in {jordan_least@k:.2f} … "
            "{jordan_most@k:.2f} (Jordan's), {express_least@k:.2f} … {express_most@k:.2f} (Polar Express), "
            "{exact_least@k:.2f} … {exact_most@k:.2f}.",
        ],
        caption=[
            "{in_turn@view:?}A quadratic of a 16 × 24 matrix, whose entries are its axes at 0°. Each "
            "has its best η at each angle. Turned to 45°, Adam (β₁ = 0.9) loses {adam_lost:.0f} "
            "powers of ten, the others less than half of one. Shampoo: next chapter.",
            "{in_push@view:?}Each step puts every singular value σ through a polynomial; the singular "
            "vectors stay. In use are five of Jordan's, the five of Polar Express, which then stays where "
            "it is, or twelve of (2, −1.5, 0.5).",
        ],
        alt="Two panels. Losses over 200 steps on a problem turned by {angle}: Adam ends lowest, below "
        "Shampoo, Muon and momentum. Losses at the end over the angle: Adam's line climbs steeply, by "
        "{adam_lost:.0f} powers of ten; the other three are level.",
        encoding={
            **{f"{name}_{what}": Encoding(log=True) for name in TRIED for what in ("loss", "over", "end")},
            **{f"{name}_curve": Encoding(bits=8, log=True, clip=(5e-5, 4)) for name in SETS},
            **{f"{name}_real": Encoding(bits=8, clip=(0, 1.4)) for name in SETS},
        },
        fixed={
            "problem": "½⟨A(W − C)B, W − C⟩, 16 × 24",
            "kappa of A and of B": KAPPA,
            "seed": 0,
            "steps": STEPS,
            "schedule": "linear to zero",
        },
    )


@cache
def tuned(name: str, angle: float) -> tuple[float, np.ndarray]:
    """The best of a method's rates on the problem at an angle, and the losses with it, of the first, shape
    (steps + 1,)."""
    _, make, rates = TRIED[name]
    problem, share = MatrixQuadratic(kappa=KAPPA, angle=float(angle)), schedules.linear(STEPS)
    losses = descend(lambda t: make(rates * share(t)), problem, steps=STEPS).loss
    at = np.nanargmin(losses[-1])
    return rates[at], losses[:, at] / losses[0, at]


def of_a_gradient() -> np.ndarray:
    """The singular values of a hidden matrix's gradient, the largest first, over the root of their sum of
    squares."""
    network, data = Transformer(), text()
    theta = network.init(0, torch.float64)
    grads = network.parts(network.grad(theta, data.train.x[:64], data.train.y[:64]))
    sigma = torch.linalg.svdvals(grads[network.names.index("up 1")]).numpy()
    return sigma / np.linalg.norm(sigma)


def push(sigma: np.ndarray, coefficients: Sequence[tuple[float, float, float]]) -> np.ndarray:
    """What becomes of singular values after 0, 1, 2, … steps, which come first; after the last it stays."""
    found = [sigma]
    for a, b, c in coefficients:
        x = found[-1]
        found.append(a * x + b * x**3 + c * x**5)
    return np.stack([found[min(int(k), len(found) - 1)] for k in TIMES])
