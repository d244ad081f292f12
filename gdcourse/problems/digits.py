"""The digits: 10,000 real handwritten ones, 28 × 28 pixels each, shipped with the package."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

FILE = Path(__file__).parent / "data" / "mnist10k.npz"
SHA256 = "0217e13bd0668deb198aa7d305edbf0331eb89f8a6e7dd226e03d1aa3a9bd4ef"
SPLIT_SEED = 28  # one fixed shuffle, the same for everyone
SIZES = {"train": 6000, "validation": 2000, "test": 2000}


@dataclass(frozen=True, eq=False)
class Split:
    """Some of the digits.

    Attributes
    ----------
    x : the pixels, shape ``(N, 784)``, row by row, from 0 (paper) to 1 (ink).
    y : the labels 0 … 9, shape ``(N,)``, int64.
    """

    x: torch.Tensor
    y: torch.Tensor

    def __len__(self) -> int:
        return len(self.y)

    @property
    def images(self) -> torch.Tensor:
        """The pixels as pictures, shape ``(N, 28, 28)``."""
        return self.x.reshape(-1, 28, 28)

    def batch(self, picks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The pixels, shape ``(*picks, 784)``, and labels of some examples, by their indices."""
        x = self.x.index_select(0, picks.flatten())  # five times as fast as x[picks]
        return x.unflatten(0, picks.shape), self.y[picks]

    def only(self, digit: int) -> Split:
        """Those examples that show one digit."""
        return Split(self.x[self.y == digit], self.y[self.y == digit])


@dataclass(frozen=True, eq=False)
class Digits:
    """The digits in three parts that share no example: 6,000 to train on, 2,000 to choose by
    (``validation``), and 2,000 to report on once (``test``)."""

    train: Split
    validation: Split
    test: Split


@cache
def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    if not path.exists():
        raise FileNotFoundError(
            f"the digits are missing: {path} is not there. It comes with gdcourse: install the package again."
        )
    raw = path.read_bytes()
    found = hashlib.sha256(raw).hexdigest()
    if found != SHA256:
        raise ValueError(
            f"the digits are damaged: {path} has {len(raw)} bytes and sha256 {found}, expected {SHA256}. "
            "Install gdcourse again, or restore the file from the repository."
        )
    with np.load(io.BytesIO(raw)) as stored:
        return stored["images"], stored["labels"]


@cache
def _shuffle(examples: int) -> np.ndarray:
    """The one order in which everybody splits the digits."""
    return np.random.default_rng(SPLIT_SEED).permutation(examples)


def digits(
    dtype: torch.dtype = torch.float64, device: torch.device | str = "cpu", path: Path = FILE
) -> Digits:
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
