"""RAdam's ρ_t and r_t against their definitions and the published table, and the variance behind them."""

import numpy as np
import pytest

from gdcourse import theory


def test_rho_is_the_length_of_the_average_of_the_same_centre():
    """The paper's own definition, without its closed form: the plain average over the last ρ gradients
    whose centre of mass lies as far back as the exponential average's, (ρ + 1)/2 steps."""
    for beta2 in (0.5, 0.9, 0.999):
        for t in (1, 2, 7, 100):
            weights = beta2 ** np.arange(t)
            centre = (weights * np.arange(1, t + 1)).sum() / weights.sum()
            assert theory.rho(t, beta2) == pytest.approx(2 * centre - 1, rel=1e-9)
        assert theory.rho(10**6, beta2) == pytest.approx(theory.rho_inf(beta2))


def test_the_published_table():
    assert theory.rho_inf(0.999) == pytest.approx(1999)
    table = [1, 1.9995, 2.9987, 3.9975, 4.9960, 5.9942]
    np.testing.assert_allclose(theory.rho(np.arange(1, 7)), table, atol=5e-5)
    steps = np.array([5, 6, 10, 100, 1000, 2000, 10_000])
    r = [0.01731, 0.02582, 0.0490, 0.2153, 0.6453, 0.8284, 0.99977]
    np.testing.assert_allclose(theory.rectification(steps), r, atol=5e-5)


def test_rectification_makes_the_variance_that_of_a_full_average():
    """r_t² times the delta-method variance at ρ_t is that at ρ_∞: what r_t is for."""
    t = np.arange(5, 3000)
    evened = theory.rectification(t) ** 2 * theory.inverse_root_variance_delta(theory.rho(t))
    full = theory.inverse_root_variance_delta(theory.rho_inf())
    np.testing.assert_allclose(evened, full, rtol=1e-9)


def test_where_nothing_is_adapted():
    assert np.isnan(theory.rectification(np.arange(1, 5))).all()
    assert np.isnan(theory.rectification(5, threshold=5)) and np.isfinite(
        theory.rectification(6, threshold=5)
    )
    assert np.isnan(theory.rectification(np.array([1, 50, 5000]), beta2=0.6)).all()


@pytest.mark.parametrize("beta2", [0.9, 0.99, 0.999, 0.9999])
def test_first_rectified_step(beta2):
    assert theory.first_rectified_step(beta2) == 5
    assert theory.first_rectified_step(beta2, threshold=5) == 6


def test_first_rectified_step_may_never_come():
    assert theory.first_rectified_step(0.6) is None
    assert theory.first_rectified_step(0.61) > 5
    assert theory.first_rectified_step(0.9, threshold=20) is None


@pytest.mark.parametrize("rho", [8, 12, 40])
def test_inverse_root_variance_by_monte_carlo(rho):
    """1/√(mean of ρ squared normals), 200,000 times. Its fourth moment exists for ρ > 4, and the standard
    error of its variance is estimated from the sample itself: five of them are allowed."""
    chi2 = np.random.default_rng(2).chisquare(rho, 200_000)
    away = (rho / chi2) ** 0.5
    squares = (away - away.mean()) ** 2
    error = squares.std() / len(squares) ** 0.5
    assert abs(squares.mean() - theory.inverse_root_variance(rho)) < 5 * error


def test_inverse_root_variance_by_integration():
    """Where Monte Carlo's error is large, at ρ = 4.996: moments by the trapezium rule over log χ²."""
    for rho in (2.5, 4.996, 30.0):
        z = np.linspace(-80, 8, 400_001)  # log of χ²/ρ
        log_density = rho / 2 * (z - np.exp(z))
        density = np.exp(log_density - log_density.max())
        density /= density.sum()
        mean, square = (density * np.exp(-z / 2)).sum(), (density * np.exp(-z)).sum()
        assert theory.inverse_root_variance(rho) == pytest.approx(square - mean**2, rel=1e-6)
    assert theory.inverse_root_variance(4.996) == pytest.approx(0.252, abs=5e-4)
    assert theory.inverse_root_variance_delta(4.996) == pytest.approx(0.837, abs=5e-4)


def test_the_two_variances_agree_for_long_averages_only():
    long, short = 2000.0, 4.5
    ratio = theory.inverse_root_variance(long) / theory.inverse_root_variance_delta(long)
    assert ratio == pytest.approx(1, abs=0.005)
    assert theory.inverse_root_variance_delta(short) > 3 * theory.inverse_root_variance(short)
    assert np.isinf(theory.inverse_root_variance_delta(4.0)) and np.isfinite(
        theory.inverse_root_variance(4.0)
    )
    assert np.isinf(theory.inverse_root_variance(2.0))
    assert theory.inverse_root_variance(np.array([3.0, 8.0])).shape == (2,)
