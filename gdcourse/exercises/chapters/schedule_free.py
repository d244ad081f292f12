"""Schedule-Free: the point between, the average, the whole rule, its limit."""

from gdcourse.exercises.behaviour import MissingLine, Probe, WholeRule
from gdcourse.exercises.exercise import Chapter, Wrong
from gdcourse.exercises.small import Choice, Number

PROBES = (
    Probe({"eta": 0.1, "beta": 0.9}, bowl=2.0, gradients=(0.0,)),
    Probe({"eta": 0.25, "beta": 0.7}, bowl=1.0, start=-2.0),
)
TAIL = "z = z - eta * gradient(y)\ntheta = theta + (z - theta) / t"


def whole(
    y: str = "z + beta * (theta - z)",
    z: str = "z - eta * gradient({y})",
    theta: str = "theta + (z - theta) / t",
) -> str:
    """A step of these lines."""
    return f"z = {z.format(y=y)}\ntheta = {theta}"


CHAPTER = Chapter(
    "schedule_free",
    (
        MissingLine(
            name="schedule_free.between",
            title="where the gradient is taken",
            prompt=(
                "Schedule-Free takes its gradient between the fast weights z and their average θ, a share "
                "β of the way from z to θ. Write the line that sets y."
            ),
            hints=("With β = 0 it is z, with β = 1 it is θ.", "Start at z and go a share of the way to θ."),
            begin="z = theta",
            right="y = z + beta * (theta - z)",
            after=TAIL,
            target="y",
            probes=PROBES,
            wrong=(
                Wrong(
                    "theta + beta * (z - theta)", "The other way round: a large β is near to the average θ."
                ),
                Wrong("z", "That is β = 0: the average then does not act on the run."),
                Wrong("theta", "That is β = 1, primal averaging."),
                Wrong("z + beta * theta", "The way from z leads to θ: θ − z."),
                Wrong("beta * (theta - z)", "That is how far. It starts from z."),
                Wrong("(z + theta) / 2", "The share is β, not a half."),
                Wrong("z - beta * (theta - z)", "That leads away from the average."),
                Wrong("beta * z + theta", "The shares add up to 1."),
            ),
            why="The one number β decides how far back the average looks.",
        ),
        MissingLine(
            name="schedule_free.average",
            title="the average",
            prompt="θ is the plain mean of z_1 … z_t. Write the line that keeps it up to date.",
            hints=(
                "θ moves a share of the way to the new z. Which share at t = 1?",
                "The old mean stands for t − 1 of them, the new one for t.",
            ),
            begin="z = theta",
            before="y = z + beta * (theta - z)\nz = z - eta * gradient(y)",
            right="theta = theta + (z - theta) / t",
            target="theta",
            probes=PROBES,
            wrong=(
                Wrong("theta + (z - theta) / (t + 1)", "At t = 1 the mean is z_1 alone: θ_0 does not count."),
                Wrong("(theta + z) / 2", "The newest counts for a half then. In a mean all count alike."),
                Wrong("theta + beta * (z - theta)", "That average fades. β is for y."),
                Wrong("z", "That is the newest. The mean holds all."),
                Wrong("theta + z / t", "The old mean has to make room: what is added is a share of the way."),
                Wrong("theta + (y - theta) / t", "The mean is of z, where the steps are taken, not of y."),
                Wrong("theta + (z - theta) * t", "The share falls with t: divide."),
                Wrong("theta - (z - theta) / t", "Towards z, not away from it."),
            ),
            why="No end needs to be known: at every step θ is the result so far.",
        ),
        WholeRule(
            name="schedule_free.whole",
            title="the whole rule",
            prompt=(
                "Write Schedule-Free around gradient descent: look gives y, step moves z by the gradient "
                "at y, and gives back θ, the mean of all z. z starts at θ_0."
            ),
            hints=(
                "init gets theta: z starts there.",
                "at(t) hands t to step; the mean moves one part in t of the way to the new z.",
            ),
            fields={"lr": "eta", "beta": "beta"},
            begin="z = theta",
            right=whole(),
            given="""class Mine(gd.Rule):
    def __init__(self, lr, beta):
        self.lr, self.beta = lr, beta

    def init(self, theta, zeros):
        return {"z": ...}

    def at(self, t):
        return {"t": t}

    def look(self, theta, state):
        return ...

    def step(self, theta, grad, state, at):
        z = ...
        return ..., {"z": z}""",
            probes=PROBES,
            wrong=(
                Wrong(
                    whole(y="theta + beta * (z - theta)"),
                    "look is the wrong way round: a large β is near to the average θ.",
                ),
                Wrong(whole(y="z"), "The gradient is taken at z. It belongs between z and θ."),
                Wrong(whole(y="theta"), "The gradient is taken at θ: look is missing, or forgets z."),
                Wrong(whole(theta="z"), "That gives back z. The result is the mean of all z."),
                Wrong(
                    whole(theta="theta + (z - theta) / (t + 1)"),
                    "At t = 1 the mean is z_1 alone: θ_0 does not count.",
                ),
                Wrong(
                    whole(theta="theta + (1 - beta) * (z - theta)"),
                    "That average fades. In a plain mean all z count alike.",
                ),
                Wrong(whole(z="z + eta * gradient({y})"), "The step goes against the gradient."),
                Wrong(whole(z="theta - eta * gradient({y})"), "z goes on from z, not from the average."),
                Wrong(
                    whole(z="{y} - eta * gradient({y})"),
                    "z goes on from z, not from y, where only the gradient is taken.",
                ),
            ),
            why="One state, no schedule, no end to be known.",
        ),
        Number(
            name="schedule_free.limit",
            title="how large a rate it bears",
            prompt="On a curvature of 4, up to which η is Schedule-Free, β = 0.9, stable in the long run?",
            hints=(
                (
                    "y goes by gradient descent with the rate (1 − β)η, and the push of the average fades "
                    "with 1/t."
                ),
                "Gradient descent is stable up to 2 over the curvature. Put its rate in.",
            ),
            right=5.0,
            within=0.02,
            wrong=(
                Wrong(0.5, "That is gradient descent's. y goes by a tenth of η."),
                Wrong(20.0, "Divide by the curvature."),
                Wrong(2 / 0.9 / 4, "It is 1 − β that multiplies η in the motion of y."),
                Wrong(0.05, "Upside down: a smaller effective rate allows a larger η."),
                Wrong(2.5, "The limit is 2 over the curvature, not 1."),
            ),
            why=(
                "2/((1 − β)h), ten times gradient descent's limit. Whether such a rate is good is another "
                "question: with noise, on the page, it was not."
            ),
        ),
        Choice(
            name="schedule_free.evaluate",
            title="what to evaluate",
            prompt="Which of the three points is the result, on which the validation loss belongs?",
            options=(
                "z, the fast weights",
                "y, where the gradient is taken",
                "θ, the average",
                "Any: they meet in the end",
            ),
            right="c",
            hints=("Which of the three has the least noise?",),
            wrong=(
                Wrong("d", "At a constant rate z keeps its noise, and so it never meets its own average."),
                Wrong("a", "z has all the noise of a constant rate."),
                Wrong(
                    "b",
                    (
                        "In a training loop the weights are y while it trains. For evaluating they must be "
                        "changed to θ."
                    ),
                ),
            ),
            why="So call eval() before you validate, and train() before you go on.",
        ),
    ),
)
