"""The book's figures, each made once in a test run; and states of them."""

from __future__ import annotations

from functools import cache
from itertools import product

import numpy as np

from gdcourse.explore import SIGNATURES, Figure

MOST = 2500
"""So many states of a figure are looked at, if it has more."""


@cache
def made(name: str) -> Figure:
    return SIGNATURES[name]()


def states(figure: Figure, most: int = MOST) -> list[dict[str, int]]:
    """All states of a figure; of a figure with too many its corners, its start, and others by chance."""
    names = [control.name for control in figure.controls]
    sizes = [len(control.values) for control in figure.controls]
    if np.prod(sizes) <= most:
        return [dict(zip(names, at, strict=True)) for at in np.ndindex(*sizes)]
    corners = list(product(*({0, size - 1} for size in sizes)))
    some = np.random.default_rng(0).choice(int(np.prod(sizes)), most, replace=False)
    chosen = [*corners, *zip(*(axis.tolist() for axis in np.unravel_index(some, sizes)), strict=True)]
    return [figure.start(), *(dict(zip(names, at, strict=True)) for at in chosen)]
