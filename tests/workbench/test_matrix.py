"""A matrix for the page's Python is NumPy's, and Muon's text walks on it as the library's does."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import gdcourse as gd
from gdcourse.rules.rule import MATRIX, descending, eigh, maximum, norm, qr, ratio, reordered, sign, where
from gdcourse.workbench import decompositions
from gdcourse.workbench.matrix import Matrix, Turned
from gdcourse.workbench.run import MATRICES, run
from gdcourse.workbench.vector import Vector

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "book" / "_ext"))
import workbench  # noqa: E402  book/_ext/workbench.py

A, B = np.array([[1.0, -2.0], [0.5, 3.0]]), np.array([[-1.0, 0.25], [4.0, -0.5]])
WORDS = {
    "product": lambda a, b: a @ b,
    "transposed": lambda a, b: (a.mT @ b).mT,
    "entry by entry": lambda a, b: 2 * a * b - a / b + abs(b) ** 0.5,
    "from the left by one number": lambda a, b: norm(a, MATRIX) * b,
    "length": lambda a, b: a / norm(a, MATRIX) + 0 * b,
    "where": lambda a, b: where(a > b, a, -b),
    "sign": lambda a, b: sign(a) @ b,
    "beside a column": lambda a, b: a * b[..., 0] + a.sum(axis=-1, keepdims=True) / b,
    "beside a row": lambda a, b: a.mean(axis=-2, keepdims=True) - b * a.sum(axis=-2)[..., None, :],
    "row by column": lambda a, b: a.sum(axis=-1, keepdims=True) @ b.mean(axis=-2, keepdims=True),
    "a row beside a column": lambda a, b: ratio(a.sum(axis=-1)[..., None], maximum(b.sum(axis=-2), 0)),
    "columns in another order": lambda a, b: reordered(a, descending(b.sum(axis=-2)), -1),
    "rows in another order": lambda a, b: reordered(a, descending(b.sum(axis=-1)), -2) @ b,
    "mean": lambda a, b: a * b.mean() + a.mean(axis=MATRIX, keepdims=True),
}


def numbers(matrix):
    return np.array(matrix.values).reshape(matrix.shape)


@pytest.mark.parametrize("word", WORDS)
def test_as_numpy_has_it(word):
    ours = WORDS[word](Matrix(A.ravel().tolist()), Matrix(B.ravel().tolist()))
    assert type(ours) is Matrix and ours.shape == (2, 2)
    np.testing.assert_allclose(numbers(ours), WORDS[word](A, B), rtol=1e-15)


def rotation(n, rng):
    return np.linalg.qr(rng.standard_normal((n, n)))[0]


def symmetric():
    """Matrices to take apart, by name."""
    rng = np.random.default_rng(0)
    for n in (1, 2, 3, 5, 8):
        x = rng.standard_normal((n, n))
        yield f"of {n}", x + x.T
        yield f"of {n} and rank one", np.outer(x[0], x[0])
    Q = rotation(4, rng)
    twice = Q * [1.0, 1.0, -2.0, -2.0] @ Q.T
    yield "of values that are there twice", (twice + twice.T) / 2
    yield "nothing", np.zeros((3, 3))
    yield "the identity", np.eye(3)
    yield "diagonal, the largest first", np.diag([3.0, 2.0, -1.0])
    yield "with nothing on the diagonal", np.array([[0.0, 2.0], [2.0, 0.0]])
    yield "nearly diagonal", np.array([[1.0, 1e-12], [1e-12, 1.0]])
    yield "huge", 1e150 * (Q * [1.0, 2.0, 3.0, 4.0] @ Q.T)
    yield "tiny", 1e-150 * (Q * [1.0, 2.0, 3.0, 4.0] @ Q.T)
    yield "so huge that squares are infinite", 1e300 * (x + x.T)


SYMMETRIC = dict(symmetric())


@pytest.mark.parametrize("name", SYMMETRIC)
def test_eigenvalues_are_numpys_and_the_vectors_make_the_matrix(name):
    x = SYMMETRIC[name]
    values, vectors = eigh(Matrix(x.ravel().tolist()))
    size = abs(x).max()
    theirs = np.linalg.eigh(x)[0]
    np.testing.assert_allclose(values.values, theirs, rtol=0, atol=1e-12 * size)
    assert values.values == sorted(values.values)
    V = numbers(vectors)  # whose signs, and whose choice for a value that is there twice, are nobody's to say
    np.testing.assert_allclose(V.T @ V, np.eye(len(x)), atol=1e-12)
    unit = x / (size or 1)
    np.testing.assert_allclose(V * (theirs / (size or 1)) @ V.T, unit, atol=1e-12)


def test_eigenvectors_are_numpys_up_to_a_sign_where_each_value_is_there_once():
    x = SYMMETRIC["of 5"]
    theirs, ours = np.linalg.eigh(x)[1], numbers(eigh(Matrix(x.ravel().tolist()))[1])
    signs = np.sign((theirs * ours).sum(0))
    np.testing.assert_allclose(ours * signs, theirs, atol=1e-12)


def test_of_entries_above_the_diagonal_none_is_read():
    x = SYMMETRIC["of 5"]
    values, _ = decompositions.eigh(np.tril(x).tolist())
    np.testing.assert_allclose(values, np.linalg.eigh(np.tril(x))[0], atol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_comes_out_as_none_and_at_once(bad):
    x = Matrix([1.0, 2.0, 2.0, bad])
    for values, vectors in (eigh(x), x.__array_namespace__().linalg.eigh(x)):
        assert np.isnan(values.values).all() and np.isnan(vectors.values).all()


def rectangles():
    rng = np.random.default_rng(1)
    for n, m in ((1, 1), (2, 2), (3, 3), (6, 6), (5, 3), (3, 5)):
        x = rng.standard_normal((n, m))
        yield f"{n} × {m}", x
        yield f"{n} × {m}, negative", -abs(x)
    yield "nothing", np.zeros((3, 3))
    yield "the identity", np.eye(3)
    yield "above a diagonal of both signs", np.array([[-1.0, 2.0, 3.0], [0.0, 4.0, -5.0], [0.0, 0.0, -6.0]])
    yield "with a column of nothing", np.array([[0.0, 2.0, 3.0], [0.0, 4.0, -5.0], [0.0, 1.0, -6.0]])
    yield "huge", 1e150 * rng.standard_normal((3, 3))
    yield "tiny", 1e-150 * rng.standard_normal((3, 3))


RECTANGLES = dict(rectangles())


@pytest.mark.parametrize("name", RECTANGLES)
def test_qr_is_numpys_with_its_signs(name):
    x = RECTANGLES[name]
    ours, theirs = qr(Matrix(x.ravel().tolist(), x.shape)), np.linalg.qr(x)
    for our, their, size in zip(ours, theirs, (1, abs(x).max()), strict=True):
        np.testing.assert_allclose(numbers(our), their, rtol=0, atol=1e-12 * size)


@pytest.mark.parametrize("values", [[3.0, 1.0, 2.0], [1.0, 1.0, 2.0], [np.nan, 1.0, 2.0], [0.0, -0.0]])
def test_the_order_is_numpys_where_some_are_equal_and_some_no_numbers(values):
    assert descending(Vector(values)).values == descending(np.array(values)).tolist()


def test_what_does_not_fit_or_is_not_there_is_said():
    with pytest.raises(ValueError, match="2 × 1 and 2 × 3 and 3 × 2 entries do not fit"):
        where(Matrix([1.0] * 6, (2, 3)), Matrix([1.0, 2.0], (2, 1)), Matrix([1.0] * 6, (3, 2)))
    for one, at in ((Vector([1.0]), (0, 0)), (Matrix([1.0]), (..., None)), (Matrix([1.0]), (..., 0, 0))):
        with pytest.raises(IndexError, match="of this index there is nothing here"):
            one[at]
    with pytest.raises(ValueError, match="matrices of 2 × 3 and 2 × 2 have no product"):
        Matrix(range(6), (2, 3)) @ Matrix(range(4))


def test_a_vector_stays_one():
    assert type(2 * Vector([1.0, 2.0]) + Vector([3.0])) is Vector


def test_the_ravine_is_turned():
    ravine = Turned()
    start = ravine.begin(-4.0, 1.0)
    assert ravine.seen(start) == pytest.approx((-4.0, 1.0))
    assert ravine.loss(start) == pytest.approx(ravine.value(-4.0, 1.0))
    assert abs(start[1]) > 1  # entries off the diagonal: what is drawn is not the matrix's own
    for i in range(4):
        step = [1e-6 * (k == i) for k in range(4)]
        slope = (ravine.loss(start + Matrix(step)) - ravine.loss(start - Matrix(step))) / 2e-6
        assert slope == pytest.approx(ravine.grad(start)[i], rel=1e-6)


def by_numpy(rule, steps):
    """What is drawn of the rule's path on the turned ravine, and the losses, as NumPy has them."""
    ravine, start = MATRICES["turned"]
    turn, curvatures = numbers(ravine.turn), numbers(ravine.curvatures)
    theta = numbers(ravine.begin(*start))
    shape = (4,) if rule.scope in ("vector", "all") else (2, 2)
    theta = theta.reshape(shape)
    state, path, losses = rule.init(theta, np.zeros_like(theta)), [], []
    for t in range(1, steps + 2):
        S = turn @ theta.reshape(2, 2) @ turn.T
        path.append(np.diag(S))
        losses.append(0.5 * (curvatures * S * S).sum())
        grad = (turn.T @ (curvatures * S) @ turn).reshape(shape)
        theta, new = rule.step(theta, grad, state, rule.at(t))
        state = {name: new[name] for name in state}
    return np.array(path), losses


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (gd.Muon(lr=0.1, gamma=0.5), workbench.text_of("Muon", "Muon(lr=0.1, gamma=0.5)")),
        (gd.Muon(weight_decay=0.1), workbench.text_of("Muon", "Muon(weight_decay=0.1)")),
        (gd.NorMuon(0.02), workbench.text_of("NorMuon", "NorMuon(0.02)")),
        (gd.Adafactor(0.1), workbench.text_of("Adafactor", "Adafactor(0.1)")),
        (gd.LAMB(0.1), workbench.text_of("LAMB", "LAMB(0.1)")),
        (gd.Prodigy(), workbench.text_of("Prodigy", "Prodigy()")),
        (gd.Momentum(0.02), workbench.text_of("Momentum", "Momentum(0.02)")),
        (gd.Adam(0.1), workbench.text_of("Adam", "Adam(0.1)")),
    ],
    ids=["Muon", "with decay", "NorMuon", "Adafactor", "LAMB", "Prodigy", "Momentum", "Adam"],
)
def test_a_rules_text_walks_as_the_librarys(rule, text):
    _, losses = by_numpy(rule, 29)  # then Muon hops around the minimum, and makes much of a last digit
    found = run(text, "turned", 29)
    assert not found.error
    np.testing.assert_allclose(found.losses, losses, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("Shampoo", "Shampoo(lr=0.7)"),
        ("Shampoo", "Shampoo(lr=10.0, exponent=0.5)"),
        ("Shampoo", "Shampoo(lr=0.7, eps=0.0)"),
        ("SOAP", "SOAP(lr=0.1, eps=0.01)"),
        ("SOAP", "SOAP(lr=0.1, eps=0.01, weight_decay=0.0, k=1)"),
    ],
)
def test_shampoo_and_soap_take_numpys_path(name, made):
    rule = eval(made, vars(gd))
    path, losses = by_numpy(rule, 100)
    found = run(workbench.text_of(name, made), "turned", 100)
    assert not found.error
    np.testing.assert_allclose(found.path, path, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.losses, losses, rtol=0, atol=1e-12)


def test_soap_takes_numpys_path_as_far_as_rounding_decides_it():
    # S is diagonal, so in SOAP's basis two entries of a gradient are rounding alone. With an ε of 1e-8 they
    # are divided by their own size, and make steps as long as η: two correct programs go apart.
    found = run(workbench.text_of("SOAP", "SOAP(lr=0.1)"), "turned", 100)
    np.testing.assert_allclose(found.path, by_numpy(gd.SOAP(lr=0.1), 100)[0], rtol=0, atol=1e-2)


@pytest.mark.parametrize(
    ("rule", "shape"),
    [
        (gd.Shampoo(0.5), (3, 5)),
        (gd.Shampoo(0.5, 0.5), (5, 2)),
        (gd.SOAP(0.1), (4, 4)),
        (gd.SOAP(k=1), (4, 4)),
    ],
    ids=["Shampoo", "powers of −½", "SOAP", "a new basis at every step"],
)
def test_along_given_gradients_they_take_numpys_path(rule, shape):
    # The eigenvectors' signs are the library's choice, and drop out: of a basis there are squares, or both
    # Q and Qᵀ.
    theirs, ours = np.zeros(shape), Matrix([0.0] * (shape[0] * shape[1]), shape)
    state, own = rule.init(theirs, theirs), rule.init(ours, ours)
    for t, grad in enumerate(np.random.default_rng(2).standard_normal((100, *shape)), 1):
        theirs, new = rule.step(theirs, grad, state, rule.at(t))
        ours, found = rule.step(ours, Matrix(grad.ravel().tolist(), shape), own, rule.at(t))
        state, own = {name: new[name] for name in state}, {name: found[name] for name in own}
        np.testing.assert_allclose(numbers(ours), theirs, rtol=0, atol=1e-12)


def test_muon_stays_in_the_plane_and_signs_do_not():
    ravine, start = MATRICES["turned"]

    def beside(rule):
        theta = ravine.begin(*start)
        state = rule.init(theta, theta.like([0.0] * 4))
        for t in range(1, 6):
            theta, new = rule.step(theta, ravine.grad(theta), state, rule.at(t))
            state = {name: new[name] for name in state}
        S = ravine.turn @ theta @ ravine.turn.mT
        return abs(S[1]) + abs(S[2])

    assert beside(gd.Muon(lr=0.1, gamma=0.5)) < 1e-12 < 1e-2 < beside(gd.SignSGD(lr=0.1))
