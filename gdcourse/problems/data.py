"""Examples to learn from: the digits' kind of data, made from whatever a reader has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

SPLIT_SEED = 28  # one fixed shuffle, the same for everyone
SHARES = (0.6, 0.2, 0.2)
FEWEST = 5  # examples that can be cut in three


@dataclass(frozen=True, eq=False, repr=False)
class Split:
    """Some examples.

    Attributes
    ----------
    x : the inputs, shape ``(N, …)``. Of the digits: the pixels, shape ``(N, 784)``, row by row, from 0
        (paper) to 1 (ink).
    y : what they are, shape ``(N,)``, or ``(N, T)`` where each has several: whole numbers, int64, where they
        are labels. Of the digits: 0 … 9. Of a text: the letter after each of the T letters in x.

    Both may be given as tensors, arrays or lists; numbers that are no tensors become float64, labels int64.

    Raises
    ------
    TypeError, ValueError : what is no array of finite numbers, or a different number of inputs and labels.
    """

    x: torch.Tensor
    y: torch.Tensor

    def __post_init__(self) -> None:
        x, y = _as_tensor("x", self.x), _as_tensor("y", self.y)
        if not x.ndim or not y.ndim or len(x) != len(y):
            shapes = f"{tuple(x.shape)} and {tuple(y.shape)}"
            raise ValueError(f"x and y must have one entry for each example, got shapes {shapes}")
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "y", y if y.is_floating_point() else y.long())

    def __len__(self) -> int:
        return len(self.y)

    def __repr__(self) -> str:
        kind = str(self.x.dtype).removeprefix("torch.")
        return f"Split of {len(self):,} examples of shape {tuple(self.x.shape[1:])}, {kind}, {self.x.device}"

    @property
    def images(self) -> torch.Tensor:
        """The pixels as pictures, shape ``(N, 28, 28)``."""
        return self.x.reshape(-1, 28, 28)

    def batch(self, picks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The inputs, shape ``(*picks, …)``, and labels of some examples, by their indices."""
        x = self.x.index_select(0, picks.flatten())  # five times as fast as x[picks]
        return x.unflatten(0, picks.shape), self.y[picks]

    def only(self, digit: int) -> Split:
        """Those examples that have one label."""
        return Split(self.x[self.y == digit], self.y[self.y == digit])

    def to(self, dtype: Any = None, device: Any = None) -> Split:
        """The same examples in another dtype, or on another device; labels stay whole numbers.

        Raises
        ------
        TypeError : a dtype that is not one of floating-point numbers.
        ValueError : a device that is not there.
        """
        dtype = as_dtype(dtype)
        try:
            x, y = self.x.to(dtype=dtype, device=device), self.y.to(device=device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ValueError(f"device {device!r} cannot be used here: {reason}") from None
        return Split(x, y.to(dtype) if dtype and y.is_floating_point() else y)


@dataclass(frozen=True, eq=False, repr=False)
class Data:
    """Examples in three parts that share none: to train on, to choose by (``validation``), and to report on
    once (``test``)."""

    train: Split
    validation: Split
    test: Split

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}: {len(self.train):,} examples to train on, {len(self.validation):,} for "
            f"validation, {len(self.test):,} for test, each of shape {tuple(self.train.x.shape[1:])}"
        )

    def to(self, dtype: Any = None, device: Any = None) -> Data:
        """The same in another dtype, or on another device; raises as `Split.to` does."""
        if dtype is None and device is None:
            return self
        return self.with_parts(lambda part: part.to(dtype, device))

    def with_parts(self, changed: Callable[[Split], Split]) -> Data:
        """The same data, with something done to each of the three parts."""
        names = ("train", "validation", "test")
        return replace(self, **{name: changed(getattr(self, name)) for name in names})


def as_data(data: Any) -> Data:
    """Whatever a reader has, in three parts.

    Parameters
    ----------
    data : `Data`, as `digits()` gives it; or examples: a pair ``(x, y)`` of arrays, tensors or lists, a
        `Split`, or a torch Dataset of such pairs. They are shuffled once, in the same order for everybody,
        and cut into 60, 20 and 20 per cent. Or two or three such parts, which stay as they are: to train on,
        for validation, and, if given, for test.

    Raises
    ------
    TypeError : something else.
    ValueError : shapes that do not fit, numbers that are not finite, or fewer examples than can be cut.
    """
    if isinstance(data, Data):
        return data
    if isinstance(data, DataLoader):
        raise TypeError("data is a DataLoader: give its examples, data=loader.dataset, and batch=…")
    if _is_part(data) or not (isinstance(data, (tuple, list)) and data and all(map(_is_part, data))):
        return cut(_as_split(data))
    if len(data) not in (2, 3):
        raise ValueError(f"data must have two or three parts: train, validation and test; got {len(data)}")
    parts = [_as_split(part) for part in data]
    train = parts[0]
    test = parts[2] if len(parts) == 3 else Split(train.x[:0], train.y[:0])
    return Data(train, parts[1], test)


def cut(examples: Split) -> Data:
    """Examples shuffled, always in the same order, and cut in three."""
    if len(examples) < FEWEST:
        raise ValueError(f"{len(examples)} examples cannot be cut in three: there must be {FEWEST} or more")
    order = torch.as_tensor(np.random.default_rng(SPLIT_SEED).permutation(len(examples)))
    order = order.to(examples.x.device)
    ends = [round(len(order) * share) for share in np.cumsum(SHARES)]
    parts = (order[start:end] for start, end in zip([0, *ends], ends, strict=False))
    return Data(*(Split(examples.x[picks], examples.y[picks]) for picks in parts))


def as_dtype(dtype: Any) -> torch.dtype | None:
    """A dtype of torch's, by itself, by name or as NumPy's; None stays None.

    Raises
    ------
    TypeError : not one of floating-point numbers.
    """
    if dtype is None:
        return None
    found = dtype if isinstance(dtype, torch.dtype) else getattr(torch, _name_of(dtype), None)
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise TypeError(f"dtype must be one of floating-point numbers, as in torch.float32, got {dtype!r}")
    return found


def _name_of(dtype: Any) -> str:
    try:
        return np.dtype(dtype).name
    except TypeError:
        return str(dtype)


def _is_part(thing: Any) -> bool:
    return isinstance(thing, (Split, Dataset)) or (isinstance(thing, tuple) and len(thing) == 2 and not any(
        isinstance(one, (tuple, Split, Dataset)) for one in thing
    ))  # fmt: skip


def _as_split(examples: Any) -> Split:
    if isinstance(examples, Split):
        return examples
    if isinstance(examples, Dataset):
        return _of_dataset(examples)
    if isinstance(examples, (tuple, list)) and len(examples) == 2:
        return Split(*examples)
    raise TypeError(
        "data must be gd.digits() or gd.text(), a pair (x, y) of arrays, a torch Dataset of such pairs, or "
        f"two or three of these for train, validation and test; got {type(examples).__name__}"
    )


def _of_dataset(dataset: Dataset) -> Split:
    if not hasattr(dataset, "__len__"):
        raise TypeError("data is a Dataset without a length: collect its examples first, as a pair (x, y)")
    items = [dataset[i] for i in range(len(dataset))]
    if any(not isinstance(item, (tuple, list)) or len(item) != 2 for item in items):
        raise TypeError("data must be a Dataset of pairs (x, y), as for a training with labels")
    xs, ys = zip(*items, strict=True)
    return Split(*([torch.as_tensor(np.asarray(one)) for one in part] for part in (xs, ys)))  # type: ignore


def _as_tensor(name: str, values: Any) -> torch.Tensor:
    if isinstance(values, torch.Tensor):
        return values.detach()
    if isinstance(values, (list, tuple)) and any(isinstance(one, torch.Tensor) for one in values):
        rows = [_as_tensor(name, one) for one in values]
        if len({row.shape for row in rows}) > 1:
            raise ValueError(f"{name} must be an array of numbers: its rows differ in length")
        return torch.stack(rows)
    try:
        array = np.asarray(values)
    except ValueError:  # rows of different lengths
        raise ValueError(f"{name} must be an array of numbers: its rows differ in length") from None
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} must be an array of numbers, got {type(values).__name__} of {array.dtype}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        missing = int((~np.isfinite(array)).sum())
        raise ValueError(f"{name} has {missing} entries that are NaN or infinite, of {array.size}: mend them")
    return torch.as_tensor(
        array if array.dtype.kind != "u" or array.itemsize == 1 else array.astype(np.int64)
    )
