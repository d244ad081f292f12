"""What a step starts on a device: counted on a machine without one, by tensors that have a shape and a device
and no numbers. Whoever wants to read one of these raises."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from gdcourse.optim import bucket, update
from gdcourse.optim.groups import memory_of
from tests.optimizers import MAKERS as OURS
from tests.optimizers import RULE_OF, ahead

MAKERS = OURS | {"Lookahead": ahead(OURS["Nesterov"], 1)}
every = pytest.mark.parametrize("name", MAKERS)
LARGE = 2**20


class Launches(TorchDispatchMode):
    """Notes each operation that would be the start of one kernel or more, and no view of a tensor."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        views = [r.alias_info and not r.alias_info.is_write for r in operation._schema.returns]
        on_device = [x for x in torch.utils._pytree.tree_leaves((args, kwargs)) if _is_there(x)]
        if on_device and not any(views):
            self.names.append(operation.name())
        return operation(*args, **(kwargs or {}))


def _is_there(x):
    return isinstance(x, torch.Tensor) and x.device.type == "meta"


@pytest.fixture(autouse=True)
def apart(monkeypatch):
    """Without numbers there is no memory to tell tensors apart by."""
    monkeypatch.setattr(bucket, "_storage", lambda tensor: tensor.untyped_storage()._cdata)
    monkeypatch.setattr(update, "_address", lambda value: None)


def launches(make, sizes, lr=None):
    """What the second step of an optimizer starts, for parameters of these sizes."""
    params = [torch.nn.Parameter(torch.empty(n, device="meta")) for n in sizes]
    optimizer = make(params, **({} if lr is None else {"lr": lr}))
    for p in params:
        p.grad = torch.empty_like(p)
    optimizer.step()
    with Launches() as seen:
        optimizer.step()
    return seen.names


@every
def test_their_number_is_that_of_the_buckets(name):
    """Tiny parameters are one, whatever their number; each of the others is one."""
    make = MAKERS[name]
    large, tiny = len(launches(make, [LARGE])), len(launches(make, [10] * 5))
    assert len(launches(make, [10] * 60)) == tiny
    assert len(launches(make, [LARGE] * 3 + [10] * 5)) == 3 * large + tiny


@pytest.mark.parametrize("name", OURS)
def test_beside_the_rules_own_there_is_one_for_the_results_and_some_for_joining(name):
    make, kind = OURS[name], RULE_OF[name]
    optimizer = make([torch.nn.Parameter(torch.empty(LARGE, device="meta"))])
    (group,) = optimizer.param_groups
    (param,) = group["params"]
    param.grad = torch.empty_like(param)
    optimizer.step()
    rule, state = optimizer.rule, memory_of(optimizer.state[param])
    with torch.no_grad(), Launches() as own:
        theta = rule.unlook(param, state)
        stepped, new = rule.step(theta, param.grad, state, rule.at(2))
        rule.look(stepped, new)
    own_rate = 0 if "lr" in kind.__dataclass_fields__ else 3  # θ + lr (θ' − θ)
    names = launches(make, [LARGE])
    assert len(names) <= len(own.names) + own_rate + 1
    assert names[-1] == "aten::_foreach_copy_"
    joined = launches(make, [10] * 9)
    assert len(joined) - len(names) <= 2 * (2 + len(state))  # one to join, one to part, for each tensor


@every
def test_a_learning_rate_that_lies_on_the_device_is_not_read(name):
    lr = torch.empty((), device="meta")
    assert len(launches(MAKERS[name], [LARGE] * 2 + [10] * 9, lr=lr)) > 0


def test_from_which_size_on_is_a_setting_for_each_type_of_device(monkeypatch):
    make = OURS["SGD"]
    large = len(launches(make, [100_000]))
    assert len(launches(make, [50_000] * 5)) < 5 * large == len(launches(make, [100_000] * 5))
    monkeypatch.setitem(bucket.SMALL, "meta", 2**20)
    assert len(launches(make, [100_000] * 5)) < 5 * large
    monkeypatch.setitem(bucket.SMALL, "meta", 10)
    assert len(launches(make, [50_000] * 5)) == 5 * large
