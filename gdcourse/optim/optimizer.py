"""An update rule as a `torch.optim.Optimizer`. No formula stands here: what a step computes is in `update`,
which calls the rule's own `unlook`, `step` and `look`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from itertools import chain
from typing import Any

import torch
from torch.nn.parameter import is_lazy

from gdcourse.optim.bucket import Joined, Part, Single, buckets, check_fit, check_shapes, joined
from gdcourse.optim.groups import (
    COMMON,
    OPTIONS,
    Group,
    Settings,
    as_before,
    check_bool,
    check_group,
    check_params,
    check_rule,
    has,
    look_names,
    looked_by,
    looks,
    memory_of,
    number,
    settings_of,
    to_group,
    with_size_of_lr,
)
from gdcourse.optim.scope import check_scope, initial, scope_of, seen_shape
from gdcourse.optim.state_dict import HOW, check_is_one, check_parts, check_saved, from_torch, to_torch
from gdcourse.optim.update import (
    SLOW,
    Ways,
    former,
    never_traced,
    no_autocast,
    pull,
    update,
    warn_uncompiled,
    working_dtype,
)
from gdcourse.rules import Adagrad, GradientDescent, Lookahead, Rule, Values, hinted
from gdcourse.rules.around import name_of

AT_THETA = "at_theta"
ROW_BY_ROW = (GradientDescent, Adagrad)
"""The rules that leave everything as it is where the gradient is 0, so that a sparse gradient's rows are all
that there is to compute. With any other, averages or momentum go on in the rows that do not occur."""


class RuleOptimizer(torch.optim.Optimizer):
    """Moves parameters by an update rule.

    A parameter is the point at which the rule takes its gradient. For most rules that is θ; for
    Nesterov it is p = θ − γv, and `theta` and `at_theta` give θ.

    What a checkpoint or a schedule sees:

    * A parameter group holds the rule's hyperparameters under torch's names: ``betas`` for
      (``beta1``, ``beta2``), ``momentum`` for ``gamma`` (``rho`` for Adadelta, ``alpha`` for RMSProp),
      ``warmup_steps`` for Schedule-Free's ``warmup``, any other under its own. They are read at every step,
      and not checked there, as torch does not: a schedule that ends at 0 may go below it by rounding.
    * A rule without a learning rate gets one, ``lr=1.0``, by which its steps are multiplied, as in
      torch's Adadelta.
    * ``state[p]`` holds the rule's state, in float32 where p is of half precision, and ``step``, how
      many gradients p has had. So a parameter whose first gradient comes late gets the bias correction
      of a first step. A parameter without a gradient is left alone.

    ``p.grad`` is only read: a rule that writes into it, or into θ, is refused. A sparse gradient moves the
    rows that occur in it, uncompiled, with gradient descent and Adagrad; the other rules would have to move
    all rows, and refuse it.

    Where a rule raises, each parameter is as before the step, or as after it, with its state and its count;
    only one that is computed in pieces may be left with some of them moved. What torch would refuse is found
    before any has moved.

    The square of a gradient is infinite in float32 from 1.8e19 on, and 0 below about 2.6e-23. Where a
    method divides each element by the root of an average or a sum of its own squares (Adagrad, Adadelta,
    RMSProp, Adam and what is made of it), nothing becomes NaN, and what happens is what happens in torch's:
    under ∞ the element rests as long as the average keeps it, which is for good; under 0 the divisor is ε,
    and an element without any gradient rests even if ε is 0, where torch's becomes NaN. Where squares of
    several elements are mixed (Adafactor, Shampoo, SOAP), ∞ is not kept to its element, and may become NaN.
    Clip gradients as large as that, or use float64.

    A step is computed in that precision inside of `torch.autocast`, too; a closure is left to it.

    A rule that sees matrices (``scope = "tensor"``) gets each parameter as one: the first axis is the rows,
    all others are the columns, and a vector is one row. Small matrices of one shape move in a stack, in one
    call. A rule for hidden matrices alone, such as Muon, refuses vectors; `hidden_matrices` proposes which
    parameters to give it, and `Together` makes one optimizer of it and its partner.

    How it runs: the tiny parameters of a group are joined in one vector for the step, and the rule is called
    once for all of them; any other is moved where it lies. On a CPU this package's rules are called on
    NumPy's views of the tensors, in pieces that fit the processor's cache, which `torch.get_num_threads`
    threads share out; a reader's own rules, and tensors that are distributed or lie on another device, on
    tensors. Nothing is kept beside ``state``, and every parameter and every tensor of the state keeps its
    own storage.

    With ``compile=True`` torch's inductor makes one kernel of the same rule, at the first step, which takes
    some seconds. It is not compiled again for another learning rate, a schedule, another size, a group that
    joins, a parameter that rests or starts late; it is after `torch.set_num_threads`. Where compiling fails,
    for want of a C++ compiler or because the rule asks for more than arithmetic and `where`, a warning says
    so and the rule runs uncompiled. A rule that sees matrices gets a kernel for each of their shapes, in
    which the products are torch's own; one that does something at some steps only (SOAP) and one that sees
    vectors, or all parameters in one, run uncompiled.

    Parameters
    ----------
    params : tensors, named tensors or parameter groups, as for any torch optimizer. Real numbers only.
    rule : an update rule whose hyperparameters are single numbers: the default of every group.
    lr : what the steps of a rule without a learning rate are multiplied by, ≥ 0, without unit. Default 1.
    weight_decay : λ ≥ 0, in units of g over units of θ: λ p is added to the gradient. Default 0. Not for
        a rule with a weight decay of its own (AdamW).
    maximize : whether to climb instead. Default False.
    compile : whether to run as a compiled kernel. Default False.
    foreach, fused, capturable, differentiable : torch's words for how a step is computed. ``foreach`` changes
        nothing; the others are taken as None or False. So they are in a group, which does not keep them.

    Raises
    ------
    TypeError : not a rule, not tensors, or a hyperparameter that is not a number; ``maximize`` or ``compile``
        that is not a bool.
    RuntimeError : at a step, a sparse gradient, unless as said above, or with weight decay, which moves all
        rows; a parameter that was made in `torch.inference_mode`, outside of it.
    ValueError : a hyperparameter out of range, whether given here or in a group; no parameters; a
        complex parameter; a rule that says it works element by element and does not, or that writes into
        what it is given (where only trying it tells, at a step); ``fused=True``, ``capturable=True`` or
        ``differentiable=True``; an argument of torch's that chooses another formula.
    """

    _inside: set[str]
    """The blocks in which the parameters hold another point, such as θ: one object, which a wrapper that
    runs this class's methods on itself and looks up what it lacks (Lightning's) finds and changes, too."""

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
        foreach: bool | None = None,
        fused: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rule(rule)
        check_params(params)
        _check_how(fused=fused, capturable=capturable, differentiable=differentiable)
        check_bool("compile", compile)
        for name, value in (("lr", lr), ("weight_decay", weight_decay)):
            if value is not None and has(rule, name):
                raise ValueError(f"Invalid {name}: {value} ({type(rule).__name__} has its own: set it there)")
        check_scope(rule)
        self.rule, self.compile, self._failed, self._inside = rule, compile, False, set()
        defaults = {
            "lr": 1.0 if lr is None else lr,
            "weight_decay": 0.0 if weight_decay is None else weight_decay,
            **to_group(rule),
            "maximize": maximize,
        }
        check_group(rule, defaults)
        super().__init__(params, defaults)

    def add_param_group(self, param_group: Group) -> None:
        """Add a parameter group; see `torch.optim.Optimizer.add_param_group`. Raises as the class does."""
        self.defaults.pop("differentiable", None)  # torch puts it into every copy's, and under a Lookahead
        super().add_param_group(param_group)
        group = self.param_groups[-1]
        try:
            check_group(self.rule, group)
            _check_how(**{name: group[name] for name in WHY_NOT if name in group})
            for name in HOW | OPTIONS.get(type(self.rule), {}).keys():
                # a schedule would take it for one that counts, `from_torch` the checkpoint for torch's
                group.pop(name, None)
            for param in group["params"]:
                if not is_lazy(param):
                    seen_shape(self.rule, param.shape)  # raises for a vector that a rule of matrices got
                if param.is_complex():
                    raise ValueError(
                        f"optimizer got a complex parameter of shape {tuple(param.shape)}: only real ones "
                        "are supported; split it by torch.view_as_real"
                    )
        except (TypeError, ValueError):
            self.param_groups.pop()
            raise

    @never_traced
    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step. ``closure``, if given, computes the loss and its gradients anew; its loss is returned."""
        self._refuse_at_theta("step")
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        ready = self._ready()  # raises before anything has moved
        with Ways(self.compile and not self._failed) as ways:  # NumPy's views, torch, or a kernel
            for settings, with_grads in ready:
                parts = [Part(param, self._begun(param), grad) for param, grad in with_grads]
                for bucket in buckets(parts, self.rule, settings.stage, self.compile):
                    t, before = settings.stage(bucket.states[0])
                    values = settings.at(t, before)  # what the rule's own `at` gives for step t, among others
                    ways.run(update, bucket, values, then=partial(settings.note, bucket.states, t))
            ways.finish()
        self._note_failure(ways)
        return loss

    def check_step(self) -> None:
        """Raise what a step would before it has moved anything; nothing if a hook may yet change things."""
        self._refuse_at_theta("step")
        if not self._optimizer_step_pre_hooks:
            self._ready()

    def _ready(self) -> list[tuple[Settings, list[tuple[torch.Tensor, torch.Tensor]]]]:
        """For each group, the rule with its numbers of now, and its parameters that move, with gradients.

        Raises
        ------
        RuntimeError : as `_moving` and `check_shapes`.
        ValueError : as `check_fit`.
        """
        ready = [(settings_of(self.rule, group), self._moving(group)) for group in self.param_groups]
        for settings, with_grads in ready:
            states = [(param, self.state.get(param)) for param, _ in with_grads]
            check_shapes([(param, state) for param, state in states if state], self.rule)
            if scope_of(self.rule) in ("vector", "all"):
                parts = [
                    Part(param, self.state.get(param) or {"step": 0}, grad) for param, grad in with_grads
                ]
                check_fit(parts, self.rule, settings.stage)
        return ready

    def _moving(self, group: Group) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Each parameter of a group that has a gradient, with that.

        Raises
        ------
        RuntimeError : a gradient is sparse and this rule would have to move all rows, or has another shape
            than its parameter, or torch does not let a parameter be written into.
        """
        moving = []
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            if grad.layout is not torch.strided:
                self._check_sparse(param, group)
            if grad.shape != param.shape:
                raise RuntimeError(
                    f"a parameter of shape {tuple(param.shape)} has a gradient of shape {tuple(grad.shape)}: "
                    "it was given another shape since; compute its gradient anew"
                )
            if 0 in param.stride() and param.numel() > 1 and not param.is_contiguous():
                raise RuntimeError(
                    f"more than one element of a parameter of shape {tuple(param.shape)} is the same number "
                    "in memory (it was expanded): clone it"
                )
            if param.is_inference() and not torch.is_inference_mode_enabled():
                raise RuntimeError(
                    "Inplace update to inference tensor outside InferenceMode is not allowed. The parameter "
                    f"of shape {tuple(param.shape)} was made in torch.inference_mode(): clone it outside"
                )
            moving.append((param, grad))
        return moving

    def _begun(self, param: torch.Tensor) -> Group:
        """A parameter's state; its first, if it has none."""
        state = self.state.get(param)
        if not state:
            with to_be_kept():
                first = {"step": torch.tensor(0.0, dtype=torch.float32, device="cpu")}
                first |= first_state(param, self.rule)
            state = self.state[param]
            state.update(first)
        elif type(state["step"]) is not torch.Tensor:
            state["step"] = torch.as_tensor(state["step"], dtype=torch.float32, device="cpu")
        return state

    def _check_sparse(self, param: torch.Tensor, group: Group) -> None:
        """Raise if this rule would have to move all rows of a parameter, whose gradient is sparse."""
        if type(self.rule) not in ROW_BY_ROW:
            raise RuntimeError(
                f"{type(self).__name__} does not support sparse gradients, got one for a parameter "
                f"of shape {tuple(param.shape)}; dense ones are allowed (Embedding(..., sparse=False)"
                "), and SGD and Adagrad take sparse ones"
            )
        if number("weight_decay", group["weight_decay"]):
            raise RuntimeError(
                "weight_decay option is not compatible with sparse gradients: it moves all rows; "
                f"give the parameter of shape {tuple(param.shape)} a group with weight_decay=0"
            )

    def _note_failure(self, ways: Ways) -> None:
        if ways.failure:
            self._failed = True
            warn_uncompiled(ways.failure)

    @torch.no_grad()
    def pull(self, lookahead: Lookahead, held: dict[torch.Tensor, Group]) -> None:
        """Lookahead's synchronisation: ``held[p]["slow"]`` is pulled towards θ, and θ goes there. Likewise
        each ``held[p]["former_…"]``, if there are any, and the state that goes by the rest of its name."""
        alike: dict[Any, list[torch.Tensor]] = {}  # whose points rest on the same
        for param in chain.from_iterable(group["params"] for group in self.param_groups):
            state = self.state.get(param, {})
            alike.setdefault((bool(state), looked_by(look_names(self.rule), state)), []).append(param)
        with Ways(self.compile and not self._failed) as ways:
            for (moved, _), params in alike.items():
                memories = [memory_of(self.state.get(param, {})) for param in params]
                values = lookahead, self._rests_on(params[0])
                # a kernel of their own would not pay for those that have never moved
                synchronise(params, memories, held, values, ways, whole=not moved)
            ways.finish()
        self._note_failure(ways)

    def _rests_on(self, param: torch.Tensor) -> Rule:
        """The rule by which a parameter's point was made of θ; one that does not look ahead for a point that
        is θ."""
        if AT_THETA in self._inside:
            return Rule()
        state = self.state.get(param)
        return as_before(self.rule, looked_by(look_names(self.rule), state)) if state else Rule()

    def theta(self, param: torch.Tensor) -> torch.Tensor:
        """θ of one parameter, as a new tensor; in float32 where the parameter is of half precision."""
        point = param.detach().to(working_dtype(param))
        return self._rests_on(param).unlook(point, memory_of(self.state.get(param, {}))).clone()

    @torch.no_grad()
    def set_theta(self, param: torch.Tensor, theta: torch.Tensor) -> None:
        """Put the parameter where its θ is the given one; the state stays."""
        self._refuse_at_theta("set_theta")
        theta = theta.to(working_dtype(param))
        param.copy_(self._rests_on(param).look(theta, memory_of(self.state.get(param, {}))))

    @contextmanager
    def at_theta(self) -> Iterator[None]:
        """Inside, the parameters hold θ; afterwards, even if the body raised, what they held before.

        Where a rule takes its gradient elsewhere than at θ, the parameters are that point, and this is where
        to evaluate: Nesterov, both Schedule-Free, and SAM between its two gradients, inside another rule as
        well. For the others nothing changes. A block inside another changes nothing either.

        The model's weights that are saved inside are for use, not for going on: the optimizer's state belongs
        to the point that comes back. So a checkpoint of both is saved, and loaded, outside.

        Raises
        ------
        RuntimeError : inside, a step or `set_theta`; and where the point is not θ, a checkpoint or a copy.
        """
        if AT_THETA in self._inside:
            yield
            return
        params = [param for group in self.param_groups for param in group["params"]]
        with holding({param: self.theta(param) for param in params}, self._inside, AT_THETA):
            yield

    def _refuse_at_theta(self, what: str, only_ahead: bool = False) -> None:
        """Raise inside `at_theta`; with ``only_ahead``, only for a rule whose point is not θ."""
        if AT_THETA in self._inside and (looks(self.rule) or not only_ahead):
            raise elsewhere(AT_THETA, what)

    def load_state_dict(self, state_dict: Group) -> None:
        """Load what `state_dict` gave, or what torch's own optimizer did where its state means the same:
        that of SGD without momentum, RMSprop without momentum and centering, Adadelta, Adam and AdamW without
        amsgrad (Adam with it is AMSGrad), and RAdam (which sets ``threshold=5``). The state is copied, and
        float32 state of a half-precision parameter stays float32, where torch would round it to the
        parameter's own precision.

        Raises
        ------
        TypeError, ValueError : it is another optimizer's, or something in it is missing, unknown, out of
            range or of another shape. Then nothing was loaded.
        RuntimeError : inside `at_theta`, where the point is not θ.
        """
        self._refuse_at_theta("load_state_dict", only_ahead=True)
        check_is_one(state_dict)
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
        check_saved(self.rule, self.param_groups, saved, keys | COMMON, look_names(self.rule))
        for group in saved["param_groups"]:
            check_group(self.rule, with_size_of_lr(group))
        return saved

    def _copy_state(self, saved: Group) -> None:
        indices = chain.from_iterable(group["params"] for group in saved["param_groups"])
        params = chain.from_iterable(group["params"] for group in self.param_groups)
        for index, param in zip(indices, params, strict=True):
            for name, value in saved["state"].get(index, {}).items():
                if name in ("step", *look_names(self.rule)):
                    self.state[param][name] = copied(value)
                elif isinstance(value, torch.Tensor):
                    dtype = working_dtype(param) if value.is_floating_point() else value.dtype
                    self.state[param][name] = value.to(param.device, dtype, copy=True)
        for group in self.param_groups:
            group.update({name: copied(value) for name, value in group.items() if name != "params"})

    def state_dict(self) -> Group:
        """As torch's, and the rule's name; a snapshot: neither steps nor schedules change it later. Inside
        `at_theta` a RuntimeError, where the point is not θ.

        It is for this class to load. torch's own optimizer would load it without a word, and then miss its
        own names at its next step: give it `torch_state_dict`.
        """
        self._refuse_at_theta("state_dict", only_ahead=True)
        first = self.register_state_dict_post_hook(lambda _, saved: self._saved(saved), prepend=True)
        try:
            return super().state_dict()
        finally:
            first.remove()

    def _saved(self, saved: Group) -> Group:
        groups = [{name: copied(value) for name, value in group.items()} for group in saved["param_groups"]]
        name = name_of(self.rule)
        return {**saved, "rule": name, "param_groups": groups, "state": _snapshot(saved["state"])}

    def torch_state_dict(self) -> Group:
        """What `state_dict` gives, in torch's words, for torch's own optimizer to load, which then goes on as
        this one would. For the rules that `load_state_dict` names.

        Raises
        ------
        ValueError : torch has no optimizer with this state, or none with a group's hyperparameters.
        """
        return to_torch(self.rule, self.state_dict())

    def __getstate__(self) -> Group:
        self._refuse_at_theta("a copy", only_ahead=True)
        state = super().__getstate__()
        own = {"rule": self.rule, "compile": self.compile}
        return {**state, "state": defaultdict(dict, _snapshot(state["state"])), **own}

    def __setstate__(self, state: Group) -> None:
        super().__setstate__(state)
        self._failed = False
        if not hasattr(self, "_inside"):  # a copy; inside a block a checkpoint may be loaded
            self._inside = set()


def synchronise(
    params: list[torch.Tensor],
    memories: list[Values],
    held: dict[torch.Tensor, Group],
    values: tuple[Lookahead, Rule],
    ways: Ways,
    whole: bool,
) -> None:
    """Lookahead's synchronisation of parameters: ``held`` has their slow weights and former moments, and
    ``memories``, their optimizer's states, have the moments, and what their points rest on."""
    parts = []
    for param, memory in zip(params, memories, strict=True):
        formers = {name: value for name, value in held[param].items() if name != SLOW}
        moments = {name: value for name, value in memory.items() if former(name) in formers}
        looked_with = moments if type(values[1]) is Rule else memory
        parts.append(Part(param, {**looked_with, **formers, SLOW: held[param][SLOW]}, None))
    fit = not whole and all(part.in_shape() for part in parts)
    lists, alone = joined(parts, lambda state: None, False) if fit else ([], parts)
    for some in lists:
        ways.run(pull, Joined(some, whole), values)
    for param, tensors, _ in alone:
        ways.run(pull, Single(param, tensors, None, {}, whole), values)


@contextmanager
def to_be_kept() -> Iterator[None]:
    """Tensors that are made inside may be written into outside of `torch.inference_mode`, too, and have the
    precision that they are made for, inside of `torch.autocast`, too."""
    with torch.inference_mode(False), torch.no_grad(), no_autocast():
        yield


def first_state(param: torch.Tensor, rule: Rule) -> Values:
    """A parameter's first state. Copies: a rule may give the parameter itself, or one tensor twice."""
    point = param.detach().to(working_dtype(param))
    memory = initial(rule, point, torch.zeros_like(point))
    if taken := {"step", *look_names(rule)} & memory.keys():
        raise ValueError(f"a rule's init must not name a state {taken.pop()!r}: it is in use here")
    return {name: copied(value) for name, value in memory.items()}


def kind_of(optimizer: torch.optim.Optimizer) -> str:
    """An optimizer's package and method: state of torch's Adam is not for ours."""
    if isinstance(optimizer, RuleOptimizer):
        return f"{type(optimizer.rule).__module__.partition('.')[0]}.{name_of(optimizer.rule)}"
    return f"{type(optimizer).__module__.partition('.')[0]}.{type(optimizer).__name__}"


def copied(value: Any) -> Any:
    """A tensor's copy; anything else as it is."""
    return value.clone() if isinstance(value, torch.Tensor) else value


def snapshot_of(optimizer: torch.optim.Optimizer) -> Group:
    """Any optimizer's checkpoint, which later steps do not change: torch's own share their tensors."""
    saved = optimizer.state_dict()
    return saved if isinstance(optimizer, RuleOptimizer) else deepcopy(saved)


def _snapshot(states: dict[Any, Group]) -> dict[Any, Group]:
    return {key: {name: copied(value) for name, value in state.items()} for key, state in states.items()}


WHY_NOT = {
    "fused": "compile=True makes one kernel of the rule",
    "capturable": "a step counts on the CPU, and a captured one would repeat the same count",
    "differentiable": "the parameters are overwritten; gdcourse.descend keeps every step",
}


def _check_how(**given: Any) -> None:
    """Raise for those of torch's words for how a step is computed that mean what there is not here."""
    for name, value in given.items():
        if value:
            raise ValueError(f"Invalid {name}: {value!r} (not supported: {WHY_NOT[name]})")


def elsewhere(block: str, what: str) -> RuntimeError:
    """What to raise where a block holds the parameters at another point than the optimizer's own."""
    return RuntimeError(
        f"{what} inside {block}(): the optimizer's state belongs to the point that comes back when the block "
        "ends: step, save, load and copy after the block. Inside, evaluate, and save the model's weights "
        "alone: they are for use, not for going on"
    )


@contextmanager
def holding(values: dict[torch.Tensor, torch.Tensor], inside: set[str], block: str) -> Iterator[None]:
    """Inside, each parameter holds the value beside it, and ``inside`` names the block; afterwards what it
    held before, bit for bit."""
    before = {param: param.detach().clone() for param in values}
    inside.add(block)
    try:
        with torch.no_grad():
            for param, value in values.items():
                param.copy_(value)
        yield
    finally:
        inside.discard(block)
        with torch.no_grad():
            for param, value in before.items():
                param.copy_(value)
