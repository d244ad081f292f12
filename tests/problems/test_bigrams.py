"""The table of pairs: its loss and gradient against torch's, its entropy, its samples, groups and control."""

import numpy as np
import pytest
import torch

import gdcourse as gd
from gdcourse.problems import Bigrams

SMALL = np.array([[4, 1, 0], [1, 2, 3], [5, 0, 0]])
rng = np.random.default_rng(0)


def pairs_one_by_one(counts):
    """Each pair of a table as often as it is counted."""
    before, after = np.nonzero(counts)
    times = counts[before, after]
    return torch.tensor(np.repeat(before, times)), torch.tensor(np.repeat(after, times))


def torchs(theta, counts):
    """Loss and gradient of the same model by torch, pair by pair."""
    theta = torch.tensor(theta, requires_grad=True)
    before, after = pairs_one_by_one(counts)
    loss = torch.nn.functional.cross_entropy(theta[before], after)
    return loss.item(), torch.autograd.grad(loss, theta)[0].numpy()


def test_loss_and_gradient_are_the_mean_over_all_pairs():
    problem, theta = Bigrams(SMALL), rng.standard_normal((3, 3))
    loss, grad = torchs(theta, SMALL)
    assert problem.loss(theta) == pytest.approx(loss, rel=1e-14)
    np.testing.assert_allclose(problem.grad(theta), grad, rtol=0, atol=1e-15)


def test_the_text_by_default():
    """The loss of the text's own letters, one after the other."""
    problem, letters = Bigrams(), gd.text().letters
    theta = rng.standard_normal((91, 91))
    each = -torch.log_softmax(torch.tensor(theta), -1)[letters[:-1], letters[1:]]
    assert problem.loss(theta) == pytest.approx(each.mean().item(), rel=1e-12)
    assert problem.loss(problem.start) == pytest.approx(np.log(91), rel=1e-14)


@pytest.mark.parametrize("as_array", [np.asarray, torch.as_tensor], ids=["numpy", "torch"])
def test_families(as_array):
    problem, theta = Bigrams(SMALL, batch=5), rng.standard_normal((4, 2, 3, 3))
    sample = problem.draw(np.random.default_rng(1), 2)  # one for each of the last axis of runs
    loss, grad = problem.loss(as_array(theta)), problem.grad(as_array(theta), as_array(sample))
    assert (
        type(grad) is type(loss) is type(as_array(theta))
        and loss.shape == (4, 2)
        and grad.shape == theta.shape
    )
    for run in np.ndindex(4, 2):
        counts = np.bincount(sample[run[1]], minlength=9).reshape(3, 3)
        assert float(loss[run]) == pytest.approx(torchs(theta[run], SMALL)[0], rel=1e-13)
        np.testing.assert_allclose(np.asarray(grad[run]), torchs(theta[run], counts)[1], rtol=0, atol=1e-15)


def test_large_logits_do_not_overflow():
    for theta in (np.diag([1e4, 0, 0]), torch.diag(torch.tensor([1e4, 0, 0]).double())):
        assert (
            np.isfinite(float(Bigrams(SMALL).loss(theta)))
            and np.isfinite(np.asarray(Bigrams(SMALL).grad(theta))).all()
        )


def test_entropy_is_the_infimum():
    problem = Bigrams(SMALL)
    rows = [[0.8, 0.2], [1 / 6, 2 / 6, 3 / 6], [1.0]]
    by_hand = -sum(n / 16 * sum(q * np.log(q) for q in row) for n, row in zip([5, 6, 5], rows, strict=True))
    assert problem.entropy == pytest.approx(by_hand, rel=1e-14)
    run = gd.descend(gd.GradientDescent(2.0), problem, steps=2000)
    assert (np.diff(run.loss) < 0).all() and 0 < run.loss[-1] - problem.entropy < 2e-3
    impossible = np.where(SMALL > 0, problem.best, -40.0)
    assert problem.excess(impossible) == pytest.approx(0, abs=1e-14)
    assert abs(problem.grad(impossible)).max() < 1e-15
    assert Bigrams().entropy == pytest.approx(2.38570, abs=5e-6)


def test_parts_of_the_excess_are_never_negative():
    problem, theta = Bigrams(SMALL), rng.standard_normal((4, 3, 3))
    parts = problem.parts(theta)
    assert parts.shape == (4, 3, 3) and (parts > -1e-15).all()
    np.testing.assert_allclose(parts.sum((-2, -1)), problem.excess(theta), rtol=1e-13)
    np.testing.assert_allclose(problem.parts(torch.tensor(theta)), parts, rtol=0, atol=1e-15)
    # a pair that never occurs adds what the model expects of it
    assert parts[0, 2, 1] == pytest.approx(5 / 16 * np.exp(theta[0, 2, 1]) / np.exp(theta[0, 2]).sum())


def test_excess_is_shared_out_among_letters():
    problem, theta = Bigrams(SMALL), rng.standard_normal((2, 3, 3))
    np.testing.assert_allclose(problem.excess(theta), problem.loss(theta) - problem.entropy, rtol=1e-13)
    each = [problem.excess(theta, [b]) for b in range(3)]
    np.testing.assert_allclose(problem.shares @ np.array(each), problem.excess(theta), rtol=1e-13)
    logs = torch.log_softmax(torch.tensor(theta[0]), -1).numpy()
    # of the letter 2, which follows 1 alone, with probability a half
    assert each[2][0] == pytest.approx(np.log(0.5) - logs[1, 2])
    np.testing.assert_allclose(problem.excess(torch.tensor(theta), [0, 1]), problem.excess(theta, [0, 1]))


def test_what_is_drawn():
    problem = Bigrams(SMALL, batch=1000)
    sample = problem.draw(np.random.default_rng(0), 50)
    assert sample.shape == (50, 1000) and (sample == problem.draw(np.random.default_rng(0), 50)).all()
    seen = np.bincount(sample.ravel(), minlength=9).reshape(3, 3) / sample.size
    assert (seen[SMALL == 0] == 0).all()
    np.testing.assert_allclose(seen, SMALL / 16, atol=5 * (0.25 / sample.size) ** 0.5)
    assert Bigrams(SMALL).draw(np.random.default_rng(0), 5) is None
    theta = rng.standard_normal((3, 3))
    mean = np.mean([problem.grad(theta, one) for one in sample], 0)
    np.testing.assert_allclose(mean, problem.grad(theta), atol=5e-3)


def test_groups_go_from_the_commonest_to_the_rarest():
    problem = Bigrams(np.diag([5, 50, 30, 10, 4, 1]))
    assert [group.tolist() for group in problem.groups()] == [[1], [2, 3], [0, 4], [5]]
    assert [group.tolist() for group in problem.groups((0.8,))] == [[1, 2], [3, 0, 4, 5]]
    groups = Bigrams().groups()
    assert [len(group) for group in groups] == [5, 16, 31, 39]
    assert sorted(np.concatenate(groups)) == list(range(91))
    assert gd.text().symbols[groups[0][0]] == " " and gd.text().symbols[groups[0][1]] == "e"


def test_the_control_has_letters_that_are_equally_frequent():
    control = Bigrams(batch=7).balanced()
    assert control.batch == 7 and (control.pairs > 0).all()
    np.testing.assert_allclose(control.pairs.sum(1), 1 / 91, rtol=1e-12)
    np.testing.assert_allclose(control.shares, 1 / 91, rtol=1e-12)
    # rows and columns were scaled and nothing else: what pairs prefer beyond their letters' shares is left
    a, b = rng.choice(91, (2, 2, 200))
    odds = lambda p: np.log(p[a[0], b[0]] * p[a[1], b[1]] / p[a[0], b[1]] / p[a[1], b[0]])  # noqa: E731
    np.testing.assert_allclose(odds(control.pairs), odds(Bigrams().pairs + 1e-7), atol=1e-9)
    even = Bigrams(np.ones((4, 4))).balanced()
    np.testing.assert_allclose(even.pairs, 1 / 16)
    assert even.entropy == pytest.approx(np.log(4))


@pytest.mark.parametrize("batch", [None, 16])
@pytest.mark.parametrize("name", gd.METHODS)
def test_every_method_runs_on_it_and_families_equal_single_runs(name, batch):
    problem, values = Bigrams(SMALL, batch), gd.METHODS[name].usual * np.array([0.1, 1.0])
    grid = gd.descend(gd.METHODS[name].make(values[:, None]), problem, steps=20, seed=[3, 8])
    assert grid.theta.shape == (21, 2, 2, 3, 3) and grid.loss.shape == (21, 2, 2)
    for i, j in np.ndindex(2, 2):
        rule = gd.METHODS[name].make(float(values[i]))
        one = gd.descend(rule, problem, steps=20, seed=[3, 8][j])
        np.testing.assert_allclose(grid.theta[:, i, j], one.theta, rtol=0, atol=1e-13)
        in_torch = gd.descend(rule, problem, torch.zeros(3, 3).double(), steps=20, seed=[3, 8][j])
        np.testing.assert_allclose(in_torch.theta, one.theta, rtol=0, atol=1e-12)
        assert one.loss[-1] < one.loss[0]


def test_a_matrix_is_walked_as_the_vector_of_its_numbers():
    """What works element by element does not see the shape."""
    problem = Bigrams(SMALL)
    flat = gd.problems.ArrayFunction(
        lambda x: problem.loss(x.reshape(3, 3)), lambda x: problem.grad(x.reshape(3, 3)).ravel()
    )
    for rule in (gd.Adam(0.1), gd.Lookahead(gd.Nesterov(0.5))):
        own, vector = gd.descend(rule, problem, steps=30), gd.descend(rule, flat, np.zeros(9), steps=30)
        np.testing.assert_allclose(own.theta.reshape(31, 9), vector.theta, rtol=0, atol=1e-14)


@pytest.mark.parametrize("path", [True, False])
def test_runs_that_diverge_are_told_one_by_one(path):
    rule = gd.GradientDescent(np.array([1.0, 1e8, 3e8]))
    run = gd.descend(rule, Bigrams(SMALL), steps=20, path=path)
    assert run.diverged_at.tolist() == [-1, 1, 1] and "2 of 3" in repr(run)
    start = np.zeros((3, 3))
    start[0, 0] = 1e4  # a run's bound is a million times its largest number, in whichever row that is
    assert gd.descend(rule, Bigrams(SMALL), start, steps=20, path=path).diverged_at.tolist() == [-1, -1, -1]
    lone = gd.descend(gd.GradientDescent(1e8), Bigrams(SMALL), steps=20, path=path)
    assert lone.diverged_at == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Bigrams(np.ones((3, 4))), r"shape \(n, n\), got shape \(3, 4\)"),
        (lambda: Bigrams(np.ones(4)), r"got shape \(4,\)"),
        (lambda: Bigrams(np.zeros((2, 2))), "not all 0"),
        (lambda: Bigrams([[1, -1], [0, 1]]), "pairs must be numbers ≥ 0, .* from -1 to 1"),
        (lambda: Bigrams([[1, np.nan], [0, 1]]), "pairs must be"),
        (lambda: Bigrams(np.ones((0, 0))), "pairs must be"),
        (lambda: Bigrams(SMALL, batch=0), "batch must be a whole number ≥ 1, or None for all pairs, got 0"),
        (lambda: Bigrams(SMALL).with_batch(2.5), "got 2.5"),
        (
            lambda: gd.descend(gd.Adam(), Bigrams(SMALL), np.zeros((2, 3))),
            r"start must end in the shape .3, 3. .* got shape .2, 3.",
        ),
        (lambda: gd.descend(gd.Adam(), Bigrams(SMALL), np.zeros(3)), "start must be a matrix .* shape .3,."),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_other_shares_of_the_letters():
    problem, first, second = Bigrams(SMALL + 1), [0.7, 0.2, 0.1], [0.1, 0.3, 0.6]
    other = problem.with_shares(first, second)
    np.testing.assert_allclose(other.pairs.sum(1), first, rtol=1e-10)
    np.testing.assert_allclose(other.shares, second, rtol=1e-10)
    odds = [p[0, 0] * p[1, 1] / (p[0, 1] * p[1, 0]) for p in (problem.pairs + 1e-7, other.pairs)]
    assert odds[1] == pytest.approx(odds[0], rel=1e-10)


@pytest.mark.parametrize("second", [[0.5, 0.5], [0.5, 0.5, 0.0], [0.5, 0.5, 0.5], [0.5, 0.6, -0.1]])
def test_shares_that_are_none(second):
    with pytest.raises(ValueError, match=r"second must be 3 numbers > 0 with the sum 1"):
        Bigrams(SMALL).with_shares([0.2, 0.3, 0.5], second)
