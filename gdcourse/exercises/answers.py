"""Reading answers: numbers, lines, functions and classes of a student's, none of which may be trusted."""

from __future__ import annotations

import ast
import contextlib
import inspect
import io
import keyword
import linecache
import math
import os
import re
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType, FrameType, ModuleType, SimpleNamespace
from typing import Any

from gdcourse.rules import rule as words
from gdcourse.rules.names import absent

FILE = "<your answer>"
WORDS = ("where", "ratio", "sign", "maximum")
"""A rule's words that an answer may use."""

DOTS = "There are dots left in your answer."
TROUBLE = (Exception, SystemExit)  # not KeyboardInterrupt: whoever waits may stop it

_LETTERS = str.maketrans(
    {"·": "*", "×": "*", "−": "-", "–": "-", "÷": "/", "⁄": "/", "\xa0": " "}
    | {"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'"}
    | {"γ": "gamma", "η": "eta", "θ": "theta", "β": "beta", "ε": "eps", "ϵ": "eps", "α": "alpha"}
    | {"φ": "phi", "ϕ": "phi", "ρ": "rho", "λ": "lam", "κ": "kappa", "μ": "mu", "σ": "sigma", "∞": "inf"}
    | dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
)
_RAISED = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ᵗᵖ", "0123456789+-tp", strict=True))
_HATS = (("m\u0302", "m_hat"), ("v\u0302", "v_hat"), ("u\u0302", "u_hat"))
_GREEK = {
    "theta": "θ",
    "gamma": "γ",
    "eta": "η",
    "eta_old": "η before",
    "beta1": "β₁",
    "beta2": "β₂",
    "beta3": "β₃",
}
_GREEK |= {
    "eps": "ε",
    "alpha": "α",
    "lam": "λ",
    "rho_t": "ρ_t",
    "rho_inf": "ρ_∞",
    "kappa": "κ",
    "beta": "β",
    "mu": "μ",
    "sigma": "σ",
}


class Unread(Exception):
    """An answer that cannot be tried; the text says why. ``answered`` is False if it is not yet one."""

    def __init__(self, says: str, answered: bool = True):
        super().__init__(says)
        self.says, self.answered = says, answered


class Borrowed(Exception):
    """The answer had the library do the work."""


def is_open(answer: Any) -> bool:
    """Whether there is nothing to check: None, dots, an empty text or one with dots still in it."""
    if answer is None or answer is Ellipsis:
        return True
    if not isinstance(answer, str):
        return False
    answer = without_prompts(answer)
    return not answer.strip() or "..." in _without_comments(answer) or "…" in answer or "____" in answer


def _without_comments(text: str) -> str:
    return re.sub(r"#.*", "", text)


def without_prompts(text: str) -> str:
    """The lines of a session that were pasted with Python's prompts, without these."""
    if not re.match(r"\s*>>>", text):
        return text
    return re.sub(r"^[ \t]*(>>>|\.\.\.)( |$)", "", text, flags=re.M)


def plain(text: str) -> str:
    """The text of a formula with its Greek letters, signs, roots and powers as Python writes them."""
    text = without_prompts(text)
    for letter, name in _HATS:
        text = text.replace(letter, name)
    text = re.sub(f"[{''.join(_RAISED)}]+", _power, text).translate(_LETTERS)
    return re.sub(
        r"√\s*(\w+(?:\.\d+)?|(?=\())", lambda found: f"sqrt({found[1]})" if found[1] else "sqrt", text
    )


def _power(raised: re.Match) -> str:
    """What stands raised, behind the sign of a power; in brackets if it is more than one sign."""
    text = "".join(_RAISED[sign] for sign in raised[0])
    return f"**{text}" if len(text) == 1 else f"**({text})"


def letters(name: str) -> str:
    """A name as the equation writes it."""
    return _GREEK.get(name, name)


def tools() -> dict[str, Any]:
    """What the lines of an answer may use: a rule's words, a few functions, and of `gd` what a class needs,
    by the names that it has in the package."""
    allowed = {name: getattr(words, name) for name in ("Rule", *WORDS)}
    functions = {name: getattr(math, name) for name in ("sqrt", "exp", "log", "cos", "tanh", "pi", "e")}
    more = {"math": math, "dataclass": dataclass, "__name__": "__main__"}
    gd = ModuleType("gdcourse")
    vars(gd).update(Rule=words.Rule, rules=SimpleNamespace(**allowed), __getattr__=_not_in_the_package)
    return {**allowed, **functions, **more, "gd": gd}


def _not_in_the_package(name: str) -> Any:
    raise absent("gdcourse", name, {word: f"gd.rules.{word}" for word in WORDS})


# Numbers


def number(value: Any) -> float | None:
    """A value as a float; None if it is not one number. NaN and infinities are numbers here."""
    if isinstance(value, (bool, str, bytes, complex)) or value is None:
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf
    except TROUBLE:
        return None


def number_from(text: str) -> float | None:
    """The number that an expression such as "2/8", "0.1*(1 - 0.9**5)" or "25 %" stands for, or None."""
    text = re.sub(r"(?<![\d.,])(\d{1,3}(?:,\d{3})+)(?![\d,])", _without_commas, plain(text))
    text = re.sub(r"^\s*(\w+\s*)?[=≈]\s*", "", text).strip().replace("^", "**")
    text = re.sub(r"\b(ln|log|exp|sqrt)\s+(\d+(?:\.\d+)?|pi|e)\b(?!\s*(?:\*\*|\())", r"\1(\2)", text)
    share = text.endswith("%")
    try:
        value = _value(ast.parse(text.rstrip("% "), mode="eval").body)
    except (*TROUBLE, RecursionError):
        return None
    return None if value is None or isinstance(value, complex) else value / (100 if share else 1)


def _without_commas(found: re.Match) -> str:
    """Thousands as a book prints them, 19,200; what begins with 0 has no thousands."""
    return str(found[1] if found[1].startswith("0") else found[1].replace(",", ""))


def _value(node: ast.expr) -> Any:
    """An expression of numbers, the four operations, powers and a few functions. Floats only: a tower of
    powers of whole numbers would take all the memory there is."""
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return float(node.value)
    if isinstance(node, ast.Name) and node.id in ("pi", "e"):
        return getattr(math, node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        value = _value(node.operand)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp):
        a, b = _value(node.left), _value(node.right)
        operations: dict[type, Callable[[float, float], float]] = {
            ast.Add: lambda a, b: a + b,
            ast.Sub: lambda a, b: a - b,
            ast.Mult: lambda a, b: a * b,
            ast.Div: lambda a, b: a / b,
            ast.Pow: lambda a, b: a**b,
        }
        return operations[type(node.op)](a, b)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1:
        return {"sqrt": math.sqrt, "exp": math.exp, "log": math.log, "ln": math.log}[node.func.id](
            _value(node.args[0])
        )
    raise ValueError("not a number")


# Lines and functions


def compiled(text: str, mode: str = "exec") -> CodeType:
    """The code of an answer's lines. Raises `Unread`, with the line, where it is no Python."""
    text = textwrap.dedent(text).strip("\n") if mode == "exec" else text.strip()
    try:
        code = compile(text, FILE, mode)
    except SyntaxError as error:
        there = error.text or dict(enumerate(text.splitlines(), 1)).get(error.lineno or 0, "")
        line = f"line {error.lineno}, `{short_line(there.strip())}`" if error.lineno else "this"
        raise Unread(f"Python cannot read {line}: {error.msg}.{_product(text)}", answered=False) from None
    except (ValueError, RecursionError, MemoryError, OverflowError):
        raise Unread("Python cannot read this.", answered=False) from None
    linecache.cache[FILE] = (len(text), None, text.splitlines(keepends=True), FILE)
    return code


def _product(text: str) -> str:
    """What to say of two names side by side, as an equation has them."""
    names = re.finditer(r"([A-Za-z_]\w*|\)) +(?=[A-Za-z_(])(\w*)", text)
    apart = any(not {found[1], found[2]} & {*keyword.kwlist, *keyword.softkwlist} for found in names)
    return " A product has its sign in Python: gamma * v." if apart else ""


def is_expression(text: str) -> bool:
    """Whether a text is the right-hand side of an equation alone."""
    try:
        compile(text.strip(), FILE, "eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
        return False
    return True


def by_name(function: Callable, names: Mapping[str, Any], in_order: bool = False) -> Any:
    """A student's function called with those of the names that its parameters ask for. With `in_order`, one
    that has as many parameters of other names gets the values in their order."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        raise Unread("Give a function of your own, whose arguments have names.") from None
    asked = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p.name for p in parameters if p.default is p.empty and p.name in asked]
    given = {name: plain(name) for name in asked}
    unknown = [name for name in needed if given[name] not in names]
    if in_order and len(asked) == len(unknown) == len(names):
        return function(*names.values())
    if unknown:
        raise Unread(f"Your function asks for {', '.join(unknown)}; what it can get: {_listed(names)}.")
    return function(*[names[given[name]] for name in asked if given[name] in names])


def _listed(names: Mapping[str, Any]) -> str:
    hidden = tools()
    return ", ".join(name for name in names if name not in hidden and not name.startswith("_"))


# Running what a student wrote

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_OPEN_TO_ALL = tuple(
    os.path.join(_PACKAGE, *path)
    for path in (
        ("exercises", ""),
        ("rules", "rule.py"),
        ("rules", "names.py"),
        ("__init__.py",),
        ("rules", "__init__.py"),
    )
)
_OTHERS = (f"{os.sep}torch{os.sep}optim{os.sep}", f"{os.sep}optax{os.sep}")


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Run a student's code: what it prints goes nowhere, and no function of the library's may run in it, nor
    of another library's optimizers: those are what is asked for."""
    lent: list[str] = []

    def look(frame: Any, event: str, arg: Any) -> None:
        code = frame.f_code
        if (
            event == "call"
            and code.co_flags & inspect.CO_OPTIMIZED
            and not lent
            and is_lent(code.co_filename)
            and not _looks_up_a_name(frame)
        ):
            lent.append(code.co_qualname)

    before = sys.getprofile()
    try:
        with contextlib.redirect_stdout(_Nowhere()), contextlib.redirect_stderr(_Nowhere()):
            sys.setprofile(look)
            try:
                yield
            finally:
                sys.setprofile(before)
    finally:
        if lent:
            raise Borrowed(lent[0])


def is_lent(filename: str) -> bool:
    """Whether a file holds code that an answer must not call."""
    ours = filename.startswith(_PACKAGE) and not filename.startswith(_OPEN_TO_ALL)
    return ours or any(part in filename for part in _OTHERS)


def _looks_up_a_name(frame: FrameType | None) -> bool:
    """Whether it is the package itself that runs this, to say of a name that it has none such."""
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__getattr__" and code.co_filename.startswith(_PACKAGE):
            return True
        frame = frame.f_back
    return False


class _Nowhere(io.TextIOBase):
    def write(self, text: str) -> int:
        return len(text)


def complaint(error: BaseException) -> str:
    """What happened in a student's code, and in which of its lines."""
    kind, said = type(error).__name__, short_text(error)
    text = f"{kind}{': ' + said if said else ''}"
    return f"Your code stops with {text}{_line_of(error)}.{_advice(error)}"


def short_text(error: BaseException) -> str:
    try:
        said = " ".join(str(error).split())
    except Exception:
        return ""
    return said if len(said) <= 160 else said[:160] + "…"


def _line_of(error: BaseException) -> str:
    try:
        frames = traceback.extract_tb(error.__traceback__)
    except Exception:
        return ""
    theirs = [f for f in frames if not f.filename.startswith(_PACKAGE)]
    home = [f for f in theirs if f.filename == theirs[0].filename]
    if not home or home[-1].lineno is None:
        return ""
    line = f", `{short_line(home[-1].line)}`" if home[-1].line else ""
    return f" in line {home[-1].lineno}{line}"


def short_line(line: str) -> str:
    return line if len(line) <= 80 else line[:80] + "…"


def _advice(error: BaseException) -> str:
    said = short_text(error)
    if isinstance(error, TypeError) and "for ^" in said:
        return " A power is ** in Python; ^ is something else."
    if isinstance(error, NameError) and re.search(r"'(np|numpy|torch)'", said):
        return (
            " A text knows sqrt, exp, log, sign, maximum and where by themselves, and Python's max, min, "
            "abs and sum: no library's name belongs before them."
        )
    if isinstance(error, NameError) and re.search(r"'(lr|learning_rate|momentum|mu)'", said):
        return " The names are the equation's letters: eta, gamma, theta."
    return ""
