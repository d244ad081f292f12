"""A small transformer that says which letter comes next; many of them, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from math import prod

import numpy as np
import torch
from torch.nn.functional import cross_entropy, embedding, rms_norm, scaled_dot_product_attention

from gdcourse.problems.network import accuracy_of, is_count

EPS = 1e-6  # beside the mean square of a norm
BLOCK = 2**13  # letters that are scored at a time: so much of what layers make of them stays in the cache
PER_LAYER = 8  # parts of θ


@dataclass(frozen=True)
class Part:
    """A part of θ: its name and shape, the standard deviation that it starts with (None: it starts at 1), and
    whether it is a hidden matrix."""

    name: str
    shape: tuple[int, ...]
    std: float | None = None
    hidden: bool = False


@dataclass(frozen=True)
class Transformer:
    """A decoder-only transformer: from T letters to scores for the letter after each of them.

    A letter's vector and its position's are added; then each layer adds what its attention finds in the
    letters so far, and what two matrices with a ReLU between them make of each letter by itself. Before
    either stands a norm: a vector is divided by its root mean square and multiplied by gains. There are no
    biases. The scores are a last norm's vectors times the head, a matrix of its own.

    All parameters lie in one vector θ, in the order of `names`, each row by row. θ has shape ``(*runs, P)``:
    many transformers of one shape can be run side by side. A matrix from n inputs to m outputs has shape
    ``(m, n)``, as in torch, so that rules which see a matrix see the same one in both.

    Parameters
    ----------
    symbols : how many different letters there are. Default 91, those of `gdcourse.text()`.
    context : the most letters that it reads at a time. Default 32.
    width : d, how many numbers stand for a letter inside. Default 48.
    heads : attentions side by side in a layer, of d / heads numbers each. Default 3.
    layers : L. Default 2. With the other defaults there are 65,808 parameters.

    Raises
    ------
    ValueError : one that is no whole number ≥ 1, or a width that the heads do not divide.

    Source: Vaswani et al. (2017); the decoder alone, with the norm before and learnt positions, as in GPT-2
    (Radford et al., 2019); the norm without mean and bias is Zhang and Sennrich's (2019).
    """

    symbols: int = 91
    context: int = 32
    width: int = 48
    heads: int = 3
    layers: int = 2

    def __post_init__(self) -> None:
        for field in fields(self):
            if not is_count(value := getattr(self, field.name)):
                raise ValueError(f"{field.name} must be a whole number ≥ 1, got {value!r}")
        if self.width % self.heads:
            raise ValueError(f"width must be a multiple of heads, got {self.width} and {self.heads}")

    @cached_property
    def table(self) -> tuple[Part, ...]:
        """All parts of θ in their order: embedding and positions, eight of each layer, the last gain and the
        head."""
        d, into_the_sum = self.width, (2 * self.layers) ** -0.5
        found = [Part("embedding", (self.symbols, d), 0.02), Part("positions", (self.context, d), 0.02)]
        for n in range(1, self.layers + 1):
            found += [
                Part(f"attention gain {n}", (d,)),
                Part(f"query {n}", (d, d), d**-0.5, hidden=True),
                Part(f"key {n}", (d, d), d**-0.5, hidden=True),
                Part(f"value {n}", (d, d), d**-0.5, hidden=True),
                Part(f"out {n}", (d, d), d**-0.5 * into_the_sum, hidden=True),
                Part(f"mlp gain {n}", (d,)),
                Part(f"up {n}", (4 * d, d), d**-0.5, hidden=True),
                Part(f"down {n}", (d, 4 * d), (4 * d) ** -0.5 * into_the_sum, hidden=True),
            ]
        return (*found, Part("gain", (d,)), Part("head", (self.symbols, d), 0.1 * d**-0.5))

    @property
    def names(self) -> tuple[str, ...]:
        """What each part of θ is called: "embedding", "query 1", …."""
        return tuple(part.name for part in self.table)

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Each part's shape."""
        return tuple(part.shape for part in self.table)

    @property
    def hidden(self) -> tuple[bool, ...]:
        """Of each part, whether it is a hidden matrix: the attention's four and the two after it are;
        embedding, positions, gains and head are not."""
        return tuple(part.hidden for part in self.table)

    @property
    def parameters(self) -> int:
        """P, the number of parameters."""
        return sum(map(prod, self.shapes))

    def init(
        self, seeds: int | Sequence[int] | np.ndarray = 0, dtype: torch.dtype = torch.float32
    ) -> torch.Tensor:
        """θ_0, shape ``(P,)`` for one seed and ``(*seeds, P)`` for an array of them.

        Gains are 1, all else is normal: embedding and positions with standard deviation 0.02; a matrix with
        1 / √inputs, divided by √(2L) where it writes into the sum that all layers add to ("out" and "down",
        as in GPT-2), and by 10 for the head, so that at first all letters are about equally likely.
        """
        many = np.asarray(seeds)
        if many.ndim:
            each = [self.init(int(seed), dtype) for seed in many.ravel()]
            return torch.stack(each).unflatten(0, many.shape)
        rng = np.random.default_rng([int(many), 0])
        parts = [
            np.ones(part.shape) if part.std is None else part.std * rng.standard_normal(part.shape)
            for part in self.table
        ]
        return torch.as_tensor(np.concatenate([part.ravel() for part in parts]), dtype=dtype)

    def parts(self, theta: torch.Tensor) -> list[torch.Tensor]:
        """θ as views in the order of `names`, shape ``(*runs, …)``."""
        if theta.shape[-1] != self.parameters:
            raise ValueError(f"θ must have {self.parameters} entries for {self}, got {theta.shape[-1]}")
        pieces = theta.split([prod(shape) for shape in self.shapes], -1)
        return [piece.unflatten(-1, shape) for piece, shape in zip(pieces, self.shapes, strict=True)]

    def scores(self, theta: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """A score ("logit") for each letter that may follow, shape ``(*runs, B, T, symbols)``.

        x, the letters' numbers, has shape ``(B, T)``, or ``(S, B, T)`` where the last axis of runs has its
        own batches. What follows letter t is told from the letters up to t.
        """
        runs, (batch, length) = theta.shape[:-1], x.shape[-2:]
        if length > self.context:
            raise ValueError(f"this transformer reads at most {self.context} letters at a time, got {length}")
        x = x.expand(*runs, batch, length).reshape(-1, batch, length)
        theta = theta.reshape(len(x), -1)
        few = max(1, BLOCK // max(1, batch * length))
        blocks = zip(theta.split(few), x.split(few), strict=True)
        found = torch.cat([self._scores(*block) for block in blocks])
        return found.reshape(*runs, batch, length, self.symbols)

    def _scores(self, theta: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """As `scores`, of R transformers with their own batches: from ``(R, P)`` and ``(R, B, T)``."""
        letters, positions, *layers, gain, head = self.parts(theta)
        length = x.shape[-1]
        h = (looked_up(letters, x) + positions[:, None, :length]).flatten(1, 2)
        for at in range(0, len(layers), PER_LAYER):
            gain_1, query, key, value, out, gain_2, up, down = layers[at : at + PER_LAYER]
            a = normed(h, gain_1)
            found = attention(a @ query.mT, a @ key.mT, a @ value.mT, self.heads, length)
            h = h + found @ out.mT
            h = h + torch.relu(normed(h, gain_2) @ up.mT) @ down.mT
        return normed(h, gain) @ head.mT

    def forward(self, theta: torch.Tensor, x: torch.Tensor) -> list[torch.Tensor]:
        """θ as torch's differentiation knows it, and the scores that it gives."""
        with torch.enable_grad():
            leaf = theta.detach().requires_grad_()
            return [leaf, self.scores(leaf, x)]

    def backward(self, theta: torch.Tensor, outputs: list[torch.Tensor], y: torch.Tensor) -> torch.Tensor:
        """∇J(θ) of the mean cross-entropy, with θ's shape, by torch's automatic differentiation of what
        `forward` gave. A run's θ has a part in its own loss alone, so that the gradient of their sum holds
        each one's."""
        leaf, scores = outputs
        with torch.enable_grad():
            total = self.loss_of(scores, y).sum()
        return torch.autograd.grad(total, leaf)[0]

    def loss_of(self, scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The mean cross-entropy of such scores over all letters, in nats, shape ``(*runs,)``."""
        labels = y.expand(scores.shape[:-1]).flatten()
        each = cross_entropy(scores.reshape(len(labels), -1), labels, reduction="none")
        return each.reshape(*scores.shape[:-3], -1).mean(-1)

    def loss(self, theta: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The mean cross-entropy over the batch's letters, in nats, shape ``(*runs,)``."""
        return self.loss_of(self.scores(theta, x), y)

    def grad(self, theta: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """∇J(θ) over the batch, with θ's shape: one forward and one backward pass."""
        return self.backward(theta, self.forward(theta, x), y)

    def accuracy(self, theta: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The share of letters that have the highest score where they are due, shape ``(*runs,)``. Scores
        that are not finite tell nothing right."""
        return accuracy_of(self.scores(theta, x), y, axes=2)

    def predict(self, theta: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """The letter with the highest score, shape ``(*runs, B, T)``."""
        return self.scores(theta, x).argmax(-1)

    def sample(self, theta: torch.Tensor, prompt: torch.Tensor, n: int, seed: int = 0) -> torch.Tensor:
        """What it writes: n letters, each drawn with the probabilities that it gives after those before.

        Parameters
        ----------
        theta : shape ``(*runs, P)``.
        prompt : the letters to go on from, at least one, shape ``(t,)``, as `Text.encode` gives them.
        n : how many letters to write.
        seed : of what is drawn; the same for all runs. Default 0.

        Returns
        -------
        The n letters' numbers, shape ``(*runs, n)``, for `Text.decode`.

        Raises
        ------
        ValueError : an empty prompt, an n that is no whole number ≥ 0, or a θ that is not finite.

        Examples
        --------
        >>> import gdcourse as gd
        >>> data = gd.text()
        >>> history = gd.train(gd.problems.Transformer(), data, gd.Adam(0.005), batch=16, steps=30)
        >>> letters = history.network.sample(history.theta, data.encode("The Rays "), 200)
        >>> len(data.decode(letters))  # print it; more steps write better
        200
        """
        if prompt.ndim != 1 or not len(prompt):
            raise ValueError(f"prompt must hold one letter or more in a row, got shape {tuple(prompt.shape)}")
        if not is_count(n + 1):
            raise ValueError(f"n must be a whole number ≥ 0, got {n!r}")
        if not theta.isfinite().all():
            raise ValueError("θ is not finite: the training diverged, and this network writes nothing")
        draws = np.random.default_rng(seed).random(n)
        flat = theta.reshape(-1, theta.shape[-1])
        written = prompt.to(flat.device).expand(len(flat), -1)
        for draw in draws.tolist():
            x = written[:, None, -self.context :]  # each run's own batch, of one window
            with torch.no_grad():
                chances = torch.softmax(self._scores(flat, x)[:, -1].double(), -1).cumsum(-1)
            letter = (chances < draw * chances[:, -1:]).sum(-1, keepdim=True)
            written = torch.cat([written, letter], -1)
        return written[:, len(prompt) :].reshape(*theta.shape[:-1], n)


def looked_up(table: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Of each run's own table, shape ``(R, symbols, d)``, the rows that x, shape ``(R, B, T)``, numbers."""
    first = table.shape[1] * torch.arange(len(table), device=x.device)
    return embedding(x + first[:, None, None], table.reshape(-1, table.shape[-1]))


def normed(h: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
    """Each run's vectors, shape ``(R, N, d)``, over their root mean squares, times gains, ``(R, d)``."""
    return rms_norm(h, h.shape[-1:], eps=EPS) * gain[:, None]


def attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, heads: int, length: int) -> torch.Tensor:
    """Softmax(QKᵀ / √(d / heads)) V, in each head and window, where no letter sees a later one; all of shape
    ``(R, B T, d)``, in windows of `length`."""
    shape = q.shape
    q, k, v = (z.reshape(-1, length, heads, z.shape[-1] // heads).transpose(1, 2) for z in (q, k, v))
    found = scaled_dot_product_attention(q, k, v, is_causal=True)
    return found.transpose(1, 2).reshape(shape)
