"""Running: one path or thousands, one network or a grid, and fair comparisons."""

from gdcourse.experiments.claims import Claim, decide, ledger
from gdcourse.experiments.compare import Comparison, Tuned, compare
from gdcourse.experiments.descend import Run, descend
from gdcourse.experiments.progress import is_static, progress
from gdcourse.experiments.train import History, train

__all__ = [
    "Claim",
    "Comparison",
    "History",
    "Run",
    "Tuned",
    "compare",
    "decide",
    "descend",
    "is_static",
    "ledger",
    "progress",
    "train",
]
