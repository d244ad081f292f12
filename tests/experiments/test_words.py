"""Formulas in Unicode: what the ledger needs, and an error for everything else."""

import pytest

from gdcourse.experiments import plain


@pytest.mark.parametrize(
    ("source", "written"),
    [
        (r"as it is: v_t = 3", "as it is: v_t = 3"),
        (r"$v_t = \gamma v_{t-1} + \eta\, \nabla J$", "vₜ = γvₜ₋₁ + η ∇J"),
        (r"$\theta_{t+1}$", "θₜ₊₁"),
        (r"$r_t/\sqrt{\hat v_t}$ and $\rho_\infty \le 4$", "rₜ/√v̂ₜ and ρ_∞ ≤ 4"),
        (r"$\frac{\eta}{1-\gamma}$, $\tfrac12 h\theta^2$", "η/(1−γ), ½hθ²"),
        (r"$1-\beta^t$, $1/\sqrt t$, $10^{-6}$", "1−βᵗ, 1/√t, 10⁻⁶"),
        (r"$\sqrt{\varepsilon/(1-\gamma)}$", "√(ε/(1−γ))"),
        (r"$\lVert g \rVert^2 \to 0$", "‖g‖² → 0"),
        (r"$\operatorname{Var} g \approx 2$", "Var g ≈ 2"),
        (r"$x^{(i:i+n)}$", "x^(i:i+n)"),
        (r"$28 \times 28 = 784$", "28 × 28 = 784"),
    ],
)
def test_a_formula_reads_as_it_would_be_written(source, written):
    assert plain(source) == written


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (r"a $ alone", "without its partner"),
        (r"$\mystery$", "mystery"),
        (r"$v_{t$", "not closed"),
        (r"$v_$", "ends where"),
    ],
)
def test_what_it_does_not_know_is_an_error(source, message):
    with pytest.raises(ValueError, match=message):
        plain(source)
