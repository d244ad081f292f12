"""Whether a rule is what its `scope` says: what works element by element may be joined, cut and shuffled."""

from __future__ import annotations

from typing import Any

import torch

from gdcourse.rules import METHODS, Rule

OURS = {method.kind for method in METHODS.values()}


def joins(rule: Rule) -> bool:
    """Whether several parameters may stand in one vector for this rule: it is not for each in its own shape,
    and its state has the parameter's shape."""
    if rule.scope == "tensor":
        return False
    if type(rule) in OURS:
        return True
    probe = torch.zeros(2, device="cpu")
    first = rule.init(probe, torch.zeros(2, device="cpu"))
    return all(isinstance(x, torch.Tensor) and x.shape == (2,) for x in first.values())


def check_scope(rule: Rule) -> None:
    """Try a reader's rule that claims to work element by element on a vector, the vector shuffled, and its
    two halves: each element must come out the same.

    Raises
    ------
    ValueError : one does not, or ``scope`` is no scope.
    """
    if rule.scope not in ("element", "tensor", "all"):
        raise ValueError(
            f"{type(rule).__name__}.scope is {rule.scope!r}: must be 'element', 'tensor' or 'all'"
        )
    if rule.scope != "element" or type(rule) in OURS:
        return
    generator = torch.Generator(device="cpu").manual_seed(0)
    theta, *grads = torch.randn(4, 6, generator=generator, dtype=torch.float64, device="cpu")
    shuffled = torch.tensor([4, 0, 5, 2, 1, 3], device="cpu")
    try:
        with torch.no_grad():
            end = _walked(rule, theta, grads)
            if not _equal(end, _walked(rule, theta, grads)):
                return  # it draws random numbers: nothing can be compared
            others = {
                "shuffled": (_walked(rule, theta[shuffled], [g[shuffled] for g in grads]), end[shuffled]),
                "cut in two": (
                    torch.cat([_walked(rule, theta[cut], [g[cut] for g in grads]) for cut in HALVES]),
                    end,
                ),
            }
    except Exception as error:
        raise ValueError(
            f"{type(rule).__name__} does not run on a vector ({type(error).__name__}: {error}): a rule that "
            'needs a parameter in its own shape says so, scope = "tensor"'
        ) from error
    for how, (got, wanted) in others.items():
        if not _equal(got, wanted):
            raise ValueError(
                f"{type(rule).__name__} does not work element by element: a vector that is {how} comes out "
                'otherwise. Give the class scope = "tensor" (each parameter in its own shape) or '
                'scope = "all" (all parameters in one vector)'
            )


HALVES = (slice(0, 3), slice(3, 6))


def _walked(rule: Rule, theta: torch.Tensor, grads: list[Any]) -> torch.Tensor:
    state = rule.init(theta, torch.zeros_like(theta))
    for t, grad in enumerate(grads, start=1):
        theta, new = rule.step(theta, grad, state, rule.at(t))
        state = {name: new[name] for name in state}
    return theta


def _equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    return torch.allclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True)
