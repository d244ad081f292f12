"""Which of a network's parameters a rule moves in one call, and in which shape it sees them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch

from gdcourse.optim.bucket import STACKED
from gdcourse.optim.scope import is_ours, matrices_only, scope_of, seen_shape
from gdcourse.rules import Partners, Rule
from gdcourse.rules.around import name_of


@dataclass(frozen=True, eq=False)
class Share:
    """What one call of a rule moves: some of θ's entries, in the shape in which the rule sees them.

    Attributes
    ----------
    rule : chooses the rule among a training's: the rule itself, or one of the partners.
    places : where they lie in θ, a slice or an array of whole numbers.
    shape : of one run's, ``(d,)`` for a vector, ``(n, m)`` for a matrix, ``(k, n, m)`` for a stack of them.
    """

    rule: Callable[[Any], Rule]
    places: Any
    shape: tuple[int, ...]

    def of(self, theta: Any) -> Any:
        """This share of θ, shape ``(*runs, P)``, as ``(*runs, *shape)``; a view where it can be one."""
        return theta[..., self.places].reshape((*theta.shape[:-1], *self.shape))

    def put(self, theta: Any, values: Any) -> None:
        """Write this share into θ."""
        theta[..., self.places] = values.reshape((*theta.shape[:-1], prod(self.shape)))

    def on(self, device: torch.device) -> Share:
        """The same for θ on a device, where places are no longer NumPy's."""
        if isinstance(self.places, slice) or device.type == "cpu":
            return self
        return Share(self.rule, torch.as_tensor(self.places, device=device), self.shape)


def shares_of(optimizer: Rule | Partners, network: Any) -> list[Share]:
    """How the parts of a network are shared out among the calls of a rule, or of partners.

    A rule that works by element, or sums over all parameters, gets its parts in one vector. One that moves
    each by itself gets them one by one; matrices of one shape, if they are small, as one stack.

    Raises
    ------
    ValueError : a rule for matrices alone without a partner, or as the partner of one; partners for a network
        without hidden matrices.
    """
    parts = [part.numpy() for part in network.parts(torch.arange(network.parameters))]
    if isinstance(optimizer, Rule):
        if matrices_only(optimizer) and not all(network.hidden):
            raise ValueError(
                f"{name_of(optimizer)} moves hidden matrices alone, and a network has vectors and a head, "
                f"too: give it a partner, as in gdcourse.Partners({name_of(optimizer)}(...), "
                "rest=gdcourse.Adam(0.003))"
            )
        return _shares(lambda rule: rule, optimizer, parts)
    if matrices_only(optimizer.rest):
        raise ValueError(f"{name_of(optimizer.rest)} moves hidden matrices alone: it cannot have the rest")
    if not any(network.hidden):
        raise ValueError(
            "this network has no hidden matrices, which partners are for: at least two layers of weights, of "
            "which the last is the head; give train one rule"
        )
    both = [[], []]  # type: list[list[np.ndarray]]
    for part, is_hidden in zip(parts, network.hidden, strict=True):
        both[not is_hidden].append(part)
    hidden = _shares(lambda partners: partners.hidden, optimizer.hidden, both[0])
    return [*hidden, *_shares(lambda partners: partners.rest, optimizer.rest, both[1])]


def _shares(choose: Callable[[Any], Rule], rule: Rule, parts: list[np.ndarray]) -> list[Share]:
    if not parts:
        return []
    if scope_of(rule) in ("element", "all"):
        places = np.concatenate([part.ravel() for part in parts])
        return [Share(choose, _as_slice(places), places.shape)]
    alike: dict[Any, list[np.ndarray]] = {}
    for number, part in enumerate(parts):
        shape = seen_shape(rule, part.shape)
        stacked = len(shape) > 1 and is_ours(rule) and part.size <= STACKED
        alike.setdefault(shape if stacked else (number, shape), []).append(part.reshape(shape))
    shares = []
    for some in alike.values():
        places = some[0] if len(some) == 1 else np.stack(some)
        shares.append(Share(choose, _as_slice(places.ravel()), places.shape))
    return shares


def _as_slice(places: np.ndarray) -> Any:
    """Places that follow one another as a slice, of which views can be had."""
    start, count = int(places[0]), len(places)
    return slice(start, start + count) if (places == np.arange(start, start + count)).all() else places
