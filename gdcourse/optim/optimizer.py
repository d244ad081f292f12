"""An update rule as a `torch.optim.Optimizer`. No formula stands here: `at`, `unlook`, `step` and
`look` are the rule's own. `kernel` calls them, on tensors that `flat` lays out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import is_dataclass, replace
from functools import cache
from itertools import chain
from operator import is_
from typing import Any, NamedTuple

import torch

from gdcourse.optim.checkpoint import check_parts, check_saved, from_torch, to_torch
from gdcourse.optim.compilation import names_of, run_compiled
from gdcourse.optim.flat import Held, Place, Run, States, copied, first_state, laid_out, with_gradient
from gdcourse.optim.kernel import (
    SLOW,
    Program,
    former,
    moved,
    pulled,
    run_on_vectors,
    working_dtype,
)
from gdcourse.optim.kernel import run as run_program
from gdcourse.rules import METHODS, Adagrad, GradientDescent, Lookahead, Rule, Values, hinted, validate
from gdcourse.rules.validate import check

Group = dict[str, Any]

ROW_BY_ROW = (GradientDescent, Adagrad)
"""The rules that leave everything as it is where the gradient is 0, so that a sparse gradient's rows are all
that there is to compute. With any other, averages or momentum go on in the rows that do not occur."""

COMMON = {"lr", "weight_decay", "maximize"}
"""What a group of any rule's holds."""


class Laid(NamedTuple):
    """Where the parameters of a group lie: all of the group, those that have moved, and their places."""

    group: list[torch.Tensor]
    members: set[int]
    places: list[Place]


class Settings(NamedTuple):
    """A group's hyperparameters: its rule, and what `kernel.moved` takes beside it. ``look`` is what a rule
    that looks ahead leaves in a parameter's state, by which it is undone."""

    rule: Rule
    lr: Any
    weight_decay: Any
    maximize: bool
    look: Group | None


class Move(NamedTuple):
    """Parameters that move in one call, with the tensors of it that are the same in each step."""

    group: int
    place: Place
    run: Run
    held: Held
    point: torch.Tensor
    memory: Values


class Plan(NamedTuple):
    """A step's moves, those whose gradients are sparse apart, with their groups. ``seen`` and ``contents``
    tell what they were made from: as long as that stays, so does the plan."""

    moves: list[Move]
    sparse: list[tuple[int, torch.Tensor]]
    seen: Any
    contents: list[Any]


class RuleOptimizer(torch.optim.Optimizer):
    """Moves parameters by an update rule.

    A parameter is the point at which the rule takes its gradient. For most rules that is θ; for
    Nesterov it is p = θ − γv, and `theta` and `at_theta` give θ.

    What a checkpoint or a schedule sees:

    * A parameter group holds the rule's hyperparameters under torch's names: ``betas`` for
      (``beta1``, ``beta2``), ``momentum`` for ``gamma`` (``rho`` for Adadelta, ``alpha`` for RMSProp),
      any other under its own. They are read at every step.
    * A rule without a learning rate gets one, ``lr=1.0``, by which its steps are multiplied, as in
      torch's Adadelta.
    * ``state[p]`` holds the rule's state, in float32 where p is of half precision, and ``step``, how
      many gradients p has had. So a parameter whose first gradient comes late gets the bias correction
      of a first step. A parameter without a gradient is left alone.

    ``p.grad`` is only read. A sparse gradient moves the rows that occur in it, uncompiled, with gradient
    descent and Adagrad; the other rules would have to move all rows, and refuse it.

    The square of a gradient is infinite in float32 from 1.8e19 on, and 0 below about 1e-23. Where a
    method divides by the root of such squares, nothing becomes NaN, and what happens is what happens in
    torch's: under ∞ the element rests for good, as sums and averages keep it; under 0 the divisor is ε, and
    an element without any gradient rests even if ε is 0, where torch's becomes NaN. Clip gradients as large
    as that, or use float64.

    How it runs: a rule works element by element, so the small parameters of a group lie in one vector, and
    the rule is called once for all of them. ``state[p]`` shows each parameter's part. On a CPU this
    package's rules are called on NumPy's views of the vectors, a reader's own on tensors. With
    ``compile=True``, torch.compile makes one kernel of the same rule, at the first step (some seconds).
    It is not compiled again for another learning rate, a schedule, another size, a group that joins, a
    parameter that rests or starts late; it is after `torch.set_num_threads`. Where torch.compile fails,
    for want of a C++ compiler or because the rule asks for more than arithmetic and `where`, a warning says
    so and the rule runs uncompiled.

    What compiling asks for: **small parameters move.** At the first step ``p.data`` becomes a part of one
    vector for each group, type and device. Whoever took ``p.data``, ``p.detach()`` or ``p.numpy()`` before
    keeps the old numbers, and so does code that holds on to the address. `torch.save` stores the vector
    once; `pickle` once for each parameter. A parameter that shares its memory, with another process or with
    any other tensor, does not move: it is copied to and fro at each step, which takes about half as long
    again. A parameter of 2¹⁷ elements or more stays where it is. Uncompiled, no parameter moves.

    Parameters
    ----------
    params : tensors, named tensors or parameter groups, as for any torch optimizer. Real numbers only.
    rule : an update rule whose hyperparameters are single numbers: the default of every group.
    lr : what the steps of a rule without a learning rate are multiplied by, ≥ 0, without unit. Default 1.
    weight_decay : λ ≥ 0, in units of g over units of θ: λ p is added to the gradient. Default 0. Not for
        a rule with a weight decay of its own (AdamW).
    maximize : whether to climb instead. Default False.
    compile : whether to run as a compiled kernel. Default False.

    Raises
    ------
    TypeError : not a rule, not tensors, or a hyperparameter that is not a number; at a step, a sparse
        gradient, unless as said above.
    RuntimeError : at a step, a sparse gradient with weight decay, which moves all rows.
    ValueError : a hyperparameter out of range, whether given here or in a group; no parameters; a
        complex parameter.
    """

    # Remembered from step to step; by group, where its parameters lie and what its hyperparameters were.
    _laid: dict[int, Laid]
    _set: dict[int, tuple[Any, Settings]]
    _planned: Plan | None

    def __init_subclass__(cls, **settings: Any) -> None:
        super().__init_subclass__(**settings)
        if "__init__" in vars(cls):
            cls.__init__ = hinted(cls.__init__)  # type: ignore[method-assign]

    def __init__(
        self,
        params: Any,
        rule: Rule,
        *,
        lr: Any = None,
        weight_decay: Any = None,
        maximize: bool = False,
        compile: bool = False,
    ) -> None:
        _check_rule(rule)
        check_params(params)
        for name, value in (("lr", lr), ("weight_decay", weight_decay)):
            if value is not None and _has(rule, name):
                raise ValueError(f"Invalid {name}: {value} ({type(rule).__name__} has its own: set it there)")
        self.rule, self.compile = rule, compile
        self._forget()
        defaults = {
            "lr": 1.0 if lr is None else lr,
            "weight_decay": 0.0 if weight_decay is None else weight_decay,
            **to_group(rule),
            "maximize": maximize,
        }
        self._check(defaults)
        super().__init__(params, defaults)

    def add_param_group(self, param_group: Group) -> None:
        """Add a parameter group; see `torch.optim.Optimizer.add_param_group`. Raises as the class does."""
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        try:
            self._check(group)
            for param in group["params"]:
                if param.is_complex():
                    raise ValueError(
                        f"optimizer got a complex parameter of shape {tuple(param.shape)}: only real ones "
                        "are supported; split it by torch.view_as_real"
                    )
        except (TypeError, ValueError):
            self.param_groups.pop()
            raise
        _own_tensors(group)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step. ``closure``, if given, computes the loss and its gradients anew; its loss is returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        settings = [self._settings(*indexed) for indexed in enumerate(self.param_groups)]
        plan = self._plan()
        for move in plan.moves:
            self._move(move, settings[move.group])
        for index, param in plan.sparse:
            self._move_rows(param, settings[index])
        return loss

    def _settings(self, index: int, group: Group) -> Settings:
        """A group's hyperparameters, read anew unless they are plain numbers, and what they were."""
        seen = _plain(group)
        if seen is None or self._set.get(index, (None,))[0] != seen:
            rule = from_group(self.rule, group)
            lr = None if _has(rule, "lr") else number("lr", group["lr"])
            decay = None if _has(rule, "weight_decay") else number("weight_decay", group["weight_decay"])
            look = to_group(rule) if _looks(rule) else None
            self._set[index] = seen, Settings(rule, lr, decay or None, group["maximize"], look)
        return self._set[index][1]

    def _plan(self) -> Plan:
        """What this step moves: what the last one did, if nothing has changed that it depends on."""
        plan = self._planned
        if plan is None or plan.seen != self._seen() or not all(map(_still, plan.moves)):
            moves, sparse = self._new_moves()
            contents = [*chain.from_iterable(map(dict.values, self.state.values()))]
            plan = Plan(moves, sparse, self._seen(), contents)
            self._planned = None if sparse else plan  # whether those may move is for each step to see
        return plan

    def _seen(self) -> Any:
        """What a plan is made from: which parameters there are, what gradients they have, and which objects
        make up the states."""
        groups = [group["params"] for group in self.param_groups]
        grads = [[None if p.grad is None else p.grad.layout for p in params] for params in groups]
        contents = chain.from_iterable(map(dict.values, self.state.values()))
        return [[*map(id, params)] for params in groups], grads, [*map(id, self.state)], [*map(id, contents)]

    def _new_moves(self) -> tuple[list[Move], list[tuple[int, torch.Tensor]]]:
        found = [with_gradient(group["params"]) for group in self.param_groups]
        rows = [(index, param) for index, (_, sparse) in enumerate(found) for param in sparse]
        for index, param in rows:
            self._check_sparse(param, self.param_groups[index])
        moves: list[Move] = []
        for index, (dense, _) in enumerate(found):
            ids = set(map(id, dense))
            for place in self._places(index, dense) if dense else []:
                held = place.moving(self.state, ids, self.rule.init)
                for run in place.runs(held):
                    memory = place.memory(run, held, self._names)
                    moves.append(Move(index, place, run, held, place.point(run), memory))
        return moves, rows

    def _check_sparse(self, param: torch.Tensor, group: Group) -> None:
        """Raise if a parameter's sparse gradient is not one for this rule."""
        if type(self.rule) not in ROW_BY_ROW:
            raise TypeError(
                f"{type(self).__name__} does not support sparse gradients, got one for a parameter of "
                f"shape {tuple(param.shape)}; dense ones are allowed (Embedding(..., sparse=False)), and "
                "SGD and Adagrad take sparse ones"
            )
        if number("weight_decay", group["weight_decay"]):
            raise RuntimeError(
                "weight_decay option is not compatible with sparse gradients: it moves all rows; give the "
                f"parameter of shape {tuple(param.shape)} a group with weight_decay=0"
            )

    def _move_rows(self, param: torch.Tensor, settings: Settings) -> None:
        """One step of those rows of a parameter that occur in its gradient."""
        rule = settings.rule
        state = self.state[param]
        if not state:
            state.update(step=torch.zeros((), dtype=torch.float32), **first_state(param, rule.init))
        grad = param.grad.coalesce()  # type: ignore[union-attr]  # a new one: each row once, added up
        rows = tuple(grad.indices())
        names = _memory(state)
        point, memory = param.detach()[rows], {name: state[name][rows] for name in names}
        done = int(state["step"])
        values = rule, Rule(), rule.at(done + 1), None, None, settings.maximize
        run_program(moved, (point, memory, grad.values()), values)
        param[rows] = point
        for name in names:
            state[name][rows] = memory[name]
        state["step"] = torch.as_tensor(state["step"], dtype=torch.float32).add_(1)

    def _move(self, move: Move, settings: Settings) -> None:
        _, place, run, held, point, memory = move
        rule, *others, look = settings
        looked = rule if look and run.look is look else self._looked(rule, run.look)
        values = rule, looked, rule.at(place.done(run) + 1), *others
        place.fetch(run)
        self._run(place, moved, (point, memory, place.grad(run)), values)
        place.put_back(run, held, memory)
        place.counted(run)
        if look is not run.look:
            for state in held[run.start : run.stop]:
                state["look"] = look

    @torch.no_grad()
    def pull(self, lookahead: Lookahead, slow: States) -> None:
        """Lookahead's synchronisation: ``slow[p]["slow"]`` is pulled towards θ, and θ goes there. Likewise
        each of ``slow[p]["moments"]``, if there are any, and the state that goes by its name."""
        left = {param: None for group in self.param_groups for param in group["params"]}
        for place in chain.from_iterable(self._places(i, []) for i in range(len(self.param_groups))):
            held = [self.state.get(param) or None for param in place.params]
            for run in place.runs(held):
                shelves = [slow[param] for param in place.params]
                moments = [shelf.get("moments", {}) for shelf in shelves]
                names = list(moments[run.start])
                memory = place.memory(run, held, self._names if _looks(self.rule) else names)
                before = place.memory(run, moments, names, "Lookahead, former: ")
                shelf = place.memory(run, shelves, ["slow"], "Lookahead: ")
                before = {former(name): value for name, value in before.items()}
                place.fetch(run)
                tensors = place.point(run), {**memory, **before, SLOW: shelf["slow"]}
                self._run(place, pulled, tensors, (lookahead, self._looked(self.rule, run.look)))
                place.put_back(run, held, memory)
                for param in place.params[run.start : run.stop]:
                    left.pop(param, None)
        for param in left:  # those that have never moved, or by sparse gradients only
            pull_alone(param, self.state.get(param, {}), lookahead, slow[param])

    def _run(self, place: Place, program: Program, tensors: tuple[Any, ...], values: tuple[Any, ...]) -> None:
        if not place.flat:
            run_program(program, tensors, values)
        elif not (self.compile and run_compiled(program, tensors, values)):
            run_on_vectors(program, tensors, values)

    def _places(self, index: int, moving: list[torch.Tensor]) -> list[Place]:
        """Where the parameters of a group lie. One that joins gets a place beside the others': its count
        differs from theirs for good. All are laid out anew where one is no longer what it was."""
        params, laid = self.param_groups[index]["params"], self._laid.get(index)
        same = laid and len(laid.group) == len(params) and all(map(is_, laid.group, params))
        if not (laid and same and all(place.settle() for place in laid.places)):
            laid = self._laid[index] = Laid(list(params), set(), [])
            rested = (param for param in params if param.grad is None and self.state.get(param))
            moving = [*with_gradient(params)[0], *rested]
        if not laid.members.issuperset(map(id, moving)):
            joining = [param for param in moving if id(param) not in laid.members]
            probe = self.rule.init(torch.zeros(2), torch.zeros(2))
            self._names = tuple(probe)
            vectors = all(isinstance(x, torch.Tensor) and x.shape == (2,) for x in probe.values())
            laid.places.extend(laid_out(joining, params, vectors, housing=self.compile))
            laid.members.update(map(id, joining))
        return laid.places

    def _forget(self) -> None:
        """Let go of all that was remembered from step to step."""
        self._laid, self._set, self._planned = {}, {}, None

    def _looked(self, rule: Rule, look: Group | None) -> Rule:
        """What the point of a parameter rests on: a schedule may have changed γ since `look` was called."""
        if not _looks(rule):
            return Rule()
        return rule if look is None else from_group(rule, look)

    def theta(self, param: torch.Tensor) -> torch.Tensor:
        """θ of one parameter, as a new tensor; in float32 where the parameter is of half precision."""
        point = param.detach().to(working_dtype(param))
        state = self.state.get(param)
        if state:
            point = self._looked(self.rule, state.get("look")).unlook(point, _memory(state))
        return point.clone()

    @torch.no_grad()
    def set_theta(self, param: torch.Tensor, theta: torch.Tensor) -> None:
        """Put the parameter where its θ is the given one; the state stays."""
        state = self.state.get(param)
        if state:
            looked = self._looked(self.rule, state.get("look"))
            theta = looked.look(theta.to(working_dtype(param)), _memory(state))
        param.copy_(theta)

    @contextmanager
    def at_theta(self) -> Iterator[None]:
        """Inside, the parameters hold θ; afterwards, even if the body raised, what they held before.

        For Nesterov, whose parameters are the look-ahead points, this is where to evaluate; for the
        other rules of this package nothing changes. Do not step inside.
        """
        params = [param for group in self.param_groups for param in group["params"]]
        with holding({param: self.theta(param) for param in params}):
            yield

    def load_state_dict(self, state_dict: Group) -> None:
        """Load what `state_dict` gave, or what torch's own optimizer did where its state means the same:
        that of SGD without momentum, RMSprop without momentum and centering, Adadelta, Adam and AdamW without
        amsgrad, and RAdam (which sets ``threshold=5``). The state is copied, and float32 state of a
        half-precision parameter stays float32, where torch would round it to the parameter's own precision.

        Raises
        ------
        TypeError, ValueError : it is another optimizer's, or something in it is missing, unknown, out of
            range or of another shape. Then nothing was loaded.
        """
        saved: Group = {}

        def fits(_: Any, final: Group) -> Group:
            saved.update(self._fitting(final))
            return saved

        last = self.register_load_state_dict_pre_hook(fits)
        first = self.register_load_state_dict_post_hook(lambda _: self._copy_state(saved), prepend=True)
        try:
            super().load_state_dict(state_dict)
        finally:
            last.remove()
            first.remove()

    def _fitting(self, saved: Group) -> Group:
        """A checkpoint in our words, or an error if it does not fit."""
        check_parts(saved)
        saved = from_torch(self.rule, saved)
        keys = set(to_group(self.rule))
        looks = keys if _looks(self.rule) else set()
        check_saved(self.rule, self.param_groups, saved, keys | COMMON, looks)
        for group in saved["param_groups"]:
            self._check(group)
        return saved

    def _copy_state(self, saved: Group) -> None:
        indices = chain.from_iterable(group["params"] for group in saved["param_groups"])
        params = chain.from_iterable(group["params"] for group in self.param_groups)
        for index, param in zip(indices, params, strict=True):
            for name, value in saved["state"].get(index, {}).items():
                if name == "step":
                    self.state[param][name] = copied(value)
                elif isinstance(value, torch.Tensor):
                    dtype = working_dtype(param) if value.is_floating_point() else value.dtype
                    self.state[param][name] = value.to(param.device, dtype, copy=True)
        for group in self.param_groups:
            _own_tensors(group)

    def state_dict(self) -> Group:
        """As torch's, and the rule's name; a snapshot: neither steps nor schedules change it later."""
        first = self.register_state_dict_post_hook(lambda _, saved: self._saved(saved), prepend=True)
        try:
            return super().state_dict()
        finally:
            first.remove()

    def _saved(self, saved: Group) -> Group:
        groups = [{name: copied(value) for name, value in group.items()} for group in saved["param_groups"]]
        name = type(self.rule).__name__
        return {**saved, "rule": name, "param_groups": groups, "state": _snapshot(saved["state"])}

    def torch_state_dict(self) -> Group:
        """The same for torch's own optimizer to load, which then goes on as this one would.

        For the rules that `load_state_dict` names.

        Raises
        ------
        ValueError : torch has no optimizer with this state, or none with a group's hyperparameters.
        """
        return to_torch(self.rule, self.state_dict())

    def __getstate__(self) -> Group:
        state = super().__getstate__()
        own = {"rule": self.rule, "compile": self.compile}
        return {**state, "state": defaultdict(dict, _snapshot(state["state"])), **own}

    def __setstate__(self, state: Group) -> None:
        super().__setstate__(state)
        self._forget()

    def _check(self, group: Group) -> None:
        """Raise if a group's hyperparameters are not what the rule and this class admit."""
        owner = type(self.rule).__name__
        for name, key in _renamed(self.rule).items():
            if name in group:
                raise ValueError(
                    f"Invalid key in a parameter group: {name!r} ({owner}'s is called {key!r} here)"
                )
        validate(from_group(self.rule, group))
        for name in ("lr", "weight_decay"):
            if not _has(self.rule, name):
                check(owner, name, number(name, group[name]))


def pull_alone(param: torch.Tensor, state: Group, lookahead: Lookahead, shelf: Group) -> None:
    """Lookahead's synchronisation of one parameter, whose point is θ, with its state; ``shelf`` has its slow
    weights and moments."""
    before = shelf.get("moments", {})
    memory = {name: state[name] for name in before} | {former(name): x for name, x in before.items()}
    run_program(pulled, (param.detach(), {**memory, SLOW: shelf["slow"]}), (lookahead, Rule()))


def to_group(rule: Rule) -> Group:
    """A rule's hyperparameters under torch's names."""
    renamed = _renamed(rule)
    group = {renamed.get(name, name): getattr(rule, name) for name in _names(rule)}
    if "betas" in renamed.values():
        group["betas"] = (rule.beta1, rule.beta2)  # type: ignore[attr-defined]
    return group


def from_group(rule: Rule, group: Group) -> Rule:
    """The same rule with a parameter group's hyperparameters, each a single Python number, so that what
    depends on t alone is computed in double precision."""
    renamed = _renamed(rule)
    values = {name: group[renamed.get(name, name)] for name in _names(rule)}
    if "betas" in renamed.values():
        values["beta1"], values["beta2"] = pair(group["betas"])
    return replace(rule, **{name: number(name, value) for name, value in values.items()})  # type: ignore[type-var]


PLAIN = {float, int, bool, type(None)}


def _plain(group: Group) -> Any:
    """A group's hyperparameters if they are plain numbers, with their types: 1 equals True. None if not: a
    tensor may be written into."""
    values: list[Any] = []
    for key, value in group.items():
        if key not in ("params", "param_names"):
            values.extend(value if type(value) is tuple else (value,))
    kinds = [*map(type, values)]
    return (values, kinds) if PLAIN.issuperset(kinds) else None


def _still(move: Move) -> bool:
    return move.place.still(move.held, move.point, move.memory)


@contextmanager
def holding(values: dict[torch.Tensor, torch.Tensor]) -> Iterator[None]:
    """Inside, each parameter holds the value beside it; afterwards what it held before, bit for bit."""
    before = {param: param.detach().clone() for param in values}
    try:
        with torch.no_grad():
            for param, value in values.items():
                param.copy_(value)
        yield
    finally:
        with torch.no_grad():
            for param, value in before.items():
                param.copy_(value)


def _names(rule: Rule) -> tuple[str, ...]:
    kind: Any = type(rule)
    return names_of(kind)


def _has(rule: Rule, name: str) -> bool:
    return name in _names(rule)


def _looks(rule: Rule) -> bool:
    """Whether the rule takes its gradient elsewhere than at θ."""
    return type(rule).look is not Rule.look


def torchs_names(kind: Any) -> dict[str, str]:
    """What each hyperparameter of a rule's class is called in a parameter group, in the rule's order."""
    return {name: _renamed_of(kind).get(name, name) for name in names_of(kind)}


def _renamed(rule: Rule) -> dict[str, str]:
    """Which hyperparameters go by another name in torch; a name that the rule itself uses is not taken."""
    kind: Any = type(rule)
    return _renamed_of(kind)


@cache
def _renamed_of(kind: Any) -> dict[str, str]:
    names = names_of(kind)
    by_the_table = next((method.torch for method in METHODS.values() if method.kind is kind), {})
    renamed = {"gamma": "momentum", **by_the_table}
    if "beta1" in names and "beta2" in names:
        renamed |= {"beta1": "betas", "beta2": "betas"}
    return {name: key for name, key in renamed.items() if name in names and key not in names}


def _check_rule(rule: Rule) -> None:
    if not isinstance(rule, Rule):
        validate(rule)  # raises, and says what is wrong
    if not is_dataclass(type(rule)):
        raise TypeError(f"{type(rule).__name__} must be a dataclass: its fields are the hyperparameters")
    if taken := {"params", "param_names", "maximize"} & set(_names(rule)):
        raise ValueError(f"{type(rule).__name__} must not have a field {taken.pop()!r}: groups use the name")


def check_params(params: Any) -> None:
    """Raise where a module, or what has parameters by name, stands in the place of parameters; anything else
    is torch's to check."""
    inside = [*params] if isinstance(params, (list, tuple)) else []  # a generator can be read only once
    groups = [one["params"] for one in inside if isinstance(one, dict) and "params" in one]
    for one in (params, *inside, *groups):
        if isinstance(one, torch.nn.Module):
            hint, got = ", as in model.parameters()", f"the module {type(one).__name__} itself"
        elif callable(one) and isinstance(getattr(one, "__self__", None), torch.nn.Module):
            hint, got = f"; call it, as in model.{one.__name__}()", f"the method {one.__name__}"
        elif isinstance(one, dict) and "params" not in one:
            hint, got = ", as in model.parameters()", "a dict"
        else:
            continue
        raise TypeError(f"params must be an iterable of parameters{hint}; got {got}")


def _own_tensors(group: Group) -> None:
    """Copy a group's tensors: a schedule writes into them, and must reach one group only. To where no step
    need read them from a device."""
    for key, value in group.items():
        if isinstance(value, torch.Tensor):
            group[key] = value.detach().cpu().clone()


def _snapshot(states: dict[Any, Group]) -> dict[Any, Group]:
    return {key: {name: copied(value) for name, value in state.items()} for key, state in states.items()}


def _memory(state: Group) -> Group:
    """What of a parameter's state is the rule's."""
    return {name: value for name, value in state.items() if name not in ("step", "look")}


def pair(betas: Any) -> tuple[Any, Any]:
    """(β₁, β₂), or an error if it is anything but two."""
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise TypeError(f"Invalid betas: {betas!r} (must be a pair of numbers, each in [0, 1))")
    beta1, beta2 = betas
    return beta1, beta2


def number(name: str, value: Any) -> Any:
    """A tensor or array of one number as that number; anything that is not an array as it is."""
    if not hasattr(value, "item"):
        return value
    if value.ndim and len(value.reshape(-1)) != 1:
        raise ValueError(
            f"Tensor {name} must be 1-element, got shape {tuple(value.shape)}: an optimizer takes single "
            "numbers; for a family of runs, give the rule to gdcourse.descend or gdcourse.train"
        )
    return value.item()
