"""Weight decay: in the gradient or beside the step, and what a pair of η and λ sets."""

from gdcourse.exercises.behaviour import MissingLine, Probe, WholeRule
from gdcourse.exercises.exercise import Chapter, Wrong
from gdcourse.exercises.small import Number

PROBES = (
    Probe({"eta": 0.5, "lam": 0.3, "beta1": 0.9, "beta2": 0.99, "eps": 0.1}),
    Probe({"eta": 0.2, "lam": 0.5, "beta1": 0.5, "beta2": 0.8, "eps": 0.3}, bowl=1.0, start=-2.0),
)
REST = (
    "m = beta1 * m + (1 - beta1) * g\nv = beta2 * v + (1 - beta2) * g**2\n"
    "m_hat = m / (1 - beta1**t)\nv_hat = v / (1 - beta2**t)"
)
STEP = "theta = theta - eta * m_hat / (v_hat**0.5 + eps)"


def whole(step: str, g: str = "gradient(theta)") -> str:
    """AdamW's step with another end, or another gradient."""
    return f"g = {g}\n{REST}\n{step}"


CHAPTER = Chapter(
    "weight_decay",
    (
        MissingLine(
            name="weight_decay.l2",
            title="decay in the gradient",
            prompt=(
                "½λθ² is added to the loss. Write the line that sets g, the gradient that Adam then gets, "
                "at theta."
            ),
            hints=("What is the slope of ½λθ²?", "The slope of a sum is the sum of the slopes."),
            begin="m = 0\nv = 0",
            right="g = gradient(theta) + lam * theta",
            after=f"{REST}\n{STEP}",
            target="g",
            probes=PROBES,
            wrong=(
                Wrong("gradient(theta)", "That is the slope of the loss without what was added."),
                Wrong(
                    "gradient(theta) - lam * theta",
                    "The sign: the added loss rises away from 0, so its slope has θ's sign.",
                ),
                Wrong("gradient(theta) + lam", "The slope of ½λθ² grows with θ. λ alone would be λθ's."),
                Wrong("gradient(theta) + 2 * lam * theta", "The ½ cancels the 2 of the square."),
                Wrong(
                    "gradient(theta) + 0.5 * lam * theta**2",
                    "That is what was added to the loss. Its slope is added to the gradient.",
                ),
                Wrong(
                    "gradient(theta) + eta * lam * theta",
                    "η multiplies the step later: it would stand there twice.",
                ),
                Wrong("(1 + lam) * gradient(theta)", "The decay depends on θ, not on the gradient."),
                Wrong("gradient(theta) + lam * sign(theta)", "That is the slope of λ|θ|."),
            ),
            why="Adam divides it by √v̂ like any other slope: steep weights hardly decay.",
        ),
        WholeRule(
            name="weight_decay.adamw",
            title="AdamW, the whole rule",
            prompt="Write AdamW: Adam's step, and beside it a decay that the averages do not see, times η.",
            hints=(
                "m and v get the gradient of the loss alone.",
                (
                    "At the end two things are taken off θ: Adam's step, and a share ηλ of θ as it was "
                    "before the step."
                ),
            ),
            fields={"lr": "eta", "beta1": "beta1", "beta2": "beta2", "eps": "eps", "weight_decay": "lam"},
            begin="m = 0\nv = 0",
            right=whole("theta = theta - eta * (m_hat / (v_hat**0.5 + eps) + lam * theta)"),
            given="""class Mine(gd.Rule):
    def __init__(self, lr, beta1, beta2, eps, weight_decay):
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps
        self.weight_decay = weight_decay

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
                Wrong(whole(STEP), "That is Adam: nothing decays."),
                Wrong(
                    whole(STEP, "gradient(theta) + lam * theta"),
                    "That is decay in the gradient: Adam divides it by √v̂, and steep weights hardly decay.",
                ),
                Wrong(
                    whole("theta = theta - eta * m_hat / (v_hat**0.5 + eps) - lam * theta"),
                    "η multiplies the decay as well: otherwise it stays when η falls.",
                ),
                Wrong(
                    whole("theta = theta - eta * (m_hat / (v_hat**0.5 + eps) - lam * theta)"),
                    "The decay pulls towards 0: take it off.",
                ),
                Wrong(
                    whole("theta = theta - eta * (m_hat + lam * theta) / (v_hat**0.5 + eps)"),
                    "The decay stands beside the quotient, not in it.",
                ),
                Wrong(
                    whole("theta = (1 - eta * lam) * (theta - eta * m_hat / (v_hat**0.5 + eps))"),
                    "The share is taken of θ_(t−1), before Adam's step.",
                ),
                Wrong(
                    whole("theta = theta - eta * (m / (v**0.5 + eps) + lam * theta)"),
                    "The bias of m and v is not corrected.",
                ),
                Wrong(
                    whole("theta = theta - eta * (m_hat / (v_hat + eps)**0.5 + lam * theta)"),
                    "ε stands beside the root, not inside.",
                ),
                Wrong(
                    whole("theta = theta - eta * (m_hat / (v_hat**0.5 + eps) + lam * theta**2)"),
                    "A share of θ goes: the square is the penalty.",
                ),
            ),
            why="Each weight decays by the same share, however steep its loss is.",
        ),
        Number(
            name="weight_decay.left",
            title="what is left at the end",
            prompt=(
                "10,000 steps of AdamW under a cosine from η = 0.001 to 0. Which λ leaves one per cent of "
                "a weight, as far as decay alone is concerned?"
            ),
            hints=(
                "Each step leaves a share 1 − ηλ, about exp(−ηλ). What do all steps together leave?",
                "The rates of a cosine have a mean of half their peak.",
            ),
            right=0.921,
            within=0.01,
            wrong=(
                Wrong(
                    0.4605, "That is for a constant rate. Under a cosine the rates add up to half as much."
                ),
                Wrong(4.605, "That is ln 100, what ηλ must add up to. Divide by the sum of the rates."),
                Wrong(0.2, "A decay is a power, not a line: e⁻¹ is left after the sum of ηλ is 1."),
                Wrong(0.0004605, "η multiplies λ in torch: per step ηλ goes, not λ."),
                Wrong(0.002, "One per cent is left, not lost."),
                Wrong(921.0, "The sum of the rates is 5, not 0.005."),
            ),
            why="Only the sum of ηλ counts: a pace, in steps, of 1/(ηλ).",
        ),
        Number(
            name="weight_decay.bound",
            title="how far a steady slope drives a weight",
            prompt=(
                "A weight's slope never changes, and AdamW runs with η = 0.01 and λ = 0.1 and a tiny ε. "
                "How far from 0 does the weight come to rest?"
            ),
            hints=(
                "m̂/√v̂ is then the slope's sign.",
                "At rest decay takes off as much as the step adds: ηλ|θ| = η.",
            ),
            right=10.0,
            wrong=(
                Wrong(0.1, "That is η/λ, or λ. η multiplies both sides, and drops out."),
                Wrong(1000.0, "1/(ηλ) is the pace, in steps. η drops out of the place."),
                Wrong(0.01, "That is one step. It goes on until decay balances it."),
                Wrong(1.0, "At rest λ|θ| = 1, so divide by λ."),
                Wrong(100.0, "1/η is no length. At rest λ|θ| = 1."),
            ),
            why="1/λ, whatever the slope and η are, as long as the slope does not change.",
        ),
    ),
)
