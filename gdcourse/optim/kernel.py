"""One step of a rule on tensors that lie ready: called as it stands, or as one compiled kernel.

`moved` and `pulled` call the rule's own `unlook`, `step`, `look` and `pull`. `run` calls one of the two and
writes the result where its inputs lay; `run_compiled` does the same by a kernel that torch.compile makes
of the same function. A kernel knows the kind of rule. Every number comes from outside, so that a schedule
compiles nothing anew, and what depends on t alone is computed once, not for each element.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from types import FunctionType
from typing import Any
from warnings import warn

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
    dtype = working_dtype(point)
    point, grad = point.to(dtype), grad.to(dtype)
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
    slow = rule.pull(memory[SLOW], looked.unlook(point.to(memory[SLOW].dtype), memory))
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


def run(program: Program, tensors: tuple[Any, ...], values: tuple[Any, ...]) -> None:
    """Call ``program(*tensors, *values)`` and write what it returns over its first two arguments.

    Parameters
    ----------
    program : `moved` or `pulled`.
    tensors : its tensors, the point and the state first; the point is overwritten, and so is the state,
        except for what is no tensor, or changes its shape: that is replaced.
    values : its other arguments.
    """
    result, new = program(*tensors, *values)
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


def run_in_pieces(program: Program, tensors: tuple[Any, ...], values: tuple[Any, ...]) -> None:
    """The same for vectors, on a CPU piece after piece: what a rule makes on the way then stays in its cache,
    and in memory that the process need not ask for again."""
    point, memory = tensors[:2]
    size = PIECE // point.element_size() if point.device.type == "cpu" else point.numel()
    if point.numel() <= size:
        run(program, tensors, values)
        return
    for start in range(0, point.numel(), size):
        cut = slice(start, start + size)
        part = {name: vector[cut] for name, vector in memory.items()}
        run(program, (point[cut], part, *[vector[cut] for vector in tensors[2:]]), values)


PIECE = 15 * 2**13
"""Bytes. From 2¹⁷ on the C library asks the system for fresh memory each time, which is 5 times slower, and
torch shares out the elements of float32 among threads, which then wait for each other."""


def run_compiled(program: Program, tensors: tuple[Any, ...], values: tuple[Any, ...]) -> bool:
    """The same by one kernel, which the first call of its kind compiles.

    The tensors are vectors of one length, the state's included. Another length compiles nothing anew.

    Returns
    -------
    Whether it was done. If not, torch.compile failed, nothing was overwritten, and the first time a
    warning said why.
    """
    point, memory = tensors[:2]
    numbers = [1.0]
    form = tuple([form_of(value, numbers) for value in values])
    dtypes = tuple([tensor.dtype for tensor in (point, *memory.values(), *tensors[2:])])
    kind = (program, form, tuple(memory), dtypes, point.device)
    first = kind not in KERNELS
    try:
        if first:
            KERNELS[kind] = new = _kernel(program, form)
            new(_stand_ins(tensors), _on_device(numbers, point.device))
        kernel = KERNELS[kind]
        if kernel is not None:
            kernel(tensors, _on_device(numbers, point.device))
        return kernel is not None
    except Exception as error:  # of whichever of the compiler's many kinds
        if not first:
            raise
        KERNELS[kind] = None
        _warn_once(f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}")
        return False


KERNELS: dict[Any, Callable[..., None] | None] = {}
"""This process's kernels, by what they were compiled for; None where that failed."""


def _kernel(program: Program, form: tuple[Any, ...]) -> Callable[..., None]:
    def kernel(tensors: tuple[Any, ...], numbers: torch.Tensor) -> None:
        one, *rest = numbers.unbind()
        left = iter(rest)
        result, new = program(*tensors, *[filled(part, left) for part in form])
        point, memory = tensors[:2]
        # Where a rule hands back an input, torch 2.13 would read it after overwriting it. A product with a
        # number that the compiler does not know is computed before.
        result, new = result * one, {name: value * one for name, value in new.items()}
        for name, value in new.items():
            memory[name].copy_(value)
        point.copy_(result)

    # torch stops compiling a code object after 8 variants, without a word: each kernel has its own.
    code = kernel.__code__.replace(co_name=f"{program.__name__}_kernel")
    own = FunctionType(code, kernel.__globals__, closure=kernel.__closure__)
    return torch.compile(own, fullgraph=True, dynamic=True)


def _stand_ins(tensors: tuple[Any, ...]) -> tuple[Any, ...]:
    """Vectors for a kernel to be compiled on. Those that it is for may be views of a matrix: torch would
    compile it for such views alone, and anew for others. What it compiles for these serves all."""
    point, memory, *rest = tensors
    stand_in = {name: vector.new_ones(64) for name, vector in memory.items()}
    return point.new_ones(64), stand_in, *[vector.new_ones(64) for vector in rest]


def _on_device(numbers: list[float], device: torch.device) -> torch.Tensor:
    """The numbers as a vector of double precision, brought there without waiting for the device."""
    vector = torch.tensor(numbers, dtype=torch.float64, pin_memory=device.type == "cuda")
    vector = vector.to(device, non_blocking=True)
    torch._dynamo.mark_static(vector)  # its length is no parameter's, even if the two are equal once
    return vector


@cache
def _warn_once(reason: str) -> None:
    warn(
        f"compile=True: torch.compile failed ({reason}). The uncompiled rule is used instead: the same "
        "numbers, more slowly. On a CPU, torch.compile needs a C++ compiler (g++ or clang++).",
        stacklevel=2,
    )


# A kernel is compiled for the form of its values: their names and kinds, and what is no number. "choice"
# stands for a yes or no that depends on t; any other bool is a part of the form.


def form_of(value: Any, numbers: list[float]) -> Any:
    """What of a value a kernel is compiled for, as a pair (kind, parts); its numbers are appended, a choice
    as 1 or 0."""
    if isinstance(value, Rule):
        kind: Any = type(value)
        return kind, tuple([(name, form_of(getattr(value, name), numbers)) for name in names_of(kind)])
    if isinstance(value, dict):
        return dict, tuple([(name, _form_of_item(item, numbers)) for name, item in value.items()])
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        numbers.append(float(value))
        return "number", None
    return "fixed", value


def _form_of_item(value: Any, numbers: list[float]) -> Any:
    if isinstance(value, bool):
        numbers.append(float(value))
        return "choice", None
    return form_of(value, numbers)


@cache
def names_of(kind: type[Rule]) -> tuple[str, ...]:
    """The names of a rule's hyperparameters."""
    return tuple(field.name for field in fields(kind) if field.init) if is_dataclass(kind) else ()


def filled(form: Any, numbers: Iterator[Any]) -> Any:
    """A value of this form, with its numbers taken from an iterator."""
    kind, parts = form
    if kind == "number":
        return next(numbers)
    if kind == "choice":
        return next(numbers) != 0
    if kind == "fixed":
        return parts
    return kind(**{name: filled(part, numbers) for name, part in parts})
