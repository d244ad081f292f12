"""Bad hyperparameters: the error begins as torch's own, names the argument and its value, and says what is
allowed."""

import re
from dataclasses import FrozenInstanceError, dataclass, replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import gdcourse as gd
from gdcourse.rules import validate
from tests import methods

NAN, INF = float("nan"), float("inf")
NAMES = ("lr", "gamma", "beta1", "beta2", "eps", "weight_decay", "threshold", "k", "alpha")
OF_ONE = {
    "AdEMAMix.alpha": "weight_decay",
    "AdEMAMix.beta3": "beta1",
    "NAdam.momentum_decay": "weight_decay",
    "ScheduleFree.beta1": "inside",
    "ScheduleFreeSGD.beta": "inside",
    "ScheduleFree.warmup": "weight_decay",
    "ScheduleFreeSGD.warmup": "weight_decay",
    "Prodigy.d0": "above",
    "Prodigy.d_coef": "above",
    "Clipped.max_norm": "most",
    "SAM.rho": "weight_decay",
    "Shampoo.exponent": "weight_decay",
    "Adafactor.beta2_decay": "below",
    "Adafactor.eps1": "weight_decay",
    "Adafactor.eps2": "weight_decay",
    "Adafactor.d": "from 1",
}
"""Where a rule has a range of its own, and which of the ranges below it is like."""

MADE = {
    name: [
        partial(lambda key, name, value: methods.with_values(key, **{name: value}), key, name)
        for key in gd.ALL
        if name in methods.hyperparameters(key) and f"{key}.{name}" not in OF_ONE
    ]
    for name in NAMES
}
MADE |= {
    one: [partial(lambda key, name, value: methods.with_values(key, **{name: value}), *one.split("."))]
    for one in OF_ONE
}
"""From a hyperparameter's name to functions of its value that make a rule, one for each rule that has it."""

OUTSIDE = {
    "lr": [-1, -1e-9, NAN, INF],
    "gamma": [-0.1, 1, 1.5, NAN],
    "beta1": [-0.1, 1.0, 2, NAN],
    "beta2": [-0.1, 1.0, 2, NAN],
    "eps": [-1e-8, NAN, INF],
    "weight_decay": [-0.01, NAN, INF],
    "threshold": [NAN],
    "k": [0, -3, 2.5, NAN],
    "alpha": [-0.1, 1.1, NAN],
    "inside": [-0.1, 0, 1, 1.5, NAN],
    "above": [-1, 0, NAN, INF],
    "most": [-1, 0, NAN],
    "below": [1e-300, 0.5, 1, NAN, -INF],
    "from 1": [1 - 1e-6, 0.5, 0, -1, NAN],
}
BEGINS = {
    "lr": "Invalid learning rate: ",
    "gamma": "Invalid momentum value: ",
    "Adadelta.gamma": "Invalid rho value: ",
    "RMSProp.gamma": "Invalid alpha value: ",
    "beta1": "Invalid beta parameter at index 0: ",
    "beta2": "Invalid beta parameter at index 1: ",
    "eps": "Invalid epsilon value: ",
    "weight_decay": "Invalid weight_decay value: ",
    "AdEMAMix.alpha": "Invalid alpha value: ",
    "AdEMAMix.beta3": "Invalid beta parameter at index 2: ",
    "NAdam.momentum_decay": "Invalid momentum_decay value: ",
    "ScheduleFreeSGD.beta": "Invalid momentum value: ",
    "ScheduleFreeSGD.warmup": "Invalid warmup_steps value: ",
    "ScheduleFree.warmup": "Invalid warmup_steps value: ",
    "Prodigy.d0": "Invalid d0 value: ",
    "Prodigy.d_coef": "Invalid d_coef value: ",
    "SAM.rho": "Invalid rho value: ",
    "Adafactor.beta2_decay": "beta2_decay should be <= 0 but is: ",
    "Adafactor.eps1": "epsilon1 should be >= 0 but is: ",
    "Adafactor.eps2": "epsilon2 should be >= 0 but is: ",
    "Adafactor.d": "Clipping threshold d should be >= 1 but is: ",
}
INSIDE = {  # the ends that are allowed, and what lies next to those that are not
    "lr": [0, 0.0, 1e308],
    "gamma": [0, 0.0, 1 - 1e-15],
    "beta1": [0, 0.0, 1 - 1e-15],
    "beta2": [0, 0.0, 1 - 1e-15],
    "eps": [0, 0.0, 1e308],
    "weight_decay": [0, 0.0, 1e308],
    "threshold": [-1, 0, 4, 5.5, INF],
    "k": [1, 2.0, 10**6],
    "alpha": [0, 0.0, 1, 1.0],
    "inside": [1e-15, 1 - 1e-15],
    "above": [1e-300, 1e308],
    "most": [1e-300, 1e308, INF],
    "below": [0, 0.0, -0.5, -1e308],
    "from 1": [1, 1.0, 1e308, INF],
}
ALLOWED = {
    "lr": "a finite number ≥ 0",
    "gamma": "in [0, 1)",
    "beta1": "in [0, 1)",
    "beta2": "in [0, 1)",
    "eps": "a finite number ≥ 0",
    "weight_decay": "a finite number ≥ 0",
    "threshold": "a number",
    "k": "a whole number ≥ 1",
    "alpha": "in [0, 1]",
    "inside": "in (0, 1): at 0 θ could not be told from the training point",
    "above": "a finite number > 0",
    "most": "a number > 0",
    "below": "a finite number ≤ 0",
    "from 1": "a number ≥ 1",
}
for table in (OUTSIDE, INSIDE, ALLOWED):
    table |= {one: table[like] for one, like in OF_ONE.items()}
CASES = [(name, make, value) for name in MADE for make in MADE[name] for value in OUTSIDE[name]]
WRONG_KINDS = ["0.1", None, 1j, [0.1], (0.9, 0.999), True]
WRONG_KINDS += [SimpleNamespace(dtype="float64"), SimpleNamespace(shape=(2,))]
WRONG_KINDS += [np.array(["a"]), np.array([1j]), np.array([None]), np.array([True]), torch.tensor([1j])]


@pytest.mark.parametrize("name, make, value", CASES)
def test_outside_its_range(name, make, value):
    rule = make(value)
    with pytest.raises(ValueError) as error:
        validate(rule)
    message, owner, field = str(error.value), type(rule).__name__, name.split(".")[-1]
    begin = BEGINS.get(f"{owner}.{field}") or BEGINS.get(field, f"Invalid {field}: ")
    assert message.startswith(begin + str(value))
    assert f"{owner}'s {field} must be {ALLOWED[name]}" in message


@pytest.mark.parametrize("name, make, value", CASES)
def test_one_bad_element_of_an_array_is_enough(name, make, value):
    good = float(INSIDE[name][-1])
    for array in (np.array([good, value]), torch.tensor([[good], [float(value)]])):
        with pytest.raises(ValueError, match=f"'s {name.split('.')[-1]} must be"):
            validate(make(array))
        validate(make(np.array([good, good])))


@pytest.mark.parametrize("name", MADE)
def test_its_range_to_the_ends(name):
    assert MADE[name]
    for make in MADE[name]:
        for value in INSIDE[name]:
            validate(make(value))
        validate(make(np.array(INSIDE[name])))


@pytest.mark.parametrize(
    "dtype",
    [">f8", np.float16, np.int8, np.uint16, torch.bfloat16, torch.float16, torch.int32, torch.uint8],
    ids=str,
)
def test_arrays_of_every_kind_of_real_number(dtype):
    """ ">f8" are the doubles of a machine with the other byte order, as files have them."""
    array = torch.ones(2, dtype=dtype) if isinstance(dtype, torch.dtype) else np.ones(2, dtype)
    validate(gd.GradientDescent(array))
    with pytest.raises(ValueError, match="Momentum's gamma must be in"):
        validate(gd.Momentum(0.1, array))


@pytest.mark.parametrize("value", WRONG_KINDS, ids=repr)
@pytest.mark.parametrize("name", MADE)
def test_the_wrong_type(name, value):
    for make in MADE[name]:
        with pytest.raises(TypeError) as error:
            validate(make(value))
        assert repr(value) in str(error.value)
        assert (
            f"'s {name.split('.')[-1]} must be a number, or for a family of runs an array of numbers"
            in str(error.value)
        )


@pytest.mark.parametrize("name", ["lr", "gamma", "eps", "k", "alpha"])
def test_inside_a_lookahead_it_is_the_inner_rule_that_is_named(name):
    if name in ("k", "alpha"):
        with pytest.raises(ValueError, match=f"Lookahead's {name}"):
            validate(gd.Lookahead(gd.Adam(), **{name: -1}))
    else:
        inner = gd.Adadelta(**{name: -1}) if name != "lr" else gd.Adam(lr=-1)
        with pytest.raises(ValueError, match=f"{type(inner).__name__}'s {name}"):
            validate(gd.Lookahead(inner))


@pytest.mark.parametrize(
    "nested",
    [
        gd.Lookahead(gd.Lookahead(gd.Adam())),
        gd.Lookahead(gd.Cautious(gd.Lookahead(gd.Adam()))),
        gd.Cautious(gd.Lookahead(gd.Lookahead(gd.Adam()))),
    ],
    ids=["at once", "farther in", "inside another"],
)
def test_nested_lookahead(nested):
    with pytest.raises(ValueError, match="a Lookahead around a Lookahead is not supported"):
        validate(nested)


def test_a_rule_around_another_of_its_kind_or_one_that_cannot_be_run_as_it_must():
    with pytest.raises(ValueError, match="Invalid inner_rule: a Clipped around a Clipped is not supported"):
        validate(gd.Clipped(gd.SAM(gd.Clipped(gd.Adam()))))
    said = "Clipped sums over all parameters (scope = 'all') and {} needs each by itself (scope = {!r})"
    for inner, scope in ((gd.Muon(), "tensor"), (gd.Cautious(gd.Adam()), "vector")):
        with pytest.raises(ValueError, match=re.escape(said.format(type(inner).__name__, scope))):
            validate(gd.Clipped(inner))
        with pytest.raises(ValueError, match="they cannot be one rule"):
            validate(gd.Lookahead(gd.Clipped(inner)))
    validate(gd.Lookahead(gd.Clipped(gd.SAM(gd.Adam()))))
    validate(gd.Cautious(gd.Muon()))
    with pytest.raises(ValueError, match="Adam's beta1 must be"):
        validate(gd.Cautious(gd.Lookahead(gd.Adam(beta1=2))))


def test_a_range_of_its_own_is_a_subclasss_too():
    @dataclass(frozen=True, eq=False)
    class Mine(gd.ScheduleFree):
        pass

    @dataclass(frozen=True, eq=False)
    class Other(gd.Adam):
        rho: float = -1.0  # which means what it likes

    @dataclass(frozen=True, eq=False)
    class ScheduleFree(gd.Rule):  # a reader's copy, changed
        beta1: float = 0.0
        warmup: float = -1.0

    validate(Other())
    validate(ScheduleFree())
    with pytest.raises(ValueError, match=r"ScheduleFree's beta1 must be in \[0, 1\)\)"):
        validate(ScheduleFree(beta1=1.0))
    with pytest.raises(ValueError, match="ScheduleFree's beta1 must be in"):
        validate(Mine(beta1=0.0))


@pytest.mark.parametrize("what", [gd.Adam, gd.Lookahead(gd.Adam)], ids=["bare", "inside Lookahead"])
def test_a_class_in_place_of_a_rule(what):
    with pytest.raises(TypeError, match="Adam is a class: give it its hyperparameters"):
        validate(what)


@pytest.mark.parametrize("what", [0.1, None, "adam", torch.optim.Adam([torch.zeros(1)])], ids=repr)
def test_something_else_in_place_of_a_rule(what):
    with pytest.raises(
        TypeError, match=r"expected a rule such as Momentum\(lr=0.1\), got " + re.escape(repr(what)) + "$"
    ):
        validate(what)


def test_a_readers_rule_that_is_no_dataclass():
    class Mine(gd.Rule):
        def step(self, theta, grad, state, at):
            return theta - 0.1 * grad, {}

    with pytest.raises(TypeError, match=r"Mine is not a dataclass: put @dataclass\(frozen=True, eq=False\)"):
        validate(Mine())


@pytest.mark.parametrize(
    "given",
    [
        (),
        None,
        7.0,
        "abc",
        (3.4, -4.8, 2.0),
        ((3.4, -4.8),),
        ((3.4, -4.8, 2.0, 1.0),),
        ((3.4, -4.8, 2.0), (3.4, -4.8)),
        ((3.4, -4.8), (3.4, -4.8, 2.0)),
        ((3.4, -4.8), (3.4, -4.8, 2.0, 2.0)),
        ((3.4, -4.8, NAN),),
        ((3.4, -INF, 2.0),),
        ((3.4, "a", 2.0),),
        ("abc",),
        ((3.4, -4.8, 2.0), None),
    ],
    ids=repr,
)
def test_coefficients_are_three_numbers_for_each_step(given):
    with pytest.raises(ValueError, match="Muon's must be three numbers for each step") as error:
        validate(gd.Muon(coefficients=given))
    assert str(error.value).startswith(f"Invalid coefficients: {given!r}")


def test_coefficients_of_one_step_or_of_several():
    for given in (((3, -4.8, 2.0),), [[3.4, -4.8, 0], (1.0, 1.0, 1.0)], gd.rules.QUINTIC):
        validate(gd.Muon(coefficients=given))
        validate(gd.NorMuon(coefficients=given))


def test_what_a_readers_rule_calls_coefficients_or_fixed_means_what_it_likes():
    @dataclass(frozen=True, eq=False)
    class Mine(gd.Rule):
        aim: str = "far"
        coefficients: float = 0.5
        schedule: str = "cosine"
        fixed = ("aim", "schedule")

    @dataclass(frozen=True, eq=False)
    class Other(gd.Rule):
        coefficients: float = 0.5

    validate(Mine())
    validate(Other())


@pytest.mark.parametrize("name", ["lr", "gamma", "weight_decay"])
def test_a_number_on_a_device_is_not_read(name):
    """A tensor without contents stands for one there: reading either would tell."""
    validate(replace(gd.Muon(), **{name: torch.empty((), device="meta")}))
    with pytest.raises(TypeError, match=f"Muon's {name} must be a number"):
        validate(replace(gd.Muon(), **{name: torch.empty((), device="meta", dtype=torch.complex64)}))


def test_partners_are_frozen_and_equal_to_themselves_alone():
    pair = gd.Partners(gd.Muon(), rest=gd.Adam())
    with pytest.raises(FrozenInstanceError):
        pair.rest = gd.Adam()
    assert pair == pair and pair != replace(pair) and len({pair, replace(pair)}) == 2


def test_of_partners_each_is_checked():
    validate(gd.Partners(gd.Muon(), rest=gd.Adam()))
    with pytest.raises(ValueError, match="Muon's lr must be"):
        validate(gd.Partners(gd.Muon(-1.0), rest=gd.Adam()))
    with pytest.raises(ValueError, match="Adam's lr must be"):
        validate(gd.Partners(gd.Muon(), rest=gd.Adam(-1.0)))


def test_a_readers_rule_is_checked_as_far_as_it_uses_the_same_names():
    @dataclass(frozen=True, eq=False)
    class Warm(gd.Rule):
        lr: float
        schedule: str = "cosine"

    validate(Warm(0.1))
    with pytest.raises(ValueError, match="Warm's lr must be a finite number"):
        validate(Warm(-0.1))


def test_what_is_admitted(rule):
    validate(rule)
    for good in (
        gd.GradientDescent(0),
        gd.GradientDescent(np.float32(0.1)),
        gd.GradientDescent(torch.tensor(0.1)),
        gd.Momentum(np.int64(1), 0),
        gd.Adam(beta1=0, beta2=0.0),
        gd.Lookahead(rule if not isinstance(rule, gd.Lookahead) else rule.inner_rule, k=1, alpha=1),
        gd.Lookahead(gd.Adam(), k=3.0, alpha=0),
        gd.RAdam(threshold=5, eps=0),
    ):
        validate(good)


@pytest.mark.parametrize(
    "ours, theirs",
    [
        (gd.GradientDescent(-1.0), lambda p: torch.optim.SGD(p, lr=-1.0)),
        (gd.Momentum(0.1, -1.0), lambda p: torch.optim.SGD(p, lr=0.1, momentum=-1.0)),
        (gd.Adadelta(2.0), lambda p: torch.optim.Adadelta(p, rho=2.0)),
        (gd.RMSProp(gamma=-1.0), lambda p: torch.optim.RMSprop(p, alpha=-1.0)),
        (gd.Adam(beta1=1.0), lambda p: torch.optim.Adam(p, betas=(1.0, 0.9))),
        (gd.RAdam(beta2=1.0), lambda p: torch.optim.RAdam(p, betas=(0.9, 1.0))),
        (gd.Adagrad(eps=-1.0), lambda p: torch.optim.Adagrad(p, eps=-1.0)),
        (gd.AdamW(weight_decay=-1.0), lambda p: torch.optim.AdamW(p, weight_decay=-1.0)),
    ],
    ids=lambda x: type(x).__name__,
)
def test_it_begins_with_torchs_own_words(ours, theirs):
    with pytest.raises(ValueError) as torch_error:
        theirs([torch.zeros(1)])
    with pytest.raises(ValueError, match="^" + re.escape(str(torch_error.value)) + r" \("):
        validate(ours)
