"""Where the numbers of a group's parameters lie when a rule is run on them.

A rule works element by element, so that many small tensors may as well be one vector: one call moves them
all. `laid_out` decides which parameters share a vector (a `Block`) and which stand alone (a `Lone`). Either
says which of its parameters move alike (`runs`) and gives out what a step of those needs (`tensors`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import accumulate, groupby
from typing import Any, NamedTuple

import torch
from torch.utils.weak import WeakTensorKeyDictionary

from gdcourse.optim.kernel import working_dtype
from gdcourse.rules import Values

States = dict[torch.Tensor, dict[str, Any]]
Held = list[Any]
"""The state of each parameter of a place; None for one that rests in this step."""

LARGE = 2**17
"""Elements. A parameter from here on stands alone: to copy its gradient beside the others' would take longer
than one more call."""

ALIGNED = 16
"""Elements. In a vector each parameter begins at a multiple of this, where processors load fastest."""


class Run(NamedTuple):
    """Parameters of a place, from ``start`` to before ``stop``, that have had equally many gradients.
    ``look`` has the hyperparameters by which a rule that looks ahead last did; None where it never has."""

    start: int
    stop: int
    look: dict[str, Any] | None


class Place:
    """What `Block` and `Lone` share: the parameters, and how many gradients each has had. ``flat`` says
    whether a step's tensors are vectors, and may be cut anywhere.

    ``state[p]["step"]`` shows the count as torch does. A Python number beside it spares reading the tensor;
    whoever writes into the tensor, or puts another there, is heeded all the same.
    """

    def __init__(self, params: list[torch.Tensor], flat: bool) -> None:
        self.params, self.flat, self.ids = params, flat, set(map(id, params))
        self.signature = [_signature(param) for param in params]
        self.steps = torch.zeros(len(params), dtype=torch.float32)
        self.step_of = self.steps.unbind()
        self.counts, self.version = [0] * len(params), self.steps._version
        # NumPy writes a number in a tenth of torch's time; a fake tensor has none for it.
        self.tally: Any = self.steps.numpy() if type(self.steps) is torch.Tensor else self.steps

    def settle(self) -> bool:
        """Bring home what has been put elsewhere. False if a parameter's shape, type or device is another."""
        return [_signature(param) for param in self.params] == self.signature

    def moving(self, states: States, ids: set[int], init: Callable[[Any, Any], Values]) -> Held:
        """The states of the parameters of these ids, their first ones where they had none."""
        held: Held = [states[param] for param in self.params] if self.ids <= ids else []
        if held and all(held):
            return held
        held = []
        for i, param in enumerate(self.params):
            if id(param) not in ids:
                held.append(None)
                continue
            state = states[param]
            if not state:
                if self.counts[i]:
                    self._count_anew(i)
                state.update(step=self.step_of[i], **first_state(param, init))
            held.append(state)
        return held

    def _count_anew(self, i: int) -> None:
        heeded = self.steps._version == self.version
        self.step_of[i].zero_()
        if heeded:  # else the tensor is going to be read anyway
            self.counts[i], self.version = 0, self.steps._version

    def runs(self, held: Held) -> list[Run]:
        """Those side by side that move alike, for each run of them."""
        strange = [
            (i, float(state["step"]))  # read before another's, perhaps the same tensor, is overwritten
            for i, state in enumerate(held)
            if state is not None and state["step"] is not self.step_of[i]
        ]
        for i, count in strange:
            held[i]["step"] = self.step_of[i].fill_(count)
        if self.steps._version != self.version:
            self.counts, self.version = [int(n) for n in self.steps.tolist()], self.steps._version
        looks = [state and state.get("look") for state in held]
        keys = [(state is not None, n, look) for state, n, look in zip(held, self.counts, looks, strict=True)]
        if keys[0][0] and keys.count(keys[0]) == len(keys):
            return [Run(0, len(keys), looks[0])]
        runs, start = [], 0
        for (moves, _, look), alike in groupby(keys):
            stop = start + sum(1 for _ in alike)
            if moves:
                runs.append(Run(start, stop, look))
            start = stop
        return runs

    def done(self, run: Run) -> int:
        """How many gradients each parameter of a run has had."""
        return self.counts[run.start]

    def counted(self, run: Run) -> None:
        """Add one to the counts of a run."""
        now = self.done(run) + 1
        self.tally[run.start : run.stop] = now
        self.counts[run.start : run.stop] = [now] * (run.stop - run.start)
        self.version = self.steps._version

    def still(self, held: Held, point: torch.Tensor, memory: Values) -> bool:
        """Whether `runs`, `point` and `memory` would give for ``held`` what they gave last, if that still
        holds the same objects."""
        return self.steps._version == self.version and self.settle()

    def point(self, run: Run) -> torch.Tensor:
        """The parameters of a run as one tensor, to be overwritten, once `fetch` has brought them there."""
        raise NotImplementedError

    def fetch(self, run: Run) -> None:
        """Bring into `point` what the parameters hold now."""

    def grad(self, run: Run) -> torch.Tensor:
        """Their gradients, in the same order, to be read."""
        raise NotImplementedError

    def memory(self, run: Run, held: Held, names: Iterable[str], shelf: str = "") -> Values:
        """What their states hold under these names, each as one tensor in the same order, to be overwritten.
        ``shelf`` tells apart what goes by the same name in another optimizer's states."""
        raise NotImplementedError

    def put_back(self, run: Run, held: Held, memory: Values) -> None:
        """Let the parameters and their states have what was written into `point` and `memory`."""
        raise NotImplementedError


class Lone(Place):
    """One parameter that is moved where it lies; seen as a vector if ``flat``."""

    def __init__(self, param: torch.Tensor, flat: bool) -> None:
        super().__init__([param], flat)

    def still(self, held: Held, point: torch.Tensor, memory: Values) -> bool:
        if not (self.flat and super().still(held, point, memory)):
            return False
        here = [self.params[0], *[held[0][name] for name in memory]]  # x.data = y leaves an object the same
        return all(x.data_ptr() == y.data_ptr() for x, y in zip(here, [point, *memory.values()], strict=True))

    def point(self, run: Run) -> torch.Tensor:
        return self._seen(self.params[0].detach())

    def grad(self, run: Run) -> torch.Tensor:
        grad: Any = self.params[0].grad
        return self._seen(self._like_the_parameter(grad)) if self.flat else grad.detach()

    def memory(self, run: Run, held: Held, names: Iterable[str], shelf: str = "") -> Values:
        state = held[0]
        if self.flat:
            for name in names:
                state[name] = self._like_the_parameter(state[name])
        return {name: self._seen(state[name]) for name in names}

    def put_back(self, run: Run, held: Held, memory: Values) -> None:
        if not self.flat:
            held[0].update(memory)  # numbers in it are new

    def _like_the_parameter(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor, or a copy, with its elements in the parameter's order."""
        param = self.params[0]
        if tensor.stride() == param.stride():
            return tensor
        return torch.empty_like(param, dtype=tensor.dtype).copy_(tensor)

    def _seen(self, tensor: torch.Tensor) -> torch.Tensor:
        if not self.flat:
            return tensor
        return tensor.as_strided((tensor.numel(),), (1,), tensor.storage_offset())


class Vector(NamedTuple):
    """A vector for all parameters of a place, its parts in their shapes, and their addresses, from which
    ``x.data = ...`` takes the numbers away."""

    whole: torch.Tensor
    views: list[torch.Tensor]
    homes: list[int]


class Block(Place):
    """Parameters of one type and device whose states lie one after the other in a vector each, and their
    gradients, copied at each step, in another.

    The parameters' own numbers are copied to and fro, or else they move in (``housed``): ``p.data`` becomes
    a part of a vector.
    """

    def __init__(self, params: list[torch.Tensor], housed: bool) -> None:
        super().__init__(params, flat=True)
        self.housed = housed
        room = [-(-max(param.numel(), 1) // ALIGNED) * ALIGNED for param in params]
        self.starts = [0, *accumulate(room)]
        self.points, self.point_of, _ = self._vector(params[0].dtype)
        self.grads, self.grad_of, _ = self._vector(working_dtype(params[0]))
        self.vectors: dict[str, Vector] = {}
        self.addresses: list[int] = []
        self.settle()

    def settle(self) -> bool:
        if [param.data_ptr() for param in self.params] == self.addresses:
            return True
        if not super().settle():
            return False
        if self.housed:
            for param, view in zip(self.params, self.point_of, strict=True):
                if param.data_ptr() != view.data_ptr():
                    view.copy_(param)
                    param.data = view
                    HOUSES[param] = self.points.untyped_storage().data_ptr()
        self.addresses = [param.data_ptr() for param in self.params]
        return True

    def point(self, run: Run) -> torch.Tensor:
        return self._part(self.points, run)

    def fetch(self, run: Run) -> None:
        if not self.housed:
            torch._foreach_copy_(self.point_of[run.start : run.stop], self.params[run.start : run.stop])

    def grad(self, run: Run) -> torch.Tensor:
        grads = [param.grad for param in self.params[run.start : run.stop]]
        torch._foreach_copy_(self.grad_of[run.start : run.stop], grads)  # type: ignore[arg-type]
        return self._part(self.grads, run)

    def memory(self, run: Run, held: Held, names: Iterable[str], shelf: str = "") -> Values:
        """The vectors of a run's state. What ``held`` holds becomes a part of them, if it is none yet."""
        found = {}
        for name in names:
            whole, views, homes = self.vectors.get(shelf + name) or self._new(
                shelf + name, held[run.start][name]
            )
            values = [state.get(name) if state else None for state in held]
            strange = [
                (i, value.clone())  # another's part, perhaps, which is going to be overwritten
                for i, value in enumerate(values)
                if value is not None and (value is not views[i] or value.data_ptr() != homes[i])
            ]
            for i, value in strange:
                held[i][name] = views[i] = self._view(whole, i).copy_(value)
            found[name] = self._part(whole, run)
        return found

    def still(self, held: Held, point: torch.Tensor, memory: Values) -> bool:
        if not super().still(held, point, memory):
            return False
        vectors = [self.vectors[name] for name in memory]
        return all([view.data_ptr() for view in vector.views] == vector.homes for vector in vectors)

    def put_back(self, run: Run, held: Held, memory: Values) -> None:
        params = self.params[run.start : run.stop]
        if self.housed:
            torch.autograd.graph.increment_version(params)  # autograd does not see that they were changed
        else:
            torch._foreach_copy_(params, self.point_of[run.start : run.stop])

    def _new(self, key: str, value: torch.Tensor) -> Vector:
        dtype = self.grads.dtype if value.is_floating_point() else value.dtype
        return self.vectors.setdefault(key, self._vector(dtype))

    def _vector(self, dtype: torch.dtype) -> Vector:
        whole = torch.zeros(self.starts[-1], dtype=dtype, device=self.params[0].device)
        views = [self._view(whole, i) for i in range(len(self.params))]
        return Vector(whole, views, [view.data_ptr() for view in views])

    def _view(self, whole: torch.Tensor, i: int) -> torch.Tensor:
        return whole.as_strided(self.params[i].shape, _dense_strides(self.params[i]), self.starts[i])

    def _part(self, vector: torch.Tensor, run: Run) -> torch.Tensor:
        if run.stop - run.start == len(self.params):
            return vector
        return vector[self.starts[run.start] : self.starts[run.stop]]


def laid_out(
    params: list[torch.Tensor], group: list[torch.Tensor], vectors: bool, housing: bool
) -> list[Place]:
    """A place for each parameter.

    Parameters
    ----------
    params : those that begin to move.
    group : all parameters of their group.
    vectors : whether the rule's state has the parameter's shape. If not, each parameter stands alone as it
        is, and so does one whose elements another one shares, or that is more than a plain tensor.
    housing : whether parameters may be put elsewhere, where that is safe.
    """
    places: list[Place] = []
    together: dict[Any, list[torch.Tensor]] = {}
    addresses = Counter(param.data_ptr() for param in group if _is_plain(param) and param.numel())
    for param in params:
        tied = _is_plain(param) and addresses[param.data_ptr()] > 1
        if not vectors or tied or param.layout != torch.strided or hasattr(param, "__tensor_flatten__"):
            places.append(Lone(param, flat=False))
        else:
            alone = id(param) if param.numel() >= LARGE and _is_dense(param) else None
            housed = housing and _may_move(param)
            together.setdefault((param.dtype, param.device, housed, alone), []).append(param)
    for (_, _, housed, _), members in together.items():
        if (
            len(members) == 1 and _is_dense(members[0]) and members[0].numel() > 1
        ):  # torch fixes a length of 1
            places.append(Lone(members[0], flat=True))
        else:
            places.append(Block(members, housed))
    return places


def _may_move(param: torch.Tensor) -> bool:
    """Whether a parameter's numbers may come to lie elsewhere, because nobody else looks at where they lie:
    its memory is its own, or a vector into which parameters have moved before."""
    if not _is_plain(param) or param.is_shared():
        return False
    storage = param.untyped_storage()
    own = storage.nbytes() == param.numel() * param.element_size()
    return own or HOUSES.get(param) == storage.data_ptr()


HOUSES = WeakTensorKeyDictionary()
"""Where the vector begins into which a parameter has moved."""


def _is_plain(param: torch.Tensor) -> bool:
    return type(param.data) is torch.Tensor and param.layout == torch.strided and not param.is_inference()


def _is_dense(param: torch.Tensor) -> bool:
    return param.stride() == _dense_strides(param)


def _dense_strides(param: torch.Tensor) -> tuple[int, ...]:
    """The parameter's strides, if its elements lie without gaps; else those that they get when copied."""
    return torch.empty_like(param, device="meta").stride()


def with_gradient(params: list[torch.Tensor]) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """The parameters that have an ordinary gradient, and those that have a sparse one."""
    dense: list[torch.Tensor] = []
    sparse: list[torch.Tensor] = []
    for param in params:
        grad = param.grad
        if grad is not None:
            (dense if grad.layout is torch.strided else sparse).append(param)
    return dense, sparse


def _signature(param: torch.Tensor) -> tuple[Any, ...]:
    return param.shape, param.dtype, param.device, param.stride()


def first_state(param: torch.Tensor, init: Callable[[Any, Any], Values]) -> Values:
    """A parameter's first state. Copies: a rule may give the parameter itself, or one tensor twice."""
    point = param.detach().to(working_dtype(param))
    memory = init(point, torch.zeros_like(point))
    if taken := {"step", "look"} & memory.keys():
        raise ValueError(f"a rule's init must not name a state {taken.pop()!r}: it is in use here")
    return {name: copied(value) for name, value in memory.items()}


def copied(value: Any) -> Any:
    """A tensor's copy; anything else as it is."""
    return value.clone() if isinstance(value, torch.Tensor) else value
