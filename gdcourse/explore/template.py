"""Texts that name what is shown: a small template language, filled in Python for the static picture and in
JavaScript on the page.

``{name}`` is a control's value as it is shown, or an array's number at the state (".3g"); ``{name:.1f}``
formats an array's number: ``d``, ``.Nf``, ``.Ne``, ``.Ng`` or ``.N%`` as in Python. ``{name@t}`` picks along
the array's next axis by the control t, ``{name@t,u}`` by two. ``{name|words}`` takes the number as a position
in the figure's list of texts called ``words``. A text that would name a number that is not there (NaN, or
infinite) is not shown; ``{name:?}`` writes nothing, and hides the text where its number is not there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable

FIELD = re.compile(r"\{(\w+)(?:@([\w,]+))?(?::([^{}|]+)|\|(\w+))?\}")
NOTHING = re.compile(r"^-(?=[0.]+(e[+]00)?%?$)")  # the sign of what is written as zero
FORMAT = re.compile(r"d|\?|\.\d+[fge%]")
USUAL = ".3g"
"""The format of a field that names none."""


def fields_of(template: str) -> list[tuple[str, tuple[str, ...], str, str]]:
    """The fields of a template: name, controls to pick by, format, list of texts.

    Raises
    ------
    ValueError : a brace without a field, or a format that only Python knows.
    """
    if "{" in FIELD.sub("", template) or "}" in FIELD.sub("", template):
        raise ValueError(f"template {template!r}: a brace that opens no field")
    found = []
    for name, at, form, words in FIELD.findall(template):
        if form and not FORMAT.fullmatch(form):
            raise ValueError(f"template {template!r}: format {form!r} is not one of d, ?, .Nf, .Ne, .Ng, .N%")
        found.append((name, tuple(at.split(",")) if at else (), form, words))
    return found


def fill(
    template: str,
    shown: dict[str, str],
    number: Callable[[str, tuple[str, ...]], float],
    texts: dict[str, list[str]],
) -> str | None:
    """The template with its fields filled, or None if a number is not there.

    Parameters
    ----------
    shown : what each control shows.
    number : from an array's name, and the controls to pick by, to its number at the state.
    texts : lists of texts by name.
    """
    missing = False

    def one(match: re.Match[str]) -> str:
        nonlocal missing
        name, at, form, words = match.groups()
        if name in shown:
            return shown[name]
        value = number(name, tuple(at.split(",")) if at else ())
        if not math.isfinite(value):
            missing = True
            return ""
        if words:
            return texts[words][round(value)]
        if form == "?":
            return ""
        text = format(round(value) if form == "d" else value, form or USUAL)
        return NOTHING.sub("", text).replace("-", "−")

    filled = FIELD.sub(one, template)
    return None if missing else filled


def code_of(value: float, form: str) -> tuple[int, int]:
    """What a format prints of a finite number, as two whole numbers m and e: it prints m · 10^e, exactly."""
    if form == "?":
        return 0, 0
    if form == "d":
        return round(value), 0
    digits, kind = int(form[1:-1]), form[-1]
    if kind in "f%":
        places = digits + 2 * (kind == "%")
        return int(format(value, form).rstrip("%").replace(".", "")), -places
    after = digits if kind == "e" else max(digits, 1) - 1
    mantissa, exponent = format(value, f".{after}e").split("e")
    return int(mantissa.replace(".", "")), int(exponent) - after
