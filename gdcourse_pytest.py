"""A plug-in for pytest, there wherever gdcourse is installed: `pytest --nbval some/notebook.ipynb` works.

It acts only where nbval was asked for. Live cells show their static form and progress bars stay away, as when
the outputs were stored; the kernel is that of the environment that runs pytest, unless another is named; and
pytest-xdist gives a notebook to one worker, since its cells need each other.

Importing it imports nothing else: pytest loads it at every start.
"""

from __future__ import annotations

import os
from typing import Any


def pytest_configure(config: Any) -> None:
    """Set what nbval's runs need."""
    option = config.option
    if not (getattr(option, "nbval", False) or getattr(option, "nbval_lax", False)):
        return
    os.environ.setdefault("GDCOURSE_STATIC", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # sums are taken in the same order on every machine
    if not getattr(option, "nbval_kernel_name", None):
        option.nbval_current_env = True
    if getattr(option, "dist", "no") in ("load", "worksteal"):
        option.dist = "loadfile"
