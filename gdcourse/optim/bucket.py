"""What moves in one call of the rule: one parameter as it lies, the rows that a sparse gradient names, or
many tiny parameters side by side in one vector, where calling costs more than copying.

Nothing is kept from step to step: a vector is made for a step and its numbers are handed back. So each
parameter and each tensor of its state has a storage of its own, always."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import torch
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors

from gdcourse.optim.groups import Group, memory_of
from gdcourse.optim.scope import initial, is_ours, joins, scope_of, seen_shape
from gdcourse.rules import Rule, Values

SMALL = {"cpu": 2**12}
"""Elements, by type of device: a parameter of fewer is joined with others. From there on, copying one to and
fro takes longer than one more call."""
SMALL_ELSEWHERE = 2**16
"""The same where a call is the start of a kernel on a device."""


MANY = 4
"""Parameters. Fewer are sooner moved one by one."""

STACKED = 2**12
"""Elements. Matrices of no more move in a stack, in one call for all; from there on the products take the
time, and a call is nothing beside it."""

STACK = 2**17
"""Elements of a stack, and of what a rule makes of it on the way: few enough for the processor's cache."""


class Part(NamedTuple):
    """A parameter that moves, with its state and its gradient, if there is one."""

    param: torch.Tensor
    state: Group
    grad: Any

    def in_shape(self) -> bool:
        """Whether all of the state has the parameter's shape."""
        return all(getattr(x, "shape", None) == self.param.shape for x in self.state.values())


class Bucket:
    """Tensors that a rule's step reads and overwrites: ``point``, ``memory`` by name, ``grads`` (one, or
    none), all of one shape. `write` hands them back. ``states`` are those of the parameters that it moves.
    ``whole``: whether it must not be cut. ``numpy``: whether NumPy may compute it."""

    whole = True
    numpy = True
    states: list[Group]

    def __init__(self, point: torch.Tensor, memory: Values, *grads: torch.Tensor) -> None:
        self.point, self.memory, self.grads = point, memory, grads

    def tensors(self) -> list[Any]:
        """All that is read, in a row."""
        return [self.point, *self.memory.values(), *self.grads]

    def read(self) -> None:
        """Take the parameters' numbers again, if they are copied: they have moved since."""

    def write(self) -> None:
        """Hand back what has been written into ``point`` and ``memory``."""

    def storages(self) -> set[int]:
        """Where the memory begins in which the parameters lie."""
        return {_storage(self.point)}


class Single(Bucket):
    """One parameter, moved where it lies. ``memory`` is what the rule reads and overwrites of ``state``."""

    def __init__(
        self, param: torch.Tensor, memory: Values, grad: torch.Tensor | None, state: Group, whole: bool
    ) -> None:
        if grad is not None and (grad.requires_grad or grad.is_neg()):
            grad = grad.detach().resolve_neg()
        self.param = self.point = param.detach()
        if param.is_neg():
            self.point = self.param.resolve_neg()  # a copy
        self.memory, self.grads = memory, () if grad is None else (grad,)
        self.states, self.whole = [state], whole

    def storages(self) -> set[int]:
        return {_storage(self.param)}

    def read(self) -> None:
        self.point = self.param.resolve_neg()

    def write(self) -> None:
        if self.point is not self.param:
            self.param.copy_(self.point)
        self.states[0].update(self.memory)  # what is no tensor is new


class Rows(Bucket):
    """Those rows of a parameter that occur in its sparse gradient."""

    def __init__(self, part: Part) -> None:
        grad = part.grad.coalesce()  # a new one: each row once, added up
        self.rows, self.param, self.states = tuple(grad.indices()), part.param, [part.state]
        memory = {name: value[self.rows] for name, value in memory_of(part.state).items()}
        super().__init__(part.param.detach()[self.rows], memory, grad.values())

    def write(self) -> None:
        self.param[self.rows] = self.point
        for name, value in self.memory.items():
            self.states[0][name][self.rows] = value


class Joined(Bucket):
    """Parameters of one dtype and device, one after the other in a vector. What of their state is no number
    for each element is one for all of them, and stands in each of their states."""

    def __init__(self, parts: list[Part], whole: bool) -> None:
        self.params, self.whole = [part.param.detach() for part in parts], whole
        self.states = [part.state for part in parts]
        memories = [memory_of(state) for state in self.states]
        self.parts = {
            name: some for name, some in _alike(memories).items() if isinstance(some[0], torch.Tensor)
        }
        memory = {name: self._joined(parts) for name, parts in self.parts.items()}
        grads = [part.grad.detach() for part in parts if part.grad is not None]
        grad = [_flatten_dense_tensors(grads)] if grads else []
        super().__init__(_flatten_dense_tensors(self.params), memory, *grad)

    def storages(self) -> set[int]:
        return {_storage(param) for param in self.params}

    def read(self) -> None:
        self.point = _flatten_dense_tensors(self.params)

    def write(self) -> None:
        for into, vector in [
            (self.params, self.point),
            *((self.parts[n], x) for n, x in self.memory.items()),
        ]:
            if self._by_element(into):
                torch._foreach_copy_(into, list(_unflatten_dense_tensors(vector, into)))
            else:
                torch._foreach_copy_(into, [vector.view_as(part) for part in into])

    def _by_element(self, parts: list[torch.Tensor]) -> bool:
        return not self.whole or all(a.shape == p.shape for a, p in zip(parts, self.params, strict=True))

    def _joined(self, parts: list[torch.Tensor]) -> torch.Tensor:
        return _flatten_dense_tensors(parts) if self._by_element(parts) else parts[0].reshape(-1).clone()


def _alike(memories: list[Values]) -> dict[str, list[Any]]:
    """By name what all of some states have, in a list. What somebody else keeps in single states, or is of no
    use side by side, is left where it is."""
    if len(memories) == 1:
        return {name: [value] for name, value in memories[0].items()}
    both = {name: [memory.get(name) for memory in memories] for name in memories[0]}
    return {name: some for name, some in both.items() if all(isinstance(x, torch.Tensor) for x in some)}


class Matrices(Bucket):
    """Parameters of one shape as the matrix, shape ``(n, m)``, that a rule sees: one by itself, several in a
    stack, ``(k, n, m)``. What of their states has a parameter's shape goes along."""

    numpy = False  # its products have threads of their own, which torch.set_num_threads does not reach

    def __init__(self, parts: list[Part], seen: tuple[int, ...]) -> None:
        self.params, self.seen = [part.param.detach() for part in parts], seen
        self.states = [part.state for part in parts]
        memories = [memory_of(state) for state in self.states]
        self.parts = _alike(memories)
        self.read()
        memory = {name: self._stacked(parts) for name, parts in self.parts.items()}
        grad = self._stacked([part.grad.detach().resolve_neg() for part in parts])
        super().__init__(self.point, memory, grad)
        self.before = dict(memory)

    def storages(self) -> set[int]:
        return {_storage(param) for param in self.params}

    def read(self) -> None:
        self.point = self._stacked([param.resolve_neg() for param in self.params])

    def write(self) -> None:
        self._hand_back(self.params, self.point)
        for name, value in self.memory.items():
            if value is self.before[name]:  # overwritten
                self._hand_back(self.parts[name], value)
            else:  # what is no tensor, or has changed its shape, is new
                self.states[0][name] = value

    def _stacked(self, parts: list[Any]) -> Any:
        own = self.params[0].shape
        seen = [
            x.reshape(self.seen) if getattr(x, "shape", None) == own and own != self.seen else x
            for x in parts
        ]
        return seen[0] if len(seen) == 1 else torch.stack(seen)

    def _hand_back(self, parts: list[torch.Tensor], values: torch.Tensor) -> None:
        if len(parts) > 1:
            torch._foreach_copy_(parts, [x.reshape(parts[0].shape) for x in values.unbind()])
        elif values is not parts[0]:
            parts[0].copy_(values.reshape(parts[0].shape))


# ---- which parameters move together ----


def check_shapes(moved: list[tuple[torch.Tensor, Group]], rule: Rule) -> None:
    """Check that the states of parameters that have moved still have their shapes: side by side in one
    vector, another's numbers would else be taken for them, and of matrices one would be stretched to the
    other. A reader's rule whose state has shapes of its own keeps each parameter to itself.

    Raises
    ------
    RuntimeError : a parameter was given another shape after it had moved.
    """
    scope = scope_of(rule)
    if scope == "tensor" and is_ours(rule):
        _check_matrices(moved, rule)
    if not moved or not (joins(rule) or (scope == "vector" and is_ours(rule))):
        return
    shapes = [param.shape for param, _ in moved]
    for name in memory_of(moved[0][1]):
        kept = [state.get(name) for _, state in moved]
        if [getattr(x, "shape", None) for x in kept] == shapes:
            continue
        if name not in (own := _probed(rule)) or (scope == "all" and own[name].shape == (1,)):
            continue  # somebody else's, or one number for all parameters
        for shape, x in zip(shapes, kept, strict=True):
            if getattr(x, "shape", None) != shape:
                raise _other_shape(shape, name, x)


def _check_matrices(moved: list[tuple[torch.Tensor, Group]], rule: Rule) -> None:
    first: dict[torch.Size, Values] = {}
    for param, state in moved:
        if param.shape not in first:
            blank = torch.zeros((), device="meta").expand(param.shape)
            first[param.shape] = initial(rule, blank, blank)
        for name, begin in first[param.shape].items():
            if getattr(begin, "shape", None) != getattr(state[name], "shape", None):
                raise _other_shape(param.shape, name, state[name])


def _other_shape(shape: torch.Size, name: str, kept: Any) -> RuntimeError:
    own = tuple(getattr(kept, "shape", ()))
    return RuntimeError(
        f"a parameter of shape {tuple(shape)} has {name!r} of shape {own} in its state: it was "
        "given another shape after it had moved; forget its state, by optimizer.state.pop(parameter), or "
        "make a new optimizer"
    )


def _probed(rule: Rule) -> Values:
    """What a rule keeps of two numbers."""
    probe = torch.zeros(2, device="cpu")
    return rule.init(probe, probe)


Key = Callable[[Group], Any]
"""What must be the same of two parameters' states for them to move in one call."""


def buckets(parts: list[Part], rule: Rule, key: Key, compiles: bool) -> Iterator[Bucket]:
    """In which calls of the rule the parameters of a group move, which `check_fit` has seen."""
    scope = scope_of(rule)
    sparse = [part for part in parts if part.grad.layout is not torch.strided]
    dense = [part for part in parts if part.grad.layout is torch.strided] if sparse else parts
    lists: list[list[Part]] = []
    alone = dense
    if scope == "tensor":
        # of one shape together, if the rule is known to keep them apart; by a kernel each, for another number
        # of them would be another kernel
        together = is_ours(rule) and not compiles
        for some in stacks(dense, key) if together else [[part] for part in dense]:
            yield Matrices(some, seen_shape(rule, some[0].param.shape))
        alone = []
    elif scope == "vector":
        lists, alone = each(dense)
    elif joins(rule):
        lists, alone = joined(dense, key, scope == "all")
    whole = scope != "element"
    for some in lists:
        yield Joined(some, whole)
    for param, state, grad in alone:
        yield Single(param, memory_of(state), grad, state, whole)
    for part in sparse:
        yield Rows(part)


def check_fit(parts: list[Part], rule: Rule, key: Key) -> None:
    """Check that parameters are to be had as their rule asks for them.

    Raises
    ------
    ValueError : they do not fit into one vector, or one is not to be had as one, and the rule asks for that.
    """
    scope = scope_of(rule)
    if scope == "vector":
        for param, *_ in parts:
            if param.ndim > 1 and not _lies_there(param):
                raise ValueError(
                    f"a parameter of shape {tuple(param.shape)} is no plain tensor (distributed, say): it "
                    "cannot be taken as one vector, as this rule asks (scope = 'vector')"
                )
    if scope != "all":
        return
    dense = [part for part in parts if part.grad.layout is torch.strided]
    lists, alone = joined(dense, key, True) if joins(rule) else ([], dense)
    alone = alone + [part for part in parts if part.grad.layout is not torch.strided]
    if len(lists) + len(alone) > 1 or any(part.param.ndim > 1 for part in alone):
        raise ValueError(
            f"{type(rule).__name__} sums over all parameters of a group (scope = 'all'), and these do not "
            f"fit into one vector: {_what_does_not_fit(parts, rule, key)}. Parameters that differ can have "
            "groups of their own, over each of which is then summed"
        )


def joined(parts: list[Part], key: Key, all_together: bool) -> tuple[list[list[Part]], list[Part]]:
    """Lists of tiny parameters that move together, because they are equal by ``key``; and those that move
    alone: the larger ones, those that share their memory, and any that is more than a plain tensor
    (distributed, fake, or the negative of what lies there).

    ``all_together``: whether neither size nor number matters.
    """
    bounds = {device: SMALL.get(device.type, SMALL_ELSEWHERE) for device in {p.param.device for p in parts}}
    small = [part for part in parts if all_together or part.param.numel() < bounds[part.param.device]]
    if len(small) < MANY and not all_together:
        return [], parts
    storages = Counter([_storage(part.param) for part in small if _lies_there(part.param)])
    together: dict[Any, list[Part]] = {}
    for part in small:
        param = part.param
        if _lies_there(param) and (storages[_storage(param)] == 1 or not param.numel()):
            together.setdefault((param.dtype, param.device, key(part.state)), []).append(part)
    lists = [some for some in together.values() if len(some) >= MANY or all_together]
    inside = {id(part) for some in lists for part in some}
    return lists, [part for part in parts if id(part) not in inside]


def _what_does_not_fit(parts: list[Part], rule: Rule, key: Key) -> str:
    """Why some parameters cannot stand in one vector, as the first that differs shows it."""
    storages = Counter([_storage(part.param) for part in parts if _lies_there(part.param)])
    first = parts[0]
    for param, state, grad in parts:
        one = f"one of shape {tuple(param.shape)}"
        if grad.layout is not torch.strided:
            return f"{one} has a sparse gradient"
        if not _lies_there(param):
            return f"{one} is no plain tensor (distributed, say)"
        if storages[_storage(param)] > 1:
            return f"{one} shares its memory with another"
        for what in ("dtype", "device"):
            if (own := getattr(param, what)) != (other := getattr(first.param, what)):
                return f"{one} has {what} {own}, and others {other}"
        if key(state) != key(first.state):
            return f"{one} has had another number of gradients (None at a step is none: let them be zeros)"
    return f"{type(rule).__name__} has a state of another shape than theirs"


def each(parts: list[Part]) -> tuple[list[list[Part]], list[Part]]:
    """As `joined`, where each is a vector by itself; one that is more than a plain tensor moves as it is, and
    has one axis."""
    alone = [part for part in parts if not _lies_there(part.param)]
    return [[part] for part in parts if _lies_there(part.param)], alone


def stacks(parts: list[Part], key: Key) -> list[list[Part]]:
    """Lists of parameters that move as one stack: those of one shape that are equal by ``key``, unless they
    are large, share their memory, or are more than plain tensors; each of these is a list of its own."""
    storages = Counter([_storage(part.param) for part in parts if _lies_there(part.param)])
    lists: dict[Any, list[Part]] = {}
    for place, part in enumerate(parts):
        param = part.param
        alone = param.numel() > STACKED or not _lies_there(param) or storages[_storage(param)] > 1
        own: Any = place if alone else (param.shape, param.dtype, param.device, key(part.state))
        lists.setdefault(own, []).append(part)
    cut = []
    for some in lists.values():
        most = max(1, STACK // max(1, some[0].param.numel()))
        cut += [some[start : start + most] for start in range(0, len(some), most)]
    return cut


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


PLAIN: set[type] = {torch.Tensor, torch.nn.Parameter}
"""What is a tensor and nothing more: not distributed, fake, or somebody's own kind."""


@cache
def _is_plain(kind: Any) -> bool:
    """Whether a class of tensors only has a name of its own: it changes nothing that torch does with them."""
    by_torch = kind.__torch_dispatch__ is torch.Tensor.__torch_dispatch__
    return by_torch and kind.__torch_function__ is torch.nn.Parameter.__torch_function__


def _lies_there(param: torch.Tensor) -> bool:
    """Whether a parameter's numbers lie in a memory of its own kind, as they are."""
    is_plain = type(param) in PLAIN or _is_plain(type(param))
    return is_plain and param.layout is torch.strided and not param.is_neg()
