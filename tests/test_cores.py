"""How many processes run side by side."""

import os
import subprocess
import sys

import cores  # scripts/cores.py
import pytest

GB = 1e9


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A function that says what the machine has."""

    def has(count, memory=64 * GB, quota=None, binds=True):
        if binds:
            monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(count)), raising=False)
        else:
            monkeypatch.delattr(os, "sched_getaffinity", raising=False)
            monkeypatch.setattr(os, "cpu_count", lambda: count)
        monkeypatch.setattr(cores, "memory", lambda: memory)
        monkeypatch.setattr(cores, "QUOTA", tmp_path / "cpu.max")
        if quota is not None:
            cores.QUOTA.write_text(quota)

    return has


@pytest.mark.parametrize(
    ("expected", "count", "others"),
    [
        (1, 1, {}),
        (4, 4, {}),
        (4, 4, {"binds": False}),
        (cores.MOST, 64, {}),
        (2, 8, {"memory": 4 * GB}),
        (1, 8, {"memory": 0.5 * GB}),
        (2, 64, {"quota": "150000 100000\n"}),
        (1, 64, {"quota": "20000 100000\n"}),
        (4, 4, {"quota": "max 100000\n"}),
        (4, 4, {"quota": "800000 100000\n"}),
    ],
)
def test_as_many_as_cores_and_memory_allow(machine, expected, count, others):
    machine(count, **others)
    assert cores.side_by_side() == expected


def test_a_machine_that_does_not_say_how_many_cores_it_has(machine):
    machine(None, binds=False)
    assert cores.side_by_side() == 1


def test_the_script_prints_the_number_for_this_machine():
    said = subprocess.run([sys.executable, cores.__file__], capture_output=True, text=True, check=True).stdout
    assert said == f"{cores.side_by_side()}\n"
    assert 1 <= int(said) <= (os.cpu_count() or 1) and cores.memory() > GB
