"""Two rules for one network: one for its hidden matrices, and one for the rest."""

from __future__ import annotations

from dataclasses import dataclass

from gdcourse.rules.rule import Rule


@dataclass(frozen=True, eq=False)
class Partners:
    """A rule for the hidden matrices of a network, and its partner for all else: embeddings, the head,
    vectors.

    It is no rule itself: `gdcourse.train` takes it in the place of one. Which parts are hidden matrices the
    network says (``network.hidden``). In a training loop for torch, `gdcourse.optim.Together` is the same.

    Parameters
    ----------
    hidden : the rule for the hidden matrices, such as ``Muon()``.
    rest : the rule for the rest, such as ``Adam(0.003)``. Their array hyperparameters broadcast with each
        other's: ``Partners(Muon(rates[:, None, None]), rest=Adam(others[:, None]))`` with several seeds is a
        grid of three axes.
    """

    hidden: Rule
    rest: Rule
