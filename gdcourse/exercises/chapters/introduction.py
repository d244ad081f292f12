"""The introduction: a rule whose steps depend on their number, passes over the data, and an honest report."""

from gdcourse.exercises.behaviour import Probe, WholeRule
from gdcourse.exercises.exercise import Chapter, Wrong
from gdcourse.exercises.small import Choice, Number

GIVEN = """class Mine(gd.Rule):
    def __init__(self, lr):
        self.lr = lr

    def at(self, t):
        return {"lr": ...}

    def step(self, theta, grad, state, at):
        return ..., {}"""

CHAPTER = Chapter(
    "introduction",
    (
        WholeRule(
            name="introduction.shorter",
            title="a rule of your own, with ever shorter steps",
            prompt=(
                "Write gradient descent whose rate falls as 1/t: it is η at the first step, half of it at "
                "the second, a third at the third. What depends on the step's number alone goes into at(t)."
            ),
            hints=(
                "`at(t)` is asked before each step, with t = 1, 2, 3, …; what it gives is `at` in `step`.",
                "θ goes against the gradient, as far as this step's rate says.",
            ),
            fields={"lr": "eta"},
            right="theta = theta - eta / t * gradient(theta)",
            given=GIVEN,
            probes=(
                Probe({"eta": 0.5}),
                Probe({"eta": 0.25}, bowl=1.0, start=-2.0),
                Probe({"eta": 0.5}, later={"eta": 0.1}),
            ),
            wrong=(
                Wrong(
                    "theta = theta - eta * gradient(theta)",
                    "The rate does not fall: every step goes η times the gradient.",
                ),
                Wrong("theta = theta + eta / t * gradient(theta)", "That climbs: step against the gradient."),
                Wrong(
                    "theta = theta - eta / (t + 1) * gradient(theta)",
                    "t starts at 1, not at 0: the first rate has to be η itself.",
                ),
                Wrong(
                    "theta = theta - eta / (t - 1) * gradient(theta)",
                    "t starts at 1: at the first step you divide by 0.",
                ),
                Wrong(
                    "theta = theta - eta / t**0.5 * gradient(theta)",
                    (
                        "That is 1/√t, Adagrad's pace where gradients keep their size. Here the second step "
                        "has half the rate."
                    ),
                ),
                Wrong(
                    "theta = theta - eta / 2 ** (t - 1) * gradient(theta)",
                    "That halves the rate at every step; the third has to be a third.",
                ),
                Wrong("theta = theta - eta * t * gradient(theta)", "The rate grows with t: divide by it."),
                Wrong("theta = theta - 1 / t * gradient(theta)", "η is in no line of yours."),
                Wrong(
                    "theta = theta - eta * eta / t * gradient(theta)",
                    "η twice: what `at` gives has it already.",
                ),
            ),
            why="The rates fall fast enough to quiet noise, and their sum still has no end (Robbins, Monro).",
        ),
        Number(
            name="introduction.passes",
            title="how often each digit is seen",
            prompt=(
                "A training of 300 steps takes 64 digits at each, of 6,000. How often is a digit seen, on "
                "average?"
            ),
            hints=("How many digits are dealt in all?", "Divide them among the 6,000."),
            right=3.2,
            wrong=(
                Wrong(0.3125, "Upside down: that is the share of 6,000 in all that was dealt."),
                Wrong(93.75, "That is 6,000/64, about the steps of one pass. Here there are 300."),
                Wrong(19_200.0, "That many digits are dealt in all; each of 6,000 gets its share."),
                Wrong(300.0, "That would be each digit in every batch: full-batch training."),
                Wrong(4.6875, "That is 300/64. Each step takes 64: multiply, then divide by 6,000."),
                Wrong(3.0, "After three passes it goes on: a part of the digits is seen a fourth time."),
                Wrong(4.0, "The fourth pass is not finished."),
            ),
            why="A pass over all digits is an epoch: here a training has 3.2.",
        ),
        Choice(
            name="introduction.report",
            title="which number to report",
            prompt=(
                "You trained with seven learning rates and chose the one whose networks read most "
                "validation digits. Which number says how well the method does?"
            ),
            hints=(
                "Which digits had no part in the choice?",
                "Who sees a split before choosing, uses it up.",
            ),
            options=(
                "The validation accuracy by which it was chosen",
                "The best test accuracy of the seven",
                "The test accuracy at the chosen rate",
                "The mean test accuracy over all seven rates",
            ),
            right="c",
            wrong=(
                Wrong("a", "It was picked as the largest of seven, so part of it is luck."),
                Wrong("b", "Then the test digits choose the rate, and their luck is in the number."),
                Wrong("d", "That counts six rates that you did not choose."),
            ),
            why="The choice has not seen the test digits. Say the seeds' range with the number.",
        ),
    ),
)
