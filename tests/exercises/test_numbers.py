"""Each number that an exercise asks for, computed in another way: by a run, a closed form or an equation."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
import torch

import gdcourse as gd
from gdcourse import exercises, theory
from gdcourse.exercises import Number
from gdcourse.experiments.schedules import cosine, linear, warmup, wsd
from gdcourse.experiments.train import batches

NUMBERS = [one for name in exercises.CHAPTERS for one in exercises.chapter(name) if isinstance(one, Number)]


def limit(rule, problem, near):
    """The largest learning rate that converges on a problem, from runs on a fine grid around a value."""
    rates = near * np.arange(0.98, 1.02, 0.0005)
    run = gd.descend(rule(rates), problem, steps=6000, path=False)
    return rates[run.loss[-1] < 1e-6].max()


def seen():
    dealt = np.bincount(batches(0, 6000, 64, 300).ravel(), minlength=6000)
    return dealt.mean()


def luck():
    tosses = (np.arange(64)[:, None] >> np.arange(6)) & 1
    return (tosses.all(1) | ~tosses.any(1)).mean()


def ridge():
    run = gd.descend(gd.GradientDescent(0.1), gd.problems.Saddle(), [1.0, 1e-8], steps=300)
    return (run.theta[:, 1] >= 0.5).argmax()


def summed():
    """A least squares problem with 60 examples of curvature 1.25 in the mean, minimised as a sum."""
    return limit(gd.GradientDescent, gd.problems.Quadratic(60 * 1.25), 2 / 75)


def chunks():
    gradients = np.concatenate([np.full(20, 3.0), np.full(40, 6.0)])
    return gradients.mean()


def half_rate():
    return theory.stationary_variance(0.01, 1.0, 1.0) / theory.stationary_variance(0.02, 1.0, 1.0)


def half_error():
    variance = np.array([theory.minibatch_variance(1.0, n, 500) for n in range(1, 501)])
    return 1 + abs(variance - variance[24] / 4).argmin()


def passes():
    rows = torch.utils.data.TensorDataset(torch.zeros(1000, 1))
    return len(torch.utils.data.DataLoader(rows, batch_size=64, drop_last=False))


def steady():
    run = gd.descend(gd.Momentum(0.1, 0.9), gd.problems.Slope(1.0), start=0.0, steps=400)
    return abs(run.theta[-1] - run.theta[-2]).item() / 0.1


def overshoot():
    gammas = np.arange(0.78, 0.84, 0.0005)
    run = gd.descend(gd.Momentum(0.01, gammas), gd.problems.Quadratic(1.0), start=1.0, steps=4000)
    return gammas[(run.theta < 0).any(0)].min()


def same_as_descent():
    rates = np.arange(0.01, 0.4, 0.01)
    paths = [
        gd.descend(rule, gd.problems.Quadratic(4.0), start=1.0, steps=5).theta
        for rule in (gd.Nesterov(rates, 0.3), gd.Nesterov(rates, 0.9), gd.GradientDescent(rates))
    ]
    gap = abs(paths[0] - paths[2]).max(0) + abs(paths[1] - paths[2]).max(0)
    return rates[gap < 1e-12].item()


def distance():
    run = gd.descend(gd.Adagrad(0.1), gd.problems.Slope(10.0), start=0.0, steps=10_000, path=False)
    return abs(run.theta[-1]).item()


def first(rule, grad=7.0):
    theta, _ = rule.step(0.0, grad, rule.init(0.0, 0.0), rule.at(1))
    return abs(theta)


def never():
    betas = np.arange(0.5, 0.7, 0.001)
    adapts = np.array([(theory.rho(np.arange(1, 3000), beta) > 4).any() for beta in betas])
    return betas[~adapts].max()


def cycle():
    rule = gd.Lookahead(gd.GradientDescent(0.1), 5, 0.5)
    return gd.descend(rule, gd.problems.Quadratic(1.0), start=1.0, steps=5).theta[-1].item()


def edge():
    products = np.arange(2.2, 2.3, 0.001)
    run = gd.descend(gd.Lookahead(gd.GradientDescent(products)), gd.problems.Quadratic(1.0), 1.0, steps=5000)
    return products[abs(run.theta[-1]) < 1e-3].max()


def first_loss():
    scores = torch.zeros(3, 10, dtype=torch.float64)
    return torch.nn.functional.cross_entropy(scores, torch.tensor([9, 4, 1])).item()


def recall():
    nine = np.arange(1000) < 60
    read = (np.arange(1000) < 45) | (np.arange(1000) >= 995)  # 45 of the nines, and five others
    assert read.sum() == 50
    return (nine & read).sum() / nine.sum()


def random_plane():
    rng = np.random.default_rng(0)
    planes = [np.linalg.qr(rng.normal(size=(500, 2)))[0] for _ in range(4000)]
    held = np.mean([(plane[0] ** 2).sum() for plane in planes])  # of the first axis, which is as good as any
    assert held == pytest.approx(2 / 500, rel=0.05)
    return 2 / 25_450


def angle():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 1000, 10_000))
    cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert (cosines**2).mean() ** 0.5 == pytest.approx(0.01, rel=0.1)
    return 1 / 10_000**0.5


def horizons():
    steps = set()
    for end in (400, 800, 1600):
        for t in range(1, end + 1):
            falls = t > end - end // 5 and end < 1600
            steps.add((end if falls else "run", t))
    return len(steps)


def left():
    def remains(decay):
        rate = cosine(10_000)
        return np.prod([1 - 0.001 * rate(t) * decay for t in range(1, 10_001)])

    decays = np.arange(0.9, 0.95, 0.001)
    return decays[abs(np.array([remains(decay) for decay in decays]) - 0.01).argmin()]


def bound():
    run = gd.descend(
        gd.AdamW(0.01, weight_decay=0.1), gd.problems.Slope(3.0), start=0.0, steps=10_000, path=False
    )
    return abs(run.theta[-1]).item()


def standstill():
    v, after = 0.01 * 100**2 + 0.99, 0
    while v > 4:
        v, after = 0.99 * v + 0.01, after + 1
    return after


def small_value():
    value, steps = 1e-3, 0
    while value < 0.5:
        value, steps = 1.5 * value - 0.5 * value**3, steps + 1
    return steps


def free_limit():
    etas = np.arange(4.8, 5.2, 0.01)
    with np.errstate(all="ignore"):
        late = np.array([abs(mean) for mean, _ in theory.schedule_free_moments(etas, 4.0, 0.0, 0.9, 6000)])
    return etas[late[-1] < 1e-2].max()


def memory():
    weights = [torch.nn.Parameter(torch.zeros(25_450))]
    optimizer = torch.optim.Adam(weights)
    weights[0].grad = torch.zeros(25_450)
    optimizer.step()
    kept = [x for x in optimizer.state[weights[0]].values() if x.shape == weights[0].shape]
    return sum(x.numel() * x.element_size() for x in kept)


def shampoo_numbers():
    n, m = 500, 40
    theta, rule = np.zeros((n, m)), gd.Shampoo(0.1)
    ratio = sum(x.size for x in rule.init(theta, np.zeros((n, m))).values()) / (2 * n * m)
    assert ratio == pytest.approx((n**2 + m**2) / (2 * n * m), rel=0.01)
    return (50_000**2 + 512**2) / (2 * 50_000 * 512)


MEASURED = {
    "network.count": lambda: gd.problems.Network((784, 64, 32, 10)).parameters,
    "network.first_loss": first_loss,
    "network.recall": recall,
    "backpropagation.depth": lambda: 1 / np.prod(np.full(10, 0.5)),
    "why_it_matters.random_plane": random_plane,
    "why_it_matters.angle": angle,
    "schedules.horizons": horizons,
    "weight_decay.left": left,
    "weight_decay.bound": bound,
    "sign.batch": lambda: next(size for size in range(1, 100) if 0.98**size < 0.5),
    "sign.noise": lambda: float(theory.sign_mean_step(0.1)),
    "repairs.standstill": standstill,
    "muon.steps": small_value,
    "curvature.memory": shampoo_numbers,
    "schedule_free.limit": free_limit,
    "introduction.passes": seen,
    "race.luck": luck,
    "race.seconds": lambda: (50 * 1.2) / (100 * 1.0),
    "conclusion.chance": lambda: 2 / comb(10, 5),
    "conclusion.memory": memory,
    "gradient_descent.limit": lambda: limit(gd.GradientDescent, gd.problems.Quadratic([0.5, 3.0, 8.0]), 0.25),
    "gradient_descent.ridge": ridge,
    "batch.sum": summed,
    "batch.chunks": chunks,
    "stochastic.half_rate": half_rate,
    "mini_batch.half_error": half_error,
    "mini_batch.steps": passes,
    "momentum.steady": steady,
    "momentum.overshoot": overshoot,
    "nesterov.limit": lambda: limit(gd.Nesterov, gd.problems.ravine(20.0), 0.0679),
    "nesterov.none": same_as_descent,
    "adagrad.distance": distance,
    "rmsprop.first_step": lambda: first(gd.RMSProp(1.0, 0.9)),
    "rmsprop.half_life": lambda: theory.ema_half_life(0.9),
    "adadelta.first_step": lambda: first(gd.Adadelta(0.9, 1e-4)),
    "adam.no_correction": lambda: theory.adam_spike_step(1.0, 0.9, 0.999),
    "radam.never": never,
    "lookahead.speed": cycle,
    "lookahead.edge": edge,
}


def test_every_number_is_measured():
    assert {one.name for one in NUMBERS} == set(MEASURED)


@pytest.mark.parametrize("one", NUMBERS, ids=[one.name for one in NUMBERS])
def test_the_number_is_what_is_measured(one):
    assert one.judge(MEASURED[one.name]()).right, MEASURED[one.name]()


@pytest.mark.parametrize("one", NUMBERS, ids=[one.name for one in NUMBERS])
def test_no_known_wrong_number_is_near_the_right_one_or_another(one):
    values = [one.right, *(wrong.answer for wrong in one.wrong)]
    for i, value in enumerate(values):
        assert not [other for other in values[i + 1 :] if one.close(value, other)]


def test_the_choices_are_what_is_measured():
    doubled = gd.problems.LeastSquares(np.repeat(np.eye(3), 2, axis=0), np.repeat([1.0, 2.0, 3.0], 2))
    once = gd.problems.LeastSquares(np.eye(3), np.array([1.0, 2.0, 3.0]))
    paths = [gd.descend(gd.GradientDescent(0.5), p, np.zeros(3), steps=20).theta for p in (once, doubled)]
    assert abs(paths[0] - paths[1]).max() < 1e-12 and exercises.batch.twice.right == "b"

    draws = np.random.default_rng(0).integers(50, size=(20_000, 50))
    values = np.random.default_rng(1).normal(size=50)
    ratio = values[draws].mean(1).var() / values.var()
    assert ratio == pytest.approx(1 / 50, rel=0.05) and exercises.mini_batch.putting_back.right == "b"

    t = np.arange(1, 10**6 + 1)
    late = t > 10**5  # what is added from there on tells a sum that ends from one that does not
    meets = [bool(rate[late].sum() > 0.5 and (rate[late] ** 2).sum() < 0.01) for rate in
             (0.5 / t**0.5, 0.5 / t, 0.5 / t**2, 0.5 + 0 * t)]  # fmt: skip
    assert meets == [False, True, False, False] and exercises.stochastic.sums.right == "b"

    slopes = [2.0, -1.0, 3.0, 0.5, 1.0, -2.0]

    def moves(rule, factor):
        theta, state, path = 1.0, rule.init(1.0, 0.0), [1.0]
        for step, slope in enumerate(slopes, 1):
            theta, new = rule.step(theta, factor * slope, state, rule.at(step))
            state = {name: new[name] for name in state}
            path.append(theta)
        return np.diff(path)

    assert moves(gd.Adagrad(0.1, 1e-12), 1000) == pytest.approx(moves(gd.Adagrad(0.1, 1e-12), 1))
    assert exercises.adagrad.scale.right == "c"
    ratios = moves(gd.RAdam(0.1), 100) / moves(gd.RAdam(0.1), 1)
    assert ratios[:4] == pytest.approx(np.full(4, 100)) and ratios[4:] == pytest.approx(np.ones(2))
    assert exercises.radam.scale.right == "c"

    tenfold = gd.problems.Quadratic(1.0 / 100)  # θ = φ/10 in ½θ²
    plain, finer = (
        gd.descend(gd.GradientDescent(0.1), p, start=s, steps=1).theta
        for p, s in ((gd.problems.Quadratic(1.0), 1.0), (tenfold, 10.0))
    )
    assert (finer[1] - finer[0]) / (plain[1] - plain[0]) == pytest.approx(0.1)
    assert exercises.adadelta.unit.right == "c"

    products = np.array([1.99, 2.01])
    run = gd.descend(
        gd.Lookahead(gd.GradientDescent(products), 4), gd.problems.Quadratic(1.0), 1.0, steps=4000
    )
    assert list(abs(run.theta[-1]) < 1) == [True, False] and exercises.lookahead.even.right == "a"


def test_the_formulas_of_radam_are_the_theorys():
    (places,) = exercises.radam.rho.probes
    (trace,) = exercises.radam.rho.traces(exercises.radam.rho.solution)
    assert list(trace.values) == pytest.approx([float(theory.rho(**place)) for place in places])
    for t in (6, 10, 100, 1000):
        names = {"rho_t": float(theory.rho(t)), "rho_inf": float(theory.rho_inf())}
        assert eval(exercises.radam.r.solution, names) == pytest.approx(float(theory.rectification(t)))


def test_the_schedules_are_the_librarys():
    asks = exercises.schedules
    for one, library in (
        (asks.linear, lambda t, T: linear(T)(t)),
        (asks.cosine, lambda t, T: cosine(T)(t)),
        (asks.wsd, lambda t, T, n: wsd(T, n / T)(t)),
        (asks.warmup, lambda t, w: warmup(w, lambda t: 1.0)(t)),
    ):
        (places,) = one.probes
        (trace,) = one.traces(one.solution)
        assert list(trace.values) == pytest.approx([library(**place) for place in places])


def test_the_lines_after_the_talk_are_the_librarys():
    rng = np.random.default_rng(0)
    g = rng.normal(size=(4, 3))
    u, sigma, v = np.linalg.svd(g, full_matrices=False)
    for p in (0.25, 0.5):
        left, right = (u * sigma ** (-2 * p)) @ u.T, (v.T * sigma ** (-2 * p)) @ v
        names = [eval(exercises.curvature.power.solution, {"sigma": s, "p": p}) for s in sigma]
        assert np.allclose(left @ g @ right, (u * np.array(names)) @ v)

    x = g / np.linalg.norm(g)
    a, b, c = gd.rules.QUINTIC[0]
    values = [eval(exercises.muon.polynomial.solution, {"x": s, "a": a, "b": b, "c": c})
              for s in np.linalg.svd(x, compute_uv=False)]  # fmt: skip
    assert np.allclose(gd.rules.orthogonal(g, [(a, b, c)]), (u * np.array(values)) @ v)
    for n, m in ((6, 2), (2, 6)):
        zero, one = np.zeros((n, m)), np.ones((n, m))
        step, _ = gd.Muon(lr=1.0).step(zero, one, {"M": zero}, {})
        factor = eval(exercises.muon.shape.solution, {"n": n, "m": m})
        assert np.allclose(step, -factor * gd.rules.orthogonal(one))

    squares = np.outer([1.0, 4.0, 2.0], [3.0, 0.5])
    guess = [[eval(exercises.curvature.adafactor.solution, {"r": r, "c": c, "mean": squares.mean()})
              for c in squares.mean(0)] for r in squares.mean(1)]  # fmt: skip
    assert np.allclose(guess, squares)

    ones, shampoo = exercises.curvature.shampoo, gd.Shampoo(0.5, eps=0.1)
    theta, state, walked = np.ones((1, 1)), shampoo.init(np.ones((1, 1)), np.zeros((1, 1))), []
    for t, slope in enumerate(ones.probes[0].gradients, 1):
        theta, new = shampoo.step(theta, np.full((1, 1), slope), state, shampoo.at(t))
        state = {name: new[name] for name in state}
        walked.append(theta.item())
    assert walked == pytest.approx(list(ones.traces(ones.solution)[0].values))


def test_the_slopes_of_backpropagation_are_autograds():
    for place in exercises.backpropagation.hidden.probes[0]:
        z = torch.tensor(place["z"], dtype=torch.float64, requires_grad=True)
        scores = torch.relu(z) * torch.tensor([place["w1"], place["w2"]], dtype=torch.float64)
        scores.backward(torch.tensor([place["d1"], place["d2"]], dtype=torch.float64))
        assert eval(exercises.backpropagation.hidden.solution, dict(place)) == pytest.approx(z.grad.item())
    scores = torch.tensor([0.3, -1.0, 2.0], dtype=torch.float64, requires_grad=True)
    torch.nn.functional.cross_entropy(scores[None], torch.tensor([1])).backward()
    for k, p in enumerate(torch.softmax(scores, 0).tolist()):
        slope = eval(exercises.backpropagation.scores.solution, {"p": p, "hit": int(k == 1)})
        assert slope == pytest.approx(scores.grad[k].item())
    weight = exercises.backpropagation.weight
    for probe, trace in zip(weight.probes, weight.traces(weight.solution), strict=True):
        theta = torch.tensor(probe.start, dtype=torch.float64, requires_grad=True)
        x, y, w, eta = (probe.settings[name] for name in ("x", "y", "w", "eta"))
        for value in trace.values:
            theta.grad = None
            (0.5 * (w * torch.relu(theta * x) - y) ** 2).backward()
            theta = (theta - eta * theta.grad).detach().requires_grad_()
            assert theta.item() == pytest.approx(value)


def test_the_choices_after_the_talk_are_what_is_measured():
    g = np.random.default_rng(0).normal(size=(3, 2))
    step = [gd.Muon().step(0 * g, s * g, {"M": 0 * g}, {})[0] for s in (1, 1000)]
    assert np.allclose(*step) and exercises.muon.scale.right == "b"

    def pace(rule):
        run = gd.descend(rule, gd.problems.Slope(2.0), start=0.0, steps=3000)
        return abs(run.theta[-1] - run.theta[-2]).item()

    assert pace(gd.AdaBelief(0.001)) > 20 * pace(gd.Adam(0.001)) and exercises.repairs.belief.right == "b"

    net = gd.problems.Network((784, 32, 10))
    x, y = gd.digits().train.x[:64], gd.digits().train.y[:64]
    layers = torch.nn.Sequential(torch.nn.Linear(784, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10)).double()
    for weight in layers.parameters():
        torch.nn.init.zeros_(weight)
    torch.nn.functional.cross_entropy(layers(x.double()), y).backward()
    moves = [bool(weight.grad.abs().max() > 0) for weight in layers.parameters()]
    assert net.parameters == 25_450
    assert moves == [False, False, False, True] and exercises.backpropagation.zero.right == "a"

    before = torch.nn.Sequential(torch.nn.Linear(784, 32), torch.nn.ReLU(), torch.nn.Linear(32, 10)).double()
    torch.nn.functional.cross_entropy(before(x.double()), y).backward()
    blank = (x == 0).all(0)
    assert (
        blank.any() and (before[0].weight.grad[:, blank] == 0).all() and exercises.network.blank.right == "a"
    )
    with torch.no_grad():
        scores, move = before(x.double()), torch.ones(32, 10).double()  # one move of the upper weights
        change = before[1](before[0](x.double())) @ move
        before[0].weight *= 8
        before[0].bias *= 8
        before[2].weight /= 8
        assert torch.allclose(before(x.double()), scores)
        assert torch.allclose(before[1](before[0](x.double())) @ move, 8 * change)
    assert exercises.why_it_matters.rescaled.right == "b"
