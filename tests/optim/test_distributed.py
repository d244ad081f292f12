"""Two processes that train one model on different data keep the same numbers, to the last bit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]

TRAINS = """
import sys
import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
import gdcourse as gd

rank, folder = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
kept = {}
for name, make in {
    "Nesterov": lambda params: gd.optim.Nesterov(params, lr=0.01),
    "RAdam": gd.optim.RAdam,
    "Lookahead": lambda params: gd.optim.Lookahead(gd.optim.Adam(params), k=3),
    "Lookahead, reset": lambda params: gd.optim.Lookahead(gd.optim.Adam(params), 3, 0.5, "reset"),
    "Lookahead, pullback": lambda params: gd.optim.Lookahead(torch.optim.Adam(params), 3, 0.5, "pullback"),
}.items():
    torch.manual_seed(rank)  # DistributedDataParallel gives the second process the first's parameters
    model = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))
    wrapped = DistributedDataParallel(model)
    optimizer = make(wrapped.parameters())
    data = torch.Generator().manual_seed(10 + rank)
    first = [p.detach().clone() for p in model.parameters()]
    for _ in range(10):
        optimizer.zero_grad()
        (wrapped(torch.randn(16, 4, generator=data)) - 1).pow(2).mean().backward()
        optimizer.step()
    kept[name] = {
        "first": first,
        "last": [p.detach().clone() for p in model.parameters()],
        "optimizer": optimizer.state_dict(),
    }
torch.save(kept, f"{folder}/{rank}.pt")
distributed.destroy_process_group()
"""


def same(a, b):
    """Bit for bit."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason="torch.distributed with gloo is not available in this build of torch",
)
def test_two_processes_stay_bit_equal(tmp_path):
    script = tmp_path / "trains.py"
    script.write_text(TRAINS)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script)]
    processes = [
        subprocess.Popen(
            [*command, str(rank), str(tmp_path)], env=environment, stderr=subprocess.PIPE, text=True
        )
        for rank in (0, 1)
    ]
    try:
        said = [process.communicate(timeout=60)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], "\n".join(said)[-2000:]

    one, other = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1)]
    for name in one:
        pairs = zip(one[name]["last"], other[name]["last"], strict=True)
        assert all(torch.equal(a, b) for a, b in pairs), name
        assert same(one[name]["optimizer"], other[name]["optimizer"]), name
        moved = zip(one[name]["first"], one[name]["last"], strict=True)
        assert not any(torch.equal(a, b) for a, b in moved), name
