"""Muon: what Newton–Schulz does to a singular value, its average, and the factor of a matrix's shape."""

from gdcourse.exercises.behaviour import Formula, MissingLine, Probe
from gdcourse.exercises.exercise import Chapter, Wrong
from gdcourse.exercises.small import Choice, Number

VALUES = tuple(
    {"x": x, "a": a, "b": b, "c": c}
    for a, b, c in ((2.0, -1.5, 0.5), (3.4445, -4.775, 2.0315))
    for x in (0.01, 0.3, 0.9)
)
SHAPES = tuple({"n": n, "m": m} for n, m in ((64, 16), (16, 64), (10, 10), (50, 8)))
PROBES = (Probe({"eta": 0.1, "mu": 0.8}), Probe({"eta": 0.25, "mu": 0.6}, bowl=1.0, start=-2.0))

CHAPTER = Chapter(
    "muon",
    (
        Formula(
            name="muon.polynomial",
            title="what a step does to a singular value",
            prompt=(
                "One step takes X to aX + bAX + cA²X with A = XXᵀ. What does it make of a singular value x "
                "of X? Write it as a function of x, a, b, c."
            ),
            hints=(
                "Put X = U diag(x) Vᵀ in. What are A's singular values?",
                "A has x², A² has x⁴, and each is multiplied by X once.",
            ),
            names=("x", "a", "b", "c"),
            target="y",
            shows="the new singular value",
            right="a * x + b * x**3 + c * x**5",
            probes=(VALUES,),
            wrong=(
                Wrong("a * x + b * x**2 + c * x**3", "A has x² and not x: XXᵀ multiplies twice."),
                Wrong("a + b * x**2 + c * x**4", "X itself is missing: each part is multiplied by it."),
                Wrong("a * x + b * x**3 + c * x**4", "A² has x⁴, and X comes on top."),
                Wrong("a * x + b * x**2 + c * x**4", "X comes on top of A and of A²."),
                Wrong("a * x", "Only a tiny value sees no more. The others are bent back by b and c."),
                Wrong("a * x**5 + b * x**3 + c * x", "The other order: a belongs to X alone."),
                Wrong("a * x - b * x**3 + c * x**5", "b has its sign in it already."),
                Wrong(
                    "x * (a + b + c)",
                    "b and c come with powers of x, else no value would be drawn towards 1.",
                ),
            ),
            why="The singular vectors stay. Only the values change.",
        ),
        Number(
            name="muon.steps",
            title="how many steps a small value takes",
            prompt=(
                "How many steps with the classical coefficients (1.5, −0.5, 0) take a singular value of "
                "0.001 above 0.5? A whole number."
            ),
            hints=(
                "While it is small, each step multiplies it by a.",
                ("How often must 0.001 be multiplied by 1.5 until it is 0.5? The bend costs a bit more."),
            ),
            right=16.0,
            within=0.001,
            wrong=(
                Wrong(15.0, "0.001 · 1.5¹⁵ is not 0.5 yet."),
                Wrong(10.0, "That is for (2, −1.5, 0.5)."),
                Wrong(6.0, "That is for Jordan's coefficients, whose a is 3.4445."),
                Wrong(5.0, "Five steps are what Muon takes, with a steeper polynomial."),
                Wrong(333.0, "Each step multiplies by 1.5. It does not add."),
            ),
            why="A steep a is quick with small values; Jordan's pays with an overshoot near 1.",
        ),
        MissingLine(
            name="muon.average",
            title="the average that looks ahead",
            prompt=(
                "Muon orthogonalises U, which mixes the average M once more with the gradient, as "
                "Nesterov's momentum does. Write the line that sets U (the loop leaves the "
                "orthogonalisation out)."
            ),
            hints=(
                "M is up to date. U is what M would become with the same gradient once more.",
                "The same shares as in M: μ and 1 − μ.",
            ),
            begin="M = 0",
            before="g = gradient(theta)\nM = M + (1 - mu) * (g - M)",
            right="U = mu * M + (1 - mu) * g",
            after="theta = theta - eta * U",
            target="U",
            probes=PROBES,
            wrong=(
                Wrong("M", "That is plain momentum: the gradient is not mixed in once more."),
                Wrong("mu * M + g", "The shares of an average add up to 1."),
                Wrong(
                    "M + (1 - mu) * g", "M has to make room for the gradient: only a share μ of it counts."
                ),
                Wrong(
                    "(1 - mu) * M + mu * g", "μ and 1 − μ are swapped: μ is how much of the memory counts."
                ),
                Wrong("mu * M", "The gradient is missing."),
                Wrong("g", "Where is the memory?"),
                Wrong("M + mu * (M - g)", "That goes away from the gradient."),
                Wrong("(M + g) / 2", "The shares are μ and 1 − μ, as in M."),
            ),
            why=(
                "The average is taken before the matrix is orthogonalised. Whether that is the better "
                "order a longer exercise asks."
            ),
        ),
        Formula(
            name="muon.shape",
            title="the factor of the shape",
            prompt=(
                "Jordan's Muon multiplies the step of a matrix with n rows and m columns by a factor: 1 "
                "for wide ones, above 1 for tall ones. Write it."
            ),
            hints=("It depends on n/m alone.", "A root, of the larger of two numbers."),
            names=("n", "m"),
            target="factor",
            shows="the factor",
            right="max(1, n / m)**0.5",
            probes=(SHAPES,),
            wrong=(
                Wrong("max(1, n / m)", "The root is missing."),
                Wrong("(n / m)**0.5", "For wide matrices that is below 1: it stays 1 there."),
                Wrong("max(1, m / n)**0.5", "The other way round: the rows, n, are above."),
                Wrong("0.2 * max(n, m)**0.5", "That is Liu's, which matches the size of Adam's steps."),
                Wrong("1", "That is for wide matrices alone."),
                Wrong("max(n, m)**0.5", "It depends on n/m, not on the size."),
                Wrong("min(1, n / m)**0.5", "The other one: the larger of the two."),
            ),
            why=(
                "Rows are outputs here, as in torch: a tall matrix writes into more outputs than it reads "
                "inputs. (In the network of the first chapters rows are inputs.)"
            ),
        ),
        Choice(
            name="muon.scale",
            title="a thousand times the loss",
            prompt="All gradients are multiplied by 1,000. What do Muon's steps do?",
            options=(
                "They become 1,000 times as long",
                "They stay",
                "They become √1000 times as long",
                "They get shorter",
            ),
            right="b",
            hints=("The first thing that Newton–Schulz does is X = U/‖U‖.",),
            wrong=(
                Wrong("a", "The length is divided away before the first step of Newton–Schulz."),
                Wrong("c", "The length is divided away as a whole, without a root."),
                Wrong("d", "A factor common to all is gone after U/‖U‖: Newton–Schulz gets the same."),
            ),
            why="Only the directions of a matrix count: the length of the step is η's.",
        ),
    ),
)
