"""What becomes of the inner optimizer's state at Lookahead's synchronisation: it goes on, begins anew, or is
pulled back. Written out by hand around every optimizer, ours and torch's."""

import copy
import io
import pickle
from dataclasses import dataclass, fields

import pytest
import torch

import gdcourse as gd
from tests import optimizers
from tests.conftest import needs_a_compiler
from tests.optim.bit_for_bit import everything, same
from tests.optimizers import FILLED, MAKERS, gap, mostly, torchs_maker, values

EXACT, STEPS, K, ALPHA = 1e-12, 17, 5, 0.3

TORCHS = {f"torch's {name}": torchs_maker(name) for name in optimizers.TORCHS if name != "LBFGS"}
OURS = MAKERS
INNER = {**TORCHS, **OURS}
around_any = pytest.mark.parametrize("name", INNER)
treated = pytest.mark.parametrize("how", ["none", "reset", "pullback"])


def formers(optimizer, param):
    """The former moments of a parameter, by the names that they have in the inner optimizer's state."""
    held = optimizer.state[param].items()
    return {name.removeprefix("former_"): x for name, x in held if name.startswith("former_")}


def parameters(dtype=torch.float64, shapes=((3, 2), (2, 4))):
    return optimizers.parameters(*shapes, dtype=dtype)


def give_gradients(name, params, t):
    """The second parameter starts late, rests in mid-run, and at a synchronisation."""
    optimizers.give_gradients(params, t, resting={1} if t in (1, 2, 8, 9, 10) else ())
    if name == "torch's SparseAdam":
        for p in params:
            p.grad = None if p.grad is None else p.grad.to_sparse()


def walk(name, params, optimizer, steps=STEPS, first=1):
    for t in range(first, first + steps):
        give_gradients(name, params, t)
        optimizer.step()


# ---- by hand ----


@treated
def test_around_adam_it_is_a_loop_over_torchs_adam(how):
    """All of it in a few lines, with nothing of ours."""
    (param,) = parameters(shapes=[(3,)])
    adam = torch.optim.Adam([param], lr=0.1)
    phi, kept = param.detach().clone(), {"exp_avg": torch.zeros(3), "exp_avg_sq": torch.zeros(3)}
    path = []
    for t in range(1, STEPS + 1):
        give_gradients("Adam", [param], t)
        adam.step()
        if t % K == 0:
            phi = (1 - ALPHA) * phi + ALPHA * param.detach()
            param.data.copy_(phi)
            if how == "reset":
                adam = torch.optim.Adam([param], lr=0.1)
            if how == "pullback":
                for moment in kept:
                    kept[moment] = (1 - ALPHA) * kept[moment] + ALPHA * adam.state[param][moment]
                    adam.state[param][moment].copy_(kept[moment])
        path.append(param.detach().clone())
    for inner in (torch.optim.Adam, gd.optim.Adam):
        (twin,) = parameters(shapes=[(3,)])
        optimizer = gd.optim.Lookahead(inner([twin], lr=0.1), K, ALPHA, how)
        for t, expected in enumerate(path, start=1):
            walk("Adam", [twin], optimizer, 1, first=t)
            assert gap([twin], [expected]) <= EXACT


STARTS = {"torch's Adagrad": {"sum": FILLED}, "torch's Rprop": {"step_size": 0.01}}
"""With what a moment starts, where it is not 0."""

LOOKS = (gd.Nesterov, gd.ScheduleFree, gd.ScheduleFreeSGD)
LOOKED = {f"look_{field.name}" for rule in LOOKS for field in fields(rule)}
FOLLOW_FROM_T = {"step", "mu_product", "product", "eta", "mu"}


def by_hand(name, how, params):
    """Each parameter with an inner optimizer of its own, which is thrown away at a reset."""
    inner = [INNER[name]([p]) for p in params]
    ours = name in OURS
    slow = [p.detach().clone() for p in params]
    begun = values(params)
    kept = [{}, {}]
    for t in range(1, STEPS + 1):
        give_gradients(name, params, t)
        for i, p in enumerate(params):
            inner[i].step()
            if t % K:
                continue
            theta = inner[i].theta(p) if ours else p.detach()
            slow[i] = slow[i] + ALPHA * (theta - slow[i])
            if how == "reset":
                inner[i] = INNER[name]([p])
            state = inner[i].state[p]
            if how == "pullback":
                for moment in state.keys() - FOLLOW_FROM_T - LOOKED:
                    start = torch.full_like(state[moment], STARTS.get(name, {}).get(moment, 0.0))
                    start = begun[i] if moment == "z" else start  # as Schedule-Free's does
                    last = kept[i].get(moment, start)
                    kept[i][moment] = last + ALPHA * (state[moment] - last)
                    state[moment].copy_(kept[i][moment])
            inner[i].set_theta(p, slow[i]) if ours else p.data.copy_(slow[i])
    return slow, [optimizer.state[p] for optimizer, p in zip(inner, params, strict=True)]


def holds_by_hand(name, how, **extra):
    params, twins = parameters(), parameters()
    optimizer = gd.optim.Lookahead(INNER[name](params, **extra), K, ALPHA, how)
    walk(name, params, optimizer)
    slow, states = by_hand(name, how, twins)
    assert gap(params, twins) <= EXACT
    fast = [p.detach().clone() for p in params]
    with pytest.raises(KeyError), optimizer.slow_weights():
        assert gap(params, slow) <= EXACT < gap(params, fast)
        raise KeyError
    assert gap(params, fast) == 0
    for p, phi, expected in zip(params, slow, states, strict=True):
        assert gap([optimizer.state[p]["slow"]], [phi]) <= EXACT
        state = optimizer.optimizer.state[p]
        assert state.keys() == expected.keys()
        for key, value in expected.items():
            if key not in LOOKED:
                assert gap([torch.as_tensor(state[key])], [torch.as_tensor(value)]) <= EXACT, key
    return params


@around_any
@treated
def test_around_any_optimizer_it_is_what_is_written_out(name, how):
    moved = holds_by_hand(name, how)
    plain = parameters()
    walk(name, plain, gd.optim.Lookahead(INNER[name](plain), K, ALPHA))
    told_apart = how != "none" and name != "SGD"  # which has no state
    told_apart &= (how, name) != ("pullback", "torch's ASGD")  # whose moment is an average of its path
    told_apart &= name != "SignSGD"  # which reads no moment, with γ = 0
    assert (gap(moved, plain) > 1e-6) is told_apart


@needs_a_compiler
@pytest.mark.parametrize(
    "name, how",
    [
        pytest.param(n, how, marks=() if (n, how) == ("Nesterov", "pullback") else pytest.mark.slow)
        for n in OURS
        for how in ("reset", "pullback")
    ],
)
def test_compiled_it_is_the_same(name, how):
    holds_by_hand(name, how, compile=True)


def test_lbfgs_begins_anew_and_has_no_moments():
    def closure_of(param, optimizer):
        def closure():
            optimizer.zero_grad()
            loss = (param**4).sum() + ((param - 1) ** 2).sum()
            loss.backward()
            return loss

        return closure

    (param,), (twin,) = parameters(shapes=[(3,)]), parameters(shapes=[(3,)])
    optimizer = gd.optim.Lookahead(torch.optim.LBFGS([param], max_iter=2), 2, ALPHA, "reset")
    slow = twin.detach().clone()
    for _ in range(4):
        inner = torch.optim.LBFGS([twin], max_iter=2)
        for _ in range(2):
            optimizer.step(closure_of(param, optimizer))
            inner.step(closure_of(twin, inner))
        slow = slow + ALPHA * (twin.detach() - slow)
        twin.data.copy_(slow)
        assert gap([param], [twin]) <= EXACT
    with pytest.raises(
        ValueError, match=r"Invalid pullback_momentum: 'pullback' \(the state of LBFGS is a list"
    ):
        gd.optim.Lookahead(torch.optim.LBFGS([param]), pullback_momentum="pullback")


def test_a_sparse_gradients_sum_is_pulled_as_a_dense_ones():
    rows = torch.tensor([0, 2])
    dense, sparse = parameters(shapes=[(4, 2)]), parameters(shapes=[(4, 2)])
    optimizers = [
        gd.optim.Lookahead(gd.optim.Adagrad(p, lr=0.1), 2, ALPHA, "pullback") for p in (dense, sparse)
    ]
    for t in range(1, 8):
        values = torch.randn(2, 2, generator=torch.Generator().manual_seed(t), dtype=torch.float64)
        sparse[0].grad = torch.sparse_coo_tensor(rows[None], values, (4, 2), check_invariants=True)
        dense[0].grad = sparse[0].grad.to_dense()
        for optimizer in optimizers:
            optimizer.step()
        assert gap(dense, sparse) <= EXACT
    assert (
        gap([optimizers[0].optimizer.state[dense[0]]["G"]], [optimizers[1].optimizer.state[sparse[0]]["G"]])
        == 0
    )


def test_complex_parameters_inside_torchs_are_pulled_as_pairs_of_real_ones():
    for make in (torch.optim.Adam, TORCHS["torch's Adagrad"], torch.optim.Rprop):
        for how in ("reset", "pullback"):
            real = parameters(shapes=[(3, 2)])
            param = torch.nn.Parameter(torch.view_as_complex(real[0].detach().clone()))
            optimizers = [gd.optim.Lookahead(make(p), 2, ALPHA, how) for p in (real, [param])]
            for t in range(1, 8):
                give_gradients("Adam", real, t)
                param.grad = torch.view_as_complex(real[0].grad.clone())
                for optimizer in optimizers:
                    optimizer.step()
            assert gap([torch.view_as_real(param.detach())], real) <= EXACT


# ---- what it means for the bias correction ----


def test_pulled_averages_hold_their_start_longer_than_the_bias_correction_takes_them_to():
    """Under a gradient of 1, Adam's m and v are one minus what they hold of their start, and a step is
    m̂/√v̂. With the numbers and the bound that the docstring gives."""
    param = torch.nn.Parameter(torch.zeros((), dtype=torch.float64))
    inner = gd.optim.Adam([param], lr=1.0, betas=(0.5, 0.99), eps=0.0)
    optimizer = gd.optim.Lookahead(inner, 5, 0.5, "pullback")
    steps = []
    for t in range(1, 1003):
        before, param.grad = param.item(), torch.ones_like(param)
        optimizer.step()
        if t % 5:
            steps.append(before - param.item())
        else:
            for name, beta in (("m", 0.5), ("v", 0.99)):
                held = (1 - 0.5 * (1 - beta**5)) ** (t // 5)
                assert inner.state[param][name].item() == pytest.approx(1 - held, rel=1e-9)
    assert 1.3 < max(steps) < 2**0.5
    assert steps[-1] == pytest.approx(1, abs=0.01)


# ---- where it starts ----


@pytest.mark.parametrize("name", ["torch's Adam", "torch's Adagrad", "Adam", "Nesterov"])
def test_around_an_optimizer_that_was_used_moments_start_at_what_they_are(name):
    params = parameters()
    inner = INNER[name](params)
    walk(name, params, inner, 4)
    started = {
        p: {k: v.clone() for k, v in inner.state[p].items() if k not in {"step", *LOOKED}} for p in params
    }
    optimizer = gd.optim.Lookahead(inner, 1, 0.0, "pullback")
    walk(name, params, optimizer, 1, first=5)
    for p in params:  # α = 0 takes them back to where they were
        assert same({k: inner.state[p][k] for k in started[p]}, started[p])


def test_a_parameter_that_joins_adagrad_starts_with_the_sum_that_adagrad_gives_it():
    params = parameters()
    alone = TORCHS["torch's Adagrad"]([torch.ones(1, requires_grad=True)])
    alone.add_param_group({"params": [joining := torch.ones(1, requires_grad=True)]})
    joining.grad = torch.ones(1)
    try:
        alone.step()
    except KeyError:
        pytest.skip("this version of torch's Adagrad fails at the first step of a parameter that joins")
    optimizer = gd.optim.Lookahead(TORCHS["torch's Adagrad"](params[:1]), 1, 0.0, "pullback")
    optimizer.add_param_group({"params": params[1:]})
    for t in (3, 4):
        walk("torch's Adagrad", params, optimizer, 1, first=t)
        assert all((optimizer.optimizer.state[p]["sum"] == FILLED).all() for p in params)


@dataclass(frozen=True, eq=False)
class Odd(gd.Rule):
    scope = "tensor"
    """Its state is a number, a tensor of another shape than θ's, whole numbers, and θ itself."""

    lr: float = 0.1

    def init(self, theta, zeros):
        return {"count": 0.0, "norm": 0 * (zeros * zeros).sum(), "times": (0 * zeros).int(), "first": theta}

    def step(self, theta, grad, state, at):
        new = {"norm": (grad * grad).sum(), "times": state["times"] + 1, "first": state["first"]}
        step = self.lr * grad / (1 + state["count"] + state["norm"])
        return theta - step, {**new, "count": state["count"] + 1.0}


def test_a_readers_rule_is_pulled_where_it_holds_tensors_of_real_numbers():
    params = parameters()
    start = [p.detach().clone() for p in params]
    optimizer = gd.optim.Lookahead(gd.optim.from_rule(Odd(), params), 2, ALPHA, "pullback")
    for t in range(3, 5):
        give_gradients("Odd", params, t)
        optimizer.step()
    for p, first in zip(params, start, strict=True):
        state, moments = optimizer.optimizer.state[p], formers(optimizer, p)
        assert moments.keys() == {"norm", "first"}
        assert state["norm"].item() == pytest.approx(ALPHA * (p.grad * p.grad).sum().item(), rel=1e-12)
        assert same(state["norm"], moments["norm"]) and torch.equal(state["first"], first)
        assert state["count"] == 2.0 and (state["times"] == 2).all()


# ---- saving, loading, copying ----


@pytest.mark.parametrize("name", mostly({name: name for name in INNER}))
@pytest.mark.parametrize("how", ["reset", "pullback"])
def test_a_checkpoint_changes_no_bit_at_any_place_of_the_cycle(name, how):
    """Through a file of weights only, into an optimizer with other settings."""
    params = parameters(torch.float32)
    optimizer = gd.optim.Lookahead(INNER[name](params), 3, ALPHA, how)
    saved = []
    for t in range(1, 10):
        file = io.BytesIO()
        torch.save(([p.detach() for p in params], optimizer.state_dict()), file)
        saved.append(file)
        walk(name, params, optimizer, 1, first=t)
    end = everything(params, optimizer)
    for done in (0, 3, 4, 5, 8):
        saved[done].seek(0)
        numbers, state_dict = torch.load(saved[done], weights_only=True)
        again = [torch.nn.Parameter(p) for p in numbers]
        resumed = gd.optim.Lookahead(INNER[name](again))
        resumed.load_state_dict(state_dict)
        walk(name, again, resumed, 9 - done, first=done + 1)
        assert same(everything(again, resumed), end), done


@pytest.mark.parametrize("name", ["torch's Adam", "torch's Adagrad", "Adam", "Nesterov"])
@pytest.mark.parametrize("how", ["reset", "pullback"])
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"]
)
def test_copies_go_on_alike_and_apart(name, how, copied):
    params = parameters()
    optimizer = gd.optim.Lookahead(INNER[name](params), 3, ALPHA, how)
    walk(name, params, optimizer, 7)
    twins, twin = copied((params, optimizer))
    before = everything(twins, twin)
    walk(name, params, optimizer, 5, first=8)
    assert same(before, everything(twins, twin))
    walk(name, twins, twin, 5, first=8)
    assert same(everything(twins, twin), everything(params, optimizer))


def test_a_pickle_holds_each_number_once():
    params = parameters(shapes=[(40,)] * 30)
    optimizer = gd.optim.Lookahead(gd.optim.Momentum(params, lr=0.1), 1, ALPHA, "pullback")
    walk("Momentum", params, optimizer, 3)
    numbers = 4 * 30 * 40  # parameters, v, φ and the former v
    assert len(pickle.dumps(optimizer)) < 8 * numbers + 600 * 4 * 30


def test_half_precision_moments_are_pulled_in_float32():
    for make in (torch.optim.Adam, gd.optim.Adam):
        params = parameters(torch.bfloat16)
        optimizer = gd.optim.Lookahead(make(params), 2, ALPHA, "pullback")
        walk("Adam", params, optimizer, 9)
        for p in params:
            moments, state = formers(optimizer, p), optimizer.optimizer.state[p]
            assert all(x.dtype == torch.float32 and x.isfinite().all() for x in moments.values())
            assert not any(torch.equal(x, x.bfloat16().float()) for x in moments.values())
            assert state.keys() == {"step", *moments}
        again = [torch.nn.Parameter(p.detach().clone()) for p in params]
        loaded, saved = gd.optim.Lookahead(make(again)), optimizer.state_dict()
        loaded.load_state_dict(saved)
        for i, q in enumerate(again):
            for key, value in loaded.state[q].items():
                assert value.data_ptr() != saved["state"][i][key].data_ptr()
        assert all(
            same(formers(loaded, q), formers(optimizer, p)) for p, q in zip(params, again, strict=True)
        )


@pytest.mark.parametrize("wrong", ["None", "RESET", "", None, True, ["reset"]])
def test_another_value_is_refused(wrong):
    message = r"Invalid pullback_momentum: .* \(must be one of 'none', 'reset', 'pullback'\)"
    with pytest.raises(ValueError, match=message):
        gd.optim.Lookahead(gd.optim.Adam(parameters()), pullback_momentum=wrong)
    optimizer = gd.optim.Lookahead(gd.optim.Adam(parameters()))
    saved = optimizer.state_dict()
    saved["param_groups"][0]["lookahead_pullback_momentum"] = wrong
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(saved)


def test_a_group_without_parameters_is_left_in_peace():
    for how in ("none", "reset", "pullback"):
        optimizer = gd.optim.Lookahead(gd.optim.Adam([{"params": []}]), 1, ALPHA, how)
        optimizer.step()
        assert optimizer.steps == 1


def test_it_says_what_it_does():
    optimizer = gd.optim.Lookahead(gd.optim.Adam(parameters()), pullback_momentum="reset")
    assert "(k: 5, alpha: 0.5, pullback_momentum: reset) around Adam" in repr(optimizer)
