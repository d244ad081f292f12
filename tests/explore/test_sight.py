"""What a figure keeps of a path, and that none clips its coordinates one by one."""

from __future__ import annotations

import numpy as np
import pytest

from gdcourse.explore import SIGNATURES
from gdcourse.explore.pack import Encoding
from gdcourse.explore.parts import Line
from gdcourse.explore.sight import within
from tests.explore.made import made, states

SOME = 300
"""So many states of a figure are looked at."""


def test_within_keeps_what_is_inside_and_nothing_else():
    """Held to points close together along the path."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1.5, (2, 8, 12))
    x[:, 0] = y[:, 0] = 0.0
    x[0], y[1] = 0.5, 3.0  # on one vertical line; outside all the time, and back from there at once
    kept_x, kept_y = within(2.0, x, y)
    share = np.linspace(0, 1, 100, endpoint=False)[None, :, None]
    for i in range(len(x)):
        all_of_it, kept = (
            np.stack([(1 - share) * one[None, None, :-1] + share * one[None, None, 1:] for one in path])
            for path in ((x[i], y[i]), (kept_x[i], kept_y[i]))
        )
        all_of_it, kept = (points.reshape(2, -1) for points in (all_of_it, kept))
        inside = all_of_it[:, (np.abs(all_of_it) < 2 - 1e-9).all(0)]
        kept = kept[:, np.isfinite(kept).all(0)]
        assert (np.abs(kept) <= 2 + 1e-12).all()
        for these, those in ((inside, kept), (kept, inside)):
            away = np.sqrt(((these[:, :, None] - those[:, None, :]) ** 2).sum(0)).min(-1, initial=np.inf)
            assert away.max(initial=0) < 0.1


def test_within_of_a_path_that_stays_is_the_path_and_one_that_runs_away_ends_at_the_bound():
    stays = np.array([0.0, 1.0, 1.0, -0.5])
    kept = np.stack(within(2.0, stays, -stays))
    assert kept.shape == (2, 8), "as many places whatever the path is"
    np.testing.assert_array_equal(kept[:, :4], [stays, -stays])
    assert np.isnan(kept[:, 4:]).all()
    runs_away = np.array([0.0, 1.0, -4.0, 1e30, np.inf, np.nan])
    x, y = within(2.0, runs_away, np.zeros(6))
    np.testing.assert_allclose(x[:3], [0, 1, -2])
    assert (y[:3] == 0).all() and np.isnan([x[3:], y[3:]]).all()


def inside(begin, end, box):
    """The part of a line that is in a box, or None."""
    share = [0.0, 1.0]
    for at, move, (low, high) in zip(begin, end - begin, box, strict=True):
        if move == 0:
            if not low <= at <= high:
                return None
            continue
        one, other = sorted(((low - at) / move, (high - at) / move))
        share = [max(share[0], one), min(share[1], other)]
    return None if share[0] >= share[1] else [begin + s * (end - begin) for s in share]


def furthest_moved(figure, panel, line) -> float:
    """How far clipping moves what is seen of a line that both coordinates draw, in widths of the panel."""
    encodings = [figure.encoding.get(name, Encoding()) for name in (line.x, line.y)]
    box = [sorted(axis.domain) for axis in (panel.x, panel.y)]
    size, worst, seen = np.ptp(box, 1), 0.0, set()
    for state in states(figure, SOME):
        if any(state[name] not in at for name, at in {**panel.when, **line.when}.items()):
            continue
        exact = [
            np.asarray(figure.pick(figure.arrays, state, name, line.at), float) for name in (line.x, line.y)
        ]
        key = b"".join(one.tobytes() for one in exact)
        if key in seen:
            continue
        seen.add(key)
        packed = [encoding.prepare(one) for encoding, one in zip(encodings, exact, strict=True)]
        true, shown = (np.stack(np.broadcast_arrays(*path), -1) for path in (exact, packed))
        lines = np.flatnonzero(
            ((true != shown)[:-1] | (true != shown)[1:]).any(-1)
            & np.isfinite(true[:-1]).all(-1)
            & np.isfinite(true[1:]).all(-1)
        )
        for i in lines:
            parts = [part for path in (true, shown) if (part := inside(path[i], path[i + 1], box))]
            if parts:
                one, other = (parts[0], parts[0][::-1]) if len(parts) == 1 else parts
                worst = max(worst, *(np.abs((a - b) / size).max() for a, b in zip(one, other, strict=True)))
    return worst


@pytest.mark.parametrize("name", SIGNATURES)
def test_no_path_is_clipped_coordinate_by_coordinate(name):
    """Its lines would have other slopes where they leave, and may cross the panel where no path has been."""
    figure = made(name)
    moved = {
        (panel.title, line.x, line.y): furthest_moved(figure, panel, line)
        for row in figure.rows
        for panel in row
        if panel.x and panel.y and not (panel.x.log or panel.y.log)
        for line in panel.marks
        if isinstance(line, Line) and isinstance(line.x, str) and isinstance(line.y, str)
        if {line.x, line.y} & {key for key, own in figure.encoding.items() if own.clip != (None, None)}
    }
    assert not {where: by for where, by in moved.items() if by > 0.01}
