"""Batch gradient descent: the gradient of a mean, and what a sum or unequal chunks make of it."""

from gdcourse.exercises.behaviour import MissingLine, Probe
from gdcourse.exercises.exercise import Chapter, Wrong
from gdcourse.exercises.small import Choice, Number

FEW = {"xs": [1.0, 2.0, -1.0], "ys": [2.0, 3.0, 1.0]}
MORE = {"xs": [0.5, -1.5, 2.0, 1.0], "ys": [1.0, -1.0, 3.5, 0.0]}

CHAPTER = Chapter(
    "batch",
    (
        MissingLine(
            name="batch.gradient",
            title="the gradient over all examples",
            prompt=(
                "The model predicts θx, and J is the mean over all examples of ½(θx − y)². The lists xs "
                "and ys hold the examples. Write the line that sets g to the gradient of J."
            ),
            hints=(
                "Differentiate ½(θx − y)² for one example first. The chain rule leaves a factor.",
                "J is a mean, so its gradient is one: over `zip(xs, ys)`, divided by how many there are.",
            ),
            right="g = sum((theta * x - y) * x for x, y in zip(xs, ys)) / len(xs)",
            after="theta = theta - eta * g",
            target="g",
            probes=(
                Probe({"eta": 0.1, **FEW}, gradients=(0.0,), steps=5),
                Probe({"eta": 0.25, **MORE}, gradients=(0.0,), steps=5, start=-2.0),
            ),
            wrong=(
                Wrong(
                    "sum((theta * x - y) * x for x, y in zip(xs, ys))",
                    "That is the gradient of the sum. J is the mean: divide by the number of examples.",
                ),
                Wrong(
                    "sum(theta * x - y for x, y in zip(xs, ys)) / len(xs)",
                    (
                        "The chain rule is missing: θ acts on the prediction through x, so each error "
                        "counts x times."
                    ),
                ),
                Wrong(
                    "sum((y - theta * x) * x for x, y in zip(xs, ys)) / len(xs)",
                    "The sign is turned round: that is minus the gradient, and the step subtracts it.",
                ),
                Wrong(
                    "sum(2 * (theta * x - y) * x for x, y in zip(xs, ys)) / len(xs)",
                    "The ½ in J cancels the 2 of the square: yours is twice as long.",
                ),
                Wrong(
                    "(theta * xs[0] - ys[0]) * xs[0]",
                    "That is one example's gradient. Batch descent asks all of them.",
                ),
                Wrong(
                    "sum(0.5 * (theta * x - y) ** 2 for x, y in zip(xs, ys)) / len(xs)",
                    "That is J itself. The step needs its slope.",
                ),
                Wrong(
                    "(theta * sum(xs) / len(xs) - sum(ys) / len(ys)) * sum(xs) / len(xs)",
                    (
                        "The gradient at the mean example is not the mean of the gradients: x stands in it "
                        "squared."
                    ),
                ),
            ),
            why="A mean of gradients: a copy of the whole data set would change nothing but the cost.",
        ),
        Number(
            name="batch.sum",
            title="a sum in place of a mean",
            prompt=(
                "For the mean over N = 60 examples the largest curvature is L = 1.25. Somebody minimises "
                "the sum of the examples' losses instead. Below which η does batch descent converge then?"
            ),
            hints=(
                "What does the factor N do to the gradient, and so to the curvature?",
                "The limit is 2 over the largest curvature.",
            ),
            right=2 / 75,
            wrong=(
                Wrong(1.6, "That is the limit for the mean. The sum is N times as steep."),
                Wrong(96.0, "Upside down: the sum is steeper, so η must be smaller."),
                Wrong(
                    2 / 1.25 / 60**0.5,
                    ("√N belongs to the noise of a mean. The gradient of a sum grows by N."),
                ),
                Wrong(
                    1 / 75, "1/L is the step that just reaches the minimum. It converges up to twice that."
                ),
                Wrong(1 / 60, "N is right; the curvature and the 2 are still missing."),
            ),
            why="A learning rate that is copied from one convention to the other is off by a factor N.",
        ),
        Number(
            name="batch.chunks",
            title="chunks of unequal size",
            prompt=(
                "The data do not fit into memory, so the gradient is computed in two chunks. Over the "
                "first 20 examples its mean is 3, over the other 40 it is 6. What is the gradient over all "
                "60?"
            ),
            hints=(
                "How much does each of the 60 examples count?",
                "Go back to the sums: 20 examples of mean 3 add up to how much?",
            ),
            right=5.0,
            wrong=(
                Wrong(
                    4.5, "The mean of the two means lets an example of the small chunk count twice as much."
                ),
                Wrong(9.0, "The two means do not add up: together they are a mean again."),
                Wrong(4.0, "The weights are the wrong way round: the larger chunk counts for more."),
                Wrong(300.0, "That is the sum over all examples. Divide by how many they are."),
                Wrong(0.15, "The chunks' means were already divided by their sizes."),
            ),
            why="Each chunk weighs as much as it has examples.",
        ),
        Choice(
            name="batch.twice",
            title="everything twice",
            prompt=(
                "Every example is copied once. What does batch descent do with the doubled data, at the "
                "same η?"
            ),
            options=(
                "The gradient doubles, so η must be halved",
                "The same path, at twice the cost",
                "The same path at the same cost",
                "It converges in half as many steps",
            ),
            right="b",
            hints=("What happens to the sum over the examples, and what to the number it is divided by?",),
            wrong=(
                Wrong("a", "The sum doubles, and so does N. J is a mean: its gradient stays."),
                Wrong("c", "The path is the same, but each step asks every example, copies too."),
                Wrong("d", "The gradients are the same, so the steps are. Copies say nothing new."),
            ),
            why="Batch descent pays for every repetition in the data and learns nothing from it.",
        ),
    ),
)
