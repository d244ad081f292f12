"""The network: its numbers, its answer, its loss, and how to count what it reads."""

from gdcourse.exercises.behaviour import Formula
from gdcourse.exercises.exercise import Chapter, Wrong
from gdcourse.exercises.small import Choice, Number

SCORES = tuple(
    {"s1": a, "s2": b} for a, b in ((2.0, 1.0), (-1.0, 3.0), (0.5, 0.5), (-2.0, -4.0), (30.0, 0.0))
)

CHAPTER = Chapter(
    "network",
    (
        Number(
            name="network.count",
            title="count the numbers",
            prompt="How many parameters has a network 784–64–32–10, weights and biases together?",
            hints=(
                (
                    "Between a layer of n units and one of m stands a matrix. What else is added to each "
                    "of the m?"
                ),
                "Three matrices and three rows of biases. The pixels themselves have no bias.",
            ),
            right=52_650.0,
            within=1e-6,
            wrong=(
                Wrong(52_544.0, "Those are the weights. Each unit above the pixels also has a bias."),
                Wrong(
                    890.0,
                    "Those are the units. Each pair of units in layers that follow each other has a weight.",
                ),
                Wrong(53_434.0, "The pixels have no bias: they are given."),
                Wrong(106.0, "Those are the biases alone."),
                Wrong(784.0 * 64 * 32 * 10, "The matrices stand one after the other: their sizes add up."),
                Wrong(52_640.0, "The ten scores have biases, too."),
            ),
            why="Nearly all are in the first layer, where the pixels come in.",
        ),
        Formula(
            name="network.softmax",
            title="from scores to a belief",
            prompt=(
                "A network has two scores, s₁ and s₂. Write p₁, its belief in the first answer, as a "
                "function of both."
            ),
            hints=(
                "The two beliefs are positive and add up to 1, whatever the scores are.",
                "Make the scores positive by exp first, then take the share.",
            ),
            names=("s1", "s2"),
            target="p",
            shows="p₁",
            right="exp(s1) / (exp(s1) + exp(s2))",
            probes=(SCORES,),
            wrong=(
                Wrong("s1 / (s1 + s2)", "Scores may be negative, and their sum 0: exp comes first."),
                Wrong(
                    "exp(s1) / exp(s2)", "That is how many times as likely. The share is of the sum of both."
                ),
                Wrong("exp(s2) / (exp(s1) + exp(s2))", "That is p₂: a larger s₁ must make p₁ larger."),
                Wrong("exp(s1)", "That is positive but no share: the beliefs must add up to 1."),
                Wrong("exp(s1) / exp(s1 + s2)", "The exponentials are added, not the scores."),
                Wrong(
                    "1.0 if s1 > s2 else 0.0",
                    "That says which is larger, not by how much: nothing could be learnt from it.",
                ),
                Wrong(
                    "max(0, s1) / (max(0, s1) + max(0, s2))",
                    "max(0, ·) is for the layer between. It would throw negative scores away.",
                ),
                Wrong("s1 - log(exp(s1) + exp(s2))", "That is the belief's logarithm, which the loss needs."),
            ),
            why="Only differences of scores count: both may grow by the same amount.",
        ),
        Number(
            name="network.first_loss",
            title="the loss of one who knows nothing",
            prompt=(
                "A network believes in all ten digits alike. What is its loss, −log of its belief in the "
                "right one?"
            ),
            hints=("How much does it believe in each of the ten?", "log is the natural logarithm here."),
            right=2.302585,
            wrong=(
                Wrong(0.1, "That is the belief. The loss is minus its logarithm."),
                Wrong(
                    0.9,
                    (
                        "That is how much it believes in the wrong ones. The loss is −log of the right "
                        "one's share."
                    ),
                ),
                Wrong(1.0, "That is the logarithm to the base 10. Here it is the natural one."),
                Wrong(-2.302585, "The sign: the logarithm of a share is below 0, the loss above."),
                Wrong(3.321928, "That is the logarithm to the base 2. Here it is the natural one."),
                Wrong(10.0, "The loss is a logarithm of that."),
            ),
            why="A loss that starts far above this starts from scores that are too large.",
        ),
        Number(
            name="network.recall",
            title="recall",
            prompt=(
                "Among the digits are 60 nines. The network reads 50 digits as nines, and 45 of these are "
                "nines. What is its recall of the nines?"
            ),
            hints=("Recall asks: of the nines, how many are read as nines?",),
            right=0.75,
            wrong=(
                Wrong(0.9, "That is precision: of what is read as a nine, how much is one?"),
                Wrong(50 / 60, "Five of the 50 are no nines: they do not count as found."),
                Wrong(0.25, "That is the share of nines that were missed."),
                Wrong(45.0, "That is how many. Recall is a share, of all nines."),
                Wrong(
                    45 / 65,
                    "That divides by all that are nines or are read as such. Recall asks the nines alone.",
                ),
            ),
            why="Who says nine to everything has a recall of 1: it takes precision beside it.",
        ),
        Choice(
            name="network.blank",
            title="pixels that never speak",
            prompt=(
                "A pixel is blank, 0, in every training picture. What happens to its weights in plain "
                "gradient descent?"
            ),
            options=(
                "They stay as they were",
                "They shrink to 0",
                "They grow, since nothing holds them",
                "They wander at random",
            ),
            right="a",
            hints=("What is the slope of z = xW + b in a weight whose x is 0?",),
            wrong=(
                Wrong(
                    "b", "Nothing pulls them there: without weight decay a weight of slope 0 does not move."
                ),
                Wrong("c", "To grow they would need a slope."),
                Wrong("d", "The noise of mini-batches reaches them through x as well, which is 0."),
            ),
            why="Their slope is x times something, and so 0. They matter once such a pixel is inked.",
        ),
    ),
)
