"""On a GPU: the same numbers, the state beside its parameter, no waiting for the device, and CUDA graphs."""

import copy

import pytest
import torch

import gdcourse as gd
from gdcourse.rules import Rule
from tests.optimizers import MAKERS as OURS
from tests.optimizers import RULE_OF, ahead, gap, give_gradients, walk
from tests.optimizers import parameters as drawn

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use (CUDA)")

MAKERS = OURS | {"Lookahead": ahead(OURS["Nesterov"], 3)}
MAKERS |= {f"Lookahead, {how}": ahead(OURS["Nesterov"], 3, 0.5, how) for how in ("reset", "pullback")}
every = pytest.mark.parametrize("name", MAKERS)
# Their steps do not depend on t, and so a graph of one of them is a graph of each.
without_t = pytest.mark.parametrize("name", [name for name in OURS if RULE_OF[name].at is Rule.at])


def parameters(device, dtype=torch.float64):
    return drawn((4, 3), (5,), (), (300, 500), dtype=dtype, device=device)


@every
@pytest.mark.parametrize("compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_the_same_numbers_as_on_a_cpu(name, compile):
    there, here = parameters("cuda"), parameters("cpu")
    walk(there, MAKERS[name](there, compile=compile), 12)
    walk(here, MAKERS[name](here), 12)
    assert gap(there, here) <= 1e-12 and gap(here, parameters("cpu")) > 1e-3


@every
def test_the_state_is_where_its_parameter_is(name):
    """After a checkpoint that was read on a CPU, too; only the count stays on the CPU, as torch's does."""
    params = parameters("cuda")
    optimizer = MAKERS[name](params)
    walk(params, optimizer, 2)
    saved = copy.deepcopy(optimizer.state_dict())
    for state in saved["state"].values():
        state.update({k: v.cpu() for k, v in state.items() if isinstance(v, torch.Tensor)})
    twins = [torch.nn.Parameter(p.detach().clone()) for p in params]
    twin = MAKERS[name](twins)
    twin.load_state_dict(saved)
    for ps, o in ((params, optimizer), (twins, twin)):
        walk(ps, o, 3, first=3)
        inner = o.optimizer if name.startswith("Lookahead") else o
        for p in ps:
            for key, value in {**o.state[p], **o.state[p].get("moments", {}), **inner.state[p]}.items():
                if isinstance(value, torch.Tensor):
                    assert value.device.type == ("cpu" if key == "step" else "cuda")
    assert gap(params, twins) == 0


@every
def test_no_step_waits_for_the_device(name):
    params = parameters("cuda", torch.float32)
    optimizer = MAKERS[name](params)
    walk(params, optimizer, 3)
    give_gradients(params, 4)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(3):
            optimizer.step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@without_t
def test_a_captured_step_replays(name):
    """A graph holds the numbers of the step that was captured; what depends on t would stay as it was."""
    params, twins = parameters("cuda"), parameters("cuda")
    optimizer, plain = MAKERS[name](params), MAKERS[name](twins)
    grads = [torch.ones_like(p) for p in params]
    for p, q, grad in zip(params, twins, grads, strict=True):
        p.grad, q.grad = grad, grad.clone()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            optimizer.step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        optimizer.step()
    for number in (-2, -1, 0, 1, 2):
        for grad in grads:
            grad.fill_(number)
        graph.replay()
    for number in (1, 1, 1, -2, -1, 0, 1, 2):
        for q in twins:
            q.grad.fill_(number)
        plain.step()
    assert gap(params, twins) <= 1e-12 and gap(params, parameters("cuda")) > 1e-3


@pytest.mark.parametrize("how", ["none", "reset", "pullback"])
def test_around_torchs_capturable_adam_whose_count_is_on_the_device(how):
    there, here = parameters("cuda"), parameters("cpu")
    inner = torch.optim.Adam(there, lr=0.1, capturable=True)
    walk(there, gd.optim.Lookahead(inner, 3, 0.5, how), 8)
    walk(here, gd.optim.Lookahead(torch.optim.Adam(here, lr=0.1), 3, 0.5, how), 8)
    assert gap(there, here) <= 1e-12
    counts = [inner.state[p]["step"] for p in there]
    assert all(step.is_cuda and step.item() == (2 if how == "reset" else 8) for step in counts)


def test_parameters_on_two_devices():
    params = [*parameters("cuda")[:2], *parameters("cpu")[2:]]
    twins = parameters("cpu")
    walk(params, gd.optim.Adam(params), 5)
    walk(twins, gd.optim.Adam(twins), 5)
    assert gap(params, twins) <= 1e-12


def test_a_gradscaler_on_the_device_skips_overflowed_steps():
    params = parameters("cuda", torch.float32)
    optimizer = gd.optim.Adam(params)
    scaler = torch.amp.GradScaler("cuda", init_scale=8.0)
    scaler.scale(torch.ones((), device="cuda"))
    before = [p.detach().clone() for p in params]
    give_gradients(params, 1)
    params[1].grad[0] = float("inf")
    scaler.step(optimizer)
    scaler.update()
    assert gap(params, before) == 0 and not optimizer.state
