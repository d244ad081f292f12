"""What decay leaves of a weight whose gradients are noise."""

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
