"""A matrix for the page's Python is NumPy's, and Muon's text walks on it as the library's does."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import gdcourse as gd
from gdcourse.rules.rule import MATRIX, norm, sign, where
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
}


def numbers(matrix):
    return np.array(matrix.values).reshape(matrix.shape)


@pytest.mark.parametrize("word", WORDS)
def test_as_numpy_has_it(word):
    ours = WORDS[word](Matrix(A.ravel().tolist()), Matrix(B.ravel().tolist()))
    assert type(ours) is Matrix and ours.shape == (2, 2)
    np.testing.assert_allclose(numbers(ours), WORDS[word](A, B), rtol=1e-15)


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


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (gd.Muon(lr=0.1, gamma=0.5), workbench.text_of("Muon", "Muon(lr=0.1, gamma=0.5)")),
        (gd.Muon(weight_decay=0.1), workbench.text_of("Muon", "Muon(weight_decay=0.1)")),
        (gd.Momentum(0.02), workbench.text_of("Momentum", "Momentum(0.02)")),
        (gd.Adam(0.1), workbench.text_of("Adam", "Adam(0.1)")),
    ],
    ids=["Muon", "with decay", "Momentum", "Adam"],
)
def test_a_rules_text_walks_as_the_librarys(rule, text):
    ravine, start = MATRICES["turned"]
    turn, curvatures = numbers(ravine.turn), numbers(ravine.curvatures)
    theta = numbers(ravine.begin(*start))
    state, losses = rule.init(theta, np.zeros_like(theta)), []
    for t in range(1, 31):  # then Muon hops around the minimum, and makes much of a last digit
        S = turn @ theta @ turn.T
        losses.append(0.5 * (curvatures * S * S).sum())
        theta, new = rule.step(theta, turn.T @ (curvatures * S) @ turn, state, rule.at(t))
        state = {name: new[name] for name in state}
    found = run(text, "turned", 29)
    assert not found.error
    np.testing.assert_allclose(found.losses, losses, rtol=1e-9, atol=1e-12)


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
