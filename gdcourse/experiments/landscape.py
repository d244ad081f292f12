"""Slices of a network's loss: a plane through the space of its parameters, and the loss over it.

A plane is chosen at random (`random_plane`) or fitted to points such as a training's path
(`principal_plane`). `surface` is the loss over it, exact at every point of a grid; what a picture of it
leaves out, `Plane.captured` says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gdcourse.experiments.progress import progress
from gdcourse.problems.network import ACTIVATIONS, Network, cross_entropy

BLOCK = 2**19
"""Bytes of a layer's numbers for a block of examples: half of a usual core's own cache."""


@dataclass(frozen=True, eq=False)
class Plane:
    """The points origin + a · axes[0] + b · axes[1].

    Attributes
    ----------
    origin : a point of the plane, shape ``(P,)``.
    axes : two directions, shape ``(2, P)``; they need be neither of length one nor at right angles.
    """

    origin: torch.Tensor
    axes: torch.Tensor

    def at(self, coordinates: torch.Tensor) -> torch.Tensor:
        """The parameters at coordinates (a, b): from shape ``(*points, 2)`` to ``(*points, P)``."""
        return self.origin + coordinates @ self.axes

    def coordinates(self, theta: torch.Tensor) -> torch.Tensor:
        """The coordinates of the plane's nearest point: from shape ``(*points, P)`` to ``(*points, 2)``."""
        return (theta - self.origin) @ torch.linalg.pinv(self.axes)

    def captured(self, theta: torch.Tensor) -> float:
        """How much of some points, shape ``(*points, P)``, lies in the plane: of their squared distances
        from the origin the share, 0 … 1, that is left after they are moved to the plane's nearest points."""
        inside = self.coordinates(theta) @ self.axes
        return float((inside**2).sum() / ((theta - self.origin) ** 2).sum())


def random_plane(network: Network, theta: torch.Tensor, seed: int = 0) -> Plane:
    """A plane through θ along two random directions of which every unit's part is as long as in θ.

    Both directions are normal at random, then scaled unit by unit: the weights that lead into a unit get
    the length that they have in θ ("filter normalisation"). So a step of 1 changes each unit by as much as
    it weighs. Rescaling a layer of ReLUs, weights and biases, by one factor, and the next layer's weights the
    other way, leaves the network's output as it was, and the picture, too. With a factor of its own for each
    unit the output is the same and the picture is not: the weights out of a unit share their lengths with
    those out of the others. Biases stay as they are.

    Parameters
    ----------
    network : whose parameters these are.
    theta : the plane's origin, shape ``(P,)``.
    seed : of the two directions. Default 0.

    Source: Li et al. (2018), section 4.
    """
    rng = np.random.default_rng(seed)
    axes = torch.as_tensor(rng.standard_normal((2, network.parameters))).to(theta)
    for (weights, biases), (trained, _) in zip(network.layers(axes), network.layers(theta), strict=True):
        weights.mul_(trained.norm(dim=-2, keepdim=True) / weights.norm(dim=-2, keepdim=True))
        biases.zero_()
    return Plane(theta, axes)


def principal_plane(points: torch.Tensor) -> Plane:
    """The plane through the mean of some points that captures as much of them as a plane can: their first
    two principal components.

    Parameters
    ----------
    points : shape ``(N, P)``.

    The axes have length one and stand at right angles, so coordinates are distances. Their signs are such
    that the first point has none positive.

    Raises
    ------
    ValueError : the points lie on one line.
    """
    origin = points.mean(0)
    moved = points - origin
    # N points need an N × N matrix, however many parameters there are
    values, vectors = torch.linalg.eigh(moved @ moved.T)
    values, vectors = values[[-1, -2]], vectors[:, [-1, -2]].T
    if values[1] <= 1e-12 * values[0]:
        raise ValueError(f"the {len(points)} points lie on one line: they fit more than one plane")
    signs = torch.where(vectors[:, :1] > 0, -1.0, 1.0).to(vectors)
    return Plane(origin, signs * vectors @ moved / values[:, None].sqrt())


def surface(network: Network, plane: Plane, a: Any, b: Any, x: torch.Tensor, y: torch.Tensor) -> np.ndarray:
    """The loss over a grid of a plane's points, in nats, shape ``(len(b), len(a))``.

    Parameters
    ----------
    network, plane : what to slice, and where.
    a, b : the grid's coordinates along the plane's first and second axis.
    x, y : the examples over which the loss is taken, shapes ``(N, pixels)`` and ``(N,)``.

    The sums into the first hidden layer are linear in a and b. So the many pixels are multiplied three
    times, not once for each point of the grid. What is left for a point are sums and the small layers above,
    for a block of examples at a time, which keeps their numbers in a processor's cache.
    """
    along, up = (torch.as_tensor(np.asarray(values, float)).to(plane.origin) for values in (a, b))
    act, _ = ACTIVATIONS[network.activation]
    # a row for each unit, a column for each example: the few scores of an example then lie down a column,
    # and torch's products and softmax work along the many examples
    sums = [
        (x @ weights + biases).mT.contiguous()
        for weights, biases in (network.layers(part)[0] for part in (plane.origin, *plane.axes))
    ]
    above = Network(network.sizes[1:]) if len(network.sizes) > 2 else None
    first = network.parameters - (above.parameters if above else 0)
    upper = Plane(plane.origin[first:], plane.axes[:, first:])
    size = max(1, BLOCK // (max(network.sizes[1:]) * x.itemsize))
    rows = []
    for height in progress(up, "surface", len(up), after=1):
        points = upper.at(torch.stack([along, height.expand_as(along)], -1))
        layers = above.layers(points) if above else []
        total = torch.zeros_like(along)
        for start in range(0, len(x), size):
            at_origin, by_a, by_b = (part[:, start : start + size] for part in sums)
            labels, left = y[start : start + size], at_origin + height * by_b
            losses = []
            for j, distance in enumerate(along.tolist()):
                z = torch.add(left, by_a, alpha=distance)
                for weights, biases in layers:
                    z = weights[j].mT @ act(z) + biases[j][:, None]
                losses.append(cross_entropy(z.mT, labels))
            total += torch.stack(losses) * (len(labels) / len(x))
        rows.append(total)
    return torch.stack(rows).cpu().numpy()


def sharpness(
    grad: Callable[[torch.Tensor], torch.Tensor],
    theta: torch.Tensor,
    preconditioner: torch.Tensor | None = None,
    iterations: int = 60,
    seed: int = 0,
) -> torch.Tensor:
    """The largest eigenvalue, in absolute value, of the Hessian at each θ, by power iteration; with a
    preconditioner P, of P^(−1/2) H P^(−1/2).

    The Hessian times a unit vector u is the difference of two gradients, at θ ± h u with h = 1e-4.

    Parameters
    ----------
    grad : from θ, shape ``(*runs, d)``, to the gradient there, of the same shape.
    theta : the points, shape ``(*runs, d)``, in float64: the differences are small.
    preconditioner : positive numbers, shape ``(*runs, d)``. Default: none.
    iterations : how often the vector is multiplied. Default 60.
    seed : of the vector that it starts with. Default 0.

    Returns
    -------
    Shape ``(*runs,)``, in units of J over units of θ².
    """
    h = 1e-4
    scale = torch.ones_like(theta) if preconditioner is None else preconditioner**-0.5
    image = torch.tensor(np.random.default_rng(seed).standard_normal(theta.shape)).to(theta)
    for _ in range(iterations):
        unit = image / image.norm(dim=-1, keepdim=True)
        up, down = (grad(theta + step * scale * unit) for step in (h, -h))
        image = scale * (up - down) / (2 * h)
    return (image * unit).sum(-1)
