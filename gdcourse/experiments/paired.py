"""Two sides that were run with the same seeds, compared seed by seed."""

from __future__ import annotations

from typing import Any

import numpy as np


def seed_by_seed(a: Any, b: Any) -> tuple[float, float]:
    """The mean of a − b over the seeds that both were run with, and the standard error of this mean.

    Where a seed that makes the task harder does so for both sides, the differences scatter less than two
    lists with other seeds each would.

    Parameters
    ----------
    a, b : one number for each seed, the same seeds in the same order, shape ``(S,)``, two at least.

    Returns
    -------
    Mean and standard error, in the unit of a and b: the standard deviation of the differences, with S − 1 in
    its denominator, by √S. Not finite where one of the numbers is not.

    Raises
    ------
    ValueError : other numbers of seeds, or fewer than two.

    Examples
    --------
    >>> import gdcourse as gd
    >>> gd.experiments.seed_by_seed([3.0, 5.0, 4.0], [2.0, 4.0, 3.0])
    (1.0, 0.0)
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.ndim != 1 or a.shape != b.shape or len(a) < 2:
        raise ValueError(
            "seed_by_seed takes two lists with a number for each of the same seeds, two at least; "
            f"got shapes {a.shape} and {b.shape}"
        )
    gaps = a - b
    return float(gaps.mean()), float(gaps.std(ddof=1) / len(gaps) ** 0.5)
