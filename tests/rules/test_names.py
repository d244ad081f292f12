"""An argument's wrong name gets a message that begins as Python's and says what it is called here."""

import inspect
import pickle
from dataclasses import dataclass

import pytest
import torch

import gdcourse as gd

PARAMS = [torch.nn.Parameter(torch.zeros(2))]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: gd.optim.Adam(PARAMS, beta1=0.9), "here they are a pair, betas=(beta1, beta2)"),
        (lambda: gd.optim.Adam(PARAMS, epsilon=1e-8), "here it is called eps"),
        (lambda: gd.optim.Momentum(PARAMS, 0.1, gamma=0.9), "here it is called momentum"),
        (lambda: gd.optim.RMSProp(PARAMS, rho=0.9), "here it is called alpha"),
        (lambda: gd.optim.Adadelta(PARAMS, gamma=0.9), "here it is called rho"),
        (lambda: gd.optim.Adam(parameters=PARAMS), "here it is called params"),
        (lambda: gd.optim.Lookahead(base_optimizer=None), "here it is called optimizer"),
        (lambda: gd.Adam(betas=(0.9, 0.99)), "here they are two, beta1 and beta2"),
        (lambda: gd.Adam(learning_rate=0.1), "here it is called lr"),
        (lambda: gd.Adam(epsilon=0.1), "here it is called eps"),
        (lambda: gd.Adam(weight_decay=0.1), "gd.AdamW(lr, weight_decay=0.01)"),
        (lambda: gd.Momentum(0.1, momentum=0.9), "here it is called gamma"),
        (lambda: gd.Momentum(0.1, gama=0.9), "here it is called gamma"),
        (lambda: gd.RMSProp(0.1, alpha=0.9), "here it is called gamma"),
        (lambda: gd.GradientDescent(0.1, momentum=0.9), "gd.Momentum(lr, gamma=0.9)"),
        (lambda: gd.Adadelta(lr=1.0), "gd.optim.Adadelta(params, lr=1.0)"),
        (lambda: gd.Lookahead(optimizer=gd.Momentum(0.1)), "here it is called inner_rule"),
        (lambda: gd.Adam(amsgrad=True), "gd.AMSGrad, gd.optim.AMSGrad"),
        (lambda: gd.ScheduleFreeSGD(momentum=0.9), "here it is called beta"),
        (lambda: gd.ScheduleFree(warmup_steps=9), "here it is called warmup"),
        (lambda: gd.optim.ScheduleFree(PARAMS, warmup=9), "here it is called warmup_steps"),
        (lambda: gd.AdEMAMix(betas=(0.9, 0.99, 0.999)), "here they are three, beta1, beta2 and beta3"),
        (lambda: gd.Prodigy(estim_lr0=1e-6), "here it is called d0"),
        (lambda: gd.SignSGD(0.1, weight_decay=0.1), "gd.optim.SignSGD(params, lr, weight_decay=0.01)"),
        (lambda: gd.Clipped(gd.Adam(), clip=1.0), "here it is called max_norm"),
        (lambda: gd.SAM(base_optimizer=gd.Adam()), "here it is called inner_rule"),
        (
            lambda: gd.Cautious(gd.Adam(), lr=0.1),
            "that is the inner rule's own, as in gd.Cautious(gd.Adam(lr",
        ),
        (lambda: gd.Lookahead(gd.Adam(), lr=0.1), "that is the inner rule's own"),
        (lambda: gd.rules.Method(gd.Adam, 0.1, famly="mine"), "here it is called family"),
        (lambda: gd.Adam(zzz=1), "it takes lr, beta1, beta2, eps"),
    ],
)
def test_constructors_say_what_it_is_called_here(make, said):
    with pytest.raises(TypeError) as error:
        make()
    assert "__init__() got an unexpected keyword argument '" in str(error.value)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: gd.optim.SGD(PARAMS, 0.1, momentum=0.9), "gd.optim.Momentum(params, lr, momentum=0.9)"),
        (lambda: gd.optim.SGD(PARAMS, 0.1, nesterov=True), "gd.optim.Nesterov"),
        (lambda: gd.optim.Adam(PARAMS, amsgrad=True), "gd.AMSGrad, gd.optim.AMSGrad"),
    ],
)
def test_an_argument_of_torchs_that_chooses_another_method_names_it(make, said):
    with pytest.raises(ValueError, match="not supported by") as error:
        make()
    assert said in str(error.value)


MODEL = torch.nn.Linear(3, 1)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        (MODEL, ", as in model.parameters(); got the module Linear itself"),
        ([MODEL], "got the module Linear itself"),
        ([{"params": MODEL}], "got the module Linear itself"),
        (MODEL.parameters, "; call it, as in model.parameters()"),
        (MODEL.named_parameters, "; call it, as in model.named_parameters()"),
        (MODEL.state_dict(), ", as in model.parameters(); got a dict"),
    ],
)
@pytest.mark.parametrize(
    "make", [gd.optim.Adam, lambda p: gd.optim.SGD(p, 0.1), lambda p: gd.optim.from_rule(gd.Momentum(0.1), p)]
)
def test_a_module_in_the_place_of_parameters_is_told_what_to_give(make, params, said):
    with pytest.raises(TypeError) as error:
        make(params)
    assert str(error.value).startswith("params must be an iterable of parameters") and said in str(
        error.value
    )


@pytest.mark.parametrize("name", ["parameters", "named_parameters"])
def test_what_gives_parameters_once_is_not_read_before_torch_reads_it(name):
    optimizer = gd.optim.Adam(getattr(MODEL, name)())
    assert len(optimizer.param_groups[0]["params"]) == 2


def test_lookahead_around_a_module_says_what_it_goes_around():
    with pytest.raises(TypeError, match=r"Lookahead\(gd\.optim\.SGD\(model\.parameters\(\), lr=0\.1\)\)"):
        gd.optim.Lookahead(MODEL)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("adam", "Adam"), ("Adan", "Adam"), ("SGD", "GradientDescent"), ("sgd", "GradientDescent"), (7, None)],
)
def test_the_table_says_what_may_be_meant(name, meant):
    with pytest.raises(KeyError) as error:
        gd.METHODS[name]
    hint = f"did you mean {meant!r}? " if meant else ""
    assert error.value.args[0] == f"unknown method {name!r}; {hint}known are {', '.join(gd.rules.ALL)}"
    assert name not in gd.METHODS and gd.METHODS.get(name) is None  # asking leaves nothing behind


def test_a_name_that_torch_has_for_it_is_translated():
    for room in (gd, gd.rules):
        with pytest.raises(AttributeError, match="no attribute 'SGD'; here it is called GradientDescent$"):
            room.SGD  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'GradientDescent'; here it is called SGD$"):
        gd.optim.GradientDescent  # noqa: B018
    for room in (gd, gd.rules, gd.optim):
        with pytest.raises(AttributeError, match="no attribute 'Signum'; here it is called SignSGD$"):
            room.Signum  # noqa: B018
    with pytest.raises(AttributeError, match=r"'SAM': .* by gd\.optim\.from_rule\(gd\.SAM\(gd\.Adam"):
        gd.optim.SAM  # noqa: B018
    with pytest.raises(AttributeError, match="has no attribute 'Adan'$"):
        gd.Adan  # noqa: B018


def test_the_message_begins_as_pythons():
    @dataclass
    class Momentum:
        lr: float

    def message(make):
        with pytest.raises(TypeError) as error:
            make(lr=1.0, momentum=0.9)
        return str(error.value)

    python, ours = message(Momentum), message(gd.Momentum)
    assert ours.startswith(python.split(".<locals>.")[-1])


def test_signatures_stay_what_they_are():
    assert list(inspect.signature(gd.Adam).parameters) == ["lr", "beta1", "beta2", "eps"]
    assert list(inspect.signature(gd.optim.SGD).parameters)[:3] == ["params", "lr", "weight_decay"]
    assert pickle.loads(pickle.dumps(gd.Momentum(0.1))).gamma == 0.9


def test_a_rule_of_ones_own_and_a_subclass_keep_their_own_arguments():
    @dataclass(frozen=True, eq=False)
    class Mine(gd.Momentum):
        momentum: float = 0.5

    assert Mine(0.1, momentum=0.2).momentum == 0.2

    class Own(gd.optim.Adam):
        def __init__(self, params, lr, beta1, **rest):
            super().__init__(params, lr, betas=(beta1, 0.999), **rest)

    assert Own(PARAMS, 0.1, beta1=0.5, eps=1e-7).param_groups[0]["betas"] == (0.5, 0.999)
    with pytest.raises(TypeError, match="here it is called eps"):
        Own(PARAMS, 0.1, beta1=0.5, epsilon=1e-7)
