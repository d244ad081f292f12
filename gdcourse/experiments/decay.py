"""What decay leaves of a weight: an experiment for weight decay in torch optimizers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch


def left_of(
    make: Callable[..., torch.optim.Optimizer],
    steps: int,
    *,
    size: float = 100.0,
    count: int = 200,
    seed: int = 0,
    **settings: Any,
) -> float:
    """What is left of parameters at 1, on average, whose gradients are nothing but noise around zero.

    Parameters
    ----------
    make : from parameters and settings to a torch optimizer, as ``torch.optim.AdamW``.
    steps : how many steps.
    size : the gradients' standard deviation. Default 100.
    count : how many parameters are averaged over. Default 200.
    seed : of the noise. Default 0.
    settings : for ``make``, as ``lr=0.001, weight_decay=1.0``.
    """
    param = torch.ones(count, dtype=torch.float64, requires_grad=True)
    optimizer = make([param], **settings)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        param.grad = size * torch.randn(count, dtype=torch.float64, generator=generator)
        optimizer.step()
    return param.detach().mean().item()
