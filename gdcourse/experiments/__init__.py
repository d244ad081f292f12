"""Running: one path or thousands, one network or a grid, and fair comparisons."""

from gdcourse.experiments import landscape
from gdcourse.experiments.claims import Claim, decide, ledger
from gdcourse.experiments.compare import Comparison, Tuned, compare
from gdcourse.experiments.cost import gradient_operations, state_size, step_operations
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
    "gradient_operations",
    "is_static",
    "landscape",
    "ledger",
    "progress",
    "state_size",
    "step_operations",
    "train",
]
