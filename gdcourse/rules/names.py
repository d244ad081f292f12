"""What is said to somebody who gives an argument a name that it does not have here."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import wraps
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])

# what others call it: what it may be called here; of these, those count that the function takes
OTHER_NAMES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(["learning_rate", "step_size", "stepsize", "eta", "rate"], ("lr",)),
    **dict.fromkeys(
        ["momentum", "rho", "alpha", "decay", "beta"], ("gamma", "momentum", "rho", "alpha", "beta")
    ),
    "gamma": ("momentum", "rho", "alpha", "beta"),
    "betas": ("beta1", "beta2"),
    **dict.fromkeys(["beta1", "beta2", "beta_1", "beta_2", "b1", "b2"], ("betas", "beta1", "beta2")),
    **dict.fromkeys(["epsilon", "eps_root", "delta"], ("eps",)),
    **dict.fromkeys(["optimizer", "base_optimizer", "inner", "rule"], ("inner_rule", "optimizer")),
    **dict.fromkeys(["la_steps", "sync_period", "slow_step"], ("k",)),
    **dict.fromkeys(["wd", "weight_decay_rate"], ("weight_decay",)),
    **dict.fromkeys(["warmup_steps", "num_warmup_steps"], ("warmup", "warmup_steps")),
    "warmup": ("warmup_steps",),
    **dict.fromkeys(["clip", "clip_norm", "max_grad_norm", "threshold"], ("max_norm",)),
    **dict.fromkeys(["radius", "neighborhood"], ("rho",)),
    **dict.fromkeys(["beta_3", "b3"], ("beta3",)),
    **dict.fromkeys(["estim_lr0", "d"], ("d0",)),
    **dict.fromkeys(["estim_lr_coef", "coef"], ("d_coef",)),
    **dict.fromkeys(["parameters", "model"], ("params",)),
}  # fmt: skip

# by owner and name: what to write instead
INSTEAD: dict[tuple[str, str], str] = {
    ("SGD", "momentum"): "gd.optim.Momentum(params, lr, momentum=0.9) has one",
    ("SGD", "nesterov"): "gd.optim.Nesterov(params, lr, momentum=0.9) is that",
    ("Momentum", "nesterov"): "Nesterov is a method of its own: gd.Nesterov, gd.optim.Nesterov",
    ("Nesterov", "nesterov"): "gd.optim.Momentum is that",
    ("Adam", "decoupled_weight_decay"): "gd.optim.AdamW is that",
    ("AdamW", "decoupled_weight_decay"): "gd.optim.Adam is that",
    ("GradientDescent", "momentum"): "gd.Momentum(lr, gamma=0.9) has one",
    ("GradientDescent", "gamma"): "gd.Momentum(lr, gamma=0.9) has one",
    ("GradientDescent", "nesterov"): "gd.Nesterov(lr, gamma=0.9) is that",
    ("GradientDescent", "batch"): "how many examples a gradient takes is for the problem or gd.train to say",
    ("Adam", "weight_decay"): "gd.AdamW(lr, weight_decay=0.01) has one",
    ("Adam", "amsgrad"): "AMSGrad is a method of its own: gd.AMSGrad, gd.optim.AMSGrad",
    ("Adam", "nesterov"): "NAdam is a method of its own: gd.NAdam, gd.optim.NAdam",
    ("AdEMAMix", "betas"): "here they are three, beta1, beta2 and beta3",
    ("SignSGD", "weight_decay"): "gd.optim.SignSGD(params, lr, weight_decay=0.01) adds it to the gradient",
    ("Adadelta", "lr"): "the rule has none; gd.optim.Adadelta(params, lr=1.0) multiplies its steps by one",
}

FOR_RUNNING: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(
        ["n_steps", "num_steps", "nsteps", "iterations", "iters", "n_iter", "max_iter", "maxiter", "T"],
        ("steps",),
    ),
    **dict.fromkeys(["epoch", "n_epochs", "num_epochs"], ("epochs", "steps")),
    "epochs": ("steps",),
    **dict.fromkeys(["optimizer", "optim", "method", "opt", "algorithm"], ("rule", "optimizer", "methods")),
    **dict.fromkeys(["rule", "rules", "optimizers"], ("optimizer", "methods")),
    **dict.fromkeys(["function", "func", "fun", "f", "loss", "objective", "surface"], ("problem", "loss")),
    **dict.fromkeys(["x0", "theta0", "theta", "init", "initial", "x"], ("start",)),
    **dict.fromkeys(["batch_size", "batchsize", "bs"], ("batch",)),
    **dict.fromkeys(["model", "net", "module"], ("network",)),
    **dict.fromkeys(["dataset", "digits", "train_data"], ("data",)),
    **dict.fromkeys(["seeds", "random_state", "rng", "generator"], ("seed", "seeds")),
    **dict.fromkeys(["seed", "n_seeds", "num_seeds"], ("seeds",)),
    **dict.fromkeys(["callbacks", "on_step"], ("callback",)),
    **dict.fromkeys(["scheduler", "lr_scheduler"], ("schedule",)),
    **dict.fromkeys(["n_trials", "num_trials", "grid"], ("trials",)),
    **dict.fromkeys(["criterion", "loss_fn", "loss_function"], ("loss",)),
    **dict.fromkeys(["return_path", "keep_path", "history"], ("path", "keep")),
}  # fmt: skip

OF_THE_RULE = {"lr", "gamma", "momentum", "betas", "beta1", "beta2", "eps", "weight_decay", *OTHER_NAMES}
"""What a function that runs a rule does not take."""


def hinted(function: F) -> F:
    """The same function, whose TypeError about an unknown argument goes on to say what it may be called.

    The message begins as Python's own does. A function that takes any name (``**settings``) is given back
    as it is.
    """
    takes = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in takes.values()):
        return function
    known = tuple(name for name in takes if name != "self")

    @wraps(function)
    def told(*args: Any, **settings: Any) -> Any:
        for name in settings:
            if name not in known:
                raise TypeError(_message(function.__qualname__, name, known))
        return function(*args, **settings)

    return told  # type: ignore[return-value]


def explain_names(classes: Iterable[type]) -> None:
    """Give the constructors of these classes their hints."""
    for one in classes:
        one.__init__ = hinted(one.__init__)  # type: ignore[misc]


def unknown(kind: str, name: Any, known: Iterable[str], others: Mapping[str, str] | None = None) -> str:
    """A sentence on a name that is none of those known: what may be meant, and what there is.

    Parameters
    ----------
    kind : what the name should be one of, in a word.
    name : what was given.
    known : the names that there are.
    others : what else they are called elsewhere, by the name there. Default: nothing.
    """
    known, others = list(known), others or {}
    lower = {one.lower(): others.get(one, one) for one in [*others, *known]}
    near = get_close_matches(str(name).lower(), lower, n=1)
    hint = f"did you mean {lower[near[0]]!r}? " if near else ""
    return f"unknown {kind} {name!r}; {hint}known are {', '.join(known)}"


def absent(module: str, name: str, others: Mapping[str, str]) -> AttributeError:
    """What a module raises for a name that it does not have: it says what the thing is called here, if it has
    another name elsewhere. (Of a name that is misspelt Python itself says what is near.)"""
    hint = f"; here it is called {others[name]}" if name in others else ""
    return AttributeError(f"module {module!r} has no attribute {name!r}{hint}")


def _message(called: str, name: str, known: tuple[str, ...]) -> str:
    python = f"{called}() got an unexpected keyword argument {name!r}"
    owner, _, method = called.rpartition(".")
    is_class = method == "__init__"
    if is_class and (owner, name) in INSTEAD:
        return f"{python}: {INSTEAD[owner, name]}"
    table = OTHER_NAMES if is_class else FOR_RUNNING
    here = [other for other in table.get(name, ()) if other in known]
    if not here and not is_class and name in OF_THE_RULE:
        return f"{python}: that is the rule's own, as in gd.Momentum(lr=0.1, gamma=0.9)"
    if not here and is_class and "inner_rule" in known and name in OF_THE_RULE:
        return f"{python}: that is the inner rule's own, as in gd.{owner}(gd.Adam(lr=0.001))"
    close = here or get_close_matches(name, known, n=1)
    if not close:
        return f"{python}; it takes {', '.join(known)}"
    if name == "betas":
        return f"{python}; here they are two, beta1 and beta2"
    if close[0] == "betas":
        return f"{python}; here they are a pair, betas=(beta1, beta2)"
    return f"{python}; here it is called {close[0]}"
