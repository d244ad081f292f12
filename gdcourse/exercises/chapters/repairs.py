"""Repairs of Adam: the largest v so far, clipping, caution, and how long a spike stays in v."""

from gdcourse.exercises.behaviour import MissingLine, Probe
from gdcourse.exercises.exercise import Chapter, Wrong
from gdcourse.exercises.small import Choice, Number

ADAM = (
    Probe({"eta": 0.5, "beta1": 0.9, "beta2": 0.9, "eps": 0.1}),
    Probe({"eta": 0.2, "beta1": 0.5, "beta2": 0.6, "eps": 0.3}, bowl=1.0, start=-2.0),
)
CLIP = (Probe({"eta": 0.1, "M": 1.5}), Probe({"eta": 0.25, "M": 0.8}, bowl=1.0, start=-3.0))
CAUTIOUS = (Probe({"eta": 0.1, "gamma": 0.9}), Probe({"eta": 0.25, "gamma": 0.8}, bowl=1.0, start=-2.0))

CHAPTER = Chapter(
    "repairs",
    (
        MissingLine(
            name="repairs.largest",
            title="AMSGrad's line",
            prompt="AMSGrad divides by the root of the largest v so far, u. Write the line that sets u.",
            hints=("u never falls.", "Of two numbers it is the larger: what it was, and what v is now."),
            begin="m = 0\nv = 0\nu = 0",
            before="g = gradient(theta)\nm = beta1 * m + (1 - beta1) * g\nv = beta2 * v + (1 - beta2) * g**2",
            right="u = maximum(u, v)",
            after=(
                "m_hat, u_hat = m / (1 - beta1**t), u / (1 - beta2**t)\ntheta = theta - eta * m_hat / "
                "(u_hat**0.5 + eps)"
            ),
            target="u",
            probes=ADAM,
            wrong=(
                Wrong("v", "That is Adam: what v forgets, u forgets, too."),
                Wrong(
                    "maximum(u, g**2)",
                    (
                        "The largest average, not the largest square: a single spike would rule for ever "
                        "at its full height."
                    ),
                ),
                Wrong("where(u < v, u, v)", "That is the smaller of the two: it stays 0."),
                Wrong("u + v", "That sums. Only the largest is kept."),
                Wrong("beta2 * maximum(u, v)", "u does not fade: it never falls."),
                Wrong(
                    "maximum(u, v / (1 - beta2**t))",
                    (
                        "v itself is compared, as in torch. The bias is corrected in the next line: here "
                        "it would be twice."
                    ),
                ),
                Wrong("maximum(u, m**2)", "v is the average of the squares, not the square of the average."),
                Wrong("(u + v) / 2", "That forgets what was large. u never falls."),
            ),
            why="A rare large gradient is not forgotten: that mends Reddi's counterexample.",
        ),
        MissingLine(
            name="repairs.clip",
            title="clipping by length",
            prompt=(
                "A gradient longer than M is shortened to the length M and keeps its direction; a shorter "
                "one stays. Write the line that sets g."
            ),
            hints=(
                "By which factor is a gradient shortened that is longer than M?",
                "The factor is M over the length, but never above 1.",
            ),
            before="g = gradient(theta)",
            right="g = g * min(1, M / abs(g))",
            after="theta = theta - eta * g",
            target="g",
            probes=CLIP,
            wrong=(
                Wrong("g", "Nothing is shortened."),
                Wrong("min(g, M)", "That cuts gradients above M. Those below −M are as long."),
                Wrong("M * sign(g)", "That stretches the short ones as well."),
                Wrong(
                    "g if abs(g) < M else 0",
                    "That throws long gradients away. They are shortened, and keep their direction.",
                ),
                Wrong("min(abs(g), M)", "The direction is lost: all steps lead the same way."),
                Wrong("g * max(1, M / abs(g))", "The other one: the factor is never above 1."),
                Wrong(
                    "g / M if abs(g) > M else g",
                    "Divided by M it has no length M: divide by its own length, and multiply by M.",
                ),
                Wrong("g * min(1, M)", "The factor depends on how long g is."),
            ),
            why="In more coordinates the length is that of all together, so the direction stays.",
        ),
        MissingLine(
            name="repairs.cautious",
            title="the cautious mask",
            prompt=(
                "u is momentum's step, which is to be taken off θ, and g is the gradient of this moment. A "
                "cautious optimizer leaves the step out where it leads uphill. Write the line that moves θ "
                "(there is one weight, so nothing is made up for)."
            ),
            hints=(
                "Taking off u goes down where u and g point the same way.",
                "Compare the sign of u · g with 0.",
            ),
            begin="u = 0",
            before="g = gradient(theta)\nu = gamma * u + eta * g",
            right="theta = theta - (u if u * g > 0 else 0)",
            target="theta",
            probes=CAUTIOUS,
            wrong=(
                Wrong("theta - u", "That is momentum: nothing is left out."),
                Wrong(
                    "theta - (u if u * g < 0 else 0)",
                    "The other way round: where u and g have one sign, taking off u goes down.",
                ),
                Wrong(
                    "theta - (u if theta * g > 0 else 0)",
                    "Compare the step with the gradient, not θ with it.",
                ),
                Wrong(
                    "theta - (u if u * theta > 0 else 0)",
                    "That asks whether θ gets shorter: it is the mask of cautious decay.",
                ),
                Wrong(
                    "theta - (u if u * g > 0 else eta * g)",
                    "Where they disagree nothing is done: the step is left out, not replaced.",
                ),
                Wrong(
                    "theta - (u if u * g > 0 else -u)",
                    "Where they disagree nothing is done: the step is left out, not turned round.",
                ),
                Wrong(
                    "theta - (u if u > 0 else 0)",
                    "That asks for the sign of the step alone. It may be right to go either way.",
                ),
                Wrong(
                    "theta - (u if g > 0 else 0)",
                    "That asks for the sign of the gradient alone. It may be right to go either way.",
                ),
                Wrong(
                    "theta - abs(u) * g", "The step keeps its length where it is taken: the mask is 0 or 1."
                ),
            ),
            why="The memory itself goes on as if the whole step had been taken.",
        ),
        Number(
            name="repairs.standstill",
            title="how long a standstill",
            prompt=(
                "Gradients are noise of size 1; then comes a single one of 100. With β₂ = 0.99, about how "
                "many steps after it are Adam's steps half as long as usual again?"
            ),
            hints=(
                "A step is half as long where v is four times what it was, 1.",
                (
                    "The spike adds (1 − β₂) · 100² to v, and a share β₂ of it is left after each step. "
                    "When is it 3?"
                ),
            ),
            right=350.0,
            within=0.015,
            wrong=(
                Wrong(458.0, "There v is twice what it was, and the step shorter by √2 only."),
                Wrong(807.0, "The spike comes into v with a share of 1 − β₂."),
                Wrong(
                    69.0, "After these v has lost half of the spike: it began at a hundred times the usual."
                ),
                Wrong(1204.0, "That is for β₂ = 0.999."),
                Wrong(
                    100.0,
                    (
                        "After 1/(1 − β₂) steps a third of the spike is left in v, and that is still more "
                        "than thirty times what is usual."
                    ),
                ),
                Wrong(
                    322.0,
                    (
                        "v is the noise's 1 and what is left of the spike together: it is 4 where the "
                        "spike's part is 3."
                    ),
                ),
            ),
            why="Clipping before the averages would have spared Adam both, the throw and the standstill.",
        ),
        Choice(
            name="repairs.belief",
            title="what AdaBelief believes",
            prompt=(
                "A coordinate's gradients are all equal to 2. What do AdaBelief's steps do, beside Adam's, "
                "after a while?"
            ),
            options=("They are the same", "They are far longer", "They are far shorter", "They stop"),
            right="b",
            hints=(
                (
                    "AdaBelief divides by the root of an average of (g − m)². How far is each gradient "
                    "from the average of all?"
                ),
            ),
            wrong=(
                Wrong(
                    "a",
                    (
                        "Adam divides by 2, the root of the mean square. AdaBelief divides by how far "
                        "gradients lie from their mean."
                    ),
                ),
                Wrong("c", "A small denominator makes long steps: the gradients lie near their mean."),
                Wrong("d", "They would stop if g − m stood above the fraction. It stands below."),
            ),
            why=(
                "A steady slope is believed: the steps grow as s forgets the start, and late only ε bounds "
                "them."
            ),
        ),
    ),
)
