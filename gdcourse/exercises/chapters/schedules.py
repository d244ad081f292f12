"""Schedules: the line, the cosine, the plateau and the warm-up, counted so that no step is lost."""

from gdcourse.exercises.behaviour import Formula
from gdcourse.exercises.exercise import Chapter, Wrong
from gdcourse.exercises.small import Number

PLACES = tuple({"t": t, "T": T} for T in (10, 4) for t in (1, 2, 4, 10) if t <= T)
ENDS = tuple({"t": t, "T": T, "n": n} for T, n in ((10, 4), (12, 5)) for t in (1, 5, 6, 7, 8, 9, 10))
STARTS = tuple({"t": t, "w": w} for w in (4, 10) for t in (1, 2, 4, 7, 10, 25))

CHAPTER = Chapter(
    "schedules",
    (
        Formula(
            name="schedules.linear",
            title="the line",
            prompt=(
                "Write the factor on the rate that falls in a line over the steps t = 1 … T: 1 at the "
                "first step, and after the last one it would be 0."
            ),
            hints=(
                "How many steps are left at step t, this one included?",
                "At t = 1 it must be T over T, at t = T one over T.",
            ),
            names=("t", "T"),
            right="(T - t + 1) / T",
            probes=(PLACES,),
            wrong=(
                Wrong("(T - t) / T", "t starts at 1: the last step would have a rate of 0, and be none."),
                Wrong("t / T", "That rises."),
                Wrong("(T - t) / (T - 1)", "It starts at 1, but the last step has a rate of 0, and is none."),
                Wrong("1 - t / (T + 1)", "At t = 1 it has to be 1, the full rate."),
                Wrong("1 / t", "That falls fast at first and never gets to 0: it is no line."),
                Wrong("(T - t + 1)", "That counts the steps that are left. Make it a share of all."),
                Wrong("1 - t", "t counts steps, and the line takes T of them."),
            ),
            why="Counted by the steps that are left, no step is taken with a rate of 0.",
        ),
        Formula(
            name="schedules.cosine",
            title="the cosine",
            prompt=(
                "Write the factor that falls from 1 at t = 1 along half a cosine, slowly at both ends, and "
                "would be 0 at t = T + 1."
            ),
            hints=(
                "A cosine runs from 1 to −1 between 0 and π. How do you make that 1 to 0?",
                "With ℓ = T − t + 1 steps left, the angle is a share of π.",
            ),
            names=("t", "T"),
            right="(1 - cos(pi * (T - t + 1) / T)) / 2",
            probes=(PLACES,),
            wrong=(
                Wrong(
                    "(1 + cos(pi * t / T)) / 2",
                    "t starts at 1: the first rate is not the full one, and the last is 0.",
                ),
                Wrong("(1 - cos(pi * (t - 1) / T)) / 2", "That rises: at t = 1 it is 0."),
                Wrong("cos(pi * (t - 1) / T)", "That falls to −1: a negative rate climbs."),
                Wrong(
                    "cos(pi * (t - 1) / (2 * T))",
                    "A quarter of a wave ends steeply: half of one is slow at both ends.",
                ),
                Wrong("1 - cos(pi * (T - t + 1) / T)", "That starts at 2: take half of it."),
                Wrong("(1 + cos(2 * pi * (t - 1) / T)) / 2", "A whole wave comes back to 1."),
                Wrong("(1 + cos(pi * (t - 1) / (T - 1))) / 2", "The last step has a rate of 0, and is none."),
                Wrong("(T - t + 1) / T", "That is the line."),
            ),
            why="Up to step T it is torch's CosineAnnealingLR.",
        ),
        Formula(
            name="schedules.wsd",
            title="the plateau and the drop",
            prompt=(
                "Write the factor that is 1 until the last n of T steps, and falls in a line to 0 over these."
            ),
            hints=(
                "Write the line of the last n steps first, by the steps that are left.",
                "Earlier that line lies above 1. Which function cuts it off there?",
            ),
            names=("t", "T", "n"),
            right="min(1, (T - t + 1) / n)",
            probes=(ENDS,),
            wrong=(
                Wrong(
                    "(T - t + 1) / n", "Before the drop that is above 1: the rate stays at its peak there."
                ),
                Wrong("(T - t + 1) / T", "That falls from the first step on."),
                Wrong(
                    "min(1, (T - t) / n)",
                    "The last step would have a rate of 0: count the steps that are left with this one.",
                ),
                Wrong("max(1, (T - t + 1) / n)", "The other one: the smaller of the two."),
                Wrong("1 if t <= T - n else 0", "It falls in a line over the last n steps, not at once."),
                Wrong("min(1, n / t)", "That falls like 1/t, and begins at step n: it must know the end, T."),
                Wrong("min(1, (T - t + 1) / (T - n))", "The line takes the last n steps, not the others."),
            ),
            why="One run serves several ends: branch off, and let each branch fall.",
        ),
        Formula(
            name="schedules.warmup",
            title="the warm-up",
            prompt=(
                "Write the factor that rises in a line over the first w steps, is 1 at step w and stays "
                "there."
            ),
            hints=("At the first step it is one part of w, not 0.", "Cut the line off at 1."),
            names=("t", "w"),
            right="min(1, t / w)",
            probes=(STARTS,),
            wrong=(
                Wrong("t / w", "It goes on rising after step w."),
                Wrong(
                    "min(1, (t - 1) / w)",
                    "t starts at 1: the first step would have a rate of 0, and be none.",
                ),
                Wrong("min(1, t / (w + 1))", "At step w it must be 1."),
                Wrong("max(1, t / w)", "The other one: the smaller of the two."),
                Wrong("1 if t > w else 0", "It rises in a line, and does not jump."),
                Wrong("min(1, w / t)", "That starts at 1 and falls."),
                Wrong("min(1, (t / w)**0.5)", "That rises steeply at first: a line is asked for."),
            ),
            why="A large rate is often borne only after some steps.",
        ),
        Number(
            name="schedules.horizons",
            title="one run, three ends",
            prompt=(
                "You want results after 400, 800 and 1,600 steps. With WSD you run once at a constant "
                "rate, and a copy falls to 0 over the last fifth before each end. How many steps does that "
                "take in all, if the longest branch is the end of the run itself?"
            ),
            hints=(
                "The run itself takes how many steps? Which branches are extra?",
                "The two shorter ends each branch off a fifth before: their last fifths are extra steps.",
            ),
            right=1840.0,
            within=0.001,
            wrong=(
                Wrong(2800.0, "That is three separate runs, as a cosine needs."),
                Wrong(2160.0, "The last fifth of the longest is the run's own end: it is not taken twice."),
                Wrong(1600.0, "The two branches take steps of their own, besides the run's."),
                Wrong(560.0, "Those are the three branches alone."),
                Wrong(1680.0, "Both shorter ends need a branch, that of 400 and that of 800."),
            ),
            why="A cosine knows its end from the first step on, and needs 2,800.",
        ),
    ),
)
