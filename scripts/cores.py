"""How many processes the commands run side by side: as many as there are cores and memory for.

    python scripts/cores.py        prints the number, for the Makefile

Standard library only.
"""

import os
from pathlib import Path

MOST = 8  # the longest file of tests takes a tenth of the whole: more would wait for it
NEEDS = 1.5e9  # bytes of memory for each: chapters were seen to take 0.7, and a browser comes on top
QUOTA = Path("/sys/fs/cgroup/cpu.max")  # what a container may use, "max 100000" or "200000 100000"


def cores() -> int:
    """The cores that this process may use."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows do not bind processes to cores
        count = os.cpu_count() or 1
    try:
        quota, period = QUOTA.read_text().split()
        count = min(count, -(-int(quota) // int(period)))
    except (OSError, ValueError):  # no container, or one without a limit
        pass
    return max(1, count)


def memory() -> float:
    """The machine's memory in bytes; infinite where it does not say."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, OSError, ValueError):
        return float("inf")


def side_by_side() -> int:
    """So many processes, at least one."""
    return max(1, int(min(cores(), MOST, memory() // NEEDS)))


if __name__ == "__main__":
    print(side_by_side())
