"""Families of runs lie side by side in one array: rules that look at more than an element are told apart."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

import gdcourse as gd
from tests.conftest import needs_a_compiler


@dataclass(frozen=True, eq=False)
class Normalised(gd.Rule):
    """The gradient over its length: a sum over elements, whatever it says of itself."""

    lr: float = 0.1

    def step(self, theta, grad, state, at):
        return theta - self.lr * grad / ((grad**2).sum() ** 0.5 + 1e-12), {}


@dataclass(frozen=True, eq=False)
class Whole(Normalised):
    scope = "all"


@pytest.mark.parametrize("rule", [Normalised(), Whole()])
def test_a_single_run_may_sum_over_its_elements(rule):
    run = gd.descend(rule, "Beale", steps=5)
    lengths = np.linalg.norm(np.diff(run.theta, axis=0), axis=-1)
    assert np.allclose(lengths, 0.1)


@pytest.mark.parametrize(
    "start", [np.ones((4, 2)), torch.ones(4, 2, dtype=torch.float64)], ids=["numpy", "torch"]
)
def test_a_family_may_not(start):
    for rule in (Normalised(), Normalised(np.array([0.1, 0.2, 0.3, 0.4])), Whole(), gd.Lookahead(Whole())):
        with pytest.raises(ValueError, match=r"mixes runs that lie side by side: .*axis=-1, keepdims=True"):
            gd.descend(rule, "Beale", start=start, steps=5)
    with pytest.raises(
        ValueError, match=r"Muon moves matrices, and θ of Beale's function is a vector: .*Matrix"
    ):
        gd.descend(gd.rules.Muon(), "Beale", start=start, steps=5)


@dataclass(frozen=True, eq=False)
class EachRun(Normalised):
    def step(self, theta, grad, state, at):
        squares = grad[..., :1] ** 2 + grad[..., 1:] ** 2
        return theta - self.lr * grad / (squares**0.5 + 1e-12), {}


@pytest.mark.parametrize("compile", [False, pytest.param(True, marks=needs_a_compiler)])
def test_a_family_whose_runs_are_summed_each_is_its_runs(compile):
    """Also where a kernel would take the coordinates apart."""
    start = np.array([[1.0, 2.0], [-1.0, 0.5], [0.3, -2.0]])
    rates = np.array([0.1, 0.2, 0.3])
    family = gd.descend(EachRun(rates), "Beale", start=start, steps=12, path=False, compile=compile)
    for i, lr in enumerate((0.1, 0.2, 0.3)):
        one = gd.descend(Normalised(lr), "Beale", start=start[i], steps=12)
        np.testing.assert_allclose(family.theta[-1, i], one.theta[-1], rtol=1e-9)


@dataclass(frozen=True, eq=False)
class OfRows(Normalised):
    """Steps of equal length for each row of a matrix."""

    scope = "tensor"

    def step(self, theta, grad, state, at):
        return theta - self.lr * grad / gd.rules.norm(grad), {}


class OfMatrices(OfRows):
    def step(self, theta, grad, state, at):
        return theta - self.lr * grad / (grad**2).sum() ** 0.5, {}


def test_a_family_of_matrices_is_tried_on_matrices():
    problem = gd.problems.MatrixQuadratic(3, 4)
    family = gd.descend(OfRows([0.1, 0.2]), problem, steps=5)
    np.testing.assert_allclose(family.theta[:, 1], gd.descend(OfRows(0.2), problem, steps=5).theta)
    gd.descend(OfMatrices(0.1), problem, steps=5)
    with pytest.raises(ValueError, match="OfMatrices mixes runs that lie side by side"):
        gd.descend(OfMatrices([0.1, 0.2]), problem, steps=5)
