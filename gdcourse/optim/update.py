"""One step of a rule on tensors, and the ways to run it: by torch, by NumPy's views, or by a kernel.

`update` and `pull` call the rule's own methods; nobody else here does. Each takes a point, the state by name,
perhaps a gradient, and values; it returns the new point and new state. `Ways` writes these where the inputs
lay."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import cache, wraps
from typing import Any
from warnings import warn

import numpy as np
import torch

from gdcourse.optim.bucket import PLAIN, Bucket, Matrices
from gdcourse.optim.kernels import Failed, kernel
from gdcourse.optim.scope import check_unwritten, is_ours
from gdcourse.rules import Lookahead, Rule, Values, where

Program = Callable[..., tuple[torch.Tensor, Values]]
Then = Callable[[], None]
Arrays = tuple[Any, ...]
"""A point, the state by name, and perhaps a gradient, of NumPy or torch."""

PIECE = 15 * 2**16
"""Bytes that are computed in one go by NumPy: few enough for the processor's cache, and enough for its
threads
not to wait for each other's turn."""

FEW = 2**15
"""Elements. A parameter of no more is computed on the spot; from there on torch shares out an operation among
threads, which then wait for each other."""


def update(
    point: torch.Tensor,
    state: Values,
    grad: torch.Tensor,
    rule: Rule,
    before: Rule,
    at: Values,
    lr: Any,
    weight_decay: Any,
    maximize: bool,
) -> tuple[torch.Tensor, Values]:
    """One step of a rule: the new point and the new state.

    ``before`` is the rule with the hyperparameters by which ``point`` was made (a schedule may have changed
    γ). ``lr`` and ``weight_decay`` are None where the rule has its own, or none is wanted.
    """
    if maximize:
        grad = -grad
    if weight_decay is not None:
        grad = grad + weight_decay * point
    theta = before.unlook(point, state)
    stepped, new = rule.step(theta, grad, state, at)
    if lr is not None:
        stepped = theta + lr * (stepped - theta)
    if left := state.keys() - new.keys():
        _check_not_the_rules(left, rule, theta)
    new = {name: new[name] for name in state if name not in left}
    return rule.look(stepped, new), new


def _check_not_the_rules(names: set[str], rule: Rule, theta: torch.Tensor) -> None:
    """Somebody may keep something of theirs in a parameter's state; what the rule named in `init` it has to
    give back."""
    if missing := names & rule.init(theta, theta).keys():
        raise ValueError(
            f"the step of {type(rule).__name__} does not give {min(missing)!r}, which its init names"
        )


SLOW = "slow"
"""What `pull` calls φ, beside the state of the rule inside."""


def former(name: str) -> str:
    """What `pull` calls the value that a moment of the rule inside had after the last synchronisation."""
    return f"former_{name}"


def pull(point: torch.Tensor, state: Values, rule: Lookahead, before: Rule) -> tuple[torch.Tensor, Values]:
    """Lookahead's synchronisation: the point where θ is φ, and the new φ. A moment goes the same way if its
    `former` value is there."""
    slow = rule.pull(state[SLOW], before.unlook(point, state))
    moments = {
        name: pull_moment(rule, state[former(name)], value)
        for name, value in state.items()
        if former(name) in state
    }
    kept = {former(name): value for name, value in moments.items()}
    return before.look(slow, {**state, **moments}), {SLOW: slow, **moments, **kept}


def pull_moment(rule: Lookahead, before: torch.Tensor, now: torch.Tensor) -> torch.Tensor:
    """A moment after a synchronisation. It stays where it is what it was, or α is 0: a mean square may have
    become infinite, and ∞ − ∞ and 0 · ∞ would be NaN."""
    stays = (before == now) | (rule.alpha == 0)
    return where(stays, before, rule.pull(before, now))


def working_dtype(param: torch.Tensor) -> torch.dtype:
    """float32 for half precision, in which g² and ε vanish; else the parameter's own."""
    return torch.promote_types(param.dtype, torch.float32)


def no_autocast() -> AbstractContextManager[Any]:
    """Inside, `torch.autocast` around a training step does not reach a rule, whose products it would compute
    in half precision."""
    return torch._C._DisableAutocast() if torch._C._is_any_autocast_enabled() else nullcontext()


class Ways:
    """The ways to run a program on buckets, for the length of one optimizer's step.

    Parameters
    ----------
    compiles : whether to use kernels.

    Attributes
    ----------
    failure : why a kernel could not be made, if one could not.
    """

    def __init__(self, compiles: bool) -> None:
        # A mode that looks at every operation (a fake tensor's, a counter's) would see none of a kernel's.
        self.compiles = compiles and not torch._C._len_torch_dispatch_stack()
        self.failure: str | None = None
        self._kernels: dict[Any, tuple[Any, Any]] = {}
        self._may: dict[int, tuple[bool, Any]] = {}  # beside it the values, which keeps their id theirs
        self._buckets: list[tuple[Bucket, Then]] = []  # those whose pieces wait, and where they lie
        self._waiting: set[int] = set()
        self._moved: list[torch.Tensor] = []
        self._pieces: deque[tuple[Program, Arrays, tuple[Any, ...]]] = deque()
        self._quiet = np.errstate(all="ignore")  # as torch, which goes on with ∞ and NaN without a word
        self._exact = no_autocast()

    def __enter__(self) -> Ways:
        self._quiet.__enter__()
        self._exact.__enter__()
        return self

    def __exit__(self, *_: Any) -> None:
        self._exact.__exit__(None, None, None)
        self._quiet.__exit__(None, None, None)

    def run(
        self, program: Program, bucket: Bucket, values: tuple[Any, ...], then: Then = lambda: None
    ) -> None:
        """Call ``program`` on a bucket's tensors and values, in the way that is fastest for them. The results
        are there after `finish`; ``then`` is called once these are, so that what it notes is never ahead of
        them, nor behind where the next bucket's rule raises."""
        if self._waiting and self._waiting & bucket.storages():  # tied: one step after the other
            self.finish()
            bucket.read()
        queued = len(self._pieces)
        if not (self.compiles and self._by_kernel(program, bucket, values)):
            self._run(program, bucket, values)
        if len(self._pieces) > queued:
            self._buckets.append((bucket, then))
            self._waiting |= bucket.storages()
        else:
            self._hand_back(bucket, then)

    def _hand_back(self, bucket: Bucket, then: Then) -> None:
        bucket.write()
        then()
        self._moved.append(bucket.point)

    def _run(self, program: Program, bucket: Bucket, values: tuple[Any, ...]) -> None:
        count = bucket.point.numel()
        if not count:
            return
        many = count > FEW and bucket.point.is_cpu
        tensors = alike(bucket) if many and not bucket.whole else None
        if self._numpy_may(values) and _numpy_can(bucket):
            if tensors is None:
                _by_numpy(program, _arrays(bucket), values)
                return
            arrays = _arrays(as_vectors(bucket, tensors))
            size = PIECE // bucket.point.element_size()
            for start in range(0, count, size):
                self._pieces.append((program, _cut(arrays, start, start + size), values))
        elif tensors is None:
            by_torch(program, bucket, values)
        else:
            vectors, size = as_vectors(bucket, tensors), FEW
            for start in range(0, count, size):
                cut = _cut((vectors.point, vectors.memory, *vectors.grads), start, start + size)
                by_torch(program, Bucket(*cut), values)

    def _numpy_may(self, values: tuple[Any, ...]) -> bool:
        if id(values) not in self._may:
            self._may[id(values)] = _numpy_may(values), values
        return self._may[id(values)][0]

    def finish(self) -> None:
        """Compute what is left, and hand all results back."""
        if self._pieces:
            self._share_out()
        for bucket, then in self._buckets:
            self._hand_back(bucket, then)
        # autograd does not see what NumPy and a kernel have changed
        torch.autograd.graph.increment_version(self._moved)
        self._buckets, self._waiting, self._moved = [], set(), []

    def _share_out(self) -> None:
        """Compute the pieces, on as many threads as torch uses."""
        _keep_memory()
        threads = min(torch.get_num_threads(), len(self._pieces))
        if threads < 2:
            self._work()
            return
        with ThreadPoolExecutor(threads - 1) as others:
            futures = []
            with suppress(RuntimeError):  # none is to be had, as once the main thread has ended
                for _ in range(threads - 1):
                    futures.append(others.submit(self._work))
            self._work()
            for future in futures:
                future.result()

    def _work(self) -> None:
        with np.errstate(all="ignore"):  # which is each thread's own
            while True:
                try:
                    program, arrays, values = self._pieces.popleft()
                except IndexError:
                    return
                _by_numpy(program, arrays, values)

    def _by_kernel(self, program: Program, bucket: Bucket, values: tuple[Any, ...]) -> bool:
        as_matrices = isinstance(bucket, Matrices) and program is update and not _chooses(values)
        tensors = _plain(bucket) if as_matrices else None if bucket.whole else alike(bucket)
        if tensors is None:
            return False
        shapes = [(x.shape, x.stride()) for x in tensors] if as_matrices else []
        key = program, id(values), bucket.point.device, *[x.dtype for x in tensors], *shapes
        if key not in self._kernels:  # beside it the values, which keeps their id from being given anew
            vectors = bucket if as_matrices else as_vectors(bucket, tensors)
            given = vectors.point, vectors.memory, *vectors.grads
            try:
                made = kernel(program_over(program), given, values, any_length=not as_matrices)
                self._kernels[key] = made, values
            except Failed as error:
                self.failure, self.compiles = str(error), False
                return False
        self._kernels[key][0](*tensors)
        return True


def _keep_memory() -> None:
    """Have the C library (glibc's) keep freed memory of some megabytes. It learns from what is freed what a
    program uses again; until then it takes every temporary from the system anew, five times as slow."""
    np.empty(2**20)


@cache
def program_over(program: Program) -> Callable[..., list[Any]]:
    """A program that writes its results over its inputs, for `kernel`."""

    def over(one: torch.Tensor, point: torch.Tensor, memory: Values, *others: Any) -> list[Any]:
        result, new = _watched(program, in_working_dtype(point, memory, others))
        # Where a rule hands back an input, it would be read after it has been overwritten. A product with a
        # number that the compiler does not know is computed before.
        result, new = result * one, {name: value * one for name, value in new.items()}
        for name, value in new.items():
            memory[name].copy_(value)
        point.copy_(result)
        return []

    over.__name__ = program.__name__
    return over


def in_working_dtype(point: torch.Tensor, memory: Values, others: tuple[Any, ...]) -> tuple[Any, ...]:
    """A program's arguments, with the point and the gradient in the dtype in which a step is computed."""
    dtype = working_dtype(point)
    cast = [x.to(dtype) if isinstance(x, torch.Tensor) and x.shape == point.shape else x for x in others]
    return point.to(dtype), memory, *cast


def _in_its_dtype(bucket: Bucket) -> Values:
    """The state in the dtype in which a step is computed: `torch.nn.Module.double` changes a parameter's and
    not its state's, and torch multiplies no matrices of two. A reader's rule may keep another on purpose."""
    dtype = working_dtype(bucket.point)
    return {
        name: x.to(dtype) if isinstance(x, torch.Tensor) and x.is_floating_point() else x
        for name, x in bucket.memory.items()
    }


def by_torch(program: Program, bucket: Bucket, values: tuple[Any, ...]) -> None:
    """A program by torch's operations. What it gives is written over its inputs, but for what is no tensor or
    changes its shape: that is replaced.

    Raises
    ------
    ValueError : a reader's rule has written into the point or the gradient. Then nothing is overwritten here.
    """
    point, memory = bucket.point, bucket.memory
    given = _in_its_dtype(bucket) if isinstance(bucket, Matrices) and is_ours(values[0]) else memory
    result, new = _watched(program, (*in_working_dtype(point, given, bucket.grads), *values))
    # A rule may hand back an input. Then it is copied, before the inputs are overwritten.
    inputs = {id(x) for x in (*memory.values(), *bucket.grads)}
    inputs |= {a for x in (point, *memory.values(), *bucket.grads) if (a := _address(x)) is not None}

    def apart(value: Any) -> Any:
        taken = isinstance(value, torch.Tensor) and (id(value) in inputs or _address(value) in inputs)
        return value.clone() if taken else value

    new, result = {name: apart(value) for name, value in new.items()}, apart(result)
    into, numbers = [point], [result]
    for name, value in new.items():
        if getattr(memory[name], "shape", None) in (point.shape, getattr(value, "shape", ())):
            into.append(memory[name])
            numbers.append(torch.as_tensor(value))
        else:
            memory[name] = value
    if _is_distributed(point):
        for old, value in zip(into, numbers, strict=True):
            old.copy_(value)
    else:
        torch._foreach_copy_(into, numbers)


def _watched(program: Program, given: tuple[Any, ...]) -> tuple[torch.Tensor, Values]:
    """What a program gives. A reader's rule gets tensors that tell whether it has written into them."""
    if program is not update or is_ours(given[3]) or _is_distributed(given[0]):
        return program(*given)
    point, memory, grad, rule, *others = given
    point, grad = point.data, grad.data
    result = update(point, memory, grad, rule, *others)
    check_unwritten(rule, point, grad)
    return result


def _is_distributed(tensor: torch.Tensor) -> bool:
    """Whether it is a tensor around others, such as a distributed one, and knows neither lists nor counts."""
    return hasattr(tensor, "__tensor_flatten__")


def _address(value: Any) -> int | None:
    """Where a plain tensor lies; a tensor of another kind, or of none, has no address of its own."""
    return value.data_ptr() if type(value) in PLAIN and value.numel() else None


def _by_numpy(program: Program, arrays: Arrays, values: tuple[Any, ...]) -> None:
    """A program by NumPy, which has the same arithmetic and starts each operation in half the time. The rules
    must give new arrays, none of those that they got."""
    point, memory, *rest = arrays
    result, new = program(point, memory, *rest, *values)
    for name, value in new.items():
        memory[name][...] = value
    point[...] = result


def _arrays(bucket: Bucket) -> Arrays:
    memory = {name: value.numpy() for name, value in bucket.memory.items()}
    return bucket.point.numpy(), memory, *[grad.numpy() for grad in bucket.grads]


def _cut(arrays: Arrays, start: int, stop: int) -> Arrays:
    point, memory, *rest = arrays
    cut = slice(start, stop)
    return point[cut], {name: array[cut] for name, array in memory.items()}, *[x[cut] for x in rest]


NUMPYS = {torch.float32, torch.float64}


def _numpy_can(bucket: Bucket) -> bool:
    """Whether NumPy can read the tensors where they lie."""
    if not bucket.numpy:
        return False
    for x in bucket.tensors():
        if type(x) not in PLAIN or x.dtype not in NUMPYS or not x.is_cpu:
            return False
    return 0 not in bucket.point.stride()  # one number for many elements, which torch refuses


def _numpy_may(values: tuple[Any, ...]) -> bool:
    """Whether the rules are this package's, and no number is a tensor: a reader's own rule may call what only
    torch has, or hand back an input."""
    rules = [value for value in values if isinstance(value, Rule)]
    return all(map(is_ours, rules)) and not any(isinstance(value, torch.Tensor) for value in values)


def alike(bucket: Bucket) -> list[torch.Tensor] | None:
    """The bucket's tensors in a row, if they have one shape and lie alike and without gaps, so that their
    elements may be taken in the order of the memory; else None. A gradient that lies otherwise is copied."""
    point = bucket.point
    tensors = bucket.tensors()
    shape, contiguous = point.shape, True
    for x in tensors:
        if type(x) not in PLAIN or x.shape != shape:
            return None
        contiguous = contiguous and x.is_contiguous()
    if contiguous:
        return tensors
    strides = point.stride()
    if not point.is_contiguous() and torch.empty_like(point, device="meta").stride() != strides:
        return None
    if any(x.stride() != strides for x in bucket.memory.values()):
        return None
    count = 1 + len(bucket.memory)
    return [x if i < count or x.stride() == strides else _laid_as(point, x) for i, x in enumerate(tensors)]


def _plain(bucket: Bucket) -> list[torch.Tensor] | None:
    """The bucket's tensors in a row, if they are nothing more than tensors; else None."""
    tensors = bucket.tensors()
    return tensors if PLAIN.issuperset(map(type, tensors)) else None


def _chooses(values: tuple[Any, ...]) -> bool:
    """Whether something is done at some steps only (SOAP's basis): a kernel would do it at all."""
    return any(isinstance(x, bool) for value in values if isinstance(value, dict) for x in value.values())


def as_vectors(bucket: Bucket, tensors: list[torch.Tensor]) -> Bucket:
    """A bucket with what `alike` gave, each seen as a vector."""
    point, *rest = [x.as_strided((x.numel(),), (1,), x.storage_offset()) for x in tensors]
    count = len(bucket.memory)
    return Bucket(point, dict(zip(bucket.memory, rest[:count], strict=True)), *rest[count:])


def _laid_as(point: torch.Tensor, grad: torch.Tensor) -> torch.Tensor:
    """A copy of the gradient with its elements in the point's order."""
    return torch.empty_like(point, dtype=grad.dtype).copy_(grad)


def never_traced(step: Callable[..., Any]) -> Callable[..., Any]:
    """A step that torch.compile, around it or around a whole loop, calls as it is: it would follow the rule
    into NumPy's views. (`torch.compiler.disable` as a decorator would import the compiler with this package.)
    """

    @wraps(step)
    def as_it_is(self: Any, closure: Any = None) -> Any:
        looking = torch.compiler.is_compiling()  # or running what it could not follow
        if looking or torch._C._dynamo.eval_frame.get_eval_frame_callback() is not None:
            return torch.compiler.disable(step)(self, closure)
        return step(self, closure)

    return as_it_is


def warn_uncompiled(reason: str) -> None:
    """Say that a kernel could not be made, and what happens instead, where this package was called."""
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").partition(".")[0] in ("gdcourse", "torch"):
        level, frame = level + 1, frame.f_back
    wants_one = "compiler" in reason or "C++" in reason
    hint = " On a CPU, compiling needs a C++ compiler (g++ or clang++)." if wants_one else ""
    warn(
        f"compile=True: torch could not compile the rule ({reason}). The uncompiled rule is used instead: "
        f"the same numbers, more slowly.{hint}",
        stacklevel=level,
    )
