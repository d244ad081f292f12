"""What moves in one call of the rule: one parameter as it lies, the rows that a sparse gradient names, or
many tiny parameters side by side in one vector, where calling costs more than copying.

Nothing is kept from step to step: a vector is made for a step and its numbers are handed back. So each
parameter and each tensor of its state has a storage of its own, always."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch._utils import _flatten_dense_tensors, _unflatten_dense_tensors

from gdcourse.rules import Values

SMALL = {"cpu": 2**12}
"""Elements, by type of device: a parameter of fewer is joined with others. From there on, copying one to and
fro takes longer than one more call."""
SMALL_ELSEWHERE = 2**16
"""The same where a call is the start of a kernel on a device."""


MANY = 4
"""Parameters. Fewer are sooner moved one by one."""

STACKED = 2**12
"""Elements. Matrices of no more move in a stack, in one call for all; from there on the products take the time,
and a call is nothing beside it."""

STACK = 2**17
"""Elements of a stack, and of what a rule makes of it on the way: few enough for the processor's cache."""


class Bucket:
    """Tensors that a rule's step reads and overwrites: ``point``, ``memory`` by name, ``grads`` (one, or
    none), all of one shape. `write` hands them back. ``whole``: whether it must not be cut. ``numpy``:
    whether NumPy may compute it."""

    whole = True
    numpy = True

    def __init__(self, point: torch.Tensor, memory: Values, *grads: torch.Tensor) -> None:
        self.point, self.memory, self.grads = point, memory, grads

    def read(self) -> None:
        """Take the parameters' numbers again, if they are copied: they have moved since."""

    def write(self) -> None:
        """Hand back what has been written into ``point`` and ``memory``."""

    def storages(self) -> set[int]:
        """Where the memory begins in which the parameters lie."""
        return {_storage(self.point)}


class Single(Bucket):
    """One parameter, moved where it lies. ``state`` is what it is kept in, and ``memory`` the rule's part."""

    def __init__(
        self, param: torch.Tensor, state: Values, memory: Values, grad: torch.Tensor | None, whole: bool
    ) -> None:
        if grad is not None and (grad.requires_grad or grad.is_neg()):
            grad = grad.detach().resolve_neg()
        self.param = param.detach()
        point = self.param.resolve_neg() if param.is_neg() else self.param  # a copy, or itself
        super().__init__(point, memory, *([] if grad is None else [grad]))
        self.state, self.whole = state, whole

    def storages(self) -> set[int]:
        return {_storage(self.param)}

    def read(self) -> None:
        self.point = self.param.resolve_neg()

    def write(self) -> None:
        if self.point is not self.param:
            self.param.copy_(self.point)
        self.state.update(self.memory)  # what is no tensor is new


class Rows(Bucket):
    """Those rows of a parameter that occur in its sparse gradient."""

    def __init__(self, param: torch.Tensor, state: Values, grad: torch.Tensor) -> None:
        grad = grad.coalesce()  # a new one: each row once, added up
        self.rows, self.param, self.state = tuple(grad.indices()), param, state
        memory = {name: value[self.rows] for name, value in state.items()}
        super().__init__(param.detach()[self.rows], memory, grad.values())

    def write(self) -> None:
        self.param[self.rows] = self.point
        for name, value in self.memory.items():
            self.state[name][self.rows] = value


class Joined(Bucket):
    """Parameters of one dtype and device, one after the other in a vector. What of their state is no number
    for each element is one for all of them, and stands in each of their states."""

    def __init__(
        self,
        params: list[torch.Tensor],
        states: list[Values],
        grads: list[torch.Tensor] | None = None,
        whole: bool = False,
    ) -> None:
        self.params, self.whole = [param.detach() for param in params], whole
        self.parts = {name: [state[name] for state in states] for name in states[0]}
        memory = {name: self._joined(parts) for name, parts in self.parts.items()}
        given = [] if grads is None else [_flatten_dense_tensors([grad.detach() for grad in grads])]
        super().__init__(_flatten_dense_tensors(self.params), memory, *given)

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


class Matrices(Bucket):
    """Parameters of one shape as the matrix, shape ``(n, m)``, that a rule sees: one by itself, several in a
    stack, ``(k, n, m)``. What of their states has a parameter's shape goes along; ``memories`` are the rule's
    parts of them."""

    numpy = False  # its products have threads of their own, which torch.set_num_threads does not reach

    def __init__(
        self,
        params: list[torch.Tensor],
        states: list[Values],
        memories: list[Values],
        grads: list[torch.Tensor],
        seen: tuple[int, ...],
    ) -> None:
        self.params, self.states, self.seen = [param.detach() for param in params], states, seen
        self.parts = {name: [memory[name] for memory in memories] for name in memories[0]}
        self.read()
        memory = {name: self._stacked(parts) for name, parts in self.parts.items()}
        super().__init__(self.point, memory, self._stacked([grad.detach().resolve_neg() for grad in grads]))
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


def stacks(params: list[torch.Tensor], key: Callable[[torch.Tensor], Any]) -> list[list[torch.Tensor]]:
    """Lists of parameters that move as one stack: those of one shape that are equal by ``key``, unless they are
    large, share their memory, or are more than plain tensors; each of these is a list of its own."""
    storages = Counter([_storage(param) for param in params if _is_plain(param)])
    lists: dict[Any, list[torch.Tensor]] = {}
    for place, param in enumerate(params):
        alone = param.numel() > STACKED or not _is_plain(param) or storages[_storage(param)] > 1
        own: Any = place if alone else (param.shape, param.dtype, param.device, key(param))
        lists.setdefault(own, []).append(param)
    cut = []
    for some in lists.values():
        most = max(1, STACK // max(1, some[0].numel()))
        cut += [some[start : start + most] for start in range(0, len(some), most)]
    return cut


def joined(
    params: list[torch.Tensor], key: Callable[[torch.Tensor], Any], all_together: bool
) -> tuple[list[list[torch.Tensor]], list[torch.Tensor]]:
    """Lists of tiny parameters that move together, because they are equal by ``key``; and those that move
    alone: the larger ones, those that share their memory, and any that is more than a plain tensor
    (distributed, fake, or the negative of what lies there).

    ``all_together``: whether neither size nor number matters.
    """
    small = [
        param
        for param in params
        if all_together or param.numel() < SMALL.get(param.device.type, SMALL_ELSEWHERE)
    ]
    if len(small) < MANY and not all_together:
        return [], params
    storages = Counter([_storage(param) for param in small if _is_plain(param)])
    together: dict[Any, list[torch.Tensor]] = {}
    for param in small:
        if _is_plain(param) and (storages[_storage(param)] == 1 or not param.numel()):
            together.setdefault((param.dtype, param.device, key(param)), []).append(param)
    lists = [some for some in together.values() if len(some) >= MANY or all_together]
    inside = {id(param) for some in lists for param in some}
    return lists, [param for param in params if id(param) not in inside]


def each(params: list[torch.Tensor]) -> tuple[list[list[torch.Tensor]], list[torch.Tensor]]:
    """As `joined`, where each is a vector by itself; one that is more than a plain tensor moves as it is, and
    must have one axis.

    Raises
    ------
    ValueError : it has more.
    """
    alone = [param for param in params if not _is_plain(param)]
    for param in alone:
        if param.ndim > 1:
            raise ValueError(
                f"a parameter of shape {tuple(param.shape)} is no plain tensor (distributed, say): it "
                "cannot be taken as one vector, as this rule asks (scope = 'vector')"
            )
    return [[param] for param in params if _is_plain(param)], alone


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


def _is_plain(param: torch.Tensor) -> bool:
    kind = type(param)
    plain = kind is torch.nn.Parameter or kind is torch.Tensor
    return plain and param.layout == torch.strided and not (param.is_inference() or param.is_neg())
