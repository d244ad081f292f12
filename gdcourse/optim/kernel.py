"""One step of a rule on tensors that lie ready.

`moved` and `pulled` call the rule's own `unlook`, `step`, `look` and `pull`. `run` calls one of the two and
writes the result where its inputs lay; `run_on_vectors` does the same in the way that is fastest for vectors,
and `compilation.run_compiled` by a kernel made of it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch

from gdcourse.rules import Lookahead, Rule, Values, where

Program = Callable[..., tuple[torch.Tensor, Values]]

SLOW = "slow weights"
"""What `pulled` calls φ, beside the state of the rule inside."""


def former(name: str) -> str:
    """What `pulled` calls the value that a moment of the rule inside had after the last synchronisation."""
    return f"former {name}"


def moved(
    point: torch.Tensor,
    memory: Values,
    grad: torch.Tensor,
    rule: Rule,
    looked: Rule,
    at: Values,
    lr: Any,
    weight_decay: Any,
    maximize: bool,
) -> tuple[torch.Tensor, Values]:
    """One step of a rule: the new point and the new state.

    ``looked`` is the rule with the hyperparameters by which ``point`` was made. ``lr`` and
    ``weight_decay`` are None where the rule has its own, or none is wanted.
    """
    if maximize:
        grad = -grad
    if weight_decay is not None:
        grad = grad + weight_decay * point
    theta = looked.unlook(point, memory)
    stepped, new = rule.step(theta, grad, memory, at)
    if lr is not None:
        stepped = theta + lr * (stepped - theta)
    new = {name: new[name] for name in memory}
    return rule.look(stepped, new), new


def pulled(point: torch.Tensor, memory: Values, rule: Lookahead, looked: Rule) -> tuple[torch.Tensor, Values]:
    """Lookahead's synchronisation: the point where θ is φ, and the new φ. A moment goes the same way if its
    `former` value is there."""
    slow = rule.pull(memory[SLOW], looked.unlook(point, memory))
    moments = {
        name: pulled_moment(rule, memory[former(name)], value)
        for name, value in memory.items()
        if former(name) in memory
    }
    kept = {former(name): value for name, value in moments.items()}
    return looked.look(slow, {**memory, **moments}), {SLOW: slow, **moments, **kept}


def pulled_moment(rule: Lookahead, before: torch.Tensor, now: torch.Tensor) -> torch.Tensor:
    """A moment after a synchronisation. It stays where it is what it was, or α is 0: a mean square may have
    become infinite, and ∞ − ∞ and 0 · ∞ would be NaN."""
    stays = (before == now) | (rule.alpha == 0)
    return where(stays, before, rule.pull(before, now))


def working_dtype(param: torch.Tensor) -> torch.dtype:
    """float32 for half precision, in which g² and ε vanish; else the parameter's own."""
    return torch.promote_types(param.dtype, torch.float32)


def in_working_dtype(tensors: tuple[Any, ...]) -> tuple[Any, ...]:
    """A program's tensors, with the point and what is not state in the dtype in which a step is computed."""
    point, memory, *rest = tensors
    dtype = working_dtype(point)
    return point.to(dtype), memory, *[tensor.to(dtype) for tensor in rest]


def run(program: Program, tensors: tuple[Any, ...], values: tuple[Any, ...]) -> None:
    """Call ``program(*tensors, *values)`` and write what it returns over its first two arguments.

    Parameters
    ----------
    program : `moved` or `pulled`.
    tensors : its tensors, the point and the state first; the point is overwritten, and so is the state,
        except for what is no tensor, or changes its shape: that is replaced.
    values : its other arguments.
    """
    result, new = program(*in_working_dtype(tensors), *values)
    point, memory = tensors[:2]
    # A rule may hand back an input. Then it is copied, before the inputs are overwritten.
    inputs = {t.data_ptr() for t in (*tensors, *memory.values()) if isinstance(t, torch.Tensor)}
    new = {name: _apart(value, inputs) for name, value in new.items()}
    kept = [
        name
        for name, value in new.items()
        if getattr(memory[name], "shape", None) in (point.shape, getattr(value, "shape", ()))
    ]
    torch._foreach_copy_(
        [*[memory[name] for name in kept], point],
        [*[torch.as_tensor(new[name]) for name in kept], _apart(result, inputs)],
    )
    if len(kept) < len(new):
        memory.update({name: value for name, value in new.items() if name not in kept})


def _apart(value: Any, inputs: set[int]) -> Any:
    return value.clone() if isinstance(value, torch.Tensor) and value.data_ptr() in inputs else value


def run_on_vectors(program: Program, tensors: tuple[Any, ...], values: tuple[Any, ...]) -> None:
    """The same for vectors, on a CPU piece after piece: what a rule makes on the way then stays in its cache,
    and in memory that the process need not ask for again."""
    point, memory = tensors[:2]
    size = PIECE // point.element_size() if point.device.type == "cpu" else point.numel()
    by = run_by_numpy if _numpy_can(point, values) else run
    if point.numel() <= size:
        by(program, tensors, values)
        return
    for start in range(0, point.numel(), size):
        cut = slice(start, start + size)
        part = {name: vector[cut] for name, vector in memory.items()}
        by(program, (point[cut], part, *[vector[cut] for vector in tensors[2:]]), values)


def run_by_numpy(program: Program, tensors: tuple[Any, ...], values: tuple[Any, ...]) -> None:
    """The same by NumPy, which has the same arithmetic and starts each operation in half the time.

    The rules must give new arrays, none of those that they got.
    """
    point, memory, *rest = tensors
    to, state = point.numpy(), {name: vector.numpy() for name, vector in memory.items()}
    with np.errstate(all="ignore"):  # as torch, which goes on with ∞ and NaN without a word
        result, new = program(to, state, *[vector.resolve_neg().numpy() for vector in rest], *values)
    for name, value in new.items():
        state[name][...] = value
    to[...] = result
    torch.autograd.graph.increment_version(point)  # autograd does not see that it was changed


def _numpy_can(point: torch.Tensor, values: tuple[Any, ...]) -> bool:
    """Whether NumPy can read the tensors where they lie, and the rules are this package's: a reader's own may
    call what only torch has, or hand back an input."""
    return (
        type(point) is torch.Tensor
        and point.device.type == "cpu"
        and point.dtype in (torch.float32, torch.float64)
        and all(map(_is_ours, map(type, values)))
    )


@cache
def _is_ours(kind: type) -> bool:
    return not issubclass(kind, Rule) or kind.__module__.startswith("gdcourse.rules.")


PIECE = 15 * 2**13
"""Bytes. From 2¹⁷ on the C library asks the system for fresh memory each time, which is 5 times slower, and
torch shares out the elements of float32 among threads, which then wait for each other."""
