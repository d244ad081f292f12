"""Two sides with the same seeds: the mean difference, and how sure it is."""

import numpy as np
import pytest
from scipy import stats

from gdcourse.experiments import seed_by_seed


def test_mean_and_standard_error_are_those_of_the_paired_t_test():
    a, b = np.random.default_rng(0).normal(size=(2, 9))
    gap, error = seed_by_seed(a, b)
    assert gap == pytest.approx(a.mean() - b.mean())
    assert gap / error == pytest.approx(stats.ttest_rel(a, b).statistic)


def test_what_all_seeds_share_adds_nothing_to_the_error():
    easy = np.array([1.0, 2.0, 3.0])
    shared = np.array([0.0, 100.0, -40.0])
    assert seed_by_seed(2 * easy + shared, easy + shared) == pytest.approx(seed_by_seed(2 * easy, easy))


@pytest.mark.parametrize(("a", "b"), [([1.0], [2.0]), ([1.0, 2.0], [1.0, 2.0, 3.0]), (np.ones((2, 2)),) * 2])
def test_other_seeds_are_refused(a, b):
    with pytest.raises(ValueError, match="a number for each of the same seeds, two at least; got shapes"):
        seed_by_seed(a, b)
