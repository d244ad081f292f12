"""The race: what luck alone would do, a grid whose edge is best, and the seconds that steps cost."""

from gdcourse.exercises.exercise import Chapter, Wrong
from gdcourse.exercises.small import Choice, Number

CHAPTER = Chapter(
    "race",
    (
        Number(
            name="race.luck",
            title="ahead with all seeds, by luck",
            prompt=(
                "Two entrants are alike, and which of them ends lower with a seed is a coin's toss. With six "
                "seeds, how likely is it that one of them is ahead with all six?"
            ),
            hints=(
                "How likely is it that the first is ahead six times?",
                "The second may be the one that is ahead with all.",
            ),
            right=2 / 64,
            wrong=(
                Wrong(1 / 64, "That is for one of them, named beforehand. It may be either."),
                Wrong(1 / 512, "That is the chance with ten seeds, as on this page."),
                Wrong(1 / 6, "Six tosses of a coin have 2⁶ outcomes."),
                Wrong(1 / 3, "Six tosses of a coin have 2⁶ outcomes, two of which count."),
                Wrong(0.5, "That is a single seed. All six have to agree."),
                Wrong(1 / 36, "2⁶, not 6²."),
                Wrong(2 / 36, "Either of the two, yes; but six tosses have 2⁶ outcomes, not 6²."),
            ),
            why="With ten seeds it is 1 in 512. Twelve entrants make 66 pairs: even that is worth a thought.",
        ),
        Choice(
            name="race.edge",
            title="the best is at the edge",
            prompt=(
                "All entrants had 25 pairs of rates. For one of them the best pair has the largest rate of "
                "its grid; the others' lie inside. What keeps the comparison fair?"
            ),
            hints=(
                "What could lie beyond the edge, and for whom has nobody looked?",
                "More trials help whoever gets them.",
            ),
            options=(
                "Leave it: all had equally many trials",
                "Widen its grid until its best is inside",
                "Widen all grids by as many values, until every best is inside",
                "Leave it out of the race",
            ),
            right="c",
            wrong=(
                Wrong("a", "Equally many, but its own best may lie outside: it was not tuned."),
                Wrong("b", "It then has had more trials than the others, and luck grows with trials."),
                Wrong("d", "Where a grid ends is your choice, and no fault of the method."),
            ),
            why="Equal trials, and nobody cut off.",
        ),
        Number(
            name="race.seconds",
            title="half the steps",
            prompt=(
                "A method takes half of Adam's steps to the same loss, and a step of it takes 1.2 times the "
                "seconds. How much of Adam's time does it take?"
            ),
            hints=("Seconds are steps times seconds per step.", "Both factors count Adam's as 1."),
            right=0.6,
            wrong=(
                Wrong(0.5, "That counts steps alone; each of them takes longer."),
                Wrong(1.2, "That is the time of one step. It takes half as many."),
                Wrong(2.4, "Divided the wrong way round: half the steps make it shorter, not longer."),
                Wrong(0.5 / 1.2, "Longer steps make it longer: multiply."),
                Wrong(1.7, "A number of steps and a time per step are multiplied, not added."),
                Wrong(0.7, "A fifth more of what is left, not of the whole: 0.5 and a fifth of 0.5."),
                Wrong(1 / 0.6, "That is how many times faster it is."),
            ),
            why="On a larger network a step's extra cost is another: measure it where you train.",
        ),
    ),
)
