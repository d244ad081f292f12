"""Nesterov: the look-ahead point, the whole rule, and the limit."""

from gdcourse.exercises.behaviour import MissingLine, Probe, WholeRule
from gdcourse.exercises.exercise import Chapter, Wrong
from gdcourse.exercises.small import Number

NONE = (0.0,)
PROBES = (
    Probe({"eta": 0.05, "gamma": 0.9}, bowl=2.0, gradients=NONE),
    Probe({"eta": 0.1, "gamma": 0.6}, bowl=1.0, start=-2.0),
    Probe({"eta": 0.1, "gamma": 0.8}, bowl=1.0, later={"eta": 0.05}),
)

CHAPTER = Chapter(
    "nesterov",
    (
        MissingLine(
            name="nesterov.look_ahead",
            title="where the gradient is taken",
            prompt=(
                "Nesterov takes its gradient where the momentum leads. Write the line that sets this "
                "point, look."
            ),
            hints=(
                "Before the gradient is known, which part of the coming step is known already?",
                "θ_t = θ_(t−1) − γv_(t−1) − η∇J. Leave out what is not known yet.",
            ),
            begin="v = 0",
            right="look = theta - gamma * v",
            after="v = gamma * v + eta * gradient(look)\ntheta = theta - v",
            target="look",
            probes=PROBES,
            wrong=(
                Wrong("theta + gamma * v", "The step subtracts v, so the look-ahead does, too."),
                Wrong("theta - v", "Of v only γv is left in the coming step."),
                Wrong("theta", "That is plain momentum: the gradient at θ itself."),
                Wrong(
                    "theta - gamma * v - eta * gradient(theta)",
                    "The gradient of this step is what is looked for: only γv is known beforehand.",
                ),
                Wrong("-gamma * v", "That is how far ahead. The point is θ and that."),
                Wrong(
                    "theta - eta * v",
                    "η is inside v already. What is left of v in the coming step is a share γ.",
                ),
                Wrong("gamma * (theta - v)", "γ shrinks v, not θ."),
                Wrong("theta - gamma * eta * v", "η is inside v already."),
                Wrong("theta - (1 - gamma) * v", "1 − γ is what is lost of v. A share γ of it is left."),
            ),
            why="The memory's part of the step is certain, so the gradient is asked for behind it.",
        ),
        WholeRule(
            name="nesterov.whole",
            title="the whole rule",
            prompt=(
                "Write Nesterov's rule as a class. Its method look(theta, state) says where the gradient "
                "is taken; step gets the gradient of that point, and θ_(t−1)."
            ),
            hints=(
                "step is momentum's. All that differs is the point at which the gradient is taken.",
                "look gives θ less what the memory alone will do.",
            ),
            fields={"lr": "eta", "gamma": "gamma"},
            begin="v = 0\nb = 0",
            right="v = gamma * v + eta * gradient(theta - gamma * v)\ntheta = theta - v",
            given="""class Mine(gd.Rule):
    def __init__(self, lr, gamma=0.9):
        self.lr, self.gamma = lr, gamma

    def init(self, theta, zeros):
        return {"v": zeros}

    def look(self, theta, state):
        return ...

    def step(self, theta, grad, state, at):
        v = ...
        return ..., {"v": v}""",
            probes=PROBES,
            wrong=(
                Wrong(
                    "v = gamma * v + eta * gradient(theta)\ntheta = theta - v",
                    "That is plain momentum: the gradient is taken at θ itself.",
                ),
                Wrong(
                    "v = gamma * v + eta * gradient(theta + gamma * v)\ntheta = theta - v",
                    "The step subtracts v, so look does, too.",
                ),
                Wrong(
                    "v = gamma * v + eta * gradient(theta - v)\ntheta = theta - v",
                    "Only a share γ of v is left in the coming step: look goes too far.",
                ),
                Wrong(
                    "look = theta - gamma * v\nv = gamma * v + eta * gradient(look)\ntheta = look - v",
                    "θ_t starts from θ_(t−1): γv is in v_t already, and is taken twice here.",
                ),
                Wrong(
                    "v = gamma * v + (1 - gamma) * eta * gradient(theta - gamma * v)\ntheta = theta - v",
                    (
                        "That is an average; v keeps a sum, so that a steady slope makes steps 1/(1 − γ) "
                        "times as long."
                    ),
                ),
                Wrong(
                    "v = gamma * v + eta * gradient(theta - gamma * v)\ntheta = theta - eta * v",
                    "η is inside v already; you applied it twice.",
                ),
                Wrong(
                    "v = gamma * v + eta * gradient(theta - gamma * v)\ntheta = theta + v",
                    "v is minus the velocity: subtract it.",
                ),
                Wrong(
                    ("b = gamma * b + gradient(theta - gamma * eta * b)\ntheta = theta - eta * b"),
                    (
                        "Right while η is constant. But your memory holds gradients and takes a new η at "
                        "once; the slide's holds steps."
                    ),
                ),
                Wrong(
                    "g = gradient(theta)\nv = gamma * v + eta * g\ntheta = theta - gamma * v - eta * g",
                    "This θ is the look-ahead point, as torch keeps it. The slide's θ lies γv behind it.",
                ),
            ),
            why=(
                "In a training loop the network's weights are the look-ahead point: the gradient is taken "
                "there."
            ),
        ),
        Number(
            name="nesterov.limit",
            title="the largest step size that converges",
            prompt="A ravine has curvatures 1 and 20. Below which η does Nesterov converge at γ = 0.9?",
            hints=(
                "One axis decides. Along it θ_(t+1) = (1 − ηλ)((1 + γ)θ_t − γθ_(t−1)).",
                "At the limit one root is −1. Put z = −1 into z² = (1 − ηλ)((1 + γ)z − γ).",
            ),
            right=2 * 1.9 / 2.8 / 20,
            wrong=(
                Wrong(0.1, "That is gradient descent's limit, 2/L. Nesterov's is smaller."),
                Wrong(0.19, "That is momentum's limit, 2(1 + γ)/L. The look-ahead divides it by 1 + 2γ."),
                Wrong(2 * 1.9 / 2.8, "That is ηλ. Divide by the curvature 20."),
                Wrong(0.05, "That is 1/L: there Nesterov jumps into the valley's floor at once."),
                Wrong(2 / 2.8 / 20, "2/(1 + 2γ)/L leaves out the 1 + γ that momentum's limit has, too."),
            ),
            why="Of gradient descent, momentum and Nesterov it has the smallest limit here.",
        ),
        Number(
            name="nesterov.none",
            title="no memory at all",
            prompt=(
                "On a bowl of curvature 4, at which η is Nesterov the same as gradient descent, whatever γ "
                "is?"
            ),
            hints=(
                "θ_(t+1) = (1 − ηλ)((1 + γ)θ_t − γθ_(t−1)). When does γ leave no trace?",
                "For which η is the factor in front 0?",
            ),
            right=0.25,
            wrong=(
                Wrong(0.5, "2/λ is where gradient descent begins to diverge. The factor 1 − ηλ is −1 there."),
                Wrong(4.0, "Upside down: ηλ must be 1."),
                Wrong(0.0, "There neither moves. There is a rate at which both arrive."),
                Wrong(1.0, "That is ηλ. Divide by the curvature."),
            ),
            why=(
                "Both jump into the minimum in one step. Nesterov's memory would carry it on; the slope at "
                "the look-ahead point takes exactly that back."
            ),
        ),
    ),
)
