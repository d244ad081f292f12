"""What bites in other people's hands: arguments in torch's order, torch's words for how a step is computed,
other default devices, torch.compile around a step, state that somebody else replaces or shares."""

import inspect

import pytest
import torch
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict
from torch.optim import lr_scheduler

import gdcourse as gd
from gdcourse.optim.groups import OPTIONS
from gdcourse.optim.methods import CLASSES
from tests.conftest import needs_a_compiler
from tests.optimizers import MAKERS as OURS
from tests.optimizers import (
    ORACLES,
    RULE_OF,
    ahead,
    equal,
    gap,
    give_gradients,
    mostly,
    parameters,
    values,
    walk,
)

MAKERS = OURS | {
    "Lookahead": ahead(OURS["Nesterov"], 3),
    "Lookahead, pullback": ahead(OURS["Adam"], 3, 0.5, "pullback"),
}
most = pytest.mark.parametrize("name", mostly({name: name for name in MAKERS}))
every = pytest.mark.parametrize("name", MAKERS)
every_class = pytest.mark.parametrize("name", CLASSES)
every_of_ours = pytest.mark.parametrize("name", OURS)
both = pytest.mark.parametrize("compile", [False, pytest.param(True, marks=needs_a_compiler)])


# ---- arguments ----


@every_class
def test_what_may_be_given_by_position_stands_where_torch_has_it(name):
    ours = inspect.signature(CLASSES[name]).parameters
    by_position = [n for n, p in ours.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert by_position[:2] == ["params", "lr"]
    if name in ORACLES:
        assert by_position == [*inspect.signature(ORACLES[name].kind).parameters][: len(by_position)]


@pytest.mark.parametrize(
    "make, words",
    [
        (
            lambda p: gd.optim.SGD(p, 0.1, 0.9),
            r"weight_decay by name.*gd\.optim\.Momentum\(params, lr, momentum",
        ),
        (lambda p: gd.optim.Momentum(p, 0.1, 0.9, 0.1), "takes params, lr, momentum by position"),
        (lambda p: gd.optim.Adagrad(p, 0.1, 0.9), "takes params, lr by position and .*eps"),
    ],
)
def test_an_argument_that_would_land_elsewhere_is_refused(make, words):
    with pytest.raises(TypeError, match=words):
        make(parameters())


@every_of_ours
def test_what_changes_nothing_about_how_a_step_is_computed_is_taken(name):
    params, plain = parameters(), parameters()
    off = {"fused": False, "capturable": False, "differentiable": False}
    for foreach in (True, False, None):
        walk(params, OURS[name](params, foreach=foreach, **off), 3)
        walk(plain, OURS[name](plain), 3)
        assert equal(params, plain)


@every_of_ours
@pytest.mark.parametrize(
    "word, why", [("fused", "compile=True"), ("capturable", "counts on the CPU"), ("differentiable", "gd")]
)
def test_what_is_not_supported_is_refused_with_its_reason(name, word, why):
    with pytest.raises(ValueError, match=f"Invalid {word}: True .*not supported: .*{why}"):
        OURS[name](parameters(), **{word: True})


@every_of_ours
@pytest.mark.parametrize("word", ["fused", "capturable", "differentiable"])
def test_what_is_not_supported_is_refused_in_a_group_too(name, word):
    optimizer = OURS[name](parameters())
    before = [*optimizer.param_groups]
    for add in (lambda group: OURS[name]([group]), optimizer.add_param_group):
        with pytest.raises(ValueError, match=f"Invalid {word}: True .*not supported: "):
            add({"params": parameters((3,)), word: True})
    assert optimizer.param_groups == before


@every_of_ours
def test_a_group_with_torchs_words_is_a_group_of_ours(name):
    """As somebody has it from a torch optimizer; torch's distributed checkpoint, which keeps groups and
    states alone, goes to and fro."""
    theirs = torch.optim.Adadelta([torch.zeros(1)], foreach=False).param_groups[0]
    words = {key: theirs[key] for key in ("foreach", "differentiable", "capturable")} | {"fused": None}
    plain, models, optimizers = torch.nn.Linear(3, 2), [], []
    for _ in range(2):
        models.append(torch.nn.Linear(3, 2))
        models[-1].load_state_dict(plain.state_dict())
        optimizers.append(OURS[name]([{"params": models[-1].parameters(), **words}]))
        assert not words.keys() & optimizers[-1].param_groups[0].keys()
    walk([*models[0].parameters()], optimizers[0], 2)
    models[1].load_state_dict(models[0].state_dict())
    set_optimizer_state_dict(models[1], optimizers[1], get_optimizer_state_dict(models[0], optimizers[0]))
    for model, optimizer in zip(models, optimizers, strict=True):
        walk([*model.parameters()], optimizer, 3, first=3)
    assert equal(models[0].parameters(), models[1].parameters())


with_options = pytest.mark.parametrize("name", [n for n in OURS if RULE_OF[n] in OPTIONS])


@with_options
def test_torchs_arguments_that_choose_this_formula_are_taken(name):
    """As they are torch's defaults, or what torch is given where the formulas are compared."""
    options = OPTIONS[RULE_OF[name]]
    params, plain = parameters(), parameters()
    optimizer = OURS[name](params, **options)
    walk(params, optimizer, 3)
    walk(plain, OURS[name](plain), 3)
    assert equal(params, plain)
    optimizer.add_param_group({"params": parameters((3,)), **options})
    for group in optimizer.param_groups:
        assert not options.keys() & group.keys()
    kind, theirs = ORACLES[name].kind, ORACLES[name].theirs
    known = inspect.signature(kind).parameters
    assert known.keys() >= options.keys() - {"decoupled_weight_decay"}
    for key, value in options.items():
        if key in known:
            assert value in (known[key].default, theirs.get(key))
        assert f"``{key}={value!r}``" in CLASSES[name].__doc__
    assert not options.keys() & inspect.signature(CLASSES[name]).parameters.keys()


@with_options
def test_those_that_choose_another_are_refused(name):
    """By the class, in a group, and by name where there is a class for it."""
    for key, value in OPTIONS[RULE_OF[name]].items():
        other = 0.5 if type(value) is int else not value
        said = rf"Invalid {key}: {other} \(not supported by {name}, whose {key} is {value}: "
        with pytest.raises(ValueError, match=said):
            OURS[name](parameters(), **{key: other})
        with pytest.raises(ValueError, match=said):
            OURS[name]([{"params": parameters(), key: other}])


@pytest.mark.parametrize(
    "make, words",
    [
        (
            lambda p: gd.optim.SGD(p, 0.1, momentum=0.9),
            r"gd\.optim\.Momentum\(params, lr, momentum=0\.9\) has one",
        ),
        (lambda p: gd.optim.SGD(p, 0.1, nesterov=True), r"gd\.optim\.Nesterov\("),
        (lambda p: gd.optim.Momentum(p, 0.1, nesterov=True), r"gd\.optim\.Nesterov\)"),
        (lambda p: gd.optim.Nesterov(p, 0.1, nesterov=False), r"gd\.optim\.Momentum is that\)"),
        (lambda p: gd.optim.Adam(p, decoupled_weight_decay=True), r"gd\.optim\.AdamW is that\)"),
        (lambda p: gd.optim.Adam(p, amsgrad=True), r"gd\.optim\.AMSGrad\)"),
        (lambda p: gd.optim.RMSProp(p, centered=True), r"another method, which is not here\)"),
    ],
)
def test_who_asks_for_another_formula_is_told_where_it_is(make, words):
    with pytest.raises(ValueError, match=words):
        make(parameters())


def test_a_group_cannot_be_compiled_by_itself():
    with pytest.raises(ValueError, match=r"'compile' \(it is the whole optimizer's"):
        gd.optim.Adam([{"params": parameters(), "compile": True}])


@pytest.mark.parametrize("name", ["SGD", "RMSProp"])
def test_a_schedule_that_cycles_momentum_says_what_to_set(name):
    optimizer = OURS[name](parameters(), lr=0.1)
    for schedule in (lr_scheduler.OneCycleLR, lr_scheduler.CyclicLR):
        given = {
            "max_lr": 0.1,
            **({"total_steps": 5} if schedule is lr_scheduler.OneCycleLR else {"base_lr": 0.01}),
        }
        with pytest.raises(ValueError, match="cycle_momentum"):
            schedule(optimizer, **given)
        schedule(optimizer, **given, cycle_momentum=False)
    assert "cycle_momentum=False" in CLASSES[name].__doc__
    assert "cycle_momentum" not in CLASSES["Adam"].__doc__


def test_lookaheads_groups_can_be_set():
    params = parameters()
    optimizer = gd.optim.Lookahead(gd.optim.Adam(params))
    groups = [{**optimizer.param_groups[0], "lr": 0.5}]
    optimizer.param_groups = groups
    assert optimizer.optimizer.param_groups is groups and optimizer.param_groups[0]["lr"] == 0.5


# ---- where tensors lie ----


@most
@both
def test_another_default_device_changes_nothing(name, compile):
    params, plain = parameters(), parameters()
    walk(plain, MAKERS[name](plain, compile=compile), 7)
    torch.set_default_device("meta")
    try:
        optimizer = MAKERS[name](params, compile=compile)
        for t in range(1, 8):
            with torch.device("cpu"):
                give_gradients(params, t)
            optimizer.step()
        saved = optimizer.state_dict()
        optimizer.load_state_dict(saved)
    finally:
        torch.set_default_device(None)
    assert equal(params, plain)
    tensors = [x for state in saved["state"].values() for x in state.values() if isinstance(x, torch.Tensor)]
    assert tensors and {x.device.type for x in tensors} == {"cpu"}


@most
@both
def test_state_that_is_replaced_or_shared_between_processes_is_what_counts(name, compile):
    """As Hogwild does: share_memory_() gives a tensor another storage, of which nobody holds the old one."""
    params, plain = parameters((3, 2), (4,), (5,), (6,), (7,)), parameters((3, 2), (4,), (5,), (6,), (7,))
    optimizer, other = MAKERS[name](params, compile=compile), MAKERS[name](plain, compile=compile)
    for t in range(1, 9):
        walk(params, optimizer, 1, first=t)
        walk(plain, other, 1, first=t)
        for one in (optimizer, getattr(optimizer, "optimizer", optimizer)):
            for p in params:
                state = one.state[p]
                for key, value in state.items():
                    if t % 3 == 0:
                        value.share_memory_()
                    if t % 3 == 1:
                        state[key] = value.clone()
        torch.full((100,), 4.0)  # what would be read by who holds a freed storage
    assert equal(params, plain)


# ---- inference mode ----


@every
@both
@pytest.mark.parametrize("shapes", [[(3,)], [(3,)] * 5 + [(5000,)]], ids=["one", "many"])
def test_what_was_made_in_inference_mode_is_moved_inside_and_refused_outside(name, compile, shapes):
    """As torch does; before anything has moved, where torch writes and then complains."""
    plain = parameters((2,), *shapes)
    with torch.inference_mode():
        inside = parameters((2,), *shapes)
        mixed = [plain[0], *inside[1:]]
        before = values(mixed)
        walk(inside, MAKERS[name](inside, compile=compile), 3)
        theirs = parameters((2,))
    said = "Inplace update to inference tensor outside InferenceMode is not allowed"
    give_gradients(mixed, 1)
    with pytest.raises(
        RuntimeError, match=rf"{said}\. The parameter of shape \(\d+,\) was made .*: clone it"
    ):
        MAKERS[name](mixed, compile=compile).step()
    give_gradients(theirs, 1)
    with pytest.raises(RuntimeError, match=said):
        torch.optim.SGD(theirs, lr=0.1).step()
    assert gap(mixed[:1], before[:1]) == 0
    walk(plain, MAKERS[name](plain, compile=compile), 3)
    assert gap(inside, plain) <= 1e-12


@every
@both
def test_a_step_inside_of_inference_mode_leaves_a_state_that_goes_on_outside(name, compile):
    """torch's own state could not be written into any more."""
    params, plain = parameters(*[(3,)] * 5, (5000,)), parameters(*[(3,)] * 5, (5000,))
    optimizer = MAKERS[name](params, compile=compile)
    with torch.inference_mode():
        walk(params, optimizer, 2)
    walk(params, optimizer, 3, first=3)
    walk(plain, MAKERS[name](plain, compile=compile), 5)
    assert gap(params, plain) <= 1e-12


# ---- torch.compile around a step ----


@needs_a_compiler
@pytest.mark.parametrize(
    "name", ["Adam", *[pytest.param(n, marks=pytest.mark.slow) for n in MAKERS if n != "Adam"]]
)
def test_torch_compile_around_a_step_or_a_loop_changes_nothing(name):
    def trained(around_step, around_loop):
        torch.manual_seed(0)
        model = torch.nn.Sequential(torch.nn.Linear(20, 10), torch.nn.Tanh(), torch.nn.Linear(10, 1)).double()
        optimizer = MAKERS[name](model.parameters())
        x = torch.randn(8, 20, dtype=torch.float64)
        step = torch.compile(optimizer.step) if around_step else optimizer.step

        def once():
            optimizer.zero_grad()
            (model(x) ** 2).mean().backward()
            step()

        loop = torch.compile(once) if around_loop else once
        for _ in range(4):
            loop()
        return values(model.parameters())

    torch._dynamo.reset()
    plain = trained(False, False)
    assert gap(trained(True, False), plain) == 0
    assert gap(trained(False, True), plain) <= 1e-12
