"""RAdam: the length of the memory, the rectification, and where it never adapts."""

from gdcourse.exercises.behaviour import Formula
from gdcourse.exercises.exercise import Chapter, Wrong
from gdcourse.exercises.small import Choice, Number

RHO_PLACES = tuple({"t": t, "beta2": beta} for beta in (0.999, 0.9) for t in (1, 2, 5, 10, 50))
RS = ((4.5, 19.0), (5.0, 1999.0), (9.0, 19.0), (150.0, 1999.0), (19.0, 19.0))
R_PLACES = tuple({"rho_t": rho, "rho_inf": limit} for rho, limit in RS)

CHAPTER = Chapter(
    "radam",
    (
        Number(
            name="radam.never",
            title="where it never adapts",
            prompt="Below which β₂ does RAdam, with the paper's threshold of 4, never adapt its steps?",
            hints=(
                "ρ_t grows towards ρ_∞ and stays below it. What must hold of ρ_∞?",
                "ρ_∞ = 2/(1 − β₂) − 1. Where is it 4?",
            ),
            right=0.6,
            wrong=(
                Wrong(2 / 3, "That is right for torch, whose threshold is 5. The paper's is 4."),
                Wrong(0.5, "2/(1 − β₂) = 4 forgets the 1 that is subtracted."),
                Wrong(0.8, "The 2 above the fraction is missing."),
                Wrong(0.4, "That is 1 − β₂."),
                Wrong(0.75, "1/(1 − β₂) is not ρ_∞, which is nearly twice that."),
            ),
            why="There it is momentum in the form of a corrected average, for ever.",
        ),
        Formula(
            name="radam.rho",
            title="the length of the memory at step t",
            prompt="Write ρ_t as a function of t and β₂.",
            hints=(
                "ρ_t begins at 1 for every β₂ and tends to ρ_∞ = 2/(1 − β₂) − 1.",
                "What is subtracted from ρ_∞ has βᵗ above and 1 − βᵗ below, of the β of v.",
            ),
            names=("t", "beta2"),
            target="rho",
            shows="ρ_t",
            right="2 / (1 - beta2) - 1 - 2 * t * beta2**t / (1 - beta2**t)",
            probes=(RHO_PLACES,),
            wrong=(
                Wrong("2 / (1 - beta2) - 1", "That is ρ_∞. At step t the memory is not full yet."),
                Wrong(
                    "2 / (1 - beta2) - 1 - 2 * t * beta2 / (1 - beta2)",
                    "The power t is missing: β₂ᵗ, above and below.",
                ),
                Wrong(
                    "2 / (1 - beta2) - 1 - 2 * beta2**t / (1 - beta2**t)",
                    "The factor t is missing: at t = 1 it makes no difference, later it does.",
                ),
                Wrong("2 / (1 - beta2) - 1 - t * beta2**t / (1 - beta2**t)", "The 2 is missing: ρ_1 is 1."),
                Wrong(
                    "2 / (1 - beta2) - 1 + 2 * t * beta2**t / (1 - beta2**t)",
                    "ρ_t lies below ρ_∞ and grows towards it: subtract.",
                ),
                Wrong("2 / (1 - beta2) - 2 * t * beta2**t / (1 - beta2**t)", "ρ_∞ is 2/(1 − β₂) − 1."),
                Wrong(
                    "2 / (1 - beta2) - 1 - 2 * t * beta2**t / (1 + beta2**t)",
                    "Below stands 1 − β₂ᵗ, as in the bias correction.",
                ),
                Wrong(
                    "2 / (1 - beta2) - 1 - 2 * t * 0.9**t / (1 - 0.9**t)",
                    "ρ_t is about the memory of v, so β₂ stands in it, not β₁ = 0.9.",
                ),
                Wrong(
                    "2 / (1 - beta2) - 1 - 2 * (t - 1) * beta2**(t - 1) / (1 - beta2**(t - 1))",
                    "t starts at 1: with t − 1 you divide by 0.",
                ),
            ),
            why=(
                "The length of a plain average that v is worth, as the paper counts it: 1 at first, up to "
                "1999 for β₂ = 0.999."
            ),
        ),
        Formula(
            name="radam.r",
            title="the rectification",
            prompt="Write r_t as a function of rho_t and rho_inf, for ρ_t above 4.",
            hints=(
                "r_t is 1 where ρ_t has reached ρ_∞, and 0 where ρ_t is 4.",
                "A root of three factors in ρ_t over the same three in ρ_∞, the third of them upside down.",
            ),
            names=("rho_t", "rho_inf"),
            target="r",
            shows="r_t",
            right="((rho_t - 4) * (rho_t - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho_t))**0.5",
            probes=(R_PLACES,),
            wrong=(
                Wrong(
                    "((rho_t - 4) * (rho_t - 2) * rho_t / ((rho_inf - 4) * (rho_inf - 2) * rho_inf))**0.5",
                    "In the last factor ρ_∞ stands above and ρ_t below.",
                ),
                Wrong(
                    "(rho_t - 4) * (rho_t - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho_t)",
                    "The root is missing: that is a ratio of variances, and r_t multiplies a step.",
                ),
                Wrong(
                    "((rho_inf - 4) * (rho_inf - 2) * rho_t / ((rho_t - 4) * (rho_t - 2) * rho_inf))**0.5",
                    "Upside down: r_t shortens the first steps, where the variance is large.",
                ),
                Wrong(
                    "((rho_t - 4) * (rho_t - 2) / ((rho_inf - 4) * (rho_inf - 2)))**0.5",
                    "A factor is missing: ρ_∞ over ρ_t.",
                ),
                Wrong(
                    "((rho_t - 4) * rho_inf / ((rho_inf - 4) * rho_t))**0.5",
                    "The factors with − 2 are missing.",
                ),
                Wrong(
                    "((rho_t - 2) * rho_inf / ((rho_inf - 2) * rho_t))**0.5",
                    "The factors with − 4 are missing: r_t is 0 at the threshold.",
                ),
                Wrong(
                    "(rho_t / rho_inf)**0.5",
                    "That is 1 where it should be, but r_t must be 0 where ρ_t is 4.",
                ),
                Wrong(
                    "((rho_t - 5) * (rho_t - 2) * rho_inf / ((rho_inf - 5) * (rho_inf - 2) * rho_t))**0.5",
                    "torch's 5 is where it begins. In the formula the 4 stays.",
                ),
                Wrong("1", "That never rectifies: it is Adam."),
            ),
            why="At t = 10 and β₂ = 0.999 it is about a twentieth: a warm-up that nobody had to tune.",
        ),
        Choice(
            name="radam.scale",
            title="the first steps and the loss's scale",
            prompt=(
                "On a constant slope the loss is multiplied by 100. What do RAdam's steps do, the first "
                "four and those after ρ_t has passed the threshold?"
            ),
            options=(
                "None of them changes",
                "All become 100 times as long",
                "The first become 100 times as long, the later stay",
                "The first stay, the later become 100 times as long",
            ),
            right="c",
            hints=("Which of the two branches divides by the root of v?",),
            wrong=(
                Wrong("a", "The first four are η m̂: nothing divides the scale away."),
                Wrong("b", "After the threshold m̂ is divided by the root of v̂, and the scale cancels."),
                Wrong("d", "The other way round: the division begins at the threshold."),
            ),
            why="The two branches have different units, so the start depends on the loss's scale.",
        ),
    ),
)
