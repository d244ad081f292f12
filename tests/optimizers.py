"""The optimizers that the tests run over, and how they are walked: ours from the table, torch's beside them.

An optimizer that stands in the table and is not named here is tested all the same, but for the comparison
with torch's.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from functools import lru_cache
from inspect import Parameter, signature
from typing import Any

import pytest
import torch

import gdcourse as gd
from gdcourse.optim.methods import CLASSES
from gdcourse.rules import AFTER
from gdcourse.rules.table import BOTH, OWN_RATE, REPAIRS, SIGNS

# ---- ours ----

RATES = {"SGD": 0.1, "Momentum": 0.03, "Nesterov": 0.03, "SignSGD": 0.01, "ScheduleFreeSGD": 0.1}
"""The learning rates of those that have no default, or a large one; any other has the table's."""


def arguments(function):
    """The names of a function's arguments, with their defaults."""
    return {name: p.default for name, p in signature(function).parameters.items()}


def rate(name):
    """The learning rate, as an argument, that one of our classes must be given, or had better be."""
    needed = name in RATES or arguments(CLASSES[name])["lr"] is Parameter.empty
    return {"lr": RATES.get(name, CLASSES[name].method.usual)} if needed else {}


def maker(name):
    return lambda params, **kw: CLASSES[name](params, **{**rate(name), **kw})


ANY_SHAPE = {
    name: maker(name)
    for name, kind in CLASSES.items()
    if not kind.method.kind.matrices_only and kind.method.kind.scope != "all"
}
"""Every class of the table that moves each parameter, of whatever shape, by itself or by element, as a
function of the parameters and whatever arguments are given."""

MAKERS = {name: maker(name) for name, kind in CLASSES.items() if kind.method.kind.scope == "element"}
"""Those of them that work by element."""

KEPT = ("ADOPT", "ScheduleFree")
"""Of the rules after the talk those that compiled and long tests are run with each time: one has choices by t
and by element, the other looks ahead."""


def is_rare(name):
    """Whether such tests leave a method to the slow run."""
    return name in CLASSES and CLASSES[name].method.kind.__name__ in AFTER and name not in KEPT


def mostly(makers, *marks):
    """The makers by name as a test's parameters, those that are rare marked as slow."""
    return [
        pytest.param(make, id=name, marks=[*marks, pytest.mark.slow] if is_rare(name) else marks)
        for name, make in makers.items()
    ]


BOUNDED = [name for name in MAKERS if CLASSES[name].method.family in (OWN_RATE, BOTH, SIGNS, REPAIRS)]
"""Those whose steps do not grow with the gradient."""

RULE_OF = {name: kind.method.kind for name, kind in CLASSES.items()}


def ahead(make, *args):
    """Lookahead around what `make` makes."""
    return lambda params, **kw: gd.optim.Lookahead(make(params, **kw), *args)


# ---- torch's with the same formula ----


@dataclass(frozen=True)
class Oracle:
    """torch's optimizer that equals ours at equal arguments, once each is told something besides.

    ``shares_state`` : whether checkpoints go to and fro. ``variant`` : what makes of torch's another method
    with another state, if anything does.
    """

    kind: Any
    ours: dict[str, Any] = field(default_factory=dict)
    theirs: dict[str, Any] = field(default_factory=dict)
    shares_state: bool = True
    variant: dict[str, Any] = field(default_factory=dict)


class NAdam(torch.optim.NAdam):
    """torch keeps Π_t in its default precision: here in double."""

    def step(self, closure=None):
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            return super().step(closure)
        finally:
            torch.set_default_dtype(before)


def clipping(optimizer, most):
    """The optimizer, before whose steps torch clips."""

    def hook(*_):
        params = [p for group in optimizer.param_groups for p in group["params"]]
        torch.nn.utils.clip_grad_norm_(params, most)

    optimizer.register_step_pre_hook(hook)
    return optimizer


HEAVY_BALL = {"momentum": 0.9}
ORACLES = {
    "SGD": Oracle(torch.optim.SGD, variant=HEAVY_BALL),
    "Momentum": Oracle(torch.optim.SGD, HEAVY_BALL, HEAVY_BALL, shares_state=False),
    "Nesterov": Oracle(torch.optim.SGD, HEAVY_BALL, HEAVY_BALL | {"nesterov": True}, shares_state=False),
    "Adagrad": Oracle(
        torch.optim.Adagrad,
        {"eps": 1e-8},
        {"eps": 0, "initial_accumulator_value": 1e-8},
        shares_state=False,
    ),
    "RMSProp": Oracle(torch.optim.RMSprop, variant={"centered": True}),
    "Adadelta": Oracle(torch.optim.Adadelta),
    "Adam": Oracle(torch.optim.Adam, variant={"amsgrad": True}),
    "AdamW": Oracle(torch.optim.AdamW, variant={"amsgrad": True}),
    "RAdam": Oracle(torch.optim.RAdam, {"threshold": 5}, variant={"decoupled_weight_decay": True}),
    "NAdam": Oracle(NAdam, shares_state=False),
    "AMSGrad": Oracle(torch.optim.Adam, {}, {"amsgrad": True}, variant={"amsgrad": False}),
}
"""By the name of our class. Those that torch has not are not here."""


def pair_of(name):
    """Two functions of parameters and arguments: ours, and torch's that equals it. The defaults are ours."""
    oracle = ORACLES[name]
    theirs = arguments(oracle.kind)
    ours = {**arguments(CLASSES[name]), **rate(name)}
    common = {key: value for key, value in ours.items() if key in theirs and key not in ("params", "compile")}
    return (
        lambda params, **kw: MAKERS[name](params, **{**oracle.ours, **kw}),
        lambda params, **kw: oracle.kind(params, **{**common, **kw, **oracle.theirs}),
    )


# ---- torch's own, for Lookahead to go around ----

FILLED = 0.7
TORCHS = {
    "SGD": {"lr": 0.1, "momentum": 0.9},
    "Adagrad": {"lr": 0.1, "initial_accumulator_value": FILLED},
    "RMSprop": {"momentum": 0.5, "centered": True},
    "Adadelta": {},
    "Adam": {"lr": 0.1, "amsgrad": True},
    "AdamW": {},
    "Adamax": {},
    "NAdam": {},
    "RAdam": {},
    "ASGD": {"lr": 0.1, "t0": 3},
    "Rprop": {},
    "Adafactor": {},
    "SparseAdam": {},
    "Muon": {"lr": 0.1},
    "LBFGS": {"max_iter": 1},
}
"""With what they have besides, where that gives them more state. Not every version of torch has all."""
TORCHS = {name: options for name, options in TORCHS.items() if hasattr(torch.optim, name)}


def torchs_maker(name):
    return lambda params, **kw: getattr(torch.optim, name)(params, **{**TORCHS[name], **kw})


UNUSUAL = ("SparseAdam", "Muon", "LBFGS")
"""They take gradients, parameters or closures of their own kind."""


# ---- parameters, gradients and walks ----


@lru_cache(maxsize=20_000)
def _noise(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def parameters(*shapes, seed=0, dtype=torch.float64, device="cpu"):
    """Parameters of standard normal numbers. Default: a matrix and a vector."""
    generator = torch.Generator().manual_seed(seed)
    shapes = shapes or [(3, 2), (4,)]
    drawn = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    return [torch.nn.Parameter(x.to(device, dtype)) for x in drawn]


def give_gradients(params, t, resting=()):
    """To each parameter half of itself and noise, another in each step; none to those that rest."""
    for i, p in enumerate(params):
        grad = 0.5 * p.detach().double() + _noise(p.shape, 100 * t + i).to(p.device)
        p.grad = None if i in resting else grad.to(p.dtype)


def walk(params, optimizer, steps, first=1, each=None):
    """Steps with gradients by `give_gradients`; ``each(t)`` is called after step t."""
    for t in range(first, first + steps):
        give_gradients(params, t)
        optimizer.step()
        if each:
            each(t)


def values(params):
    return [p.detach().clone() for p in params]


def twins_of(params):
    return [torch.nn.Parameter(p.detach().clone()) for p in params]


def equal(a, b):
    """Bit for bit."""
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def gap(a, b):
    """The largest difference between two lists of tensors."""
    gaps = [(x.detach().cpu() - y.detach().cpu()).abs() for x, y in zip(a, b, strict=True)]
    return max(g.max().item() for g in gaps if g.numel())


# ---- a long story ----

SHAPES = [(20, 3), (7,), (1,), (), (5, 4, 3), (0, 2), (6,), (3, 3), (300,)]
"""Tiny ones of every number of axes, of which `many` has one with its numbers in another order; and the last,
that is to be a long one."""


def many(dtype=torch.float64, shapes=SHAPES):
    return [
        torch.nn.Parameter(p.detach().permute(2, 0, 1)) if p.ndim == 3 else p
        for p in parameters(*shapes, dtype=dtype)
    ]


def story(make, dtype=torch.float64, alone=False, steps=300, **extra):
    """Two groups under a schedule. Parameter 1 starts late, 2 is frozen and thawed, 4 has no gradient now
    and then, 6 never has one. ``alone``: with an optimizer for each."""
    params = many(dtype)
    groups = [{"params": [p], "lr": 0.02 if i > 5 else 0.01} for i, p in enumerate(params)]
    if not alone:
        groups = [{**groups[i], "params": params[i:j]} for i, j in ((0, 6), (6, len(params)))]
    optimizers = [make([group], **extra) for group in groups] if alone else [make(groups, **extra)]
    schedules = [
        torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps) for optimizer in optimizers
    ]
    for t in range(1, steps + 1):
        resting = {6} | ({1} if t < 40 else set()) | ({2} if 100 < t < 150 else set())
        give_gradients(params, t, resting | ({4} if t % 7 == 0 else set()))
        given = [(p, p.grad, p.grad.clone()) for p in params if p.grad is not None]
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
            optimizer.step()
            schedule.step()
        assert all(p.grad is grad and torch.equal(grad, kept) for p, grad, kept in given)
    return values(params)


def relative_gap(ours, theirs):
    """The largest difference, relative to the tensor's largest number where that is more than 1."""
    pairs = [(a, b) for a, b in zip(ours, theirs, strict=True) if a.numel()]
    return max(((a - b).abs().max() / b.abs().max().clamp(min=1)).item() for a, b in pairs)


def through_a_file(state_dict):
    """A checkpoint as it comes back from a file of weights only."""
    buffer = io.BytesIO()
    torch.save(state_dict, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)
