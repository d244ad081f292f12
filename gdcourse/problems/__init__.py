"""What is minimised: surfaces, sums over examples, the digits and the network of the slides, a text and the
transformer that learns it."""

from gdcourse.problems.bigrams import Bigrams
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
from gdcourse.problems.data import Data, Split, as_data
from gdcourse.problems.digits import Digits, as_pixels, digits
from gdcourse.problems.finite_sum import FiniteSum, LeastSquares, LogisticRegression
from gdcourse.problems.given import as_problem
from gdcourse.problems.matrix_quadratic import MatrixQuadratic
from gdcourse.problems.modules import Modules, as_network
from gdcourse.problems.network import Network
from gdcourse.problems.problem import ArrayFunction, Function, Problem
from gdcourse.problems.replay import Noise, Rare, Replay
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
from gdcourse.problems.text import Text, as_text, text
from gdcourse.problems.transformer import Transformer

__all__ = [
    "SURFACES",
    "Absolute",
    "Ackley",
    "ArrayFunction",
    "Beale",
    "Bigrams",
    "Booth",
    "Branin",
    "Data",
    "Digits",
    "Easom",
    "FiniteSum",
    "Function",
    "GoldsteinPrice",
    "Griewank",
    "Himmelblau",
    "LeastSquares",
    "LogisticRegression",
    "MatrixQuadratic",
    "Matyas",
    "Modules",
    "Network",
    "Noise",
    "NoisyQuadratic",
    "Plane",
    "Problem",
    "Quadratic",
    "Rare",
    "Rastrigin",
    "Replay",
    "Rosenbrock",
    "Saddle",
    "SixHumpCamel",
    "Slope",
    "Split",
    "StyblinskiTang",
    "Text",
    "ThreeHumpCamel",
    "Transformer",
    "as_data",
    "as_network",
    "as_pixels",
    "as_problem",
    "as_text",
    "digits",
    "ravine",
    "surface",
    "text",
]
