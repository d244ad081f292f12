"""A page to draw a digit on, and the network of the chapter that reads it."""

from __future__ import annotations

import numpy as np
import torch

from gdcourse.experiments import train
from gdcourse.explore.figure import Arrays, Figure
from gdcourse.explore.pack import Encoding, pack, unpack
from gdcourse.explore.parts import Axis, Bars, Choice, Heat, Line, Page, Panel
from gdcourse.problems import Network, digits
from gdcourse.rules import Momentum

WEIGHTS = Encoding(bits=8)
FRAME = ([4, 24, 24, 4, 4], [4, 4, 24, 24, 4])  # MNIST's digits fill 20 × 20 of the 28 × 28 pixels


def drawing(theta: torch.Tensor | None = None) -> Figure:
    """Draw a digit, and a trained network says what it reads.

    Its weights are quantised to 8 bits. The validation split's first picture of each digit can be put on
    the page as well. What is drawn is moved to the middle before it is read, as MNIST's pictures were.

    Parameters
    ----------
    theta : the parameters of a 784–32–10 network, shape (25450,). Default: one trained here by momentum,
        with a learning rate of 0.05, for 1,500 mini-batches of 64, from seed 0.
    """
    network, data = Network(sizes=(784, 32, 10)), digits()
    if theta is None:
        theta = train(network, data, Momentum(lr=0.05), steps=1500, seed=0, examine=1).theta
    names = ("W1", "b1", "W2", "b2")
    parts = (part.numpy() for layer in network.layers(theta) for part in layer)
    exact = dict(zip(names, parts, strict=True))
    stored = unpack(*pack(exact, dict.fromkeys(names, WEIGHTS)))
    as_stored = torch.cat([torch.from_numpy(stored[name]).flatten() for name in names])
    pictures = torch.stack([data.validation.only(digit).x[0] for digit in range(10)])
    pictures = torch.cat([pictures, torch.zeros(1, 784, dtype=pictures.dtype)])
    probability = torch.softmax(network.forward(as_stored, pictures)[-1], -1).numpy()
    right = network.accuracy(as_stored, data.validation.x, data.validation.y)

    def compute(picture: np.ndarray) -> Arrays:
        chosen = picture.astype(int)
        return {
            "ink": pictures.numpy().reshape(11, 28, 28)[chosen],
            "probability": probability[chosen],
            "answer": probability[chosen].argmax(-1),
            "right": np.full(1, float(right)),
            **{name: values[None] for name, values in exact.items()},
        }

    return Figure(
        name="figure-drawing",
        title="Draw a digit: the network reads it",
        controls=[
            Choice(
                name="picture",
                label="or put one of the validation digits on the page",
                values=list(range(11)),
                texts=[*(f"a {digit}" for digit in range(10)), "your own drawing"],
                start=9,
            )
        ],
        compute=compute,
        rows=[
            [
                Panel(
                    title="draw here, about as large as the frame",
                    x=Axis(domain=(0, 28), ticks=[]),
                    y=Axis(domain=(0, 28), ticks=[]),
                    equal=True,
                    draws=True,
                    marks=[
                        Heat(values="ink", x0=0, x1=28, y0=28, y1=0),
                        Line(x=list(FRAME[0]), y=list(FRAME[1]), color="faint", dash="dashed", width=1),
                        Line(x=[0, 28, 28, 0, 0], y=[0, 0, 28, 28, 0], color="faint", width=1),
                    ],
                ),
                Panel(
                    title="what the network takes it for",
                    x=Axis(label="digit", domain=(-0.6, 9.6), ticks=[(d, str(d)) for d in range(10)]),
                    y=Axis(label="probability", domain=(0, 1.0)),
                    height=230,
                    marks=[Bars(y="probability", color="grey", marked="answer")],
                ),
            ]
        ],
        tries="draw a digit, with mouse or finger. Then a letter.",
        readouts=["The network reads a {answer:d}."],
        caption="The network reads {right:.0%} of the validation digits right. On a drawing it may do worse: "
        "it was trained on scans of ink on paper. It has no answer that means 'this is no digit', and so it "
        "always names one.",
        alt="On the left a page of 28 by 28 pixels with a handwritten nine on it; on the right ten bars, one "
        "for each digit, with the probability that the network gives it.",
        encoding={
            **dict.fromkeys(names, WEIGHTS),
            "ink": Encoding(bits=8),
        },
        fixed={"network": "784-32-10", "weights": "quantised to 8 bits"},
        page=Page(
            ink="ink",
            layers=[("W1", "b1"), ("W2", "b2")],
            out="probability",
            answer="answer",
            control="picture",
            own=10,
        ),
    )
