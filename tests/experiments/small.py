"""Few of the digits, for tests that train."""

import gdcourse as gd
from gdcourse.problems import Digits, Split


def few(split: Split, size: int) -> Split:
    """The first examples of a split."""
    return Split(split.x[:size], split.y[:size])


def small_digits() -> Digits:
    """100 digits to train on, 60 to validate and 60 to test with."""
    full = gd.digits()
    return Digits(few(full.train, 100), few(full.validation, 60), few(full.test, 60))
