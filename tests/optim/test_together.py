"""Several optimizers as one, in other people's training loops; which of a module's parameters are hidden."""

import copy
import pickle

import pytest
import torch
import torch.distributed.checkpoint.state_dict as dsd
from torch import nn
from torch.optim import lr_scheduler

import gdcourse as gd
from gdcourse.optim import Together, hidden_matrices
from tests.optimizers import (
    equal,
    gap,
    give_gradients,
    parameters,
    through_a_file,
    values,
    walk,
)

SHAPES = [(4, 3), (5,), (3, 3), (2,)]
PAIRS = {
    "ours": lambda a, b: (gd.optim.Muon(a, lr=0.1), gd.optim.Adam(b, lr=0.1)),
    "ours and torch's": lambda a, b: (gd.optim.SOAP(a, lr=0.1), torch.optim.AdamW(b, lr=0.1, amsgrad=True)),
    "one looks ahead": lambda a, b: (gd.optim.NorMuon(a), gd.optim.Nesterov(b, lr=0.1)),
    "with Lookahead": lambda a, b: (
        gd.optim.Lookahead(gd.optim.Muon(a), 2),
        gd.optim.Lookahead(torch.optim.SGD(b, lr=0.1, momentum=0.9), 3),
    ),
    "groups of their own": lambda a, b: (
        gd.optim.Shampoo([{"params": a[:1]}, {"params": a[1:], "lr": 0.01}], lr=0.1),
        gd.optim.from_rule(gd.Lion(0.01), b),
    ),
}
pairs = pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)


def split(params):
    return [p for p in params if p.ndim > 1], [p for p in params if p.ndim < 2]


def made(pair):
    params = parameters(*SHAPES)
    return params, Together(*pair(*split(params)))


# ---- a step is a step of each ----


@pairs
def test_a_step_is_a_step_of_each(pair):
    params, optimizer = made(pair)
    twins = parameters(*SHAPES)
    apart = pair(*split(twins))
    for t in range(1, 8):
        give_gradients(params, t, [1] if t == 3 else [])
        give_gradients(twins, t, [1] if t == 3 else [])
        optimizer.step()
        for one in apart:
            one.step()
    assert equal(params, twins) and not equal(params, parameters(*SHAPES))
    assert optimizer.param_groups == [group for one in optimizer.optimizers for group in one.param_groups]


@pairs
def test_a_bare_training_loop_learns_under_a_schedule(pair):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    hidden, rest = hidden_matrices(model)
    hidden = [param for _, param in hidden]
    optimizer = Together(*pair([*hidden, model[2].weight], [p for _, p in rest if p.ndim < 2]))
    schedule = lr_scheduler.LambdaLR(optimizer, lambda t: 1 - t / 40)
    x, y = torch.randn(64, 6, dtype=torch.float64), torch.randint(0, 3, (64,))
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    firsts = [group["initial_lr"] for group in optimizer.param_groups]
    for one in optimizer.optimizers:
        for group in one.param_groups:
            assert group["lr"] == pytest.approx(firsts.pop(0) / 4)
    optimizer.zero_grad()
    assert all(p.grad is None for p in model.parameters())


def test_a_closure_is_called_once_with_gradients_on_and_its_loss_is_given_back():
    params, optimizer = made(PAIRS["ours"])
    calls = []

    def closure():
        calls.append(torch.is_grad_enabled())
        optimizer.zero_grad()
        loss = sum((p**2).sum() for p in params)
        loss.backward()
        return loss

    with torch.no_grad():
        loss = optimizer.step(closure)
    assert calls == [True] and loss.requires_grad and not equal(params, parameters(*SHAPES))


def test_schedules_one_for_each_group_and_those_that_ask_for_a_momentum():
    _, optimizer = made(PAIRS["ours"])
    lr_scheduler.LambdaLR(optimizer, [lambda t: 0.5, lambda t: 0.25])
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.025]
    _, optimizer = made(PAIRS["ours"])
    with pytest.raises(ValueError, match="cycle_momentum"):  # one has a momentum, the other betas
        lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=5)
    lr_scheduler.OneCycleLR(optimizer, max_lr=[0.1, 0.2], total_steps=5, cycle_momentum=False)
    both = Together(gd.optim.Muon(parameters((2, 2))), gd.optim.Momentum(parameters((2,)), lr=0.1))
    lr_scheduler.OneCycleLR(both, max_lr=0.1, total_steps=5)
    assert [group["momentum"] for group in both.param_groups] == [0.95, 0.95]
    plateau = lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.5)
    before = [group["lr"] for group in optimizer.param_groups]
    for _ in range(3):
        plateau.step(1.0)
    assert all(group["lr"] < lr for group, lr in zip(optimizer.param_groups, before, strict=True))


def test_a_scaler_of_gradients_sees_one_optimizer():
    """It unscales once, and leaves out a step whose gradients are not finite."""
    params, optimizer = made(PAIRS["ours"])
    twins = parameters(*SHAPES)
    apart = PAIRS["ours"](*split(twins))
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0, growth_interval=1000)
    for t in range(1, 5):
        give_gradients(params, t)
        give_gradients(twins, t)
        for p in params:
            p.grad = scaler.scale(p.grad)
        if t == 3:
            params[1].grad[0] = float("inf")
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        if t != 3:
            for one in apart:
                one.step()
    assert gap(params, twins) <= 1e-12 and scaler.get_scale() == 32.0


def test_hooks_run_around_it_and_around_each():
    params, optimizer = made(PAIRS["ours"])
    seen = []
    optimizer.register_step_pre_hook(lambda *_: seen.append("before"))
    optimizer.register_step_post_hook(lambda *_: seen.append("after"))
    for i, one in enumerate(optimizer.optimizers):
        one.register_step_pre_hook(lambda *_, i=i: seen.append(i))
    walk(params, optimizer, 1)
    assert seen == ["before", 0, 1, "after"]


@pytest.mark.parametrize("around", [lambda one: one, gd.optim.Lookahead], ids=["itself", "in Lookahead"])
@pytest.mark.parametrize(
    ("spoil", "error", "said"),
    [
        (lambda p, group: setattr(p, "grad", p.grad.to_sparse()), RuntimeError, "sparse gradients"),
        (lambda p, group: group.update(lr=torch.ones(2)), ValueError, "lr must be 1-element"),
    ],
)
def test_what_one_of_them_refuses_is_found_before_any_has_moved(around, spoil, error, said):
    params, before = parameters(*SHAPES), parameters(*SHAPES)
    hidden, rest = split(params)
    optimizer = Together(torch.optim.SGD(hidden, lr=0.1), around(gd.optim.Adam(rest)))
    give_gradients(params, 1)
    spoil(rest[-1], optimizer.param_groups[-1])
    with pytest.raises(error, match=said):
        optimizer.step()
    assert equal(params, before)


def test_a_parameter_of_another_shape_is_found_before_any_has_moved():
    params = parameters((4, 3), (6,), (2,))
    optimizer = Together(gd.optim.Muon(params[:1]), gd.optim.Adam(params[1:]))
    walk(params, optimizer, 1)
    params[1].grad = None
    params[1].data = torch.zeros(3, 2, dtype=params[1].dtype)
    give_gradients(params, 2)
    before = [p.detach().clone() for p in params]
    with pytest.raises(RuntimeError, match="another shape"):
        optimizer.step()
    assert all(p.equal(b) for p, b in zip(params, before, strict=True))


@pytest.mark.parametrize("at", ["its own", "the Lookahead's", "inside"])
def test_a_hook_of_ones_own_may_mend_its_gradients(at):
    params, before = parameters(*SHAPES), parameters(*SHAPES)
    hidden, rest = split(params)
    inner = gd.optim.Adam(rest)
    outer = inner if at == "its own" else gd.optim.Lookahead(inner)
    optimizer = Together(gd.optim.Muon(hidden), outer)
    give_gradients(params, 1)
    rest[0].grad = rest[0].grad.to_sparse()
    (inner if at == "inside" else outer).register_step_pre_hook(
        lambda *_: setattr(rest[0], "grad", rest[0].grad.to_dense())
    )
    optimizer.step()
    assert not any(torch.equal(p, q) for p, q in zip(params, before, strict=True))


def test_at_theta_is_each_ones():
    params, optimizer = made(PAIRS["one looks ahead"])
    walk(params, optimizer, 4)
    points, nesterov = values(params), optimizer.optimizers[1]
    with optimizer.at_theta():
        assert equal([params[1], params[3]], [nesterov.theta(p) for p in (params[1], params[3])])
        inside = values(params)
    assert equal(params, points) and equal([inside[0], inside[2]], [points[0], points[2]])
    for i in (1, 3):
        torch.testing.assert_close(inside[i], nesterov.theta(params[i]), rtol=0, atol=0)
        assert not torch.equal(inside[i], points[i])


def test_at_theta_reaches_through_a_lookahead():
    params = parameters(*SHAPES)
    hidden, rest = split(params)
    around = gd.optim.Lookahead(gd.optim.Nesterov(rest, lr=0.1), k=100)
    optimizer = Together(gd.optim.Muon(hidden, lr=0.1), around)
    walk(params, optimizer, 4)
    thetas, points = [around.optimizer.theta(p) for p in rest], values(rest)
    with optimizer.at_theta(), optimizer.at_theta():
        assert equal(rest, thetas) and not equal(rest, points)
        with pytest.raises(RuntimeError, match="state_dict inside at_theta"):
            optimizer.state_dict()
    assert equal(rest, points)


# ---- groups and states ----


def test_a_group_is_added_to_one_of_them():
    params, optimizer = made(PAIRS["ours"])
    late = parameters((2, 2), seed=9)
    with pytest.raises(ValueError, match=r"which of its optimizers \(0: Muon, 1: Adam\).*optimizers\[1\]"):
        optimizer.add_param_group({"params": late})
    optimizer.optimizers[1].add_param_group({"params": late})
    before = values(late)
    walk([*params, *late], optimizer, 2)
    assert not equal(late, before) and len(optimizer.param_groups) == 3
    optimizer.optimizers[0].add_param_group({"params": late})
    with pytest.raises(ValueError, match=r"shape \(2, 2\) is in two of the optimizers, 0: Muon and 1: Adam"):
        optimizer.step()


def test_its_list_of_groups_does_not_pretend_to_be_edited():
    _, optimizer = made(PAIRS["ours"])
    groups = optimizer.param_groups
    one = {"params": parameters((2, 2), seed=9)}

    def set_all(name, value):
        setattr(optimizer, name, value)

    edits = (
        lambda: groups.append(one),
        lambda: groups.extend([one]),
        lambda: groups.insert(0, one),
        lambda: groups.pop(),
        lambda: groups.clear(),
        lambda: groups.remove(groups[0]),
        lambda: groups.reverse(),
        lambda: groups.sort(key=id),
        lambda: groups.__setitem__(0, one),
        lambda: groups.__delitem__(0),
        lambda: groups.__iadd__([one]),
        lambda: groups.__imul__(2),
    )
    for edit in edits:
        with pytest.raises(TypeError, match=r"made of its optimizers': edit .*optimizers\[1\]\.param_groups"):
            edit()
    for name, value in {"param_groups": [one], "state": {}}.items():
        with pytest.raises(AttributeError, match=rf"set .*optimizers\[1\]\.{name}"):
            set_all(name, value)
    assert len(optimizer.param_groups) == 2 and groups == [*groups] == copy.deepcopy(groups)[:0] + groups
    assert [group["lr"] for group in pickle.loads(pickle.dumps(groups))] == [0.1, 0.1]
    groups[1]["lr"] = 0.5
    assert optimizer.optimizers[1].param_groups[0]["lr"] == 0.5


@pytest.mark.parametrize("name", ["ours", "with Lookahead"])
def test_asking_for_a_state_makes_none(name):
    params, optimizer = made(PAIRS[name])
    assert optimizer.state.get(params[0], None) is None and optimizer.state.get(params[1], 7) == 7
    assert optimizer.state.pop(params[0], 7) == 7 and optimizer.state.get(torch.zeros(1)) is None
    assert not len(optimizer.state) and params[0] not in optimizer.optimizers[0].state
    with pytest.raises(KeyError):
        optimizer.state.pop(params[0])
    assert optimizer.state.setdefault(params[1], {"other": 1}) == {"other": 1}
    assert optimizer.optimizers[1].state[params[1]] == {"other": 1} == optimizer.state.pop(params[1])
    assert not len(optimizer.state)


def test_states_are_found_where_they_are_kept():
    params, optimizer = made(PAIRS["ours"])
    assert not len(optimizer.state) and params[0] not in optimizer.state
    walk(params, optimizer, 2)
    assert {*map(id, optimizer.state)} == {*map(id, params)} and len(optimizer.state) == 4
    assert optimizer.state[params[0]] is optimizer.optimizers[0].state[params[0]]
    optimizer.state[params[1]] = {"other": 1}
    assert optimizer.optimizers[1].state[params[1]] == {"other": 1}
    del optimizer.state[params[0]]
    assert params[0] not in optimizer.optimizers[0].state
    with pytest.raises(KeyError):
        optimizer.state[torch.zeros(1)]


@pairs
def test_saved_it_goes_on_alike(pair):
    """Through a file of weights only; and the checkpoint is one of the usual form."""
    params, optimizer = made(pair)
    walk(params, optimizer, 4)
    saved = through_a_file(optimizer.state_dict())
    assert sorted(i for group in saved["param_groups"] for i in group["params"]) == [0, 1, 2, 3]
    assert saved["state"].keys() == {0, 1, 2, 3}
    twins, twin = made(pair)
    for p, q in zip(params, twins, strict=True):
        q.data.copy_(p.data)
    kept = copy.deepcopy(saved)
    twin.load_state_dict(saved)
    walk(params, optimizer, 4, first=5)
    walk(twins, twin, 4, first=5)
    assert equal(params, twins)
    for key, state in saved["state"].items():
        assert all(torch.equal(x, kept["state"][key][name]) for name, x in state.items())


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda saved: [saved.pop("together"), saved["param_groups"].pop()],
            "has no 'together', and 1 parameter groups, not 2: it must be a Together's",
        ),
        (lambda saved: saved["param_groups"].pop(), "has 1 parameter groups, its 'together' counts 2"),
        (lambda saved: saved["together"][0].update(groups=2), "has 2 parameter groups, .* counts 3"),
        (lambda saved: saved.update(together="Muon"), "has 'together'='Muon': must be a list"),
        (lambda saved: saved["together"][0].update(groups=-1), "must be a list that has for each optimizer"),
        (lambda saved: saved["together"][0].pop("kind"), "must be a list .* 'kind', 'groups' and 'others'"),
        (lambda saved: saved.pop("state"), "has no 'state'"),
        (
            lambda saved: saved["together"].reverse(),
            r"of gdcourse\.Adam, gdcourse\.Muon: must be of gdcourse\.Muon, gdcourse\.Adam",
        ),
        (lambda saved: saved["state"][3].pop("v"), "lacks 'v'"),
        (lambda saved: saved["param_groups"][1].pop("eps"), "has no 'eps' in parameter group 0"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_loaded(spoil, said):
    params, optimizer = made(PAIRS["ours"])
    walk(params, optimizer, 3)
    saved = through_a_file(optimizer.state_dict())
    spoil(saved)
    twins, twin = made(PAIRS["ours"])
    walk(twins, twin, 1)
    before = copy.deepcopy(twin.state_dict())
    with pytest.raises(ValueError, match=said):
        twin.load_state_dict(saved)
    after = twin.state_dict()
    assert after["param_groups"] == before["param_groups"]
    for key, state in before["state"].items():
        assert all(torch.equal(x, after["state"][key][name]) for name, x in state.items())


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda state: state.pop("exp_avg"), "lacks 'exp_avg' in the state of parameter"),
        (lambda state: state.update(exp_avg=torch.zeros(7)), r"'exp_avg' of shape \(7,\)"),
    ],
)
def test_torchs_own_are_asked_before_any_is_loaded(spoil, said):
    params, optimizer = made(PAIRS["ours and torch's"])
    walk(params, optimizer, 3)
    saved = through_a_file(optimizer.state_dict())
    spoil(saved["state"][3])
    _, twin = made(PAIRS["ours and torch's"])
    with pytest.raises(ValueError, match=said):
        twin.load_state_dict(saved)
    assert not twin.state_dict()["state"]


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("name", ["ours", "ours and torch's", "one looks ahead", "groups of their own"])
def test_through_torchs_distributed_checkpoints_it_goes_on_alike(name, flat):
    """They keep states and groups alone, by the parameters' names."""
    options = dsd.StateDictOptions(flatten_optimizer_state_dict=flat)

    def fresh():
        model = nn.ParameterList(parameters(*SHAPES))
        return model, Together(*PAIRS[name](*split([*model])))

    model, optimizer = fresh()
    walk([*model], optimizer, 4)
    weights, saved = copy.deepcopy(dsd.get_state_dict(model, optimizer, options=options))
    twin_model, twin = fresh()
    dsd.set_state_dict(twin_model, twin, model_state_dict=weights, optim_state_dict=saved, options=options)
    walk([*model], optimizer, 3, first=5)
    walk([*twin_model], twin, 3, first=5)
    assert equal([*model], [*twin_model])


def test_a_lookahead_goes_through_distributed_checkpoints_that_are_not_flattened():
    model = nn.ParameterList(parameters(*SHAPES))
    optimizer = Together(*PAIRS["with Lookahead"](*split([*model])))
    walk([*model], optimizer, 4)
    saved = copy.deepcopy(dsd.get_optimizer_state_dict(model, optimizer))
    before = copy.deepcopy(optimizer.state_dict())
    walk([*model], optimizer, 3, first=5)
    dsd.set_optimizer_state_dict(model, optimizer, saved)
    after = optimizer.state_dict()
    assert after["param_groups"] == before["param_groups"]
    for key, state in before["state"].items():
        assert all(torch.equal(x, after["state"][key][name]) for name, x in state.items())
    flat = dsd.StateDictOptions(flatten_optimizer_state_dict=True)
    saved = dsd.get_optimizer_state_dict(model, optimizer, options=flat)
    with pytest.raises(ValueError, match="flatten_optimizer_state_dict=True drops it"):
        dsd.set_optimizer_state_dict(model, optimizer, saved, options=flat)


def test_a_checkpoint_is_a_snapshot_of_torchs_too():
    params, optimizer = made(PAIRS["ours and torch's"])
    walk(params, optimizer, 3)
    saved = optimizer.state_dict()
    kept = copy.deepcopy(saved)
    walk(params, optimizer, 2, first=4)
    for key, state in saved["state"].items():
        assert all(torch.equal(x, kept["state"][key][name]) for name, x in state.items())


@pairs
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"]
)
def test_copies_go_on_alike(pair, copied):
    params, optimizer = made(pair)
    walk(params, optimizer, 2)
    twins, twin = copied((params, optimizer))
    walk(params, optimizer, 2, first=3)
    walk(twins, twin, 2, first=3)
    assert equal(params, twins) and repr(twin).startswith("Together (")


def test_hooks_around_checkpoints_are_called():
    params, optimizer = made(PAIRS["ours"])
    walk(params, optimizer, 1)
    seen = []
    optimizer.register_state_dict_pre_hook(lambda one: seen.append("saving"))
    optimizer.register_state_dict_post_hook(lambda one, saved: {**saved, "mine": 1})
    optimizer.register_load_state_dict_pre_hook(lambda one, saved: seen.append(saved["mine"]))
    optimizer.register_load_state_dict_post_hook(lambda one: seen.append("loaded"))
    optimizer.load_state_dict(optimizer.state_dict())
    assert seen == ["saving", 1, "loaded"]


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda a, b: Together(gd.optim.Muon(a)), ValueError, "takes two optimizers or more, got 1"),
        (lambda a, b: Together(), ValueError, "got 0"),
        (lambda a, b: Together(gd.optim.Muon, gd.optim.Adam(b)), TypeError, "it is a class: give it param"),
        (lambda a, b: Together(gd.optim.Muon(a), gd.Adam()), TypeError, "is not an Optimizer"),
        (lambda a, b: Together(gd.optim.Muon(a), gd.optim.Adam([*b, *a])), ValueError, "is in two of the"),
        (lambda a, b: Together(gd.optim.Muon(a), torch.optim.LBFGS(b)), ValueError, "LBFGS takes several"),
        (
            lambda a, b: Together(Together(*PAIRS["ours"](a, b)), gd.optim.Adam(parameters((1,)))),
            ValueError,
            "a Together in a Together is not supported",
        ),
        (
            lambda a, b: gd.optim.Lookahead(Together(*PAIRS["ours"](a, b))),
            ValueError,
            r"a Lookahead around a Together is not supported: put one around each",
        ),
    ],
)
def test_what_cannot_be_put_together_is_refused(make, error, said):
    with pytest.raises(error, match=said):
        make(*split(parameters(*SHAPES)))


# ---- hidden matrices ----


class Tied(nn.Module):
    """A head that is the embedding, as in GPT-2, and a table of another kind."""

    def __init__(self):
        super().__init__()
        self.letters = nn.Embedding(9, 4)
        self.bag = nn.EmbeddingBag(7, 4)
        self.body = nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.Linear(6, 4, bias=False))
        self.head = nn.Linear(4, 9, bias=False)
        self.head.weight = self.letters.weight


def names(found):
    return [name for name, _ in found]


def test_hidden_are_matrices_between_embedding_and_head():
    model = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(27, 5), nn.Linear(5, 2)
    )
    hidden, rest = hidden_matrices(model)
    assert names(hidden) == ["0.weight", "3.weight"]
    assert names(rest) == ["0.bias", "1.weight", "1.bias", "3.bias", "4.weight", "4.bias"]
    assert all(param is dict(model.named_parameters())[name] for name, param in [*hidden, *rest])
    Together(gd.optim.Muon(hidden), gd.optim.Adam(rest))


def test_an_embedding_is_none_even_where_it_is_the_head():
    hidden, rest = hidden_matrices(Tied())
    assert names(hidden) == ["body.0.weight", "body.2.weight"]
    assert names(rest) == ["letters.weight", "bag.weight", "body.0.bias", "body.1.weight", "body.1.bias"]


class WithAToken(nn.Module):
    """As a vision transformer has it: a vector that goes before the patches of each image, and a table of
    their places, both with an axis for the batch."""

    def __init__(self):
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 1, 4))
        self.places = nn.Parameter(torch.zeros(1, 6, 4))
        self.body, self.head = nn.Linear(4, 4), nn.Linear(4, 2)
        self.scale = nn.Parameter(torch.ones(1, 2, 1))


def test_a_vector_with_axes_of_one_is_none():
    hidden, rest = hidden_matrices(WithAToken())
    assert names(hidden) == ["body.weight"]
    assert names(rest) == ["token", "places", "scale", "body.bias", "head.weight", "head.bias"]


def test_a_user_says_what_else_belongs_to_the_rest_and_what_is_frozen_belongs_nowhere():
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2), nn.Linear(2, 2))
    model[1].weight.requires_grad_(False)
    assert names(hidden_matrices(model)[0]) == ["0.weight", "2.weight"]
    assert names(hidden_matrices(model, rest=["0"])[0]) == ["2.weight"]
    assert names(hidden_matrices(model, rest=["2.weight", "0"])[0]) == []
    assert "1.weight" not in names(hidden_matrices(model)[1])
    with pytest.raises(ValueError, match="no parameter or module of this name: 'stem'; there are 0.weight"):
        hidden_matrices(model, rest=["stem"])
    with pytest.raises(TypeError, match=r"as in rest=\['0'\]"):
        hidden_matrices(model, rest="0")
    with pytest.raises(TypeError, match="names of parameters or modules, got Linear"):
        hidden_matrices(model, rest=[model[0]])
    with pytest.raises(TypeError, match="model must be a torch module, got list"):
        hidden_matrices([*model.parameters()])


def test_networks_say_the_same_of_their_parts():
    assert gd.problems.Network((9, 5, 4, 2)).hidden == (True, False, True, False, False, False)
    assert gd.problems.Network((9, 2)).hidden == (False, False)
    transformer = gd.problems.Transformer()
    hidden = [name for name, is_one in zip(transformer.names, transformer.hidden, strict=True) if is_one]
    assert len(hidden) == 12 and not {"embedding", "positions", "head"} & {*hidden}
    module = gd.problems.Modules(Tied, torch.zeros(2, 3, dtype=torch.long), classes=9)
    assert module.hidden == (False, False, True, False, False, False, True)


def test_what_a_sum_over_all_refuses_is_found_before_any_has_moved():
    """Prodigy cannot take two dtypes into one vector."""
    mine, theirs = parameters((2, 3)), [*parameters((3,)), torch.nn.Parameter(torch.ones(2))]
    both = gd.optim.Together(gd.optim.Adam(mine), gd.optim.Prodigy(theirs))
    for param in (*mine, *theirs):
        param.grad = torch.ones_like(param)
    before = values(mine)
    with pytest.raises(ValueError, match="do not fit into one vector: one of shape .* has dtype"):
        both.step()
    assert equal(mine, before)


def test_a_state_of_no_group_is_not_dropped():
    params, others = parameters((2, 3)), parameters((3,))
    both = gd.optim.Together(gd.optim.Adam(params), gd.optim.SGD(others, lr=0.1))
    saved = both.state_dict()
    saved["state"][7] = {"step": torch.tensor(1.0)}
    with pytest.raises(ValueError, match="a state for parameter 7, which is in no group"):
        both.load_state_dict(saved)


def test_a_frozen_head_is_still_the_head_and_a_row_at_the_end_is_none():
    model = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 6), nn.Linear(6, 1))
    assert names(hidden_matrices(model)[0]) == ["0.weight", "1.weight"]
    model[2].requires_grad_(False)
    assert names(hidden_matrices(model)[0]) == ["0.weight", "1.weight"]
    model = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 6), nn.Linear(6, 2), nn.Module())
    model[3].scale = nn.Parameter(torch.ones(1, 2))
    assert names(hidden_matrices(model)[0]) == ["0.weight", "1.weight"]
