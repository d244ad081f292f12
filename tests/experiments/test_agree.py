"""How far two torch optimizers part on a problem, and that what is no number is not taken for no gap."""

import math

import pytest
import torch

import gdcourse as gd
from gdcourse.experiments import largest_gap


def sgd(lr):
    return lambda params: torch.optim.SGD(params, lr=lr)


def test_a_method_has_no_gap_to_itself_and_one_to_another_learning_rate():
    problem = gd.problems.ravine()
    assert largest_gap(sgd(0.02), sgd(0.02), problem) == 0
    assert largest_gap(sgd(0.02), sgd(0.03), problem) > 0.1


def test_paths_that_diverge_are_compared_until_they_do():
    problem, steps = gd.problems.Quadratic([1.0]), 2000
    # θ is multiplied by 1 − η at each step: out at step 20, at ∞ long before the last
    same = largest_gap(sgd(3.0), lambda p: gd.optim.SGD(p, lr=3.0), problem, [1.0], steps)
    assert same < 1e-9
    # at the same step, after a gap of |2ᵗ − 2.001ᵗ| up to the step before
    near = largest_gap(sgd(3.0), sgd(3.001), problem, [1.0], steps)
    assert near == pytest.approx(2.001**19 - 2.0**19, rel=1e-9)


def test_a_gap_is_infinite_where_only_one_diverges_or_one_before_the_other():
    problem = gd.problems.Quadratic([1.0])
    assert largest_gap(sgd(0.5), sgd(3.0), problem, [1.0], 30) == math.inf
    assert largest_gap(sgd(3.0), sgd(0.5), problem, [1.0], 30) == math.inf
    assert largest_gap(sgd(3.0), sgd(4.0), problem, [1.0], 30) == math.inf
    assert largest_gap(sgd(0.5), sgd(math.nan), problem, [1.0]) == math.inf


def test_what_is_no_number_is_no_agreement():
    problem = gd.problems.ravine()
    assert math.isnan(largest_gap(sgd(math.nan), sgd(math.nan), problem))
    assert math.isnan(largest_gap(sgd(1e200), sgd(1e200), problem))  # both go to ∞
