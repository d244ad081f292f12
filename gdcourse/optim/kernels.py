"""A program as one compiled kernel, for whatever numbers: a schedule, or another rule of the kind, compiles
nothing anew.

The program is called once, on tensors that only note what is done with them (`make_fx`); inductor makes a
loop of the notes. Its numbers come in as one vector in double precision. What a kernel is for, its arguments
say, by which `_compiled` keeps it; it holds nothing else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from operator import itemgetter
from threading import RLock, Timer
from typing import Any, NamedTuple
from warnings import catch_warnings, simplefilter

import numpy as np
import torch
from torch.utils import _pytree as pytree

from gdcourse.optim.groups import names_of
from gdcourse.optim.scope import Writes
from gdcourse.problems.problem import Problem
from gdcourse.rules import Rule

LONG = 2**20
"""Elements of the vectors that a kernel for any length is compiled on: enough for every core to get a
share."""


ONE_AT_A_TIME = RLock()
"""Inductor holds settings for the whole process while it compiles."""


class Failed(RuntimeError):
    """torch could not compile a program: its reason, in a line."""


class Like(NamedTuple):
    """What a kernel knows of a tensor. ``shape`` is None where it serves vectors of any length."""

    dtype: torch.dtype
    device: torch.device
    shape: tuple[int, ...] | None
    strides: tuple[int, ...] | None


def kernel(
    program: Callable[..., Any], tensors: Any, values: tuple[Any, ...], any_length: bool
) -> Callable[..., Any]:
    """``program(one, *tensors, *values)`` as a kernel: a function of such tensors in a row.

    Parameters
    ----------
    program : arithmetic and `where` on tensors. What it writes into must have been multiplied by ``one``, a 1
        that the compiler does not know, or an input that it was handed back is read after it was overwritten.
    tensors : any nesting of tensors in tuples and dictionaries.
    values : rules and what their `at` gave; their numbers reach the kernel anew at each call of this
    function.
    any_length : whether the tensors are vectors of one length, and another length is to compile nothing anew.

    Raises
    ------
    Failed : torch cannot compile it, for want of a C++ compiler or because it is more than arithmetic.
    ValueError : a rule writes into what it is given.
    """
    numbers: list[float] = [1.0]
    arrays: list[torch.Tensor] = []
    form = tuple([form_of(value, numbers, arrays) for value in values])
    leaves, spec = pytree.tree_flatten(tensors)
    like = tuple([_like(x, any_length) for x in leaves] + [_like(x, False) for x in arrays])
    try:
        run = _compiled(program, form, spec, like, len(numbers), torch.get_num_threads())
    except Writes:
        raise
    except Exception as error:  # of whichever of the compiler's many kinds
        lines = [line for line in str(error).strip().splitlines() if not line.endswith("raised:")]
        raise Failed(f"{type(error).__name__}: {lines[0] if lines else ''}") from error
    vector = _on_device(numbers, leaves[0].device)
    return partial(run, vector) if not arrays else lambda *leaves: run(vector, *leaves, *arrays)


def _like(x: torch.Tensor, any_length: bool) -> Like:
    if any_length:
        return Like(x.dtype, x.device, None, None)
    return Like(x.dtype, x.device, tuple(x.shape), tuple(x.stride()))


def _stand_in(like: Like) -> torch.Tensor:
    shape, strides = (LONG,) if like.shape is None else like.shape, like.strides
    if strides is None:
        return torch.empty(shape, dtype=like.dtype, device=like.device)
    return torch.empty_strided(shape, strides, dtype=like.dtype, device=like.device)


@cache
def _compiled(
    program: Callable[..., Any], form: Any, spec: Any, like: tuple[Like, ...], count: int, threads: int
) -> Callable[..., Any]:
    made: list[Any] = []

    def flat(numbers: torch.Tensor, *leaves: torch.Tensor) -> list[torch.Tensor]:
        one, *rest = numbers.unbind()
        left, arrays = iter(rest), iter(leaves[spec.num_leaves :])
        given = pytree.tree_unflatten(list(leaves[: spec.num_leaves]), spec)
        out, out_spec = pytree.tree_flatten(
            program(one, *given, *[filled(part, left, arrays) for part in form])
        )
        made.append(out_spec)
        return out

    any_length = any(one.shape is None for one in like)
    numbers = torch.ones(count, dtype=torch.float64, device=like[0].device)
    with ONE_AT_A_TIME, _told(), torch.no_grad():
        from torch._guards import TracingContext, detect_fake_mode, tracing
        from torch._inductor import config
        from torch._inductor.compile_fx import compile_fx_inner
        from torch._inductor.decomposition import select_decomp_table
        from torch.fx.experimental.proxy_tensor import make_fx

        trace = make_fx(
            flat,
            decomposition_table=select_decomp_table(),
            tracing_mode="symbolic" if any_length else "fake",
        )
        graph = trace(numbers, *map(_stand_in, like))
        examples = [node.meta["val"] for node in graph.graph.nodes if node.op == "placeholder"]
        # torch keeps kernels on the disk, and tells their settings apart, not the number of cores. A loop of
        # several steps has more parts than it would fuse, and cut in two it would hand every step's θ over.
        settings = config.patch({"cpp.threads": threads, "max_fusion_size": 256})
        with settings, tracing(TracingContext(detect_fake_mode(examples))):
            run = compile_fx_inner(graph, examples)
    if any_length:
        return _straight(run, [numbers, *map(_stand_in, like)])
    if not made[0].num_leaves:
        return lambda *given: run(list(given))
    return lambda *given: pytree.tree_unflatten(list(run(list(given))), made[0])


def _straight(run: Any, stand_ins: list[torch.Tensor]) -> Callable[..., Any]:
    """What calls the one loop that inductor has made, without what inductor puts around it for every case:
    on a
    CPU it looks at nothing but where its tensors begin and how many elements there are, so that tensors of
    any shape may be given, if they lie alike and without gaps. Where there is more than one loop, or one of
    another kind, inductor's own call, which takes vectors."""

    def by_vectors(*given: torch.Tensor) -> None:
        run([given[0], *[x.as_strided((x.numel(),), (1,), x.storage_offset()) for x in given[1:]]])

    call = getattr(run, "current_callable", None)
    around = getattr(getattr(call, "__func__", call), "__globals__", {})
    loops = [name for name in around if name.startswith("cpp_fused")]
    if stand_ins[0].device.type != "cpu" or len(loops) != 1:
        return by_vectors
    loop, seen = around[loops[0]], []
    around[loops[0]] = lambda *given: seen.append(given)
    try:
        call([*stand_ins])  # type: ignore[misc]
    finally:
        around[loops[0]] = loop
    places = {id(x): place for place, x in enumerate(stand_ins)} | {LONG: len(stand_ins)}
    wanted = [x if isinstance(x, int) else id(x) for x in seen[0]] if len(seen) == 1 else []
    if not wanted or not places.keys() >= {*wanted}:
        return by_vectors
    pick = itemgetter(*[places[x] for x in wanted])
    return lambda *given: loop(*pick((*given, given[1].numel())))


@contextmanager
def _told() -> Iterator[None]:
    """Say what is going on, if it takes more than a moment, and leave out what torch warns of in its own
    insides, which is an error where somebody has made errors of warnings."""
    line = "gdcourse: compiling a kernel (some seconds, once for each kind of rule) …"
    quiet = os.environ.get("GDCOURSE_STATIC", "") not in ("", "0")
    timer = Timer(1.5, lambda: None if quiet else print(line, file=sys.stderr, flush=True))
    timer.daemon = True
    timer.start()
    try:
        with catch_warnings():
            simplefilter("ignore")
            yield
    finally:
        timer.cancel()


def _on_device(numbers: list[float], device: torch.device) -> torch.Tensor:
    """The numbers as a vector, brought there without waiting for the device."""
    vector = torch.tensor(numbers, dtype=torch.float64, device="cpu")
    if device.type == "cpu":
        return vector
    return (vector.pin_memory() if device.type == "cuda" else vector).to(device, non_blocking=True)


# A kernel is compiled for the form of its values: their names and kinds, and what is no number. "choice"
# stands for a yes or no that depends on t; any other bool is a part of the form.


def form_of(value: Any, numbers: list[float], arrays: list[torch.Tensor]) -> Any:
    """What of a value a kernel is compiled for, as a pair (kind, parts); its numbers are appended, a choice
    as 1 or 0, and so are its tensors."""
    if isinstance(value, Rule):
        kind: Any = type(value)
        named = [(name, form_of(getattr(value, name), numbers, arrays)) for name in names_of(kind)]
        return kind, tuple(named)
    if isinstance(value, dict):
        return dict, tuple([(name, _form_of_item(item, numbers, arrays)) for name, item in value.items()])
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        numbers.append(float(value))
        return "number", None
    if isinstance(value, torch.Tensor):
        arrays.append(value)
        return "array", None
    if isinstance(value, Problem):
        named = [(name, form_of(item, numbers, arrays)) for name, item in vars(value).items()]
        return type(value), tuple(named)
    if isinstance(value, np.ndarray):
        arrays.append(torch.from_numpy(value))
        return "array", None
    return "fixed", value


def _form_of_item(value: Any, numbers: list[float], arrays: list[torch.Tensor]) -> Any:
    if isinstance(value, bool):
        numbers.append(float(value))
        return "choice", None
    return form_of(value, numbers, arrays)


def filled(form: Any, numbers: Iterator[Any], arrays: Iterator[torch.Tensor]) -> Any:
    """A value of this form, with its numbers and its tensors taken from iterators."""
    kind, parts = form
    if kind == "number":
        return next(numbers)
    if kind == "choice":
        return next(numbers) != 0
    if kind == "array":
        return next(arrays)
    if kind == "fixed":
        return parts
    named = {name: filled(part, numbers, arrays) for name, part in parts}
    if not issubclass(kind, Problem):
        return kind(**named)
    problem = object.__new__(kind)  # as it was when it had been made
    vars(problem).update(named)
    return problem
