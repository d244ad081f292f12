"""Families of runs lie side by side in one array: rules that look at more than an element are told apart."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

import gdcourse as gd


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
    with pytest.raises(ValueError, match="Normalised does not work element by element"):
        gd.descend(Normalised(), "Beale", start=start, steps=5)
    with pytest.raises(ValueError, match="Normalised does not work element by element"):
        gd.descend(Normalised(np.array([0.1, 0.2])), "Beale", steps=5)
    with pytest.raises(ValueError, match=r"Whole works on whole parameters \(scope = 'all'\).*from_rule"):
        gd.descend(Whole(), "Beale", start=start, steps=5)
    with pytest.raises(ValueError, match="Normalised does not work element by element"):
        gd.descend(gd.Lookahead(Normalised()), "Beale", start=start, steps=5)


@pytest.mark.parametrize("compile", [False, True])
def test_networks_whose_layers_lie_in_one_vector_take_no_matrix_rule(compile):
    with pytest.raises(ValueError, match=r"Muon works on whole parameters \(scope = 'tensor'\)"):
        gd.train(gd.problems.Network((784, 4, 10)), gd.digits(), gd.rules.Muon(), steps=1, compile=compile)
    assert gd.Lookahead(gd.rules.Muon()).scope == "tensor"
