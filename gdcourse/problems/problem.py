"""What a problem is: a loss and its gradient, over θ of NumPy or torch, for one run or many at once."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import torch


class Problem:
    """Something to minimise.

    θ has shape ``(*runs, d)`` where ``ndim`` is 1 and ``(*runs,)`` where it is 0; a loss has shape
    ``(*runs,)``, a gradient θ's. Both work on NumPy arrays and on torch tensors of any device.

    Attributes
    ----------
    name : how figures call it.
    ndim : 0 where a single run's θ is a number, 1 where it is a vector.
    start : a good place to start from.
    minimum : the minimiser to look for, or None where there is none or more than one.
    """

    name: str = "problem"
    ndim: int = 1
    start: Any = None
    minimum: Any = None

    def loss(self, theta: Any) -> Any:
        """J(θ), shape ``(*runs,)``."""
        raise NotImplementedError

    def grad(self, theta: Any, sample: Any = None) -> Any:
        """∇J(θ), or its estimate from a sample, with θ's shape."""
        raise NotImplementedError

    def draw(self, rng: np.random.Generator, steps: int) -> np.ndarray | None:
        """The random numbers of one run: an array whose entry t − 1 is step t's sample.

        None, as here, where the gradient is not random.
        """
        return None


class Function(Problem):
    """A function of one θ that torch can differentiate, as a problem.

    Parameters
    ----------
    function : takes a tensor of shape ``(d,)`` (``ndim=1``) or ``()`` (``ndim=0``), returns a scalar tensor.
    ndim : as in `Problem`. Default 1.
    """

    def __init__(
        self, function: Callable[[torch.Tensor], torch.Tensor], ndim: int = 1, name: str = ""
    ) -> None:
        if not callable(function):
            raise TypeError(f"function must be callable, got {function!r}")
        self.function = function
        self.ndim = ndim
        self.name = name or getattr(function, "__name__", "function")
        self._loss = function
        self._grad = torch.func.grad(function)

    def loss(self, theta: torch.Tensor) -> torch.Tensor:
        return self._over_runs(self._loss, theta)

    def grad(self, theta: torch.Tensor, sample: Any = None) -> torch.Tensor:
        return self._over_runs(self._grad, theta)

    def _over_runs(
        self, function: Callable[[torch.Tensor], torch.Tensor], theta: torch.Tensor
    ) -> torch.Tensor:
        runs = theta.shape[: theta.ndim - self.ndim]
        if not runs:
            return function(theta)
        flat = theta.reshape(-1, *theta.shape[len(runs) :])
        out = torch.func.vmap(function)(flat)
        return out.reshape(*runs, *out.shape[1:])


def module_of(array: Any) -> ModuleType:
    """NumPy or torch: where the functions for this array are found."""
    return torch if isinstance(array, torch.Tensor) else np


def like(constant: Any, theta: Any) -> Any:
    """A constant as an array of θ's kind, dtype and device."""
    if isinstance(theta, torch.Tensor):
        return torch.as_tensor(constant, dtype=theta.dtype, device=theta.device)
    return np.asarray(constant, dtype=theta.dtype)
