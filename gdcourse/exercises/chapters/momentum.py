"""Momentum: the rule in two forms, what a change of the rate does to the second, and two numbers."""

from gdcourse.exercises.behaviour import MissingLine, Probe, WholeRule
from gdcourse.exercises.exercise import Chapter, Wrong
from gdcourse.exercises.small import Number

STEADY = Probe({"eta": 0.1, "gamma": 0.9})
BOWL = Probe({"eta": 0.25, "gamma": 0.5}, bowl=1.0, start=-2.0)
TWO_RATES = Probe({"eta": 0.1, "gamma": 0.8}, later={"eta": 0.05})

STUB = """class Mine(gd.Rule):
    def __init__(self, lr, gamma=0.9):
        self.lr, self.gamma = lr, gamma

    def init(self, theta, zeros):
        return {"NAME": zeros}

    def step(self, theta, grad, state, at):
        NAME = ...
        return ..., {"NAME": NAME}"""

CHAPTER = Chapter(
    "momentum",
    (
        WholeRule(
            name="momentum.heavy_ball",
            title="the whole rule, as the slide has it",
            prompt="Write momentum as on the slide: v remembers steps, with η inside, and θ moves by v.",
            hints=(
                "v_t has two parts: what is left of the last step, and a gradient step.",
                "Of the last step a share γ is left. The gradient step is gradient descent's.",
            ),
            fields={"lr": "eta", "gamma": "gamma"},
            begin="v = 0",
            right="v = gamma * v + eta * gradient(theta)\ntheta = theta - v",
            given=STUB.replace("NAME", "v"),
            probes=(STEADY, BOWL, TWO_RATES),
            wrong=(
                Wrong(
                    "v = gamma * v + (1 - gamma) * eta * gradient(theta)\ntheta = theta - v",
                    (
                        "That is an average; the slide keeps a sum, so that a steady slope makes steps "
                        "1/(1 − γ) times as long."
                    ),
                ),
                Wrong(
                    "v = gamma * v + eta * gradient(theta)\ntheta = theta - eta * v",
                    "η is inside v already; you applied it twice.",
                ),
                Wrong(
                    "v = gamma * v + eta * gradient(theta)\ntheta = theta + v",
                    "v is minus the velocity: subtract it.",
                ),
                Wrong(
                    "old = v\nv = gamma * v + eta * gradient(theta)\ntheta = theta - old",
                    "θ moves by the new v, not by v_(t−1).",
                ),
                Wrong(
                    "v = gamma * v + gradient(theta)\ntheta = theta - eta * v",
                    "Right while η is constant. But your memory holds gradients and takes a new η at once; "
                    "the slide's holds steps, made with the η of their time.",
                ),
                Wrong(
                    "v = eta * gradient(theta)\ntheta = theta - v",
                    "That is gradient descent: v forgets what it was.",
                ),
                Wrong(
                    "v = gamma * v + gradient(theta)\ntheta = theta - v",
                    "η is missing: v sums bare gradients.",
                ),
                Wrong(
                    "v = gamma * v + eta * gradient(theta - gamma * v)\ntheta = theta - v",
                    "That is Nesterov's: momentum takes its gradient at θ_(t−1) itself.",
                ),
                Wrong(
                    "v = v + eta * gradient(theta)\ntheta = theta - v", "Without γ nothing of v ever fades."
                ),
                Wrong(
                    "v = gamma * (v + eta * gradient(theta))\ntheta = theta - v",
                    "γ shrinks the memory, not the new gradient.",
                ),
            ),
            why=(
                "Where gradients agree, v grows to ten times a single step at γ = 0.9; where they change "
                "sign at every step, about half of one is left."
            ),
        ),
        WholeRule(
            name="momentum.torch_form",
            title="torch's form: a memory of gradients",
            prompt=(
                "torch.optim.SGD keeps a memory b of gradients, without η, and applies η when θ moves. "
                "Write this form."
            ),
            hints=(
                "b sums the gradients and fades by γ. η is not in it.",
                (
                    "In a step both are used in this order: first b takes in the gradient, then θ moves by "
                    "a multiple of b."
                ),
            ),
            fields={"lr": "eta", "gamma": "gamma"},
            begin="v = 0\nb = 0",
            right="b = gamma * b + gradient(theta)\ntheta = theta - eta * b",
            given=STUB.replace("NAME", "b"),
            probes=(STEADY, BOWL, TWO_RATES),
            wrong=(
                Wrong(
                    "v = gamma * v + eta * gradient(theta)\ntheta = theta - v",
                    (
                        "That is the slide's form, with η inside. The two are equal while η is constant, "
                        "and part when it changes."
                    ),
                ),
                Wrong(
                    "b = gamma * b + (1 - gamma) * gradient(theta)\ntheta = theta - eta * b",
                    "torch's b is a sum, not an average: its dampening is 0 unless it is asked for.",
                ),
                Wrong(
                    "b = gamma * b + eta * gradient(theta)\ntheta = theta - eta * b",
                    "η twice: once in b and once in the step.",
                ),
                Wrong(
                    "b = gamma * b + gradient(theta)\ntheta = theta + eta * b",
                    "b points uphill, as the gradients do: subtract.",
                ),
                Wrong(
                    "old = b\nb = gamma * b + gradient(theta)\ntheta = theta - eta * old",
                    "θ moves by the new b: the gradient of this step counts in this step.",
                ),
                Wrong(
                    "g = gradient(theta)\nb = gamma * b + g\ntheta = theta - eta * (g + gamma * b)",
                    "That is torch's nesterov=True: γ times the new b and the gradient once more.",
                ),
                Wrong("b = gamma * b + gradient(theta)\ntheta = theta - b", "η is in neither line."),
                Wrong(
                    "b = gradient(theta)\ntheta = theta - eta * b",
                    "That is gradient descent: b forgets what it was.",
                ),
                Wrong(
                    "b = b + gradient(theta)\ntheta = theta - eta * b", "Without γ nothing of b ever fades."
                ),
            ),
            why="Equal to the slide's form at a constant η. When η changes, b takes the new one at once.",
        ),
        MissingLine(
            name="momentum.at_change",
            title="keep torch's form equal when the rate changes",
            prompt=(
                "b is torch's memory of gradients, and η falls once, from eta_old at step t − 1 to eta at "
                "step t (they are equal at all other steps). Write the line that mends b, so that θ takes "
                "the path of the slide's form."
            ),
            hints=(
                "The slide's v is η times b, with the η at which each gradient came in.",
                (
                    "At the change, v must stay what it was: eta times the new b must be eta_old times the "
                    "old one."
                ),
            ),
            begin="b = 0",
            before="g = gradient(theta)",
            right="b = b * eta_old / eta",
            after="b = gamma * b + g\ntheta = theta - eta * b",
            target="b",
            probes=(TWO_RATES, Probe({"eta": 0.02, "gamma": 0.9}, later={"eta": 0.03}, bowl=2.0, change=3)),
            wrong=(
                Wrong("b", "b still remembers gradients only, and ηb jumps with η."),
                Wrong(
                    "b * eta / eta_old",
                    "Upside down: the old memory was made with the larger η, and must count for more.",
                ),
                Wrong("b * eta", "Only the change matters: at equal rates b must stay as it is."),
                Wrong(
                    "b * eta_old",
                    (
                        "Only the change matters: at equal rates b must stay as it is. Divide by what the "
                        "step multiplies with."
                    ),
                ),
                Wrong(
                    "b / eta",
                    "Only the change matters: at equal rates b must stay as it is. What was b made with?",
                ),
                Wrong(
                    "b + eta_old - eta",
                    "A memory that is to be longer by a factor is multiplied, not added to.",
                ),
                Wrong("0 * b", "An empty memory is not the slide's: it goes on with the speed it has."),
                Wrong("b * (eta_old / eta) ** 2", "Once is enough: the step multiplies with η once."),
            ),
            why="Once, before the first step at the new rate. Few training loops do it.",
        ),
        Number(
            name="momentum.steady",
            title="how long the steps become",
            prompt=(
                "On a steady slope the memory fills up. At γ = 0.9, how many times as long as gradient "
                "descent's are its steps in the end?"
            ),
            hints=(
                "In the end v does not change any more: put v for both v_t and v_(t−1).",
                "Solve v = γv + ηg for v.",
            ),
            right=10.0,
            wrong=(
                Wrong(1.0, "That would be an average. The slide's v is a sum."),
                Wrong(
                    9.0, "γ/(1 − γ) counts the memory alone. The gradient of the step itself comes on top."
                ),
                Wrong(1.9, "That is the second step. The memory goes on filling."),
                Wrong(0.1, "Upside down: 1 − γ goes into the denominator."),
                Wrong(0.9, "γ is what is left of one step. All that is left of all steps adds up."),
            ),
            why="1/(1 − γ): keep it in mind whenever somebody compares the two at the same η.",
        ),
        Number(
            name="momentum.overshoot",
            title="when it overshoots",
            prompt=(
                "On ½θ² with η = 0.01 a ball let go at 1 crosses the minimum if γ is large. What is the "
                "infimum of the γ at which it does?"
            ),
            hints=(
                "θ_(t+1) = (1 + γ − η)θ_t − γθ_(t−1). When has z² = (1 + γ − η)z − γ no real root?",
                "The discriminant is 0 where η = (1 − √γ)².",
            ),
            right=0.81,
            within=0.004,
            wrong=(
                Wrong(0.9, "That is √γ. The equation has (1 − √γ)² in it."),
                Wrong(0.99, "1 − η leaves out a root: it is √η that stands beside √γ."),
                Wrong(0.19, "That is 1 − γ."),
                Wrong(1.21, "That is the other root of the discriminant, beyond 1."),
                Wrong(0.98, "1 − 2η leaves out a root: it is √η that stands beside √γ."),
            ),
            why="At this γ itself the two roots coincide and it does not cross: the infimum is not attained.",
        ),
    ),
)
