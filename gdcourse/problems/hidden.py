"""Which of a module's parameters are hidden matrices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch

TABLES = (torch.nn.Embedding, torch.nn.EmbeddingBag)


def hidden_of(module: torch.nn.Module, rest: Iterable[Any] = ()) -> dict[str, bool]:
    """Of each parameter of a module that is trained, by its name, whether it is a hidden matrix; see
    `gdcourse.optim.hidden_matrices`."""
    weights = {name: param for name, param in module.named_parameters() if param.requires_grad}
    left = {
        id(param) for table in module.modules() if isinstance(table, TABLES) for param in table.parameters()
    }
    every = module.named_parameters(remove_duplicate=False)  # a head may be an embedding, and frozen
    matrices = [
        id(param)
        for name, param in every
        if _is_matrix(param) or (param.ndim > 1 and name.rpartition(".")[2] == "weight")  # a head of one row
    ]
    left |= {*matrices[-1:], *_named(module, weights, rest)}
    return {name: _is_matrix(param) and id(param) not in left for name, param in weights.items()}


def _is_matrix(param: torch.Tensor) -> bool:
    """Whether the first axis, the rows, and the others, the columns, are more than one: a vector may have
    axes of length 1 besides, to go beside a batch, and a batch's table of positions is one row."""
    return param.ndim > 1 and param.shape[0] > 1 and param.shape[1:].numel() > 1


def _named(module: torch.nn.Module, weights: dict[str, Any], rest: Iterable[Any]) -> Iterator[int]:
    """What somebody has named, by the parameters' ids.

    Raises
    ------
    ValueError : nothing that is trained goes by the name.
    TypeError : something else than names.
    """
    if isinstance(rest, str):
        raise TypeError(f"rest must be several names, as in rest=[{rest!r}], got the string {rest!r}")
    for name in rest:
        if not isinstance(name, str):
            raise TypeError(f"rest must be names of parameters or modules, got {type(name).__name__}")
        found = [id(param) for own, param in weights.items() if own == name or own.startswith(f"{name}.")]
        if not found:
            raise ValueError(
                f"rest: no parameter or module of this name: {name!r}; there are {', '.join(weights)}"
            )
        yield from found
