"""The conclusion: what chance alone would tell apart, what a method keeps, and a rule of your own."""

from gdcourse.exercises.behaviour import Probe, WholeRule
from gdcourse.exercises.exercise import Chapter, Wrong
from gdcourse.exercises.small import Choice, Number

PROBES = (
    Probe({"eta": 0.5, "beta1": 0.9, "beta2": 0.9, "eps": 0.1}),
    Probe({"eta": 0.2, "beta1": 0.5, "beta2": 0.6, "eps": 0.3}, bowl=1.0, start=-2.0),
)


def whole(
    u: str = "maximum(u, v)",
    hats: str = "m_hat, u_hat = m / (1 - beta1**t), u / (1 - beta2**t)",
    step: str = "theta - eta * m_hat / (u_hat**0.5 + eps)",
    v: str = "beta2 * v + (1 - beta2) * g**2",
) -> str:
    """A step of these lines."""
    return f"g = gradient(theta)\nm = beta1 * m + (1 - beta1) * g\nv = {v}\nu = {u}\n{hats}\ntheta = {step}"


CHAPTER = Chapter(
    "conclusion",
    (
        WholeRule(
            name="conclusion.amsgrad",
            title="AMSGrad, the whole rule",
            prompt=(
                "Write AMSGrad: Adam, but divided by the root of the largest v so far. As in torch, the "
                "bias of the largest is corrected by today's factor."
            ),
            hints=(
                "Three things are kept: m, v, and the largest v so far. v itself goes on as in Adam.",
                "max(a, b) of numbers, maximum(a, b) in a rule: the larger of two.",
            ),
            fields={"lr": "eta", "beta1": "beta1", "beta2": "beta2", "eps": "eps"},
            begin="m = 0\nv = 0\nu = 0",
            right=whole(),
            given="""class Mine(gd.Rule):
    def __init__(self, lr, beta1, beta2, eps):
        self.lr, self.beta1, self.beta2, self.eps = lr, beta1, beta2, eps

    def init(self, theta, zeros):
        return {"m": zeros, "v": zeros, "largest": zeros}

    def at(self, t):
        return {"t": t}

    def step(self, theta, grad, state, at):
        m = ...
        v = ...
        largest = ...
        return ..., {"m": m, "v": v, "largest": largest}""",
            probes=PROBES,
            wrong=(
                Wrong(whole(u="v"), "That is Adam: the largest v is forgotten."),
                Wrong(
                    whole(u="v = maximum(u, v)"),
                    "v itself must go on as in Adam: its largest is kept beside it.",
                ),
                Wrong(
                    whole(u="maximum(u, v / (1 - beta2**t))", hats="m_hat, u_hat = m / (1 - beta1**t), u"),
                    (
                        "That takes the largest of the corrected v̂, as optax does. torch corrects the "
                        "largest v."
                    ),
                ),
                Wrong(whole(u="maximum(u, g**2)"), "The largest average, not the largest square."),
                Wrong(
                    whole(hats="m_hat, u_hat = m, u"),
                    "The bias is not corrected. The paper does so; torch, and this exercise, correct it.",
                ),
                Wrong(
                    whole(step="theta - eta * m_hat / (u_hat + eps)**0.5"),
                    "ε stands beside the root, not inside.",
                ),
                Wrong(
                    whole(step="theta - eta * m_hat / (u_hat + eps)"),
                    "v is an average of squares: take its root.",
                ),
                Wrong(
                    whole(step="theta + eta * m_hat / (u_hat**0.5 + eps)"),
                    "The step goes against the smoothed gradient.",
                ),
                Wrong(
                    whole(step="theta - eta * g / (u_hat**0.5 + eps)"),
                    "m̂ moves θ, not the gradient of this step.",
                ),
            ),
            why="One line more than Adam, and one state more.",
        ),
        Number(
            name="conclusion.chance",
            title="apart by chance",
            prompt=(
                "Two equal methods run with five seeds each, all ten results drawn independently. How "
                "likely is it that chance alone parts them, so that all five results of the one lie "
                "above all of the other?"
            ),
            hints=(
                "In how many ways can five of ten results be dealt to the first method? All are alike.",
                "Two of these ways part them: either may be above.",
            ),
            right=2 / 252,
            wrong=(
                Wrong(1 / 252, "Either method may be the one above."),
                Wrong(2 / 1024, "Each gets exactly five: that leaves 252 ways, not 2¹⁰."),
                Wrong(1 / 1024, "Each gets exactly five, and either may be above."),
                Wrong(0.5**5, "Five duels of pairs are not all against all."),
                Wrong(2 * 0.5**5, "Five duels of pairs are not all against all, whichever wins."),
                Wrong(0.05, "That is a habit, not this rule's error."),
            ),
            why="So among many pairs one or another is parted by chance: count them before you believe one.",
        ),
        Number(
            name="conclusion.memory",
            title="what Adam keeps",
            prompt=(
                "A network has 25,450 parameters in float32, 4 bytes each. How many bytes does Adam keep "
                "between two steps, besides the parameters and their gradients?"
            ),
            hints=("How many numbers does Adam carry for each parameter?",),
            right=203_600.0,
            within=0.001,
            wrong=(
                Wrong(
                    101_800.0, "That is one number for each parameter, as momentum keeps. Adam has m and v."
                ),
                Wrong(50_900.0, "Those are the numbers. Each takes 4 bytes."),
                Wrong(305_400.0, "The parameters themselves are not asked for."),
                Wrong(
                    407_200.0,
                    "m̂ and v̂ are not carried: they come anew from m, v and t. Or these are 8 bytes each.",
                ),
                Wrong(25_450.0, "Those are the parameters."),
            ),
            why="As much again as parameters and gradients together: that is why cheaper states are sought.",
        ),
        Choice(
            name="conclusion.fair",
            title="a fair comparison",
            prompt=(
                "A new method beats Adam at Adam's default rate, after its own rate was chosen from "
                "twenty. What does that show?"
            ),
            options=(
                "That the new method is better",
                "That the new method, tuned, beats Adam untuned, and no more",
                "That Adam is bad at its default",
                "That twenty rates are too few",
            ),
            right="b",
            hints=("Which of the two differences between the runs could have made the gap?",),
            wrong=(
                Wrong("a", "The two differ in the method and in the tuning. Give Adam the same twenty."),
                Wrong("c", "Its default may be good: the other was chosen among twenty for this task."),
                Wrong("d", "Twenty would be enough if both had them."),
            ),
            why="Equal numbers of trials for each, chosen on validation, reported once on test.",
        ),
    ),
)
