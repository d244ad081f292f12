"""Shampoo, SOAP, Adafactor: two factors for a matrix, their powers, and what is kept."""

from gdcourse.exercises.behaviour import Formula, MissingLine, Probe
from gdcourse.exercises.exercise import Chapter, Wrong
from gdcourse.exercises.small import Number

PROBES = (
    Probe({"eta": 0.5, "eps": 0.1, "p": 0.25}),
    Probe({"eta": 0.2, "eps": 0.3, "p": 0.5}, bowl=1.0, start=-2.0),
)
VALUES = tuple({"sigma": s, "p": p} for p in (0.25, 0.5, 0.125) for s in (4.0, 0.25, 9.0))
ENTRIES = tuple(
    {"r": r, "c": c, "mean": mean}
    for r, c, mean in ((2.0, 3.0, 1.0), (0.5, 4.0, 2.0), (1.0, 1.0, 0.25), (5.0, 0.2, 3.0))
)

CHAPTER = Chapter(
    "curvature",
    (
        MissingLine(
            name="curvature.shampoo",
            title="Shampoo, on a matrix of one number",
            prompt=(
                "Take a matrix of one row and one column. L and R, the two factors, start at 0 and sum "
                "g·gᵀ and gᵀ·g. Write the line that moves θ, with the power p on each side and ε beside "
                "each factor."
            ),
            hints=(
                "One factor stands on the left of g, one on the right, each to the power −p.",
                "ε is added to L and to R, before the power.",
            ),
            begin="L = 0\nR = 0",
            before="g = gradient(theta)\nL = L + g * g\nR = R + g * g",
            right="theta = theta - eta * (eps + L)**-p * g * (eps + R)**-p",
            target="theta",
            probes=PROBES,
            wrong=(
                Wrong(
                    "theta - eta * (eps + L)**p * g * (eps + R)**p",
                    "The powers are negative: a steep direction gets shorter steps.",
                ),
                Wrong(
                    "theta - eta * (eps + L)**-p * g",
                    "The right side is missing: columns have a factor, too.",
                ),
                Wrong(
                    "theta - eta * L**-p * g * R**-p",
                    "ε is missing: a direction without a gradient so far would be divided by 0.",
                ),
                Wrong(
                    "theta + eta * (eps + L)**-p * g * (eps + R)**-p", "The step goes against the gradient."
                ),
                Wrong(
                    "theta - eta * (eps + L**-p) * g * (eps + R**-p)",
                    "ε is added to the factor, not to its power.",
                ),
                Wrong("theta - (eps + L)**-p * g * (eps + R)**-p", "η is missing."),
                Wrong(
                    "theta - eta * (eps + L)**-1 * g * (eps + R)**-1", "The power is p on each side, not 1."
                ),
                Wrong(
                    "theta - eta * (eps + L + R)**-p * g",
                    "The factors stand on two sides. They are not added.",
                ),
                Wrong("theta - eta * (eps + L)**-p * (eps + R)**-p", "g itself is missing between the two."),
            ),
            why="With p = ¼ and one number it is Adagrad: L and R are both its G.",
        ),
        Formula(
            name="curvature.power",
            title="one gradient, and its singular values",
            prompt=(
                "Without a history L = ggᵀ and R = gᵀg. What does (ggᵀ)⁻ᵖ g (gᵀg)⁻ᵖ make of a singular "
                "value σ of g? Write it as a function of sigma and p."
            ),
            hints=(
                "ggᵀ has the singular value σ².",
                "To the power −p that is σ to which power? It stands there twice, and g once.",
            ),
            names=("sigma", "p"),
            target="left",
            shows="what is left",
            right="sigma**(1 - 4 * p)",
            probes=(VALUES,),
            wrong=(
                Wrong("sigma**(1 - 2 * p)", "ggᵀ has σ², not σ: each side takes 2p from the power."),
                Wrong("sigma**(1 + 4 * p)", "The powers of the sides are negative."),
                Wrong("sigma**(-4 * p)", "g itself is missing between the two."),
                Wrong("sigma**(1 - p)", "There are two sides, and each has σ²."),
                Wrong("1", "That is so for p = ¼ alone."),
                Wrong("sigma", "The two sides do something, if p is not 0."),
                Wrong("sigma**(1 - 4) * p", "p belongs into the power."),
            ),
            why="With p = ¼ all are 1, which is Muon's direction; with ½ the weak ones get the long steps.",
        ),
        Number(
            name="curvature.memory",
            title="when two factors are too much",
            prompt=(
                "An embedding of 50,000 words and 512 numbers: how many times what Adam keeps does Shampoo "
                "keep?"
            ),
            hints=(
                "Adam keeps two numbers for each entry.",
                "Shampoo keeps a square for each side: n² + m².",
            ),
            right=(50_000**2 + 512**2) / (2 * 50_000 * 512),
            wrong=(
                Wrong(
                    (50_000**2 + 512**2) / (50_000 * 512), "Adam keeps two numbers for each entry, m and v."
                ),
                Wrong(50_512 / (2 * 50_000 * 512), "Each factor is a square, with as many rows as columns."),
                Wrong(512 / 100_000, "That is the short side alone."),
                Wrong(
                    1 + (50_000**2 + 512**2) / (50_000 * 512),
                    "That is SOAP: two factors and two bases, besides what Adam keeps.",
                ),
                Wrong(
                    1.0,
                    ("Adam keeps nm numbers twice. A square of the long side alone is far more than that."),
                ),
            ),
            why="The long side alone makes all of it: programs leave long sides without a factor.",
        ),
        Formula(
            name="curvature.adafactor",
            title="Adafactor's guess",
            prompt=(
                "Adafactor keeps, of a matrix of squares, each row's mean r and each column's mean c. mean "
                "is the mean of all. Write its guess of the entry where a row and a column meet."
            ),
            hints=(
                (
                    "If all entries are equal to one number, r, c and mean are this number, and the guess "
                    "must be it, too."
                ),
                "It must be exact for a matrix of rank one: a number for the row times one for the column.",
            ),
            names=("r", "c", "mean"),
            target="guess",
            shows="the guess",
            right="r * c / mean",
            probes=(ENTRIES,),
            wrong=(
                Wrong("r * c", "That has the unit of a square twice: divide by the mean of all."),
                Wrong("(r + c) / 2", "A sum is not exact for every matrix of rank one: try rows of 1 and 2."),
                Wrong(
                    "(r * c)**0.5",
                    "The unit is right, but a row twice as large must make the entry twice as large.",
                ),
                Wrong(
                    "r + c - mean",
                    "That fits matrices that are sums of rows and columns. It may fall below 0.",
                ),
                Wrong("r * c / mean**2", "That has no unit left: one division is enough."),
                Wrong("r * c * mean", "Divide by the mean: with equal entries the guess must be the entry."),
                Wrong(
                    "max(r, c)",
                    "No product of row and column: a row twice as large need not make it twice as large.",
                ),
                Wrong(
                    "min(r, c)",
                    (
                        "The smaller of the two is no product of row and column: a row twice as large need "
                        "not make it twice as large."
                    ),
                ),
            ),
            why="n + m numbers in place of nm, exact where the squares have rank one.",
        ),
    ),
)
