"""Rules that see matrices in trainings and on problems: families equal single runs, partners equal torch's
way, and each part of a network goes to the rule that it is for."""

import sys
from dataclasses import dataclass

import numpy as np
import pytest
import torch

import gdcourse as gd
from gdcourse.experiments import shares
from gdcourse.experiments.shares import shares_of
from gdcourse.experiments.train import batches
from gdcourse.optim import kernels
from gdcourse.problems import MatrixQuadratic, Network
from tests.conftest import needs_a_compiler

NETWORK = Network((5, 6, 6, 3), "tanh")
STEPS = 12
RULES = {
    "Muon": lambda lr: gd.Muon(lr, weight_decay=0.1),
    "NorMuon": lambda lr: gd.NorMuon(lr),
    "Shampoo": lambda lr: gd.Shampoo(5 * lr),
    "SOAP": lambda lr: gd.SOAP(lr, k=3),
    "Adafactor": lambda lr: gd.Adafactor(lr),
    "LAMB": lambda lr: gd.LAMB(lr),
    "Adam": lambda lr: gd.Adam(lr),
    "Clipped": lambda lr: gd.Clipped(gd.Momentum(lr), 0.01),
    "Cautious(Muon)": lambda lr: gd.Cautious(gd.Muon(lr)),
    "Lookahead(Muon)": lambda lr: gd.Lookahead(gd.Muon(lr), 3),
}
RATES = np.array([0.01, 0.05])


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((120, 5))
    return x, (x[:, 0] * x[:, 1] > 0).astype(int) + (x[:, 2] > 0)


def short(data, optimizer, network=NETWORK, **settings):
    return gd.train(network, data, optimizer, **{"steps": STEPS, "batch": 16, "examine": 2, **settings})


def largest_gap(a, b):
    return float((a.theta - b.theta).abs().max())


def partners(make, lr):
    return gd.Partners(make(lr), rest=gd.Adam(0.02))


# ---- partners ----


@pytest.mark.parametrize("name", RULES)
def test_a_grid_of_partners_equals_its_single_trainings_and_torchs_way(data, name):
    seeds, make = [3, 0], RULES[name]
    grid = short(data, partners(make, RATES[:, None]), seed=seeds)
    assert grid.theta.shape == (2, 2, NETWORK.parameters)
    for i, lr in enumerate(RATES):
        for j, seed in enumerate(seeds):
            one = short(data, partners(make, float(lr)), seed=seed)
            np.testing.assert_allclose(grid.loss[:, i, j], one.loss, rtol=0, atol=1e-12)
            assert (grid.theta[i, j] - one.theta).abs().max() <= 1e-12

    def together(params):
        hidden, rest = (
            [p for p, h in zip(params, NETWORK.hidden, strict=True) if h is one] for one in (True, False)
        )
        return gd.optim.Together(gd.optim.from_rule(make(0.05), hidden), gd.optim.Adam(rest, lr=0.02))

    if name != "Lookahead(Muon)":  # whose parameters between two synchronisations are the fast ones
        assert largest_gap(short(data, together, seed=0), one) <= 1e-12


@pytest.mark.parametrize("rule", [gd.Adafactor(0.05), gd.LAMB(0.05), gd.Cautious(gd.Adam(0.05))])
def test_a_rule_that_moves_each_part_by_itself_needs_no_partner(data, rule):
    one = short(data, rule, seed=1)
    assert largest_gap(one, short(data, lambda params: gd.optim.from_rule(rule, params), seed=1)) <= 1e-12


def test_rates_of_both_partners_are_axes_of_the_grid(data):
    others = np.array([0.001, 0.01, 0.1])
    both = gd.Partners(gd.Muon(RATES[:, None, None]), rest=gd.Adam(others[:, None]))
    grid = short(data, both, seed=[0, 1])
    assert grid.theta.shape == (2, 3, 2, NETWORK.parameters)
    one = short(data, gd.Partners(gd.Muon(0.05), gd.Adam(0.001)), seed=1)
    np.testing.assert_allclose(grid.loss[:, 1, 0, 1], one.loss, rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match=r"do not broadcast .*hidden\.lr \(2,\), rest\.lr \(3,\)"):
        short(data, gd.Partners(gd.Muon(RATES), gd.Adam(others)))
    lists = gd.Partners(gd.Muon([[0.01], [0.05]]), gd.Adam(0.001))
    assert short(data, lists, seed=[0, 1]).theta.shape == (2, 2, NETWORK.parameters)
    text = repr(grid)
    assert "by Partners(Muon(lr of shape (2, 1, 1)), Adam(lr of shape (3, 1)))" in text


def test_a_schedule_is_both_partners(data):
    def half(t):
        return 0.5

    scheduled = short(data, gd.Partners(gd.Muon(0.1), gd.Adam(0.02)), schedule=half)
    assert largest_gap(scheduled, short(data, gd.Partners(gd.Muon(0.05), gd.Adam(0.01)))) <= 1e-15
    with pytest.raises(TypeError, match="Adadelta has no learning rate"):
        short(data, gd.Partners(gd.Muon(0.1), gd.Adadelta()), schedule=half)


def test_a_module_is_parted_as_hidden_matrices_says(data):
    """With a convolution, whose weights the rule sees as a matrix."""

    def made():
        layers = nn.Unflatten(1, (1, 5)), nn.Conv1d(1, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(12, 3)
        return nn.Sequential(*layers).double()

    nn = torch.nn
    shapes = []

    @dataclass(frozen=True, eq=False)
    class Seen(gd.Muon):
        def step(self, theta, grad, state, at):
            shapes.append(tuple(theta.shape))
            return super().step(theta, grad, state, at)

    history = short(data, gd.Partners(Seen(0.05), rest=gd.Adam(0.02)), network=made, seed=[0, 2])
    assert {*shapes} == {(2, 3, 2), (2, 2, 3), (2, 3)}  # the last two tell whether it mixes runs

    def together(params):
        return gd.optim.Together(gd.optim.Muon(params[:1], lr=0.05), gd.optim.Adam(params[1:], lr=0.02))

    assert largest_gap(history, short(data, together, network=made, seed=[0, 2])) <= 1e-12


def test_the_transformers_hidden_matrices_learn_with_muon():
    small = gd.problems.Transformer(context=8, width=12, heads=2, layers=1)
    rule = gd.Partners(gd.Muon([[0.02]]), rest=gd.Adam(0.005))
    text = gd.text(context=8)
    history = gd.train(small, text, rule, steps=25, batch=16, examine=1, seed=[0, 1])
    assert history.theta.shape == (1, 2, small.parameters)
    assert (history.loss[-1] < history.loss[0] - 0.3).all()


def test_compare_tunes_the_hidden_matrices_rate(data):
    tuned = gd.compare(
        {"both": gd.Partners(gd.Muon(0.03), gd.Adam(0.02))}, data, network=NETWORK, steps=5, trials=3, seeds=2
    )["both"]
    assert tuned.tuned == "lr" and 0.03 in tuned.values.round(6)
    name, method = gd.experiments.method_of(gd.Partners(gd.Muon(0.03), gd.Adam(0.02)), list)
    assert name == "Partners(Muon, Adam)" and method.make(0.5).hidden.lr == 0.5
    assert method.make(0.5).rest.lr == 0.02 and method.usual == 0.03


@pytest.mark.parametrize(
    ("optimizer", "network", "said"),
    [
        (gd.Muon(), NETWORK, r"Muon moves hidden matrices alone, .*gdcourse\.Partners\(Muon\(\.\.\.\), rest"),
        (gd.Lookahead(gd.SOAP()), NETWORK, r"Lookahead\(SOAP\) moves hidden matrices alone"),
        (
            gd.Partners(gd.Adam(), gd.Muon()),
            NETWORK,
            "Muon moves hidden matrices alone: it cannot have the rest",
        ),
        (gd.Partners(gd.Muon(), gd.Adam()), Network((5, 3)), "this network has no hidden matrices"),
        (
            gd.Partners(gd.Muon(), gd.SAM(gd.Adam())),
            NETWORK,
            "gradients of a mini-batch, 1 and 2: SAM",
        ),
        (gd.Partners(gd.Muon(-1.0), gd.Adam()), NETWORK, "Invalid learning rate: -1.0"),
        (gd.Partners(gd.Muon(), gd.Adam(beta1=2.0)), NETWORK, "Invalid beta parameter at index 0: 2.0"),
    ],
)
def test_what_does_not_go_together_is_refused(data, optimizer, network, said):
    with pytest.raises(ValueError, match=said):
        short(data, optimizer, network=network)


def test_partners_of_something_else_are_refused(data):
    with pytest.raises(TypeError, match="expected a rule such as"):
        short(data, gd.Partners(gd.Muon(), gd.Adam))


# ---- shares ----


def test_parts_are_shared_out_as_the_rules_see_them(monkeypatch):
    """In one vector, one by one, or in a stack; together all of θ, each place once."""

    @dataclass(frozen=True, eq=False)
    class Mine(gd.Rule):
        scope = "tensor"

    expected = {
        gd.Adam(): [(NETWORK.parameters,)],
        gd.LAMB(): [(30,), (6,), (36,), (6,), (18,), (3,)],
        gd.Adafactor(): [(5, 6), (2, 1, 6), (6, 6), (6, 3), (1, 3)],
        Mine(): [(5, 6), (1, 6), (6, 6), (1, 6), (6, 3), (1, 3)],
        gd.Partners(gd.Muon(), gd.Adam()): [(5, 6), (6, 6), (33,)],
        gd.Partners(gd.Adam(), gd.LAMB()): [(66,), (6,), (6,), (18,), (3,)],
    }
    theta = np.arange(2.0 * NETWORK.parameters).reshape(2, -1)
    for optimizer, shapes in expected.items():
        found = shares_of(optimizer, NETWORK)
        assert [share.shape for share in found] == shapes
        written = np.zeros_like(theta)
        for share in found:
            assert share.of(theta).shape == (2, *share.shape)
            share.put(written, share.of(theta))
        assert (written == theta).all()
        if isinstance(optimizer, gd.Rule):
            assert isinstance(found[0].places, slice), "what lies in a row is a view"
    monkeypatch.setattr(shares, "STACKED", 5)
    assert [share.shape for share in shares_of(gd.Adafactor(), NETWORK)][1:3] == [(1, 6), (6, 6)]


# ---- kernels ----


@needs_a_compiler
@pytest.mark.slow
def test_compiled_a_kernel_for_each_share(data, monkeypatch):
    """And none for what is done at some steps only."""
    made = []

    def noting(*args, **settings):
        made.append(args[1][0].shape)
        return kernels.kernel(*args, **settings)

    monkeypatch.setattr(sys.modules[batches.__module__], "kernel", noting)
    how = {"network": Network((5, 5, 5, 3)), "steps": 3, "seed": [0, 1]}
    for hidden, shapes in ((gd.Adafactor(0.05), {(2, 2, 5, 5), (2, 28)}), (gd.SOAP(k=2), {(2, 28)})):
        made.clear()
        rule = gd.Partners(hidden, gd.Adam(RATES))
        compiled = short(data, rule, **how, compile=True)
        assert {*made} == shapes
        assert largest_gap(compiled, short(data, rule, **how)) <= 1e-12


# ---- problems ----


@pytest.mark.parametrize("name", [*RULES])
@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_a_family_on_a_matrix_problem_equals_its_single_runs(name, kind):
    problem, make = MatrixQuadratic(4, 5, kappa=10.0, angle=30.0), RULES[name]
    start = kind(np.random.default_rng(0).standard_normal((3, 1, 4, 5)))
    family = gd.descend(make(RATES), problem, start, steps=STEPS)
    assert family.theta.shape == (STEPS + 1, 3, 2, 4, 5) and family.loss.shape == (STEPS + 1, 3, 2)
    for i in range(3):
        for j, lr in enumerate(RATES):
            one = gd.descend(make(float(lr)), problem, start[i, 0], steps=STEPS)
            for part in ("theta", "loss", "grad"):
                a, b = family.to_numpy(part)[:, i, j], one.to_numpy(part)
                # a direction without gradients is one of SOAP's, too, and rounding in it is divided by ε
                np.testing.assert_allclose(a, b, rtol=0, atol=1e-7 if name == "SOAP" else 1e-12)


@pytest.mark.parametrize("around", [lambda rule: rule, gd.Cautious, gd.Lookahead])
def test_a_rule_that_sees_matrices_gets_a_vector_as_a_row(around):
    """And what is recorded with θ's shape has it."""
    rule = around(gd.Adafactor(0.1))
    run = gd.descend(rule, "Beale", steps=STEPS, record="C")
    assert run.theta.shape == (STEPS + 1, 2) and run.grad.shape == run.C.shape == (STEPS, 2)
    theta = np.array([gd.problems.Beale().start])
    state = rule.init(theta, 0 * theta)
    for t in range(1, STEPS + 1):
        grad = gd.problems.Beale().grad(theta)
        np.testing.assert_array_equal(run.grad[t - 1], grad[0])
        theta, new = rule.step(theta, grad, state, rule.at(t))
        state = {name: new[name] for name in state}
        np.testing.assert_array_equal(run.theta[t], theta[0])
    run.plot()


@pytest.mark.parametrize("rule", [gd.Clipped(gd.Momentum([0.1, 0.3]), 0.1), gd.LAMB([0.1, 0.3])])
def test_a_rule_that_sums_over_a_vector_gets_a_matrix_as_one(rule):
    problem = MatrixQuadratic(3, 4, kappa=5.0)
    run = gd.descend(rule, problem, np.ones((3, 4)), steps=STEPS)

    class Flat(gd.problems.Problem):
        start = np.ones(12)

        def loss(self, theta):
            return problem.loss(theta.reshape(*theta.shape[:-1], 3, 4))

        def grad(self, theta, sample=None):
            return problem.grad(theta.reshape(*theta.shape[:-1], 3, 4)).reshape(theta.shape)

    flat = gd.descend(rule, Flat(), steps=STEPS)
    np.testing.assert_array_equal(run.theta.reshape(STEPS + 1, 2, 12), flat.theta)
    assert run.problem is problem


def test_what_descend_cannot_do_with_a_matrix_rule_it_says():
    with pytest.raises(
        ValueError, match=r"Muon moves matrices, and θ of absolute value is a number: .*ndim=2"
    ):
        gd.descend(gd.Muon(), gd.problems.Absolute(), steps=1)
    with pytest.raises(
        ValueError, match="compile=True is for rules that work by element or on vectors; Muon sees"
    ):
        gd.descend(gd.Muon(), MatrixQuadratic(), steps=1, path=False, compile=True)
    run = gd.descend(
        gd.Muon(), gd.problems.Function(lambda w: (w**2).sum(), ndim=2), torch.ones(2, 3), steps=2
    )
    assert run.theta.shape == (3, 2, 3)
