"""The changes that a chapter's workbench suggests do what their sentences say."""

from __future__ import annotations

import math
import re
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import gdcourse as gd
from gdcourse.theory import rectification
from gdcourse.workbench.run import SURFACES, Run, run

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "book" / "_ext"))
import workbench  # noqa: E402  book/_ext/workbench.py

EFFECTS = tomllib.loads(Path(__file__).with_name("effects.toml").read_text(encoding="utf-8"))
BENCH = re.compile(r"^:::\{workbench\} (\w+)\n((?::\w+: [^\n]*\n)+)\n(.*?)^:::$", re.M | re.S)
SOURCES = ROOT / "book" / "src"
HAVE = sorted(p.stem for p in SOURCES.glob("*.md") if "\n:rule:" in p.read_text(encoding="utf-8"))


class Bench:
    """A chapter's workbench: its text, its changes by title, and how it runs."""

    def __init__(self, page: str) -> None:
        match = BENCH.search((SOURCES / f"{page}.md").read_text(encoding="utf-8"))
        assert match, page
        self.name = match[1]
        options = dict(re.findall(r"^:(\w+): (.*)$", match[2], re.M))
        self.rule, self.surface, self.steps = options["rule"], options["surface"], int(options["steps"])
        self.text = workbench.text_of(self.name, self.rule)
        self.changes = {
            title: (old, new) for title, old, new, _ in workbench.changes_of(match[3].split("\n"))
        }

    def changed(self, title: str) -> str:
        old, new = self.changes[title]
        assert self.text.count(old) == 1, f"{old!r} stands {self.text.count(old)} times in the rule"
        return self.text.replace(old, new)

    def made(self, text: str, rule: str) -> str:
        return text.replace(f"rule = {self.rule}", f"rule = {rule}")

    def run(self, text: str) -> Run:
        found = run(text, self.surface, self.steps)
        assert not found.error, found.error
        return found


def holds(found: Run, other: Run, effect: dict) -> None:
    """A run does what the table says, beside another."""
    ends, times = effect["ends"], effect.get("times", 1)
    assert (found.diverged_at is not None) == (ends == "diverges")
    if ends == "diverges":
        return
    last, theirs = found.losses[-1], other.losses[-1]
    gap = max(
        abs(a - b) for p, q in zip(found.path, other.path, strict=True) for a, b in zip(p, q, strict=True)
    )
    verdict = {
        "higher": last > times * theirs,
        "lower": last < theirs / times,
        "same": gap < 1e-6,
        "differs": gap > 0.1,
        "at the start": found.path[-1] == found.path[0],
    }
    assert verdict[ends], (last, theirs, gap)


def length(found: Run) -> float:
    """Of the first step; of one that left all numbers behind, infinite."""
    if len(found.path) < 2:
        return math.inf
    (a, b), (c, d) = found.path[:2]
    return ((a - c) ** 2 + (b - d) ** 2) ** 0.5


def test_every_optimizers_chapter_has_one():
    assert len(HAVE) >= 15 and set(HAVE) == set(EFFECTS)


@pytest.mark.parametrize("page", HAVE)
def test_it_has_three_changes_and_the_table_says_what_each_does(page):
    assert len(Bench(page).changes) == 3 and set(Bench(page).changes) == set(EFFECTS[page])


@pytest.mark.parametrize(("page", "title"), [(page, title) for page in EFFECTS for title in EFFECTS[page]])
def test_a_change_does_what_its_sentence_says(page, title):
    bench, effect = Bench(page), EFFECTS[page][title]
    book, found = bench.run(bench.text), bench.run(bench.changed(title))
    assert book.diverged_at is None
    holds(found, book, effect)
    assert length(found) >= effect.get("first", 0) * length(book)
    if effect.get("passes"):
        assert min(found.losses) < min(book.losses) == pytest.approx(book.losses[-1])
    if rests := effect.get("rests"):
        assert found.path[: rests + 1] == [found.path[0]] * (rests + 1)
        assert len(book.path) == rests + 1 or found.path[rests + 1] != found.path[0]
    if other := effect.get("or_else"):
        assert f"`{other['rule']}`" in (SOURCES / f"{page}.md").read_text(encoding="utf-8")
        text = bench.made(bench.changed(title), other["rule"])
        beside = {"book": book, "rule": bench.run(bench.made(bench.text, other["rule"]))}
        beside["start"] = Run(path=[book.path[0]] * len(book.path), losses=book.losses[:1])
        holds(bench.run(text), beside[other["beside"]], other)


@pytest.mark.parametrize("page", [page for page in EFFECTS if Bench(page).surface in SURFACES])
def test_in_a_notebook_the_changed_rule_takes_the_same_path(page):
    bench = Bench(page)
    _, start = SURFACES[bench.surface]
    problem = {"ravine": gd.problems.Quadratic([1.0, 20.0]), "Himmelblau": gd.problems.Himmelblau()}
    for text in (bench.text, *map(bench.changed, bench.changes)):
        cell: dict = {}
        exec(text, cell)
        theirs = gd.descend(
            cell["rule"], problem[bench.surface], start=np.array(start), steps=bench.steps
        ).theta
        path = bench.run(text).path
        assert len(path) > 3 and theirs[: len(path)] == pytest.approx(np.array(path), rel=1e-12)


def test_how_far_the_sentences_about_r_are_true():
    steps = Bench("radam").steps
    assert rectification(float(steps)) < 0.2
    assert rectification(float(steps), 0.9) > 0.9


def test_what_overshoots_still_walks_along_the_valley():
    bench = Bench("gradient_descent")
    far = bench.run(bench.changed("Take a step that is too long")).path
    assert abs(far[-1][0]) < 0.01 and all(abs(b[1]) > abs(a[1]) for a, b in pairwise(far))


def later(text: str, bench: Bench) -> list[float]:
    """The losses of steps 500 to 1,000."""
    return run(text, bench.surface, 1000).losses[500:]


def test_adadelta_is_thrown_out_later_and_with_a_fixed_numerator_it_is_not():
    bench = Bench("adadelta")
    assert max(later(bench.text, bench)) > 10 * max(later(bench.changed("Fix the numerator"), bench))


def test_rmsprop_comes_to_hop_as_its_sign_does():
    bench = Bench("rmsprop")
    assert min(later(bench.text, bench)) > 0.01


def test_the_long_memory_ends_on_the_other_side():
    bench = Bench("momentum")
    assert bench.run(bench.changed("Remember for longer")).path[-1][0] > 1
    plain = bench.run(bench.changed("Forget at once")).losses[-1]
    average = bench.run(bench.changed("Average instead of summing")).losses[-1]
    assert average == pytest.approx(plain, rel=0.05)


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("gradient_descent", "Take only the slope's sign"),
        ("adagrad", "Count the last gradient only"),
        ("rmsprop", "Count the last gradient only"),
    ],
)
def test_what_hops_has_equal_steps_and_turns_at_each(page, title):
    bench = Bench(page)
    path = bench.run(bench.changed(title)).path
    steps = [b[1] - a[1] for a, b in pairwise(path)]
    assert max(map(abs, steps[-6:])) == pytest.approx(min(map(abs, steps[-6:])), rel=1e-4)
    assert all(a * b < 0 for a, b in pairwise(steps[-6:]))


def test_without_the_root_adagrad_ends_close_to_its_start():
    bench = Bench("adagrad")
    path = bench.run(bench.changed("Leave out the root")).path
    assert abs(path[-1][0] - path[0][0]) < 1 and abs(path[-1][1] - path[0][1]) < 0.5


def test_what_decay_in_the_gradient_leaves_and_what_it_does_without_the_rate():
    bench = Bench("weight_decay")
    assert bench.run(bench.text).path[0] == [0.0, 0.0]
    end = {title: bench.run(bench.changed(title)).path[-1] for title in bench.changes}
    book, without = bench.run(bench.text).path[-1], end["Leave the decay out"]
    assert math.dist(end["Put the decay into the gradient"], without) < 0.1 * math.dist(book, without)
    assert math.hypot(*end["Take the rate away from it"]) < 0.25 * math.hypot(*book)


def test_lion_runs_past_and_a_sign_alone_turns_round():
    bench = Bench("sign")
    furthest = {title: max(x for x, _ in bench.run(bench.changed(title)).path) for title in bench.changes}
    book, lr = bench.run(bench.text).path, 0.09
    assert max(x for x, _ in book) > 10 * lr > lr > furthest["Ask this gradient alone"]
    assert all(abs(b[1] - a[1]) == pytest.approx(lr) for a, b in pairwise(book))
    assert swing(bench.run(bench.changed("Keep the numbers"))) < 0.2 * swing(Run(path=book))
    assert swing(bench.run(bench.changed("Step along what is remembered"))) > 2 * swing(Run(path=book))


def test_how_cautious_and_adam_walk_along_the_valley_and_across():
    bench = Bench("repairs")
    book, alone = bench.run(bench.text), bench.run(bench.changed("Let Adam walk"))
    same = bench.run(bench.changed("Do not make up for it"))
    assert [x for x, _ in same.path] == pytest.approx([x for x, _ in alone.path], abs=1e-9)
    assert abs(alone.path[-1][0]) > 2 * abs(book.path[-1][0]) and swing(alone) > 3 * swing(book)


def test_primal_averaging_swings_for_longer():
    bench = Bench("schedule_free")
    assert swing(bench.run(bench.changed("Take gradients at the average"))) > 100 * swing(
        bench.run(bench.text)
    )


def steps_of(found: Run) -> list[tuple[float, float]]:
    """How far each goes in the two directions."""
    return [(abs(c - a), abs(d - b)) for (a, b), (c, d) in pairwise(found.path)]


def test_shampoos_powers_make_even_and_turn_round_and_without_memory_it_hops():
    bench, lr = Bench("curvature"), 0.7
    assert steps_of(bench.run(bench.text))[0] == pytest.approx((lr, lr), rel=1e-3)
    x, y = steps_of(bench.run(bench.changed("Take the powers −½")))[0]
    assert x > 2 * y  # the slope is 4 along the first and 20 along the second
    alone = bench.run(bench.changed("Count this gradient alone"))
    assert all(step == pytest.approx((lr, lr), rel=0.01) for step in steps_of(alone))
    assert math.dist(alone.path[-1], alone.path[-3]) < 0.01 < math.dist(alone.path[-1], alone.path[-2])


def test_soap_walks_as_adam_where_nothing_is_turned():
    bench, adam = Bench("curvature"), workbench.text_of("Adam", "Adam(0.1, 0.95, 0.95)")
    soap = bench.run(bench.changed("Let SOAP walk")).path
    straight, turned = (run(adam, surface, bench.steps - 1).path for surface in ("ravine", "turned"))
    assert max(map(math.dist, soap[1:], straight)) < 1e-3 < 0.1 < max(map(math.dist, soap[1:], turned))
    assert soap[0][0] < 0 < 0.1 < max(x for x, _ in soap)


def swing(found: Run) -> float:
    """How far from the valley's floor it still gets in the last ten steps."""
    return max(abs(y) for _, y in found.path[-10:])
