"""Pictures of high-dimensional landscapes: planes, angles, lines, scales."""

from gdcourse.exercises.behaviour import Formula
from gdcourse.exercises.exercise import Chapter, Wrong
from gdcourse.exercises.small import Choice, Number

PLACES = tuple(
    {"a": a, "b": b, "share": s} for a, b in ((2.0, -1.0), (0.5, 3.0)) for s in (0.0, 0.25, 1.0, 1.5)
)

CHAPTER = Chapter(
    "why_it_matters",
    (
        Number(
            name="why_it_matters.random_plane",
            title="what a random plane holds",
            prompt=(
                "In 25,450 dimensions a plane is chosen at random, without looking at a path. Which share "
                "of the path's squared distances does it hold in the mean?"
            ),
            hints=(
                "All directions are alike. How many of them at right angles share the whole?",
                "A plane has two of them.",
            ),
            right=2 / 25_450,
            wrong=(
                Wrong(1 / 25_450, "That is a line. A plane has two directions."),
                Wrong(
                    (2 / 25_450) ** 0.5, "That would be the share of lengths. The question is about squares."
                ),
                Wrong(0.5, "Two directions of 25,450 are not one half."),
                Wrong(25_450 / 2, "Upside down: a share is below 1."),
                Wrong(2 / 25_450**2, "Each direction holds one in 25,450, not one in its square."),
            ),
            why="Next to nothing: a picture on such a plane says little about the path.",
        ),
        Number(
            name="why_it_matters.angle",
            title="two directions at random",
            prompt=(
                "Two directions are chosen at random in d = 10,000 dimensions. How large is the cosine "
                "between them, in root mean square?"
            ),
            hints=(
                (
                    "Turn the one into the first axis. The cosine is then the other's first coordinate, of "
                    "length 1."
                ),
                "The squares of its d coordinates add up to 1, and all are alike in the mean.",
            ),
            right=0.01,
            wrong=(
                Wrong(0.0001, "That is the mean of its square. Take the root."),
                Wrong(0.5, "That is so in four dimensions. With d it falls."),
                Wrong(0.0, "Its mean is 0, for signs of both kinds. Its root mean square is not."),
                Wrong(100.0, "Upside down: a cosine is at most 1."),
                Wrong(
                    2**0.5 / 100,
                    "Each has d coordinates, but the one can be turned into an axis: no factor 2 is left.",
                ),
            ),
            why="Nearly at right angles: in many dimensions almost everything is.",
        ),
        Formula(
            name="why_it_matters.line",
            title="on the line between two solutions",
            prompt=(
                "a is one network's weight, b another's. Write the weight on the straight line between "
                "them that is a for share = 0 and b for share = 1."
            ),
            hints=("Start at a. Which way leads to b, and how much of it?", "The way is b − a."),
            names=("a", "b", "share"),
            target="weight",
            shows="the weight",
            right="a + share * (b - a)",
            probes=(PLACES,),
            wrong=(
                Wrong("share * a + (1 - share) * b", "The other way round: at 0 it must be a."),
                Wrong("a + share * b", "At share = 1 that is a + b. The way from a is b − a."),
                Wrong("share * (a + b)", "At share = 0 that is 0, not a."),
                Wrong("a - share * (b - a)", "That leads away from b."),
                Wrong("share * (b - a)", "That is how far one has gone. It starts from a."),
                Wrong("(a + b) / 2", "That is the middle, for every share."),
                Wrong(
                    "a**(1 - share) * b**share",
                    "That is a curve, a mean of logarithms: weights may be negative.",
                ),
                Wrong("a + share**2 * (b - a)", "The ends are right, but it does not go at an even pace."),
            ),
            why="One line leaves nothing out of what it shows: the loss on all of it can be drawn.",
        ),
        Choice(
            name="why_it_matters.rescaled",
            title="sharp by rescaling",
            prompt=(
                "In a network with max(0, z) the first layer's weights and biases are multiplied by 8, and "
                "the second layer's weights divided by 8. What happens?"
            ),
            options=(
                "The loss stays, and is as sharp as before for moves of one length",
                "The loss stays, but is much sharper for moves of one length",
                "The loss grows eightfold",
                "The loss changes, since max(0, z) is not linear",
            ),
            right="b",
            hints=("What is max(0, 8z)?", "Now move the second layer's small weights by as much as before."),
            wrong=(
                Wrong(
                    "a",
                    (
                        "The same move is now eight times as large for the second layer's weights, beside "
                        "their size."
                    ),
                ),
                Wrong("c", "max(0, 8z) is 8 max(0, z), and the second layer divides it away again."),
                Wrong("d", "It is not linear, but a positive factor goes through it."),
            ),
            why="So by one length for all weights the same function can be as sharp as one likes.",
        ),
    ),
)
