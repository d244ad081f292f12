"""The same lines on floats, NumPy arrays and torch tensors, and on arrays of hyperparameters."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import gdcourse as gd
from gdcourse import rules
from gdcourse.rules import ratio, where
from tests import methods

STEPS = 40
START = np.array([1.5, -0.7, 0.3])
NOISE = np.random.default_rng(3).standard_normal((STEPS, 3))
CURVATURES = np.array([0.5, 1.0, 3.0])


def numpy_gradient(point, t):
    return CURVATURES * point + NOISE[t - 1]


def torch_gradient(point, t):
    return torch.from_numpy(CURVATURES) * point + torch.from_numpy(NOISE[t - 1])


def test_floats_numpy_and_torch_agree(rule, follow):
    arrays = follow(rule, START, np.zeros(3), numpy_gradient, STEPS)
    tensors = follow(
        rule, torch.from_numpy(START), torch.zeros(3, dtype=torch.float64), torch_gradient, STEPS
    )
    for i in range(3):

        def gradient(point, t, i=i):
            return float(CURVATURES[i]) * point + float(NOISE[t - 1, i])

        floats = follow(rule, float(START[i]), 0.0, gradient, STEPS)
        assert isinstance(floats[-1][0], float)
        np.testing.assert_allclose([f[0] for f in floats], [a[0][i] for a in arrays], rtol=0, atol=1e-12)
    for (theta, new), (tensor, new_tensor) in zip(arrays, tensors, strict=True):
        assert isinstance(theta, np.ndarray) and isinstance(tensor, torch.Tensor)
        np.testing.assert_allclose(theta, tensor.numpy(), rtol=0, atol=1e-12)
        assert set(new) == set(new_tensor)
        for name in new:
            np.testing.assert_allclose(new[name], new_tensor[name].numpy(), rtol=1e-12, atol=1e-12)


def test_zero_gradients_move_nothing(rule, follow):
    if hasattr(rule, "weight_decay"):
        rule = replace(rule, weight_decay=0.0)
    epsilons = (0.0, 0, 1e-8, np.array([0.0, 1e-8, 0.0])) if hasattr(rule, "eps") else ()
    for variant in (rule, *[replace(rule, eps=eps) for eps in epsilons]):
        arrays = follow(variant, START, np.zeros(3), lambda point, t: np.zeros(3), 12)
        assert all((theta == START).all() for theta, _ in arrays)
        if not isinstance(getattr(variant, "eps", None), np.ndarray):
            floats = follow(variant, 1.5, 0.0, lambda point, t: 0.0, 12)
            assert [theta for theta, _ in floats] == [1.5] * 12


WITH_EPS = [kind for name, kind in methods.KINDS.items() if "eps" in methods.hyperparameters(name)]


@pytest.mark.parametrize("make", WITH_EPS)
def test_without_eps_a_coordinate_rests_until_its_first_gradient(make, follow):
    """And then goes as it does with the smallest of ε."""

    def gradient(point, t):
        return np.array([0.0, t > 3, 1.0]) * numpy_gradient(point, t)

    decays = {"weight_decay": 0.01} if "weight_decay" in vars(make()) else {}
    none, least = (follow(make(eps=eps, **decays), START, np.zeros(3), gradient, 12) for eps in (0.0, 1e-300))
    for (theta, _), (expected, _) in zip(none, least, strict=True):
        np.testing.assert_array_equal(theta, expected)
    if make is gd.Adadelta:  # whose first step has the length of ε
        assert (none[-1][0] == START).all()
    else:
        assert none[-1][0][0] == (pytest.approx(START[0], rel=1e-3) if decays else START[0])
        assert (none[-1][0][1:] != START[1:]).all()


def test_one_silent_coordinate_does_not_disturb_the_others(rule, follow):
    def silent(point, t):
        return numpy_gradient(point, t) * [1, 0, 1]

    def loud(point, t):
        return numpy_gradient(point, t)

    quiet, full = (follow(rule, START, np.zeros(3), g, STEPS)[-1][0] for g in (silent, loud))
    np.testing.assert_allclose(quiet[[0, 2]], full[[0, 2]], rtol=0, atol=1e-14)
    assert np.isfinite(quiet[1])


@pytest.mark.parametrize("name", methods.PLAIN)
@pytest.mark.parametrize("lookahead", [False, True], ids=["", "in Lookahead"])
@pytest.mark.parametrize("kind", ["numpy", "torch"])
def test_arrays_of_hyperparameters_equal_single_runs(name, lookahead, kind, follow):
    """Three settings side by side, every hyperparameter an array, on one coordinate each."""
    make = methods.KINDS[name]
    many = {key: np.array(values) for key, values in methods.three_of(name).items()}
    k, alpha = np.array([1, 2, 5]), np.array([0.2, 1.0, 0.5])

    def build(settings, k, alpha):
        return gd.Lookahead(make(**settings), k, alpha) if lookahead else make(**settings)

    if kind == "numpy":
        paths = follow(build(many, k, alpha), START, np.zeros(3), numpy_gradient, STEPS)
    else:
        tensors = {key: torch.from_numpy(value) for key, value in many.items()}
        rule = build(tensors, torch.from_numpy(k), torch.from_numpy(alpha))
        paths = follow(
            rule, torch.from_numpy(START), torch.zeros(3, dtype=torch.float64), torch_gradient, STEPS
        )
    together = np.stack([np.asarray(theta) for theta, _ in paths])
    assert np.isfinite(together).all()
    for i in range(3):
        single = build({key: float(v[i]) for key, v in many.items()}, int(k[i]), float(alpha[i]))

        def gradient(point, t, i=i):
            return float(CURVATURES[i]) * point + float(NOISE[t - 1, i])

        alone = [theta for theta, _ in follow(single, float(START[i]), 0.0, gradient, STEPS)]
        np.testing.assert_allclose(together[:, i], alone, rtol=0, atol=1e-12)


def test_t_may_be_an_array_or_a_tensor():
    """What depends on t alone can be drawn as a curve, and can stay on a device."""
    t = np.arange(1, 30)
    rules = (gd.RAdam(beta2=0.9), gd.Adam(), gd.Lookahead(gd.RAdam(), k=3))
    rules += (gd.NAdam(), gd.ADOPT(), gd.ScheduleFree(warmup=3), gd.SAM(gd.Adam()))
    for rule in rules:
        curve = rule.at(t)
        tensor = rule.at(torch.arange(1, 30, dtype=torch.float64))
        for i in (0, 3, 4, 5, 28):
            single = rule.at(int(t[i]))
            for name, value in single.items():
                assert curve[name][i] == pytest.approx(value, rel=1e-12, abs=1e-12)
                assert tensor[name][i].item() == pytest.approx(value, rel=1e-12, abs=1e-12)


def test_rules_leave_their_inputs_alone(rule, follow):
    theta, grad = START.copy(), NOISE[0].copy()
    state = {name: np.array(value) for name, value in rule.init(theta, np.zeros(3)).items()}
    before = {name: value.copy() for name, value in state.items()}
    rule.step(theta, grad, state, rule.at(1))
    assert (theta == START).all() and (grad == NOISE[0]).all()
    assert all((state[name] == before[name]).all() for name in before)


def test_state_is_what_step_gives_back(rule):
    """A driver carries what `init` names: each of those names must come back from every step."""
    state = rule.init(1.0, 0.0)
    _, new = rule.step(1.0, 0.5, state, rule.at(1))
    assert set(state) <= set(new)


def test_where_on_every_kind():
    assert where(True, 1, 2) == 1 and where(False, 1, 2) == 2
    assert where(np.bool_(True), 1, 2) == 1
    np.testing.assert_array_equal(where(np.array([True, False]), np.array([1, 2]), 7), [1, 7])
    assert where(torch.tensor([True, False]), torch.tensor([1, 2]), 7).tolist() == [1, 7]


def test_where_asks_an_array_which_library_has_its_words():
    """As the array API standard has it; the module of the type need not be that of the words."""

    class Array:
        def __array_namespace__(self):
            return SimpleNamespace(where=lambda cond, a, b: (type(cond), a, b))

    assert where(Array(), 1, 2) == (Array, 1, 2)


def test_ratio_is_zero_where_both_are():
    assert ratio(0.0, 0.0) == 0.0 and ratio(3.0, 2.0) == 1.5 and ratio(3.0, -2.0) == -1.5
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(ratio(np.array([0.0, 1.0]), np.array([0.0, 4.0])), [0.0, 0.25])
    assert ratio(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 4.0])).tolist() == [0.0, 0.25]
    for eps in (0, 0.0, np.zeros(2), np.array(0.0), torch.zeros(()), np.ones(2)):
        np.testing.assert_array_equal(ratio(np.array([3.0, 1.0]), np.array([0.0, 4.0]), eps), [3.0, 0.25])


def test_beside_a_number_above_0_no_zero_is_looked_for():
    class Divisor:
        def __rtruediv__(self, other):
            return other

    for eps in (1e-300, 1, np.float64(0.5)):
        assert ratio(3.0, Divisor(), eps) == 3.0


@pytest.mark.parametrize("array", [np.asarray, torch.as_tensor], ids=["NumPy", "torch"])
def test_the_words_of_vectors_and_matrices_mean_the_same_in_both_libraries(array):
    x = array(np.array([[3.0, 0.0], [-4.0, 12.0]]))
    assert rules.sign(x).tolist() == [[1, 0], [-1, 1]]
    ends = rules.sign(array(np.array([np.inf, -np.inf, np.nan, -0.0]))).tolist()
    assert ends[:2] == [1, -1] and np.isnan(ends[2]) and ends[3] == 0
    assert rules.maximum(x, 0 * x + 1).tolist() == [[3, 1], [1, 12]]
    assert rules.norm(x).tolist() == [[3], [(16 + 144) ** 0.5]] and rules.norm(x, (-2, -1)).tolist() == [[13]]
    assert tuple(rules.norm(x[None]).shape) == (1, 2, 1)  # the last axis, of however many
    values, vectors = rules.eigh(x @ x.mT)
    assert values[0] < values[1] and np.allclose(vectors * values @ vectors.mT, x @ x.mT)
    q, r = rules.qr(x)
    assert np.allclose(q @ r, x) and np.allclose(q @ q.mT, np.eye(2)) and r[1, 0] == 0
