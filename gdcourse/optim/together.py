"""Several optimizers as one, for partners that share a model; and which of its parameters are whose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from itertools import chain
from typing import Any

import torch

from gdcourse.optim.groups import Group
from gdcourse.optim.optimizer import kind_of, snapshot_of
from gdcourse.optim.state_dict import check_is_one, check_parts, load_checked
from gdcourse.optim.update import never_traced
from gdcourse.problems.hidden import hidden_of

Named = list[tuple[str, torch.nn.Parameter]]


def hidden_matrices(model: torch.nn.Module, rest: Iterable[str] = ()) -> tuple[Named, Named]:
    """Part a model's parameters: its hidden matrices, for Muon and its kind, and all the rest, for a partner.

    Shapes do not tell: an embedding is a matrix, too, and moved by Muon a model learns worse, without a word.
    This is a proposal, made of what the modules are. Look at the names, and say with ``rest`` what it got
    wrong.

    It takes for hidden: every parameter that is a matrix of several rows and columns, with the first axis for
    the rows and all others for the columns (of a convolution a row for each output), but for

    * those of `torch.nn.Embedding` and ``EmbeddingBag``, also where another module shares them;
    * the last in the modules' order, which it takes for the head. Where the head shares an embedding's
      weights, nothing else is left out for it.

    A first layer that multiplies numbers, such as pixels, counts as hidden. An embedding of your own, made
    with ``torch.nn.Parameter``, and a second head do, too: name them in ``rest``.

    Parameters
    ----------
    model : its parameters that ask for gradients are parted.
    rest : names of parameters or of modules that belong to the rest besides, as in ``["pos", "blocks.0"]``.
        Default: none.

    Returns
    -------
    hidden, rest : two lists of (name, parameter), which optimizers take.

    Raises
    ------
    ValueError : a name in ``rest`` that the model does not have.
    TypeError : ``model`` is no module, or ``rest`` no names.

    Examples
    --------
    >>> import torch, gdcourse as gd
    >>> model = torch.nn.Sequential(torch.nn.Linear(9, 8), torch.nn.ReLU(), torch.nn.Linear(8, 4))
    >>> hidden, rest = gd.optim.hidden_matrices(model)
    >>> [name for name, _ in hidden], [name for name, _ in rest]
    (['0.weight'], ['0.bias', '2.weight', '2.bias'])
    """
    if not isinstance(model, torch.nn.Module):
        raise TypeError(f"model must be a torch module, got {type(model).__name__}")
    is_hidden = hidden_of(model, rest)
    named = [(name, param) for name, param in model.named_parameters() if name in is_hidden]
    return [one for one in named if is_hidden[one[0]]], [one for one in named if not is_hidden[one[0]]]


class Together(torch.optim.Optimizer):
    """Several optimizers as one: a step is a step of each, on its own parameters.

    For partners that share a model, such as Muon on the hidden matrices and Adam on the rest. A training
    loop, a schedule or a scaler of gradients sees one optimizer: ``param_groups`` are all of theirs, in
    order, and the same objects; a schedule of a function multiplies each group's own rate, and a list of
    functions has one for each group. `torch.optim.lr_scheduler.OneCycleLR` and ``CyclicLR`` cycle a momentum
    that all of them have under one name, ``momentum`` or ``betas``; else give them ``cycle_momentum=False``.

    What an optimizer of this package refuses before it moves, such as a sparse gradient, is found before any
    of them has moved. What one of torch's refuses, or a hook, is found at its turn: name it first.

    A checkpoint is one of the usual form, with the parameters numbered through all of them. Lookahead goes
    around each of them, not around a Together.

    Parameters
    ----------
    optimizers : two or more, of this package, torch's or others, each made with its own parameters.

    Attributes
    ----------
    optimizers : these. To add a group, add it to one of them.
    state : of all parameters, each kept by its own optimizer.

    Raises
    ------
    TypeError : something that is no optimizer.
    ValueError : fewer than two; a parameter that two of them have; one of them is LBFGS, which takes several
        gradients a step, or another Together.

    Examples
    --------
    >>> import torch, gdcourse as gd
    >>> model = torch.nn.Sequential(torch.nn.Linear(9, 8), torch.nn.ReLU(), torch.nn.Linear(8, 4))
    >>> hidden, rest = gd.optim.hidden_matrices(model)
    >>> optimizer = gd.optim.Together(gd.optim.Muon(hidden, lr=0.02), gd.optim.Adam(rest, lr=0.003))
    >>> [group["lr"] for group in optimizer.param_groups]
    [0.02, 0.003]
    """

    optimizers: tuple[torch.optim.Optimizer, ...]

    def __init__(self, *optimizers: torch.optim.Optimizer) -> None:
        for one in optimizers:
            _check_one(one)
        if len(optimizers) < 2:
            raise ValueError(
                f"Together takes two optimizers or more, got {len(optimizers)}: as in "
                "Together(gd.optim.Muon(hidden), gd.optim.Adam(rest))"
            )
        _check_apart(optimizers)
        # The base class's own constructor would make groups; these are the optimizers'.
        self.__setstate__({"optimizers": tuple(optimizers)})

    @property
    def param_groups(self) -> list[Group]:
        return _Groups(group for one in self.optimizers for group in one.param_groups)

    @param_groups.setter
    def param_groups(self, groups: Any) -> None:
        raise _not_here("param_groups")

    @property  # type: ignore[override]
    def state(self) -> MutableMapping[torch.Tensor, Any]:
        return _States(self.optimizers)

    @state.setter
    def state(self, state: Any) -> None:
        raise _not_here("state")

    @property
    def defaults(self) -> Group:  # type: ignore[override]
        """Of the first; those that all have. Schedules ask whether there is a momentum to cycle."""
        first, *others = self.optimizers
        return {k: v for k, v in first.defaults.items() if all(k in other.defaults for other in others)}

    def add_param_group(self, param_group: Group) -> None:
        """Refused: only you know whose the parameters are. What calls this in the middle of a training, such
        as Lightning's callback ``BaseFinetuning``, does not go with a Together: give it all groups at the
        start, with the late ones' ``requires_grad`` False.

        Raises
        ------
        ValueError : always; it says what to call.
        """
        names = ", ".join(f"{i}: {type(one).__name__}" for i, one in enumerate(self.optimizers))
        raise ValueError(
            f"Together does not know which of its optimizers ({names}) these parameters are for: add the "
            "group to that one, as in optimizer.optimizers[1].add_param_group(...)"
        )

    @never_traced
    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of each. ``closure``, if given, is called once, before; its loss is returned."""
        _check_apart(self.optimizers)
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for one in self.optimizers:
            if hasattr(one, "check_step"):
                one.check_step()
        for one in self.optimizers:
            one.step()
        return loss

    @contextmanager
    def at_theta(self) -> Iterator[None]:
        """Inside, the parameters hold θ where an optimizer of this package, or one inside a Lookahead, keeps
        another point in them (see `RuleOptimizer.at_theta`); afterwards what they held before."""
        with ExitStack() as stack:
            for one in self.optimizers:
                if hasattr(one, "at_theta"):
                    stack.enter_context(one.at_theta())
            yield

    def state_dict(self) -> Group:
        """The optimizers' as one: groups and states in a row, parameters numbered through, and under
        "together" for each of them how many of the groups are its own, and what else its checkpoint holds.
        A snapshot."""
        for before in self._optimizer_state_dict_pre_hooks.values():
            before(self)
        whole: Group = {"state": {}, "param_groups": [], "together": []}
        start = 0
        for one in self.optimizers:
            saved = snapshot_of(one)
            keys = [key for group in saved["param_groups"] for key in group["params"]]
            numbers = {key: start + i for i, key in enumerate(keys)}
            whole["state"] |= {numbers.get(key, key): state for key, state in saved["state"].items()}
            whole["param_groups"] += _renumbered(saved["param_groups"], numbers)
            others = {key: value for key, value in saved.items() if key not in ("state", "param_groups")}
            own = {"kind": kind_of(one), "groups": len(saved["param_groups"])}
            whole["together"].append({**own, "others": others})
            start += len(keys)
        for after in self._optimizer_state_dict_post_hooks.values():
            changed = after(self, whole)
            whole = whole if changed is None else changed
        return whole

    def load_state_dict(self, state_dict: Group) -> None:
        """Load what `state_dict` gave, into the same kinds of optimizers in the same order. Without
        "together", which `torch.distributed.checkpoint` leaves out, each gets as many groups as it has.

        Raises
        ------
        TypeError, ValueError : it is not a Together's, or one of other optimizers, or a part of it does not
            fit its optimizer. Then nothing was loaded, but where a hook of somebody's raised. Whether a state
            has the right names and shapes is known as with `Lookahead`.
        """
        check_is_one(state_dict)
        state_dict = dict(state_dict)
        for before in self._optimizer_load_state_dict_pre_hooks.values():
            changed = before(self, state_dict)
            state_dict = state_dict if changed is None else changed
        check_parts(state_dict)
        parts, had = self._parted(state_dict), [one.state_dict() for one in self.optimizers]
        for place, (one, part) in enumerate(zip(self.optimizers, parts, strict=True)):
            try:
                load_checked(one, part)
            except Exception:
                for loaded, state in zip(self.optimizers[:place], had, strict=False):
                    loaded.load_state_dict(state)
                raise
        for after in self._optimizer_load_state_dict_post_hooks.values():
            after(self)

    def _parted(self, saved: Group) -> list[Group]:
        """Each optimizer's part of a checkpoint.

        Raises
        ------
        ValueError : it is not of such optimizers.
        """
        told = self._told(saved)
        keys = [key for group in saved["param_groups"] for key in group["params"]]
        if strangers := saved["state"].keys() - set(keys):
            raise ValueError(
                f"loaded state dict has a state for parameter {min(strangers, key=str)}, which is in no group"
            )
        parts, groups = [], iter(saved["param_groups"])
        for own in told:
            mine = [next(groups) for _ in range(own["groups"])]
            own_keys = {key for group in mine for key in group["params"]}
            states = {key: state for key, state in saved["state"].items() if key in own_keys}
            parts.append({**own["others"], "state": states, "param_groups": mine})
        return parts

    def _told(self, saved: Group) -> list[Group]:
        """What a checkpoint tells of each optimizer, or what must be so if it tells nothing."""
        kinds, got = [kind_of(one) for one in self.optimizers], len(saved["param_groups"])
        told = saved.get("together")
        if told is None:
            counts = [len(one.param_groups) for one in self.optimizers]
            if got != sum(counts):
                raise ValueError(
                    f"loaded state dict has no 'together', and {got} parameter groups, not {sum(counts)}: it "
                    "must be a Together's; that of one optimizer goes into .optimizers[i].load_state_dict"
                )
            return [{"kind": kind, "groups": n, "others": {}} for kind, n in zip(kinds, counts, strict=True)]
        if not isinstance(told, (list, tuple)) or not all(map(_tells, told)):
            raise ValueError(
                f"loaded state dict has 'together'={told!r}: must be a list that has for each optimizer "
                "'kind', 'groups' and 'others'"
            )
        if [own["kind"] for own in told] != kinds:
            others = ", ".join(str(own["kind"]) for own in told)
            raise ValueError(f"loaded state dict is a Together's of {others}: must be of {', '.join(kinds)}")
        if got != sum(own["groups"] for own in told):
            count = sum(own["groups"] for own in told)
            raise ValueError(f"loaded state dict has {got} parameter groups, its 'together' counts {count}")
        return list(told)

    def __getstate__(self) -> Group:
        return {"optimizers": self.optimizers}

    def __repr__(self) -> str:
        return f"Together ({', '.join(map(repr, self.optimizers))})"


def _tells(own: Any) -> bool:
    """Whether an entry of a checkpoint's "together" has what it must."""
    kinds = {"kind": str, "groups": int, "others": dict}
    fits = isinstance(own, dict) and all(isinstance(own.get(name), kind) for name, kind in kinds.items())
    return fits and own["groups"] >= 0


def _not_here(name: str) -> AttributeError:
    return AttributeError(
        f"a Together's {name} is made of its optimizers': set that of each, as in "
        f"optimizer.optimizers[1].{name} = ..."
    )


class _Groups(list):
    """The groups of all. The list is made anew each time, so that an edit would be lost."""

    def _refused(self, *_: Any, **__: Any) -> Any:
        raise TypeError(
            "a Together's param_groups is made of its optimizers': edit that of one of them, as in "
            "optimizer.optimizers[1].param_groups.pop(), or call its add_param_group"
        )

    append = extend = insert = pop = remove = clear = reverse = sort = _refused
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refused

    def __reduce__(self) -> Any:
        return list, ([*self],)  # a copy is a list like any other


class _States(MutableMapping):
    """The states of all parameters, where their optimizers keep them."""

    def __init__(self, optimizers: tuple[torch.optim.Optimizer, ...]) -> None:
        self.optimizers = optimizers

    def _of(self, param: Any) -> Any:
        for one in self.optimizers:
            if param in one.state or any(p is param for group in one.param_groups for p in group["params"]):
                return one.state
        shape = tuple(getattr(param, "shape", ()))
        raise KeyError(f"a parameter of shape {shape} is none of the optimizers'")

    def __getitem__(self, param: Any) -> Any:
        return self._of(param)[param]

    def __setitem__(self, param: Any, value: Any) -> None:
        self._of(param)[param] = value

    def __delitem__(self, param: Any) -> None:
        del self._of(param)[param]

    # An optimizer's own mapping makes the state that it is asked for.

    def get(self, param: Any, default: Any = None) -> Any:
        return next((one.state[param] for one in self.optimizers if param in one.state), default)

    def pop(self, param: Any, *default: Any) -> Any:
        return default[0] if default and param not in self else self._of(param).pop(param)

    def setdefault(self, param: Any, default: Any = None) -> Any:
        return self._of(param).setdefault(param, default)

    def __contains__(self, param: Any) -> bool:
        return any(param in one.state for one in self.optimizers)

    def __iter__(self) -> Iterator[Any]:
        return chain.from_iterable(one.state for one in self.optimizers)

    def __len__(self) -> int:
        return sum(len(one.state) for one in self.optimizers)


def _check_one(one: Any) -> None:
    if not isinstance(one, torch.optim.Optimizer):
        hint = "; it is a class: give it parameters" if isinstance(one, type) else ""
        raise TypeError(f"{one!r} is not an Optimizer: Together needs torch optimizers{hint}")
    if isinstance(one, Together):
        raise ValueError("Invalid optimizer: a Together in a Together is not supported: give all to one")
    if isinstance(one, torch.optim.LBFGS):
        raise ValueError("Invalid optimizer: LBFGS takes several gradients a step, its partners take one")


def _check_apart(optimizers: Iterable[torch.optim.Optimizer]) -> None:
    """Raise ValueError if a parameter is two optimizers'."""
    owner: dict[int, str] = {}
    for place, one in enumerate(optimizers):
        mine = {id(param): param for group in one.param_groups for param in group["params"]}
        for key, param in mine.items():
            if key in owner:
                raise ValueError(
                    f"a parameter of shape {tuple(param.shape)} is in two of the optimizers, {owner[key]} "
                    f"and {place}: {type(one).__name__}; each must have its own"
                )
            owner[key] = f"{place}: {type(one).__name__}"


def _renumbered(groups: list[Group], numbers: dict[Any, int]) -> list[Group]:
    return [{**group, "params": [numbers[key] for key in group["params"]]} for group in groups]
