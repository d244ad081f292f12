"""A program of `kernel` as one compiled kernel.

torch.compile follows the program once, on vectors, and writes down what it does. What it does with numbers
alone is taken out of that (`parted`), and done by Python before each step, in double precision; the rest
becomes one loop over the elements. So every number comes from outside: a schedule compiles nothing anew.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from types import FunctionType
from typing import Any
from warnings import warn

import numpy as np
import torch
from torch import fx

from gdcourse.optim.kernel import Program, in_working_dtype, working_dtype
from gdcourse.rules import Rule


def run_compiled(program: Program, tensors: tuple[Any, ...], values: tuple[Any, ...]) -> bool:
    """Call ``program(*tensors, *values)`` as `kernel.run` does, by one kernel that the first call compiles.

    The tensors are vectors of one length, the state's included. Another length compiles nothing anew.

    Returns
    -------
    Whether it was done. If not, torch.compile failed, nothing was overwritten, and the first time a
    warning said why.
    """
    point, memory = tensors[:2]
    numbers = [1.0]
    form = tuple([form_of(value, numbers, []) for value in values])
    dtypes = tuple([tensor.dtype for tensor in (point, *memory.values(), *tensors[2:])])
    kind = (program, form, tuple(memory), dtypes, point.device, torch.get_num_threads())
    first = kind not in KERNELS
    try:
        if first:
            KERNELS[kind] = _kernel(program, form, tensors, len(numbers))
        kernel = KERNELS[kind]
        if kernel is not None:
            kernel(tensors, numbers)
        return kernel is not None
    except Exception as error:  # of whichever of the compiler's many kinds
        if not first:
            raise
        KERNELS[kind] = None
        lines = [line for line in str(error).strip().splitlines() if not line.endswith("raised:")]
        _warn_once(f"{type(error).__name__}: {lines[0] if lines else ''}")
        return False


Kernel = Callable[[tuple[Any, ...], list[float]], Any]

KERNELS: dict[Any, Kernel | None] = {}
"""This process's kernels, by what they were compiled for; None where that failed."""


def _kernel(program: Program, form: tuple[Any, ...], like: tuple[Any, ...], count: int) -> Kernel:
    """Compile a program, for tensors such as these and so many numbers.

    What torch.compile gives looks anew before each call whether everything is what it was compiled for.
    `run_compiled` knows that by its key: it gets what the compiler made, without those looks, which take
    several times as long as the start of the kernel.
    """

    def kernel(tensors: tuple[Any, ...], numbers: torch.Tensor) -> None:
        one, *rest = numbers.unbind()
        left = iter(rest)
        result, new = program(*in_working_dtype(tensors), *[filled(part, left, iter(())) for part in form])
        point, memory = tensors[:2]
        # Where a rule hands back an input, torch 2.13 would read it after overwriting it. A product with a
        # number that the compiler does not know is computed before.
        result, new = result * one, {name: value * one for name, value in new.items()}
        for name, value in new.items():
            memory[name].copy_(value)
        point.copy_(result)

    made: list[Any] = []

    def backend(graph: fx.GraphModule, examples: list[Any]) -> Callable[..., Any]:
        precompute, run = parted(graph, examples, working_dtype(like[0]))

        def noted(*inputs: Any) -> tuple[()]:
            made.extend((precompute, run, inputs))
            return ()

        return noted

    # torch stops compiling a code object after 8 variants, without a word: each kernel has its own.
    code = kernel.__code__.replace(co_name=f"{program.__name__}_kernel")
    own = FunctionType(code, kernel.__globals__, closure=kernel.__closure__)
    stand_ins = _stand_ins(like)
    numbers = torch.ones(count, dtype=torch.float64, device=like[0].device)
    torch._dynamo.mark_static(numbers)  # its length is no parameter's, even if the two are equal once
    torch.compile(own, backend=backend, fullgraph=True, dynamic=True)(stand_ins, numbers)
    if not made:
        raise RuntimeError("it is switched off, by TORCHDYNAMO_DISABLE or torch.compiler.set_stance")
    precompute, run, inputs = made
    places = {id(tensor): place for place, tensor in enumerate([numbers, *_in_a_row(stand_ins)])}
    length = len(places)
    order = [places[id(given)] if isinstance(given, torch.Tensor) else length for given in inputs]

    last: tuple[list[float] | None, Any] = None, None

    def call(tensors: tuple[Any, ...], numbers: list[float]) -> None:
        nonlocal last
        point = tensors[0]
        if last[0] != numbers:
            last = numbers, precompute(numbers, point.device)
        given = [last[1], *_in_a_row(tensors), point.numel()]
        run(*[given[place] for place in order])
        if point.device.type != "cpu":  # what was made while a graph was captured holds nothing outside of it
            last = None, None

    return call


def inductor(graph: fx.GraphModule, examples: list[Any]) -> Callable[..., Any]:
    """What torch.compile makes of a graph, for as many cores as torch uses now.

    It keeps what it made on the disk, and would give it back to a process with another number of cores; its
    settings it tells apart. A loop of several steps has more parts than it would fuse unless told to, and
    cut in two it would hand every step's θ over in memory.
    """
    with torch._inductor.config.patch({"cpp.threads": torch.get_num_threads(), "max_fusion_size": 256}):
        return torch._dynamo.lookup_backend("inductor")(graph, examples)


ARITHMETIC = {operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.neg}


def parted(
    graph: fx.GraphModule, examples: list[Any], dtype: torch.dtype
) -> tuple[Callable[[list[float], torch.device], torch.Tensor], Callable[..., Any]]:
    """Take out of a graph what it computes of numbers alone, and compile the rest.

    Parameters
    ----------
    graph : of a program with an argument ``numbers``, a vector of which it only knows ``numbers.unbind()``.
    examples : its inputs, as torch.compile gives them to a backend.
    dtype : what the rest gets in place of the numbers.

    Returns
    -------
    What computes it from numbers, in double precision, as a vector on a device; and what inductor made of
    the rest, which takes that vector where the graph took the numbers.
    """
    apart = fx.Graph()
    inputs = [node for node in graph.graph.nodes if node.op == "placeholder"]
    of_numbers = [node for node in graph.graph.nodes if node.args and node.args[0] in inputs]
    unbound = next((node for node in of_numbers if "numbers" in node.args[0].name), None)
    if unbound is None:  # there are none
        return lambda *_: torch.empty(0), inductor(graph, examples)
    moved = {unbound: apart.placeholder("numbers")}
    once: dict[Any, fx.Node] = {}  # several steps in one graph compute the same
    for node in graph.graph.nodes:
        numbers = node.args[:1] == (unbound,)
        known = node.target in ARITHMETIC and all(x in moved for x in node.all_input_nodes)
        if numbers or known:
            key = node.target, *[moved.get(x, x) for x in node.args]
            moved[node] = once[key] = once.get(key) or apart.node_copy(node, moved.__getitem__)
    del moved[unbound]
    outside = [node for node in moved if any(user not in moved for user in node.users)]
    needed = [*dict.fromkeys(moved[node] for node in outside)]
    apart.output(needed)
    with graph.graph.inserting_after(unbound):
        parts = [graph.graph.call_function(operator.getitem, (unbound, i)) for i in range(len(needed))]
    for node in outside:
        part = parts[needed.index(moved[node])]
        node.replace_all_uses_with(part, delete_user_cb=lambda user: user not in moved)
    for node in reversed(list(moved)):
        graph.graph.erase_node(node)
    graph.recompile()
    compute = fx.GraphModule({}, apart).forward

    def precompute(numbers: list[float], device: torch.device) -> torch.Tensor:
        with np.errstate(all="ignore"):  # as torch, which goes on with ∞ or NaN without a word
            return _on_device(compute(np.array(numbers)), dtype, device)

    place = inputs.index(unbound.args[0])
    examples[place] = examples[place].new_empty(len(needed), dtype=dtype)
    return precompute, inductor(graph, examples)


def _in_a_row(tensors: tuple[Any, ...]) -> list[torch.Tensor]:
    point, memory, *rest = tensors
    return [point, *memory.values(), *rest]


def _stand_ins(tensors: tuple[Any, ...]) -> tuple[Any, ...]:
    """Vectors for a kernel to be compiled on, in place of those that it is for: what torch.compile makes for
    a view of a matrix serves such views alone, and what it makes for a short vector uses one core."""
    point, memory, *rest = tensors
    stand_in = {name: vector.new_empty(LONG) for name, vector in memory.items()}
    return point.new_empty(LONG), stand_in, *[vector.new_empty(LONG) for vector in rest]


LONG = 2**20
"""Elements, enough for every core to get a share."""


def _on_device(numbers: list[float], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """The numbers as a vector, brought there without waiting for the device."""
    vector = torch.from_numpy(np.array(numbers)).to(dtype)
    if device.type == "cpu":
        return vector
    return (vector.pin_memory() if device.type == "cuda" else vector).to(device, non_blocking=True)


@cache
def _warn_once(reason: str) -> None:
    warn(
        f"compile=True: torch.compile failed ({reason}). The uncompiled rule is used instead: the same "
        "numbers, more slowly. On a CPU, torch.compile needs a C++ compiler (g++ or clang++).",
        stacklevel=2,
    )


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
    return "fixed", value


def _form_of_item(value: Any, numbers: list[float], arrays: list[torch.Tensor]) -> Any:
    if isinstance(value, bool):
        numbers.append(float(value))
        return "choice", None
    return form_of(value, numbers, arrays)


@cache
def names_of(kind: type[Rule]) -> tuple[str, ...]:
    """The names of a rule's hyperparameters."""
    return tuple(field.name for field in fields(kind) if field.init) if is_dataclass(kind) else ()


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
    return kind(**{name: filled(part, numbers, arrays) for name, part in parts})
