"""Which letter follows which: a table of logits, whose loss is exact from the counts of pairs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from gdcourse.problems.network import is_count
from gdcourse.problems.problem import Problem, like
from gdcourse.problems.text import text


@dataclass(frozen=True, eq=False)
class Bigrams(Problem):
    """J(θ) = −Σ_ab p_ab log q_ab, in nats: the mean cross-entropy of a model that tells the next letter b
    from the letter a before it, q_ab = exp θ_ab / Σ_c exp θ_ac, over all pairs of a text.

    θ is a matrix with a row for each letter a, shape ``(*runs, n, n)``. Rules that take each number by itself
    run on it, and rules that see a matrix. The gradient is exact: its row a is (Σ_b p_ab) q_a − p_a.

    Parameters
    ----------
    pairs : p, shape ``(n, n)``, or numbers in proportion to it: how often b follows a. Default: as often as
        in `gdcourse.text()`, all of it, n = 91.
    batch : how many pairs one gradient is averaged over, drawn anew at each step, each with its probability;
        None, the default, for all.

    Raises
    ------
    ValueError : pairs of another shape, negative, not finite or all 0; a batch that is no whole number ≥ 1.

    Source: Kunstner et al. (2024), "Heavy-tailed class imbalance and why Adam outperforms gradient descent on
    language models": what differs between the methods is how fast they learn the rare classes.
    """

    pairs: Any = None
    batch: int | None = None

    ndim = 2
    name = "bigrams"

    def __post_init__(self) -> None:
        pairs = of_text() if self.pairs is None else np.asarray(self.pairs, float)
        square = pairs.ndim == 2 and pairs.shape[0] == pairs.shape[1] > 0
        if not square or not np.isfinite(pairs).all() or (pairs < 0).any() or not pairs.any():
            between = f" from {pairs.min():g} to {pairs.max():g}" if pairs.size else ""
            raise ValueError(
                f"pairs must be numbers ≥ 0, not all 0, shape (n, n), got shape {pairs.shape}{between}"
            )
        if self.batch is not None and not is_count(self.batch):
            raise ValueError(f"batch must be a whole number ≥ 1, or None for all pairs, got {self.batch!r}")
        object.__setattr__(self, "pairs", pairs / pairs.sum())

    @property
    def start(self) -> np.ndarray:
        """All letters equally likely: zeros, shape ``(n, n)``."""
        return np.zeros_like(self.pairs)

    @property
    def shares(self) -> np.ndarray:
        """How frequent each letter is as the next one, shape ``(n,)``."""
        return self.pairs.sum(0)

    @property
    def best(self) -> np.ndarray:
        """log p(b | a), shape ``(n, n)``, the logits that J descends to; 0 in place of −∞ where b never
        follows a."""
        before = self.pairs.sum(1, keepdims=True)
        return np.log(np.where(self.pairs > 0, self.pairs, 1.0) / np.where(self.pairs > 0, before, 1.0))

    @property
    def entropy(self) -> float:
        """−Σ_ab p_ab log p(b | a), in nats: the infimum of J. No θ reaches it where a pair never occurs."""
        return float(-(self.pairs * self.best).sum())

    def with_batch(self, batch: int | None) -> Bigrams:
        """The same problem, its gradient taken over so many pairs (None: all)."""
        return replace(self, batch=batch)

    def balanced(self, beside: float = 1e-7, times: int = 2000) -> Bigrams:
        """The control: the same table with all letters equally frequent, as first and as second of a pair.

        Parameters
        ----------
        beside, times : as for `with_shares`.
        """
        even = np.full(len(self.pairs), 1 / len(self.pairs))
        return self.with_shares(even, even, beside, times)

    def with_shares(self, first: Any, second: Any, beside: float = 1e-7, times: int = 2000) -> Bigrams:
        """The same table with other frequencies of the letters: rows and columns are multiplied by numbers
        until they have the sums that are asked for, in turn (Sinkhorn and Knopp, 1967). How much likelier
        one letter is to follow a than another, compared with the same after c, stays as it is.

        Parameters
        ----------
        first, second : how frequent each letter is to be as the first and as the second of a pair, numbers
            > 0, shape ``(n,)``, each with the sum 1.
        beside : what is added to each probability first, so that any pair occurs. Default 1e-7. A letter that
            comes once in the *Opticks*, with a probability of 1.8e-6, is followed by almost any then.
        times : how often rows and columns are multiplied. Default 2,000.

        Raises
        ------
        ValueError : shares of another shape, not above 0, or whose sum is not 1.
        """
        sums = [np.asarray(shares, float) for shares in (first, second)]
        for name, shares in zip(("first", "second"), sums, strict=True):
            if shares.shape != (len(self.pairs),) or not (shares > 0).all() or abs(shares.sum() - 1) > 1e-9:
                raise ValueError(
                    f"{name} must be {len(self.pairs)} numbers > 0 with the sum 1, got shape {shares.shape}, "
                    f"sum {shares.sum():g}"
                )
        table, (rows, columns) = self.pairs + beside, sums
        for _ in range(times):
            table = table * (rows / table.sum(1))[:, None]
            table = table * (columns / table.sum(0))
        return replace(self, pairs=table)

    def groups(self, marks: tuple[float, ...] = (0.5, 0.9, 0.99)) -> list[np.ndarray]:
        """The letters' numbers in groups, the commonest first: as many letters as stay within half of all
        pairs, with the next within 90, and then 99 per cent, and the rest."""
        order = np.argsort(-self.shares, kind="stable")
        place = np.searchsorted(np.asarray(marks), np.cumsum(self.shares[order]) - 1e-12)  # sums round
        return [order[place == group] for group in range(len(marks) + 1)]

    def excess(self, theta: Any, letters: Any = slice(None)) -> Any:
        """How far the mean loss is above what it descends to, over those pairs whose second letter is one of
        `letters`, their numbers; in nats, shape ``(*runs,)``. Of all letters, the default, that is J −
        entropy."""
        weights = like(self.pairs[:, letters] / self.shares[letters].sum(), theta)
        return (weights * (like(self.best, theta) - log_softmax(theta))[..., letters]).sum((-2, -1))

    def parts(self, theta: Any) -> Any:
        """What each pair adds to J − entropy, in nats, shape ``(*runs, n, n)``: p_ab log(p_ab / r_ab) − p_ab
        + r_ab, with r_ab = q_ab Σ_c p_ac, how often the model expects the pair. None is below 0, unlike
        those of which `excess` is the sum. Their sum is the same: r and p have the same sums of rows."""
        pairs, log_q = like(self.pairs, theta), log_softmax(theta)
        expected = pairs.sum(-1)[..., None] * softmax(theta)
        return pairs * (like(self.best, theta) - log_q) - pairs + expected

    def draw(self, rng: np.random.Generator, steps: int) -> np.ndarray | None:
        """The pairs of each step, n a + b, shape ``(steps, batch)``."""
        if self.batch is None:
            return None
        return rng.choice(self.pairs.size, (steps, self.batch), p=self.pairs.ravel())

    def loss(self, theta: Any) -> Any:
        return -(like(self.pairs, theta) * log_softmax(theta)).sum((-2, -1))

    def grad(self, theta: Any, sample: Any = None) -> Any:
        if sample is None:
            pairs = like(self.pairs, theta)
        else:
            pairs = like(counts_of(sample, len(self.pairs)), theta) / sample.shape[-1]
        return pairs.sum(-1)[..., None] * softmax(theta) - pairs


def of_text() -> np.ndarray:
    """How often each letter follows each in the *Opticks*."""
    read = text()
    n = len(read.symbols)
    return np.bincount(n * read.letters[:-1] + read.letters[1:], minlength=n * n).reshape(n, n).astype(float)


def counts_of(sample: Any, n: int) -> Any:
    """How often each pair was drawn: from shape ``(*runs, batch)`` to ``(*runs, n, n)``."""
    runs = tuple(sample.shape[:-1])
    if isinstance(sample, torch.Tensor):
        zeros = sample.new_zeros(*runs, n * n)
        return zeros.scatter_add_(-1, sample, torch.ones_like(sample)).reshape(*runs, n, n)
    rows = sample.reshape(-1, sample.shape[-1])
    apart = rows + n * n * np.arange(len(rows))[:, None]
    return np.bincount(apart.ravel(), minlength=len(rows) * n * n).reshape(*runs, n, n)


def softmax(theta: Any) -> Any:
    """exp θ, scaled to sum 1 along the last axis."""
    if isinstance(theta, torch.Tensor):
        return torch.softmax(theta, -1)
    raised = np.exp(theta - theta.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def log_softmax(theta: Any) -> Any:
    """The logarithm of `softmax`, without overflow."""
    if isinstance(theta, torch.Tensor):
        return torch.log_softmax(theta, -1)
    lowered = theta - theta.max(-1, keepdims=True)
    return lowered - np.log(np.exp(lowered).sum(-1, keepdims=True))
