"""Numbers for a page: quantised to whole numbers, delta-coded, compressed, as text; and back again.

What is drawn is quantised. What is told is not: a number that a text prints is kept as the decimal digits
that the text prints of it, so that the page writes what Python would.
"""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from gdcourse.explore.template import code_of

MISSING = {8: -128, 16: -32768, 32: -(2**31)}
"""The code that stands for 'no number here' (NaN), for each width in bits."""
ALIKE = 1e-9
"""Numbers that differ by no more of their size are one."""


@dataclass(frozen=True)
class Encoding:
    """How an array is quantised.

    Parameters
    ----------
    bits : 8 or 16: with which precision. Default 16.
    log : whether to quantise the logarithm, so that the error is relative; for positive numbers. Default
        False.
    clip : values outside are moved to the nearer bound first; None for no bound. What leaves the drawn part
        of a panel need not be exact, and would cost precision inside. Default (None, None).
    unit : the unit of the numbers, for the manifest. Default "", none.

    Raises
    ------
    ValueError : bits is neither 8 nor 16.
    """

    bits: int = 16
    log: bool = False
    clip: tuple[float | None, float | None] = (None, None)
    unit: str = ""

    def __post_init__(self) -> None:
        if self.bits not in (8, 16):
            raise ValueError(f"bits must be 8 or 16, got {self.bits!r}")

    def prepare(self, values: Any) -> np.ndarray:
        """The numbers as they are quantised: clipped, infinite ones missing unless clipped, in logarithms
        if so asked."""
        values = np.asarray(values, dtype=float)
        if self.clip != (None, None):
            values = np.clip(values, *self.clip)
        if self.log:
            if (values <= 0).any():
                raise ValueError(
                    "a logarithmic encoding takes numbers > 0; give a clip above 0, or NaN for none"
                )
            values = np.log10(values)
        return np.where(np.isfinite(values), values, np.nan)


def pack(
    arrays: dict[str, np.ndarray],
    encodings: dict[str, Encoding],
    told: dict[tuple[str, str], np.ndarray] | None = None,
) -> tuple[str, dict[str, dict[str, Any]]]:
    """The arrays as one text, and for each by name how to read it back.

    Parameters
    ----------
    arrays : numbers of any shape; NaN where there is none.
    encodings : how to quantise each; `Encoding()` for an array that is not named.
    told : numbers that texts print, by name and format: kept to the last digit that this format prints. Their
        entry's name is ``name:format``. Default: none.

    Returns the text (base64 of a zlib stream: the arrays' codes one after the other, little-endian) and the
    entries of the manifest: ``shape``, ``bits``, ``lo`` and ``step`` (a number is lo + step · code),
    ``log``, ``clip``, ``delta`` (the axis along which codes are differences, or None), ``unit``; for what is
    told ``shape``, ``bits``, ``delta``, and either ``places`` (a number is code · 10^−places) or ``digits``
    and ``lowest`` (see `decimals`).
    """
    blobs, entries = [], {}
    for name, array in arrays.items():
        encoding = encodings.get(name, Encoding())
        try:
            values = encoding.prepare(array)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        codes, lo, step = _quantise(values, encoding.bits)
        delta, blob = _smallest(codes)
        blobs.append(blob)
        entries[name] = {
            "shape": list(values.shape), "bits": encoding.bits, "lo": lo, "step": step, "log": encoding.log,
            "clip": list(encoding.clip), "delta": delta, "unit": encoding.unit,
        }  # fmt: skip
    for (name, form), array in (told or {}).items():
        try:
            codes, entry = decimals(np.asarray(array, dtype=float), form)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        delta, blob = _smallest(codes)
        blobs.append(blob)
        entries[f"{name}:{form}"] = {
            "shape": list(codes.shape), "bits": 8 * codes.itemsize, "delta": delta, **entry
        }  # fmt: skip
    return base64.b64encode(zlib.compress(b"".join(blobs), 9)).decode(), entries


def decimals(values: np.ndarray, form: str) -> tuple[np.ndarray, dict[str, int]]:
    """The digits that a format prints of numbers, as whole numbers, and how to read them.

    With a fixed number of places a code is the number without its point. With N significant digits codes
    count the numbers that can be printed: from 1 for the smallest up, 9 · 10^(N − 1) to a decade; 0 for zero,
    and negative ones for negative numbers. Neighbours have neighbouring codes: their differences are small.

    Raises
    ------
    ValueError : a number needs more than 32 bits: a format with fewer digits, or with an exponent, would do.
    """
    flat, index = np.unique(values, return_inverse=True)  # a number is formatted once
    there = np.isfinite(flat)
    pairs = [code_of(float(value), form) for value in flat[there]]
    entry: dict[str, int]
    if form[-1] in "eg":
        digits = len(str(max((abs(m) for m, _ in pairs), default=1)))
        decade, lowest = 9 * 10 ** (digits - 1), min((e for m, e in pairs if m), default=0)
        ranks = [
            (1 if m > 0 else -1) * ((e - lowest) * decade + abs(m) - 10 ** (digits - 1) + 1) if m else 0
            for m, e in pairs
        ]
        entry = {"digits": digits, "lowest": lowest}
    else:
        ranks, entry = [m for m, _ in pairs], {"places": -pairs[0][1] if pairs else 0}
    largest = max((abs(rank) for rank in ranks), default=0)
    bits = next((bits for bits, missing in MISSING.items() if largest < -missing), None)
    if bits is None:
        raise ValueError(f"what {form!r} prints of a number as large as {np.abs(flat[there]).max():.3g} "
                         "does not fit into 32 bits")  # fmt: skip
    codes = np.full(len(flat), MISSING[bits], f"<i{bits // 8}")
    codes[there] = ranks
    return codes[index].reshape(values.shape), entry


def from_decimals(codes: np.ndarray, entry: dict[str, Any]) -> np.ndarray:
    """The numbers whose digits `decimals` kept: the nearest ones that a float can hold."""

    def one(code: int) -> float:
        if code == MISSING[entry["bits"]]:
            return float("nan")
        if "places" in entry:
            return float(f"{code}e{-entry['places']}")
        if code == 0:
            return 0.0
        least = 10 ** (entry["digits"] - 1)
        decades, rest = divmod(abs(code) - 1, 9 * least)
        return float(f"{'-' if code < 0 else ''}{rest + least}e{decades + entry['lowest']}")

    return np.array([one(int(code)) for code in codes.ravel()], dtype=float).reshape(codes.shape)


def unpack(text: str, entries: dict[str, dict[str, Any]]) -> dict[str, np.ndarray]:
    """What `pack` was given: what is drawn to half a quantisation step, what is told to the last digit
    printed. The page does the same in JavaScript."""
    data, at, arrays = zlib.decompress(base64.b64decode(text)), 0, {}
    for name, entry in entries.items():
        dtype = np.dtype(f"<i{entry['bits'] // 8}")
        size = int(np.prod(entry["shape"]))
        codes = np.frombuffer(data, dtype, size, at).reshape(entry["shape"])
        at += size * dtype.itemsize
        if entry["delta"] is not None:
            codes = np.cumsum(codes, axis=entry["delta"], dtype=dtype)  # wraps around as the differences did
        if "log" not in entry:
            arrays[name] = from_decimals(codes, entry)
            continue
        values = np.where(
            codes == MISSING[entry["bits"]], np.nan, entry["lo"] + entry["step"] * codes.astype(float)
        )
        arrays[name] = 10**values if entry["log"] else values
    return arrays


def steps_apart(values: Any, decoded: np.ndarray, entry: dict[str, Any]) -> float:
    """The largest distance between numbers and what was decoded, in quantisation steps; infinite where one of
    the two is missing and the other is not."""
    prepared = Encoding(entry["bits"], entry["log"], tuple(entry["clip"])).prepare(values)
    decoded = np.log10(decoded) if entry["log"] else decoded
    if not np.array_equal(np.isnan(prepared), np.isnan(decoded)):
        return float("inf")
    gaps = np.abs(prepared - decoded)[~np.isnan(decoded)]
    return float(gaps.max() / (entry["step"] or ALIKE * abs(entry["lo"]) or 1.0)) if gaps.size else 0.0


def _quantise(values: np.ndarray, bits: int) -> tuple[np.ndarray, float, float]:
    limit = -MISSING[bits] - 1  # codes from −limit to limit
    there = values[np.isfinite(values)]
    low, high = (float(there.min()), float(there.max())) if there.size else (0.0, 0.0)
    whole = there.size and np.array_equal(there, np.round(there)) and max(-low, high) <= limit
    lo, step = (0.0, 1.0) if whole else ((low + high) / 2, (high - low) / (2 * limit))
    if not whole and high - low <= ALIKE * abs(lo):  # they differ by rounding alone
        step = 0.0
    codes = np.round((values - lo) / (step or 1.0))
    return np.where(np.isnan(codes), MISSING[bits], codes).astype(f"<i{bits // 8}"), lo, step


def _smallest(codes: np.ndarray) -> tuple[int | None, bytes]:
    """The codes, or their differences along the axis that compresses best."""
    candidates: list[tuple[int | None, bytes]] = [(None, codes.tobytes())]
    for axis in range(codes.ndim):
        if codes.shape[axis] > 2:
            first = np.take(codes, [0], axis)
            candidates.append((axis, np.concatenate([first, np.diff(codes, axis=axis)], axis).tobytes()))
    return min(candidates, key=lambda candidate: len(zlib.compress(candidate[1], 6)))
