"""Whether anything at all has changed: what the tests of optimizers share."""

import copy

import torch


def everything(params, optimizer):
    """All that a step may change, as plain values that compare bit for bit."""
    return copy.deepcopy(([p.detach() for p in params], optimizer.state_dict()))


def same(a, b):
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b
