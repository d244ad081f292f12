"""Which hyperparameters are admitted, and what is said about the others.

Drivers and optimizers call `validate` once, before the first step: inside a rule a check
would read a value back from the device at every step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from gdcourse.rules.around import chain_of, scope_of
from gdcourse.rules.partners import Partners
from gdcourse.rules.rule import Rule
from gdcourse.rules.table import ALL

# What is allowed, in words, and the same as a test.
FROM_0 = ("a finite number ≥ 0", lambda x: (x >= 0) & (x < float("inf")))
ABOVE_0 = ("a finite number > 0", lambda x: (x > 0) & (x < float("inf")))
BELOW_1 = ("in [0, 1)", lambda x: (x >= 0) & (x < 1))
WHOLE = ("a whole number ≥ 1", lambda x: (x >= 1) & (x % 1 == 0))
INSIDE = ("in (0, 1): at 0 θ could not be told from the training point", lambda x: (x > 0) & (x < 1))

# name, or a rule's and its name: (how torch begins its own message, what is allowed in words, the same as a
# test); where a name is meant and the table has torch's word for this rule's, the message begins with that
ALLOWED: dict[str, tuple[str, str, Callable[[Any], Any]]] = {
    "lr": ("Invalid learning rate", *FROM_0),
    "gamma": ("Invalid momentum value", *BELOW_1),
    "beta1": ("Invalid beta parameter at index 0", *BELOW_1),
    "beta2": ("Invalid beta parameter at index 1", *BELOW_1),
    "eps": ("Invalid epsilon value", *FROM_0),
    "weight_decay": ("Invalid weight_decay value", *FROM_0),
    "threshold": ("Invalid threshold", "a number", lambda x: x == x),
    "Lookahead.k": ("Invalid k", *WHOLE),
    "SOAP.k": ("Invalid k", *WHOLE),
    "Lookahead.alpha": ("Invalid alpha", "in [0, 1]", lambda x: (x >= 0) & (x <= 1)),
    "AdEMAMix.alpha": ("Invalid alpha value", *FROM_0),
    "AdEMAMix.beta3": ("Invalid beta parameter at index 2", *BELOW_1),
    "NAdam.momentum_decay": ("Invalid momentum_decay value", *FROM_0),
    "ScheduleFree.beta1": ("Invalid beta parameter at index 0", *INSIDE),
    "ScheduleFreeSGD.beta": ("Invalid momentum value", *INSIDE),
    "ScheduleFree.warmup": ("Invalid warmup_steps value", *FROM_0),
    "ScheduleFreeSGD.warmup": ("Invalid warmup_steps value", *FROM_0),
    "Prodigy.d0": ("Invalid d0 value", *ABOVE_0),
    "Prodigy.d_coef": ("Invalid d_coef value", *ABOVE_0),
    "Clipped.max_norm": ("Invalid max_norm", "a number > 0", lambda x: x > 0),
    "SAM.rho": ("Invalid rho value", *FROM_0),
    "Shampoo.exponent": ("Invalid exponent", *FROM_0),
    "Adafactor.beta2_decay": (
        "beta2_decay should be <= 0 but is",
        "a finite number ≤ 0",
        lambda x: (x <= 0) & (x > -float("inf")),
    ),
    "Adafactor.eps1": ("epsilon1 should be >= 0 but is", *FROM_0),
    "Adafactor.eps2": ("epsilon2 should be >= 0 but is", *FROM_0),
    "Adafactor.d": ("Clipping threshold d should be >= 1 but is", "a number ≥ 1", lambda x: x >= 1),
}


def validate(rule: Rule | Partners) -> None:
    """Check every hyperparameter of a rule, or of partners, whose name this package uses.

    A reader's own rule is checked as far as it uses the common names (`lr`, `gamma`, `eps`, …). Ranges that
    one rule of this package has for itself, such as Lookahead's `alpha`, hold for it and what inherits from
    it: a reader who copies its text to change it may leave them.

    Raises
    ------
    TypeError : the argument is not a rule, or not a dataclass, or a hyperparameter is neither a number nor
        an array of numbers.
    ValueError : a hyperparameter, or an element of one that is an array, is outside its range. The
        message names it, its value and what is allowed. Or a rule is around another of its kind, or around
        one that cannot be run as it must be.
    """
    if isinstance(rule, Partners):
        for one in (rule.hidden, rule.rest):
            validate(one)
        return
    if not isinstance(rule, Rule):
        hint = f"; {rule.__name__} is a class: give it its hyperparameters" if isinstance(rule, type) else ""
        raise TypeError(f"expected a rule such as Momentum(lr=0.1), got {rule!r}{hint}")
    if not is_dataclass(rule):
        name = type(rule).__name__
        raise TypeError(f"{name} is not a dataclass: put @dataclass(frozen=True, eq=False) above it")
    for field in fields(rule):
        value = getattr(rule, field.name)
        if field.name == "inner_rule":
            validate(value)
            kind = type(rule)
            if kind in map(type, chain_of(value)):
                raise ValueError(
                    f"Invalid inner_rule: a {kind.__name__} around a {kind.__name__} is not supported"
                )
            scope_of(rule)  # raises where the two do not go together
        elif field.name == "coefficients" and field.name in rule.fixed:
            _check_coefficients(type(rule).__name__, value)
        elif entry := _entry(type(rule), field.name):
            check(entry, value, type(rule).__name__)


@cache
def _entry(kind: type[Rule], name: str) -> str:
    """Under what a hyperparameter stands in the table: the name, with the class of the rule's ancestry before
    it that has a range of its own; empty where this package does not use the name."""
    for one in kind.__mro__:
        if one.__module__.startswith("gdcourse.") and f"{one.__name__}.{name}" in ALLOWED:
            return f"{one.__name__}.{name}"
    return name if name in ALLOWED else ""


def check(entry: str, value: Any, owner: str = "") -> None:
    """Check one hyperparameter by its entry in the table; ``owner`` is who is named where the entry names no
    rule. Raises as `validate` does."""
    torch_text, words, test = ALLOWED[entry]
    own, _, name = entry.rpartition(".")
    owner = own or owner
    if not own and owner in ALL and name in ALL[owner].torch:
        torch_text = f"Invalid {ALL[owner].torch[name]} value"
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not (is_number or _is_array_of_numbers(value)):
        words = "a number, or for a family of runs an array of numbers"  # an optimizer refuses arrays
        raise TypeError(f"{torch_text}: {value!r} ({owner}'s {name} must be {words})")
    if not getattr(value, "is_cpu", True):
        return  # on a device: reading it would wait
    fits = test(value)
    if not (fits if isinstance(fits, bool) else fits.all()):
        raise ValueError(f"{torch_text}: {value} ({owner}'s {name} must be {words})")


def _check_coefficients(owner: str, value: Any) -> None:
    """Raise ValueError unless there are three finite numbers for each of some steps."""
    steps = value if isinstance(value, (tuple, list)) else ()
    if not steps or not all(map(_is_three_numbers, steps)):
        raise ValueError(
            f"Invalid coefficients: {value!r} ({owner}'s must be three numbers for each step, such as "
            "gdcourse.rules.QUINTIC, ((3.4445, -4.775, 2.0315),) * 5)"
        )


def _is_three_numbers(step: Any) -> bool:
    threefold = isinstance(step, (tuple, list)) and len(step) == 3
    return threefold and all(isinstance(x, (int, float)) and abs(x) < float("inf") for x in step)


def _is_array_of_numbers(value: Any) -> bool:
    if not (hasattr(value, "dtype") and hasattr(value, "shape")):
        return False
    kind = str(getattr(value.dtype, "name", value.dtype)).removeprefix("torch.")
    return kind.startswith(("float", "bfloat", "int", "uint"))
