"""What a figure's texts need to belong to one of its `Views`."""

from __future__ import annotations

import numpy as np


def in_views(*names: str, computed: int) -> dict[str, np.ndarray]:
    """For each view by name an array that has a number in this view, and none in the others: a text that
    begins with ``{in_map@view:?}`` is shown in the view called map only.

    Parameters
    ----------
    names : the views, in the order of their buttons.
    computed : with how many controls the figure computes.
    """
    one_hot = np.where(np.eye(len(names)) > 0, 1.0, np.nan)
    return {
        f"in_{name}": one.reshape((1,) * computed + (-1,)) for name, one in zip(names, one_hot, strict=True)
    }
