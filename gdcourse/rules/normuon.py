"""NorMuon: Muon whose rows, in torch the neurons, move about equally far."""

from dataclasses import dataclass

from gdcourse.rules.muon import Muon
from gdcourse.rules.rule import MATRIX, Scalar, norm

TINY = 1e-10


@dataclass(frozen=True, eq=False)
class NorMuon(Muon):
    """Muon's step with Q'_t in the place of Q_t:  r_t = β₂ r_{t−1} + (1 − β₂) mean(Q_t²), one number for each
    row,  N_t = Q_t / √r_t,  Q'_t = ‖Q_t‖/‖N_t‖ · N_t,  r_0 = 0.

    Parameters
    ----------
    lr, gamma, weight_decay, coefficients : as in Muon.
    beta2 : β₂ in [0, 1), without unit: the decay of the rows' mean squares. Default 0.95.

    State: ``M`` as in Muon, and ``r``, shape ``(n, 1)``, without unit.

    In `gdcourse.problems.Network` the rows are the inputs, and it is these that move about equally far.

    Beside either divisor stands 10⁻¹⁰. r begins at 0 and is not corrected for it, which would be one factor
    for all of a matrix: the norm takes it out.

    Source: Li et al. (2025), Algorithm 1, in the form of the authors' code for matrices (of parameters with
    more axes it keeps other means), whose Q looks ahead as Muon's does, and whose factor is √max(1, n/m)
    where the paper has 0.2 √(nm)/‖Q'_t‖. Their NS adds 10⁻⁷ to ‖U‖, which here is at least that. torch and
    optax have none.
    """

    beta2: Scalar = 0.95

    def init(self, theta, zeros):
        return {**super().init(theta, zeros), "r": zeros.sum(axis=-1, keepdims=True)}

    def step(self, theta, grad, state, at):
        _, new = super().step(theta, grad, state, at)
        Q = new["Q"]
        r = self.beta2 * state["r"] + (1 - self.beta2) * (Q * Q).mean(axis=-1, keepdims=True)
        N = Q / (r**0.5 + TINY)
        Q = N * (norm(Q, MATRIX) / (norm(N, MATRIX) + TINY))
        return self.moved(theta, Q), {"M": new["M"], "Q": Q, "r": r}
