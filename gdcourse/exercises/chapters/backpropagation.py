"""Backpropagation: from the scores down, through a layer, to a weight."""

from gdcourse.exercises.behaviour import Formula, MissingLine, Probe
from gdcourse.exercises.exercise import Chapter, Wrong
from gdcourse.exercises.small import Choice, Number

BELIEFS = tuple({"p": p, "hit": hit} for p, hit in ((0.7, 1), (0.2, 0), (0.05, 1), (0.9, 0), (0.5, 1)))
UNITS = tuple(
    dict(zip(("d1", "d2", "w1", "w2", "z"), row, strict=True))
    for row in (
        (0.5, -0.25, 2.0, 1.0, 0.3),
        (0.5, -0.25, 2.0, 1.0, -0.3),
        (-1.0, 2.0, 0.5, -3.0, 2.0),
        (0.25, 0.75, -1.0, 4.0, 5.0),
        (0.25, 0.75, -1.0, 4.0, -1.5),
    )
)
NET = {"x": 2.0, "y": 1.0, "w": 0.5}

CHAPTER = Chapter(
    "backpropagation",
    (
        Formula(
            name="backpropagation.scores",
            title="δ at the scores",
            prompt=(
                "J = −log p_y, and p comes from the scores by the softmax. Write ∂J/∂s_k as a function of "
                "p, the belief in k, and of hit, which is 1 if k is the right label and 0 if not."
            ),
            hints=(
                "Softmax and logarithm cancel into something very short.",
                (
                    "For the right label the slope is negative: its score should rise. It is 0 where the "
                    "network is sure and right."
                ),
            ),
            names=("p", "hit"),
            target="delta",
            shows="δ",
            right="p - hit",
            probes=(BELIEFS,),
            wrong=(
                Wrong(
                    "hit - p",
                    "The sign is turned round: that is which way the score should go, minus the slope.",
                ),
                Wrong(
                    "p * (1 - p)",
                    "That is the slope of p in its own score. The logarithm's 1/p comes on top.",
                ),
                Wrong("-hit / p", "That is the slope of J in p. It goes on through the softmax."),
                Wrong(
                    "(p - hit) * p * (1 - p)",
                    "That belongs to a squared error behind a sigmoid. Here the softmax's slope cancels.",
                ),
                Wrong(
                    "p",
                    "For the right label something is taken off: otherwise every score would have to fall.",
                ),
                Wrong("0.5 * (p - hit)**2", "That is a loss. Its slope is asked for."),
                Wrong("hit * (p - 1)", "The wrong labels have slopes, too: their scores should fall."),
            ),
            why="What the network believes minus what is true.",
        ),
        Formula(
            name="backpropagation.hidden",
            title="δ of a hidden unit",
            prompt=(
                "A hidden unit a = max(0, z) feeds two scores with the weights w1 and w2; their slopes are "
                "d1 and d2. Write δ = ∂J/∂z as a function of d1, d2, w1, w2, z."
            ),
            hints=(
                "The unit acts on J along two ways, and slopes along different ways add up.",
                "Along each way slopes multiply: a weight, and the slope of max(0, z).",
            ),
            names=("d1", "d2", "w1", "w2", "z"),
            target="delta",
            shows="δ",
            right="(d1 * w1 + d2 * w2) * (z > 0)",
            probes=(UNITS,),
            wrong=(
                Wrong(
                    "d1 * w1 + d2 * w2",
                    ("That is the slope in a. Where z is below 0, a does not move with z."),
                ),
                Wrong(
                    "(d1 * w1 + d2 * w2) * max(0, z)",
                    "The last factor is the slope of max(0, z), which is 0 or 1, not its value.",
                ),
                Wrong("(d1 + d2) * (z > 0)", "The weights are missing: a strong connection hands down more."),
                Wrong(
                    "(d1 * w1 + d2 * w2) * (z < 0)",
                    "The other way round: the slope of max(0, z) is 1 above 0.",
                ),
                Wrong("d1 * w1 * d2 * w2 * (z > 0)", "Two ways add up. Only along one way slopes multiply."),
                Wrong("(d1 * w1 + d2 * w2) * z", "The last factor is the slope of max(0, z), not z."),
                Wrong(
                    "(d1 * w2 + d2 * w1) * (z > 0)",
                    ("Each slope goes back through the weight of its own way."),
                ),
                Wrong(
                    "(d1 / w1 + d2 / w2) * (z > 0)", "Going down multiplies by the same weight as going up."
                ),
            ),
            why="The same weights as on the way up, read the other way: that is the transpose.",
        ),
        MissingLine(
            name="backpropagation.weight",
            title="the slope of a weight",
            prompt=(
                "A tiny network: z = θx, a = max(0, z), s = wa, and J = ½(s − y)². Write the line that "
                "sets g to ∂J/∂θ."
            ),
            hints=(
                "One way leads from θ to J: z, a, s. Multiply the slopes along it.",
                "From the top: what is the slope of J in s, of s in a, of a in z, of z in θ?",
            ),
            before="z = theta * x\na = max(0, z)\ns = w * a",
            right="g = (s - y) * w * (z > 0) * x",
            after="theta = theta - eta * g",
            target="g",
            probes=(
                Probe({"eta": 0.1, **NET}, gradients=(0.0,), steps=4),
                Probe({"eta": 0.1, "x": -1.5, "y": 2.0, "w": -0.5}, gradients=(0.0,), steps=4, start=-3.0),
                Probe({"eta": 0.1, **NET}, gradients=(0.0,), steps=4, start=-1.0),
                Probe({"eta": 0.1, "x": 0.5, "y": 2.0, "w": 0.5}, gradients=(0.0,), steps=4),
            ),
            wrong=(
                Wrong(
                    "(s - y) * w * x",
                    "Where z is below 0 the unit is silent, and the weight below it has no slope.",
                ),
                Wrong("(s - y) * (z > 0) * x", "The way leads through w as well."),
                Wrong("(s - y) * w * (z > 0)", "What came in is missing: z = θx changes with θ by x."),
                Wrong(
                    "(y - s) * w * (z > 0) * x", "The sign is turned round: the slope of ½(s − y)² is s − y."
                ),
                Wrong("(s - y) * w * (z > 0) * a", "What came into this layer is x. a is what goes out."),
                Wrong("(s - y) * w * z * x", "The slope of max(0, z) is 0 or 1, not z."),
                Wrong(
                    "0.5 * (s - y)**2 * w * (z > 0) * x", "The way starts with the slope of J, not with J."
                ),
                Wrong("(s - y) * a", "That is the slope of w, the upper weight."),
            ),
            why="What came in, times δ: for a whole layer that is an outer product.",
        ),
        Number(
            name="backpropagation.depth",
            title="ten layers down",
            prompt="Each of ten layers halves δ on its way down. How many times smaller is it at the bottom?",
            hints=("Ten multiplications by a half.",),
            right=1024.0,
            within=0.001,
            wrong=(
                Wrong(20.0, "The halvings do not add up: each acts on what the last one left."),
                Wrong(
                    5.0,
                    "Ten halves do not add up: each acts on what the last one left.",
                ),
                Wrong(100.0, "That would be ten layers squared. It is a power of two."),
                Wrong(1 / 1024, "That is what is left. It is smaller by one over that."),
                Wrong(512.0, "Nine halvings. There are ten."),
            ),
            why=(
                "The lowest layer hears next to nothing of the loss: that is why the scale of the start "
                "matters."
            ),
        ),
        Choice(
            name="backpropagation.zero",
            title="all weights zero",
            prompt=(
                "A network 784–32–10 with max(0, z) starts with all weights and biases at 0. At one digit, "
                "which slopes are not all 0?"
            ),
            options=(
                "Those of the upper biases b₂ alone",
                "Those of W₂ and b₂",
                "All four",
                "None of the four",
            ),
            right="a",
            hints=("δ at the scores is p − [k = y], not 0. What does W₂'s slope multiply it with?",),
            wrong=(
                Wrong("b", "W₂'s slope is a times δ, and a is max(0, 0)."),
                Wrong("c", "δ goes down through W₂, which is 0: below it nothing arrives."),
                Wrong("d", "The biases b₂ have δ itself as their slope, and p is not the truth."),
            ),
            why="So it learns how frequent the digits are, and never anything about the pixels.",
        ),
    ),
)
