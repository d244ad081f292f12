"""Mini-batches: how the error falls with their size, and how many there are."""

from gdcourse.exercises.behaviour import MissingLine, Probe
from gdcourse.exercises.exercise import Chapter, Wrong
from gdcourse.exercises.small import Choice, Number

CHAPTER = Chapter(
    "mini_batch",
    (
        Number(
            name="mini_batch.half_error",
            title="half the error",
            prompt=(
                "A mini-batch of 25 out of N = 500 examples is drawn without putting back. How many "
                "examples halve the error of its gradient, in root mean square? A whole number."
            ),
            hints=(
                "Half the error is a quarter of the variance, which is σ²/n · (N − n)/N.",
                "Divide the variance by σ²: it is 1/n − 1/N. Ask for a quarter of its value at n = 25.",
            ),
            right=87.0,
            wrong=(
                Wrong(100.0, "That is 1/√n alone. Drawing without putting back leaves less to chance."),
                Wrong(50.0, "Twice as many halve the variance. The error is its root."),
                Wrong(48.0, "That halves the variance. The error is its root."),
                Wrong(148.0, "That is an eighth of the variance. Half the error is a quarter."),
            ),
            why=(
                "The larger the share of the data, the further the error lies below 1/√n: 87 do what 1/√n "
                "alone would ask 100 for."
            ),
        ),
        Choice(
            name="mini_batch.putting_back",
            title="putting back",
            prompt=(
                "n = N examples are drawn with putting back, so that one may come twice. σ² is the "
                "variance of a single example's gradient. What is the variance of their mean?"
            ),
            options=("0", "σ²/N", "σ²", "σ²/N²"),
            right="b",
            hints=("Are two draws of one batch independent of each other?",),
            wrong=(
                Wrong(
                    "a",
                    (
                        "That is without putting back: then the batch is the data set. With it, some come "
                        "twice, some not at all."
                    ),
                ),
                Wrong("c", "That is a single draw. A mean of N independent ones varies less."),
                Wrong(
                    "d",
                    "The variance of a sum is N times that of one; over N² leaves one N in the denominator.",
                ),
            ),
            why="The draws are independent, so the variance is divided by how many they are.",
        ),
        Number(
            name="mini_batch.steps",
            title="steps of a pass",
            prompt=(
                "A pass over 1,000 examples goes in mini-batches of 64, and the last, smaller one is kept "
                "(drop_last=False). How many steps does it have?"
            ),
            hints=("How many full ones fit, and is there a rest?",),
            right=16.0,
            wrong=(
                Wrong(15.0, "Fifteen are full and hold 960. The other 40 examples make one more."),
                Wrong(15.625, "There is no part of a step: the last mini-batch is smaller."),
                Wrong(64.0, "That is how many examples a step takes."),
                Wrong(1000.0, "That is stochastic descent's pass, one example at a time."),
                Wrong(1.0, "That is batch descent's pass: all examples in one step."),
            ),
            why="In the last, smaller one each example counts for more: 1/40 in place of 1/64.",
        ),
        MissingLine(
            name="mini_batch.slice",
            title="which examples step t takes",
            prompt=(
                "The shuffled list `order` has N examples, and step t = 1, 2, … takes the next n of them, "
                "`order[i:i + n]`. N is a multiple of n, and after the last one it begins again. Write the "
                "line that sets i."
            ),
            hints=(
                "Step 1 begins at the first place of the list, which is 0.",
                (
                    "After N/n steps it begins again: what is left of a whole number after division is % "
                    "in Python."
                ),
            ),
            right="i = (t - 1) * n % N",
            after="batch = order[i:i + n]\ntheta = theta - eta * sum(batch) / len(batch)",
            target="i",
            probes=(
                Probe(
                    {"eta": 0.1, "n": 2, "N": 6, "order": [2.0, -1.0, 0.5, 3.0, -2.0, 1.5]}, gradients=(0.0,)
                ),
                Probe(
                    {"eta": 0.25, "n": 3, "N": 6, "order": [1.0, 2.0, -4.0, 0.25, 5.0, 1.0]}, gradients=(0.0,)
                ),
            ),
            wrong=(
                Wrong(
                    "t * n % N",
                    "t begins at 1, so the first mini-batch is left out: in the first pass it comes last.",
                ),
                Wrong("(t - 1) * n", "After the first pass the list is at its end, and the slice is empty."),
                Wrong("(t - 1) % N", "The next mini-batch begins n places further on, not one."),
                Wrong(
                    "t - 1",
                    "The next mini-batch begins n places further on, not one, and the list has an end.",
                ),
                Wrong("0", "That takes the same examples at every step."),
                Wrong(
                    "(t - 1) % n", "It has to begin again after N examples, not after n, and to go on by n."
                ),
                Wrong(
                    "(t - 1) * n % (N - n)",
                    "The last mini-batch of a pass is never taken: the list has N examples.",
                ),
            ),
            why="One pass takes each example once: on these chapters' least squares that left less noise.",
        ),
    ),
)
