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
        (lambda: gd.optim.SGD(PARAMS, 0.1, momentum=0.9), "gd.optim.Momentum(params, lr, momentum=0.9)"),
        (lambda: gd.optim.SGD(PARAMS, 0.1, nesterov=True), "gd.optim.Nesterov"),
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
        (lambda: gd.Adam(zzz=1), "it takes lr, beta1, beta2, eps"),
    ],
)
def test_constructors_say_what_it_is_called_here(make, said):
    with pytest.raises(TypeError) as error:
        make()
    assert "__init__() got an unexpected keyword argument '" in str(error.value)
    assert said in str(error.value)


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
