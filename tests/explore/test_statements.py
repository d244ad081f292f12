"""What the figures' captions say in words, held to all of their states."""

from __future__ import annotations

import re
import sys

import numpy as np

import gdcourse.explore
from gdcourse import descend, theory
from gdcourse.rules import Adagrad, Adam, orthogonal
from tests.explore.made import made


def numbers(name: str):
    """A figure's arrays, and the module that it is made in (its function has the same name)."""
    return made(name).arrays, sys.modules[f"{gdcourse.explore.__name__}.chapters.{name}"]


def test_gradient_descent_the_dots_lie_on_the_higher_line():
    a, module = numbers("gradient_descent")
    eta, kappa = module.RATES[:, None], np.array(module.KAPPAS)
    np.testing.assert_allclose(a["factor"], np.maximum(abs(1 - eta), abs(1 - eta / kappa)), atol=1e-12)
    slow = [np.isfinite(a[name][..., 0]) for name in ("flat_slow", "steep_slow", "steep_stuck", "steep_lost")]
    assert (np.sum(slow, 0) <= 1).all()
    assert (np.isfinite(a["steep_lost"][..., 0]) == (a["factor"] > 1 + 1e-9)).all()


def test_batch_in_the_tint_only_exact_heights_settle():
    a, module = numbers("batch")
    settled = ~np.isnan(a["map"][0, 0])  # (heights, η)
    beyond = module.SHARES >= 1
    assert all(module.CELLS[column].tolist() == [-1.0, 0.0, 1.0] for column in settled.T[beyond])
    assert settled[np.abs(module.CELLS) < 1.7][:, ~beyond].all()
    np.testing.assert_array_equal(settled, settled[::-1])  # "those below the ridge likewise"
    place = a["place"]
    assert (place[:, module.HEIGHTS == 0] == 2).all()


def test_gradient_descent_the_best_rate_here_is_the_lowest_dot_where_several_need_as_few_steps():
    a, module = numbers("gradient_descent")
    kappa = np.array(module.KAPPAS)
    tried, best = (
        np.maximum(abs(1 - eta), abs(1 - eta / kappa)) for eta in (module.RATES[:, None], a["best_eta"])
    )
    np.testing.assert_allclose(best[0], tried.min(0), atol=1e-12)


def test_repairs_adam_walks_up_with_the_same_betas_in_other_runs():
    a, module = numbers("repairs")
    every, slope, others = module.EVERY[:, None, None], module.SLOPES[:, None], 100 + np.arange(150)
    problem = module.Rare(every[..., None], (every * (1 + slope) - 1)[..., None])
    start = np.zeros((3, 3, len(module.BETA2S), len(others)))
    adam = Adam(lr=1.0, beta2=module.BETA2S[:, None])
    late, last = (
        descend(adam, problem, start, steps, seed=others, path=False).theta[-1]
        for steps in (module.WARM, module.LONG)
    )
    mean = (last - late).mean(-1) / (module.LONG - module.WARM)
    np.testing.assert_array_equal(mean > module.SEEN, a["adam"][:, :, 0] > module.SEEN)


def test_adagrad_the_angle_matters_to_it_alone():
    a, module = numbers("adagrad")
    assert len(set(a["gd_needed"])) == len(set(a["momentum_needed"])) == 1
    assert (np.diff(a["adagrad_needed"]) > 0).all() and (np.diff(a["ratio"]) < 0).all()
    assert (a["floor"] < module.tuned("gd", (45.0,), module.FLOOR)[1]).all()
    finely = 3e-2 * 100 ** (np.arange(6401) / 6400)  # the best rate from the floor is narrow but for 45°
    for angle, alike in ((45.0, True), (30.0, False)):
        run = descend(Adagrad(finely), module.Bowls((angle,), module.FLOOR), steps=module.STEPS)
        needed = np.nanmin(module.steps_needed(run.theta), -1)
        assert (needed == module.tuned("adagrad", (angle,), module.FLOOR)[1]).all() == alike


def test_lookahead_gains_below_the_crossing_and_loses_beyond():
    a, module = numbers("lookahead")
    below = a["crossing"] > module.PRODUCTS
    assert not (np.isfinite(a["more"]) & below).any()
    assert not (np.isfinite(a["less"]) & ~below).any()
    np.testing.assert_allclose(a["crossing"][1:, 3, 0], [0.974, 0.95, 0.903, 0.799], atol=0.001)
    called = module.ALPHAS < 1
    assert (a["half"] > 1.2 * a["plain_half"])[:, called].all(), "it costs speed"
    assert (a["loss"] < 0.8 * a["plain_loss"])[:, called].all(), "it brings calm"
    lone = np.isnan(a["crossing"])
    same = np.broadcast_to(lone, a["loss"].shape)
    np.testing.assert_allclose(a["loss"][same], a["matched_loss"][same], rtol=module.SAME)


def test_momentum_the_plateau_and_the_edge():
    a, module = numbers("momentum")
    rate, gamma = a["rate"][0, 0], module.MAP_GAMMAS[:, None]
    inside = ((1 - gamma**0.5) ** 2 < module.PRODUCTS) & ((1 + gamma**0.5) ** 2 > module.PRODUCTS)
    assert np.nanmax(np.abs(rate - gamma**0.5)[inside]) < 0.01
    edge = theory.momentum_stability_limit(gamma, 1.0)
    assert (np.isnan(rate) == (edge <= module.PRODUCTS))[np.abs(module.PRODUCTS - edge) > 1e-9].all()
    assert np.nanmax(a["shrunk"]) < 1 < np.nanmin(a["grown"])
    # "between the dashed curves, the longer the memory, the longer it swings": there the factor grows with γ
    assert (np.diff(rate, axis=0) > 0)[inside[:-1] & inside[1:]].all()
    at_zero = module.GAMMAS == 0  # there "the two paths are one"
    for part in ("x", "y", "loss"):
        np.testing.assert_allclose(a[f"gd_{part}"][:, 0], a[f"momentum_{part}"][:, at_zero][:, 0], rtol=1e-12)


def test_nesterov_keeps_nothing_at_one_and_the_sentences_exclude_each_other():
    a, module = numbers("nesterov")
    np.testing.assert_allclose(a["nesterov_here"][module.PRODUCTS == 1.0], 0, atol=1e-12)
    np.testing.assert_allclose(a["nesterov_memory_here"][module.PRODUCTS == 1.0], 0, atol=1e-12)
    for name in ("momentum", "nesterov"):
        told = [np.isfinite(a[f"{name}_{end}"]) for end in ("reached", "late", "diverged")]
        assert (np.sum(told, 0) == 1).all()


def test_rmsprop_the_shorter_the_memory_the_farther_both_ways():
    a, _ = numbers("rmsprop")
    assert (np.diff(a["forward"][0, 0]) < 0).all() and (np.diff(a["astray"][0, 0]) < 0).all()


def test_stochastic_the_formula_counts_too_little_where_eta_is_large():
    a, _ = numbers("stochastic")
    assert (np.isfinite(a["lower"]) != np.isfinite(a["higher"])).all()
    assert np.nanmax(np.where(np.isfinite(a["lower"]), a["end"] / a["settled"], np.nan)) < 0.2


def test_radam_the_share_grows_and_stays_above():
    a, module = numbers("radam")
    for i, beta2 in enumerate(module.BETAS):
        r = theory.rectification(module.EVERY, beta2)
        there = ~np.isnan(r)
        assert (np.diff(r[there]) > -1e-12).all()
        grown = int(a["grown"][i])
        assert r[grown - 1] > 0.9 and not r[grown - 2] > 0.9
    rho = np.array([1.5, 2.0, 2.01, 3.9, 4.0, 4.01])
    exact, approximate = module.finite_variances(rho)
    assert np.isfinite(exact).tolist() == [False, False, True, True, True, True]
    assert np.isfinite(approximate).tolist() == [False, False, False, False, False, True]


def test_adadelta_rows_and_runs_thrown_out():
    a, module = numbers("adadelta")
    ends = np.asarray(a["end"])
    thrown = np.isfinite(a["thrown_at"])
    assert thrown.sum() == 48 and (ends[thrown] > 10 * a["thrown_low"][thrown]).all()
    assert (a["thrown_at"][thrown] < 400).all()
    assert np.nanmax(a["row"][0, 0, :, module.EPSILONS < 2e-6]) < 1.2
    # in other units: gradient descent minds the square of the unit, RMSProp the unit, Adadelta its one ε
    first = {
        name: np.abs(np.diff(a[f"{name}_path_x"][:, 0, 0, 0, :2]))[:, 0] for name in ("gd", "rms", "ada")
    }
    np.testing.assert_allclose(first["gd"] * module.PERS**2, first["gd"][0])
    np.testing.assert_allclose(first["rms"] * module.PERS, first["rms"][0], rtol=1e-4)
    ends = a["ada_left"][:, :, 0, 0]
    assert (np.diff(ends[:, 0]) > 0.01).all()
    np.testing.assert_allclose(ends[:, 1], ends[0, 0], rtol=1e-9)


def test_adam_uncorrected_the_box_is_too_small_by_more():
    t = np.arange(1, 81)
    assert ((1 - 0.999**t) ** 0.5 < 1 - 0.9**t).all()
    a, _ = numbers("adam")
    assert np.nanmax(a["ahead_x"]) <= 1 + 1e-9


def test_backpropagation_half_the_nudge_a_quarter_of_the_error():
    a, _ = numbers("backpropagation")
    falls = a["falls"]
    assert np.nanmin(falls) > 3.5 and np.nanmax(falls) < 4.4
    assert np.isfinite(a["corner_inside"]).any()


def test_backpropagation_what_is_pressed_is_the_weight_of_the_product():
    """The menu's words, the places in the picture and the numbers are of one weight."""
    a, module = numbers("backpropagation")
    figure = made("backpropagation")
    below, unit, score = (figure.controls[i].shown() for i in (1, 2, 3))
    net, data = module.Network(), module.digits()
    x, y = data.train.x[:1], data.train.y[:1]
    grads = net.layers(net.grad(net.init(0), x, y))
    digit = a["digit"][0, 0, 0, 0]
    for i in range(module.PIXELS):
        row, column = (int(part) for part in re.findall(r"\d+", below[i]))
        there = (a["pixel_x"].ravel()[i], a["pixel_y"].ravel()[i])
        assert there == (column + 0.5, 27.5 - row)
        assert a["a"][i].item() == digit[27 - row, column] == x[0, 28 * row + column]
        for k, name in enumerate(unit):
            slope = grads[0][0][28 * row + column, int(re.findall(r"\d+", name)[0])]
            np.testing.assert_allclose(a["slope"][i, k], float(slope), atol=1e-15)
    np.testing.assert_allclose(a["slope"][module.PIXELS :, 0, :, 0], grads[1][0].numpy(), atol=1e-15)
    assert below[module.PIXELS :] == [f"hidden unit {k}" for k in range(32)] and len(score) == 10
    kinds = [name.split(", ")[1] for name in unit]
    assert kinds == ["on", "off", "barely on"]
    is_off = a["slope"][: module.PIXELS, 1] == 0
    assert is_off.all() and (a["slope"][: module.PIXELS, 0][a["a"][: module.PIXELS].ravel() > 0] != 0).all()
    inked = a["a"][: module.PIXELS].ravel() > 0.9  # "full of ink": a nudge of 2 wakes the unit that is off
    assert np.isfinite(a["corner_inside"][: module.PIXELS][inked][:, 1, 0, -1]).all()


def test_network_a_template_is_of_the_unit_that_it_is_named_after():
    a, module = numbers("network")
    marks = made("network").rows[0][1].marks
    units = [int(name.split()[-1]) for name in marks[0].names]
    net = module.Network()
    first = net.layers(net.init(module.SEED))[0][0].numpy()[:, units].T.reshape(9, 28, 28)
    shown = a["whole_templates"][0]  # of step 0, in shades
    assert all(
        np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.9 for one, two in zip(first, shown, strict=True)
    )


def test_cover_nine_rates_and_starts_from_which_all_set_out():
    figure = made("cover")
    a, module = numbers("cover")
    start = figure.start()
    assert [figure.controls[i].values[start[name]] for i, name in enumerate(("start_x", "start_y"))] == [0, 0]
    ends = {name: float(figure.pick(a, start, f"loss_{name}", ["step"])) for name in module.NINE}
    assert max(ends.values()) < 0.003 and max(ends.values()) == float(
        figure.pick(a, start, "worst", ["step"])
    )
    for name in module.NINE:  # no panel is empty: the first step is drawn
        assert np.isfinite(a[f"x_{name}"][..., :2]).all()
    # every step is drawn, gradient descent's first one too
    first = np.array([figure.pick(a, start, f"{axis}_GradientDescent")[:2] for axis in "xy"])
    assert np.hypot(*np.diff(first)[:, 0]) > 0.1 and figure.pick(a, start, "x_Adam").shape == (81,)


def test_mini_batch_winners_within_the_scatter_of_seeds():
    figure = made("mini_batch")
    by_examples, by_steps = figure.texts["rivals"][0], figure.texts["rivals"][-1]
    assert {"2", "4", "8"} <= set(by_examples.replace(" and ", ", ").split(", "))
    assert {"256", "500"} <= set(by_steps.replace(" and ", ", ").split(", "))


def test_why_it_matters_no_order_where_all_are_alike():
    a, _ = numbers("why_it_matters")
    assert np.isfinite(a["tied"][:, 0]).all() and np.isnan(a["tied"][:, 5:]).all()
    told = [np.isfinite(a[name]) for name in ("order_true", "order_both", "tied")]
    assert (np.sum(told, 0) == 1).all()


def test_weight_decay_beside_the_step_takes_its_share_and_sets_a_bound():
    a, module = numbers("weight_decay")
    assert a["beside"].shape[1] == 1, "the size of the gradients does not enter"
    left = a["inside"][:, :, 0]  # (λ, s, step)
    assert (np.diff(left[..., -1], axis=1) > -0.02).all() and (left[:, -1, -1] > 0.98).all()
    strong = module.DECAYS[:, None] > 30 * module.SCALES
    first = left[strong][:, 1]  # after the first 50 steps
    np.testing.assert_allclose(first, 1 - module.RATE * module.EVERY, atol=0.05)
    goal, decay = module.GOALS, module.DECAYS[:, None]
    np.testing.assert_allclose(a["l2_end"][:, 0], a["goal_of_l2"][:, 0], rtol=0.01)
    ends, nearer = a["adamw_end"][:, 0], np.minimum(goal, 1 / decay)
    assert (ends < nearer + 0.01).all()
    within = goal <= 0.5 / decay
    np.testing.assert_allclose(ends[within], np.broadcast_to(goal, ends.shape)[within], rtol=0.03)
    beyond = goal >= 3 / decay
    np.testing.assert_allclose(ends[beyond], np.broadcast_to(1 / decay, ends.shape)[beyond], rtol=0.01)


def test_muon_the_angle_matters_to_adam_alone_and_the_best_rates_lie_inside():
    a, module = numbers("muon")
    ends = {name: np.log10(a[f"{name}_over"][0]) for name in module.TRIED}
    assert all(np.ptp(ends[name]) < 0.5 for name in ("momentum", "muon", "shampoo"))
    assert np.ptp(ends["momentum"]) < 1e-6  # Muon's iteration lets rounding errors grow
    assert (np.diff(ends["adam"]) > 0).all() and np.ptp(ends["adam"]) > 6
    assert ends["adam"][0] < min(end[0] for name, end in ends.items() if name != "adam")
    for name, (_, _, rates) in module.TRIED.items():
        found = [module.tuned(name, angle)[0] for angle in module.ANGLES]
        assert rates[0] < min(found) and max(found) < rates[-1], name


def test_muon_the_curves_are_what_the_iteration_does_to_a_matrix():
    a, module = numbers("muon")
    sigma = module.of_a_gradient()
    np.testing.assert_allclose((sigma**2).sum(), 1.0)
    for name, coefficients in (("jordan", module.QUINTIC), ("express", module.POLAR_EXPRESS)):
        found = np.linalg.svd(orthogonal(np.diag(sigma), coefficients), compute_uv=False)
        np.testing.assert_allclose(np.sort(a[f"{name}_real"][0, 5]), np.sort(found), rtol=1e-6)
    np.testing.assert_allclose(a["exact_real"][0, 12], 1.0, atol=0.01)
    assert (a["express_real"][0, 5:] == a["express_real"][0, 5]).all()


def test_sign_the_best_rates_are_so_to_a_sixteenth_of_a_decade():
    a, module = numbers("sign")
    assert a["descent"].shape[:2] == (len(module.TABLES), len(module.FACTORS))
    for name, best in module.BEST.items():
        for table, rate in zip(module.tables(), best, strict=True):
            around = [0, *(k / 16 for k in (-4, -3, -2, -1, 1, 2, 3, 4)), -1, -0.5, 0.5, 1]
            rule = module.MAKE[name](10 ** (rate + np.array(around)))
            excess = table.excess(descend(rule, table, steps=module.STEPS, path=False).theta[-1])
            assert np.nanargmin(excess) == 0, (name, rate, around, excess)


def test_schedule_free_no_ratio_hangs_on_the_grid_of_rates():
    a, module = numbers("schedule_free")
    noisy = module.NOISES[1:]
    best = a["ratio"][:, 1:, list(module.OCTAVES).index(0), 0, 0].max(-1)  # the worst of six, by β and noise
    ends = a["ends"][0, 1:, 0, 0, 0]
    of_limit = np.union1d(np.geomspace(0.001, 0.99, 191), np.linspace(0.9, 0.997, 98))
    for i, beta in enumerate(module.BETAS.tolist()):
        parts = module.free_parts(of_limit * 2 / (1 - beta), beta, module.ENDS)
        losses = np.array([module.both(parts, size) for size in noisy])
        finer = (losses / ends[..., None]).max(1).min(-1)  # by noise
        np.testing.assert_allclose(best[i], finer, rtol=0.05, err_msg=f"β = {beta}")


def test_sign_a_long_average_comes_to_rest_at_the_share():
    a, _ = numbers("sign")
    keeps = a["keeps"][0, 0, -1, -1].squeeze()  # of the largest batches, the longest average
    np.testing.assert_allclose(keeps, 1, atol=0.01)
