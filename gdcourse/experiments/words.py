"""Formulas as plain text, for where nothing typesets them: a cell's output, a terminal."""

from __future__ import annotations

import re

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "varepsilon": "ε", "eta": "η",
    "theta": "θ", "kappa": "κ", "lambda": "λ", "mu": "μ", "rho": "ρ", "sigma": "σ", "tau": "τ", "phi": "φ",
    "varphi": "φ", "Delta": "Δ", "Sigma": "Σ",
}  # fmt: skip
SYMBOLS = {
    "nabla": "∇", "infty": "∞", "sum": "Σ", "partial": "∂", "ell": "ℓ", "tfrac12": "½", "le": "≤", "leq": "≤",
    "ge": "≥", "geq": "≥", "ne": "≠", "neq": "≠", "approx": "≈", "sim": "∼", "ll": "≪", "gg": "≫", "to": "→",
    "cdot": "·", "times": "×", "pm": "±", "odot": "⊙", "in": "∈", "lVert": "‖", "rVert": "‖", "lvert": "|",
    "rvert": "|", "ldots": "…", "dots": "…", "cdots": "…", "langle": "⟨", "rangle": "⟩", "quad": " ",
    "max": "max",
    "min": "min", "log": "log",
}  # fmt: skip
SILENT = dict.fromkeys(["operatorname", "mathrm", "text", "left", "right"], "")
NAMES = GREEK | SYMBOLS | SILENT
HATS = {"hat": "\u0302", "bar": "\u0304", "tilde": "\u0303"}
LOW = dict(zip("0123456789+−=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ", strict=True))
HIGH = dict(zip("0123456789+−=()in tk", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁱⁿ ᵗᵏ", strict=True))
TOKEN = re.compile(r"\\tfrac12|\\[A-Za-z]+|\\.|[{}_^$]|\s+|.", re.S)


def plain(text: str) -> str:
    r"""A text with formulas between dollar signs, in Unicode alone: ``$\gamma v_{t-1}$`` becomes γ vₜ₋₁.

    It knows what the ledger of claims needs, and no more: Greek letters, operators, sub- and superscripts,
    roots, fractions, hats. (Libraries that know all of LaTeX are one more package to install in Colab.)

    Raises
    ------
    ValueError : a command that it does not know, or a dollar sign without its partner.
    """
    pieces = text.split("$")
    if len(pieces) % 2 == 0:
        raise ValueError(f"a $ without its partner in {text!r}")
    return "".join(_formula(piece) if i % 2 else piece for i, piece in enumerate(pieces))


def _formula(source: str) -> str:
    tokens = TOKEN.findall(source.replace("-", "−"))
    at = 0

    def group() -> str:
        """The next token, or all of the next pair of braces."""
        nonlocal at
        while at < len(tokens) and tokens[at].isspace():
            at += 1
        if at == len(tokens):
            raise ValueError(f"the formula {source!r} ends where something should follow")
        if tokens[at] != "{":
            return one()
        at += 1
        inside = sequence("}")
        at += 1
        return inside

    def one() -> str:
        nonlocal at
        token = tokens[at]
        at += 1
        if token == "{":
            at -= 1
            return group()
        if token in "_^":
            return _raised(token, group())
        if token == "\\sqrt":
            return "√" + _bracketed(group())
        if token in ("\\frac", "\\tfrac"):
            above = _bracketed(group())
            return f"{above}/{_bracketed(group())}"
        if token[1:] in HATS and token[0] == "\\":
            return group() + HATS[token[1:]]
        if token[0] == "\\" and len(token) == 2 and not token[1].isalpha():
            return {",": " ", ";": " ", "!": "", " ": " "}.get(token[1], token[1])
        if token[0] == "\\":
            if token[1:] not in NAMES:
                raise ValueError(f"the formula {source!r} has {token}, which has no plain form here")
            return NAMES[token[1:]]
        return " " if token.isspace() else token

    def sequence(end: str | None) -> str:
        nonlocal at
        out = ""
        while at < len(tokens) and tokens[at] != end:
            before = tokens[at - 1] if at else ""
            piece = one()
            closes = at < len(tokens) and tokens[at] in ("\\rVert", "\\rvert")
            swallowed = piece == " " and (closes or re.fullmatch(r"\\[A-Za-z]+(12)?", before))  # as in LaTeX
            out += "" if swallowed else piece
        if end and at == len(tokens):
            raise ValueError(f"a brace is not closed in the formula {source!r}")
        return out

    spaced = re.sub(r"(?<=\S)([+−]) ", r" \1 ", sequence(None))  # after a command the space is gone
    spaced = re.sub(r"\s*([=≤≥<>≈≠≪≫→×±∼∈])\s*", r" \1 ", spaced)
    return re.sub(r" {2,}", " ", spaced).strip()


def _raised(which: str, inside: str) -> str:
    """A sub- or superscript: in Unicode's small letters if it has all of them, else spelled out."""
    small = LOW if which == "_" else HIGH
    if all(c in small for c in inside):
        return "".join(small[c] for c in inside)
    return which + (inside if len(inside) == 1 or inside[0] == "(" else f"({inside})")


def _bracketed(inside: str) -> str:
    return inside if re.fullmatch(r"\w[\u0302-\u0304]?[ₐ-ₜ₀-₉]*|[\w.]+", inside) else f"({inside})"
