"""The rules that see a parameter as a matrix, against their equations, written out a second time for one
matrix with what NumPy has; who of them sees what; many runs side by side. (Muon's own are in test_muon, other
people's code is asked in tests/optim.)"""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

import gdcourse as gd
from gdcourse import rules

SHAPES = {"wide": (4, 7), "tall": (6, 3), "square": (5, 5)}
STEPS = 25
MATRICES = {
    "Muon": gd.Muon(0.1, 0.8, 0.05),
    "NorMuon": gd.NorMuon(0.1, 0.8, 0.05, beta2=0.7),
    "Shampoo": gd.Shampoo(0.1, 0.3, 1e-3),
    "SOAP": gd.SOAP(0.1, 0.8, 0.9, 1e-4, 0.05, k=3),
    "LAMB": gd.LAMB(0.1, 0.8, 0.9, 1e-4, 0.05),
    "Adafactor": gd.Adafactor(0.2, -0.6, 1e-8, 0.5, 1.2, 0.05),
}
each = pytest.mark.parametrize("name", MATRICES)


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def follow(rule, theta, grads):
    """θ_1 … θ_T, and what the rule computed at each step."""
    state, path = rule.init(theta, 0 * theta), []
    for t, grad in enumerate(grads, start=1):
        theta, new = rule.step(theta, grad, state, rule.at(t))
        state = {name: new[name] for name in state}
        path.append((theta, new))
    return path


def vector(name, theta):
    """θ as the rule sees it: LAMB a vector, the others a matrix."""
    return theta.reshape(*theta.shape[:-2], -1) if MATRICES[name].scope == "vector" else theta


# ---- the equations ----


def normuon(theta, grads, lr, mu, decay, beta2):
    n, m = theta.shape
    M, r = np.zeros((n, m)), np.zeros(n)
    for g in grads:
        M = mu * M + (1 - mu) * g
        Q = rules.orthogonal(mu * M + (1 - mu) * g)
        r = beta2 * r + (1 - beta2) * (Q**2).mean(1)
        N = np.diag(1 / (np.sqrt(r) + 1e-10)) @ Q
        step = np.sqrt(max(1, n / m)) * np.linalg.norm(Q) / (np.linalg.norm(N) + 1e-10) * N
        theta = theta - lr * step - lr * decay * theta
        yield theta


def power(S, p):
    values, vectors = np.linalg.eigh(S)
    return vectors @ np.diag(values**p) @ vectors.T


def shampoo(theta, grads, lr, p, eps):
    """With the paper's L_0 = εI."""
    L, R = eps * np.eye(len(theta)), eps * np.eye(theta.shape[1])
    for g in grads:
        L, R = L + g @ g.T, R + g.T @ g
        theta = theta - lr * power(L, -p) @ g @ power(R, -p)
        yield theta


def soap(theta, grads, lr, beta1, beta2, eps, decay, k):
    """In the order of the authors' code, with m kept in the basis."""
    first, *grads = grads
    L, R = (1 - beta2) * first @ first.T, (1 - beta2) * first.T @ first
    QL, QR = (np.linalg.eigh(S)[1][:, ::-1] for S in (L, R))
    m = v = np.zeros_like(theta)
    yield theta
    for s, g in enumerate(grads, start=1):
        turned = QL.T @ g @ QR
        m = beta1 * m + (1 - beta1) * turned
        v = beta2 * v + (1 - beta2) * turned**2
        length = lr * np.sqrt(1 - beta2**s) / (1 - beta1**s)
        theta = theta - length * QL @ (m / (np.sqrt(v) + eps)) @ QR.T
        theta = theta - lr * decay * theta
        L, R = beta2 * L + (1 - beta2) * g @ g.T, beta2 * R + (1 - beta2) * g.T @ g
        m = QL @ m @ QR.T
        if s % k == 0:
            rows, columns = np.argsort(-np.diag(QL.T @ L @ QL)), np.argsort(-np.diag(QR.T @ R @ QR))
            v = v[rows][:, columns]
            QL, QR = np.linalg.qr(L @ QL[:, rows])[0], np.linalg.qr(R @ QR[:, columns])[0]
        m = QL.T @ m @ QR
        yield theta


def lamb(theta, grads, lr, beta1, beta2, eps, decay):
    m = v = np.zeros_like(theta)
    for t, g in enumerate(grads, start=1):
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        u = m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + eps) + decay * theta
        theta = theta - lr * np.linalg.norm(theta) / np.linalg.norm(u) * u
        yield theta


def adafactor(theta, grads, lr, tau, eps1, eps2, d, decay):
    n, R, C = len(theta), 0, 0
    for t, g in enumerate(grads, start=1):
        w = t**tau
        R, C = (1 - w) * R + w * (g**2).mean(1), (1 - w) * C + w * (g**2).mean(0)
        V = np.outer(R, C) / max(R.mean(), eps1) if n > 1 else C
        u = g / np.sqrt(np.maximum(V, eps1**2))
        u = u / max(1, np.sqrt((u**2).mean()) / d)
        length = max(eps2, np.sqrt((theta**2).mean())) * min(lr, 1 / np.sqrt(t))
        theta = theta - lr * decay * theta - length * u
        yield theta


WRITTEN_OUT = {"NorMuon": normuon, "Shampoo": shampoo, "SOAP": soap, "LAMB": lamb, "Adafactor": adafactor}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_the_path_is_that_of_the_equations(name, shape):
    """Gradients whose directions are unequally long, so that every root matters."""
    rule, theta = MATRICES[name], drawn(*shape)
    grads = drawn(STEPS, *shape, seed=1) * np.logspace(0, -1, shape[0])[:, None] + 0.3
    values = [getattr(rule, f.name) for f in fields(rule) if f.name != "coefficients"]
    expected = [*WRITTEN_OUT[name](theta, grads, *values)]
    found = [now for now, _ in follow(rule, vector(name, theta), [vector(name, g) for g in grads])]
    np.testing.assert_allclose(found, vector(name, np.array(expected)), rtol=0, atol=1e-11)
    assert abs(expected[-1] - theta).max() > 0.1


def test_a_vector_is_a_row_to_adafactor_and_nothing_is_factored():
    """However small its gradients are."""
    theta, rule = drawn(1, 6), MATRICES["Adafactor"]
    for size in (1.0, 1e-5, 1e-12):  # g² above ε₁, between ε₁² and ε₁, below both
        grads = size * drawn(STEPS, 1, 6, seed=1)
        expected = [*adafactor(theta, grads, 0.2, -0.6, 1e-8, 0.5, 1.2, 0.05)]
        np.testing.assert_allclose([now for now, _ in follow(rule, theta, grads)], expected, atol=1e-12)
        assert follow(rule, theta, grads)[0][1]["C"].shape == (1, 6)


@pytest.mark.parametrize("shape", [(1, 4), (2, 4), (4, 1), (1, 2, 3), (1, 4, 1), (3, 1, 4)], ids=str)
def test_adafactor_factors_all_but_a_row(shape):
    """One column, two rows and matrices side by side too; with mean(R) between ε₁ and η."""
    grad = 0.1 * drawn(*shape)
    _, new = gd.Adafactor(0.9, eps1=1e-6).step(grad, grad, {"R": 0.0, "C": 0.0}, {"w": 1.0, "limit": 1.0})
    R, C = (grad**2).mean(-1, keepdims=True), (grad**2).mean(-2, keepdims=True)
    assert 1e-6 < R.mean() < 0.9
    factored = C if shape[-2] == 1 else R * C / R.mean(-2, keepdims=True)
    np.testing.assert_allclose(new["V"], factored, rtol=1e-12)


@pytest.mark.parametrize(("lr", "t", "share"), [(0.2, 4, 0.2), (0.9, 4, 0.5)])
def test_adafactors_rate_is_a_cap(lr, t, share):
    """Beneath it is 1/√t; what is below ε₂ counts as that; a u whose root mean square is below d stays."""
    rule = gd.Adafactor(lr, d=10.0, eps2=0.5)
    theta, grad = np.full((2, 3), 0.1), np.full((2, 3), 2.0)
    state = {"R": np.full((2, 1), 4.0), "C": np.full((1, 3), 4.0)}
    moved, _ = rule.step(theta, grad, state, rule.at(t))
    np.testing.assert_allclose(theta - moved, 0.5 * share)
    np.testing.assert_allclose(rule.step(10 + theta, grad, state, rule.at(t))[0], (10 + theta) * (1 - share))


@pytest.mark.parametrize(("eps1", "u"), [(1e-3, 2 / 1e-3), (1e3, 0.5)])
def test_adafactors_first_epsilon_is_the_least_that_it_divides_by(eps1, u):
    """Of a mean square below ε₁ no more than that is divided by, and V is at least ε₁²."""
    rule = gd.Adafactor(eps1=eps1, d=1e9)
    grad = np.full((2, 3), 2.0)
    state = {"R": np.full((2, 1), 1e-12), "C": np.full((1, 3), 1e-12)}
    if eps1 > 1:  # V = 16·16/1000 is smaller than a million
        state, u = {"R": np.full((2, 1), 16.0), "C": np.full((1, 3), 16.0)}, 2 / eps1
    _, new = rule.step(grad, grad, state, {"w": 0.0, "limit": 1.0})
    np.testing.assert_allclose(new["u"], u)


def test_lamb_goes_by_the_length_of_theta_and_else_by_one():
    rule = gd.LAMB(0.1, eps=0.0, weight_decay=0.0)
    at = rule.at(1)

    def step(theta, grad):
        return rule.step(theta, grad, rule.init(theta, 0 * theta), at)

    theta, new = step(np.array([3.0, 4.0]), np.array([7.0, 0.0]))
    np.testing.assert_allclose(theta, [2.5, 4.0])
    assert new["r"] == 5.0
    np.testing.assert_allclose(step(np.array([0.3, 0.4]), np.array([7.0, 0.0]))[0], [0.25, 0.4])
    still = replace(rule, weight_decay=0.5).step(np.ones(2), np.zeros(2), {"m": 0.0, "v": np.zeros(2)}, at)
    assert np.isfinite(still[0]).all()
    for theta, grad in ((np.zeros(2), np.array([1.0, 0.0])), (np.ones(2), np.zeros(2))):
        assert step(theta, grad)[1]["r"] == 1.0
    np.testing.assert_allclose(step(np.zeros(2), np.array([2.0, 0.0]))[0], [-0.1, 0.0])


def test_defaults_are_the_authors():
    def values(rule):
        return [getattr(rule, f.name) for f in fields(rule) if f.name != "coefficients"]

    assert values(gd.NorMuon()) == [0.02, 0.95, 0.0, 0.95]
    assert values(gd.Shampoo(1.0)) == [1.0, 0.25, 1e-6]
    assert values(gd.SOAP()) == [3e-3, 0.95, 0.95, 1e-8, 0.01, 10]
    assert values(gd.LAMB()) == [1e-3, 0.9, 0.999, 1e-6, 0.01]
    assert values(gd.Adafactor()) == [1e-2, -0.8, np.finfo(float).eps, 1e-3, 1.0, 0.0]
    scopes = {name: (rule.scope, rule.matrices_only) for name, rule in MATRICES.items()}
    hidden, both = ("tensor", True), ("tensor", False)
    assert scopes == dict.fromkeys(("Muon", "NorMuon", "Shampoo", "SOAP"), hidden) | {
        "LAMB": ("vector", False),
        "Adafactor": both,
    }


KEPT = {
    "Muon": {"M": (4, 7)},
    "NorMuon": {"M": (4, 7), "r": (4, 1)},
    "Shampoo": {"L": (4, 4), "R": (7, 7)},
    "SOAP": {"m": (4, 7), "v": (4, 7), "L": (4, 4), "R": (7, 7), "QL": (4, 4), "QR": (7, 7)},
    "LAMB": {"m": (28,), "v": (28,)},
    "Adafactor": {"R": (4, 1), "C": (1, 7)},
}
NAMED = {
    "Muon": {"Q"},
    "NorMuon": {"Q"},
    "Shampoo": {"u"},
    "SOAP": {"u", "m_hat", "v_hat"},
    "LAMB": {"r", "m_hat", "v_hat"},
    "Adafactor": {"u", "V"},
}


@each
def test_what_is_kept_has_its_shape_from_the_start_and_what_is_computed_its_name(name):
    rule, theta = MATRICES[name], vector(name, drawn(2, 4, 7))
    first = rule.init(theta, 0 * theta)
    assert {key: x.shape for key, x in first.items()} == {key: (2, *own) for key, own in KEPT[name].items()}
    for _, new in follow(rule, theta, [vector(name, drawn(2, 4, 7, seed=t)) for t in (1, 2)]):
        assert new.keys() == first.keys() | NAMED[name]
        assert all(new[key].shape == first[key].shape for key in first)


@pytest.mark.parametrize(
    "rule", [gd.Muon(0.1), gd.NorMuon(0.1), gd.Shampoo(0.1), gd.SOAP(0.1, weight_decay=0.0)]
)
def test_the_step_is_the_one_that_is_named(rule):
    theta, grads = drawn(6, 4), drawn(5, 6, 4, seed=1)
    path = follow(rule, theta, grads)
    for (now, new), before in zip(path, [theta, *(x for x, _ in path)], strict=False):
        step = new["u"] if "u" in new else 1.5**0.5 * new["Q"]
        np.testing.assert_allclose(before - now, 0.1 * step, atol=1e-14)


def test_adafactors_v_is_what_its_gradient_is_divided_by():
    grads = drawn(4, 3, 5, seed=1)
    for (_, new), grad in zip(follow(gd.Adafactor(), drawn(3, 5), grads), grads, strict=True):
        np.testing.assert_allclose(new["u"], grad / new["V"] ** 0.5)


# ---- SOAP's basis ----


def test_soaps_first_gradient_moves_nothing_and_names_the_basis():
    grad, theta = drawn(4, 4), drawn(4, 4, seed=1)
    ((same, new),) = follow(gd.SOAP(weight_decay=0.5), theta, [grad])
    assert same is theta and not new["m"].any() and not new["v"].any()
    for Q, S in ((new["QL"], grad @ grad.T), (new["QR"], grad.T @ grad)):
        turned = Q.T @ S @ Q
        np.testing.assert_allclose(turned, np.diag(np.diag(turned)), atol=1e-12)
        assert (np.diff(np.diag(turned)) < 0).all(), "the largest first"


def test_soap_keeps_a_basis_for_k_steps_and_it_stays_one():
    path = follow(gd.SOAP(k=4), drawn(4, 6), drawn(14, 4, 6, seed=1))
    renewed = [t for t in range(2, 15) if not np.array_equal(path[t - 1][1]["QL"], path[t - 2][1]["QL"])]
    assert renewed == [5, 9, 13]  # after 4, 8 and 12 gradients that moved θ
    for _, new in path:
        for Q in (new["QL"], new["QR"]):
            np.testing.assert_allclose(Q.T @ Q, np.eye(len(Q)), atol=1e-12)


def test_soap_in_a_basis_that_does_not_turn_is_adam_from_the_second_gradient_on():
    """Diagonal gradients, the largest first: Q is the identity but for signs."""
    sizes = np.diag([4.0, 2.0, 1.0])
    grads = [sizes * g for g in (1.0, 0.5, -1.0, 2.0, 0.25)]
    rule = gd.SOAP(0.1, 0.9, 0.99, 0.0, 0.0, k=2)
    found = [theta for theta, _ in follow(rule, np.zeros((3, 3)), grads)][1:]
    expected = [theta for theta, _ in follow(gd.Adam(0.1, 0.9, 0.99, 0.0), np.zeros((3, 3)), grads[1:])]
    np.testing.assert_allclose(found, expected, atol=1e-13)


def test_soaps_averages_corrected():
    """Of equal gradients, in the basis, they are these and their squares."""
    grad, rule = drawn(3, 3), gd.SOAP(beta1=0.8, beta2=0.9, k=100)
    for t, (_, new) in enumerate(follow(rule, np.zeros((3, 3)), [grad] * 6), start=1):
        np.testing.assert_allclose(new["L"], (1 - 0.9**t) * grad @ grad.T, atol=1e-12)
        np.testing.assert_allclose(new["R"], (1 - 0.9**t) * grad.T @ grad, atol=1e-12)
        if t > 1:
            turned = new["QL"].T @ grad @ new["QR"]
            np.testing.assert_allclose(new["m_hat"], turned, atol=1e-12)
            np.testing.assert_allclose(new["v_hat"], turned**2, atol=1e-12)


def test_soap_without_eps_rests_where_its_basis_has_no_gradient_so_far_but_for_the_decay():
    path = follow(gd.SOAP(0.1, eps=0.0, weight_decay=0.5), np.ones((3, 3)), [np.diag([4.0, 2.0, 1.0])] * 4)
    off = ~np.eye(3, dtype=bool)
    np.testing.assert_allclose(path[-1][0][off], 0.95**3)
    assert (path[-1][0][~off] < 0.95**3).all()


def test_what_depends_on_t_may_be_asked_for_many():
    rule, t = gd.SOAP(k=3), np.arange(1, 9)
    at = rule.at(t)
    for i, number in enumerate(t):
        for name, value in rule.at(int(number)).items():
            assert at[name][i] == pytest.approx(value, abs=1e-15)
    assert at["renews"].nonzero()[0].tolist() == [0, 3, 6] and at["first"].tolist() == [True] + [False] * 7


# ---- who sees what ----

PATHS = 12


def deviation(rule, before, after):
    """How far the path of changed gradients is from the changed path, relative to how far that is from the
    start."""
    theta = drawn(12, 12)
    grads = drawn(PATHS, 12, 12, seed=1) * np.logspace(0, -2, 12)[:, None] * np.logspace(0, -1, 12)
    changed = follow(rule, before(theta), [before(g) for g in grads])[-1][0]
    path = after(follow(rule, theta, grads)[-1][0], theta)
    return abs(changed - path).max() / abs(path - before(theta)).max()


def turned(rule):
    U, V = np.linalg.qr(drawn(12, 12, seed=2))[0], np.linalg.qr(drawn(12, 12, seed=3))[0]
    return deviation(rule, lambda x: U @ x @ V, lambda x, _: U @ x @ V)


def permuted(rule):
    order = np.random.default_rng(4)
    rows, columns = order.permutation(12), order.permutation(12)
    change = lambda x: x[rows][:, columns]  # noqa: E731
    return deviation(rule, change, lambda x, _: change(x))


def shuffled(rule):
    order = np.random.default_rng(5).permutation(144)
    change = lambda x: x.ravel()[order].reshape(12, 12)  # noqa: E731
    return deviation(rule, change, lambda x, _: change(x))


SEES = {  # whether it goes otherwise where rows and columns are turned, or where entries are shuffled
    gd.Momentum(0.1): (False, False),
    gd.Adam(0.1): (True, False),
    gd.Muon(0.1): (False, True),
    gd.NorMuon(0.1): (True, True),
    gd.Shampoo(0.1, eps=1e-12): (False, True),
    gd.SOAP(0.1, weight_decay=0.0): (False, True),
    gd.Adafactor(0.1): (True, True),
}


@pytest.mark.parametrize("rule", SEES, ids=lambda rule: type(rule).__name__)
def test_who_sees_a_turn_and_who_a_shuffle(rule):
    """A matrix rule is blind to the basis of rows and columns, one that works by element to which entry is
    where. To no one is the order of the rows or columns anything."""
    sees_turns, sees_shuffles = SEES[rule]
    blind = 1e-8
    assert (turned(rule) > 0.02) if sees_turns else (turned(rule) < blind)
    assert (shuffled(rule) > 0.02) if sees_shuffles else (shuffled(rule) < blind)
    assert permuted(rule) < blind


@pytest.mark.parametrize("rule", [gd.Muon(0.1), gd.NorMuon(0.1), gd.Shampoo(0.1, eps=0.0), gd.Adafactor(0.1)])
def test_the_size_of_gradients_is_nothing_to_them(rule):
    theta, grads = drawn(4, 6), drawn(PATHS, 4, 6, seed=1)
    once, thousand = (follow(rule, theta, size * grads)[-1][0] for size in (1.0, 1e3))
    np.testing.assert_allclose(thousand, once, rtol=0, atol=1e-9)


# ---- side by side ----

THREE = {
    "lr": [0.01, 0.1, 0.3],
    "gamma": [0.0, 0.5, 0.9],
    "beta1": [0.0, 0.5, 0.9],
    "beta2": [0.5, 0.9, 0.99],
    "eps": [1e-6, 1e-3, 1.0],
    "weight_decay": [0.0, 0.1, 0.5],
    "exponent": [0.0, 0.25, 0.5],
    "k": [1, 2, 5],
    "beta2_decay": [-0.8, -0.5, 0.0],
    "eps1": [1e-8, 1e-4, 1e-2],
    "eps2": [1e-3, 0.5, 3.0],
    "d": [1.0, 1.5, 9.0],
}


@each
@pytest.mark.parametrize("lookahead", [False, True], ids=["", "in Lookahead"])
@pytest.mark.parametrize("array", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_arrays_of_hyperparameters_equal_single_runs(name, lookahead, array):
    """Of two axes of runs, one for the hyperparameters; every hyperparameter an array."""
    kind, theta, grads = (
        type(MATRICES[name]),
        vector(name, drawn(2, 3, 4, 5)),
        drawn(STEPS, 2, 3, 4, 5, seed=1),
    )
    grads, ones = vector(name, grads), (1,) * (theta.ndim - 2)
    settings = {f.name: THREE[f.name] for f in fields(kind) if f.name != "coefficients"}

    def build(values):
        rule = kind(**values)
        return gd.Lookahead(rule, 3, 0.5) if lookahead else rule

    many = build({key: array(np.reshape(values, (3, *ones))) for key, values in settings.items()})
    together = follow(many, array(theta), [array(g) for g in grads])[-1][0]
    assert type(together) is type(array(theta))
    for i in range(2):
        for j in range(3):
            one = build({key: values[j] for key, values in settings.items()})
            alone = follow(one, array(theta[i, j]), [array(g[i, j]) for g in grads])[-1][0]
            np.testing.assert_allclose(together[i, j], alone, rtol=0, atol=1e-11)
    assert np.isfinite(np.asarray(together)).all()


@each
def test_numpy_and_torch_agree(name):
    theta, grads = vector(name, drawn(5, 5)), vector(name, drawn(STEPS, 5, 5, seed=1))
    arrays = follow(MATRICES[name], theta, grads)
    tensors = follow(MATRICES[name], torch.tensor(theta), [torch.tensor(g) for g in grads])
    for (a, new), (b, other) in zip(arrays, tensors, strict=True):
        np.testing.assert_allclose(a, b.numpy(), rtol=0, atol=1e-11)
        assert new.keys() == other.keys()


@each
def test_rules_leave_their_inputs_alone(name):
    rule, theta, grad = MATRICES[name], vector(name, drawn(4, 4)), vector(name, drawn(4, 4, seed=1))
    state = follow(rule, theta, [grad])[0][1]
    kept = {key: value.copy() for key, value in state.items()}
    before = theta.copy(), grad.copy()
    for t in (1, 2, 11):
        rule.step(theta, grad, state, rule.at(t))
    assert (theta == before[0]).all() and (grad == before[1]).all()
    assert all((state[key] == kept[key]).all() for key in kept)


@each
@pytest.mark.parametrize("eps", [0.0, 1e-8])
def test_zero_gradients_move_nothing(name, eps):
    rule = MATRICES[name]
    zero = {key: 0.0 for key in ("weight_decay",) if hasattr(rule, key)}
    rule = replace(rule, **zero, **({"eps": eps} if hasattr(rule, "eps") else {}))
    theta = vector(name, drawn(4, 5))
    with np.errstate(invalid="raise", divide="raise"):
        for now, _ in follow(rule, theta, [0 * theta] * 12):
            np.testing.assert_array_equal(now, theta)


@pytest.mark.parametrize("name", ["Shampoo", "SOAP"])
@pytest.mark.parametrize("array", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_a_run_that_diverged_is_none_of_the_others_business(name, array):
    """The libraries raise for eigenvectors of what is not finite."""
    theta, grads = drawn(2, 4, 4), drawn(6, 2, 4, 4, seed=1)
    alone = follow(MATRICES[name], array(theta[0]), [array(g[0]) for g in grads])[-1][0]
    for bad in (np.inf, np.nan):
        grads[0, 1, 2, 3] = bad
        with np.errstate(all="ignore"):
            both = follow(MATRICES[name], array(theta), [array(g) for g in grads])[-1][0]
        np.testing.assert_allclose(both[0], alone, rtol=0, atol=1e-13)
        assert np.isnan(np.asarray(both[1])).any()


def test_shampoo_without_eps_leaves_what_no_gradient_has_reached():
    grads, start = drawn(8, 4, 4), drawn(4, 4, seed=1)
    grads[:, 2] = 0.0  # a row without any
    theta = follow(gd.Shampoo(0.1, eps=0.0), start, grads)[-1][0]
    np.testing.assert_allclose(theta[2], start[2], atol=1e-7)
    assert (abs(theta - start)[[0, 1, 3]] > 1e-3).all()


# ---- words ----


@pytest.mark.parametrize("array", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_words_to_sort_by(array):
    x = array(np.array([[2.0, 5.0, 3.0], [1.0, 1.0, 4.0]]))
    assert rules.descending(x).tolist() == [[1, 2, 0], [2, 0, 1]]  # equals stay in their order
    y, places = array(np.arange(12.0).reshape(2, 3, 2)), rules.descending(x)
    rows = [[[2, 3], [4, 5], [0, 1]], [[10, 11], [6, 7], [8, 9]]]
    assert rules.reordered(y, places, -2).tolist() == rows
    assert rules.reordered(y.mT, places, -1).tolist() == np.swapaxes(rows, 1, 2).tolist()
    many = np.arange(600) % 3  # so many that a sort which may change the order of equals does
    stable = np.concatenate([np.flatnonzero(many == value) for value in (2, 1, 0)])
    assert rules.descending(array(many)).tolist() == stable.tolist()


@pytest.mark.parametrize("array", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_eigenvectors_of_what_is_not_finite_are_nan_and_of_the_others_as_they_are(array):
    x = np.stack([np.diag([2.0, 1.0]), np.diag([np.inf, 1.0]), np.diag([1.0, np.nan])])
    with np.errstate(invalid="ignore"):
        values, vectors = rules.eigh(array(x))
    assert values[0].tolist() == [1, 2] and abs(vectors[0]).tolist() == [[0, 1], [1, 0]]
    assert np.isnan(np.asarray(values[1:])).all() and np.isnan(np.asarray(vectors[1:])).all()
