"""Lookahead: the synchronisation, its speed, its edge."""

from gdcourse.exercises.behaviour import MissingLine, Probe
from gdcourse.exercises.exercise import Chapter, Wrong
from gdcourse.exercises.small import Choice, Number

PROBES = (
    Probe({"eta": 0.1, "k": 5, "alpha": 0.3}, steps=12),
    Probe({"eta": 0.25, "k": 3, "alpha": 0.8}, bowl=1.0, start=-2.0, steps=12),
)

CHAPTER = Chapter(
    "lookahead",
    (
        MissingLine(
            name="lookahead.sync",
            title="the synchronisation",
            prompt=(
                "slow holds the slow weights φ, theta the fast ones, which have just taken step t of the "
                "inner rule. Write the lines that synchronise: whenever k divides t, the slow weights go a "
                "share alpha of the way to the fast ones, and the fast ones restart there."
            ),
            hints=(
                "An `if` on t comes first. What is left of t after division by k is `t % k`.",
                "Two things change: slow moves towards theta, and then theta becomes the new slow.",
            ),
            begin="slow = theta",
            before="theta = theta - eta * gradient(theta)",
            right="if t % k == 0:\n    slow = slow + alpha * (theta - slow)\n    theta = slow",
            probes=PROBES,
            wrong=(
                Wrong(
                    "if t % k == 0:\n    theta = slow + alpha * (theta - slow)",
                    "slow is not updated: the next cycle must start from the new φ.",
                ),
                Wrong(
                    "if t % k == 0:\n    slow = slow + alpha * (theta - slow)",
                    "The fast weights are not reset: they restart from φ.",
                ),
                Wrong(
                    "if (t - 1) % k == 0:\n    slow = slow + alpha * (theta - slow)\n    theta = slow",
                    (
                        "t counts from 1, and the first synchronisation comes after k steps: yours comes "
                        "after one."
                    ),
                ),
                Wrong(
                    "if t % (k + 1) == 0:\n    slow = slow + alpha * (theta - slow)\n    theta = slow",
                    "A cycle has k steps, not k + 1.",
                ),
                Wrong(
                    "if t % k == 0:\n    slow = theta + alpha * (slow - theta)\n    theta = slow",
                    (
                        "α is the wrong way round: it is the share of the way that the slow weights go. At "
                        "½ nobody would notice."
                    ),
                ),
                Wrong(
                    "slow = slow + alpha * (theta - slow)\ntheta = slow",
                    "That synchronises after every step: only when k divides t.",
                ),
                Wrong(
                    "if t % k == 0:\n    theta = slow",
                    "That throws the k steps away: slow has to move first.",
                ),
                Wrong(
                    "if t % k == 0:\n    slow = alpha * (theta - slow)\n    theta = slow",
                    "That is how far φ moves. It moves from where it was.",
                ),
                Wrong(
                    "if t % k == 0:\n    slow = slow - alpha * (theta - slow)\n    theta = slow",
                    "The slow weights go towards the fast ones, not away from them.",
                ),
            ),
            why="k steps ahead, one step back: the pull takes noise out, and some speed.",
        ),
        Number(
            name="lookahead.speed",
            title="how slow",
            prompt=(
                "On ½θ² with gradient descent at η = 0.1 inside, k = 5 and α = 0.5: by which factor does "
                "one cycle multiply θ?"
            ),
            hints=(
                "Five inner steps multiply by which factor?",
                "The slow weights go half of the way from 1 to that.",
            ),
            right=0.5 + 0.5 * 0.9**5,
            wrong=(
                Wrong(0.9**5, "That is where the fast weights get to. The slow ones go half of the way."),
                Wrong(
                    0.5 * 0.9**5,
                    "Half of the way from 1, not half of the place: what stays behind counts, too.",
                ),
                Wrong(1 - 0.5 * 0.9**5, "α is the share of the way, and the way is 1 − 0.9⁵ long."),
                Wrong(0.95**5, "Averaging after five steps is not five half steps, if nearly."),
                Wrong(0.9, "That is one inner step."),
                Wrong(0.5, "Half of the way goes to where five steps lead, not to the minimum."),
            ),
            why="As fast as gradient descent at less than half the rate.",
        ),
        Number(
            name="lookahead.edge",
            title="beyond the edge",
            prompt=(
                "Gradient descent converges below ηλ = 2. Below which ηλ does Lookahead around it, with "
                "k = 5 and α = 0.5?"
            ),
            hints=(
                "A cycle multiplies by 1 − α + α(1 − ηλ)ᵏ, which has to stay above −1.",
                "Which value may (1 − ηλ)⁵ take at the lowest? Then take the fifth root.",
            ),
            right=1 + 3**0.2,
            wrong=(
                Wrong(
                    2.0,
                    "For odd k the fast weights end on the other side, and the pull back widens the range.",
                ),
                Wrong(4.0, "That is k = 1: there the pull halves every step. With k = 5 a root is taken."),
                Wrong(3**0.2, "That is |1 − ηλ|. Add the 1."),
                Wrong(1 + 2**0.2, "½ + ½x = −1 has x = −3."),
                Wrong(1.6, "3/5 is not the fifth root of 3."),
            ),
            why=(
                "Only for odd k: an even power is positive, so there is no other side, and the edge stays "
                "at 2."
            ),
        ),
        Choice(
            name="lookahead.even",
            title="an even k",
            prompt=(
                "And with k = 4, α = 0.5: below which ηλ does Lookahead around gradient descent converge?"
            ),
            options=("2", "1 + 3^(1/4)", "4", "1"),
            right="a",
            hints=("Which sign has (1 − ηλ)⁴, and when does the factor of a cycle exceed 1?",),
            wrong=(
                Wrong("b", "That is the formula for odd k: an even power never becomes −3."),
                Wrong("c", "That is k = 1, where every step is pulled back."),
                Wrong("d", "At ηλ = 1 the fast weights are at the minimum: the factor is 1 − α."),
            ),
            why=(
                "The fast weights end further out on the same side, and half of the way is still further out."
            ),
        ),
    ),
)
