"""How far two torch optimizers part on a problem, and that what is no number is not taken for no gap."""

import math

import torch

import gdcourse as gd
from gdcourse.experiments import largest_gap


def sgd(lr):
    return lambda params: torch.optim.SGD(params, lr=lr)


def test_a_method_has_no_gap_to_itself_and_one_to_another_learning_rate():
    problem = gd.problems.ravine()
    assert largest_gap(sgd(0.02), sgd(0.02), problem) == 0
    assert largest_gap(sgd(0.02), sgd(0.03), problem) > 0.1


def test_what_is_no_number_is_no_agreement():
    problem = gd.problems.ravine()
    assert math.isnan(largest_gap(sgd(0.02), sgd(math.nan), problem))
    assert math.isnan(largest_gap(sgd(1e200), sgd(1e200), problem))  # both go to ∞
