"""What one process of `test_sharded` does: it trains wrapped models, saves half-way by torch.distributed's
own
checkpoints, loads that into new ones, and tells in a file whether they went on bit for bit.

    python sharded.py RANK WORLD FOLDER WRAPPING NAME …
"""

from __future__ import annotations

import json
import sys
import warnings
from pathlib import Path

import torch
import torch.distributed.checkpoint as dcp
from torch import distributed, nn
from torch.distributed.checkpoint import state_dict as dsd
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard
from torch.distributed.optim import ZeroRedundancyOptimizer

import gdcourse as gd
from tests.optimizers import MAKERS as OURS

HALF, WHOLE = 5, 9
CPU = torch.device("cpu")

MAKERS = OURS | {
    "SGD": lambda params, **how: gd.optim.SGD(params, lr=0.05, **how),
    "Momentum": lambda params, **how: gd.optim.Momentum(params, lr=0.05, **how),
    "Nesterov": lambda params, **how: gd.optim.Nesterov(params, lr=0.05, **how),
    "Adagrad": lambda params, **how: gd.optim.Adagrad(params, lr=0.05, **how),
    "RMSProp": lambda params, **how: gd.optim.RMSProp(params, lr=0.01, **how),
    "Adadelta": lambda params, **how: gd.optim.Adadelta(params, eps=1e-4, **how),
    "Adam": lambda params, **how: gd.optim.Adam(params, lr=0.01, **how),
    "AdamW": lambda params, **how: gd.optim.AdamW(params, lr=0.01, **how),
    "RAdam": lambda params, **how: gd.optim.RAdam(params, lr=0.01, **how),
    "Lion": lambda params, **how: gd.optim.Lion(params, lr=0.01, **how),
    "Lookahead": lambda params, **how: gd.optim.Lookahead(
        gd.optim.Nesterov(params, lr=0.05, **how), 2, 0.5, "pullback"
    ),
}


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 16), nn.Tanh(), nn.Linear(16, 4))


def wrapped(wrapping: str, world: int) -> nn.Module:
    model = network()
    if wrapping == "fully_shard":
        fully_shard(model, mesh=init_device_mesh("cpu", (world,)))
        return model
    if wrapping == "FullyShardedDataParallel":
        return FullyShardedDataParallel(model, device_id=CPU)
    if wrapping == "DistributedDataParallel":
        return nn.parallel.DistributedDataParallel(model)
    return model


def trained(model: nn.Module, optimizer: torch.optim.Optimizer, first: int, stop: int) -> None:
    for t in range(first, stop):
        x = torch.randn(8, 20, generator=torch.Generator().manual_seed(t))
        optimizer.zero_grad()
        (model(x) ** 2).mean().backward()
        optimizer.step()


def values(model: nn.Module) -> list[torch.Tensor]:
    whole = [p.full_tensor() if hasattr(p, "full_tensor") else p for p in model.parameters()]
    return [x.detach().clone() for x in whole]


def gap(a: list[torch.Tensor], b: list[torch.Tensor]) -> float:
    return max((x - y).abs().max().item() for x, y in zip(a, b, strict=True) if x.numel())


def resumed_gap(make, wrapping: str, world: int, folder: Path) -> dict[str, float]:
    """How far a run that is saved and loaded half-way ends from the one that goes through, by way of
    saving."""

    def built():
        model = wrapped(wrapping, world)
        return model, make(model.parameters())

    model, optimizer = built()
    trained(model, optimizer, 0, HALF)
    saved = {
        "model": dsd.get_model_state_dict(model),
        "optimizer": dsd.get_optimizer_state_dict(model, optimizer),
    }
    dcp.save(saved, checkpoint_id=folder)
    old = FullyShardedDataParallel
    flat = old.optim_state_dict(model, optimizer) if isinstance(model, old) else None
    trained(model, optimizer, HALF, WHOLE)
    end = values(model)

    again, loaded = built()
    room = {
        "model": dsd.get_model_state_dict(again),
        "optimizer": dsd.get_optimizer_state_dict(again, loaded),
    }
    dcp.load(room, checkpoint_id=folder)
    dsd.set_model_state_dict(again, room["model"])
    dsd.set_optimizer_state_dict(again, loaded, room["optimizer"])
    trained(again, loaded, HALF, WHOLE)
    gaps = {"distributed.checkpoint": gap(values(again), end)}
    if flat is not None:
        third, own = built()
        dsd.set_model_state_dict(third, room["model"])
        own.load_state_dict(old.optim_state_dict_to_load(third, own, flat))
        trained(third, own, HALF, WHOLE)
        gaps["optim_state_dict"] = gap(values(third), end)
    plain = network()
    trained(plain, make(plain.parameters()), 0, WHOLE)
    if wrapping != "FullyShardedDataParallel":  # which hands its parameters out as vectors
        gaps["one process"] = gap(values(plain), end)
    gaps["moved"] = gap(values(plain), values(network()))
    return gaps


def zero_gap(make, name: str) -> dict[str, float]:
    """ZeRO beside the same optimizer on its own."""
    model, plain = network(), network()
    kind = getattr(gd.optim, name)
    optimizer = ZeroRedundancyOptimizer(model.parameters(), optimizer_class=kind, lr=0.05)
    trained(model, optimizer, 0, WHOLE)
    trained(plain, kind(plain.parameters(), lr=0.05), 0, WHOLE)
    return {"one process": gap(values(model), values(plain)), "moved": gap(values(plain), values(network()))}


def main() -> None:
    rank, world, folder, wrapping, names = (
        int(sys.argv[1]),
        int(sys.argv[2]),
        Path(sys.argv[3]),
        *sys.argv[4:5],
        sys.argv[5:],
    )
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=world
    )
    told = {}
    for name in names:
        for compile in (False, True):
            key = f"{name}, compiled" if compile else name
            make = lambda params, make=MAKERS[name], compile=compile: make(params, compile=compile)  # noqa: E731
            if wrapping == "ZeroRedundancyOptimizer":
                told[key] = zero_gap(make, name)
            else:
                told[key] = resumed_gap(make, wrapping, world, folder / key.replace(", ", "-"))
    if rank == 0:
        (folder / "told.json").write_text(json.dumps(told))
    distributed.barrier()
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
