"""What is minimised: surfaces, sums over examples, the digits, and the network of the slides."""

from gdcourse.problems.digits import Digits, Split, digits
from gdcourse.problems.finite_sum import FiniteSum, LeastSquares, LogisticRegression
from gdcourse.problems.network import Network
from gdcourse.problems.problem import Function, Problem
from gdcourse.problems.surfaces import (
    Absolute,
    Beale,
    Himmelblau,
    NoisyQuadratic,
    Quadratic,
    Rosenbrock,
    Saddle,
    Slope,
    ravine,
)

__all__ = [
    "Absolute",
    "Beale",
    "Digits",
    "FiniteSum",
    "Function",
    "Himmelblau",
    "LeastSquares",
    "LogisticRegression",
    "Network",
    "NoisyQuadratic",
    "Problem",
    "Quadratic",
    "Rosenbrock",
    "Saddle",
    "Slope",
    "Split",
    "digits",
    "ravine",
]
