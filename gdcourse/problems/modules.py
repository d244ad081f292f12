"""torch modules as a network: a reader's own architecture in the place of `Network`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np
import torch
from torch.nn.parameter import is_lazy

from gdcourse.problems.data import Data, Split, as_data, as_dtype
from gdcourse.problems.digits import as_pixels
from gdcourse.problems.hidden import hidden_of
from gdcourse.problems.network import Network, cross_entropy
from gdcourse.problems.transformer import Transformer

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Modules:
    """A torch module in the place of `Network`: a module of its own for each training, one after the other.

    θ holds its parameters, those that ask for gradients, as one vector. What a module remembers beside them,
    such as the averages of a batch norm, stays in it. Training runs it in training mode, examining in
    evaluation mode. What it draws (dropout) depends on the training's seed and step alone, and the caller's
    generators are left as they were.

    Parameters
    ----------
    given : a module, which is copied and left as it is: every training starts from its weights. Or what makes
        one when it is called, such as its class or ``lambda: torch.nn.Sequential(…)``: every seed gets
        weights of its own then, drawn by torch with that seed.
    sample : some inputs, shape ``(B, …)``, of the training's dtype and device.
    loss : of a batch's outputs and targets, a number. Default: the mean cross-entropy, for which targets are
        whole numbers, shape ``(B,)``, or ``(B, T)`` if each example has several, and outputs a score for each
        class, shape ``(B, classes)`` or ``(B, T, classes)``. Targets of shape ``(B,)`` that are no whole
        numbers become ``(B, 1)`` where outputs are.
    classes : how many scores there must be at least, for the cross-entropy. Default 0.
    dtype : of the parameters where inputs are whole numbers. Default: as the module has them.

    Raises
    ------
    TypeError : neither a module nor what makes one, or a loss that is no function.
    ValueError : a module without parameters to train.
    """

    def __init__(
        self,
        given: Any,
        sample: torch.Tensor,
        loss: Loss | None = None,
        classes: int = 0,
        dtype: torch.dtype | None = None,
    ) -> None:
        if not callable(given):
            raise TypeError(f"network must be a gd.problems.Network or a torch module, got {given!r}")
        if loss is not None and not callable(loss):
            raise TypeError(f"loss must be a function of outputs and targets, got {loss!r}")
        self.given, self.sample, self.loss, self.classes = given, sample, loss, classes
        self.dtype = sample.dtype if sample.is_floating_point() else dtype
        self.firsts: dict[int, torch.nn.Module] = {}
        self.seeds = np.zeros((), int)
        self._copies: dict[tuple[int, ...], np.ndarray] = {}
        self._step = 0
        self._outputs: dict[tuple[int, ...], torch.Tensor] = {}
        self._seed_axes, self._own_axes = (
            0,
            2,
        )  # of the last outputs: axes of seeds before a batch, of outputs
        self.shapes = [tuple(p.shape) for p in _trained(self._first(0))]

    @property
    def parameters(self) -> int:
        """P, the number of parameters that are trained."""
        return sum(map(prod, self.shapes))

    @property
    def hidden(self) -> tuple[bool, ...]:
        """Of each part, whether it is taken for a hidden matrix, see `gdcourse.optim.hidden_matrices`."""
        return tuple(hidden_of(self._first(int(self.seeds.flat[0]))).values())

    def init(self, seeds: Any = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
        """θ_0, shape ``(*seeds, P)``; from here on these are the trainings' seeds."""
        self.seeds, self._copies, self._step = np.asarray(seeds), {}, 0
        each = [_flat(_trained(self._first(int(seed)))) for seed in self.seeds.ravel()]
        return torch.stack(each).reshape(*self.seeds.shape, -1)

    def parts(self, theta: torch.Tensor) -> list[torch.Tensor]:
        """θ as views, one for each parameter, shape ``(*runs, …)``."""
        pieces = theta.split([prod(shape) for shape in self.shapes], -1)
        return [
            piece.unflatten(-1, shape) if shape else piece[..., 0]
            for piece, shape in zip(pieces, self.shapes, strict=True)
        ]

    def forward(self, theta: torch.Tensor, x: torch.Tensor) -> list[torch.Tensor]:
        """The inputs, and every module's outputs in training mode, shape ``(*runs, B, …)``."""
        runs, self._step = tuple(theta.shape[:-1]), self._step + 1
        self._seed_axes = x.ndim - self.sample.ndim
        xs = self._for_runs(x, runs)
        self._outputs = {}
        for index, module in self._loaded(theta):
            module.train()
            seed = int(np.broadcast_to(self.seeds, runs)[index])
            with torch.enable_grad(), _drawing((seed * 1_000_003 + self._step) % 2**63, x.device):
                self._outputs[index] = self._call(module, xs[index])
        return [x, self._stacked([out.detach() for out in self._outputs.values()], runs)]

    def backward(self, theta: torch.Tensor, outputs: list[torch.Tensor], y: torch.Tensor) -> torch.Tensor:
        """∇J(θ), with θ's shape, by torch's automatic differentiation of the last `forward`."""
        runs = tuple(theta.shape[:-1])
        ys, modules = self._for_runs(y, runs), self._modules(runs)
        grads = torch.zeros_like(theta)
        for index, out in self._outputs.items():
            with torch.enable_grad():
                loss = self._loss(out, ys[index])
            slopes = torch.autograd.grad(
                loss, _trained(modules[index]), allow_unused=True, materialize_grads=True
            )
            grads[index] = _flat(slopes)
        self._outputs = {}
        return grads

    def scores(self, theta: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Every module's outputs in evaluation mode for the same inputs, shape ``(*runs, B, …)``."""
        found, self._seed_axes = [], 0
        with torch.no_grad():
            for _, module in self._loaded(theta):
                module.eval()
                found.append(self._call(module, x))
        return self._stacked(found, tuple(theta.shape[:-1]))

    def loss_of(self, scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The loss of the last outputs, shape ``(*runs,)``."""
        runs = tuple(scores.shape[: scores.ndim - self._own_axes])
        ys = self._for_runs(y, runs)
        found = [self._loss(scores[index], ys[index]) for index in np.ndindex(*runs)]
        return torch.stack(found).reshape(runs)

    def read(self, theta: torch.Tensor, pictures: Any) -> Any:
        """As `Network.read`, for pictures of as many numbers as this network's inputs have."""
        rows, is_one = as_pixels(pictures, prod(self.sample.shape[1:]))
        theta = torch.as_tensor(theta)
        if not theta.isfinite().all():
            raise ValueError("θ is not finite: the training diverged, and this network reads nothing")
        shaped = rows.to(self.sample).reshape(-1, *self.sample.shape[1:])
        found = self.scores(theta, shaped).argmax(-1).cpu().numpy()
        found = found[..., 0] if is_one else found
        return found if found.ndim else int(found)

    def trained(self, theta: torch.Tensor) -> Any:
        """The modules with these parameters, in evaluation mode: one, or an array of them, shape ``runs``."""
        found = np.empty(tuple(theta.shape[:-1]), object)
        for index, module in self._loaded(theta):
            found[index] = module.eval()
        return found if found.ndim else found[()]

    def _first(self, seed: int) -> torch.nn.Module:
        """The module that a training with this seed starts from."""
        if seed not in self.firsts:
            with _drawing(seed, self.sample.device):
                is_module = isinstance(self.given, torch.nn.Module)
                module = deepcopy(self.given) if is_module else self.given()
                if not isinstance(module, torch.nn.Module):
                    raise TypeError(
                        "network must be a gd.problems.Network, a torch module or what makes one; it made "
                        f"{type(module).__name__}"
                    )
                module = module.to(device=self.sample.device, dtype=self.dtype)
                if any(map(is_lazy, module.parameters())):
                    with torch.no_grad():
                        module(self.sample)
            if not _trained(module):
                raise ValueError(f"{type(module).__name__} has no parameters to train")
            self.firsts[seed] = module
        return self.firsts[seed]

    def _modules(self, runs: tuple[int, ...]) -> np.ndarray:
        """A module for each training of a family."""
        if runs not in self._copies:
            seeds = np.broadcast_to(self.seeds, runs)
            copies = np.empty(runs, object)
            for index in np.ndindex(*runs):
                copies[index] = deepcopy(self._first(int(seeds[index])))
            self._copies[runs] = copies
        return self._copies[runs]

    def _loaded(self, theta: torch.Tensor) -> Iterator[tuple[tuple[int, ...], Any]]:
        """Each training's place and its module, with its θ in it."""
        modules = self._modules(tuple(theta.shape[:-1]))
        for index in np.ndindex(*modules.shape):
            with torch.no_grad():
                for param, part in zip(_trained(modules[index]), self.parts(theta[index]), strict=True):
                    param.copy_(part)
            yield index, modules[index]

    def _call(self, module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
        try:
            out = module(x)
        except Exception as error:
            error.add_note(f"The network was given inputs of shape {tuple(x.shape)}, {x.dtype}.")
            raise
        if not isinstance(out, torch.Tensor) or len(out) != len(x):
            got = tuple(out.shape) if isinstance(out, torch.Tensor) else type(out).__name__
            raise ValueError(f"the network must return one output for each of {len(x)} inputs, got {got}")
        self._own_axes = out.ndim
        return out

    def _loss(self, out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if self.loss is None:
            self._check_scores(out, y)
            return cross_entropy(out.flatten(0, -2), y.flatten())
        if y.is_floating_point() and out.shape == (*y.shape, 1):
            y = y[..., None]  # else they would broadcast to (B, B)
        loss = self.loss(out, y)
        if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
            raise ValueError(f"loss must return one number for a batch, got {loss!r}"[:200])
        return loss.reshape(())

    def _check_scores(self, out: torch.Tensor, y: torch.Tensor) -> None:
        """Raise ValueError unless there is a score for each class and label."""
        if out.shape[:-1] != y.shape:
            wanted = ", ".join(["examples", *map(str, y.shape[1:]), "classes"])
            last = out.ndim == y.ndim + 1 and out.movedim(1, -1).shape[:-1] == y.shape
            raise ValueError(
                f"the network must return scores of shape ({wanted}) for labels of shape {tuple(y.shape)}, "
                f"or be given a loss= that takes what it returns; it returned {tuple(out.shape)}"
                f"{': classes come last here, out.movedim(1, -1)' if last else ''}"
            )
        if out.shape[-1] < self.classes:
            raise ValueError(
                f"the network must return a score for each of {self.classes} labels, 0 … {self.classes - 1}; "
                f"it returned {out.shape[-1]}"
            )

    def _for_runs(self, x: torch.Tensor, runs: tuple[int, ...]) -> torch.Tensor:
        """Each training's own batch, or targets."""
        return x.expand(*runs, *x.shape[self._seed_axes :])

    @staticmethod
    def _stacked(each: list[torch.Tensor], runs: tuple[int, ...]) -> torch.Tensor:
        return torch.stack(each).reshape(*runs, *each[0].shape)


def _trained(module: Any) -> list[torch.nn.Parameter]:
    return [param for param in module.parameters() if param.requires_grad]


def _flat(tensors: Any) -> torch.Tensor:
    return torch.cat([tensor.detach().flatten() for tensor in tensors])


@contextmanager
def _drawing(seed: int, device: torch.device) -> Iterator[None]:
    """torch's generators as this seed sets them, and afterwards as they were."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def as_network(
    network: Any, data: Any, loss: Loss | None = None, dtype: Any = None, device: Any = None
) -> tuple[Network | Transformer | Modules, Data]:
    """A network and data that fit each other, for `train`.

    Parameters
    ----------
    network : a `Network`, a `Transformer`, or what `Modules` takes.
    data : what `as_data` takes. Its inputs become floating-point numbers, float64 if they are whole numbers,
        but for a transformer or a module with an embedding, which look whole numbers up. A `Network` gets
        them in rows.
    loss : as for `Modules`; ours learn by the cross-entropy.
    dtype, device : of the training. Default: as `kind_of` says, and the data's.

    Raises
    ------
    TypeError, ValueError : what does not fit; the message says which sizes would.
    """
    data = as_data(data)
    for kind in (Network, Transformer):
        if isinstance(network, type) and issubclass(network, kind):
            raise TypeError(f"network is a class: make one, as in gd.problems.{kind.__name__}()")
        if isinstance(network, kind) and loss is not None:
            raise TypeError(f"a {kind.__name__} learns by the cross-entropy: loss= is for a torch module")
    if isinstance(network, Transformer):
        _check_letters(network, data)
        return network, data.to(None, device)
    is_ours = isinstance(network, Network)
    looks_up = not (data.train.x.is_floating_point() or is_ours) and _looks_up(network)
    data = data.to(None if looks_up else kind_of(data, dtype, torch.float64), device)
    classes = _classes(data.train.y) if loss is None else 0
    if not is_ours:
        return Modules(network, data.train.x[:2], loss, classes, as_dtype(dtype)), data
    if data.train.y.ndim > 1:
        raise ValueError(
            f"a Network gives one answer for each example, and y has shape {tuple(data.train.y.shape)}: "
            "letters that follow letters are for a gd.problems.Transformer, or a torch module"
        )
    data = data.with_parts(lambda part: Split(part.x.flatten(1), part.y))
    wanted, has = (network.sizes[0], network.sizes[-1]), (data.train.x.shape[-1], classes)
    if wanted[0] != has[0] or wanted[1] < has[1]:
        sizes = (has[0], *network.sizes[1:-1], max(has[1], 2))
        raise ValueError(
            f"a network of sizes {network.sizes} does not fit examples of {has[0]} numbers with labels up to "
            f"{has[1] - 1}: Network({sizes}) does"
        )
    return network, data


def kind_of(data: Data, dtype: Any = None, default: torch.dtype = torch.float32) -> torch.dtype:
    """The dtype that parameters have: what is asked for; else that of the inputs; where these are whole
    numbers, the default."""
    inputs = data.train.x
    return as_dtype(dtype) or (inputs.dtype if inputs.is_floating_point() else default)


def _check_letters(network: Transformer, data: Data) -> None:
    """Raise ValueError unless a transformer can read these windows."""
    x, y = data.train.x, data.train.y
    if x.is_floating_point() or y.is_floating_point() or x.ndim != 2 or x.shape != y.shape:
        kinds = (f"{str(one.dtype).removeprefix('torch.')} of shape {tuple(one.shape)}" for one in (x, y))
        raise ValueError(
            "a Transformer learns from windows of letters, as gd.text() has them: x and y both hold whole "
            "numbers, shape (N, T); got {} and {}".format(*kinds)
        )
    parts = [part for part in (data.train, data.validation, data.test) if len(part)]
    least, most = (
        getattr(torch.stack([getattr(z, end)() for part in parts for z in (part.x, part.y)]), end)().item()
        for end in ("min", "max")
    )
    if least < 0:
        raise ValueError(f"letters are numbered from 0 on, got {least}")
    if most >= network.symbols or x.shape[1] > network.context:
        fits = replace(
            network, symbols=max(network.symbols, most + 1), context=max(network.context, x.shape[1])
        )
        raise ValueError(
            f"a transformer of {network.symbols} symbols that reads {network.context} letters does not fit "
            f"windows of {x.shape[1]} letters numbered up to {most}: {fits} does"
        )


def _classes(y: torch.Tensor) -> int:
    """How many labels there are."""
    if y.is_floating_point() or (y.numel() and int(y.min()) < 0):
        what = f"{str(y.dtype).removeprefix('torch.')} of shape {tuple(y.shape)} from {float(y.min()):g}"
        raise ValueError(
            "y must hold labels, whole numbers 0, 1, …, one or several for each example, for the "
            f"cross-entropy; got {what}. Other targets need a torch module and a loss, as in "
            "loss=torch.nn.functional.mse_loss"
        )
    return int(y.max()) + 1 if y.numel() else 0


def _looks_up(network: Any) -> bool:
    """Whether a module takes whole numbers, to look them up."""
    with _drawing(0, torch.device("cpu")):
        module = network if isinstance(network, torch.nn.Module) or not callable(network) else network()
    tables = (torch.nn.Embedding, torch.nn.EmbeddingBag)
    return isinstance(module, torch.nn.Module) and any(isinstance(one, tables) for one in module.modules())
