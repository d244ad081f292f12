"""What a step costs, counted, not timed: operations per parameter, and numbers kept per parameter."""

from __future__ import annotations

from typing import Any

import torch

from gdcourse.problems.network import Network
from gdcourse.rules import Lookahead, Rule


class _Counted:
    """A number that counts the arithmetic done with it: a rule takes anything that knows operators."""

    def __init__(self) -> None:
        self.operations = 0

    def _did(self, *others: Any) -> _Counted:
        self.operations += 1
        return self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _did
    __truediv__ = __rtruediv__ = __pow__ = __neg__ = __eq__ = _did  # type: ignore[assignment]


def step_operations(rule: Rule, t: int = 1000) -> float:
    """How many arithmetic operations step t takes for each parameter; what depends on t alone, and is
    computed once for all parameters, is not counted. Lookahead's synchronisation is shared out over its k
    steps."""
    if isinstance(rule, Lookahead):
        inner = step_operations(rule.inner_rule, t)
        return inner + (_counted(rule, t) - inner) / rule.k
    return _counted(rule, t)


def _counted(rule: Rule, t: int) -> int:
    number = _Counted()
    state, at = rule.init(number, number), rule.at(t)
    rule.look(number, state)
    rule.step(number, number, state, at)
    return number.operations


def state_size(rule: Rule) -> int:
    """How many numbers the rule keeps from step to step, for each parameter."""
    return len(rule.init(0.0, 0.0))


def gradient_operations(network: Network) -> float:
    """How many operations a forward and a backward pass take, for each parameter and example, as torch
    counts those of its matrix products."""
    from torch.utils.flop_counter import FlopCounterMode  # slow to import, and rarely wanted

    x, y = torch.zeros(1, network.sizes[0], dtype=torch.float64), torch.zeros(1, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        network.grad(network.init(0), x, y)
    return counter.get_total_flops() / network.parameters
