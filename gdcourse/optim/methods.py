"""The nine optimizers, and one for any rule. Each names its arguments as torch does, and takes its
defaults from the rule. The formulas are in `gdcourse.rules`."""

from __future__ import annotations

from typing import Any

import torch

from gdcourse import rules
from gdcourse.optim.lookahead import Lookahead
from gdcourse.optim.optimizer import RuleOptimizer, pair


class SGD(RuleOptimizer):
    """Gradient descent (`gdcourse.GradientDescent`) over whatever examples the gradient was taken.

    Parameters
    ----------
    params, weight_decay, maximize, compile : as in `RuleOptimizer`.
    lr : η ≥ 0, the step size. No default: it depends on the loss.

    torch: ``torch.optim.SGD(params, lr=lr, weight_decay=weight_decay)``, exactly.
    """

    def __init__(
        self, params: Any, lr: Any, weight_decay: Any = 0.0, *, maximize: bool = False, compile: bool = False
    ) -> None:
        super().__init__(
            params, rules.GradientDescent(lr), weight_decay=weight_decay, maximize=maximize, compile=compile
        )


class Momentum(RuleOptimizer):
    """Gradient descent that remembers (`gdcourse.Momentum`).

    Parameters
    ----------
    params, weight_decay, maximize, compile : as in `RuleOptimizer`.
    lr : η ≥ 0, the step size. No default: it depends on the loss.
    momentum : γ in [0, 1). Default 0.9.

    torch: ``torch.optim.SGD(params, lr=lr, momentum=momentum, weight_decay=weight_decay)`` while lr is
    constant. Here v holds η of the step that added to it; torch multiplies its whole sum by today's η.
    """

    def __init__(
        self,
        params: Any,
        lr: Any,
        momentum: Any = rules.Momentum.gamma,
        weight_decay: Any = 0.0,
        *,
        maximize: bool = False,
        compile: bool = False,
    ) -> None:
        super().__init__(
            params,
            rules.Momentum(lr, momentum),
            weight_decay=weight_decay,
            maximize=maximize,
            compile=compile,
        )


class Nesterov(RuleOptimizer):
    """Momentum that takes its gradient where the momentum leads (`gdcourse.Nesterov`).

    The parameters are the look-ahead points p = θ − γv, where the gradient is wanted. θ is
    ``optimizer.theta(p)``; to evaluate or save there, use ``with optimizer.at_theta(): ...``.
    Under a schedule of γ the gradient of step t is taken at θ_{t−1} − γ_{t−1} v_{t−1}: the point was set
    before γ_t was known.

    Parameters
    ----------
    params, weight_decay, maximize, compile : as in `RuleOptimizer`.
    lr : η ≥ 0, the step size. No default: it depends on the loss.
    momentum : γ in [0, 1). Default 0.9.

    torch: ``torch.optim.SGD(params, lr=lr, momentum=momentum, nesterov=True,
    weight_decay=weight_decay)`` while lr and momentum are constant; its parameters are the same p.
    """

    def __init__(
        self,
        params: Any,
        lr: Any,
        momentum: Any = rules.Nesterov.gamma,
        weight_decay: Any = 0.0,
        *,
        maximize: bool = False,
        compile: bool = False,
    ) -> None:
        super().__init__(
            params,
            rules.Nesterov(lr, momentum),
            weight_decay=weight_decay,
            maximize=maximize,
            compile=compile,
        )


class Adagrad(RuleOptimizer):
    """Each coordinate's step shrinks with the gradients that it has seen (`gdcourse.Adagrad`).

    Parameters
    ----------
    params, weight_decay, maximize, compile : as in `RuleOptimizer`.
    lr : η ≥ 0. Default 0.01.
    eps : ε ≥ 0, inside the root. Default 1e-8.

    torch: ``torch.optim.Adagrad(params, lr=lr, initial_accumulator_value=eps, eps=0,
    weight_decay=weight_decay)``, exactly.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = rules.Adagrad.lr,
        eps: Any = rules.Adagrad.eps,
        weight_decay: Any = 0.0,
        *,
        maximize: bool = False,
        compile: bool = False,
    ) -> None:
        super().__init__(
            params, rules.Adagrad(lr, eps), weight_decay=weight_decay, maximize=maximize, compile=compile
        )


class RMSProp(RuleOptimizer):
    """Adagrad that forgets (`gdcourse.RMSProp`).

    Parameters
    ----------
    params, weight_decay, maximize, compile : as in `RuleOptimizer`.
    lr : η ≥ 0. Default 0.001.
    alpha : γ in [0, 1), the decay of the average. Default 0.9.
    eps : ε ≥ 0, beside the root. Default 1e-8.

    torch: ``torch.optim.RMSprop(params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay)``,
    exactly; torch's own defaults are lr=0.01 and alpha=0.99.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = rules.RMSProp.lr,
        alpha: Any = rules.RMSProp.gamma,
        eps: Any = rules.RMSProp.eps,
        weight_decay: Any = 0.0,
        *,
        maximize: bool = False,
        compile: bool = False,
    ) -> None:
        super().__init__(
            params,
            rules.RMSProp(lr, alpha, eps),
            weight_decay=weight_decay,
            maximize=maximize,
            compile=compile,
        )


class Adadelta(RuleOptimizer):
    """Steps in the units of θ (`gdcourse.Adadelta`).

    Parameters
    ----------
    params, weight_decay, maximize, compile : as in `RuleOptimizer`.
    lr : what a step is multiplied by, ≥ 0, without unit. Default 1.0, the paper's method; there for
        schedules.
    rho : γ in [0, 1), the decay of both averages. Default 0.95.
    eps : ε ≥ 0, inside both roots. Default 1e-6.

    torch: ``torch.optim.Adadelta(params, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)``,
    exactly; torch's own default is rho=0.9.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = 1.0,
        rho: Any = rules.Adadelta.gamma,
        eps: Any = rules.Adadelta.eps,
        weight_decay: Any = 0.0,
        *,
        maximize: bool = False,
        compile: bool = False,
    ) -> None:
        super().__init__(
            params,
            rules.Adadelta(rho, eps),
            lr=lr,
            weight_decay=weight_decay,
            maximize=maximize,
            compile=compile,
        )


class Adam(RuleOptimizer):
    """A smoothed gradient over the root of a smoothed squared gradient (`gdcourse.Adam`).

    Parameters
    ----------
    params, weight_decay, maximize, compile : as in `RuleOptimizer`.
    lr : η ≥ 0. Default 0.001.
    betas : (β₁, β₂), each in [0, 1). Default (0.9, 0.999).
    eps : ε ≥ 0, beside the root. Default 1e-8.

    torch: ``torch.optim.Adam(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)``, exactly.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = rules.Adam.lr,
        betas: tuple[Any, Any] = (rules.Adam.beta1, rules.Adam.beta2),
        eps: Any = rules.Adam.eps,
        weight_decay: Any = 0.0,
        *,
        maximize: bool = False,
        compile: bool = False,
    ) -> None:
        rule = rules.Adam(lr, *pair(betas), eps)
        super().__init__(params, rule, weight_decay=weight_decay, maximize=maximize, compile=compile)


class AdamW(RuleOptimizer):
    """Adam with a weight decay that its averages do not see (`gdcourse.AdamW`).

    Parameters
    ----------
    params, maximize, compile : as in `RuleOptimizer`.
    lr : η ≥ 0. Default 0.001.
    betas : (β₁, β₂), each in [0, 1). Default (0.9, 0.999).
    eps : ε ≥ 0, beside the root. Default 1e-8.
    weight_decay : λ ≥ 0; every step takes η λ θ away from θ, outside of the averages. Default 0.01.

    torch: ``torch.optim.AdamW(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)``, exactly.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = rules.AdamW.lr,
        betas: tuple[Any, Any] = (rules.AdamW.beta1, rules.AdamW.beta2),
        eps: Any = rules.AdamW.eps,
        weight_decay: Any = rules.AdamW.weight_decay,
        *,
        maximize: bool = False,
        compile: bool = False,
    ) -> None:
        rule = rules.AdamW(lr, *pair(betas), eps, weight_decay)
        super().__init__(params, rule, maximize=maximize, compile=compile)


class RAdam(RuleOptimizer):
    """Adam that holds back until its denominator can be trusted (`gdcourse.RAdam`).

    Parameters
    ----------
    params, weight_decay, maximize, compile : as in `RuleOptimizer`.
    lr : η ≥ 0. Default 0.001.
    betas : (β₁, β₂), each in [0, 1). Default (0.9, 0.999).
    threshold : the ρ_t from which on the step is adapted. Default 4, the paper's.
    eps : ε ≥ 0, added to √v_t before its bias is corrected. Default 0: the paper has none.

    torch: ``torch.optim.RAdam(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)`` equals
    this one with ``threshold=5`` and the same eps (torch's is 1e-8). With threshold=4, none exists.
    """

    def __init__(
        self,
        params: Any,
        lr: Any = rules.RAdam.lr,
        betas: tuple[Any, Any] = (rules.RAdam.beta1, rules.RAdam.beta2),
        eps: Any = rules.RAdam.eps,
        weight_decay: Any = 0.0,
        *,
        threshold: Any = rules.RAdam.threshold,
        maximize: bool = False,
        compile: bool = False,
    ) -> None:
        rule = rules.RAdam(lr, *pair(betas), threshold, eps)
        super().__init__(params, rule, weight_decay=weight_decay, maximize=maximize, compile=compile)


def from_rule(
    rule: rules.Rule,
    params: Any,
    *,
    weight_decay: Any = None,
    maximize: bool = False,
    compile: bool = False,
) -> torch.optim.Optimizer:
    """Any update rule as an optimizer, a reader's own included.

    Parameters
    ----------
    rule : an update rule whose hyperparameters are single numbers. It works element by element, as `Rule`
        says: what it is given may be many parameters in one vector, or a piece of one.
    params, weight_decay, maximize, compile : as in `RuleOptimizer`, where the names of the groups' keys and
        the errors are listed, too.

    Returns
    -------
    A `RuleOptimizer`; for `gdcourse.Lookahead`, an `optim.Lookahead` around the inner rule's.

    Examples
    --------
    >>> import torch, gdcourse as gd
    >>> model = torch.nn.Linear(3, 1)
    >>> optimizer = gd.optim.from_rule(gd.Momentum(lr=0.1), model.parameters())
    >>> optimizer.param_groups[0]["momentum"]
    0.9
    """
    if type(rule) is rules.Lookahead:
        rules.validate(rule)
        inner = RuleOptimizer(
            params, rule.inner_rule, weight_decay=weight_decay, maximize=maximize, compile=compile
        )
        return Lookahead(inner, rule.k, rule.alpha)
    return RuleOptimizer(params, rule, weight_decay=weight_decay, maximize=maximize, compile=compile)
