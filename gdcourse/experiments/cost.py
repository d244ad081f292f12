"""What a step costs, counted, not timed: operations per parameter, and numbers kept per parameter."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from gdcourse.problems.network import Network
from gdcourse.rules import Lookahead, Rule


class _Counting(TorchFunctionMode):
    """Counts what is done with tensors: one for each operator or function that a rule calls on them, `abs`, a
    comparison and `where` included. Reading an attribute (a shape, a transpose) is no operation."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operations += func.__name__ != "__get__"
        return func(*args, **(kwargs or {}))


def step_operations(rule: Rule, t: int = 1000) -> float:
    """How many arithmetic operations step t takes for each parameter; what depends on t alone, and is
    computed once for all parameters, is not counted.

    Each operator or function counts as one: a root and a comparison as a sum does, and so does a product of
    matrices, whose cost depends on their sizes: for a rule with one, the count is too low. Lookahead's
    synchronisation is shared out over its k steps. SAM takes two steps for one of the rule inside, and
    computes that one's at both.
    """
    if isinstance(rule, Lookahead):
        inner = step_operations(rule.inner_rule, t)
        return inner + (_counted(rule, t) - inner) / rule.k
    return _counted(rule, t)


def _counted(rule: Rule, t: int) -> int:
    number = torch.ones(1, 1, dtype=torch.float64)  # a matrix, for rules that take one
    state, at = rule.init(number, number), rule.at(t)
    with _Counting() as counting:
        rule.look(number, state)
        rule.step(number, number, state, at)
    return counting.operations


def state_size(rule: Rule) -> int:
    """How many numbers the rule keeps from step to step, for each parameter; a number for all of them
    together, such as Prodigy's d, is not counted."""
    row = torch.zeros(2, dtype=torch.float64)
    return sum(getattr(value, "shape", ()) == row.shape for value in rule.init(row, row).values())


def gradient_operations(network: Network) -> float:
    """How many operations a forward and a backward pass take, for each parameter and example, as torch
    counts those of its matrix products."""
    from torch.utils.flop_counter import FlopCounterMode  # slow to import, and rarely wanted

    x, y = torch.zeros(1, network.sizes[0], dtype=torch.float64), torch.zeros(1, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        network.grad(network.init(0), x, y)
    return counter.get_total_flops() / network.parameters
