"""Gradient descent: the step, its limit, and how long a ridge holds it up."""

from gdcourse.exercises.behaviour import MissingLine, Probe
from gdcourse.exercises.exercise import Chapter, Wrong
from gdcourse.exercises.small import Number

CHAPTER = Chapter(
    "gradient_descent",
    (
        MissingLine(
            name="gradient_descent.step",
            title="the step, in one line",
            prompt="Write the line that takes θ one step downhill.",
            hints=(
                "The gradient points to where J grows. Which way is down?",
                "How far the step leads depends on two factors: the step size and the slope.",
            ),
            before="g = gradient(theta)",
            right="theta = theta - eta * g",
            target="theta",
            probes=(Probe({"eta": 0.1}), Probe({"eta": 0.25}, bowl=2.0, start=-3.0)),
            wrong=(
                Wrong(
                    "theta + eta * g",
                    ("That climbs: the gradient points uphill, so the step goes against it."),
                ),
                Wrong("theta - g", "Without η every step is as long as the slope is steep."),
                Wrong("-eta * g", "That is how far θ moves. θ_t is where it gets to from θ_(t−1)."),
                Wrong("theta - eta * abs(g)", "A slope without its sign leads the same way on both sides."),
                Wrong(
                    "theta - eta * sign(g)",
                    "The slope's sign alone makes all steps equally long: gradient descent's shorten as "
                    "the slope flattens.",
                ),
                Wrong(
                    "theta - eta * theta * g",
                    "The step does not depend on where θ is, only on the slope there.",
                ),
                Wrong("eta * (theta - g)", "η multiplies the gradient alone. Here it shrinks θ as well."),
                Wrong("theta - g / eta", "A larger η should make a longer step: multiply by it."),
            ),
            why="η times the slope, against it. All that follows in this book changes this line.",
        ),
        Number(
            name="gradient_descent.limit",
            title="the largest step size that converges",
            prompt=(
                "A bowl has curvatures 0.5, 3 and 8 along its three axes. Below which η does gradient "
                "descent reach the minimum from every start?"
            ),
            hints=(
                "Along an axis of curvature λ one step multiplies the distance by 1 − ηλ.",
                (
                    "The factor has to lie between −1 and 1 along every axis. Which axis is the first to "
                    "break this?"
                ),
            ),
            right=0.25,
            within=0.002,
            wrong=(
                Wrong(
                    0.125,
                    (
                        "1/L takes the steepest axis to its minimum in one step. Up to twice that it "
                        "overshoots, and still comes down."
                    ),
                ),
                Wrong(
                    2 / 8.5,
                    "2/(μ + L) converges fastest in the long run. It is not the largest that converges.",
                ),
                Wrong(
                    4.0, "That is the limit of the flattest axis alone; the steepest diverges long before."
                ),
                Wrong(
                    2 / 4.25, "The mean of the largest and the least is along no axis. The steepest decides."
                ),
                Wrong(2 / 3, "The middle axis allows that. The steepest one does not."),
                Wrong(2 / 11.5, "Curvatures of different axes do not add up: each axis goes its own way."),
                Wrong(
                    1 / 16, "The condition number says how slow the best η is. The limit is about one axis."
                ),
            ),
            why="The steepest axis sets the limit, 2/L. The flattest then says how long you wait.",
        ),
        Number(
            name="gradient_descent.ridge",
            title="how long a ridge holds it up",
            prompt=(
                "Beside the ridge of ½x² + ¼y⁴ − ½y² the height y is multiplied by about 1 + η at each "
                "step. With η = 0.1, how many steps lead from y = 1e-8 to 0.5?"
            ),
            hints=(
                "How often must 1e-8 be multiplied by 1.1 until it is 0.5?",
                "A product becomes a sum under the logarithm. The quartic term adds two or three steps.",
            ),
            right=187.0,
            within=2.2 / 187,
            wrong=(
                Wrong(
                    177.3, "η is a little more than ln(1 + η): at 0.1 that makes nine steps of difference."
                ),
                Wrong(193.3, "That leads to a height of 1. The question ends at 0.5."),
                Wrong(80.8, "Two logarithms of different bases do not divide: take the same for both."),
                Wrong(5e8, "The height does not grow by equal amounts. Each step multiplies it."),
                Wrong(25.6, "Each step multiplies by 1 + η, not by 2."),
            ),
            why=(
                "The time grows with the logarithm of the distance only: from beside it the ridge is a "
                "delay and no trap."
            ),
        ),
    ),
)
