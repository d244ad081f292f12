"""Adagrad: the rule, how far it gets, and what it does not mind."""

from gdcourse.exercises.behaviour import MissingLine, Probe, WholeRule
from gdcourse.exercises.exercise import Chapter, Wrong
from gdcourse.exercises.small import Choice, Number

PROBES = (
    Probe({"eta": 0.5, "eps": 0.1}),
    Probe({"eta": 0.2, "eps": 0.3}, bowl=1.0, start=-2.0),
    Probe({"eta": 0.5, "eps": 0.1}, later={"eta": 0.25}),
)

CHAPTER = Chapter(
    "adagrad",
    (
        WholeRule(
            name="adagrad.whole",
            title="the whole rule, as the slide has it",
            prompt=(
                "Write Adagrad as on the slide: G sums what the gradients were, and ε stands inside the root."
            ),
            hints=(
                "G_t is the sum of all squared gradients so far, with this step's.",
                "The step is η over a root, times the gradient. What stands under the root besides G?",
            ),
            fields={"lr": "eta", "eps": "eps"},
            begin="G = 0",
            right="g = gradient(theta)\nG = G + g**2\ntheta = theta - eta / (G + eps)**0.5 * g",
            given="""class Mine(gd.Rule):
    def __init__(self, lr, eps):
        self.lr, self.eps = lr, eps

    def init(self, theta, zeros):
        return {"G": zeros}

    def step(self, theta, grad, state, at):
        G = ...
        return ..., {"G": G}""",
            probes=PROBES,
            wrong=(
                Wrong(
                    "g = gradient(theta)\nG = G + g**2\ntheta = theta - eta / (G / t + eps)**0.5 * g",
                    "A sum: nothing is forgotten, and nothing is divided by t.",
                ),
                Wrong(
                    "g = gradient(theta)\nold = G\nG = G + g**2\ntheta = theta - eta / (old + eps)**0.5 * g",
                    "Include the gradient of this step: G_t, not G_(t−1).",
                ),
                Wrong(
                    "g = gradient(theta)\nG = G + g**2\ntheta = theta - eta / (G + eps) * g",
                    (
                        "Without the root the slope does not cancel: a slope twice as steep would make "
                        "steps half as long."
                    ),
                ),
                Wrong(
                    "g = gradient(theta)\nG = G + abs(g)\ntheta = theta - eta / (G + eps)**0.5 * g",
                    "G sums the squares of the gradients, not their sizes.",
                ),
                Wrong(
                    "g = gradient(theta)\nG = g**2\ntheta = theta - eta / (G + eps)**0.5 * g",
                    "That is sign descent; where is the memory?",
                ),
                Wrong(
                    "g = gradient(theta)\nG = G + g**2\ntheta = theta - eta / (G**0.5 + eps) * g",
                    "That is torch's form; the slide has ε inside the root.",
                ),
                Wrong(
                    "g = gradient(theta)\nG = 0.9 * G + 0.1 * g**2\ntheta = theta - eta / (G + eps)**0.5 * g",
                    "An average that forgets is RMSProp's. Adagrad sums.",
                ),
                Wrong(
                    "g = gradient(theta)\nG = G + g**2\ntheta = theta + eta / (G + eps)**0.5 * g",
                    "The step goes against the gradient.",
                ),
                Wrong(
                    "g = gradient(theta)\nG = G + g\ntheta = theta - eta / (G**2 + eps)**0.5 * g",
                    "Each gradient is squared before it is added: otherwise opposite ones cancel.",
                ),
                Wrong(
                    "g = gradient(theta)\nG = G + g**2 + eps\ntheta = theta - eta / G**0.5 * g",
                    "ε is added under the root, not to what is kept: yours grows by ε at every step.",
                ),
            ),
            why="Each coordinate keeps a G of its own, so each gets a step size of its own.",
        ),
        Number(
            name="adagrad.distance",
            title="how far on a slope",
            prompt=(
                "On a constant slope of 10, how far does Adagrad get in 10,000 steps with η = 0.1 and a "
                "tiny ε?"
            ),
            hints=(
                "All gradients are 10: what is G_t, and what is left of the slope in the step?",
                "The sum of 1/√i for i from 1 to t is close to an integral.",
            ),
            right=19.85,
            within=0.01,
            wrong=(
                Wrong(10.0, "Σ 1/√i is about 2√t, not √t."),
                Wrong(1000.0, "The steps do not keep their first length: G grows, so they shrink."),
                Wrong(200.0, "The slope cancels: a gradient of 10 is divided by 10√t."),
                Wrong(0.1, "That is the first step. The others are shorter, and there are many."),
                Wrong(0.001, "That is the last step. All of them add up."),
            ),
            why="2η√t: the distance grows for ever, if slowly, and not with the slope.",
        ),
        Choice(
            name="adagrad.scale",
            title="a thousand times the loss",
            prompt=(
                "The loss is multiplied by 1000, and ε is tiny. What happens to Adagrad's path, at the "
                "same η?"
            ),
            options=(
                "Its steps become a thousand times as long",
                "Its steps become a thousand times as short",
                "Nothing to speak of",
                "Its steps grow by √1000",
            ),
            right="c",
            hints=("Put 1000g for every g into the step, and pull the factor out of the root.",),
            wrong=(
                Wrong(
                    "a",
                    (
                        "That is gradient descent. Here G holds the factor, too, and the step divides by "
                        "its root."
                    ),
                ),
                Wrong(
                    "b",
                    "The step divides by the root of G, not by G: the factor is above and below once each.",
                ),
                Wrong("d", "G grows by 1000², and its root by 1000, as the gradient does."),
            ),
            why="The factor stands above the fraction and below it. Only ε does not scale along.",
        ),
        MissingLine(
            name="adagrad.torch_start",
            title="torch's starting value",
            prompt=(
                "torch.optim.Adagrad adds its ε to √G, not inside. But G may start at a value of your "
                "choice there, and ε may be 0. So let this loop, without any ε in its step, take the "
                "slide's: write the line that sets G before each step, so that eps comes in."
            ),
            hints=(
                "What stands under the slide's root is G_t + ε. When could ε be added once and for all?",
                (
                    "At t = 1, before the first square is added, G is 0 in the slide and must be something "
                    "else here."
                ),
            ),
            begin="G = 0",
            right="G = where(t == 1, eps, G)",
            after="g = gradient(theta)\nG = G + g**2\ntheta = theta - eta / G**0.5 * g",
            target="G",
            probes=PROBES,
            wrong=(
                Wrong(
                    "G",
                    (
                        "Without a starting value there is no ε: on a coordinate without a slope you would "
                        "divide by 0."
                    ),
                ),
                Wrong("G + eps", "Once: this adds ε at every step."),
                Wrong(
                    "where(t == 1, eps ** 0.5, G)",
                    "G stands under the root, which is taken later: ε goes in without one.",
                ),
                Wrong(
                    "where(t == 1, eps ** 2, G)",
                    ("The slide's ε is in units of g² already, as G is: it goes in as it is."),
                ),
                Wrong(
                    "where(t > 1, eps, G)",
                    "The other way round: at the first step only, and G stays after it.",
                ),
                Wrong("eps", "That forgets all squares at every step: it must happen once."),
            ),
            why="initial_accumulator_value=ε with eps=0 makes torch take the slide's steps, exactly.",
        ),
    ),
)
