"""What a step costs, counted, not timed: operations per parameter, and numbers kept per parameter."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from gdcourse.problems.network import Network
from gdcourse.problems.transformer import Transformer
from gdcourse.rules import Lookahead, Rule
from gdcourse.rules.around import name_of, scope_of

EIGH, QR = 9.0, 8 / 3
"""Operations for n³, of a symmetric matrix's eigenvectors and of a square matrix's QR, both factors: the
leading terms in Golub and Van Loan, Matrix Computations."""

FREE = {"get", "getitem", "reshape", "argsort", "take_along_dim", "size"}
"""What only looks or moves."""


class _Counting(TorchFunctionMode):
    """Counts the operations that a rule does on tensors: for an operator or a function, `abs`, a comparison
    and `where` included, one for each number that it reads or makes, whichever are more; 2nmk for a product
    of matrices; and what `EIGH` and `QR` say. Reading an attribute (a shape, a transpose), taking another
    shape and sorting are no operation."""

    def __init__(self) -> None:
        super().__init__()
        self.operations = 0.0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.operations += _operations(func.__name__.strip("_"), args, result)
        return result


def _operations(name: str, args: Any, result: Any) -> float:
    if name in FREE:
        return 0
    tensors = [x for x in args if isinstance(x, torch.Tensor)]
    if name in ("matmul", "rmatmul"):
        return 2 * result.numel() * tensors[0].shape[-1]
    if name in ("eigh", "linalg_eigh", "qr", "linalg_qr"):
        size, cubes = tensors[0].shape[-1], EIGH if "eigh" in name else QR
        return cubes * size**3 * (tensors[0].numel() // max(1, size**2))
    return max((x.numel() for x in [*tensors, result] if isinstance(x, torch.Tensor)), default=0)


def step_operations(rule: Rule, t: int = 1000, shape: tuple[int, int] | None = None) -> float:
    """How many arithmetic operations step t takes for each parameter; what depends on t alone, and is
    computed once for all parameters, is not counted.

    An operator or function counts as one for each number, a root and a comparison as a sum does. A rule that
    sees matrices needs a shape: a product of n × k by k × m is 2nkm operations, the eigenvectors of a
    symmetric n × n matrix are 9n³, and a QR of one is 8n³/3. With five steps of NS, Muon takes 5(4n²m + 2n³)
    of them for n ≤ m, over nm parameters; Shampoo 9(n³ + m³) and its products. Lookahead's synchronisation
    and SOAP's QR are shared out over their k steps. SAM takes two steps for one of the rule inside, and
    computes that one's at both.

    Parameters
    ----------
    rule : its hyperparameters are numbers.
    t : the step. Default 1000.
    shape : of the parameter, (n, m). Default: the count is the same for all.

    Raises
    ------
    ValueError : a rule that sees matrices, and no shape.
    """
    if isinstance(rule, Lookahead):
        inner = step_operations(rule.inner_rule, t, shape)
        return inner + (_counted(rule, t, shape) - inner) / rule.k
    if "renews" in rule.at(1):
        period: int = rule.k  # type: ignore[attr-defined]
        first = t - (t - 1) % period
        return sum([_counted(rule, first + i, shape) for i in range(period)]) / period
    return _counted(rule, t, shape)


def _counted(rule: Rule, t: int, shape: tuple[int, int] | None) -> float:
    def of(numbers: torch.Tensor) -> float:
        state, at = rule.init(numbers, numbers), rule.at(t)
        with _Counting() as counting:
            rule.look(numbers, state)
            rule.step(numbers, numbers, state, at)
        return counting.operations

    return _for_each(rule, shape, of)


def _for_each(rule: Rule, shape: tuple[int, int] | None, of: Callable[[torch.Tensor], float]) -> float:
    """What a count is for each parameter, of one in the shape in which the rule sees it. For a vector
    without a shape, of a long one: what there is once for all is nothing then."""
    ones = partial(torch.ones, dtype=torch.float64)
    scope = scope_of(rule)
    if scope == "tensor":
        if shape is None:
            raise ValueError(
                f"{name_of(rule)} sees matrices, and what it costs depends on their shape: give one, "
                "shape=(64, 256)"
            )
        each = of(ones(*shape)) / prod(shape)
    elif scope == "element":
        each = of(ones(1, 1))
    else:
        each = of(ones(3)) - of(ones(2)) if shape is None else of(ones(prod(shape))) / prod(shape)
    return int(each) if each == int(each) else each


def state_size(rule: Rule, shape: tuple[int, int] | None = None) -> float:
    """How many numbers the rule keeps from step to step, for each parameter.

    A rule that sees matrices needs a shape: beside what has θ's shape, Shampoo keeps n² + m² numbers for nm
    parameters, SOAP 2(n² + m²), Adafactor n + m. Raises as `step_operations` does.
    """
    return _for_each(rule, shape, lambda numbers: _kept(rule, numbers))


def state_bytes(rule: Rule, shape: tuple[int, int], itemsize: int = 4) -> int:
    """How many bytes the rule keeps from step to step for one parameter of this shape. Of an optimizer for
    torch the step counts, four bytes for each parameter, come besides.

    Parameters
    ----------
    rule : its hyperparameters are numbers.
    shape : (n, m).
    itemsize : bytes of a number. Default 4, float32's.
    """
    return round(itemsize * prod(shape) * state_size(rule, shape))


def _kept(rule: Rule, numbers: torch.Tensor) -> int:
    return sum(torch.as_tensor(x).numel() for x in rule.init(numbers, numbers).values())


def gradient_operations(network: Network | Transformer) -> float:
    """How many operations a forward and a backward pass take, for each parameter and example, as torch
    counts those of its matrix products. An example of a transformer's is a letter, in a window as long as it
    reads; its attention counts as if a letter saw all of the window."""
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode  # slow to import, and rarely wanted

    if isinstance(network, Transformer):
        x = y = torch.zeros(1, network.context, dtype=torch.long)
    else:
        x, y = torch.zeros(1, network.sizes[0], dtype=torch.float64), torch.zeros(1, dtype=torch.long)
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):  # which is products alone
        network.grad(network.init(0), x, y)
    return counter.get_total_flops() / network.parameters / y.numel()
