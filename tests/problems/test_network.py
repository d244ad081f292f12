"""The network: its hand-written backward pass against autograd and finite differences, alone and stacked."""

import numpy as np
import pytest
import torch

from gdcourse.problems import Network
from gdcourse.problems.network import cross_entropy, softmax

SHAPES = [(6, 4), (6, 5, 4), (6, 5, 7, 4), (6, 3, 5, 4, 3)]
BATCH = 8


def batch(pixels, classes, runs=(), seed=0):
    rng = np.random.default_rng(seed)
    x = torch.tensor(rng.standard_normal((*runs, BATCH, pixels)))
    return x, torch.tensor(rng.integers(0, classes, (*runs, BATCH)))


def torch_loss(network, theta, x, y):
    """The same network of torch's own layers, for one θ."""
    act = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}[network.activation]
    at = 0
    for number, (n_in, n_out) in enumerate(zip(network.sizes[:-1], network.sizes[1:], strict=True)):
        weights = theta[at : at + n_in * n_out].reshape(n_in, n_out)
        biases = theta[at + n_in * n_out : at + (n_in + 1) * n_out]
        at += (n_in + 1) * n_out
        x = torch.nn.functional.linear(x if number == 0 else act(x), weights.T, biases)
    assert at == len(theta)
    return torch.nn.functional.cross_entropy(x, y)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize("sizes", SHAPES)
def test_loss_and_gradient_are_torchs(sizes, activation):
    network = Network(sizes, activation)
    x, y = batch(sizes[0], sizes[-1])
    theta = network.init(1).requires_grad_()
    with torch.no_grad():
        theta += 0.1  # biases away from 0
    expected = torch_loss(network, theta, x, y)
    (slope,) = torch.autograd.grad(expected, theta)
    with torch.no_grad():
        assert network.loss(theta, x, y).item() == pytest.approx(expected.item(), rel=1e-13)
        grad = network.grad(theta, x, y)
    assert grad.shape == theta.shape
    torch.testing.assert_close(grad, slope, rtol=1e-12, atol=1e-14)
    assert (slope != 0).double().mean() > 0.5


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
def test_gradient_is_that_of_finite_differences(activation):
    network = Network((6, 5, 4), activation)
    x, y = batch(6, 4)
    theta, h = network.init(2), 1e-6
    grad = network.grad(theta, x, y)
    each = h * torch.eye(len(theta), dtype=torch.float64)
    seen = (network.loss(theta + each, x, y) - network.loss(theta - each, x, y)) / (2 * h)
    torch.testing.assert_close(grad, seen, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("sizes", SHAPES)
@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid"])
@pytest.mark.parametrize(
    "runs, batches",
    [
        ((3,), ()),
        ((3,), (3,)),
        ((2, 3), ()),
        ((2, 3), (3,)),
        ((4, 2, 3), (3,)),
        ((2, 3), (2, 3)),
        ((5,), (1,)),
    ],
    ids=str,
)
def test_stacked_networks_equal_single_ones(sizes, activation, runs, batches):
    """Runs that share a batch, runs with their own, and a last axis of batches under many settings."""
    network = Network(sizes, activation)
    theta = torch.tensor(np.random.default_rng(0).standard_normal((*runs, network.parameters)))
    x, y = batch(sizes[0], sizes[-1], batches)
    loss, grad, accuracy = (f(theta, x, y) for f in (network.loss, network.grad, network.accuracy))
    read = network.predict(theta, x)
    assert loss.shape == accuracy.shape == runs and grad.shape == theta.shape and read.shape == (*runs, BATCH)
    xs, ys = x.expand(*runs, *x.shape[-2:]), y.expand(*runs, BATCH)
    for index in np.ndindex(*runs):
        one, x1, y1 = theta[index], xs[index], ys[index]
        torch.testing.assert_close(loss[index], torch_loss(network, one, x1, y1), rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(grad[index], network.grad(one, x1, y1), rtol=1e-11, atol=1e-13)
        *_, scores = network.forward(one, x1)
        assert scores.shape == (BATCH, sizes[-1]) and (scores.argmax(1) == read[index]).all()
        assert accuracy[index] == (scores.argmax(1) == y1).double().mean()


def test_forward_keeps_every_layer():
    network = Network((6, 5, 4))
    x, _ = batch(6, 4)
    outputs = network.forward(network.init(0), x)
    assert [tuple(o.shape) for o in outputs] == [(BATCH, 6), (BATCH, 5), (BATCH, 4)]
    assert outputs[0] is x and (outputs[1] >= 0).all() and (outputs[2] < 0).any()


def test_layers_are_views():
    network = Network((2, 3, 1))
    theta = torch.arange(13, dtype=torch.float64)
    (w1, b1), (w2, b2) = network.layers(theta)
    assert network.parameters == 13
    assert w1.tolist() == [[0, 1, 2], [3, 4, 5]] and b1.tolist() == [6, 7, 8]
    assert w2.tolist() == [[9], [10], [11]] and b2.tolist() == [12]
    w1[0, 0] = 50
    assert theta[0] == 50


def test_init():
    network = Network((784, 32, 10))
    assert network.parameters == 784 * 32 + 32 + 32 * 10 + 10
    theta = network.init(3)
    (w1, b1), (_, b2) = network.layers(theta)
    assert (b1 == 0).all() and (b2 == 0).all()
    # the standard error of a standard deviation of n normal numbers is 1/√(2n), relatively
    assert w1.std().item() == pytest.approx((2 / 784) ** 0.5, rel=5 / (2 * w1.numel()) ** 0.5)
    tanh = Network((784, 32, 10), "tanh").init(3)
    torch.testing.assert_close(tanh[: 784 * 32] * 2**0.5, theta[: 784 * 32])
    stacked = network.init([3, 5])
    assert (stacked[0] == theta).all() and (stacked[1] == network.init(5)).all()
    assert not (stacked[0] == stacked[1]).all()
    assert network.init(3, torch.float32).dtype == torch.float32


def test_scores_that_are_not_finite_read_nothing_right():
    network = Network((2, 3))
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
    y = torch.tensor([0, 0, 0])
    theta = torch.zeros(9, dtype=torch.float64)
    assert network.accuracy(theta, x, y) == 1  # a tie goes to the first class, which is the label
    for bad in (float("nan"), float("inf")):
        broken = theta.clone()
        broken[6] = bad  # the bias of class 0: every score of class 0, which argmax would choose
        assert network.accuracy(broken, x, y) == 0
        assert network.accuracy(torch.stack([theta, broken]), x, y).tolist() == [1, 0]


def test_accuracy_and_prediction_by_hand():
    network = Network((2, 2))
    theta = torch.tensor([1.0, 0.0, 0.0, 1.0, 0.0, 0.0], dtype=torch.float64)  # scores are the pixels
    x = torch.tensor([[2.0, 1.0], [1.0, 2.0], [3.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    y = torch.tensor([0, 1, 1, 1])
    assert network.predict(theta, x).tolist() == [0, 1, 0, 1] and network.accuracy(theta, x, y) == 0.75


def test_softmax_is_torchs_whatever_the_memorys_order():
    scores = torch.tensor(np.random.default_rng(0).standard_normal((2, 3, 5)))
    for form in (scores, scores.mT.contiguous().mT, scores[:, :1], scores[..., :1]):
        torch.testing.assert_close(softmax(form), torch.softmax(form, -1), rtol=1e-14, atol=0)


def test_cross_entropy_does_not_overflow():
    scores = torch.tensor([[1e4, 0.0], [0.0, 1e4]], dtype=torch.float64)
    assert cross_entropy(scores, torch.tensor([0, 0])).item() == pytest.approx(5e3)
    even = torch.zeros((4, 10), dtype=torch.float64)
    assert cross_entropy(even, torch.tensor([0, 3, 5, 9])).item() == pytest.approx(np.log(10))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Network((784,)), r"sizes must be two or more whole numbers ≥ 1, got \(784,\)"),
        (lambda: Network((784, 0, 10)), "sizes must be"),
        (lambda: Network((784, 2.5, 10)), "sizes must be"),
        (lambda: Network(784), "sizes must be two or more"),
        (lambda: Network((784, 10), "softplus"), r"activation must be one of .*relu.*, got 'softplus'"),
        (lambda: Network((2, 3)).layers(torch.zeros(8)), r"θ must have 9 entries for sizes \(2, 3\), got 8"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_sizes_may_be_a_list():
    assert Network([4, np.int64(3), 2]) == Network((4, 3, 2)) and hash(Network([4, 2])) == hash(
        Network((4, 2))
    )
