"""A step on vectors: by NumPy where it can be, with the numbers that torch gives."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

import gdcourse as gd
from gdcourse.optim import kernel
from gdcourse.rules import Rule
from tests import methods

every = pytest.mark.parametrize("rule", [*map(methods.usual, methods.PLAIN)], ids=methods.PLAIN)


def ready(rule, length=50, dtype=torch.float64):
    """A point in the middle of a walk, its state, a gradient, and the other arguments of `moved`."""
    drawn = torch.Generator().manual_seed(0)
    point, grad = (torch.randn(length, generator=drawn, dtype=torch.float64).to(dtype) for _ in range(2))
    names = rule.init(point, torch.zeros_like(point))
    memory = {name: 0.5 * grad**2 + 0.1 * i for i, name in enumerate(names, start=1)}
    looked = rule if type(rule).look is not Rule.look else Rule()
    return (point, memory, grad), (rule, looked, rule.at(7), None, 0.01, False)


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_numpys_numbers_are_torchs(rule, dtype):
    """But for the last bit: of a number over a tensor, torch takes the number times the reciprocal."""
    (there, values), (here, _) = ready(rule, dtype=dtype), ready(rule, dtype=dtype)
    kernel.run_by_numpy(kernel.moved, there, values)
    kernel.run(kernel.moved, here, values)
    for a, b in [(there[0], here[0]), *[(there[1][name], here[1][name]) for name in here[1]]]:
        torch.testing.assert_close(a, b, rtol=4 * torch.finfo(dtype).eps, atol=4 * torch.finfo(dtype).eps)
    assert not torch.equal(there[0], ready(rule, dtype=dtype)[0][0])


@every
def test_the_rules_give_new_arrays(rule):
    (point, memory, grad), values = ready(rule)
    inputs = [point.numpy(), grad.numpy(), *[vector.numpy() for vector in memory.values()]]
    result, new = kernel.moved(
        inputs[0], dict(zip(memory, inputs[2:], strict=True)), inputs[1], *values[:4], None, False
    )
    assert not any(np.shares_memory(given, made) for given in inputs for made in (result, *new.values()))


@every
def test_who_saved_a_parameter_for_backward_is_told_that_it_moved(rule):
    """NumPy writes past autograd, which counts the changes of a tensor."""
    theta = torch.ones(50, requires_grad=True)
    loss = (theta**3).sum()
    theta.grad = torch.ones(50)
    gd.optim.from_rule(rule, [theta]).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_gradient_may_be_the_negative_of_what_lies_there():
    """torch notes the sign, as for a conjugate's imaginary part; NumPy cannot."""
    grad = torch._neg_view(torch.full((50,), 2.0))
    assert grad.is_neg()
    theta = torch.zeros(50, requires_grad=True)
    theta.grad = grad
    gd.optim.SGD([theta], lr=0.5).step()
    assert torch.equal(theta.detach(), torch.ones(50))


@dataclass(frozen=True, eq=False)
class Sign(gd.Rule):
    """Asks for what only a tensor has."""

    lr: float = 0.1

    def step(self, theta, grad, state, at):
        return theta - self.lr * grad.sign(), {}


def test_a_readers_rule_gets_tensors():
    theta = torch.zeros(3, requires_grad=True)
    theta.grad = torch.tensor([1.0, -2.0, 0.0])
    gd.optim.from_rule(Sign(), [theta]).step()
    torch.testing.assert_close(theta.detach(), torch.tensor([-0.1, 0.1, 0.0]))
