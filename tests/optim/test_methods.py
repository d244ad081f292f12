"""The classes that are made from the table: their arguments, and what they say of themselves."""

import inspect
from dataclasses import dataclass

import pytest

import gdcourse as gd
from gdcourse.optim import methods
from gdcourse.optim.methods import CLASSES, RuleOptimizer, class_of
from gdcourse.rules import ALL, METHODS, Method
from tests.optimizers import MAKERS, arguments, equal, parameters, rate, walk

EMPTY = inspect.Parameter.empty
ARGUMENTS = {
    "SGD": {"lr": EMPTY},
    "Momentum": {"lr": EMPTY, "momentum": 0.9},
    "Nesterov": {"lr": EMPTY, "momentum": 0.9},
    "Adagrad": {"lr": 0.01},
    "RMSProp": {"lr": 0.001, "alpha": 0.9, "eps": 1e-8, "weight_decay": 0.0},
    "Adadelta": {"lr": 1.0, "rho": 0.95, "eps": 1e-6, "weight_decay": 0.0},
    "Adam": {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0},
    "AdamW": {"lr": 0.001, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.01},
    "RAdam": {"lr": 0.001, "betas": (0.9, 0.999), "eps": 0.0, "weight_decay": 0.0},
    "SignSGD": {"lr": EMPTY, "momentum": 0.0, "weight_decay": 0.0},
    "Lion": {"lr": 1e-4, "betas": (0.9, 0.99), "weight_decay": 0.0},
    "NAdam": {"lr": 2e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0, "momentum_decay": 4e-3},
    "AMSGrad": {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0},
    "AdaBelief": {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-16, "weight_decay": 0.0},
    "AdEMAMix": {"lr": 1e-3, "betas": (0.9, 0.999), "alpha": 2.0, "eps": 1e-8, "weight_decay": 0.0},
    "ADOPT": {"lr": 1e-3, "betas": (0.9, 0.9999), "eps": 1e-6, "weight_decay": 0.0},
    "ScheduleFreeSGD": {"lr": 1.0, "momentum": 0.9, "weight_decay": 0.0},
    "ScheduleFree": {"lr": 0.0025, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0},
    "Prodigy": {"lr": 1.0, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.0},
}
"""What may be given by position, in this order, as torch's optimizers have it."""

AROUND = {"Lookahead", "Cautious", "Clipped", "SAM"}
HOW = {"maximize": False, "compile": False, "foreach": None, "fused": None}
HOW |= {"capturable": False, "differentiable": False}
NAMED = {
    "SGD": {"weight_decay": 0.0},
    "Momentum": {"weight_decay": 0.0},
    "Nesterov": {"weight_decay": 0.0},
    "Adagrad": {"eps": 1e-8, "weight_decay": 0.0},
    "RAdam": {"threshold": 4},
    "AdEMAMix": {"beta3": 0.9999},
    "ScheduleFreeSGD": {"warmup_steps": 0},
    "ScheduleFree": {"warmup_steps": 0},
    "Prodigy": {"d0": 1e-6, "d_coef": 1.0},
}
"""What must be named: torch's order goes on otherwise, or torch has it not."""


@dataclass(frozen=True, eq=False)
class Brand(gd.Rule):
    """θ_t = θ_{t−1} − η g_t / (1 + ν), looked at elsewhere.

    Parameters
    ----------
    lr, nu : as
        ever.
    beta2 : β₂ in [0, 1). Default 0.25.
    beta1 : β₁ in [0, 1). Default 0.5.

    torch: ``torch.optim.Brand(lr=lr, nesterov=nu, betas=(beta1, beta2))``, nearly.
    """

    lr: float
    nu: float = 3.0
    beta1: float = 0.5
    beta2: float = 0.25

    def look(self, theta, state):
        return theta + self.beta1

    def unlook(self, point, state):
        return point - self.beta1

    def step(self, theta, grad, state, at):
        return theta - self.lr * grad / (1 + self.nu) * self.beta2, {}


@pytest.fixture
def brand(monkeypatch):
    """The class of a rule that is new in the table."""
    line = Method(Brand, usual=0.1, torch={"nu": "nesterov"}, optim="NewBrand")
    monkeypatch.setitem(METHODS, "Brand", line)
    return class_of("Brand")


def test_there_is_a_class_for_every_rule_but_those_around_another():
    assert CLASSES.keys() == {m.optim or name for name, m in ALL.items()} - AROUND
    for name, kind in CLASSES.items():
        assert getattr(gd.optim, name) is getattr(methods, name) is kind and kind.__name__ == name
        assert name in gd.optim.__all__ and name in dir(gd.optim) and kind.__module__ == methods.__name__
    with pytest.raises(AttributeError, match="no attribute 'Adma'"):
        gd.optim.Adma  # noqa: B018


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments_are_torchs_and_defaults_the_rules(name):
    found = inspect.signature(CLASSES[name]).parameters
    by_name = {**NAMED.get(name, {}), **HOW}
    by_position = {k: p.default for k, p in found.items() if p.kind is p.POSITIONAL_OR_KEYWORD}
    assert list(by_position.items()) == [("params", EMPTY), *ARGUMENTS[name].items()]
    assert {k: p.default for k, p in found.items() if p.kind is p.KEYWORD_ONLY} == by_name


@pytest.mark.parametrize("name", MAKERS)
def test_it_is_its_rule_under_torchs_names(name):
    """By the class and by `from_rule`: the same numbers."""
    ours, theirs = parameters(), parameters()
    optimizer, kind = MAKERS[name](ours), CLASSES[name].method.kind
    assert type(optimizer.rule) is kind and isinstance(optimizer, RuleOptimizer)
    walk(ours, optimizer, 5)
    walk(theirs, gd.optim.from_rule(kind(**rate(name)), theirs), 5)
    assert equal(ours, theirs)
    kept = arguments(CLASSES[name]).keys() - (HOW.keys() - {"maximize"})
    assert kept <= optimizer.param_groups[0].keys()


@pytest.mark.parametrize("name", CLASSES)
def test_its_docstring_names_each_argument_once(name):
    text = inspect.getdoc(CLASSES[name])
    described = text.split("----------\n")[1].split("\n\n")[0]
    named = [
        word for line in described.splitlines() if line[0] != " " for word in line.split(" : ")[0].split(", ")
    ]
    assert sorted(named) == sorted(inspect.signature(CLASSES[name]).parameters)
    assert f"`gdcourse.{CLASSES[name].method.kind.__name__}`" in text.splitlines()[0]
    looks = name in ("Nesterov", "ScheduleFree", "ScheduleFreeSGD")
    assert ("`at_theta`" in text or "at_theta()" in text) == looks
    assert "beta1" not in text and "=gamma" not in text


def test_a_new_line_of_the_table_makes_a_class(brand):
    assert brand.__name__ == "NewBrand"
    assert str(inspect.signature(brand)) == (
        "(params, lr, betas=(0.5, 0.25), weight_decay=0.0, *, nesterov=3.0, maximize=False, compile=False, "
        "foreach=None, fused=None, capturable=False, differentiable=False)"
    )
    optimizer = brand(parameters(), 0.1, (0.3, 0.2), maximize=True, nesterov=7.0)
    group = optimizer.param_groups[0]
    assert (group["lr"], group["betas"], group["nesterov"], group["maximize"]) == (0.1, (0.3, 0.2), 7.0, True)
    assert vars(optimizer.rule) == {"lr": 0.1, "nu": 7.0, "beta1": 0.3, "beta2": 0.2}
    assert inspect.getdoc(brand) == (
        "`gdcourse.Brand` as an optimizer for torch.\n\n"
        "θ_t = θ_{t−1} − η g_t / (1 + ν), looked at elsewhere.\n\n"
        f"{methods.LOOKS}"
        "Parameters\n----------\n"
        "params, weight_decay, maximize, compile, foreach, fused, capturable, differentiable : as in "
        "`RuleOptimizer`.\n"
        "lr, nesterov : as\n    ever.\n"
        "betas : a pair. β₂ in [0, 1). Default 0.25.\n    β₁ in [0, 1). Default 0.5.\n\n"
        "torch: ``torch.optim.Brand(lr=lr, nesterov=nesterov, betas=betas)``, nearly."
    )


def test_what_is_missing_or_unknown_is_said_with_the_classs_name():
    with pytest.raises(TypeError, match=r"^SGD\.__init__\(\) missing a required argument: 'lr'"):
        gd.optim.SGD(parameters())
    with pytest.raises(TypeError, match=r"^Adam\.__init__\(\) got an unexpected keyword argument 'beta1'"):
        gd.optim.Adam(parameters(), beta1=0.9)
    with pytest.raises(TypeError, match=r"^RAdam\.__init__\(\) takes .* by position and threshold by name"):
        gd.optim.RAdam(parameters(), 0.1, (0.9, 0.99), 1e-8, 0.0, 5)


def test_a_readers_subclass_has_its_own_arguments():
    class Mine(gd.optim.Adam):
        def __init__(self, params, half_life):
            super().__init__(params, betas=(0.5 ** (1 / half_life), 0.999))

    assert list(inspect.signature(Mine).parameters) == ["params", "half_life"]
    assert Mine(parameters(), 1).param_groups[0]["betas"] == (0.5, 0.999)
