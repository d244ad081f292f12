"""What a problem is: a loss and its gradient, over θ of NumPy or torch, for one run or many at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

import numpy as np
import torch


class Problem:
    """Something to minimise.

    θ has shape ``(*runs, d)`` where ``ndim`` is 1, ``(*runs,)`` where it is 0
    and ``(*runs, n, m)`` where it is 2; a loss has shape
    ``(*runs,)``, a gradient θ's. Both work on NumPy arrays and on torch tensors of any device.

    Attributes
    ----------
    name : how figures call it.
    ndim : 0 where a single run's θ is a number, 1 where it is a vector, 2 where it is a matrix.
    start : a good place to start from.
    minimum : the minimiser to look for, or None where there is none or more than one.
    """

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        for name in {"loss", "grad"} & vars(cls).keys():
            setattr(cls, name, _takes_lists(getattr(cls, name)))

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


def _takes_lists(method: Callable[..., Any]) -> Callable[..., Any]:
    """The same method, which also takes θ as a number or as a list of numbers."""

    @wraps(method)
    def taking(self: Any, theta: Any, *rest: Any, **named: Any) -> Any:
        if isinstance(theta, (list, tuple, int, float)):
            theta = np.asarray(theta, float)
        return method(self, theta, *rest, **named)

    return taking


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
        self.name = name or _called(function)
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


class ArrayFunction(Problem):
    """A function of one θ that is written for NumPy, as a problem.

    Parameters
    ----------
    function : takes an array of shape ``(d,)`` (``ndim=1``) or a number (``ndim=0``), returns a number.
    gradient : takes the same, returns the gradient in θ's shape. Default: central differences, whose error is
        of the order of 1e-10 in a smooth function of size and slope one.
    ndim : as in `Problem`. Default 1.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        gradient: Callable[[Any], Any] | None = None,
        ndim: int = 1,
        name: str = "",
    ) -> None:
        for one in (function, gradient):
            if one is not None and not callable(one):
                raise TypeError(f"a function and its gradient must be callable, got {one!r}")
        self.function = function
        self.gradient = gradient or self._differences
        self.ndim = ndim
        self.name = name or _called(function)

    def loss(self, theta: Any) -> Any:
        return self._over_runs(lambda one: number_of(self.function(one), self.name), theta)

    def grad(self, theta: Any, sample: Any = None) -> Any:
        return self._over_runs(self._gradient_of_one, theta)

    def _gradient_of_one(self, theta: Any) -> Any:
        found = np.asarray(self.gradient(theta), float)
        if found.shape != np.shape(theta):
            raise ValueError(f"the gradient of {self.name} has shape {found.shape}, θ has {np.shape(theta)}")
        return found

    def _differences(self, theta: Any) -> Any:
        steps = 6e-6 * np.maximum(1.0, abs(theta))  # the cube root of the rounding error, at θ's scale
        flat, out = np.atleast_1d(theta), []
        for i, h in enumerate(np.atleast_1d(steps)):
            apart = np.zeros_like(flat)
            apart[i] = h
            ends = [np.reshape(flat + sign * apart, np.shape(theta)) for sign in (1, -1)]
            above, below = (
                number_of(self.function(end if self.ndim else end[()]), self.name) for end in ends
            )
            out.append((above - below) / (2 * h))
        return np.reshape(out, np.shape(theta))

    def _over_runs(self, function: Callable[[Any], Any], theta: Any) -> Any:
        if isinstance(theta, torch.Tensor):
            return torch.as_tensor(self._over_runs(function, theta.numpy()), dtype=theta.dtype)
        runs = theta.shape[: theta.ndim - self.ndim]
        flat = theta.reshape(-1, *theta.shape[len(runs) :])
        out = np.array([function(one) for one in flat], dtype=theta.dtype)
        return out.reshape((*runs, *out.shape[1:]))


def number_of(value: Any, name: str) -> float:
    """The one number that a function returned; ValueError for anything else."""
    array = np.asarray(value, float)
    if array.size != 1:
        raise ValueError(f"{name} returned an array of shape {array.shape} where one number was due")
    return float(array.reshape(()))


def _called(function: Any) -> str:
    name = getattr(function, "__name__", "")
    return "a function" if name in ("", "<lambda>") else name


def module_of(array: Any) -> ModuleType:
    """NumPy or torch: where the functions for this array are found."""
    return torch if isinstance(array, torch.Tensor) else np


def like(constant: Any, theta: Any) -> Any:
    """A constant as an array of θ's kind, dtype and device."""
    if isinstance(theta, torch.Tensor):
        return torch.as_tensor(constant, dtype=theta.dtype, device=theta.device)
    return np.asarray(constant, dtype=theta.dtype)
