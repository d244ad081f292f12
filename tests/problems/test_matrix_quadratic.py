"""A quadratic of a matrix: its Hessian is the Kronecker product that it says, and an angle turns all."""

import numpy as np
import pytest
import torch

import gdcourse as gd
from gdcourse.problems import MatrixQuadratic
from gdcourse.problems.matrix_quadratic import turn
from gdcourse.problems.shaped import Shaped


@pytest.mark.parametrize("angle", [0.0, 20.0, 90.0])
@pytest.mark.parametrize("size", [(3, 4), (1, 5), (4, 1)])
def test_the_gradient_is_the_losss_and_the_hessian_a_kronecker_product(angle, size):
    problem = MatrixQuadratic(*size, kappa=(10.0, 100.0), angle=angle)
    W = torch.randn(size, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    (slope,) = torch.autograd.grad(problem.loss(W), W)
    torch.testing.assert_close(problem.grad(W.detach()), slope)
    np.testing.assert_allclose(problem.grad(W.detach().numpy()), slope.numpy())
    hessian = torch.autograd.functional.hessian(problem.loss, W.detach()).reshape(W.numel(), W.numel())
    torch.testing.assert_close(hessian, torch.as_tensor(np.kron(problem.A, problem.B)))
    n, m = size
    values = np.outer(np.geomspace(1, 0.1, n), np.geomspace(1, 0.01, m)).ravel()
    np.testing.assert_allclose(np.linalg.eigvalsh(hessian.numpy()), np.sort(values), atol=1e-12)
    assert problem.loss(problem.minimum) == 0 and not problem.grad(problem.minimum).any()
    assert problem.start.shape == problem.minimum.shape == size and not problem.start.any()


def test_many_at_once_and_lists():
    problem, W = MatrixQuadratic(3, 4), np.random.default_rng(0).standard_normal((5, 2, 3, 4))
    assert problem.loss(W).shape == (5, 2)
    np.testing.assert_allclose(problem.loss(W)[4, 1], problem.loss(W[4, 1]))
    np.testing.assert_allclose(problem.grad(W)[4, 1], problem.grad(W[4, 1]))
    assert problem.loss(W[0, 0].tolist()) == problem.loss(W[0, 0])


@pytest.mark.parametrize("size", [1, 2, 5, 8])
def test_every_vector_is_turned_by_the_angle_or_one_direction_stays(size):
    for angle in (0.0, 30.0, 135.0):
        U = turn(size, angle, np.random.default_rng(3))
        np.testing.assert_allclose(U.T @ U, np.eye(size), atol=1e-12)
        cosines = np.sort(np.linalg.eigvalsh((U + U.T) / 2))  # of the angle between x and Ux, for each x
        stays = [1.0] if size % 2 else []
        np.testing.assert_allclose(
            cosines, np.sort([np.cos(np.radians(angle))] * (size - size % 2) + stays), atol=1e-12
        )
    halves = turn(size, 15.0, np.random.default_rng(3))
    np.testing.assert_allclose(halves @ halves, turn(size, 30.0, np.random.default_rng(3)), atol=1e-12)


def test_an_angle_turns_the_whole_problem_and_the_seed_draws_it():
    straight, turned = MatrixQuadratic(4, 6, seed=5), MatrixQuadratic(4, 6, angle=40.0, seed=5)
    rng = np.random.default_rng(5)
    C = rng.standard_normal((4, 6))
    U, V = turn(4, 40.0, rng), turn(6, 40.0, rng)
    np.testing.assert_array_equal(straight.minimum, C)
    np.testing.assert_allclose(turned.minimum, U @ C @ V.T)
    W = np.random.default_rng(1).standard_normal((4, 6))
    np.testing.assert_allclose(turned.loss(U @ W @ V.T), straight.loss(W))
    assert np.count_nonzero(straight.A) == 4 and np.count_nonzero(abs(turned.A) > 1e-9) == 16
    assert abs(straight.minimum - MatrixQuadratic(4, 6, seed=6).minimum).max() > 0.1


def test_the_noise_has_the_curvatures_covariance_and_turns_with_the_problem():
    straight, turned = (MatrixQuadratic(4, 6, angle=angle, seed=5, noise=0.3) for angle in (0.0, 40.0))
    W, units = np.random.default_rng(1).standard_normal((4, 6)), np.eye(24).reshape(24, 4, 6)
    noise = (turned.grad(W, units) - turned.grad(W)).reshape(24, 24)  # of each standard normal number alone
    np.testing.assert_allclose(noise.T @ noise, 0.3**2 * np.kron(turned.A, turned.B), atol=1e-12)
    rng = np.random.default_rng(5)
    rng.standard_normal((4, 6))
    U, V = turn(4, 40.0, rng), turn(6, 40.0, rng)
    sample = straight.draw(np.random.default_rng(0), 3)[2]
    np.testing.assert_array_equal(sample, np.random.default_rng(0).standard_normal((3, 4, 6))[2])
    np.testing.assert_allclose(turned.grad(U @ W @ V.T, sample), U @ straight.grad(W, sample) @ V.T)
    by_torch = turned.grad(torch.as_tensor(W), torch.as_tensor(sample))
    np.testing.assert_allclose(by_torch.numpy(), turned.grad(W, sample))
    assert MatrixQuadratic(4, 6).draw(np.random.default_rng(0), 3) is None


@pytest.mark.parametrize("noise", [-0.1, np.inf, np.nan])
def test_bad_noise(noise):
    with pytest.raises(ValueError, match="the noise of a matrix quadratic must be finite and ≥ 0, got"):
        MatrixQuadratic(noise=noise)


def test_a_turn_is_nothing_to_whom_a_basis_is_nothing_and_ruin_to_adam():
    """At the best of some rates, with a rate that falls to 0."""
    rates, steps = 10.0 ** np.arange(-3, 1.1, 0.5), 120

    def ends(make):
        found = []
        for angle in (0.0, 45.0):
            problem = MatrixQuadratic(8, 12, kappa=100.0, angle=angle)
            run = gd.descend(lambda t: make(rates * (1 - (t - 1) / steps)), problem, steps=steps, path=False)
            found.append(np.log10(np.nanmin(run.loss[-1]) / problem.loss(problem.start)))
        return found

    for make, most in (
        (gd.Momentum, 0.01),
        (lambda lr: gd.Shampoo(lr, eps=1e-9), 0.01),
        (lambda lr: gd.Muon(lr, coefficients=gd.rules.EXACT), 0.5),  # rounding grows in what is nearly 0
    ):
        straight, turned = ends(make)
        assert abs(straight - turned) < most and straight < -1
    straight, turned = ends(gd.Adam)
    assert straight < turned - 2.5


@pytest.mark.parametrize(
    "settings",
    [{"rows": 0}, {"columns": -1}, {"kappa": 0.5}, {"kappa": (1, np.inf)}, {"kappa": [[1.0, 2.0]]}],
)
def test_bad_sizes(settings):
    with pytest.raises(
        ValueError, match="a matrix quadratic has sizes ≥ 1 and a finite κ ≥ 1, or two, got rows="
    ):
        MatrixQuadratic(**settings)


def test_a_problem_in_another_shape():
    problem = MatrixQuadratic(3, 4)
    seen = Shaped(problem, (3, 4), (12,))
    W = np.random.default_rng(0).standard_normal((2, 3, 4))
    flat = W.reshape(2, 12)
    assert seen.ndim == 1 and seen.name == problem.name
    np.testing.assert_array_equal(seen.loss(flat), problem.loss(W))
    np.testing.assert_array_equal(seen.grad(flat), problem.grad(W).reshape(2, 12))
    np.testing.assert_array_equal(seen.back(flat), W)
    noisy = gd.problems.NoisyQuadratic(np.ones(3), noise=1.0)
    row, rng = Shaped(noisy, (3,), (1, 3)), np.random.default_rng
    sample = row.draw(rng(0), 2)
    np.testing.assert_array_equal(sample, noisy.draw(rng(0), 2))
    np.testing.assert_array_equal(
        row.grad(np.ones((1, 3)), sample[0]), noisy.grad(np.ones(3), sample[0])[None]
    )
    with pytest.raises(ValueError, match=r"a θ of shape \(3, 4\) cannot be seen as one of shape \(5,\)"):
        Shaped(problem, (3, 4), (5,))
