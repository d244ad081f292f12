"""Slices of a loss: the surface is the network's own loss, planes capture what they say, and filter
normalisation makes the picture blind to what the network is blind to."""

import numpy as np
import pytest
import torch

from gdcourse.experiments import landscape
from gdcourse.experiments.landscape import Plane
from gdcourse.problems import Network, digits


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def normal(rng, *shape):
    return torch.as_tensor(rng.standard_normal(shape))


@pytest.mark.parametrize("sizes", [(5, 4), (5, 3, 4), (5, 6, 3, 4)])
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_surface_is_the_networks_loss_at_every_point(rng, sizes, activation):
    network = Network(sizes, activation)
    x, y = normal(rng, 7, 5), torch.as_tensor(rng.integers(0, 4, 7))
    plane = Plane(normal(rng, network.parameters), normal(rng, 2, network.parameters))
    a, b = np.linspace(-1, 2, 4), np.array([-0.5, 0.0, 1.5])
    found = landscape.surface(network, plane, a, b, x, y)
    assert found.shape == (3, 4)
    for i, up in enumerate(b):
        for j, along in enumerate(a):
            theta = plane.origin + along * plane.axes[0] + up * plane.axes[1]
            assert found[i, j] == pytest.approx(network.loss(theta, x, y).item(), rel=1e-12)


@pytest.mark.parametrize("block", [1, 8 * 6 * 3, 8 * 6 * 7])
def test_examples_are_taken_in_blocks_of_any_size(rng, monkeypatch, block):
    """Blocks of one, of three and a last one of one, and of all seven examples give one mean."""
    network = Network((5, 6, 4), "tanh")
    x, y = normal(rng, 7, 5), torch.as_tensor(rng.integers(0, 4, 7))
    plane = Plane(normal(rng, network.parameters), normal(rng, 2, network.parameters))
    monkeypatch.setattr(landscape, "BLOCK", block)
    found = landscape.surface(network, plane, [0.0, 1.0], [0.5], x, y)
    for j, along in enumerate([0.0, 1.0]):
        theta = plane.origin + along * plane.axes[0] + 0.5 * plane.axes[1]
        assert found[0, j] == pytest.approx(network.loss(theta, x, y).item(), rel=1e-12)


def test_the_digits_networks_surface_is_its_loss():
    """On the network and the examples that a chapter slices, in as many blocks as it takes there."""
    network, data = Network(), digits()
    theta = network.init(0)
    plane = landscape.random_plane(network, theta)
    found = landscape.surface(network, plane, [-1.0, 0.3], [0.7], data.train.x, data.train.y)
    for j, along in enumerate([-1.0, 0.3]):
        expected = network.loss(
            theta + along * plane.axes[0] + 0.7 * plane.axes[1], data.train.x, data.train.y
        )
        assert found[0, j] == pytest.approx(expected.item(), rel=1e-10)


def test_a_random_directions_units_are_as_long_as_the_networks(rng):
    network = Network((5, 6, 4))
    theta = normal(rng, network.parameters)
    plane = landscape.random_plane(network, theta, seed=1)
    assert (plane.origin == theta).all()
    for axis in plane.axes:
        for (weights, biases), (trained, _) in zip(network.layers(axis), network.layers(theta), strict=True):
            torch.testing.assert_close(weights.norm(dim=0), trained.norm(dim=0))
            assert (biases == 0).all()
    assert abs(torch.nn.functional.cosine_similarity(*plane.axes, dim=0)) < 0.6, "two directions, not one"
    again, other = (landscape.random_plane(network, theta, seed=s).axes for s in (1, 2))
    assert (again == plane.axes).all() and (other != plane.axes).any()


def test_rescaling_that_leaves_the_network_alone_leaves_its_picture_alone(rng):
    """A layer of ReLUs times c and the next layer over c: the same function and the same slice. A factor for
    each unit: the same function, and another slice."""
    network = Network((5, 6, 4))
    x, y = normal(rng, 9, 5), torch.as_tensor(rng.integers(0, 4, 9))
    theta = normal(rng, network.parameters)
    scaled = theta.clone()
    (weights, biases), (above, _) = network.layers(scaled)
    weights.mul_(8.0), biases.mul_(8.0), above.div_(8.0)
    grid = np.linspace(-1, 1, 5)

    def picture(point, axes_of):
        plane = Plane(point, landscape.random_plane(network, axes_of).axes)
        return landscape.surface(network, plane, grid, grid, x, y)

    np.testing.assert_allclose(picture(scaled, scaled), picture(theta, theta), rtol=1e-10)
    # with directions that were not adapted to the weights, the same function looks different
    assert abs(picture(scaled, theta) - picture(theta, theta)).max() > 0.1

    single = theta.clone()
    (weights, biases), (above, _) = network.layers(single)
    weights[:, 0].mul_(8.0), biases[0].mul_(8.0), above[0].div_(8.0)
    torch.testing.assert_close(network.scores(single, x), network.scores(theta, x))
    assert abs(picture(single, single) - picture(theta, theta)).max() > 0.1


def test_the_principal_plane_is_the_singular_value_decompositions(rng):
    points = normal(rng, 12, 40) * torch.linspace(3, 0.1, 40)
    plane = landscape.principal_plane(points)
    torch.testing.assert_close(plane.origin, points.mean(0))
    torch.testing.assert_close(plane.axes @ plane.axes.T, torch.eye(2, dtype=torch.float64))
    _, values, directions = torch.linalg.svd(points - points.mean(0), full_matrices=False)
    torch.testing.assert_close((plane.axes @ directions[:2].T).abs(), torch.eye(2, dtype=torch.float64))
    share = (values[:2] ** 2).sum() / (values**2).sum()
    assert plane.captured(points) == pytest.approx(share.item(), rel=1e-10)
    assert (plane.coordinates(points[0]) <= 0).all()
    for _ in range(20):
        assert Plane(plane.origin, normal(rng, 2, 40)).captured(points) < share


def test_coordinates_lead_to_the_nearest_point(rng):
    plane = Plane(normal(rng, 8), torch.stack([3 * torch.ones(8), torch.arange(8.0)]).double())
    inside = normal(rng, 5, 2)
    torch.testing.assert_close(plane.coordinates(plane.at(inside)), inside)
    assert plane.captured(plane.at(inside)) == pytest.approx(1.0)
    theta = normal(rng, 8)
    left = theta - plane.at(plane.coordinates(theta))
    assert (plane.axes @ left).abs().max() < 1e-10, "what is left stands at right angles to the plane"
    assert plane.captured(plane.origin + left) == pytest.approx(0.0, abs=1e-20)


def test_a_random_plane_captures_two_in_p_of_what_it_does_not_know(rng):
    """The share of a random displacement that a random plane of P dimensions holds is 2 / P on average."""
    zero = torch.zeros(50).double()
    shares = [Plane(zero, normal(rng, 2, 50)).captured(normal(rng, 50)) for _ in range(2000)]
    assert np.mean(shares) == pytest.approx(2 / 50, rel=0.1)


def test_points_on_a_line_are_refused():
    line = torch.arange(4.0).double()[:, None] * torch.ones(6).double()
    with pytest.raises(ValueError, match="on one line"):
        landscape.principal_plane(line)


def test_the_sharpness_is_the_largest_eigenvalue_of_the_hessian():
    """Of a bowl, and with a preconditioner that makes it round; of two bowls side by side, each its own."""
    curvatures = torch.tensor([[1.0, 30.0, 4.0], [7.0, 2.0, 0.5]], dtype=torch.float64)
    theta = torch.randn(2, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = landscape.sharpness(lambda x: curvatures * x, theta)
    assert torch.allclose(found, torch.tensor([30.0, 7.0], dtype=torch.float64), rtol=1e-6)
    scaled = landscape.sharpness(lambda x: curvatures * x, theta, preconditioner=curvatures)
    assert torch.allclose(scaled, torch.ones(2, dtype=torch.float64), rtol=1e-6)
