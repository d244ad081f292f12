"""A progress bar for a person who waits, and none where outputs are stored or compared."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def is_static() -> bool:
    """Whether outputs are being stored or compared (GDCOURSE_STATIC=1): no bars, no widgets."""
    return os.environ.get("GDCOURSE_STATIC", "") not in ("", "0")


def progress(steps: Iterable[T], label: str, total: int, after: float = 0.0) -> Iterator[T]:
    """The same steps, with a bar beside them, once they have taken `after` seconds."""
    if is_static():
        yield from steps
        return
    from tqdm.auto import tqdm

    yield from tqdm(steps, desc=label, total=total, leave=False, mininterval=0.2, delay=after)
