"""The digits: 10,000 real handwritten ones, 28 × 28 pixels each, shipped with the package."""

from __future__ import annotations

import io
from functools import cache
from math import isqrt
from pathlib import Path
from typing import Any
from warnings import warn

import numpy as np
import torch

from gdcourse.problems.data import SPLIT_SEED, Data, Split, as_dtype
from gdcourse.problems.stored import stored

FILE = Path(__file__).parent / "data" / "mnist10k.npz"
SHA256 = "0217e13bd0668deb198aa7d305edbf0331eb89f8a6e7dd226e03d1aa3a9bd4ef"
SIZES = {"train": 6000, "validation": 2000, "test": 2000}


class Digits(Data):
    """The digits in three parts that share no example: 6,000 to train on, 2,000 to choose by
    (``validation``), and 2,000 to report on once (``test``)."""


@cache
def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with np.load(io.BytesIO(stored(path, SHA256, "the digits are"))) as arrays:
        return arrays["images"], arrays["labels"]


@cache
def _shuffle(examples: int) -> np.ndarray:
    """The one order in which everybody splits the digits."""
    return np.random.default_rng(SPLIT_SEED).permutation(examples)


def digits(dtype: Any = torch.float64, device: torch.device | str = "cpu", path: Path = FILE) -> Digits:
    """The digits, split once and for all. Nothing is downloaded.

    Parameters
    ----------
    dtype, device : of the pixels. Default float64 on the CPU.
    path : the data file. Default: the one in the package.

    Raises
    ------
    FileNotFoundError : the file is missing.
    ValueError : its checksum is wrong: it is damaged, cut short, or another file.

    The first 10,000 training examples of MNIST; Y. LeCun, C. Cortes, C. J. C. Burges; CC BY-SA 3.0.
    """
    dtype = as_dtype(dtype)
    images, labels = _read(Path(path))
    order = _shuffle(len(labels))
    x = torch.as_tensor(images[order].reshape(-1, 784) / 255.0, dtype=dtype, device=device)
    y = torch.as_tensor(labels[order].astype(np.int64), device=device)
    ends = np.cumsum(list(SIZES.values()))
    parts = {
        name: Split(x[end - size : end], y[end - size : end])
        for (name, size), end in zip(SIZES.items(), ends, strict=True)
    }
    return Digits(**parts)


def as_pixels(pictures: Any, pixels: int = 784) -> tuple[torch.Tensor, bool]:
    """Pictures of a reader's own as a network takes them: rows of numbers from 0 (paper) to 1 (ink), float64.

    Parameters
    ----------
    pictures : numbers of any kind, an array, tensor, list or a picture of Pillow's in grey; one picture,
        shape ``(28, 28)`` or ``(784,)``, or many, shape ``(N, 28, 28)``, ``(N, 1, 28, 28)`` or ``(N, 784)``.
        From 0 to 1; or, if any number is above 1, from 0 to 255.
    pixels : of one picture. Default 784.

    Returns
    -------
    The rows, shape ``(N, pixels)``, and whether it was one picture.

    Raises
    ------
    TypeError : no array of numbers.
    ValueError : another shape, a number below 0 or above 255, or NaN.

    A picture that is ink for the most part, as white on black paper turned round is, gets a warning.
    """
    if not isinstance(pictures, torch.Tensor):
        try:
            pictures = np.asarray(pictures)
        except ValueError:
            raise ValueError("pictures must be one array of numbers: rows differ in length") from None
        if pictures.dtype.kind not in "biuf":
            raise TypeError(f"pictures must be an array of numbers, got one of {pictures.dtype}")
        pictures = pictures.astype(float)
    found = torch.as_tensor(pictures).detach().to(torch.float64)
    side = isqrt(pixels)
    square = (side, side) if side * side == pixels else None
    shape, plain = tuple(found.shape), (pixels,)
    is_one = shape in (plain, square)
    is_many = len(shape) > 1 and bool(shape[0]) and shape[1:] in (plain, square, (1, *(square or ())))
    if not (is_one or is_many):
        either = f"({side}, {side}) or ({pixels},)" if square else f"({pixels},)"
        many = f"(N, {side}, {side}) or (N, {pixels})" if square else f"(N, {pixels})"
        hint = "; a picture in colour needs one grey number for each pixel, as picture.mean(-1) gives"
        in_colour = len(shape) in (3, 4) and shape[-1] in (3, 4)
        raise ValueError(
            f"a picture must have shape {either}, many of them {many}; got {shape}{hint if in_colour else ''}"
        )
    low, high = float(found.min()), float(found.max())
    if not (low >= 0 and high <= 255):  # also where there is NaN
        raise ValueError(
            f"pixels must go from 0 (paper) to 1 (ink), or from 0 to 255; these go from {low:g} to {high:g}"
        )
    rows = found.reshape(-1, pixels) / (255.0 if high > 1 else 1.0)
    if float(rows.mean()) > 0.5:
        warn("more than half of this is ink: is paper 1 here? 1 - picture turns it round", stacklevel=3)
    return rows, is_one
