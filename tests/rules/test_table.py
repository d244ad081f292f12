"""The table that every comparison runs over."""

import inspect
from dataclasses import fields, replace

import numpy as np
import pytest

import gdcourse as gd
from gdcourse import rules
from gdcourse.rules import METHODS, lr_of, validate, with_lr


def test_the_table_holds_every_rule_that_the_package_exports():
    exported = {
        name
        for name, value in vars(rules).items()
        if inspect.isclass(value) and issubclass(value, gd.Rule) and value is not gd.Rule
    }
    assert set(METHODS) == exported
    assert {name for name in exported if getattr(gd, name, None) is getattr(rules, name)} == exported


@pytest.mark.parametrize("name", METHODS)
def test_a_method_makes_its_rule_from_what_is_tuned(name):
    method = METHODS[name]
    for value in (method.usual, method.usual * np.array([0.1, 1.0])):
        rule = method.make(value)
        validate(rule)
        assert type(rule).__name__ == name
        tuned = lr_of(rule) if method.tuned == "lr" else getattr(rule, method.tuned)
        assert tuned is value
    inner = getattr(rule, "inner_rule", rule)
    assert method.tuned in {f.name for f in fields(inner)}


def test_with_lr_changes_the_learning_rate_and_nothing_else(rule):
    if isinstance(rule, gd.Adadelta):
        for ask in (lr_of, lambda rule: with_lr(rule, 0.1), lambda rule: with_lr(gd.Lookahead(rule), 0.1)):
            with pytest.raises(TypeError, match="Adadelta has no learning rate"):
                ask(rule)
        return
    changed = with_lr(rule, 0.77)
    assert lr_of(changed) == 0.77 != lr_of(rule)
    back = with_lr(changed, lr_of(rule))
    assert repr(back) == repr(rule)


def test_rules_are_values_that_cannot_be_changed(rule):
    first = fields(rule)[0].name
    with pytest.raises(AttributeError):
        setattr(rule, first, 1)
    assert replace(rule) is not rule
