"""`train`: a network learns to read digits, with any optimizer; one network, or a grid of them at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from torch.utils._pytree import tree_leaves

from gdcourse.experiments.descend import CACHED
from gdcourse.experiments.family import (
    Cut,
    Fit,
    as_seeds,
    carried,
    check_family,
    cut_out,
    cuts_of,
    first_state,
    part,
    runs_shape,
    with_arrays,
    zeros_like,
)
from gdcourse.experiments.progress import progress
from gdcourse.experiments.shares import Share, shares_of
from gdcourse.experiments.shown import Shown, describe, divergence, draw, frame, from_to
from gdcourse.optim.bucket import Bucket
from gdcourse.optim.kernels import Failed, kernel
from gdcourse.optim.scope import scope_of
from gdcourse.optim.update import by_torch, program_over, warn_uncompiled
from gdcourse.problems.data import Split
from gdcourse.problems.modules import Modules, as_network, kind_of
from gdcourse.problems.network import accuracy_of
from gdcourse.rules import Partners, Rule, hinted, lr_of, per_batch_of, validate, with_lr

MakeOptimizer = Callable[[list[torch.Tensor]], torch.optim.Optimizer]
Schedule = Callable[[int], float]
STEPS = 300
"""How many steps a training takes that is told neither steps nor epochs."""


@dataclass(frozen=True, eq=False)
class Step:
    """What a callback of `train` sees after each step.

    Attributes
    ----------
    step : t = 1, 2, …, T.
    loss : the mini-batch's loss before the update, in nats: a number, or an array of the grid's shape.
    validation_loss, validation_accuracy : what was found after this step, in the same shape; None at a step
        after which nothing was examined.
    """

    step: int
    loss: Any
    validation_loss: Any
    validation_accuracy: Any
    _theta: Callable[[], torch.Tensor]

    @property
    def theta(self) -> torch.Tensor:
        """The parameters after this step, a copy, shape ``(*runs, P)``."""
        return self._theta().clone()


Callback = Callable[[Step], Any]


@dataclass(frozen=True, eq=False, repr=False)
class History(Shown):
    """How a training went. ``runs`` is the shape of the grid: () for one training.

    Attributes
    ----------
    loss : each step's mini-batch loss before its update, in nats, shape ``(T, *runs)``.
    steps : the steps after which the network was examined on the validation split, shape ``(K,)``; 0 is
        the untrained network, the last is T.
    validation_loss, validation_accuracy : what was found, shape ``(K, *runs)``; an accuracy is NaN where the
        targets are no labels.
    theta : the trained parameters, shape ``(*runs, P)``.
    kept : the parameters at each of ``steps``, shape ``(K, *runs, P)``, where asked for; else None.
    diverged_at : after how many steps the loss, or at the end a parameter, was no longer a finite number. For
        one training a step or None; for a grid an array of steps, −1 for never.
    network : what was trained: the `Network` or `Transformer`, or `gdcourse.problems.Modules`.
    optimizer : what trained it.
    """

    loss: np.ndarray
    steps: np.ndarray
    validation_loss: np.ndarray
    validation_accuracy: np.ndarray
    theta: torch.Tensor
    kept: torch.Tensor | None = None
    diverged_at: Any = None
    network: Any = None
    optimizer: Any = None

    @property
    def module(self) -> Any:
        """The trained torch module, or an array of them, shape ``runs``, where one was trained.

        Raises
        ------
        TypeError : a `Network` or a `Transformer` was trained: its parameters are ``theta``.
        """
        if not isinstance(self.network, Modules):
            kind = type(self.network).__name__
            raise TypeError(f"a {kind} was trained, and no torch module: its parameters are history.theta")
        return self.network.trained(self.theta)

    def read(self, pictures: Any) -> Any:
        """What pictures of your own show, by the trained network; see `gdcourse.problems.Network.read`.

        Raises
        ------
        TypeError : a `Transformer` was trained, which reads letters.

        Examples
        --------
        >>> import gdcourse as gd
        >>> history = gd.train(gd.problems.Network(), gd.digits(), gd.Adam(lr=0.003))
        >>> history.read(gd.digits().test.images[0])
        9
        """
        if not hasattr(self.network, "read"):
            raise TypeError(
                f"a {type(self.network).__name__} reads letters, not pictures: "
                "history.network.sample(history.theta, prompt, n) writes some"
            )
        return self.network.read(self.theta, pictures)

    def facts(self) -> dict[str, str]:
        runs, last = self.loss.shape[1:], self.validation_accuracy[-1:]
        told = {"trainings": " × ".join(map(str, runs)) if runs else ""}
        told["steps"] = f"{len(self.loss):,}"
        if self.optimizer is not None:
            told["by"] = describe(self.optimizer)
        told["diverged"] = divergence(self.diverged_at, "the loss was no longer a finite number")
        if np.isnan(last).all():
            told["validation loss"] = from_to(self.validation_loss, runs, "{:.4g}")
        else:
            told["validation accuracy"] = from_to(100 * self.validation_accuracy, runs, "{:.1f} %")
        if not runs and len(self.loss) and self.diverged_at is None:
            told["loss"] = from_to(self.loss, runs, "{:.4g}")
        return told

    def to_pandas(self) -> Any:
        """A pandas DataFrame, a row for each step and training: ``step`` (0 … T), ``run`` (or ``run_0``,
        ``run_1``, … for each axis of a grid), ``loss`` before that step's update, and what was examined after
        it; NaN where there is nothing.

        Raises
        ------
        ModuleNotFoundError : pandas is not installed.
        """
        steps = len(self.loss) + 1
        runs = self.loss.shape[1:]
        columns = {"loss": np.full((steps, *runs), np.nan)}
        columns["loss"][1:] = self.loss
        for name in ("validation_loss", "validation_accuracy"):
            columns[name] = np.full((steps, *runs), np.nan)
            columns[name][self.steps] = getattr(self, name)
        return frame(columns, runs)

    def plot(self, ax: Any = None) -> Any:
        """Draw the validation loss over steps, a line for each training, and one training's mini-batch losses
        behind it. Returns the axes.

        Parameters
        ----------
        ax : where to draw, matplotlib's. Default: a new figure.
        """
        return draw("plot_history", self, ax)


@hinted
def train(
    network: Any,
    data: Any,
    optimizer: Rule | Partners | MakeOptimizer,
    *,
    steps: int | None = None,
    epochs: int | None = None,
    batch: int | None = 64,
    seed: int | Sequence[int] = 0,
    examine: int = 10,
    keep: bool = False,
    schedule: Schedule | None = None,
    callback: Callback | None = None,
    loss: Any = None,
    dtype: Any = None,
    device: Any = None,
    compile: bool = False,
) -> History:
    """Train a network on the digits, a transformer on a text, or another network on other data.

    Parameters
    ----------
    network : a `gdcourse.problems.Network` or `Transformer`, many of which run side by side. Or a torch
        module, or what makes one when it is called, such as its class: see `gdcourse.problems.Modules`.
        Modules run one after the other; one that is given is copied, and found trained in ``history.module``.
    data : `digits()` or `text()`; or a pair ``(x, y)`` of arrays, tensors or lists, a torch Dataset, or parts
        of your own: see `gdcourse.problems.as_data`.
    optimizer : an update rule. Hyperparameters that are arrays train a whole grid as one stacked
        program; their shapes broadcast with the seeds', the last axis: ``Adam(lr=grid[:, None])`` and
        five seeds are ``(len(grid), 5)`` trainings. On a CPU the rule gets NumPy arrays. What it is called
        on, its ``scope`` says: all parameters in one vector, or each part of the network by itself. A rule
        for hidden matrices (Muon) needs a partner for the rest:
        ``gdcourse.Partners(Muon(), rest=Adam(0.003))``.
        Or a function from a list of parameters to a torch optimizer, such as
        ``lambda params: torch.optim.Adam(params, lr=1e-3)``, called once for each seed.
    steps : T, how many gradients. Default 300. A rule may ask for several in a row on each mini-batch (SAM
        for two).
    epochs : how many passes over the training examples with one gradient each, in place of ``steps``.
    batch : examples in a mini-batch; None for all of the training split. Default 64.
    seed : of the starting weights and of the order of the examples; a sequence trains once with each.
        Default 0.
    examine : how many times, spread evenly, to measure loss and accuracy on the validation split after
        the start. Default 10.
    keep : whether to keep the parameters at those steps. Default False.
    schedule : what step t's learning rate is multiplied by, for a rule (both partners'); a function of
        t = 1, 2, …, T.
    callback : called after each step with a `Step`. If it returns True, the training ends there, and T is
        that step.
    loss : of outputs and targets, for a torch module. Default: the mean cross-entropy.
    dtype, device : of the training, as torch names them. Default: the data's; float64 for whole numbers,
        float32 for letters.
    compile : whether the update of a rule runs as one kernel that inductor makes, for all networks at once
        (of a rule that moves each part by itself, a kernel for each shape; SOAP's runs uncompiled).
        The first update compiles it, which takes some seconds; other hyperparameters or a schedule compile
        nothing anew, another number of networks does. Where that fails, a warning says why, and the
        rule runs uncompiled. Default False.

    Raises
    ------
    TypeError : an optimizer that is neither a rule nor makes a torch optimizer, or a schedule or
        ``compile=True`` for the latter; a network or data of no kind named above.
    ValueError : a hyperparameter, ``batch``, ``steps`` or ``examine`` out of range; shapes that do not
        broadcast; both steps and epochs; data that do not fit the network.
    """
    network, data = as_network(network, data, loss, dtype, device)
    steps = _steps_of(steps, epochs, batch, len(data.train))
    _check_sizes(steps, batch, examine, len(data.train))
    seeds = as_seeds(seed)
    each = _per_batch(optimizer)
    passed = [batches(int(s), len(data.train), batch, -(-steps // each)) for s in seeds.ravel()]
    order = np.stack(passed, 1).repeat(each, axis=0)[:steps]
    picks = torch.as_tensor(order, device=data.train.y.device).unflatten(1, seeds.shape or (1,))
    if not seeds.ndim:
        picks = picks[:, 0]
    theta = network.init(seeds, kind_of(data, dtype)).to(data.train.x.device)
    optimizer = with_arrays(optimizer)
    mover = _mover(optimizer, schedule, compile, network, theta, seeds)
    seen = _Seen(network, data.validation, steps, examine, keep)
    seen.look(0, mover, theta)
    losses = []
    with torch.no_grad():
        for t in progress(range(1, steps + 1), "training", steps):
            x, y = data.train.batch(picks[t - 1])  # batch
            theta = mover.look(t)
            outputs = network.forward(theta, x)  # forward
            losses.append(network.loss_of(outputs[-1], y))  # loss
            grad = network.backward(theta, outputs, y)  # backward
            mover.update(t, grad)  # update: the one line in which optimizers differ
            seen.look(t, mover)
            if callback is not None and _stops(callback, t, losses[-1], seen, mover):
                seen.look(t, mover, mover.theta)
                break
    return seen.history(losses, mover, optimizer)


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


def _per_batch(optimizer: Any) -> int:
    """How many gradients in a row are taken on each mini-batch."""
    if isinstance(optimizer, Partners):
        both = {per_batch_of(rule) for rule in (optimizer.hidden, optimizer.rest) if isinstance(rule, Rule)}
        if len(both) > 1:
            raise ValueError(
                f"partners must take equally many gradients of a mini-batch, {min(both)} and {max(both)}: "
                "SAM around the one needs SAM around the other"
            )
        return max(both, default=1)
    return per_batch_of(optimizer) if isinstance(optimizer, Rule) else 1


def _steps_of(steps: int | None, epochs: int | None, batch: int | None, examples: int) -> int:
    if steps is not None and epochs is not None:
        raise ValueError(f"give steps or epochs, not both; got steps={steps!r} and epochs={epochs!r}")
    if epochs is None:
        return STEPS if steps is None else steps
    _check_sizes(0, batch, 1, examples)
    if isinstance(epochs, bool) or not isinstance(epochs, (int, np.integer)) or epochs < 0:
        raise ValueError(f"epochs must be a whole number ≥ 0, got {epochs!r}")
    return int(epochs) * (1 if batch is None else examples // batch)


def _check_sizes(steps: int, batch: int | None, examine: int, examples: int) -> None:
    limits: list[tuple[str, Any, int, float]] = [("steps", steps, 0, np.inf), ("examine", examine, 1, np.inf)]
    if batch is not None:
        limits.append(("batch", batch, 1, examples))
    for name, value, low, high in limits:
        whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
        if not whole or not low <= value <= high:
            allowed = f"from {low} to {high}" if high < np.inf else f"≥ {low}"
            hint = "; None takes all examples" if name == "batch" else ""
            raise ValueError(f"{name} must be a whole number {allowed}, got {value!r}{hint}")


def _mover(
    optimizer: Any,
    schedule: Schedule | None,
    compile: bool,
    network: Any,
    theta: torch.Tensor,
    seeds: np.ndarray,
) -> _ByRule | _ByKernel | _ByTorch:
    """What moves θ."""
    if isinstance(optimizer, type) and issubclass(optimizer, Rule):
        validate(optimizer)  # type: ignore[arg-type]  # raises: a class is not a rule yet
    if isinstance(optimizer, (Rule, Partners)):
        validate(optimizer)
        shares = [share.on(theta.device) for share in shares_of(optimizer, network)]
        return (_ByKernel if compile else _ByRule)(optimizer, schedule, theta, seeds.shape, shares)
    asked = schedule is not None or compile
    if not callable(optimizer) or isinstance(optimizer, torch.optim.Optimizer) or asked:
        raise TypeError(
            "optimizer must be a rule, or Partners, or (without schedule and compile) a function from "
            "parameters to a torch optimizer, as in lambda params: torch.optim.Adam(params, lr=1e-3); got "
            f"{type(optimizer).__name__ if isinstance(optimizer, torch.optim.Optimizer) else repr(optimizer)}"
        )
    return _ByTorch(optimizer, network, theta)


class _Seen:
    """What examining on the validation split finds."""

    def __init__(self, network: Any, validation: Split, steps: int, examine: int, keep: bool) -> None:
        self.network, self.validation, self.keep = network, validation, keep
        self.due = set(np.linspace(0, steps, examine + 1).round().astype(int).tolist())
        self.steps: list[int] = []
        self.loss: list[np.ndarray] = []
        self.accuracy: list[np.ndarray] = []
        self.kept: list[torch.Tensor] = []

    def look(self, t: int, mover: Any, theta: torch.Tensor | None = None) -> None:
        """Examine after step t if it is due, or at this θ: at the start, one for each seed."""
        if t in self.steps or (theta is None and t not in self.due):
            return
        runs = mover.theta.shape[:-1]
        y = self.validation.y
        scores = self.network.scores(mover.theta if theta is None else theta, self.validation.x)
        found = self.network.loss_of(scores, y), accuracy_of(scores, y, axes=y.ndim)
        self.steps.append(t)
        for values, into in zip(found, (self.loss, self.accuracy), strict=True):
            into.append(np.broadcast_to(values.cpu().numpy(), runs))
        if self.keep:
            self.kept.append(mover.theta)

    def history(self, losses: list[torch.Tensor], mover: Any, optimizer: Any) -> History:
        """How the training went."""
        theta = mover.theta
        runs = theta.shape[:-1]
        loss = torch.stack(losses).cpu().numpy() if losses else np.zeros((0, *runs))
        return History(
            loss=loss,
            steps=np.array(self.steps),
            validation_loss=np.stack(self.loss),
            validation_accuracy=np.stack(self.accuracy),
            theta=theta,
            kept=torch.stack(self.kept) if self.keep else None,
            diverged_at=_diverged(loss, theta),
            network=self.network,
            optimizer=optimizer,
        )


def _diverged(loss: np.ndarray, theta: torch.Tensor) -> Any:
    """After how many steps what was computed was no longer finite, −1 for never; for one run None for it."""
    ends = ~theta.isfinite().all(-1).cpu().numpy()
    broken = np.concatenate([~np.isfinite(loss), ends[None]])
    first = np.where(broken.any(0), broken.argmax(0), -1)
    if first.ndim:
        return first
    return int(first) if first >= 0 else None


def _stops(callback: Callback, t: int, loss: torch.Tensor, seen: _Seen, mover: Any) -> bool:
    """Whether a callback ends the training."""
    examined = bool(seen.steps) and seen.steps[-1] == t
    found = (seen.loss[-1], seen.accuracy[-1]) if examined else (None, None)
    seen_now = (loss.cpu().numpy(), *found)
    numbers: list[Any] = [None if x is None else x if np.ndim(x) else float(x) for x in seen_now]
    answer = callback(Step(t, *numbers, lambda: mover.theta))  # type: ignore[call-arg]
    if answer is None or isinstance(answer, (bool, np.bool_)):
        return bool(answer)
    raise TypeError(f"callback must return True to stop the training, or nothing; it returned {answer!r}")


class _ByRule:
    """Moves all the networks of a grid by one rule, or by partners.

    On a CPU the rule gets a few networks after the other, as NumPy arrays: what it makes on the way stays in
    the cache, and NumPy takes half as long as torch for so few numbers. A rule that sees matrices gets
    tensors: NumPy's products of matrices have threads of their own, which `torch.set_num_threads` does not
    reach.
    """

    def __init__(
        self,
        optimizer: Any,
        schedule: Schedule | None,
        theta: torch.Tensor,
        seeds: tuple,
        shares: list[Share],
    ) -> None:
        runs, self.point = _family(optimizer, theta, seeds, shares)  # the point is overwritten
        self.schedule, self.given = schedule, optimizer
        self.groups = [_Group(share, optimizer, self.point, runs) for share in shares]

    @property
    def theta(self) -> torch.Tensor:
        theta = torch.empty_like(self.point)
        for group in self.groups:
            group.write(theta, lambda block: block.theta)
        return theta

    def look(self, t: int) -> torch.Tensor:
        if self.schedule is not None:
            now = _scheduled(self.given, self.schedule, t)
            for group in self.groups:
                group.set(now)
        with np.errstate(all="ignore"):
            for group in self.groups:
                group.write(self.point, lambda block: block.rule.look(block.theta, block.state))
        return self.point

    def update(self, t: int, grad: torch.Tensor) -> None:
        with np.errstate(all="ignore"):
            for group in self.groups:
                group.step(t, grad)


class _Group:
    """One share of all the networks' parameters, in blocks."""

    def __init__(self, share: Share, optimizer: Any, point: torch.Tensor, runs: tuple[int, ...]) -> None:
        self.share = share
        points = self._seen(point)
        self.fit, few = Fit(points, ndim=len(share.shape)), prod(runs)
        if isinstance(points, np.ndarray):
            few = CACHED // (prod(share.shape) * points.itemsize)
        self.blocks = [_Block(share, cut, points) for cut in cuts_of(runs, few)]
        self.set(optimizer)
        for block in self.blocks:
            block.begin()

    def _seen(self, tensor: torch.Tensor) -> Any:
        return tensor if len(self.share.shape) > 1 else _for_rules(tensor)

    def set(self, optimizer: Any) -> None:
        """Take this share's rule of an optimizer."""
        rule = self.share.rule(optimizer)
        self.for_at, for_step = self.fit.for_at(rule), self.fit.for_step(rule)
        for block in self.blocks:
            block.rule = part(for_step, block.cut)

    def write(self, theta: torch.Tensor, of: Callable[[_Block], Any]) -> None:
        """Write into θ of all what a function gives for each block."""
        flat = self._seen(theta)
        for block in self.blocks:
            self.share.put(flat[block.runs], of(block))

    def step(self, t: int, grad: torch.Tensor) -> None:
        """Step t of all blocks."""
        at, grads = self.fit.values(self.for_at.at(t)), self._seen(grad)
        for block in self.blocks:
            block.step(grads, at)


class _Block:
    """Some networks' share of the parameters: their θ and state, and the rule with their hyperparameters.

    Parameters
    ----------
    share : of which parameters.
    runs : which networks of the family.
    theta : θ of the family.
    """

    rule: Rule

    def __init__(self, share: Share, runs: Cut, theta: Any) -> None:
        self.share, self.runs = share, runs
        self.cut = (*runs, *[slice(None)] * len(share.shape))
        self.theta = share.of(theta[runs]) + 0  # a copy

    def begin(self) -> None:
        self.state = self.rule.init(self.theta, zeros_like(self.theta))

    def step(self, grad: Any, at: dict[str, Any]) -> None:
        here = {name: cut_out(v, self.cut) if hasattr(v, "shape") else v for name, v in at.items()}
        self.theta, new = self.rule.step(self.theta, self.share.of(grad[self.runs]), self.state, here)
        self.state = carried(self.state, new)


class _ByKernel:
    """Moves all the networks of a grid by one compiled kernel of the rule; by one for each share of their
    parameters, if there are several."""

    def __init__(
        self,
        optimizer: Any,
        schedule: Schedule | None,
        theta: torch.Tensor,
        seeds: tuple,
        shares: list[Share],
    ) -> None:
        _, self.point = _family(optimizer, theta, seeds, shares)
        self.schedule, self.given, self.shares = schedule, optimizer, shares
        self.now = [share.of(self.point).clone() for share in shares]  # overwritten
        self.fits = [Fit(now, ndim=len(share.shape)) for now, share in zip(self.now, shares, strict=True)]
        self.states = [
            first_state(fit.for_step(share.rule(optimizer)), now)
            for fit, share, now in zip(self.fits, shares, self.now, strict=True)
        ]
        self.compiles = True

    @property
    def theta(self) -> torch.Tensor:
        return self._written(self.now).clone()

    def look(self, t: int) -> torch.Tensor:
        self.rule = self.given if self.schedule is None else _scheduled(self.given, self.schedule, t)
        return self._written(
            [
                fit.for_step(share.rule(self.rule)).look(now, state)
                for fit, share, now, state in zip(self.fits, self.shares, self.now, self.states, strict=True)
            ]
        )

    def _written(self, values: list[torch.Tensor]) -> torch.Tensor:
        if len(values) == 1 and values[0].shape == self.point.shape:
            return values[0]
        for share, value in zip(self.shares, values, strict=True):
            share.put(self.point, value)
        return self.point

    def update(self, t: int, grad: torch.Tensor) -> None:
        for share, fit, now, state in zip(self.shares, self.fits, self.now, self.states, strict=True):
            with np.errstate(all="ignore"):
                at = fit.values(fit.for_at(share.rule(self.rule)).at(t))
            tensors = now, state, share.of(grad).contiguous()
            values = fit.for_step(share.rule(self.rule)), at
            if not (self.compiles and self._by_kernel(tensors, values)):
                by_torch(one_step, Bucket(*tensors), values)

    def _by_kernel(self, tensors: tuple[Any, ...], values: tuple[Any, ...]) -> bool:
        if scope_of(values[0]) == "tensor" and any(isinstance(x, bool) for x in values[1].values()):
            return False  # what is done at some steps only, such as SOAP's basis, would be at all
        try:
            kernel(program_over(one_step), tensors, values, any_length=False)(*tree_leaves(tensors))
        except Failed as error:
            self.compiles = False
            warn_uncompiled(str(error))
        return self.compiles


def _family(
    optimizer: Any, theta: torch.Tensor, seeds: tuple, shares: list[Share]
) -> tuple[tuple[int, ...], torch.Tensor]:
    """The shape of a family of networks, and their θ."""
    runs = runs_shape(optimizer, seed=seeds)
    for rule in {id(rule): rule for rule in (share.rule(optimizer) for share in shares)}.values():
        check_family(rule, runs, _for_rules(theta))
    return runs, theta.expand(*runs, theta.shape[-1]).clone()


def one_step(
    theta: torch.Tensor, state: dict[str, Any], grad: torch.Tensor, rule: Rule, at: dict[str, Any]
) -> tuple[torch.Tensor, dict[str, Any]]:
    """One step of a rule on a family: the new θ and the new state."""
    stepped, new = rule.step(theta, grad, state, at)
    return stepped, carried(state, new)


def _scheduled(optimizer: Any, schedule: Schedule, t: int) -> Any:
    if isinstance(optimizer, Partners):
        return Partners(*[_scheduled(rule, schedule, t) for rule in (optimizer.hidden, optimizer.rest)])
    rule = with_lr(optimizer, lr_of(optimizer) * schedule(t))
    validate(rule)
    return rule


def _for_rules(tensor: torch.Tensor) -> Any:
    """The same memory as a NumPy array, where it is on a CPU."""
    return tensor.numpy() if tensor.device.type == "cpu" else tensor


class _ByTorch:
    """Moves one network for each seed by a torch optimizer, which sees each layer's tensors."""

    def __init__(self, make: MakeOptimizer, network: Any, theta: torch.Tensor) -> None:
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
        return self.network.parts(one)

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
