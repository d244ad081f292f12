"""The network: one small training, step by step."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from gdcourse.experiments import train
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import (
    Axis,
    Bars,
    Choice,
    Dots,
    Heat,
    Images,
    Line,
    Panel,
    Rule,
    Scrubber,
    Text,
    Toggle,
    style,
    views,
)
from gdcourse.explore.views import in_views
from gdcourse.problems import Digits, Network, Split, digits
from gdcourse.problems.network import cross_entropy
from gdcourse.rules import GradientDescent

LR, STEPS, SEED = 0.1, 300, 0
WATCHED = np.array([0, 1, 2, 3, 5, 7, 10, 14, 20, 28, 40, 56, 80, 110, 150, 210, 300])
EXAMINED = np.union1d(WATCHED, [*range(0, 100, 2), *range(100, 301, 10)])
TEMPLATES, SHADES = 9, 31
ZERO = 0.5  # where step 0 stands on the logarithmic axis

# the ten digits, in pixels of theirs: two rows of five, each with its bars and its answer below
PITCH, ROW, BARS, ANSWER, TALL = 34, 69, 57, 64, 24
WIDTH, HEIGHT = 5 * PITCH - 6, 2 * ROW


def network() -> Figure:
    """Nine templates, ten digits with ten probabilities each, the loss, and each digit's share that is read
    right, at 17 steps of one training; and a bet on the digit that is learnt last.

    784–32–10 with ReLU, gradient descent with η = 0.1, 300 mini-batches of 64, seed 0: the run of the
    chapter. The ten digits are the first of each in the validation split. A digit is learnt from the first
    step on after which more than half of its validation examples stay read right; that is looked at after
    every other step to 100, then after every tenth. After a bet, its curve and the last one's show all of
    these steps, the others only the 17.
    """
    data, net = digits(), Network()
    # what is examined does not change the training: one example, for speed
    few = Digits(data.train, Split(data.validation.x[:1], data.validation.y[:1]), data.test)
    kept = train(net, few, GradientDescent(LR), steps=STEPS, seed=SEED, examine=STEPS, keep=True).kept
    assert kept is not None
    units = _most_changed(net, kept)
    numbers = {**_templates(net, kept, units), **_answers(net, kept, data), **_shares(net, kept, data)}
    numbers |= in_views("seen", "learnt", computed=0)

    def compute() -> Arrays:
        return numbers

    own = style("GradientDescent")
    betting = {"bet": list(range(1, 11))}
    steps = Axis(
        label="step",
        domain=(ZERO, 330),
        log=True,
        ticks=[(ZERO, "0"), (1, "1"), (3, "3"), (10, "10"), (30, "30"), (100, "100"), (300, "300")],
    )
    view, on = views("Digits and templates", "Which is last?")
    nothing: dict[str, Any] = {"ticks": []}
    templates: dict[str, Any] = {
        "columns": 3,
        "hi": SHADES,
        "color": "orange",
        "negative": "purple",
        "at": ("step",),
        "names": [f"hidden unit {unit}" for unit in units],
        "cells": ": pixel in row {row}, column {column}",
    }
    return Figure(
        name="figure-network",
        title="Learning, scrubbed: one training, step by step",
        controls=[
            view,
            Scrubber(name="step", label="after step", values=WATCHED, start=len(WATCHED) - 1, format="d"),
            Choice(
                name="bet",
                label="Which digit is learnt last? Bet",
                values=[-1, *range(10)],
                texts=["no bet yet", *"0123456789"],
                when=on[1],
            ),
            Toggle(name="whole", label="templates with their random start", when=on[0]),
        ],
        compute=compute,
        tries=[
            "go back to step 0 and play: which answers come right, and which go wrong again?",
            "bet on a digit first. Then see when each of them is learnt.",
        ],
        rows=[
            [
                Panel(
                    when=on[0],
                    title="ten unseen digits, and the answers",
                    x=Axis(domain=(-3, WIDTH + 3), **nothing),
                    y=Axis(domain=(0, HEIGHT), **nothing),
                    equal=True,
                    marks=[
                        *(mark for digit in range(10) for mark in (_digit(digit), *_under(digit))),
                    ],
                ),
                Panel(
                    when=on[0],
                    title="templates of nine hidden units",
                    height=230,
                    marks=[
                        Images(values="added", when={"whole": [0]}, **templates),
                        Images(values="whole_templates", when={"whole": [1]}, **templates),
                    ],
                ),
                Panel(
                    height=210,
                    when=on[1],
                    title="loss on the 2,000 validation digits",
                    x=steps,
                    y=Axis(label="loss, nats", domain=(0, 2.6)),
                    marks=[
                        Rule(y=float(np.log(10)), color="faint"),
                        Text(text="ln 10, a guess", x=20, y=2.42, anchor="middle", color="faint"),
                        Rule(x="place", at=("step",), color="faint", dash="solid"),
                        Line(x="places", y="loss", color="faint", width=1.2),
                        Line(x="places", y="loss", upto="step", **{**own, "dash": "solid"}, dots=2.5),
                    ],
                ),
                Panel(
                    height=210,
                    when=on[1],
                    title="share of each digit that is read right",
                    x=steps,
                    y=Axis(label="share", domain=(0, 1.02)),
                    marks=[
                        Rule(y=0.5, color="faint"),
                        Rule(x="place", at=("step",), color="faint", dash="solid"),
                        Line(x="shares_x", y="shares", color="faint", width=1.2),
                        Line(x="bet_steps", y="bet_share", at=("bet",), color="blue", when=betting),
                        Line(x="examined", y="last_share", color="orange", when=betting),
                        Dots(
                            x="bet_place",
                            y="bet_height",
                            at=("bet",),
                            color="blue",
                            when=betting,
                            label="{bet}s",
                        ),
                        Dots(
                            x="last_place",
                            y="last_height",
                            color="orange",
                            when=betting,
                            label="{last:d}s, last",
                        ),
                    ],
                ),
            ],
        ],
        readouts=[
            "Step {step}: {right@step:.1f} % of the 2,000 validation digits are read right, loss "
            "{loss@step:.2f} nats.",
            "{in_learnt@view:?}Each of the {curves@bet:d} thin curves is a digit. Which is the last to stay "
            "above one half?",
            "{in_learnt@view:?}Your bet, the {lost@bet:d}s, comes at step {learnt@bet:d}, as number "
            "{order@bet:d} of ten; last come the {last:d}s, at step {last_step:d}.",
            "{in_learnt@view:?}Your bet is right: the {won@bet:d}s come last, at step {last_step:d}.",
        ],
        caption=[
            "{in_seen@view:?}Bars are the probabilities of 0, 1, … 9, the right one coloured; of these ten "
            "digits {read@step:d} are read right. A template is what training added to a unit's weights: "
            "ink on the one colour excites it, on the other quiets it.",
            "{in_learnt@view:?}One training: gradient descent, η = 0.1, mini-batches of 64. A digit is "
            "learnt once more than half of its examples stay read right. The step axes are logarithmic, with "
            "0 at their left end.",
        ],
        alt="Two panels after {step} steps of one training. Ten handwritten digits with bars for ten "
        "probabilities: {read@step:d} are read right. Nine templates show smooth strokes and arcs, in two "
        "colours side by side.",
        encoding={
            **{
                f"{kind}{digit}": Encoding(bits=8)
                for kind in ("digit", "others", "true")
                for digit in range(10)
            },
            "added": Encoding(bits=8),
            "whole_templates": Encoding(bits=8),
        },
        fixed={
            "network": "784-32-10, ReLU",
            "rule": "GradientDescent",
            "lr": LR,
            "steps": STEPS,
            "batch": 64,
            "seed": SEED,
            "digits": "the first of each in the validation split",
        },
    )


def _corner(digit: int) -> tuple[int, int]:
    """Where a digit's picture has its upper left corner: from the left, from the bottom."""
    return PITCH * (digit % 5), HEIGHT - ROW * (digit // 5)


def _digit(digit: int) -> Heat:
    """A digit's picture; its pixels have names."""
    left, top = _corner(digit)
    return Heat(
        values=f"digit{digit}",
        x0=left,
        x1=left + 28,
        y0=top - 28,
        y1=top,
        names=[f"a {digit}"],
        cells=": pixel in row {row}, column {column}",
    )


def _under(digit: int) -> list[Bars | Text | Line]:
    """What stands below a digit's picture: ten probabilities on a line, and the answer."""
    left, top = _corner(digit)
    foot = top - BARS
    places = [left + 1.4 + 2.8 * k for k in range(10)]
    names = [f"output {k}, for the {digit} above" for k in range(10)]
    bars: dict[str, Any] = {"at": ("step",), "base": foot, "width": 2.3, "names": names}
    answer: dict[str, Any] = {"x": left + 14, "y": top - ANSWER, "anchor": "middle"}
    return [
        Line(x=[left, left + 28], y=[foot, foot], color="faint", width=1.0),
        Bars(x=places, y=f"others{digit}", color="grey", **bars),
        Bars(x=places, y=f"true{digit}", color="orange", **bars),
        Text(text=f"→ {{right{digit}@step:d}} ✓", color="orange", **answer),
        Text(text=f"→ {{wrong{digit}@step:d}}", **answer),
    ]


def _most_changed(net: Network, kept: torch.Tensor) -> list[int]:
    """The units whose weights change most in the whole training."""
    first, last = (net.layers(kept[step])[0][0] for step in (0, -1))
    return np.argsort(-(last - first).square().sum(0).numpy(), kind="stable")[:TEMPLATES].tolist()


def _templates(net: Network, kept: torch.Tensor, units: list[int]) -> Arrays:
    """The weights into some units, as pictures: what training added, and all of it, in shades of one
    scale."""
    weights = net.layers(kept[torch.as_tensor(WATCHED)])[0][0].numpy()[:, :, units]  # (17, 784, 9)
    added = weights - weights[0]
    limit = np.abs(added[-1]).max()

    def shades(values: np.ndarray) -> np.ndarray:
        pictures = values.transpose(0, 2, 1).reshape(len(WATCHED), TEMPLATES, 28, 28)
        return np.round(SHADES * np.clip(pictures / limit, -1, 1))

    return {"added": shades(added), "whole_templates": shades(weights)}


def _answers(net: Network, kept: torch.Tensor, data: Digits) -> Arrays:
    """Ten digits, and for each its bars' ends and the answer, right or wrong."""
    ten = [data.validation.only(digit).x[0] for digit in range(10)]
    scores = net.forward(kept[torch.as_tensor(WATCHED)], torch.stack(ten))[-1]
    probabilities = torch.softmax(scores, -1).numpy()  # (17, 10 digits, 10)
    said = probabilities.argmax(-1)
    out: Arrays = {}
    for digit, pixels in enumerate(ten):
        _, top = _corner(digit)
        out[f"digit{digit}"] = pixels.numpy().reshape(28, 28)[::-1]
        ends = top - BARS + TALL * probabilities[:, digit]
        out[f"others{digit}"] = np.where(np.arange(10) == digit, np.nan, ends)
        out[f"true{digit}"] = np.where(np.arange(10) == digit, ends, np.nan)
        out[f"right{digit}"] = np.where(said[:, digit] == digit, digit, np.nan)
        out[f"wrong{digit}"] = np.where(said[:, digit] == digit, np.nan, said[:, digit])
    return {**out, "read": (said == np.arange(10)).sum(-1), "steps": np.array(STEPS)}


def _shares(net: Network, kept: torch.Tensor, data: Digits) -> Arrays:
    """The validation loss and accuracy, each digit's share read right, and what there is to say to a bet."""
    x, y = data.validation.x, data.validation.y
    scores = [net.forward(kept[step], x)[-1] for step in EXAMINED]
    right = torch.stack([one.argmax(-1) == y for one in scores]).numpy()
    watched = np.isin(EXAMINED, WATCHED)
    loss = np.array([float(cross_entropy(scores[i], y)) for i in np.flatnonzero(watched)])
    shares = np.stack([right[:, y.numpy() == digit].mean(-1) for digit in range(10)])  # (10, steps)

    below = shares <= 0.5
    first = np.where(below.any(1), below.shape[1] - below[:, ::-1].argmax(1), 0)  # after the last one below
    learnt = EXAMINED[first]
    last, bet = int(learnt.argmax()), np.arange(10)
    beside = np.where(bet == last, np.nan, 1.0)  # a right bet's curve is drawn as the last one
    shown, places = shares[:, watched], np.maximum(WATCHED, ZERO)

    def by_bet(values: np.ndarray) -> np.ndarray:
        """One for each digit, and none where there is no bet."""
        return np.concatenate([np.full_like(values[:1], np.nan, dtype=float), values])

    return {
        "loss": loss,
        "right": 100 * right[watched].mean(-1),
        "at_first": 100 * right[0].mean(),
        "place": places,
        "places": places,
        "shares_x": np.tile([*places, np.nan], 10),
        "shares": np.pad(shown, ((0, 0), (0, 1)), constant_values=np.nan).ravel(),
        "examined": np.maximum(EXAMINED, ZERO),
        "bet_steps": np.tile(np.maximum(EXAMINED, ZERO), (11, 1)),
        "bet_share": by_bet(shares * beside[:, None]),
        "bet_place": by_bet(np.maximum(learnt, ZERO) * beside),
        "bet_height": by_bet(shares[bet, first] * beside),
        "last_share": shares[last],
        "last_place": np.maximum(learnt[last], ZERO),
        "last_height": shares[last, first[last]],
        "curves": np.concatenate([[10.0], np.full(10, np.nan)]),
        "learnt": by_bet(learnt),
        "order": by_bet(1 + (learnt[:, None] > learnt).sum(1)),
        "lost": by_bet(bet * beside),
        "won": by_bet(np.where(bet == last, bet, np.nan)),
        "last": np.array(last),
        "last_step": learnt[last],
    }
