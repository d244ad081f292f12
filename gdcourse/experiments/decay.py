"""What decay leaves of a weight: Adam with the decay in its gradient, and an experiment for weight decay in
torch optimizers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from gdcourse.rules import Adam, Scalar


@dataclass(frozen=True, eq=False)
class AdamL2(Adam):
    """Adam of the loss with ½λ‖θ‖² added: λθ is a part of the gradient, and both averages see it.

    Parameters
    ----------
    lr, beta1, beta2, eps : as in Adam.
    weight_decay : λ ≥ 0, in units of g over θ. Default 0.01.

    torch: ``torch.optim.Adam(params, lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay)``,
    exactly.
    """

    weight_decay: Scalar = 0.01

    def step(self, theta, grad, state, at):
        return super().step(theta, grad + self.weight_decay * theta, state, at)


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
