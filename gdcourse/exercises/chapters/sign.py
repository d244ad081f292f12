"""Signs: Signum, Lion, and what a sign makes of noise."""

from gdcourse.exercises.behaviour import MissingLine, Probe, WholeRule
from gdcourse.exercises.exercise import Chapter, Wrong
from gdcourse.exercises.small import Number

SIGNUM = (Probe({"eta": 0.1, "gamma": 0.6}), Probe({"eta": 0.25, "gamma": 0.8}, bowl=1.0, start=-2.0))
LION = (
    Probe({"eta": 0.1, "beta1": 0.5, "beta2": 0.9, "lam": 0.3}, steps=16),
    Probe({"eta": 0.25, "beta1": 0.8, "beta2": 0.7, "lam": 0.5}, bowl=1.0, start=-3.0, steps=12),
    Probe({"eta": 0.1, "beta1": 0.6, "beta2": 0.9, "lam": 0.5}, start=5.0),
    Probe({"eta": 0.25, "beta1": 0.7, "beta2": 0.6, "lam": 0.5}, bowl=0.5, start=-1.0, steps=10),
)


def lion(
    c: str = "beta1 * m + (1 - beta1) * g",
    step: str = "theta - eta * (sign(c) + lam * theta)",
    m: str = "beta2 * m + (1 - beta2) * g",
) -> str:
    """A step of these lines."""
    return f"g = gradient(theta)\nc = {c}\ntheta = {step}\nm = {m}"


CHAPTER = Chapter(
    "sign",
    (
        MissingLine(
            name="sign.signum",
            title="Signum's average",
            prompt=(
                "Signum moves every weight by η, along the sign of an average of gradients that fades. "
                "Write the line that sets m."
            ),
            hints=("A share γ of the old average stays.", "The two shares add up to 1."),
            begin="m = 0",
            before="g = gradient(theta)",
            right="m = gamma * m + (1 - gamma) * g",
            after="theta = theta - eta * sign(m)",
            target="m",
            watch="m",
            shows="m",
            probes=SIGNUM,
            wrong=(
                Wrong("g", "That is signSGD: no average."),
                Wrong(
                    "gamma * m + g", "That fades but sums. The sign would be the same; the average is not."
                ),
                Wrong(
                    "(1 - gamma) * m + gamma * g",
                    "γ and 1 − γ are swapped: γ is how much of the old average stays.",
                ),
                Wrong(
                    "gamma * m + (1 - gamma) * sign(g)",
                    (
                        "The average is of gradients, and the sign is taken after it: a vote would not "
                        "weigh them."
                    ),
                ),
                Wrong("gamma * m - (1 - gamma) * g", "The sign is turned round: the step subtracts already."),
                Wrong("m + (1 - gamma) * g", "Nothing of m fades."),
                Wrong(
                    "sign(gamma * m + (1 - gamma) * g)",
                    "The sign belongs to the step. The average itself is kept.",
                ),
                Wrong(
                    "gamma * m + (1 - gamma) * g**2", "That is Adam's v. The sign of a square says nothing."
                ),
            ),
            why="The sign cares for the average's side of 0 alone, not for its size.",
        ),
        WholeRule(
            name="sign.lion",
            title="Lion, the whole rule",
            prompt=(
                "Write Lion: the step goes along the sign of one average, with β₁; what is kept is "
                "another, with β₂; and θ decays beside the step."
            ),
            hints=(
                "Both averages mix the same m_(t−1) with the same g_t, each with its own β.",
                "The first one is used for the step and then forgotten.",
            ),
            fields={"lr": "eta", "beta1": "beta1", "beta2": "beta2", "weight_decay": "lam"},
            begin="m = 0",
            right=lion(),
            given="""class Mine(gd.Rule):
    def __init__(self, lr, beta1, beta2, weight_decay):
        self.lr, self.beta1, self.beta2, self.weight_decay = lr, beta1, beta2, weight_decay

    def init(self, theta, zeros):
        return {"m": zeros}

    def step(self, theta, grad, state, at):
        c = ...
        m = ...
        return ..., {"m": m}""",
            probes=LION,
            wrong=(
                Wrong(
                    lion(c="beta2 * m + (1 - beta2) * g"),
                    "That is Signum with decay: the step's average has a β of its own, β₁.",
                ),
                Wrong(
                    lion(c="beta2 * m + (1 - beta2) * g", m="beta1 * m + (1 - beta1) * g"),
                    "β₁ and β₂ are swapped: β₁ is for the step, β₂ for what is kept.",
                ),
                Wrong(lion(m="c"), "What is kept is mixed with β₂: c is forgotten after the step."),
                Wrong(
                    lion(c="beta2 * m + (1 - beta1) * g"),
                    "The two shares of c do not add up to 1: β₁ belongs to both of them.",
                ),
                Wrong(
                    lion(m="beta1 * m + (1 - beta2) * g"),
                    "The two shares of m do not add up to 1: β₂ belongs to both of them.",
                ),
                Wrong(lion(c="m + (1 - beta1) * g"), "In c nothing of m fades: a share β₁ of it counts."),
                Wrong(lion(step="theta - eta * sign(c)"), "The decay is missing."),
                Wrong(lion(step="theta - eta * sign(c) - lam * theta"), "η multiplies the decay as well."),
                Wrong(
                    lion(step="theta - eta * (c + lam * theta)"), "Only the sign of c moves θ, not its size."
                ),
                Wrong(
                    lion(step="theta - eta * sign(c + lam * theta)"),
                    "The decay stands beside the sign: inside it would only vote.",
                ),
                Wrong(
                    lion(step="theta + eta * (sign(c) - lam * theta)"),
                    ("The step goes against the sign of c."),
                ),
                Wrong(
                    "g = gradient(theta)\nm = beta2 * m + (1 - beta2) * g\nc = beta1 * m + (1 - beta1) * g\n"
                    "theta = theta - eta * (sign(c) + lam * theta)",
                    "The order: c mixes the m from before this step, or g counts twice.",
                ),
            ),
            why=(
                "One state in place of Adam's two. With β₁ below β₂, as by default, the newest gradient "
                "counts more for the step than for the memory."
            ),
        ),
        Number(
            name="sign.batch",
            title="how large a batch",
            prompt=(
                "A letter has a share of p = 0.02 of the text. Only a batch that holds it asks for more of "
                "it; all others ask for less. From which batch size on do most signs ask for more? A whole "
                "number."
            ),
            hints=(
                "With which probability is a batch of B without the letter?",
                "Solve (1 − p)ᴮ = ½ for B, and round up.",
            ),
            right=35.0,
            within=0.011,
            wrong=(
                Wrong(
                    50.0,
                    "1/p is the size that holds it once in the mean. Half of all batches hold it earlier.",
                ),
                Wrong(25.0, "½/p counts letters. A batch that holds it twice is still one batch."),
                Wrong(34.0, "There a batch is without it slightly more often than not: 0.98³⁴ is above ½."),
                Wrong(228.0, "Half of them is enough: that is where a hundredth is without it."),
                Wrong(0.69, "That is ln 2. Divide by p."),
            ),
            why="About ln 2/p. Below it signSGD without an average forgets the letter.",
        ),
        Number(
            name="sign.noise",
            title="what a sign makes of noise",
            prompt=(
                "A gradient is g plus normal noise of standard deviation 10g. What is the mean of its "
                "sign? To two digits."
            ),
            hints=(
                "The mean sign is how often it is right, minus how often it is wrong.",
                "For |g| well below σ it is √(2/π) · g/σ.",
            ),
            right=0.0797,
            within=0.01,
            wrong=(
                Wrong(0.1, "g/σ without the factor. The normal density at 0 decides how many signs turn."),
                Wrong(0.1125, "That is erf(g/σ). The normal distribution has a √2 in it: erf(g/(√2σ))."),
                Wrong(
                    0.0399,
                    ("That is the excess of right signs over a half. The wrong ones are as many fewer."),
                ),
                Wrong(1.0, "That is without noise. Here nearly half of all signs are wrong."),
                Wrong(0.54, "That is how often the sign is right. Subtract how often it is wrong."),
            ),
            why="Where noise hides the slope, signs cancel: the mean step is short again.",
        ),
    ),
)
