"""Stochastic gradient descent: noise that a rate decides, rates that fall, an average of iterates."""

from gdcourse.exercises.behaviour import MissingLine, Probe
from gdcourse.exercises.exercise import Chapter, Wrong
from gdcourse.exercises.small import Choice, Number

CHAPTER = Chapter(
    "stochastic",
    (
        Number(
            name="stochastic.half_rate",
            title="half the rate",
            prompt=(
                "On a bowl of curvature 1, with noise in the gradient that does not depend on θ, "
                "stochastic descent hovers around the minimum at η = 0.02. Then η is halved. By which "
                "factor does the mean squared distance to the minimum change, in the end?"
            ),
            hints=(
                "In a step the variance V becomes (1 − η)²V + η²σ². Where does it stay as it is?",
                "Solve V = (1 − η)²V + η²σ² for V. For small η the term η²V can be left out.",
            ),
            right=(0.01 / 1.99) / (0.02 / 1.98),
            within=0.01,
            wrong=(
                Wrong(0.5**0.5, "That is the distance. The question is about its square."),
                Wrong(0.25, "The noise enters with η², but it also stays for 1/η as many steps."),
                Wrong(1.0, "The noise of the gradients stays. What a step makes of it does not."),
                Wrong(2.0, "The other way: shorter steps carry less noise into θ."),
            ),
            why="For small η the mean square goes like η, the distance like √η, and the time like 1/η.",
        ),
        Choice(
            name="stochastic.sums",
            title="sums that end",
            prompt=(
                "Robbins and Monro ask two things of the rates: their sum must be infinite, the sum of "
                "their squares finite. Which of these meets both?"
            ),
            options=("0.5/√t", "0.5/t", "0.5/t²", "a constant 0.5"),
            right="b",
            hints=(
                "Σ 1/tᵖ is finite for p > 1 and infinite for p ≤ 1.",
                "For each rate, which p has it, and which has its square?",
            ),
            wrong=(
                Wrong("a", "Its squares are 0.25/t, and their sum grows without end, if slowly."),
                Wrong(
                    "c",
                    (
                        "Its sum is finite: the steps together lead only so far, and the minimum may lie "
                        "further."
                    ),
                ),
                Wrong("d", "Its squares do not fall, so the noise never dies out."),
            ),
            why=(
                "The conditions are enough for convergence, not needed: rates that fall more slowly can do, "
                "too."
            ),
        ),
        MissingLine(
            name="stochastic.mean",
            title="the mean of all iterates, without keeping them",
            prompt=(
                "The mean of θ_1 … θ_t is calmer than θ_t. Write the line that keeps it up to date from "
                "the last mean and the new θ alone."
            ),
            hints=(
                "The old mean stands for t − 1 numbers, the new one for t.",
                "Write t times the new mean as (t − 1) times the old one plus θ, and divide by t.",
            ),
            begin="mean = 0",
            before="g = gradient(theta)\ntheta = theta - eta * g",
            right="mean = mean + (theta - mean) / t",
            target="mean",
            watch="mean",
            probes=(Probe({"eta": 0.1}), Probe({"eta": 0.3}, bowl=1.0, start=4.0)),
            wrong=(
                Wrong(
                    "(mean + theta) / 2",
                    "The newest iterate counts for one half then, the first for next to nothing.",
                ),
                Wrong(
                    "mean + theta / t",
                    "The old mean has to make room: what is added is a share of the distance to it.",
                ),
                Wrong(
                    "mean + (theta - mean) / (t + 1)",
                    "At t = 1 the mean is θ_1 itself. Yours still counts the 0 from before.",
                ),
                Wrong(
                    "mean + (theta - mean) / (t - 1)",
                    ("Divide by how many there are now, t, with the newest."),
                ),
                Wrong("(mean + theta) / t", "The old mean stands for t − 1 numbers. Yours counts it once."),
                Wrong(
                    "mean + (mean - theta) / t",
                    ("The sign is turned round: the mean moves towards the new θ."),
                ),
                Wrong(
                    "0.9 * mean + 0.1 * theta",
                    "That average fades: it forgets the first iterates, which a mean does not.",
                ),
                Wrong("mean + theta", "That is the sum. Divide it by how many there are."),
            ),
            why="One number more than θ, whatever the length of the run.",
        ),
    ),
)
