"""The network of the slides, 784 – hidden – 10, with its backward pass written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch

from gdcourse.problems.digits import as_pixels

# each activation, and its derivative as a function of its own output; a ReLU's is never below 0
ACTIVATIONS = {
    "relu": (torch.relu, torch.sign),
    "tanh": (torch.tanh, lambda a: 1 - a**2),
    "sigmoid": (torch.sigmoid, lambda a: a * (1 - a)),
}


@dataclass(frozen=True)
class Network:
    """A fully connected network that turns pixels into one score for each class.

    All weights and biases lie in one vector θ, layer after layer: a layer's weights, shape
    ``(inputs, outputs)``, row by row, then its biases. θ has shape ``(*runs, P)``: many networks of one
    shape can be run side by side.

    Parameters
    ----------
    sizes : how many units each layer has, pixels first. Default (784, 32, 10).
    activation : between layers, "relu" (the default), "tanh" or "sigmoid". The last layer has none.
    """

    sizes: tuple[int, ...] = (784, 32, 10)
    activation: str = "relu"

    def __post_init__(self) -> None:
        is_row = isinstance(self.sizes, (tuple, list, np.ndarray))
        if not is_row or len(self.sizes) < 2 or any(not is_count(n) for n in self.sizes):
            raise ValueError(f"sizes must be two or more whole numbers ≥ 1, got {self.sizes!r}")
        object.__setattr__(self, "sizes", tuple(map(int, self.sizes)))
        if self.activation not in ACTIVATIONS:
            raise ValueError(f"activation must be one of {sorted(ACTIVATIONS)}, got {self.activation!r}")

    @property
    def parameters(self) -> int:
        """P, the number of weights and biases."""
        return sum((n_in + 1) * n_out for n_in, n_out in pairwise(self.sizes))

    @property
    def hidden(self) -> tuple[bool, ...]:
        """Of each part, whether it is a hidden matrix: each layer's weights are but the last one's, the
        head's. The first layer's count: pixels are numbers, and no letters that are looked up."""
        layers = len(self.sizes) - 1
        return tuple(one for number in range(1, layers + 1) for one in (number < layers, False))

    def init(
        self, seeds: int | Sequence[int] | np.ndarray = 0, dtype: torch.dtype = torch.float64
    ) -> torch.Tensor:
        """θ_0, shape ``(P,)`` for one seed and ``(*seeds, P)`` for an array of them.

        Weights are normal with variance 2 / inputs for "relu" (He et al., 2015) and 1 / inputs
        otherwise; biases are 0.
        """
        many = np.asarray(seeds)
        if many.ndim:
            return torch.stack([self.init(int(seed), dtype) for seed in many.ravel()]).unflatten(
                0, many.shape
            )
        rng = np.random.default_rng([int(many), 0])
        gain = 2.0 if self.activation == "relu" else 1.0
        parts = []
        for n_in, n_out in pairwise(self.sizes):
            parts += [rng.standard_normal(n_in * n_out) * (gain / n_in) ** 0.5, np.zeros(n_out)]
        return torch.as_tensor(np.concatenate(parts), dtype=dtype)

    def layers(self, theta: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """θ as views: each layer's weights ``(*runs, inputs, outputs)`` and biases ``(*runs, outputs)``."""
        if theta.shape[-1] != self.parameters:
            raise ValueError(
                f"θ must have {self.parameters} entries for sizes {self.sizes}, got {theta.shape[-1]}"
            )
        views, at = [], 0
        for n_in, n_out in pairwise(self.sizes):
            weights = theta[..., at : at + n_in * n_out].unflatten(-1, (n_in, n_out))
            at += n_in * n_out
            views.append((weights, theta[..., at : at + n_out]))
            at += n_out
        return views

    def parts(self, theta: torch.Tensor) -> list[torch.Tensor]:
        """θ as views: weights and biases of one layer after the other."""
        return [part for layer in self.layers(theta) for part in layer]

    def forward(self, theta: torch.Tensor, x: torch.Tensor) -> list[torch.Tensor]:
        """Every layer's output: the pixels x themselves first, the scores ("logits") last.

        x has shape ``(B, pixels)``, or ``(S, B, pixels)`` where the last axis of runs has its own
        batches; the scores have shape ``(*runs, B, classes)``.
        """
        act, _ = ACTIVATIONS[self.activation]
        layers = self.layers(theta)
        outputs = [x]
        for number, (weights, biases) in enumerate(layers, start=1):
            z = _apply(outputs[-1], weights) + biases[..., None, :]
            outputs.append(act(z) if number < len(layers) else z)
        return outputs

    def backward(self, theta: torch.Tensor, outputs: list[torch.Tensor], y: torch.Tensor) -> torch.Tensor:
        """∇J(θ) of the mean cross-entropy, with θ's shape, from what `forward` gave.

        δ is the loss's slope with respect to a layer's input sum z. At the scores it is
        (softmax − one-hot)/B; going down a layer multiplies it by Wᵀ and by the activation's slope.
        A weight's gradient is what came in times δ, summed over the batch.
        """
        _, slope = ACTIVATIONS[self.activation]
        layers = self.layers(theta)
        grad = torch.empty_like(theta)
        grads = self.layers(grad)
        scores = outputs[-1]
        one_hot = torch.nn.functional.one_hot(y, scores.shape[-1]).to(scores.dtype)
        delta = (softmax(scores) - one_hot) / scores.shape[-2]
        for number in reversed(range(len(layers))):
            weights, _ = layers[number]
            grad_weights, grad_biases = grads[number]
            grad_weights.copy_(_outer(outputs[number], delta))
            grad_biases.copy_(delta.sum(-2))
            if number:
                delta = delta @ weights.mT * slope(outputs[number])
        return grad

    def scores(self, theta: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """A score for each class, shape ``(*runs, B, classes)``."""
        return self.forward(theta, x)[-1]

    def loss_of(self, scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The mean cross-entropy of such scores, in nats, shape ``(*runs,)``."""
        return cross_entropy(scores, y)

    def loss(self, theta: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The mean cross-entropy over the batch, in nats, shape ``(*runs,)``."""
        return cross_entropy(self.forward(theta, x)[-1], y)

    def grad(self, theta: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """∇J(θ) over the batch, with θ's shape: one forward and one backward pass."""
        return self.backward(theta, self.forward(theta, x), y)

    def predict(self, theta: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """The class with the highest score, shape ``(*runs, B)``."""
        return self.forward(theta, x)[-1].argmax(-1)

    def read(self, theta: torch.Tensor, pictures: Any) -> Any:
        """What pictures of a reader's own show: the class with the highest score.

        Parameters
        ----------
        theta : a trained θ, shape ``(*runs, P)``, as `History.theta` has it.
        pictures : one picture, shape ``(28, 28)`` or ``(784,)``, or many, shape ``(N, 28, 28)`` or
            ``(N, 784)``; arrays, tensors or lists of any kind of number, see `as_pixels`.

        Returns
        -------
        A whole number for one picture and one θ; else a NumPy array of shape ``(*runs,)`` or ``(*runs, N)``.

        Raises
        ------
        TypeError, ValueError : as `as_pixels`; or a θ that is not finite, which reads nothing.
        """
        rows, is_one = as_pixels(pictures, self.sizes[0])
        theta = torch.as_tensor(theta)
        if not theta.isfinite().all():
            raise ValueError("θ is not finite: the training diverged, and this network reads nothing")
        found = self.predict(theta, rows.to(theta)).cpu().numpy()
        found = found[..., 0] if is_one else found
        return found if found.ndim else int(found)

    def accuracy(self, theta: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The share of the examples that are read right, shape ``(*runs,)``. Scores that are not
        finite read nothing right."""
        return accuracy_of(self.forward(theta, x)[-1], y)


def is_count(n: Any) -> bool:
    """Whether n is a whole number ≥ 1."""
    return isinstance(n, (int, np.integer)) and not isinstance(n, bool) and bool(n >= 1)


# torch takes five times as long for the softmax of short rows as for that of long columns. So both functions
# lay each example's scores down a column first, which costs nothing where they lie so already.


def cross_entropy(scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mean over the batch of −log softmax(scores)[y], in nats, shape ``(*runs,)``."""
    logs = torch.log_softmax(scores.mT.contiguous(), -2)
    chosen = y[..., None, :].expand(*logs.shape[:-2], 1, logs.shape[-1])
    return -logs.gather(-2, chosen).squeeze(-2).mean(-1)


def accuracy_of(scores: torch.Tensor, y: torch.Tensor, axes: int = 1) -> torch.Tensor:
    """The share of labels that have the highest score, shape ``(*runs,)``, over the last `axes` axes of y;
    NaN where y is no labels for such scores. Scores that are not finite read nothing right."""
    if y.is_floating_point() or not y.numel() or scores.shape[-1 - axes : -1] != y.shape[-axes:]:
        return torch.tensor(torch.nan, dtype=torch.float64)
    right = (scores.argmax(-1) == y) & scores.isfinite().all(-1)
    return right.double().flatten(-axes).mean(-1)


def softmax(scores: torch.Tensor) -> torch.Tensor:
    """The probability given to each class, of the scores' shape: exp(scores), scaled to sum 1 over the
    classes, the last axis."""
    return torch.softmax(scores.mT.contiguous(), -2).mT


def _apply(x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """x @ weights; runs that share a batch are multiplied in one go."""
    if x.ndim == weights.ndim:
        return x @ weights
    sharing = weights.ndim - x.ndim
    folded = weights.flatten(0, sharing - 1)
    return torch.einsum("...bi,l...ih->l...bh", x, folded).unflatten(0, weights.shape[:sharing])


def _outer(x: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
    """xᵀ @ delta; runs that share a batch are multiplied in one go."""
    if x.ndim == delta.ndim:
        return x.mT @ delta
    sharing = delta.ndim - x.ndim
    folded = delta.flatten(0, sharing - 1)
    return torch.einsum("...bi,l...bh->l...ih", x, folded).unflatten(0, delta.shape[:sharing])
