"""Lookahead: every k steps of another rule, go back part of the way."""

from dataclasses import dataclass

from gdcourse.rules.rule import Rule, Scalar, where


@dataclass(frozen=True, eq=False)
class Lookahead(Rule):
    """Fast weights θ take k steps of the inner rule; then the slow weights φ move towards them
    and the fast ones restart there: φ ← φ + α(θ − φ),  θ ← φ, whenever k divides t;  φ_0 = θ_0.

    Parameters
    ----------
    inner_rule : any rule but another Lookahead. Its state is kept across a synchronisation.
    k : the synchronisation period, a whole number of steps ≥ 1. Default 5.
    alpha : α in [0, 1], without unit: the share of the way that the slow weights go. Default 0.5.

    State: ``slow``, with θ's shape and unit, and the inner rule's state.

    Source: Zhang, Lucas, Hinton and Ba (2019), Algorithm 1; the talk's slide "Lookahead".
    torch has none; ``gdcourse.optim.Lookahead`` calls `pull` around any torch optimizer.
    """

    inner_rule: Rule
    k: Scalar = 5
    alpha: Scalar = 0.5

    def init(self, theta, zeros):
        return {"slow": theta, **self.inner_rule.init(theta, zeros)}

    def at(self, t):
        return {"sync": t % self.k == 0, **self.inner_rule.at(t)}

    def look(self, theta, state):
        return self.inner_rule.look(theta, state)

    def unlook(self, point, state):
        return self.inner_rule.unlook(point, state)

    def pull(self, slow, fast):
        return slow + self.alpha * (fast - slow)

    def step(self, theta, grad, state, at):
        fast, new = self.inner_rule.step(theta, grad, state, at)
        slow = where(at["sync"], self.pull(state["slow"], fast), state["slow"])
        return where(at["sync"], slow, fast), {**new, "slow": slow, "fast": fast}
