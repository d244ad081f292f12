"""A text to learn letter by letter: Newton's *Opticks*, shipped with the package, or one of a reader's
own."""

from __future__ import annotations

import lzma
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gdcourse.problems.data import Data, Split
from gdcourse.problems.stored import stored

FILE = Path(__file__).parent / "data" / "opticks.txt.xz"
SHA256 = "e31c19422404ee4ae361394c27dc90de8e4372a2a0f9761426887e15baa731f8"
SHARES = (0.9, 0.05, 0.05)
EXAMINED = 8192
"""Letters for validation. Over so many independent letters a mean loss has a standard error of 0.02 nats."""


@dataclass(frozen=True, eq=False, repr=False)
class Text(Data):
    """A text in three parts, one after the other, each a number of windows.

    An example is a window: ``x``, shape ``(T,)``, T letters in a row, and ``y``, shape ``(T,)``, the letter
    that follows each of them. Both are numbers from 0 on, int64. Windows of one part do not overlap.

    Attributes
    ----------
    train, validation, test : the first 90 per cent, then 5 and 5. Of the validation part only so many windows
        are taken, at equal distances, that there are 8,192 letters in them: training examines them again and
        again.
    symbols : the text's different letters in the order of their code points. A letter's number is its place.
    letters : all of the text as numbers, shape ``(N,)``.
    """

    symbols: str
    letters: torch.Tensor

    def __repr__(self) -> str:
        return (
            f"Text: windows of {self.train.x.shape[-1]} letters, of {len(self.symbols)} symbols: "
            f"{len(self.train):,} to train on, {len(self.validation):,} for validation, "
            f"{len(self.test):,} for test"
        )

    def to(self, dtype: Any = None, device: Any = None) -> Text:
        """The same on another device, where raises `Split.to` what it raises; letters stay whole numbers."""
        moved: Any = super().to(None, device)
        return replace(moved, letters=self.letters.to(moved.train.x.device))

    def encode(self, string: str) -> torch.Tensor:
        """The numbers of a string's letters, int64, shape ``(len(string),)``.

        Raises
        ------
        TypeError : no string.
        ValueError : a letter that the text does not have.
        """
        if not isinstance(string, str):
            raise TypeError(f"encode takes a string, got {type(string).__name__}")
        if strange := sorted(set(string) - set(self.symbols)):
            raise ValueError(
                f"{', '.join(map(repr, strange))}: not among the text's {len(self.symbols)} symbols, "
                f"{self.symbols!r}"
            )
        return _numbers(string, self.symbols).to(self.letters.device)

    def decode(self, numbers: Any) -> Any:
        """The string that some letters' numbers stand for.

        Parameters
        ----------
        numbers : whole numbers, shape ``(n,)``; or many such rows, shape ``(*runs, n)``.

        Returns
        -------
        A string; or an array of them, shape ``runs``.

        Raises
        ------
        TypeError, ValueError : numbers that are not whole, or of which there is no symbol.
        """
        array = np.asarray(numbers.cpu() if isinstance(numbers, torch.Tensor) else numbers)
        if array.dtype.kind not in "iu" and array.size:
            raise TypeError(f"decode takes whole numbers, got {array.dtype}")
        if array.size and not 0 <= array.min() <= array.max() < len(self.symbols):
            raise ValueError(
                f"a letter's number is from 0 to {len(self.symbols) - 1}, got {array.min()} to {array.max()}"
            )
        rows = np.empty(array.shape[:-1], object)
        for at in np.ndindex(*rows.shape):
            rows[at] = "".join(self.symbols[i] for i in np.atleast_1d(array[at]))
        return rows if rows.ndim else rows[()]


def text(context: int = 32, device: torch.device | str = "cpu", path: Path | str = FILE) -> Text:
    """Newton's *Opticks*, to learn letter by letter. Nothing is downloaded.

    Parameters
    ----------
    context : T, how many letters make a window. Default 32.
    device : of the letters. Default the CPU.
    path : the data file. Default: the one in the package.

    Raises
    ------
    FileNotFoundError : the file is missing.
    ValueError : its checksum is wrong: it is damaged, cut short, or another file; or a ``context`` out of
        range.

    Isaac Newton, *Opticks*, fourth edition, London 1730: 566,900 letters of 91 kinds. In the public domain;
    transcribed by Suzanne Lybarger, Steve Harris, Josephine Paolucci and the Online Distributed Proofreading
    Team.

    Examples
    --------
    >>> import gdcourse as gd
    >>> gd.text()
    Text: windows of 32 letters, of 91 symbols: 15,944 to train on, 256 for validation, 885 for test
    >>> data = gd.text()
    >>> data.decode(data.train.x[124]), data.decode(data.train.y[124])
    ('Square roots are noted by the le', 'quare roots are noted by the let')
    >>> data.encode("Light")
    tensor([36, 63, 61, 62, 74])
    """
    return as_text(_read(Path(path)), context).to(device=device)


def as_text(string: str, context: int = 32) -> Text:
    """A text of a reader's own, to learn letter by letter.

    Parameters
    ----------
    string : the text. Its first 90 per cent are to train on, the next 5 for validation, the last 5 for test:
        parts in a row, since a letter's neighbours in another part would give it away.
    context : T, how many letters make a window. Default 32.

    Raises
    ------
    TypeError : no string.
    ValueError : a context that is no whole number ≥ 1, or a text too short to have a window in each part.
    """
    if not isinstance(string, str):
        raise TypeError(f"a text must be a string, got {type(string).__name__}")
    if isinstance(context, bool) or not isinstance(context, (int, np.integer)) or context < 1:
        raise ValueError(f"context must be a whole number ≥ 1, got {context!r}")
    symbols = "".join(sorted(set(string)))
    letters = _numbers(string, symbols)
    ends = [round(len(letters) * share) for share in np.cumsum(SHARES)]
    parts = [windows(letters[start:end], context) for start, end in zip([0, *ends], ends, strict=False)]
    if not all(map(len, parts)):
        least = round((context + 1) / min(SHARES))
        raise ValueError(
            f"a text of {len(string):,} letters is too short for windows of {context}: each part needs one, "
            f"and the letter after it; {least:,} letters are enough"
        )
    train, validation, test = parts
    few = min(len(validation), max(1, EXAMINED // context))
    spread = torch.as_tensor(np.linspace(0, len(validation) - 1, few).round().astype(np.int64))
    return Text(train, Split(*validation.batch(spread)), test, symbols, letters)


def windows(letters: torch.Tensor, context: int) -> Split:
    """Letters' numbers, shape ``(N,)``, cut into windows, one after the other, each with the letters that
    follow: ``x`` and ``y`` of shape ``((N − 1) // T, T)``. What does not fill a last window is left out."""
    count = max(0, len(letters) - 1) // context
    x, y = (letters[start : start + count * context] for start in (0, 1))
    return Split(x.reshape(count, context), y.reshape(count, context))


@cache
def _read(path: Path) -> str:
    return lzma.decompress(stored(path, SHA256, "the text is")).decode("utf-8")


def _numbers(string: str, symbols: str) -> torch.Tensor:
    """Each letter's place among the symbols, which are in the order of their code points."""
    points = [np.frombuffer(s.encode("utf-32-le", "surrogatepass"), np.uint32) for s in (string, symbols)]
    return torch.as_tensor(np.searchsorted(points[1], points[0]).astype(np.int64))
