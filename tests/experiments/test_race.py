"""The race: how it is run, how it is stored, and who is ahead."""

from __future__ import annotations

import json
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest
import race as script  # scripts/race.py

import gdcourse as gd
from gdcourse.experiments import race, schedules


def test_the_stored_race_is_whole():
    found = race.stored()
    assert list(found.entrants) == list(race.ENTRANTS)
    assert found.seconds.keys() == {*race.ENTRANTS, "Shampoo"}
    seeds = [*found.told["seeds"].values()]
    assert len({seed for some in seeds for seed in some}) == sum(map(len, seeds))  # none is used twice
    for name, one in found.entrants.items():
        assert one.validation.shape == (len(one.hidden), len(one.rest)), name
        assert one.validation.size == found["Adam"].validation.size, "equal trials"
        assert one.again.shape == (len(one.short), 4) and one.test.shape == (10,)
        assert one.by_length.shape == (len(one.lengths), 3)
        assert all(np.isfinite(some).all() for some in (one.test, one.test_second, one.by_length))
        assert one.test_second.shape == (10,) and one.behind[0] >= 0
        for place in (one.short[0], one.short[one.best]):  # the best of the search, and the one chosen
            within = [0 < k < n - 1 for k, n in zip(place, one.validation.shape, strict=True)]
            assert all(within), f"{name}: the best pair lies at an edge"
        assert one.validation[tuple(one.short[0])] == np.nanmin(one.validation)
        assert one.best == one.again.mean(1).argmin()
        ratios = [rates[1:] / rates[:-1] for rates in (one.hidden, one.rest)]
        assert all(np.allclose(ratio, 10**0.5, rtol=1e-4) for ratio in ratios)


def test_a_part_of_it_is_a_training_like_any_other():
    ours = race.trained("Muon", [0.01, 0.03], [0.1, 0.2], seeds=[3, 4], steps=3)
    assert ours.theta.shape[:2] == (2, 2)
    theirs = gd.train(
        gd.problems.Transformer(),
        gd.text(),
        gd.Partners(gd.Muon(0.03), rest=gd.Adam(0.2)),
        steps=3,
        batch=race.BATCH,
        seed=4,
        examine=1,
        schedule=schedules.linear(3),
    )
    assert abs(ours.theta[1, 1] - theirs.theta).max() < 1e-5
    assert race.test_loss(ours)[1, 1] == pytest.approx(race.test_loss(theirs), abs=1e-5)


def test_schedule_free_keeps_its_rate():
    entrant = replace(race.ENTRANTS["ScheduleFree"], scheduled=True)
    free, line = (race.trained(one, 0.01, 0.1, seeds=[0], steps=3).theta for one in ("ScheduleFree", entrant))
    assert abs(free - line).max() > 1e-4


def test_nobody_else_entered():
    with pytest.raises(ValueError, match="Sophia did not enter the race; there are Momentum, Adam"):
        race.trained("Sophia", 0.1, 0.1, seeds=[0])


def test_ahead_is_lower_with_every_seed():
    assert race.ahead([1.0, 2.0], [1.1, 2.1])
    assert not race.ahead([1.0, 2.0], [1.1, 2.0])
    assert race.ahead([1.0, 2.0], [1.1, np.nan])
    assert not race.ahead([1.0, np.nan], [1.1, np.nan])
    with pytest.raises(ValueError, match="seed by seed"):
        race.ahead([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="seed by seed"):
        race.ahead([], [])


def test_steps_to_a_loss():
    lengths = [100, 200, 400]
    assert race.steps_to(2.0, lengths, [3.0, 2.5, 2.0]) == 400
    assert race.steps_to(2.5, lengths, [3.0, 2.0, 1.9]) == pytest.approx(100 * 2**0.5)
    assert race.steps_to(3.0, lengths, [3.0, 2.0, 1.0]) == 100
    assert race.steps_to(1.0, lengths, [3.0, 2.5, 2.0]) == np.inf
    assert race.steps_to(1.0, lengths, [0.5, 2.0, 0.5]) > 200  # it rises again in between
    assert race.steps_to(2.0, lengths, [np.nan, 1.0, 1.0]) == 200
    assert race.steps_to(2.0, lengths, [1.0, 1.0, np.nan]) == np.inf


def fake(best: tuple[float, float], calls: list):
    """A search whose losses are a bowl in the logarithms of both rates."""

    def tried(tasks):
        calls.append({name: len(task[0]) for name, task in tasks.items()})
        return {
            name: np.array([[np.hypot(*np.log10(np.array(pair) / best))] * 2 for pair in task[0]])
            for name, task in tasks.items()
        }

    return tried


def test_the_search_widens_for_all_until_every_best_pair_is_inside():
    calls: list[dict[str, int]] = []
    grids = script.search(script.QUICK, fake((10.0, 0.01), calls), lambda line: None)
    shapes = {grid.validation.shape for grid in grids.values()}
    assert len(shapes) == 1 and len(calls) > 1  # equal trials
    for grid in grids.values():
        assert grid.edges() == (0, 0)
        i, j = script.lowest(grid.validation, 1)[0]
        assert abs(np.log10(grid.hidden[i] / 10)) < 0.26 and abs(np.log10(grid.rest[j] / 0.01)) < 0.26
    assert all(len(set(call.values())) == 1 for call in calls)


def test_the_second_best_pair_is_tried_with_the_seeds_of_the_test():
    asked = {}

    class Pool:
        def submit(self, losses, name, pairs, seeds, steps, tests):
            asked[name] = pairs, seeds, steps, tests
            done = Future()
            done.set_result(np.full((len(pairs), len(seeds)), 2.5))
            return done

    entrants = {
        "Adam": {
            "hidden": [1.0, 2.0],
            "rest": [3.0, 4.0],
            "short": [(0, 0), (1, 0), (0, 1)],
            "again": [[2.0, 2.2], [1.0, None], [2.1, 2.3]],  # the second diverged with one seed
        }
    }
    script.put_second(entrants, script.QUICK, Pool(), {"Adam": 1.0}, lambda line: None)
    assert asked == {"Adam": ([(1.0, 4.0)], script.QUICK.test, script.QUICK.steps, True)}
    assert entrants["Adam"]["test_second"] == [2.5, 2.5]


def test_by_how_much_the_second_best_pair_was_behind():
    one = replace(race.stored()["Adam"], again=np.array([[3.0, 2.0], [np.nan, 1.0], [2.0, 2.5]]))
    assert race.ranked(one.again).tolist() == [2, 0, 1]
    assert one.behind == pytest.approx((0.25, 0.75))


def test_what_diverged_is_never_the_best():
    values = np.array([[np.nan, 3.0], [np.inf, 2.0]])
    assert script.lowest(values, 2) == [(1, 1), (0, 1)]
    assert script.rounded(values) == [[None, 3.0], [None, 2.0]]
    assert json.loads(json.dumps(script.rounded(values))) == [[None, 3.0], [None, 2.0]]


@pytest.mark.slow
def test_the_whole_race_in_small(tmp_path):
    script.main(["--quick", "--out", str(tmp_path / "race.json"), "--processes", "1"])
    found = race.stored(tmp_path / "race.json")
    assert list(found.entrants) == list(race.ENTRANTS) and len(found.told["code"]) == 64
    assert found["Adam"].test.shape == found["Adam"].test_second.shape == (2,)
