"""`train`: a network learns to read digits, with any optimizer; one network, or a grid of them at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch

from gdcourse.experiments.compiled import compiled, warn_that_it_failed
from gdcourse.experiments.descend import CACHED
from gdcourse.experiments.family import (
    Fit,
    as_seeds,
    carried,
    cut_out,
    cuts_of,
    first_state,
    part,
    runs_shape,
    zeros_like,
)
from gdcourse.experiments.progress import progress
from gdcourse.problems.digits import Digits
from gdcourse.problems.network import Network, cross_entropy
from gdcourse.rules import Rule, lr_of, validate, with_lr

MakeOptimizer = Callable[[list[torch.Tensor]], torch.optim.Optimizer]
Schedule = Callable[[int], float]


@dataclass(frozen=True, eq=False)
class History:
    """How a training went. ``runs`` is the shape of the grid: () for one training.

    Attributes
    ----------
    loss : each step's mini-batch loss before its update, in nats, shape ``(T, *runs)``.
    steps : the steps after which the network was examined on the validation split, shape ``(K,)``; 0 is
        the untrained network, the last is T.
    validation_loss, validation_accuracy : what was found, shape ``(K, *runs)``.
    theta : the trained parameters, shape ``(*runs, P)``.
    kept : the parameters at each of ``steps``, shape ``(K, *runs, P)``, where asked for; else None.
    """

    loss: np.ndarray
    steps: np.ndarray
    validation_loss: np.ndarray
    validation_accuracy: np.ndarray
    theta: torch.Tensor
    kept: torch.Tensor | None = None


def train(
    network: Network,
    data: Digits,
    optimizer: Rule | MakeOptimizer,
    *,
    steps: int = 300,
    batch: int | None = 64,
    seed: int | Sequence[int] = 0,
    examine: int = 10,
    keep: bool = False,
    schedule: Schedule | None = None,
    compile: bool = False,
) -> History:
    """Train a network on the digits.

    Parameters
    ----------
    network : its shape.
    data : `digits()`; its dtype and device are those of the training.
    optimizer : an update rule. Hyperparameters that are arrays train a whole grid as one stacked
        program; their shapes broadcast with the seeds', the last axis: ``Adam(lr=grid[:, None])`` and
        five seeds are ``(len(grid), 5)`` trainings. On a CPU the rule gets NumPy arrays.
        Or a function from a list of parameters to a torch optimizer, such as
        ``lambda params: torch.optim.Adam(params, lr=1e-3)``, called once for each seed.
    steps : T, how many updates. Default 300.
    batch : examples in a mini-batch; None for all of the training split. Default 64.
    seed : of the starting weights and of the order of the examples; a sequence trains once with each.
        Default 0.
    examine : how many times, spread evenly, to measure loss and accuracy on the validation split after
        the start. Default 10.
    keep : whether to keep the parameters at those steps. Default False.
    schedule : what step t's learning rate is multiplied by, for a rule; a function of t = 1, 2, …, T.
    compile : whether the update of a rule runs as one kernel of torch.compile's, for all networks at once.
        The first update compiles it, which takes some seconds; other hyperparameters or a schedule compile
        nothing anew, another number of networks does. Where torch.compile fails, a warning says why, and the
        rule runs uncompiled. Default False.

    Raises
    ------
    TypeError : an optimizer that is neither a rule nor makes a torch optimizer, or a schedule or
        ``compile=True`` for the latter.
    ValueError : a hyperparameter, ``batch``, ``steps`` or ``examine`` out of range; shapes that do not
        broadcast.
    """
    _check_sizes(steps, batch, examine, len(data.train))
    seeds = as_seeds(seed)
    order = np.stack([batches(int(s), len(data.train), batch, steps) for s in seeds.ravel()], 1)
    picks = torch.as_tensor(order, device=data.train.y.device).unflatten(1, seeds.shape or (1,))
    if not seeds.ndim:
        picks = picks[:, 0]
    theta = network.init(seeds, data.train.x.dtype).to(data.train.x.device)
    if isinstance(optimizer, type) and issubclass(optimizer, Rule):
        validate(optimizer)  # type: ignore[arg-type]  # raises: a class is not a rule yet
    mover: _ByRule | _ByKernel | _ByTorch
    asked = schedule is not None or compile
    if isinstance(optimizer, Rule):
        mover = (_ByKernel if compile else _ByRule)(optimizer, schedule, theta, seeds.shape)
    elif not callable(optimizer) or isinstance(optimizer, torch.optim.Optimizer) or asked:
        raise TypeError(
            "optimizer must be a rule, or (without schedule and compile) a function from parameters to a "
            f"torch optimizer; got {optimizer!r}"
        )
    else:
        mover = _ByTorch(optimizer, network, theta)

    examined = np.unique(np.linspace(0, steps, examine + 1).round().astype(int))
    runs = mover.theta.shape[:-1]
    loss, accuracy = _examine(network, theta, data)  # one for each seed
    losses, kept = [], [mover.theta]
    seen = [(np.broadcast_to(loss, runs), np.broadcast_to(accuracy, runs))]
    with torch.no_grad():
        for t in progress(range(1, steps + 1), "training", steps):
            x, y = data.train.batch(picks[t - 1])
            theta = mover.look(t)
            outputs = network.forward(theta, x)  # forward
            losses.append(cross_entropy(outputs[-1], y))  # loss
            grad = network.backward(theta, outputs, y)  # backward
            mover.update(t, grad)  # update: the one line in which optimizers differ
            if t in examined:
                seen.append(_examine(network, mover.theta, data))
                if keep:
                    kept.append(mover.theta)
    validation_loss, validation_accuracy = (np.stack(part) for part in zip(*seen, strict=True))
    return History(
        loss=torch.stack(losses).cpu().numpy() if losses else np.zeros((0, *runs)),
        steps=examined,
        validation_loss=validation_loss,
        validation_accuracy=validation_accuracy,
        theta=mover.theta,
        kept=torch.stack(kept) if keep else None,
    )


def batches(seed: int, examples: int, batch: int | None, steps: int) -> np.ndarray:
    """Which examples each step sees, shape ``(T, B)``: shuffled passes, each example once in each pass;
    what does not fill a last batch is left out of that pass."""
    _check_sizes(steps, batch, 1, examples)
    if batch is None:
        return np.broadcast_to(np.arange(examples), (steps, examples))
    rng = np.random.default_rng([seed, 1])
    per_pass = examples // batch
    passes = [rng.permutation(examples)[: per_pass * batch] for _ in range(-(-steps // per_pass))]
    return np.concatenate([np.zeros(0, int), *passes])[: steps * batch].reshape(steps, batch)


def _check_sizes(steps: int, batch: int | None, examine: int, examples: int) -> None:
    limits: list[tuple[str, Any, int, float]] = [("steps", steps, 0, np.inf), ("examine", examine, 1, np.inf)]
    if batch is not None:
        limits.append(("batch", batch, 1, examples))
    for name, value, low, high in limits:
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or not low <= value <= high:
            allowed = f"from {low} to {high}" if high < np.inf else f"≥ {low}"
            raise ValueError(f"{name} must be a whole number {allowed}, got {value!r}")


def _examine(network: Network, theta: torch.Tensor, data: Digits) -> tuple[np.ndarray, np.ndarray]:
    x, y = data.validation.x, data.validation.y
    scores = network.forward(theta, x)[-1]
    right = (scores.argmax(-1) == y) & scores.isfinite().all(-1)
    return cross_entropy(scores, y).cpu().numpy(), right.double().mean(-1).cpu().numpy()


class _ByRule:
    """Moves all the networks of a grid by one rule.

    On a CPU the rule gets a few networks after the other, as NumPy arrays: what it makes on the way stays in
    the cache, and NumPy takes half as long as torch for so few numbers.
    """

    def __init__(self, rule: Rule, schedule: Schedule | None, theta: torch.Tensor, seeds: tuple) -> None:
        validate(rule)
        runs = runs_shape(rule, seed=seeds)
        self.point = theta.expand(*runs, theta.shape[-1]).clone()  # where gradients are taken, overwritten
        points = _for_rules(self.point)
        few = CACHED // (theta.shape[-1] * theta.itemsize) if isinstance(points, np.ndarray) else prod(runs)
        self.cuts = [(*cut, slice(None)) for cut in cuts_of(runs, few)]
        self.fit, self.schedule, self.given = Fit(points, ndim=1), schedule, rule
        self._set(rule)
        self.thetas = [points[cut] + 0 for cut in self.cuts]  # copies
        self.states = [
            own.init(theta, zeros_like(theta)) for own, theta in zip(self.rules, self.thetas, strict=True)
        ]

    def _set(self, rule: Rule) -> None:
        self.for_at, for_step = self.fit.for_at(rule), self.fit.for_step(rule)
        self.rules = [part(for_step, cut) for cut in self.cuts]

    @property
    def theta(self) -> torch.Tensor:
        theta = torch.empty_like(self.point)
        for cut, own in zip(self.cuts, self.thetas, strict=True):
            _for_rules(theta)[cut] = own
        return theta

    def look(self, t: int) -> torch.Tensor:
        if self.schedule is not None:
            self._set(_scheduled(self.given, self.schedule, t))
        points = _for_rules(self.point)
        with np.errstate(all="ignore"):
            for cut, rule, theta, state in zip(self.cuts, self.rules, self.thetas, self.states, strict=True):
                points[cut] = rule.look(theta, state)
        return self.point

    def update(self, t: int, grad: torch.Tensor) -> None:
        grads = _for_rules(grad)
        with np.errstate(all="ignore"):
            at = self.fit.values(self.for_at.at(t))
            for i, cut in enumerate(self.cuts):
                here = {name: cut_out(v, cut) if hasattr(v, "shape") else v for name, v in at.items()}
                self.thetas[i], new = self.rules[i].step(self.thetas[i], grads[cut], self.states[i], here)
                self.states[i] = carried(self.states[i], new)


class _ByKernel:
    """Moves all the networks of a grid by one compiled kernel of the rule."""

    def __init__(self, rule: Rule, schedule: Schedule | None, theta: torch.Tensor, seeds: tuple) -> None:
        validate(rule)
        self.now = theta.expand(*runs_shape(rule, seed=seeds), theta.shape[-1]).clone()  # overwritten
        self.fit, self.schedule, self.given = Fit(self.now, ndim=1), schedule, rule
        self.state = first_state(self.fit.for_step(rule), self.now)
        self.compiles = True

    @property
    def theta(self) -> torch.Tensor:
        return self.now.clone()

    def look(self, t: int) -> torch.Tensor:
        self.rule = self.given if self.schedule is None else _scheduled(self.given, self.schedule, t)
        return self.fit.for_step(self.rule).look(self.now, self.state)

    def update(self, t: int, grad: torch.Tensor) -> None:
        with np.errstate(all="ignore"):
            at = self.fit.values(self.fit.for_at(self.rule).at(t))
        values = 1.0, self.fit.for_step(self.rule), at
        inputs = self.now, self.state, grad
        if self.compiles:
            try:
                compiled(update, values, self.now)(*inputs)
                return
            except Exception as error:  # of whichever of the compiler's many kinds; nothing was overwritten
                if t > 1:
                    raise
                self.compiles = False
                warn_that_it_failed(error, "networks are trained")
        update(*inputs, *values)


def update(
    theta: torch.Tensor, state: dict[str, Any], grad: torch.Tensor, one: Any, rule: Rule, at: dict[str, Any]
) -> None:
    """One step of a rule, written over θ and its state."""
    stepped, new = rule.step(theta, grad, state, at)
    # A rule may hand back an input. Times a number that the compiler does not know, it is read before it is
    # overwritten.
    stepped, new = stepped * one, {name: new[name] * one for name in state}
    for name, value in new.items():
        state[name].copy_(value)
    theta.copy_(stepped)


def _scheduled(rule: Rule, schedule: Schedule, t: int) -> Rule:
    rule = with_lr(rule, lr_of(rule) * schedule(t))
    validate(rule)
    return rule


def _for_rules(tensor: torch.Tensor) -> Any:
    """The same memory as a NumPy array, where it is on a CPU."""
    return tensor.numpy() if tensor.device.type == "cpu" else tensor


class _ByTorch:
    """Moves one network for each seed by a torch optimizer, which sees each layer's tensors."""

    def __init__(self, make: MakeOptimizer, network: Network, theta: torch.Tensor) -> None:
        self.network, self.shape = network, theta.shape
        self.params = [
            [part.clone().requires_grad_() for part in self._parts(one)] for one in self._each(theta)
        ]
        self.optimizers = [make(params) for params in self.params]
        for optimizer in self.optimizers:
            if not isinstance(optimizer, torch.optim.Optimizer):
                raise TypeError(
                    f"optimizer must make a torch optimizer from parameters; it made {optimizer!r}"
                )

    def _each(self, flat: torch.Tensor) -> torch.Tensor:
        return flat.reshape(-1, flat.shape[-1])

    def _parts(self, one: torch.Tensor) -> list[torch.Tensor]:
        return [part for layer in self.network.layers(one) for part in layer]

    @property
    def theta(self) -> torch.Tensor:
        flat = [torch.cat([p.detach().flatten() for p in params]) for params in self.params]
        return torch.stack(flat).reshape(self.shape)

    def look(self, t: int) -> torch.Tensor:
        return self.theta

    def update(self, t: int, grad: torch.Tensor) -> None:
        for params, optimizer, one in zip(self.params, self.optimizers, self._each(grad), strict=True):
            for param, its_grad in zip(params, self._parts(one), strict=True):
                param.grad = its_grad.clone()
            optimizer.step()
