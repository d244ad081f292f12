"""torch.compile for a program whose rule comes from outside: one with other numbers compiles nothing anew."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import FunctionType
from typing import Any, NamedTuple
from warnings import warn

import torch

from gdcourse.optim.compilation import filled, form_of, parted

VARIANTS = 8
"""torch stops compiling a code object after so many."""


class Kernel(NamedTuple):
    """A program for values of one form. torch.compile makes a variant of it for each shape and kind of its
    inputs, ``made`` in all so far."""

    call: Callable[..., Any]
    made: list[Any]


KERNELS: dict[Any, Kernel] = {}

LAST = threading.local()
"""Of this thread's last call of a kernel: its ``numbers``, as they are and as the vector that stands for
them, and in ``call`` what inductor made for it, and what went in and came out there."""


def compiled(
    program: Callable[..., Any], values: tuple[Any, ...], like: torch.Tensor, kind: Any = None
) -> Callable[..., Any]:
    """``lambda *inputs: program(*inputs, *values)`` as a compiled kernel, compiled when it is first called.

    Parameters
    ----------
    program : has only array arithmetic on tensors in it.
    values : rules, and what their `at` gave. Their numbers reach the kernel in the dtype of `like`; what is
        computed of them alone is computed in double precision.
    like : a tensor of the dtype and device of the inputs.
    kind : what tells apart programs that would each need variants of their own. Default None.
    """
    numbers: list[float] = []
    arrays: list[torch.Tensor] = []
    form = tuple([form_of(value, numbers, arrays) for value in values])
    key = program, kind, form, like.dtype, like.device, torch.get_num_threads()
    if key not in KERNELS or len(KERNELS[key].made) >= VARIANTS:
        KERNELS[key] = _kernel(program, form, like.dtype)
    vector = torch.tensor(numbers, dtype=torch.float64, device=like.device)
    kernel = KERNELS[key].call

    def call(*inputs: Any) -> Any:
        LAST.numbers = numbers, vector
        return kernel(inputs, vector, arrays)

    return call


def _kernel(program: Callable[..., Any], form: tuple[Any, ...], dtype: torch.dtype) -> Kernel:
    made: list[Any] = []

    def kernel(inputs: tuple[Any, ...], numbers: torch.Tensor, arrays: list[torch.Tensor]) -> Any:
        left, rest = iter(numbers.unbind()), iter(arrays)
        return program(*inputs, *[filled(part, left, rest) for part in form])

    def backend(graph: Any, examples: list[Any]) -> Callable[..., Any]:
        precompute, ready = parted(graph, examples, dtype)
        made.append(ready)

        def noted(*inputs: torch.Tensor) -> Any:
            numbers, vector = LAST.numbers
            known = precompute(numbers, vector.device)
            given = [known if x is vector else x for x in inputs]
            got = ready(*given)
            LAST.call = ready, given, got
            return got

        return noted

    code = kernel.__code__.replace(co_name=f"{program.__name__}_kernel")
    own = FunctionType(code, kernel.__globals__, closure=kernel.__closure__)
    return Kernel(torch.compile(own, backend=backend, fullgraph=True, dynamic=False), made)


def warn_that_it_failed(error: Exception, what: str) -> None:
    """Say that torch.compile failed, and that the runs go on uncompiled."""
    reason = f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
    warn(
        f"compile=True: torch.compile failed ({reason}). These {what} uncompiled: the same numbers, "
        "more slowly. On a CPU, torch.compile needs a C++ compiler (g++ or clang++).",
        stacklevel=5,
    )
