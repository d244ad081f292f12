"""Running: one path or thousands, one network or a grid, and fair comparisons."""

from gdcourse.experiments import landscape, schedules
from gdcourse.experiments.agree import largest_gap
from gdcourse.experiments.claims import Claim, Measured, at_least, at_most, decide, expect, ledger
from gdcourse.experiments.compare import Comparison, Tuned, compare
from gdcourse.experiments.cost import gradient_operations, state_bytes, state_size, step_operations
from gdcourse.experiments.decay import AdamL2, left_of
from gdcourse.experiments.descend import Run, descend
from gdcourse.experiments.entrants import method_of
from gdcourse.experiments.landscape import sharpness
from gdcourse.experiments.paired import seed_by_seed
from gdcourse.experiments.predict import answer
from gdcourse.experiments.progress import is_static, progress
from gdcourse.experiments.settle import largest_converged, settled, steps_in_words
from gdcourse.experiments.shown import drawn_by
from gdcourse.experiments.train import History, Step, train
from gdcourse.experiments.words import plain

__all__ = [
    "AdamL2",
    "Claim",
    "Comparison",
    "History",
    "Measured",
    "Run",
    "Step",
    "Tuned",
    "answer",
    "at_least",
    "at_most",
    "compare",
    "decide",
    "descend",
    "drawn_by",
    "expect",
    "gradient_operations",
    "is_static",
    "landscape",
    "largest_converged",
    "largest_gap",
    "ledger",
    "left_of",
    "method_of",
    "plain",
    "progress",
    "schedules",
    "seed_by_seed",
    "settled",
    "sharpness",
    "state_bytes",
    "state_size",
    "step_operations",
    "steps_in_words",
    "train",
]
