"""Sharded training: FSDP (both generations), DDP, ZeRO and torch.distributed's checkpoints, on one process
and
on two. A run that is saved and loaded half-way ends where the one does that goes through, bit for bit."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.conftest import needs_a_compiler
from tests.optimizers import MAKERS

ROOT = Path(__file__).resolve().parents[2]
NAMES = [*MAKERS, "Lookahead"]
WRAPPINGS = ("fully_shard", "FullyShardedDataParallel", "DistributedDataParallel")

pytestmark = [
    needs_a_compiler,
    pytest.mark.skipif(
        not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
        reason="torch.distributed with gloo is not available in this build of torch",
    ),
]


def told_by(world, wrapping, names, folder):
    """What the processes tell: by method, how far apart runs end."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(Path(__file__).with_name("sharded.py"))]
    processes = [
        subprocess.Popen(
            [*command, str(rank), str(world), str(folder), wrapping, *names],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(world)
    ]
    try:
        said = [process.communicate(timeout=400)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * world, "\n".join(said)[-3000:]
    return json.loads((folder / "told.json").read_text())


def holds(told, names):
    assert len(told) == 2 * len(names)
    for key, gaps in told.items():
        assert gaps.pop("moved") > 1e-3, key
        assert gaps.pop("one process", 0) <= 1e-6, key  # tensors are joined and cut otherwise
        assert not any(gaps.values()), (key, gaps)


def test_a_sharded_run_resumes_bit_for_bit(tmp_path):
    """One of each kind; all of them, in each wrapping and with two processes, when it may take its time."""
    names = ["Adam", "Lookahead"]
    holds(told_by(1, "fully_shard", names, tmp_path), names)


@pytest.mark.slow
@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_every_method_in_every_wrapping_resumes_bit_for_bit(world, wrapping, tmp_path):
    holds(told_by(world, wrapping, NAMES, tmp_path), NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("world", [1, 2])
def test_zero_shares_out_the_state_and_changes_nothing(world, tmp_path):
    names = ["SGD", "Momentum", "Nesterov", "Adagrad", "Adam", "AdamW"]
    holds(told_by(world, "ZeroRedundancyOptimizer", names, tmp_path), names)
