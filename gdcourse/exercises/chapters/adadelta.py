"""Adadelta: the rule, its first step, and units."""

from gdcourse.exercises.behaviour import MissingLine, Probe, WholeRule
from gdcourse.exercises.exercise import Chapter, Wrong
from gdcourse.exercises.small import Choice, Number

PROBES = (
    Probe({"gamma": 0.9, "eps": 0.01}),
    Probe({"gamma": 0.6, "eps": 0.1}, bowl=1.0, start=-2.0),
)


def lines(
    g2: str = "gamma * g2 + (1 - gamma) * g**2",
    delta: str = "-(d2 + eps)**0.5 / (g2 + eps)**0.5 * g",
    d2: str = "gamma * d2 + (1 - gamma) * delta**2",
    theta: str = "theta + delta",
) -> str:
    """A step of these four lines."""
    return f"g = gradient(theta)\nold = g2\ng2 = {g2}\ndelta = {delta}\nd2 = {d2}\ntheta = {theta}"


CHAPTER = Chapter(
    "adadelta",
    (
        WholeRule(
            name="adadelta.whole",
            title="the whole rule",
            prompt=(
                "Write Adadelta: two averages that fade, of squared gradients and of squared steps, and no "
                "learning rate."
            ),
            hints=(
                "The order matters: the gradients' average first, then the step, then the steps' average.",
                (
                    "The step is a root over a root: above the steps before this one, below the gradients "
                    "with this one. ε is inside both."
                ),
            ),
            fields={"gamma": "gamma", "eps": "eps"},
            begin="g2 = 0\nd2 = 0",
            right=lines(),
            given="""class Mine(gd.Rule):
    def __init__(self, gamma, eps):
        self.gamma, self.eps = gamma, eps

    def init(self, theta, zeros):
        return {"mean_g2": zeros, "mean_delta2": zeros}

    def step(self, theta, grad, state, at):
        mean_g2 = ...
        delta = ...
        mean_delta2 = ...
        return ..., {"mean_g2": mean_g2, "mean_delta2": mean_delta2}""",
            probes=PROBES,
            wrong=(
                Wrong(
                    lines(delta="-d2**0.5 / (g2 + eps)**0.5 * g"),
                    "Without ε in the numerator no step is ever taken: there is none to begin with.",
                ),
                Wrong(
                    lines(delta="-(d2**0.5 + eps) / (g2**0.5 + eps) * g"),
                    "ε stands inside the roots, not beside them.",
                ),
                Wrong(
                    lines(delta="-(g2 + eps)**0.5 / (d2 + eps)**0.5 * g"),
                    "The fraction is upside down: a steep coordinate gets a smaller factor.",
                ),
                Wrong(
                    lines(theta="theta - delta"),
                    "Δθ has its minus already: θ_t is θ_(t−1) and Δθ_t.",
                ),
                Wrong(
                    lines(d2="gamma * d2 + (1 - gamma) * theta**2"),
                    "The second average is of the squared steps Δθ², not of θ².",
                ),
                Wrong(
                    lines(theta="theta - (d2 + eps)**0.5 / (g2 + eps)**0.5 * g"),
                    "Above stands the average up to t − 1: Δθ_t is not known yet when its root is needed.",
                ),
                Wrong(
                    lines(d2="gamma * d2 + (1 - gamma) * g**2"),
                    "g² went into both averages: the second is of the steps.",
                ),
                Wrong(
                    lines(delta="-(d2 + eps)**0.5 / (old + eps)**0.5 * g"),
                    "Below stands the average with this step's gradient, E[g²]_t.",
                ),
                Wrong(
                    lines(g2="gamma * g2 + g**2", d2="gamma * d2 + delta**2"),
                    "There is no average without 1 − γ.",
                ),
                Wrong(
                    lines(delta="-(d2 + eps) / (g2 + eps) * g"),
                    "Both need a root: the units are those of squares.",
                ),
                Wrong(
                    lines(delta="-eps**0.5 / (g2 + eps)**0.5 * g"),
                    "That is RMSProp with a fixed rate: the steps' average is missing above.",
                ),
                Wrong(
                    lines(g2="(1 - gamma) * g2 + gamma * g**2", d2="(1 - gamma) * d2 + gamma * delta**2"),
                    "γ and 1 − γ are swapped: γ is how much of the old average stays.",
                ),
            ),
            why="A root of θ² over a root of g², times g: what is left has the unit of θ.",
        ),
        Number(
            name="adadelta.first_step",
            title="the first step",
            prompt="How long is Adadelta's first step for ε = 1e-4, γ = 0.9 and a gradient of 7?",
            hints=(
                "Both averages start at 0. What stands above the fraction, and what below?",
                "Below, ε is next to nothing beside (1 − γ)g²: the gradient's size cancels.",
            ),
            right=0.0316,
            wrong=(
                Wrong(0.01, "E[g²]_1 is (1 − γ)g², not g²."),
                Wrong(0.1, "That leaves one of the roots out: above stands √ε, below √(1 − γ)."),
                Wrong(
                    0.001,
                    "That leaves both roots out: above stands √ε, below √(1 − γ).",
                ),
                Wrong(0.01 / 0.9**0.5, "The new square comes in with 1 − γ, not with γ."),
                Wrong(0.2214, "The gradient's size cancels: it stands above and below."),
                Wrong(0.0447, "That is γ = 0.95, the library's default."),
            ),
            why=(
                "√(ε/(1 − γ)), for every gradient well above that length: ε and γ set it, the gradient "
                "does not."
            ),
        ),
        MissingLine(
            name="adadelta.step",
            title="the step alone",
            prompt=(
                "g2 is the average of squared gradients up to this step, d2 that of squared steps up to "
                "the last. Write the line that sets delta, the step Δθ_t."
            ),
            hints=(
                "Read the units: delta must be in those of θ, and g is in those of g.",
                "Two roots, ε inside each. And a sign.",
            ),
            begin="g2 = 0\nd2 = 0",
            before="g = gradient(theta)\ng2 = gamma * g2 + (1 - gamma) * g**2",
            right="delta = -(d2 + eps)**0.5 / (g2 + eps)**0.5 * g",
            after="d2 = gamma * d2 + (1 - gamma) * delta**2\ntheta = theta + delta",
            target="delta",
            probes=PROBES,
            wrong=(
                Wrong(
                    "(d2 + eps)**0.5 / (g2 + eps)**0.5 * g",
                    "The sign is missing: a step goes against the gradient.",
                ),
                Wrong(
                    "-(g2 + eps)**0.5 / (d2 + eps)**0.5 * g", "Upside down: the unit of g would stay, twice."
                ),
                Wrong("-(d2 + eps) / (g2 + eps) * g", "The averages are of squares: take their roots."),
                Wrong(
                    "-d2**0.5 / (g2 + eps)**0.5 * g",
                    ("Without ε above no step is ever taken: d2 starts at 0."),
                ),
                Wrong(
                    "-(d2**0.5 + eps) / (g2**0.5 + eps) * g", "ε stands inside the roots, not beside them."
                ),
                Wrong(
                    "-(d2 / (g2 + eps))**0.5 * g - eps * g",
                    "ε belongs under the root of d2, in the units of θ².",
                ),
                Wrong(
                    "-eps**0.5 / (g2 + eps)**0.5 * g",
                    "That is RMSProp with a fixed rate: d2 is missing above.",
                ),
                Wrong(
                    "-(d2 + eps)**0.5 / (g2 + eps)**0.5",
                    "g itself is missing: without it every step leads the same way.",
                ),
                Wrong(
                    "-(d2 + eps)**0.5 / (g**2 + eps)**0.5 * g",
                    "Below stands the average, not this step's square alone.",
                ),
            ),
            why="Where ε is small beside both averages, no unit is left over.",
        ),
        Choice(
            name="adadelta.unit",
            title="who minds the unit?",
            prompt=(
                "θ is measured in a unit ten times smaller, so its numbers are ten times as large. What "
                "does gradient descent's step, in the new numbers, do at the same η?"
            ),
            options=("It grows by 10", "It stays", "It shrinks by 10", "It grows by 100"),
            right="c",
            hints=(
                "What happens to the slope, the loss per unit of θ?",
                "The step should grow by 10. The gradient decides what it does.",
            ),
            wrong=(
                Wrong(
                    "a",
                    (
                        "So it should. But the step is η times the slope, and per smaller unit the loss "
                        "changes less."
                    ),
                ),
                Wrong("b", "Adagrad's and RMSProp's stay: there the slope cancels. Here it does not."),
                Wrong("d", "By a factor of 100 it is too short, not too long."),
            ),
            why="The slope falls by 10 where the step should grow by 10: it is a hundred times too short.",
        ),
    ),
)
