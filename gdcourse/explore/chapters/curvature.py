"""Curvature in two factors: the covariance of a layer's gradients, in its entries and in the basis of
Shampoo's two factors; and what that basis is worth where a problem is turned."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch

from gdcourse.experiments import descend, schedules, train
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import Axis, Dots, Heat, Line, Panel, Rule, Slider, Text, legend, style, views
from gdcourse.explore.views import in_views
from gdcourse.problems import Digits, MatrixQuadratic, Network, Split, digits
from gdcourse.rules import SOAP, Adam, Muon, Shampoo
from gdcourse.rules import Rule as UpdateRule

PIXELS, HIDDEN, TRAINED, ALL = 4, 5, 100, 2000
SEEN = np.array([1, 2, 5, 10, 20, 50, 100, 200, 500, ALL])

SIDE, KAPPA, NOISE, STEPS, EVERY, SEEDS = 8, 100.0, 0.1, 240, 4, 4
T = np.arange(0, STEPS + 1, EVERY)
ANGLES = np.array([0.0, 5.0, 15.0, 30.0, 45.0])
PERIODS = np.array([1, 3, 10, 30, 100, STEPS + 1])
NAMES = ["1", "3", "10", "30", "100", "never renewed"]
BETAS = {"beta1": 0.95, "beta2": 0.95}

TRIED: dict[str, tuple[str, Callable[..., UpdateRule], np.ndarray]] = {
    "adam": ("Adam", lambda lr, k: Adam(lr, **BETAS), 10 ** np.arange(-1.75, -0.4, 0.25)),
    "muon": ("Muon", lambda lr, k: Muon(lr), 10 ** np.arange(-1.75, -0.7, 0.25)),
    "shampoo": ("Shampoo", lambda lr, k: Shampoo(lr, eps=1e-9), 10 ** np.arange(0.25, 1.3, 0.25)),
    "soap": (
        "SOAP",
        lambda lr, k: SOAP(lr, **BETAS, weight_decay=0.0, k=k),
        10 ** np.arange(-1.75, -0.7, 0.25),
    ),
}


def curvature() -> Figure:
    """The covariance (around zero) of a layer's gradients, in the layer's entries and in the basis of L and
    R, which have seen some of the gradients; and the loss of four methods on a turned quadratic, and SOAP's
    at the end over k.

    The gradients: of the first matrix, 16 × 5, of a network that reads 4 × 4 pixels, after 100 steps, for
    each of 2,000 digits. The quadratic: 8 × 8, curvatures of rows and of columns from 1 to 1/100, with noise;
    240 steps, η falling to zero in a line, each method at each angle at the best of its rates, four a decade,
    mean of the logarithm over 4 seeds.
    """
    gradients = of_the_first_layer()
    plain = covariance(gradients)

    def compute(seen: np.ndarray, angle: np.ndarray, k: np.ndarray) -> Arrays:
        turned = np.stack([covariance(in_the_basis(gradients, int(count))) for count in seen.ravel()])
        curves = {
            name: np.stack([[tuned(name, float(a), int(p)) for p in k.ravel()] for a in angle.ravel()])[None]
            for name in TRIED
        }
        over = np.stack([[tuned("soap", float(a), int(p))[-1] for p in PERIODS] for a in angle.ravel()])
        ideal = tuned("adam", 0.0, 1)
        return {
            **in_views("bases", "turned", computed=3),
            "plain": shaded(plain)[None, None, None],
            "turned": shaded(turned)[:, None, None],
            "plain_size": np.full((1, 1, 1), float(plain.shape[-1])),
            "plain_share": np.reshape(share(plain), (1, 1, 1)),
            "turned_share": share(turned)[:, None, None],
            **{f"{name}_loss": losses for name, losses in curves.items()},
            **{f"{name}_end": losses[..., -1] for name, losses in curves.items()},
            "ideal_loss": ideal[None, None, None],
            "ideal_end": np.reshape(ideal[-1], (1, 1, 1)),
            "soap_over": over[None, :, None],
            **{f"over_{name}": 1.06 * losses[..., -1] for name, losses in curves.items() if name != "soap"},
            "over_soap": 1.06 * over[None, :, None, 0],
            "under_ideal": np.reshape(0.88 * ideal[-1], (1, 1, 1)),
            "at": np.searchsorted(PERIODS, k) + 0.0,
        }

    looks = {name: style(key) for name, (key, *_) in TRIED.items()}
    faint: dict[str, Any] = {"color": "faint", "dash": "solid"}
    said = {TRIED[name][0]: looks[name] for name in ("adam", "soap", "shampoo")}
    said["Adam at 0°"] = {**faint, "width": 5.0}
    view, on = views("Two bases", "A turned problem")
    size = plain.shape[-1]
    loss = Axis(label="loss, of the first", domain=(2e-3, 1.2), log=True)

    def heat(values: str, title: str, label: str) -> Panel:
        return Panel(
            title=title,
            equal=True,
            x=Axis(label=label, domain=(-0.2 * size, 1.2 * size), ticks=[]),  # else it would be very high
            y=Axis(domain=(float(size), 0.0), ticks=[]),
            when=on[0],
            marks=[Heat(values=values, x0=0, x1=size, y0=0, y1=size, color="indigo", negative="orange")],
        )

    return Figure(
        name="figure-curvature",
        title="The same gradients in two bases",
        controls=[
            view,
            Slider(
                name="seen",
                label="gradients that L and R have seen",
                values=SEEN,
                start=len(SEEN) - 1,
                format=",d",
                when=on[0],
            ),
            Slider(
                name="angle",
                label="angle of the problem",
                values=ANGLES,
                start=len(ANGLES) - 1,
                texts=[f"{a:g}°" for a in ANGLES],
                when=on[1],
            ),
            Slider(
                name="k",
                label="k, steps that SOAP keeps a basis",
                values=PERIODS,
                start=2,
                texts=NAMES,
                when=on[1],
            ),
        ],
        compute=compute,
        tries=[
            "let L and R see fewer gradients. With how few does the diagonal still hold 90%?",
            "turn the problem back to 0°. Who gains by it?",
        ],
        rows=[
            [
                heat(
                    "plain",
                    "in the entries: {plain_share:.0%} on the diagonal",
                    f"{size} entries of the matrix",
                ),
                heat(
                    "turned", "turned: {turned_share:.0%} on the diagonal", f"{size} directions, from L and R"
                ),
                Panel(
                    title="turned by {angle}",
                    x=Axis(label="step", domain=(0, STEPS)),
                    y=loss,
                    height=225,
                    when=on[1],
                    marks=[
                        *legend(said, (4, 24), 30, (0.0155, 0.0094, 0.0057, 0.00345), 0.94),
                        Line(x=T.tolist(), y="ideal_loss", **faint, width=5.0),
                        *(
                            Line(x=T.tolist(), y=f"{name}_loss", **looks[name])
                            for name in TRIED
                            if name != "muon"
                        ),
                    ],
                ),
                Panel(
                    title=f"after {STEPS} steps",
                    x=Axis(
                        label="k",
                        domain=(-0.3, len(PERIODS) - 0.7),
                        ticks=[*((float(i), name) for i, name in enumerate(NAMES[:-1])), (5.0, "never")],
                    ),
                    y=Axis(
                        label="loss, thousandths of the first",
                        domain=(2.8e-3, 1.2e-2),
                        log=True,
                        ticks=[(0.003, "3"), (0.006, "6"), (0.01, "10")],
                    ),
                    height=225,
                    when=on[1],
                    marks=[
                        Rule(y="ideal_end", color="faint", dash="solid", width=5.0),
                        *(
                            Rule(y=f"{name}_end", color=looks[name]["color"], dash=looks[name]["dash"])
                            for name in TRIED
                            if name != "soap"
                        ),
                        Line(x=list(range(len(PERIODS))), y="soap_over", dots=2.5, **looks["soap"]),
                        Dots(x="at", y="soap_end", shape="ring", size=6, color=looks["soap"]["color"]),
                        Text(x=5.2, y="over_adam", anchor="end", text="Adam", color=looks["adam"]["color"]),
                        Text(x=-0.2, y="over_muon", text="Muon", color=looks["muon"]["color"]),
                        Text(x=-0.2, y="over_soap", text="SOAP", color=looks["soap"]["color"]),
                        Text(
                            x=4.0,
                            y="over_shampoo",
                            anchor="end",
                            text="Shampoo",
                            color=looks["shampoo"]["color"],
                        ),
                        Text(x=-0.2, y="under_ideal", text="Adam at 0°", color="ink"),
                    ],
                ),
            ]
        ],
        readouts=[
            "{in_bases@view:?}Of the sum of squares of the covariance, the diagonal holds {plain_share:.0%} "
            "in the entries and {turned_share:.0%} turned.",
            "{in_turned@view:?}Turned by {angle}, k = {k}, the loss at the end: SOAP {soap_end:.2g}, Adam "
            "{adam_end:.2g}, and {ideal_end:.2g} along the axes; Shampoo {shampoo_end:.2g}, Muon "
            "{muon_end:.2g}.",
        ],
        caption=[
            "{in_bases@view:?}How a gradient's entries vary together. Adam divides by the root of the "
            "diagonal, and sees nothing else. SOAP is Adam along such directions as on the right, which L "
            "and R show after {seen} of the gradients.",
            "{in_turned@view:?}The thick grey line is Adam on the problem that is not turned. Each method "
            "has its best η. A basis that is never renewed is that of the first gradient.",
        ],
        alt="Two pictures of the covariance of the gradients of a layer of {plain_size:d} entries. In the "
        "entries it is full, with blocks that look like each other; the diagonal holds {plain_share:.0%} of "
        "the sum of squares. In the basis of Shampoo's two factors it is nearly empty beside the diagonal, "
        "which holds {turned_share:.0%}.",
        encoding={
            "plain": Encoding(bits=8, clip=(-1, 1)),
            "turned": Encoding(bits=8, clip=(-1, 1)),
            **{f"{name}_loss": Encoding(bits=8, log=True) for name in (*TRIED, "ideal")},
        },
        fixed={
            "layer": f"the first of {PIXELS**2} – {HIDDEN} – 10, after {TRAINED} steps of Adam",
            "gradients": ALL,
            "colour": "√|covariance|, of the largest in the picture; the other colour is negative",
            "quadratic": f"{SIDE} × {SIDE}, κ = {KAPPA:g} and {KAPPA:g}, noise {NOISE:g}",
            "beta1, beta2": 0.95,
            "steps": STEPS,
            "seeds": SEEDS,
        },
    )


# ---------------------------------------------------------------------------------------- of a layer


def of_the_first_layer() -> np.ndarray:
    """The gradient of the first matrix for each of the digits, shape (digits, pixels, hidden)."""
    full, network = digits(), Network((PIXELS**2, HIDDEN, 10))
    pooled = Digits(*(Split(small(one.x), one.y) for one in (full.train, full.validation, full.test)))
    theta = train(network, pooled, Adam(0.01), steps=TRAINED, seed=0, examine=1).theta
    (first, shift), (last, bias) = network.layers(theta)
    x, y = pooled.train.x[:ALL].to(theta.dtype), pooled.train.y[:ALL]
    inside = x @ first + shift
    error = torch.softmax(torch.relu(inside) @ last + bias, -1) - torch.nn.functional.one_hot(y, 10)
    delta = (error @ last.mT) * (inside > 0)
    return (x[:, :, None] * delta[:, None, :]).numpy()


def small(x: torch.Tensor) -> torch.Tensor:
    """Digits of a few pixels."""
    return torch.nn.functional.avg_pool2d(x.view(-1, 1, 28, 28)[..., 2:-2, 2:-2], 24 // PIXELS).flatten(1)


def in_the_basis(gradients: np.ndarray, count: int) -> np.ndarray:
    """The gradients along the eigenvectors of L and R, the largest first, of the first so many."""
    few = gradients[:count]
    left = np.linalg.eigh((few @ few.mT).sum(0))[1][:, ::-1]
    right = np.linalg.eigh((few.mT @ few).sum(0))[1][:, ::-1]
    return left.T @ gradients @ right


def covariance(gradients: np.ndarray) -> np.ndarray:
    """Of the entries, row by row, around zero."""
    flat = gradients.reshape(len(gradients), -1)
    return flat.T @ flat / len(flat)


def share(covariances: np.ndarray) -> np.ndarray:
    """Of the sum of squares, what the diagonal holds."""
    diagonal = np.diagonal(covariances, axis1=-2, axis2=-1)
    return (diagonal**2).sum(-1) / (covariances**2).sum((-2, -1))


def shaded(covariances: np.ndarray) -> np.ndarray:
    """Roots, with the sign, over the largest: what is small can be seen then."""
    largest = abs(covariances).max((-2, -1), keepdims=True)
    return np.sign(covariances) * (abs(covariances) / largest) ** 0.5


# ---------------------------------------------------------------------------------- of a turned problem


@cache
def tuned(name: str, angle: float, k: int) -> np.ndarray:
    """The loss at the steps T, over that at the start, at the rate that ends lowest; only SOAP has a k."""
    if name != "soap" and k != 1:
        return tuned(name, angle, 1)
    _, make, tried = TRIED[name]
    problem = MatrixQuadratic(SIDE, SIDE, KAPPA, angle, noise=NOISE)
    falls, start = schedules.linear(STEPS), np.zeros((len(tried), SEEDS, SIDE, SIDE))
    run = descend(lambda t: make(tried[:, None] * falls(t), k), problem, start, STEPS, seed=np.arange(SEEDS))
    loss = np.exp(np.log(run.loss[::EVERY] / problem.loss(problem.start)).mean(-1))
    return loss[:, loss[-1].argmin()]
