"""What of a path a figure keeps."""

from __future__ import annotations

import numpy as np


def within(far: float, *path: np.ndarray) -> tuple[np.ndarray, ...]:
    """The parts of a path on which no coordinate is beyond ±far, exactly, with a gap (NaN) where it is.
    Where each coordinate is clipped by itself, lines that leave get other slopes. A line that begins or ends
    a hundred times as far away is left out: what diverges would only draw over itself.

    Parameters
    ----------
    far : the bound, in the coordinates' unit, outside of the panel.
    path : its coordinates, each of shape ``(…, points)``.

    Returns
    -------
    the coordinates of the parts, each of shape ``(…, 3 (points − 1) − 1)``, the last places empty.
    """
    points = np.stack(np.broadcast_arrays(*path))
    begin, end = points[..., :-1], points[..., 1:]
    with np.errstate(all="ignore"):
        move = end - begin
        bounds = np.sort([(side * far - begin) / move for side in (-1, 1)], 0)
        still = (move == 0) & (np.abs(begin) <= far)
        enters = np.where(still, 0.0, bounds[0]).max(0).clip(0, None)
        leaves = np.where(still, 1.0, bounds[1]).min(0).clip(None, 1)
        near = np.abs(points).max(0) < 100 * far
        seen = (enters < leaves) & near[..., :-1] & near[..., 1:]
        first = np.where(seen, begin + enters * move, np.nan)
        last = np.where(seen, np.where(leaves < 1, begin + leaves * move, end), np.nan)
    goes_on = np.zeros(seen.shape, bool)  # from the line before
    goes_on[..., 1:] = seen[..., :-1] & (leaves[..., :-1] == 1) & seen[..., 1:] & (enters[..., 1:] == 0)
    gap = np.full(first.shape, np.nan)
    parts = np.stack([gap, first, last], -1).reshape(*first.shape[:-1], -1)
    kept = np.stack([seen & ~goes_on, seen & ~goes_on, seen], -1).reshape(*seen.shape[:-1], -1)
    order = np.argsort(~kept, -1, kind="stable")
    there = np.take_along_axis(kept, order, -1)
    return tuple(np.where(there, np.take_along_axis(one, order, -1), np.nan)[..., 1:] for one in parts)
