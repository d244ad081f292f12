"""Surfaces: gradients by hand against torch autograd and finite differences, and where the minima are."""

import numpy as np
import pytest
import torch

from gdcourse.problems import (
    SURFACES,
    Absolute,
    Ackley,
    Beale,
    Booth,
    Branin,
    Easom,
    Function,
    GoldsteinPrice,
    Griewank,
    Himmelblau,
    LeastSquares,
    LogisticRegression,
    Matyas,
    NoisyQuadratic,
    Quadratic,
    Rastrigin,
    Rosenbrock,
    Saddle,
    SixHumpCamel,
    Slope,
    StyblinskiTang,
    ThreeHumpCamel,
    ravine,
    surface,
)

RNG = np.random.default_rng(11)
X = RNG.standard_normal((9, 2))
PROBLEMS = {
    "slope": Slope(-2.5),
    "absolute": Absolute(),
    "parabola": Quadratic(3.0, minimum=0.5),
    "bowl": Quadratic([1.0, 7.0], minimum=[1.0, -2.0]),
    "turned bowl": Quadratic([1.0, 7.0], angle=25.0, minimum=[0.3, 0.1]),
    "ravine": ravine(30.0),
    "Beale": Beale(),
    "Rosenbrock": Rosenbrock(20.0),
    "saddle": Saddle(),
    "Himmelblau": Himmelblau(),
    "Rastrigin": Rastrigin(3.0),
    "Ackley": Ackley(),
    "Styblinski-Tang": StyblinskiTang(),
    "Booth": Booth(),
    "Matyas": Matyas(),
    "three-hump camel": ThreeHumpCamel(),
    "six-hump camel": SixHumpCamel(),
    "Branin": Branin(),
    "Goldstein-Price": GoldsteinPrice(),
    "Easom": Easom(),
    "Griewank": Griewank(),
    "noisy parabola": NoisyQuadratic(2.0, 0.1),
    "noisy quadratic": NoisyQuadratic([1.0, 3.0], [0.1, 2.0]),
    "least squares": LeastSquares(X, RNG.standard_normal(9)),
    "logistic": LogisticRegression(X, np.sign(RNG.standard_normal(9))),
}


def points(problem, runs=(3, 4)):
    """Some θ around the start, away from |θ|'s kink."""
    d = np.shape(problem.start)
    return problem.start + 0.3 + np.random.default_rng(1).uniform(0.1, 1.0, (*runs, *d))


@pytest.mark.parametrize("name", PROBLEMS)
def test_gradient_is_autograds(name):
    problem = PROBLEMS[name]
    theta = torch.tensor(points(problem), requires_grad=True)
    loss = problem.loss(theta)
    assert loss.shape == (3, 4)
    (expected,) = torch.autograd.grad(loss.sum(), theta)
    np.testing.assert_allclose(problem.grad(theta.detach()).numpy(), expected.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", PROBLEMS)
def test_gradient_is_that_of_finite_differences(name):
    problem, h = PROBLEMS[name], 1e-5
    theta = points(problem)
    grad = problem.grad(theta)
    assert grad.shape == theta.shape
    directions = np.eye(theta.shape[-1]) if problem.ndim else [np.array(1.0)]
    slopes = [(problem.loss(theta + h * e) - problem.loss(theta - h * e)) / (2 * h) for e in directions]
    seen = np.stack(slopes, -1) if problem.ndim else slopes[0]
    np.testing.assert_allclose(seen, grad, rtol=1e-7, atol=1e-6)


@pytest.mark.parametrize("name", PROBLEMS)
def test_numpy_and_torch_agree(name):
    problem = PROBLEMS[name]
    theta = points(problem)
    for function in (problem.loss, problem.grad):
        a, b = function(theta), function(torch.from_numpy(theta))
        assert isinstance(a, np.ndarray) and isinstance(b, torch.Tensor)
        np.testing.assert_allclose(b.numpy(), a, rtol=1e-13, atol=1e-13)
        assert function(theta.astype(np.float32)).dtype == np.float32
        assert function(torch.from_numpy(theta).float()).dtype == torch.float32


@pytest.mark.parametrize("name", PROBLEMS)
def test_many_points_at_once_are_the_points_one_by_one(name):
    problem = PROBLEMS[name]
    theta = points(problem, (2, 3))
    losses, grads = problem.loss(theta), problem.grad(theta)
    for i in range(2):
        for j in range(3):
            np.testing.assert_allclose(problem.loss(theta[i, j]), losses[i, j], rtol=1e-13)
            np.testing.assert_allclose(problem.grad(theta[i, j]), grads[i, j], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", [n for n in PROBLEMS if PROBLEMS[n].minimum is not None])
def test_the_minimum_is_one(name):
    problem = PROBLEMS[name]
    best = np.asarray(problem.minimum, float) + np.zeros(np.shape(problem.start))
    np.testing.assert_allclose(problem.grad(best), np.zeros_like(best), atol=1e-12)
    around = best + 0.01 * np.random.default_rng(2).standard_normal((200, *best.shape))
    assert (problem.loss(around) > problem.loss(best)).all()


def test_values_at_known_points():
    assert Beale().loss(np.array([3.0, 0.5])) == 0
    assert Beale().loss(np.zeros(2)) == pytest.approx(1.5**2 + 2.25**2 + 2.625**2)
    assert Rosenbrock().loss(np.array([-1.2, 1.0])) == pytest.approx(24.2)
    assert Saddle().loss(np.array([[0.0, 1.0], [0.0, -1.0], [0.0, 0.0]])) == pytest.approx(
        [-0.25, -0.25, 0.0]
    )
    assert Himmelblau().loss(np.zeros(2)) == 170
    np.testing.assert_allclose(Himmelblau().loss(Himmelblau.minima), 0, atol=1e-9)
    np.testing.assert_allclose(Himmelblau().grad(Himmelblau.minima), 0, atol=1e-4)
    assert Slope(2.0).loss(np.array(3.0)) == 6 and Slope(2.0).grad(np.array(0.0)) == 2
    assert ravine(50.0).loss(np.array([2.0, 2.0])) == pytest.approx(0.5 * 4 + 0.5 * 50 * 4)


@pytest.mark.parametrize(
    ("kind", "value"), [(Himmelblau, 0.0), (SixHumpCamel, -1.0316285), (Branin, 0.3978874)]
)
def test_where_there_are_several_deepest_points_each_is_one(kind, value):
    problem = kind()
    np.testing.assert_allclose(problem.loss(problem.minima), value, atol=1e-6)
    np.testing.assert_allclose(problem.grad(problem.minima), 0, atol=1e-4)
    around = problem.minima + 0.01 * np.random.default_rng(2).standard_normal((100, 1, 2))
    assert (problem.loss(around) > value - 1e-7).all()


@pytest.mark.parametrize(
    ("kind", "point", "value"),
    [
        (Booth, [0.0, 0.0], 74.0),
        (Matyas, [1.0, 1.0], 0.04),
        (ThreeHumpCamel, [1.7475523, -0.8737762], 0.2986384),
        (GoldsteinPrice, [0.0, -1.0], 3.0),
        (GoldsteinPrice, [0.0, 0.0], 600.0),
        (Easom, [np.pi, np.pi], -1.0),
        (Griewank, [0.0, 0.0], 0.0),
        (Branin, [0.0, 0.0], 55.6021126),
        (SixHumpCamel, [1.0, 1.0], 3.2333333),
    ],
)
def test_the_classics_have_their_published_values(kind, point, value):
    assert kind().loss(np.array(point)) == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("name", SURFACES)
def test_a_surface_is_found_by_its_name(name):
    expected = SURFACES[name]()
    assert type(surface(name)) is type(expected)
    assert type(surface(name.upper())) is type(expected)
    if expected.name not in ("absolute value", "saddle"):
        assert type(surface(expected.name)) is type(expected), "by the name that figures give it"


def test_a_name_that_is_none_gets_the_nearest():
    with pytest.raises(ValueError, match="no surface 'Himelblau'; did you mean 'Himmelblau'"):
        surface("Himelblau")
    with pytest.raises(ValueError, match="no surface 'zzz'; there are ravine, Absolute"):
        surface("zzz")


def test_the_saddle_is_a_saddle():
    problem = Saddle()
    np.testing.assert_array_equal(problem.grad(np.zeros(2)), 0)
    assert problem.loss(np.array([0.1, 0.0])) > 0 > problem.loss(np.array([0.0, 0.1]))


def test_himmelblau_has_four_different_minima():
    minima = Himmelblau.minima
    assert len({tuple(m.round(3)) for m in minima}) == 4
    assert (np.linalg.norm(minima[:, None] - minima, axis=-1) + 9 * np.eye(4) > 1).all()


def test_an_angle_turns_the_axes_anticlockwise():
    problem = Quadratic([1.0, 9.0], angle=30.0)
    along = np.array([np.cos(np.pi / 6), np.sin(np.pi / 6)])  # the flat direction, 30° above x
    assert problem.loss(along) == pytest.approx(0.5) and problem.loss(along[::-1] * [-1, 1]) == pytest.approx(
        4.5
    )
    np.testing.assert_allclose(np.linalg.eigvalsh(problem.hessian), [1.0, 9.0])
    np.testing.assert_allclose(problem.hessian @ along, along, rtol=1e-14)


def test_hessians():
    for problem in (PROBLEMS["turned bowl"], PROBLEMS["bowl"], PROBLEMS["least squares"]):
        function = torch.func.hessian(lambda theta, p=problem: p.loss(theta))
        expected = function(torch.tensor([0.2, -0.4], dtype=torch.float64)).numpy()
        np.testing.assert_allclose(problem.hessian, expected, rtol=1e-12, atol=1e-14)
    assert PROBLEMS["parabola"].hessian.shape == (1, 1)


def test_noise_has_the_spread_that_was_asked_for():
    problem, steps = NoisyQuadratic([1.0, 3.0], [0.5, 2.0]), 20_000
    theta = np.array([0.7, -1.0])
    samples = problem.draw(np.random.default_rng(0), steps)
    noise = problem.grad(theta, samples) - problem.grad(theta)
    # 5 standard errors of a mean and of a standard deviation
    np.testing.assert_allclose(noise.mean(0) / [0.5, 2.0], 0, atol=5 / steps**0.5)
    np.testing.assert_allclose(noise.std(0), [0.5, 2.0], rtol=5 / (2 * steps) ** 0.5)


def test_any_function_is_a_problem():
    def cubic(theta):
        return (theta**3).sum()

    problem = Function(cubic)
    theta = torch.tensor(RNG.standard_normal((2, 3, 4)))
    assert problem.name == "cubic" and problem.loss(theta).shape == (2, 3)
    np.testing.assert_allclose(problem.grad(theta), 3 * theta**2, rtol=1e-13)
    np.testing.assert_allclose(problem.loss(theta), (theta**3).sum(-1), rtol=1e-13)
    number = Function(lambda x: x**2, ndim=0)
    np.testing.assert_allclose(number.grad(theta), 2 * theta, rtol=1e-13)


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: Quadratic([[1.0]]), ValueError, "curvatures must be a number or a list"),
        (lambda: Quadratic([1.0, np.nan]), ValueError, "curvatures must be a number or a list of finite"),
        (lambda: Quadratic([1.0, 2.0, 3.0], angle=10), ValueError, "two curvatures; there are 3"),
        (lambda: NoisyQuadratic(1.0, -1.0), ValueError, "noise must be at least 0, got -1.0"),
        (lambda: NoisyQuadratic(1.0, np.nan), ValueError, "noise must be at least 0, got nan"),
        (lambda: NoisyQuadratic([1.0, 2.0], [1.0, 2.0, 3.0]), ValueError, r"noise .* \(3,\)"),
        (lambda: Function(3), TypeError, "function must be callable, got 3"),
    ],
)
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()
