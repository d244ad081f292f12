"""The table that every comparison runs over."""

import importlib
import inspect
import pkgutil
from dataclasses import FrozenInstanceError, dataclass, fields, replace

import numpy as np
import pytest
import torch

import gdcourse as gd
from gdcourse import rules
from gdcourse.rules import AFTER, ALL, METHODS, Method, lr_of, validate, with_lr
from gdcourse.rules.table import AROUND, BOTH, ONE_RATE, OWN_RATE, torchs_name


def test_the_table_holds_every_rule_that_the_package_defines():
    defined = {
        kind
        for module in pkgutil.iter_modules(rules.__path__)
        for kind in vars(importlib.import_module(f"gdcourse.rules.{module.name}")).values()
        if inspect.isclass(kind) and issubclass(kind, gd.Rule) and kind not in (gd.Rule, gd.rules.Around)
    }
    assert {kind.__name__: kind for kind in defined} == {name: m.kind for name, m in ALL.items()}


@pytest.mark.parametrize("name", ALL)
def test_a_rule_of_the_table_is_a_name_of_the_package(name):
    kind = ALL[name].kind
    assert getattr(rules, name) is getattr(gd, name) is kind and kind.__name__ == name
    assert name in rules.__all__ and name in dir(rules) and name in dir(gd)


def test_a_line_of_the_table_is_enough(monkeypatch):
    """Also for a rule that no `__init__` names."""

    @dataclass(frozen=True, eq=False)
    class Brand(gd.Rule):
        lr: float

    monkeypatch.setitem(METHODS, "Brand", Method(Brand, usual=0.1))
    assert gd.Brand is rules.Brand is Brand
    assert "Brand" in dir(gd) and "Brand" in dir(rules) and "ratio" in dir(rules)
    for package in (gd, rules):
        with pytest.raises(AttributeError, match="has no attribute 'Brend'"):
            package.Brend  # noqa: B018


def test_families_and_torchs_names_are_those_that_chapters_and_users_know():
    families = {}
    for name, method in METHODS.items():
        families.setdefault(method.family, []).append(name)
    assert families[ONE_RATE][:3] == ["GradientDescent", "Momentum", "Nesterov"]
    assert families[OWN_RATE][:3] == ["Adagrad", "RMSProp", "Adadelta"]
    assert families[BOTH][:3] == ["Adam", "AdamW", "RAdam"] and families[AROUND][:1] == ["Lookahead"]
    for name, method in AFTER.items():
        families.setdefault(method.family, []).append(name)
    assert families["only the sign"] == ["SignSGD", "Lion"]
    assert families["Adam, repaired"] == ["NAdam", "AMSGrad", "AdaBelief", "AdEMAMix", "ADOPT"]
    assert families[AROUND] == ["Lookahead", "Cautious", "Clipped", "SAM"]
    assert families["without a schedule or a rate"] == ["ScheduleFreeSGD", "ScheduleFree", "Prodigy"]
    assert families["a layer as a matrix"] == ["LAMB", "Adafactor", "Muon", "NorMuon", "Shampoo", "SOAP"]
    assert len(families) == 8 and "" not in families
    assert AFTER["ScheduleFreeSGD"].torch == {"beta": "momentum", "warmup": "warmup_steps"}
    assert AFTER["ScheduleFree"].torch == {"warmup": "warmup_steps"}
    assert METHODS["RMSProp"].torch == {"gamma": "alpha"} and METHODS["Adadelta"].torch == {"gamma": "rho"}
    assert METHODS["GradientDescent"].optim == "SGD" and METHODS["Adam"].optim == ""
    assert Method(gd.GradientDescent, 0.1).family == "other" and not Method(gd.GradientDescent, 0.1).torch


def test_both_tables_are_one():
    assert [*ALL] == [*METHODS, *AFTER] and len(ALL) == len(METHODS) + len(AFTER)
    assert all(ALL[name] is table[name] for table in (METHODS, AFTER) for name in table)
    assert not METHODS.keys() & AFTER.keys()
    others = {"Signum": "SignSGD", "SGD": "GradientDescent"}
    others |= {"AdamWScheduleFree": "ScheduleFree", "SGDScheduleFree": "ScheduleFreeSGD"}
    assert torchs_name() == others
    called = {"Moun": "Muon", "signum": "SignSGD", **others}
    for word, ours in called.items():
        with pytest.raises(KeyError, match=f"did you mean '{ours}'"):
            ALL[word]


@pytest.mark.parametrize("name", ALL)
def test_a_rule_is_frozen_and_equal_to_itself_alone(name):
    """Two with the same numbers are two runs, and numbers may be arrays, of which no bool can be made."""
    rule = ALL[name].make(ALL[name].usual)
    field = fields(rule)[0].name
    with pytest.raises(FrozenInstanceError):
        setattr(rule, field, getattr(rule, field))
    many = replace(rule, **{field: np.ones(2)})
    for one in (rule, many):
        twin = replace(one)
        assert one == one and one != twin and len({one, twin}) == 2


@pytest.mark.parametrize("name", ALL)
def test_a_method_makes_its_rule_from_what_is_tuned(name):
    method = ALL[name]
    for value in (method.usual, method.usual * np.array([0.1, 1.0])):
        rule = method.make(value)
        validate(rule)
        assert type(rule).__name__ == name
        tuned = lr_of(rule) if method.tuned == "lr" else getattr(rule, method.tuned)
        assert tuned is value
    inner = getattr(rule, "inner_rule", rule)
    assert method.tuned in {f.name for f in fields(inner)}


def test_with_lr_changes_the_learning_rate_and_nothing_else(rule):
    if not hasattr(getattr(rule, "inner_rule", rule), "lr"):
        for ask in (lr_of, lambda rule: with_lr(rule, 0.1), lambda rule: with_lr(gd.Lookahead(rule), 0.1)):
            with pytest.raises(TypeError, match=f"{type(rule).__name__} has no learning rate"):
                ask(rule)
        return
    changed = with_lr(rule, 0.77)
    assert lr_of(changed) == 0.77 != lr_of(rule)
    back = with_lr(changed, lr_of(rule))
    assert repr(back) == repr(rule)


def test_of_partners_the_hidden_matrices_rate_is_meant():
    pair = gd.Partners(gd.Muon(0.02), rest=gd.Adam(0.003))
    assert lr_of(pair) == 0.02
    changed = with_lr(pair, 0.5)
    assert (changed.hidden.lr, changed.rest.lr, type(changed.hidden)) == (0.5, 0.003, gd.Muon)
    with pytest.raises(TypeError, match="Adadelta has no learning rate"):
        with_lr(gd.Partners(gd.Adadelta(), rest=gd.Adam()), 0.1)


def test_a_method_cannot_be_changed_and_tunes_the_learning_rate_unless_told():
    method = Method(gd.GradientDescent, usual=0.1)
    assert method.tuned == "lr"
    with pytest.raises(AttributeError):
        method.usual = 1.0


def test_all_searches_start_on_one_grid():
    """The values 1 and 3 of each decade: then what two methods tried is the same, or apart by whole steps."""
    for name, method in ALL.items():
        digits, exponent = f"{method.usual:e}".split("e")
        assert float(digits) in (1, 3) and -6 < int(exponent) <= 0, name


def test_the_room_opens_every_public_name():
    public = {name for name, value in vars(rules).items() if name[0] != "_" and not inspect.ismodule(value)}
    assert set(rules.__all__) == public | set(ALL)


def test_the_defaults_are_torchs_but_for_those_that_the_docstrings_name():
    def torchs(make, name):
        return inspect.signature(make).parameters[name].default

    for ours, theirs in ((gd.Adam(), torch.optim.Adam), (gd.AdamW(), torch.optim.AdamW)):
        assert (ours.lr, (ours.beta1, ours.beta2), ours.eps) == (
            torchs(theirs, "lr"),
            torchs(theirs, "betas"),
            torchs(theirs, "eps"),
        )
    assert gd.AdamW().weight_decay == torchs(torch.optim.AdamW, "weight_decay")
    assert gd.RAdam().lr == torchs(torch.optim.RAdam, "lr")
    assert (gd.RAdam().beta1, gd.RAdam().beta2) == torchs(torch.optim.RAdam, "betas")
    assert gd.Adagrad().lr == torchs(torch.optim.Adagrad, "lr")
    assert gd.Adadelta().eps == torchs(torch.optim.Adadelta, "eps")
    assert gd.RMSProp().eps == torchs(torch.optim.RMSprop, "eps")
