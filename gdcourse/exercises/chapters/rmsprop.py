"""RMSProp: the rule, its first step, its memory."""

from gdcourse.exercises.behaviour import MissingLine, Probe, WholeRule
from gdcourse.exercises.exercise import Chapter, Wrong
from gdcourse.exercises.small import Number

PROBES = (
    Probe({"eta": 0.5, "gamma": 0.9, "eps": 0.1}),
    Probe({"eta": 0.2, "gamma": 0.6, "eps": 0.3}, bowl=1.0, start=-2.0),
    Probe({"eta": 0.5, "gamma": 0.7, "eps": 0.1}, later={"eta": 0.25}),
)


def lines(v: str, step: str = "eta / (v**0.5 + eps) * g", sign: str = "-") -> str:
    """A step that keeps v in this way and moves by this much."""
    return f"g = gradient(theta)\nold = v\nv = {v}\ntheta = theta {sign} {step}"


CHAPTER = Chapter(
    "rmsprop",
    (
        WholeRule(
            name="rmsprop.whole",
            title="the whole rule",
            prompt=(
                "Write RMSProp: v is an average of squared gradients that fades, and ε stands beside its "
                "root."
            ),
            hints=(
                (
                    "Adagrad's sum becomes an average: how much of the old v is kept, and how much of the "
                    "new square comes in?"
                ),
                "The two shares add up to 1.",
            ),
            fields={"lr": "eta", "gamma": "gamma", "eps": "eps"},
            begin="v = 0",
            right=lines("gamma * v + (1 - gamma) * g**2"),
            given="""class Mine(gd.Rule):
    def __init__(self, lr, gamma, eps):
        self.lr, self.gamma, self.eps = lr, gamma, eps

    def init(self, theta, zeros):
        return {"v": zeros}

    def step(self, theta, grad, state, at):
        v = ...
        return ..., {"v": v}""",
            probes=PROBES,
            wrong=(
                Wrong(
                    lines("(1 - gamma) * v + gamma * g**2"),
                    "γ and 1 − γ are swapped: γ is how much of the old v stays.",
                ),
                Wrong(lines("gamma * v + g**2"), "There is no average without 1 − γ: yours fades, but sums."),
                Wrong(lines("v + g**2"), "That is Adagrad's sum: it never forgets."),
                Wrong(
                    lines("gamma * v + (1 - gamma) * g**2", "eta / (old**0.5 + eps) * g"),
                    "Divide by the new v: the gradient of this step is in it.",
                ),
                Wrong(
                    lines("gamma * v + (1 - gamma) * g**2", "eta / (v + eps)**0.5 * g"),
                    "ε stands beside the root here, not inside.",
                ),
                Wrong(
                    lines("gamma * v + (1 - gamma) * g**2", "eta / (v + eps) * g"),
                    "Without the root the slope does not cancel.",
                ),
                Wrong(
                    lines("gamma * v + (1 - gamma) * g**2", "eta / ((v / (1 - gamma**t))**0.5 + eps) * g"),
                    "That is Adam with β₁ = 0: RMSProp leaves the bias, so its first steps are long.",
                ),
                Wrong(
                    lines("gamma * v + (1 - gamma) * g"),
                    "v averages the squares: otherwise gradients of opposite sign cancel.",
                ),
                Wrong(lines("gamma * v + (1 - gamma) * abs(g)"), "v averages the squares, not the sizes."),
                Wrong(
                    lines("gamma * v + (1 - gamma) * g**2", sign="+"), "The step goes against the gradient."
                ),
                Wrong(
                    lines("gamma * v + (1 - gamma) * g**2", "eta * (v**0.5 + eps) * g"),
                    "Divide by the root of v: a steep coordinate gets a smaller step size.",
                ),
            ),
            why="Adagrad that forgets: a slope of long ago does not shorten the steps for ever.",
        ),
        Number(
            name="rmsprop.first_step",
            title="the first step",
            prompt="How long is RMSProp's first step at γ = 0.9 and a tiny ε, as a multiple of η?",
            hints=("v_0 = 0. What is v_1, of a gradient g?", "Divide g by the root of v_1: g cancels."),
            right=10**0.5,
            wrong=(
                Wrong(1.0, "v_1 is (1 − γ)g², not g²: v starts at 0 and its bias is left as it is."),
                Wrong(10.0, "Take the root of 1 − γ."),
                Wrong(0.1**0.5, "Upside down: the step divides by the root of v."),
                Wrong(0.1, "That is v_1 over g². The step divides by its root."),
                Wrong(0.9**-0.5, "The new square comes in with 1 − γ, not with γ."),
            ),
            why="1/√(1 − γ): the larger γ, the longer the first steps.",
        ),
        Number(
            name="rmsprop.half_life",
            title="how long it remembers",
            prompt=(
                "At γ = 0.9, after how many steps does a squared gradient count half as much in v? To two "
                "digits."
            ),
            hints=("After s steps the square counts γˢ times as much.", "Solve γˢ = ½ with logarithms."),
            right=6.58,
            within=0.004,
            wrong=(
                Wrong(
                    10.0, "1/(1 − γ) is what the powers γˢ add up to. By then a third is left, not a half."
                ),
                Wrong(5.0, "The weight does not fall by equal amounts. Each step leaves nine tenths of it."),
                Wrong(0.152, "Upside down: that is the share of a halving in one step."),
                Wrong(69.0, "That is for γ = 0.99."),
                Wrong(
                    7.0,
                    "That is the first whole step by which it has halved: it is half somewhat earlier.",
                ),
                Wrong(6.93, "That is ln 2/(1 − γ), which is near for γ close to 1. Take ln γ itself."),
            ),
            why="−ln 2 / ln γ: at γ = 0.99 it is about ten times as long.",
        ),
        MissingLine(
            name="rmsprop.mend",
            title="mend the first steps",
            prompt=(
                "v starts at 0 and is too small at first. Write the line that sets v_hat, so that for a "
                "gradient whose size never changes v_hat is its square from the first step on."
            ),
            hints=(
                "For g² = 1 at every step, what are v_1 and v_2?",
                "v_t is then 1 less what is left of the start after t steps.",
            ),
            begin="v = 0",
            before="g = gradient(theta)\nv = gamma * v + (1 - gamma) * g**2",
            right="v_hat = v / (1 - gamma**t)",
            after="theta = theta - eta / (v_hat**0.5 + eps) * g",
            target="v_hat",
            probes=PROBES,
            wrong=(
                Wrong(
                    "v / (1 - gamma**(t - 1))",
                    "t starts at 1: one gradient has been seen, and γ⁰ would divide by 0.",
                ),
                Wrong("v / (1 - gamma)", "Right at t = 1 only: later less is missing."),
                Wrong("v", "v_1 is (1 − γ)g² and has to become g²."),
                Wrong("v * (1 - gamma**t)", "That makes v smaller still: divide."),
                Wrong(
                    "v / (1 - gamma * t)",
                    "Each step leaves a share γ of the start: after t steps γᵗ is left, not γt.",
                ),
                Wrong(
                    "v / gamma**t",
                    "γᵗ is what is left of the start. What is missing is made up by 1 less that.",
                ),
                Wrong(
                    "v / (1 - gamma**t)**0.5",
                    "The root is taken in the next line: v itself is too small by the whole factor.",
                ),
                Wrong(
                    "v / (1 - gamma**(t + 1))", "After the first gradient γ¹ is left of the start, not γ²."
                ),
            ),
            why=(
                "With it the first step is η for every γ. It is Adam without a memory of the gradient itself."
            ),
        ),
    ),
)
