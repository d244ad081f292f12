"""Mini-batches: from the cloud of their gradients to what a training costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from gdcourse import theory
from gdcourse.experiments import History, train
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import (
    Arrow,
    Axis,
    Choice,
    Dots,
    Line,
    Panel,
    Rule,
    Slider,
    Text,
    style,
    views,
)
from gdcourse.explore.views import in_views
from gdcourse.problems import Digits, Network, Split, digits
from gdcourse.rules import GradientDescent

N, DRAWS, SEEDS, TARGET = 500, 200, (0, 1, 2), 0.5
LOOKS, DRAWN = 100, 20  # at the loss of a training, at most; of which so many are drawn
NETWORK = Network((196, 16, 10))
# each batch size, and how many steps its trainings take: about a third more than they turned out to need
LENGTHS = {1: 1200, 2: 640, 4: 340, 8: 180, 16: 110, 32: 76, 64: 56, 128: 50, 256: 50, N: 50}
BATCHES = np.array(list(LENGTHS))
FACTORS = 2.0 ** np.arange(-1, 1.1, 0.5)  # the learning rates tried, around a guess for each batch size
FIXED_PARTS = [0.0, 4.0, 16.0, 64.0, 256.0, np.inf]  # what a step costs beside its examples, in examples
PRICES = ["n (examples)", *(f"n + {part:g}" for part in FIXED_PARTS[1:-1]), "1 (steps)"]
ALONG, ACROSS = (-2.5, 4.5), (-3.0, 3.0)  # the part of the plane that is drawn
TURN = np.linspace(0, 2 * np.pi, 49)


def mini_batch() -> Figure:
    """The cloud of real mini-batch gradients around the full one, the length of their noise, and trainings
    with every batch size against a price that the reader sets: examples, steps, or a mixture of the two.

    A network 196 – 16 – 10 on 500 digits, shrunk to 14 × 14 pixels. The clouds: 200 mini-batches at the start
    of seed 0. The trainings: gradient descent, five learning rates a factor √2 apart and three seeds for each
    batch size, each until well after the loss over all 500 first falls below 0.5; a noisy one can rise again.
    It is looked at 100 times, or after each step of a shorter training: a dip between two looks is not seen.
    """
    data = _small_digits()
    with _one_thread():
        seen, noise, formula = _clouds(data)
        loss, looked, each, rates = _trainings(data)
    need = each.mean(-1)
    spread = np.linalg.cholesky(np.cov(seen.T))  # of single examples on the plane
    shrink = theory.minibatch_variance(1.0, BATCHES, N) ** 0.5
    circle = spread @ np.stack([np.cos(TURN), np.sin(TURN)])
    rings = seen.mean(0)[:, None] + np.multiply.outer([1, 2], np.multiply.outer(shrink, circle))
    clouds = np.stack([_picks(n) for n in BATCHES]) @ seen

    low, high = np.array([ALONG, ACROSS]).T
    outside = ((clouds < low) | (clouds > high)).any(-1).sum(-1).astype(float)
    outside[outside == 0] = np.nan

    by_step = np.stack([_price_of_a_step(BATCHES, part) for part in FIXED_PARTS], 1)  # (batch, price)
    whole = by_step * need[:, None]
    ratio = whole / whole.min(0)
    by_seed = by_step[..., None] * each[:, None]  # (batch, price, seed)
    cheapest = whole.argmin(0)
    dearest_seed = by_seed[cheapest, np.arange(len(FIXED_PARTS))].max(-1)
    rivals = (by_seed.min(-1) <= dearest_seed) & (np.arange(len(BATCHES))[:, None] != cheapest)
    x = by_step[..., None] * looked[:, None] / whole.min(0)[:, None]  # (batch, price, look)
    y = np.broadcast_to(loss[:, None], x.shape)

    def compute(batch: np.ndarray) -> Arrays:
        i = np.searchsorted(BATCHES, batch)
        is_small, is_large = (i == end for end in (0, len(BATCHES) - 1))
        return {
            **in_views("cloud", "cost", computed=1),
            "cloud_x": clouds[i, :, 0],
            "cloud_y": clouds[i, :, 1],
            "ring1_x": rings[0, i, 0],
            "ring1_y": rings[0, i, 1],
            "ring2_x": rings[1, i, 0],
            "ring2_y": rings[1, i, 1],
            "outside": outside[i],
            "batch_size": BATCHES[i],
            "size_at_price": np.broadcast_to(BATCHES[i, None], (len(i), len(FIXED_PARTS))),
            "noise": noise[i],
            "silent": np.where(np.isnan(noise[i]), N, np.nan),
            "need": need[i],
            "read": need[i] * BATCHES[i],
            "rate": rates[i],
            "ratio": ratio[i],
            "dearer": np.where(ratio[i] > 1, ratio[i], np.nan),
            "cheapest": np.where(ratio[i] > 1, np.nan, i[:, None]),
            "x": x[i],
            "y": y[i],
            "every_x": _one_line(x)[None],
            "every_y": _one_line(y)[None],
            "small_x": np.where(is_small[:, None], np.nan, x[0, :, -1]),
            "small_y": np.where(is_small[:, None], np.nan, y[0, :, -1]),
            "large_x": np.where(is_large[:, None], np.nan, x[-1, :, -1]),
            "large_y": np.where(is_large[:, None], np.nan, y[-1, :, -1]),
            "noises": noise[None],
            "formula": formula[None],
            "ratios": ratio.T[None],
            "by_examples": ratio[None, :, 0],
            "by_steps": ratio[None, :, -1],
            "best": ratio.argmin(0)[None],
            "best_size": BATCHES[ratio.argmin(0)][None],
            "dearest": ratio.max(0)[None],
            "rivals": np.where(rivals.any(0), np.arange(len(FIXED_PARTS)), np.nan)[None],
        }

    sizes = Axis(
        label="batch size n",
        domain=(0.8, 640),
        log=True,
        ticks=[(n, str(n)) for n in (1, 4, 16, 64, 256)],
    )
    gradient = style("mini-batch")["color"]
    view, on = views("The cloud", "The cost")
    return Figure(
        name="figure-mini-batch",
        title="From the noise of a mini-batch to what a training costs",
        controls=[
            view,
            Slider(name="batch", label="batch size n", values=BATCHES, start=4, format="d"),
            Choice(name="price", label="a step costs", values=PRICES, texts=PRICES, start=3, when=on[1]),
        ],
        compute=compute,
        tries=[
            "make the batch four times as large: how much smaller is the cloud?",
            "choose another price of a step: where does the lowest point go?",
        ],
        rows=[
            [
                Panel(
                    when=on[0],
                    title=f"{DRAWS} gradients with n = {{batch}}",
                    x=Axis(label="along ∇J, in units of ‖∇J‖", domain=ALONG),
                    y=Axis(label="across, in units of ‖∇J‖", domain=ACROSS),
                    equal=True,
                    marks=[
                        Dots(x="cloud_x", y="cloud_y", color=gradient, size=1.9, opacity=0.45),
                        Line(x="ring1_x", y="ring1_y", color="orange", width=1.4),
                        Line(x="ring2_x", y="ring2_y", color="orange", width=1.4),
                        Arrow(x0=0.0, y0=0.0, x1=1.0, y1=0.0),
                        Text(text="{outside:d} outside the picture", x=4.4, y=-2.8, anchor="end"),
                    ],
                ),
                Panel(
                    when=on[0],
                    title="length of their noise",
                    x=sizes,
                    y=Axis(
                        label="in units of ‖∇J‖",
                        domain=(0.2, 12),
                        log=True,
                        ticks=[(v, f"{v:g}") for v in (0.25, 0.5, 1, 2, 4, 8)],
                    ),
                    height=210,
                    pad=("batch", None),
                    marks=[
                        Rule(y=1.0, color="faint", label="as long as ∇J itself"),
                        Line(x=BATCHES.tolist(), y="formula", color="orange"),
                        Dots(x=BATCHES.tolist(), y="noises", color=gradient, size=2.5),
                        Dots(x="batch_size", y="noise", shape="ring", size=7),
                    ],
                ),
                Panel(
                    height=210,
                    when=on[1],
                    title="loss; a step costs {price}",
                    x=Axis(
                        label="price so far, in units of the cheapest's",
                        domain=(0.04, 60),
                        log=True,
                        ticks=[(0.1, "0.1"), (1, "1"), (10, "10")],
                    ),
                    y=Axis(
                        label="loss J over the 500, in nats",
                        domain=(0.25, 2.6),
                        log=True,
                        ticks=[(0.3, "0.3"), (0.5, "0.5"), (1, "1"), (2, "2")],
                    ),
                    marks=[
                        Rule(y=TARGET, color="faint"),
                        Line(x="every_x", y="every_y", at=["price"], color="faint", width=1),
                        Line(x="x", y="y", at=["price"], width=2.4, label="{batch}"),
                        Text(text="1", x="small_x", y="small_y", at=["price"], color="faint"),
                        Text(text=str(N), x="large_x", y="large_y", at=["price"], color="faint"),
                    ],
                ),
                Panel(
                    height=210,
                    when=on[1],
                    title=f"price to the first loss of {TARGET}, ◆ cheapest",
                    x=sizes,
                    y=Axis(
                        label="as a multiple of the cheapest",
                        domain=(0.8, 32),
                        log=True,
                        ticks=[(v, str(v)) for v in (1, 2, 5, 10, 20)],
                    ),
                    pad=("batch", None),
                    marks=[
                        Line(x=BATCHES.tolist(), y="by_examples", color="faint", width=1.2, dash="dotted"),
                        Line(x=BATCHES.tolist(), y="by_steps", color="faint", width=1.2, dash="dashed"),
                        Text(text="by examples", x=420, y=22, anchor="end", color="faint"),
                        Text(text="by steps", x=1.3, y=26, color="faint"),
                        Line(x=BATCHES.tolist(), y="ratios", at=["price"], color=gradient, dots=2.5),
                        Dots(
                            x="best_size",
                            y=1.0,
                            at=["price"],
                            color="orange",
                            shape="diamond",
                            size=5,
                        ),
                        Dots(x="size_at_price", y="ratio", at=["price"], shape="ring", size=7),
                    ],
                ),
            ],
        ],
        readouts=[
            "{in_cloud@view:?}n = {batch}: the noise is {noise:.2f} times as long as the gradient.",
            "{in_cloud@view:?}n = {silent:d}: all of the data, and no noise.",
            "{in_cost@view:?}n = {batch}, η = {rate:.2g}: {need:.0f} steps, which read {read:.0f} examples.",
            "{in_cost@view:?}If a step costs {price}, n = {batch} costs {dearer@price:.2f} times as much "
            "as the cheapest.",
            "{in_cost@view:?}{cheapest@price:?}If a step costs {price}, n = {batch} is the cheapest.",
        ],
        caption=[
            "{in_cloud@view:?}The larger the batch, the closer its gradients lie round the full one, the "
            "arrow. The ellipses are one and two standard deviations by the formula.",
            f"{{in_cost@view:?}}The cheapest way to the first loss of {TARGET}, at one of {LOOKS} looks, is "
            "n = {best@price|sizes}, "
            f"the dearest costs {{dearest@price:.0f}} times as much.",
            (
                "{in_cost@view:?}But some seeds of n = {rivals@price|rivals} are as cheap: three seeds do "
                "not tell."
            ),
        ],
        alt="Two panels for a batch size of {batch}. A cloud of mini-batch gradients around the tip of the "
        "full gradient's arrow, most of them within the larger of two ellipses. The length of the "
        "noise falls along a straight line on log scales, and a little faster at the end; here it is "
        "{noise:.2f} gradient lengths.",
        encoding={
            **{
                f"{name}_{axis}": Encoding(bits=8, clip=(-9, 9))
                for name in ("ring1", "ring2")
                for axis in "xy"
            },
            **{f"cloud_{axis}": Encoding(bits=8, clip=(-6, 6)) for axis in "xy"},
            **{name: Encoding(bits=8, log=True) for name in ("x", "y", "every_x", "every_y", "ratios")},
            **{name: Encoding(bits=8, log=True) for name in ("noises", "formula", "by_examples", "by_steps")},
        },
        texts={
            "sizes": [str(n) for n in BATCHES],
            "rivals": [_listed(BATCHES[found]) for found in rivals.T],
        },
        fixed={
            "network": "196 – 16 – 10, relu",
            "examples": N,
            "draws": DRAWS,
            "seeds": list(SEEDS),
            "target": TARGET,
            "rates": rates.tolist(),
        },
    )


def _listed(numbers: np.ndarray) -> str:
    """Numbers as a text lists them: 1, 2 and 4."""
    words = [str(number) for number in numbers]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def _price_of_a_step(batch: np.ndarray, fixed_part: float) -> np.ndarray:
    """Its examples and a fixed part, in examples; 1 for all where the examples do not count."""
    return np.ones(len(batch)) if np.isinf(fixed_part) else batch + fixed_part


def _one_line(values: np.ndarray) -> np.ndarray:
    """Lines of shape (line, price, point) as one for each price, with gaps."""
    gaps = np.full((*values.shape[:2], 1), np.nan)
    return np.moveaxis(np.concatenate([values, gaps], -1), 0, 1).reshape(values.shape[1], -1)


# --------------------------------------------------------------------------------------- the measurements


@contextmanager
def _one_thread() -> Iterator[None]:
    """Matrices as small as these are multiplied faster by one thread than by several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _small_digits() -> Split:
    """The first 500 digits, each pixel the mean of 2 × 2."""
    train_split = digits().train
    pixels = torch.nn.functional.avg_pool2d(train_split.images[:N, None], 2).flatten(1)
    return Split(pixels, train_split.y[:N])


def _clouds(data: Split) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every example's gradient on a plane, in units of ‖∇J‖, shape (500, 2); and the length of the noise of
    each batch size in the same unit, measured and by the
    formula (NaN where there is none)."""
    theta = NETWORK.init(0)
    full = NETWORK.grad(theta, data.x, data.y)
    singles = NETWORK.grad(theta.expand(N, -1), data.x[:, None], data.y[:, None])
    off = (singles - full) / full.norm()
    along = full / full.norm()
    rest = off - torch.outer(off @ along, along)
    values, vectors = torch.linalg.eigh(rest @ rest.mT)  # (500, 500): smaller than the covariance
    across = rest.mT @ vectors[:, -1] / values[-1].sqrt()
    across *= torch.sign(across[across.abs().argmax()])  # an eigenvector's sign is anybody's choice
    seen = torch.stack([1 + off @ along, off @ across], -1).numpy()
    means = torch.as_tensor(np.stack([_picks(n) for n in BATCHES])) @ off
    sigma2 = float((off**2).sum() / (N - 1))
    lengths = (means**2).sum(-1).mean(-1).numpy(), theory.minibatch_variance(sigma2, BATCHES, N)
    noise, formula = (np.where(BATCHES < N, np.sqrt(length), np.nan) for length in lengths)
    return seen, noise, formula


def _picks(n: int) -> np.ndarray:
    """200 mini-batches of n as weights of the examples, shape (200, 500)."""
    rng = np.random.default_rng(int(n))
    weights = np.zeros((DRAWS, N))
    for row in weights:
        row[rng.choice(N, n, replace=False)] = 1 / n
    return weights


def _trainings(data: Split) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """For each batch size at its best learning rate: the mean loss over the 500 after some steps, these
    steps, how many each seed takes until it first is at the target, shape (batch, seed), and the rate."""
    curves, looked, need, rates = [], [], [], []
    for n, steps in LENGTHS.items():
        lrs = FACTORS / (1 + 20 / n)
        history, until = _until_one_arrives(data, lrs, n, steps)
        best = int(np.nanargmin(until.mean(-1)))
        drawn = np.linspace(0, len(history.steps) - 1, DRAWN + 1).round().astype(int)[1:]
        curves.append(np.exp(np.log(history.validation_loss[drawn, best]).mean(-1)))
        looked.append(history.steps[drawn])
        need.append(until[best])
        rates.append(lrs[best])
    return np.array(curves), np.array(looked, float), np.array(need), np.array(rates)


def _until_one_arrives(data: Split, lrs: np.ndarray, n: int, steps: int) -> tuple[History, np.ndarray]:
    """Trainings with mini-batches of n, and their steps to the target; of twice the length where all seeds
    arrive at no learning rate, as may be with other seeds than the book's."""
    history = train(
        NETWORK, Digits(data, data, data), GradientDescent(lrs[:, None]),
        steps=steps, batch=n, seed=SEEDS, examine=min(LOOKS, steps),
    )  # fmt: skip
    until = _steps_to_target(history.steps, history.validation_loss)
    if np.isnan(until.mean(-1)).all():
        return _until_one_arrives(data, lrs, n, 2 * steps)
    return history, until


def _steps_to_target(steps: np.ndarray, loss: np.ndarray) -> np.ndarray:
    """Where the loss first crosses the target, between two looks by its logarithm; NaN for never."""
    below = loss < TARGET
    first = np.argmax(below, 0)
    high, low = (np.take_along_axis(np.log(loss), i[None], 0)[0] for i in (np.maximum(first - 1, 0), first))
    with np.errstate(divide="ignore"):  # never below: there is nothing between two looks
        share = (high - np.log(TARGET)) / (high - low)
    crossing = steps[first - 1] + share * (steps[first] - steps[first - 1])
    return np.where(below.any(0) & (first > 0), crossing, np.nan)
