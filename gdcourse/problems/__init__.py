"""What is minimised: surfaces, sums over examples, the digits, and the network of the slides."""

from gdcourse.problems.classics import (
    SURFACES,
    Booth,
    Branin,
    Easom,
    GoldsteinPrice,
    Griewank,
    Matyas,
    SixHumpCamel,
    ThreeHumpCamel,
    surface,
)
from gdcourse.problems.digits import Digits, Split, digits
from gdcourse.problems.finite_sum import FiniteSum, LeastSquares, LogisticRegression
from gdcourse.problems.given import as_problem
from gdcourse.problems.network import Network
from gdcourse.problems.problem import ArrayFunction, Function, Problem
from gdcourse.problems.surfaces import (
    Absolute,
    Ackley,
    Beale,
    Himmelblau,
    NoisyQuadratic,
    Plane,
    Quadratic,
    Rastrigin,
    Rosenbrock,
    Saddle,
    Slope,
    StyblinskiTang,
    ravine,
)

__all__ = [
    "SURFACES",
    "Absolute",
    "Ackley",
    "ArrayFunction",
    "Beale",
    "Booth",
    "Branin",
    "Digits",
    "Easom",
    "FiniteSum",
    "Function",
    "GoldsteinPrice",
    "Griewank",
    "Himmelblau",
    "LeastSquares",
    "LogisticRegression",
    "Matyas",
    "Network",
    "NoisyQuadratic",
    "Plane",
    "Problem",
    "Quadratic",
    "Rastrigin",
    "Rosenbrock",
    "Saddle",
    "SixHumpCamel",
    "Slope",
    "Split",
    "StyblinskiTang",
    "ThreeHumpCamel",
    "as_problem",
    "digits",
    "ravine",
    "surface",
]
