"""Adam: its bias correction, its step, weight decay beside it, and two lengths."""

from gdcourse.exercises.behaviour import MissingLine, Probe, WholeRule
from gdcourse.exercises.exercise import Chapter, Wrong
from gdcourse.exercises.small import Number

NAMES = {"beta1": 0.9, "beta2": 0.99, "eps": 0.1}
PROBES = (
    Probe({"eta": 0.5, **NAMES}),
    Probe({"eta": 0.2, "beta1": 0.5, "beta2": 0.8, "eps": 0.3}, bowl=1.0, start=-2.0),
)
AVERAGES = "m = beta1 * m + (1 - beta1) * g\nv = beta2 * v + (1 - beta2) * g**2"
HATS = "m_hat = m / (1 - beta1**t)\nv_hat = v / (1 - beta2**t)"
STEP = "theta = theta - eta / (v_hat**0.5 + eps) * m_hat"


def whole(averages: str = AVERAGES, hats: str = HATS, step: str = STEP) -> str:
    """A step of these lines."""
    return "\n".join(["g = gradient(theta)", averages, hats, step])


CHAPTER = Chapter(
    "adam",
    (
        MissingLine(
            name="adam.bias",
            title="the bias correction",
            prompt="m and v start at 0. Write the two lines that set m_hat and v_hat, without that bias.",
            hints=(
                "After one step m is (1 − β₁)g. What must it be divided by to be g?",
                (
                    "After t steps a share βᵗ of the start is left in an average, and so much is missing "
                    "from it."
                ),
            ),
            begin="m = 0\nv = 0",
            before=f"g = gradient(theta)\n{AVERAGES}",
            right=HATS,
            after=STEP,
            probes=PROBES,
            wrong=(
                Wrong(
                    "m_hat = m / (1 - beta1**(t - 1))\nv_hat = v / (1 - beta2**(t - 1))",
                    "t starts at 1: one gradient has been seen, and with t − 1 you divide by 0.",
                ),
                Wrong("m_hat = m\nv_hat = v", "Nothing is corrected: m_1 is (1 − β₁)g and has to become g."),
                Wrong(
                    "m_hat = m / (1 - beta1**t)\nv_hat = v",
                    "v is biased too, and at the usual β₂ far more than m: the first step would be 31.6η.",
                ),
                Wrong(
                    "m_hat = m\nv_hat = v / (1 - beta2**t)",
                    "m is biased too: its first step would be a tenth of η at β₁ = 0.9.",
                ),
                Wrong(
                    "m_hat = m / (1 - beta2**t)\nv_hat = v / (1 - beta1**t)",
                    "β₁ and β₂ are swapped: each average has a decay of its own.",
                ),
                Wrong(
                    "m_hat = m * (1 - beta1**t)\nv_hat = v * (1 - beta2**t)",
                    "That makes them smaller still: divide.",
                ),
                Wrong(
                    "m_hat = m / (1 - beta1 * t)\nv_hat = v / (1 - beta2 * t)",
                    "Each step leaves a share β of the start: after t steps βᵗ, not βt.",
                ),
                Wrong(
                    "m_hat = m = m / (1 - beta1**t)\nv_hat = v = v / (1 - beta2**t)",
                    "Keep m and v themselves as the state: m̂ and v̂ are for this step only.",
                ),
                Wrong(
                    "m_hat = m / (1 - beta1)\nv_hat = v / (1 - beta2)",
                    "Right at t = 1 only: later less is missing.",
                ),
                Wrong(
                    "m_hat = m / (1 - beta1**(t + 1))\nv_hat = v / (1 - beta2**(t + 1))",
                    "After the first gradient β¹ of the start is left, not β².",
                ),
            ),
            why=(
                "With it the first step has length η, whatever the betas are, and whatever a slope far "
                "above ε is."
            ),
        ),
        MissingLine(
            name="adam.step",
            title="the step",
            prompt="m_hat and v_hat are there. Write the line that moves θ.",
            hints=(
                "The smoothed gradient is divided by a smoothed size of it. v_hat is a square.",
                "ε stands beside the root, not inside.",
            ),
            begin="m = 0\nv = 0",
            before=f"g = gradient(theta)\n{AVERAGES}\n{HATS}",
            right=STEP,
            target="theta",
            probes=PROBES,
            wrong=(
                Wrong(
                    "theta - eta / (v_hat + eps)**0.5 * m_hat",
                    "ε stands beside the root: inside it is in units of g².",
                ),
                Wrong("theta - eta / (v_hat + eps) * m_hat", "v̂ is an average of squares: take its root."),
                Wrong(
                    "theta - eta / (v_hat**0.5 + eps) * g",
                    "m̂ moves θ, not the gradient of this step: that would be RMSProp without bias.",
                ),
                Wrong(
                    "theta - eta / (v**0.5 / (1 - beta2**t) + eps) * m_hat",
                    "Correct v first, then take the root: not the other way round.",
                ),
                Wrong(
                    "theta + eta / (v_hat**0.5 + eps) * m_hat",
                    ("The step goes against the smoothed gradient."),
                ),
                Wrong(
                    "theta - eta / (v**0.5 + eps) * m",
                    "Those are the averages with their bias: m̂ and v̂ are there.",
                ),
                Wrong(
                    "theta - eta * m_hat",
                    "Where is the division? That is momentum, in the form of an average.",
                ),
                Wrong(
                    "theta - eta * (v_hat**0.5 + eps) * m_hat",
                    "Divide by the root: a steep coordinate gets a smaller step size.",
                ),
                Wrong("theta - eta / v_hat**0.5 * m_hat", "ε is missing: it keeps the denominator from 0."),
                Wrong("theta - eta / (v_hat**0.5 + eps) * m", "m has its bias still: it begins too small."),
            ),
            why="The sizes cancel: gradients a thousand times as large make the same steps, but for ε.",
        ),
        WholeRule(
            name="adam.whole",
            title="the whole rule",
            prompt=(
                "Write Adam as a class. What depends on t alone may go into a method at(t), which returns "
                "a dictionary."
            ),
            hints=(
                "Two averages, two corrections, one step: in this order.",
                (
                    "step gets what at(t) returned as its last argument: 1 − β₁ᵗ and 1 − β₂ᵗ can come from "
                    "there."
                ),
            ),
            fields={"lr": "eta", "beta1": "beta1", "beta2": "beta2", "eps": "eps"},
            begin="m = 0\nv = 0",
            right=whole(),
            given="""class Mine(gd.Rule):
    def __init__(self, lr, beta1, beta2, eps):
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps

    def init(self, theta, zeros):
        return {"m": zeros, "v": zeros}

    def at(self, t):
        return {"t": t}

    def step(self, theta, grad, state, at):
        m = ...
        v = ...
        return ..., {"m": m, "v": v}""",
            probes=PROBES,
            wrong=(
                Wrong(
                    whole(hats="m_hat = m\nv_hat = v"),
                    "The bias is not corrected: m and v start at 0 and are too small at first.",
                ),
                Wrong(
                    whole(hats="m_hat = m / (1 - beta1**(t - 1))\nv_hat = v / (1 - beta2**(t - 1))"),
                    "t starts at 1: one gradient has been seen, and with t − 1 you divide by 0.",
                ),
                Wrong(
                    whole("m = beta1 * m + g\nv = beta2 * v + g**2"),
                    "Averages need 1 − β: yours fade, but sum.",
                ),
                Wrong(
                    whole(step="theta = theta - eta / (v_hat + eps)**0.5 * m_hat"),
                    "ε stands beside the root, not inside.",
                ),
                Wrong(
                    whole(step="theta = theta - eta / (v_hat + eps) * m_hat"),
                    "v̂ is an average of squares: take its root.",
                ),
                Wrong(
                    whole(step="theta = theta - eta / (v_hat**0.5 + eps) * g"),
                    "m̂ moves θ, not the gradient of this step.",
                ),
                Wrong(
                    whole("m = beta1 * m + (1 - beta1) * g\nv = beta2 * v + (1 - beta2) * g"),
                    "v averages the squares: otherwise its root is taken of something that may lie below 0.",
                ),
                Wrong(
                    whole("m = beta2 * m + (1 - beta2) * g\nv = beta1 * v + (1 - beta1) * g**2"),
                    "β₁ belongs to m and β₂ to v.",
                ),
                Wrong(
                    whole(
                        "v = beta2 * v + (1 - beta2) * g**2\nm = beta1 * m + (1 - beta1) * g",
                        "m_hat = m / (1 - beta1**t)\nv_hat = v",
                    ),
                    "v is biased too: correct it as well.",
                ),
                Wrong(
                    whole(hats="m_hat = m = m / (1 - beta1**t)\nv_hat = v = v / (1 - beta2**t)"),
                    "Keep m and v themselves as the state: m̂ and v̂ are for this step only.",
                ),
                Wrong(
                    whole(step="theta = theta + eta / (v_hat**0.5 + eps) * m_hat"),
                    "The step goes against the smoothed gradient.",
                ),
            ),
            why="Momentum's memory over RMSProp's root, both without the bias of their start.",
        ),
        Number(
            name="adam.no_correction",
            title="the first step without a correction",
            prompt=(
                "Without any correction of m and v, how long is Adam's first step at β₁ = 0.9, β₂ = 0.999 "
                "and a tiny ε, as a multiple of η?"
            ),
            hints=(
                "m_1 and v_1 come from one gradient g each. What are they?",
                "Divide m_1 by the root of v_1: g cancels.",
            ),
            right=0.1 / 0.001**0.5,
            wrong=(
                Wrong(1.0, "That is with the correction."),
                Wrong(1 / 0.001**0.5, "m is too small as well: it is (1 − β₁)g."),
                Wrong(0.1, "v is too small as well: it is (1 − β₂)g², and stands below."),
                Wrong(100.0, "Take the root of 1 − β₂."),
                Wrong(0.001**0.5 / 0.1, "Upside down: m stands above, the root of v below."),
            ),
            why="The two biases do not cancel: v's is the larger one, and it stands below.",
        ),
        MissingLine(
            name="adam.decoupled",
            title="weight decay beside the averages",
            prompt=(
                "AdamW shrinks θ beside Adam's step: the averages do not see it. `adam` is Adam's step, to "
                "be subtracted; lam is the decay λ, which η multiplies, too. Write the line that moves θ."
            ),
            hints=(
                "Two things are subtracted from θ: Adam's step and a share of θ itself.",
                "The share is η times λ.",
            ),
            begin="m = 0\nv = 0",
            before=f"g = gradient(theta)\n{AVERAGES}\n{HATS}\nadam = eta / (v_hat**0.5 + eps) * m_hat",
            right="theta = theta - adam - eta * lam * theta",
            target="theta",
            probes=(
                Probe({"eta": 0.5, "lam": 0.3, **NAMES}),
                Probe({"eta": 0.2, "lam": 0.5, "beta1": 0.5, "beta2": 0.8, "eps": 0.3}, bowl=1.0, start=-2.0),
            ),
            wrong=(
                Wrong("theta - adam", "That is Adam alone: nothing decays."),
                Wrong(
                    "theta - adam - lam * theta",
                    "η multiplies the decay as well: otherwise it stays when η falls.",
                ),
                Wrong("theta - adam + eta * lam * theta", "The decay pulls towards 0: subtract it."),
                Wrong(
                    "theta - adam - eta * lam",
                    "A share of θ goes, not a fixed amount: larger weights decay by more.",
                ),
                Wrong(
                    "theta - adam - eta * lam * theta**2",
                    "A share of θ goes, in proportion to θ: its square is the penalty, not its slope.",
                ),
                Wrong("theta - adam * (1 + eta * lam)", "The decay acts on θ, not on Adam's step."),
                Wrong(
                    "theta - adam * (1 - eta * lam) - eta * theta",
                    "λ says how much decays: here all of ηθ does.",
                ),
                Wrong(
                    "(1 - eta * lam) * (theta - adam)", "The share is taken of θ_(t−1), before Adam's step."
                ),
                Wrong(
                    "theta - adam - eta * lam * sign(theta)",
                    "The sign alone pulls all weights equally: that is the decay of an absolute value.",
                ),
            ),
            why=(
                "Inside the gradient the decay would be divided by √v̂, and would hardly reach steep "
                "coordinates."
            ),
        ),
    ),
)
