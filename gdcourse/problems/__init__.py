"""What is minimised: surfaces, sums over examples, the digits, and the network of the slides."""

from gdcourse.problems.digits import Digits, Split, digits
from gdcourse.problems.finite_sum import FiniteSum, LeastSquares, LogisticRegression
from gdcourse.problems.network import Network
from gdcourse.problems.problem import ArrayFunction, Function, Problem, as_problem
from gdcourse.problems.surfaces import (
    Absolute,
    Ackley,
    Beale,
    Himmelblau,
    NoisyQuadratic,
    Quadratic,
    Rastrigin,
    Rosenbrock,
    Saddle,
    Slope,
    StyblinskiTang,
    ravine,
)

__all__ = [
    "Absolute",
    "Ackley",
    "ArrayFunction",
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
    "Rastrigin",
    "Rosenbrock",
    "Saddle",
    "Slope",
    "Split",
    "StyblinskiTang",
    "as_problem",
    "digits",
    "ravine",
]
