"""What is counted is the step from which a run stays below, and the setting up to which all arrive."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gdcourse.experiments import largest_converged, settled, steps_in_words


def test_a_crossing_that_is_left_again_does_not_count():
    dips = np.array([1.0, 0.5, 0.0, 0.5, 0.0, *[0.0] * 20])
    assert settled(dips, 0.1) == 4


def test_a_run_that_is_below_only_at_its_very_end_is_too_short_to_know():
    values = np.ones(101)
    values[91:] = 0
    assert settled(values, 0.5) == np.inf
    values[90] = 0
    assert settled(values, 0.5) == 90


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.nan])
def test_what_is_not_finite_is_not_below(bad):
    values = np.zeros(50)
    values[20] = bad
    assert settled(values, 1.0) == 21
    values[-1] = bad
    assert settled(values, 1.0) == np.inf


@given(
    arrays(
        float, st.tuples(st.integers(1, 60), st.integers(1, 4)), elements=st.sampled_from([0.0, 2.0, np.nan])
    )
)
def test_many_series_side_by_side_are_as_one_by_one_and_as_the_words_say(values):
    together = settled(values, 1.0)
    for i, series in enumerate(values.T):
        alone = settled(series, 1.0)
        assert alone == together[i]
        stays = [t for t in range(len(series)) if (series[t:] < 1.0).all()]
        enough = stays and stays[0] <= 0.9 * (len(series) - 1)
        assert alone == (stays[0] if enough else np.inf)


def test_steps_are_told_in_words():
    assert steps_in_words(124.0, 300) == "124"
    assert steps_in_words(np.inf, 300) == "not within 300"


def test_settled_refuses_what_is_no_series():
    with pytest.raises(ValueError, match="a series"):
        settled(3.0, 1.0)
    with pytest.raises(ValueError, match="NaN"):
        settled([1.0], np.nan)


def factors(settings):
    """θ_t = (1 − η)ᵗ: converges exactly below η = 2, and overflows far above."""
    with np.errstate(over="ignore", invalid="ignore"):
        return abs((1 - np.asarray(settings)[None]) ** np.arange(4001)[:, None])


def test_the_edge_is_where_theory_has_it_and_overflow_is_beyond():
    settings = np.arange(0.5, 9.0, 0.01)
    below, above = largest_converged(settings, factors(settings), 1e-3)
    assert below < 2.0 <= above + 1e-12 and above - below < 0.011


def test_an_island_beyond_the_edge_is_not_the_edge():
    ends = np.array([0.0, 0.0, 1.0, 0.0, 1.0])
    assert largest_converged([1, 2, 3, 4, 5], np.tile(ends, (30, 1)), 0.5) == (2.0, 3.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [([0.5, 1.0], "all settings converge"), ([2.5, 3.0], "not even the smallest"), ([1.0, 0.5], "ascend")],
)
def test_an_edge_outside_of_the_settings_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        largest_converged(settings, factors(settings), 1e-3)


def test_values_that_belong_to_other_settings_are_refused():
    with pytest.raises(ValueError, match="do not belong to 3 settings"):
        largest_converged([1, 2, 3], np.ones((10, 2)), 0.5)
