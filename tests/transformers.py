"""The transformer once more, of torch's own layers and the paper's formula: what ours is held to."""

import math

import torch
from torch import nn

from gdcourse.problems import Transformer
from gdcourse.problems.transformer import EPS


class Layer(nn.Module):
    """Attention and two matrices, by torch's layers and the formula of the paper."""

    def __init__(self, d, heads):
        super().__init__()
        linear = lambda n, m: nn.Linear(n, m, bias=False)  # noqa: E731
        self.gain_1 = nn.RMSNorm(d, eps=EPS)
        self.query, self.key, self.value, self.out = (linear(d, d) for _ in range(4))
        self.gain_2 = nn.RMSNorm(d, eps=EPS)
        self.up, self.down, self.heads = linear(d, 4 * d), linear(4 * d, d), heads

    def forward(self, h):
        a, found = self.gain_1(h), []
        size = h.shape[-1] // self.heads
        later = torch.ones(h.shape[-2], h.shape[-2]).triu(1).bool()
        for head in range(self.heads):
            own = slice(head * size, (head + 1) * size)
            q, k, v = (matrix(a)[..., own] for matrix in (self.query, self.key, self.value))
            alike = (q @ k.mT / math.sqrt(size)).masked_fill(later, -math.inf)
            found.append(torch.softmax(alike, -1) @ v)
        h = h + self.out(torch.cat(found, -1))
        return h + self.down(torch.relu(self.up(self.gain_2(h))))


class Torchs(nn.Module):
    """The same transformer, its parameters in the same order."""

    def __init__(self, like: Transformer):
        super().__init__()
        self.letters = nn.Embedding(like.symbols, like.width)
        self.positions = nn.Embedding(like.context, like.width)
        self.layers = nn.Sequential(*(Layer(like.width, like.heads) for _ in range(like.layers)))
        self.gain = nn.RMSNorm(like.width, eps=EPS)
        self.head = nn.Linear(like.width, like.symbols, bias=False)

    def forward(self, x):
        h = self.letters(x) + self.positions(torch.arange(x.shape[-1]))
        return self.head(self.gain(self.layers(h)))


def torchs(network, theta):
    """torch's with these parameters."""
    module = Torchs(network).double()
    with torch.no_grad():
        for param, part in zip(module.parameters(), network.parts(theta), strict=True):
            param.copy_(part)
    return module
