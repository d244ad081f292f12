"""What decay leaves of a weight whose gradients are noise."""

import numpy as np
import pytest
import torch

import gdcourse as gd


@pytest.mark.parametrize("kind", [gd.optim.AdamW, torch.optim.AdamW])
def test_decay_beside_the_step_takes_its_share(kind):
    left = gd.experiments.left_of(kind, 500, lr=1e-3, weight_decay=1.0)
    assert left == pytest.approx((1 - 1e-3) ** 500, abs=0.02)


@pytest.mark.parametrize("kind", [gd.optim.Adam, torch.optim.Adam])
def test_decay_in_the_gradient_is_lost_beside_large_ones(kind):
    left = gd.experiments.left_of(kind, 500, lr=1e-3, weight_decay=1.0)
    assert left == pytest.approx(1.0, abs=0.05)
    assert gd.experiments.left_of(kind, 500, size=1e-3, lr=1e-3, weight_decay=1.0) < 0.7


def test_the_decay_in_the_gradient_is_torchs():
    start, ours = [1.0, -2.0], gd.experiments.AdamL2(lr=0.05, beta1=0.8, weight_decay=0.3)
    bowl = gd.problems.Quadratic([1.0, 10.0])
    run = gd.descend(ours, bowl, start, steps=200)
    param = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    theirs = torch.optim.Adam([param], lr=0.05, betas=(0.8, 0.999), weight_decay=0.3)
    for theta in run.theta[1:]:
        param.grad = torch.as_tensor(bowl.grad(param.detach().numpy()))
        theirs.step()
        assert np.allclose(param.detach().numpy(), theta, rtol=0, atol=1e-12)
    beside = gd.descend(gd.AdamW(0.05, 0.8, weight_decay=0.3), bowl, start, 20)
    assert abs(run.theta[20] - beside.theta[20]).max() > 1e-3
