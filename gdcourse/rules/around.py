"""Rules around another rule: what they have in common, and what follows from the two for a driver."""

from __future__ import annotations

from dataclasses import dataclass

from gdcourse.rules.rule import Rule, Scope


@dataclass(frozen=True, eq=False)
class Around(Rule):
    """A rule around another one, which does everything until a subclass says otherwise.

    Parameters
    ----------
    inner_rule : any rule.
    """

    inner_rule: Rule

    def init(self, theta, zeros):
        return self.inner_rule.init(theta, zeros)

    def at(self, t):
        return self.inner_rule.at(t)

    def look(self, theta, state):
        return self.inner_rule.look(theta, state)

    def unlook(self, point, state):
        return self.inner_rule.unlook(point, state)


def inside(rule: Rule) -> Rule | None:
    """The rule that a rule is around, if it is around one."""
    inner = getattr(rule, "inner_rule", None)
    return inner if isinstance(inner, Rule) else None


def chain_of(rule: Rule) -> list[Rule]:
    """A rule, the one that it is around, and so on to the innermost."""
    inner = inside(rule)
    return [rule, *(chain_of(inner) if inner is not None else [])]


def scope_of(rule: Rule) -> Scope:
    """What a rule may be run on, and the rule that it may be around, too: the stricter of the two.

    Raises
    ------
    ValueError : no way to run them suits both.
    """
    if inside(rule) is None:
        return rule.scope
    scopes = {one.scope: type(one).__name__ for one in reversed(chain_of(rule))}
    alone = next((scope for scope in ("tensor", "vector") if scope in scopes), None)
    if "all" in scopes and alone:
        raise ValueError(
            f"{scopes['all']} sums over all parameters (scope = 'all') and {scopes[alone]} needs each by "
            f"itself (scope = {alone!r}): they cannot be one rule"
        )
    return next((scope for scope in ("all", "tensor", "vector") if scope in scopes), rule.scope)


def per_batch_of(rule: Rule) -> int:
    """How many gradients in a row a rule wants of one mini-batch, with those that it may be around."""
    count = 1
    for one in chain_of(rule):
        count *= one.per_batch
    return count


def name_of(rule: Rule) -> str:
    """What a rule is called, with the one that it is around: Cautious(Adam)."""
    inner = inside(rule)
    return type(rule).__name__ + (f"({name_of(inner)})" if inner is not None else "")
