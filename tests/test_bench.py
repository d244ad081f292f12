"""The benchmark: that it runs, measures what it says, and tells what it did not run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from itertools import product
from math import prod
from pathlib import Path

import bench  # scripts/bench.py
import contests
import numpy as np
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import bench_ext  # noqa: E402


@pytest.mark.slow
def test_quick(tmp_path):
    command = [sys.executable, "scripts/bench.py", "--quick", "--threads", "1", "--out", str(tmp_path)]
    variables = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")
    written = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert written["quick"] and written["machine"]["torch threads"] == 1
    assert len(written["contests"]) == 8 + 2 * len(contests.SIZES)
    for contest in written["contests"]:
        assert contest["title"] in done.stdout
        assert contest["ms"] and all(ms > 0 for ms in contest["ms"].values())
        assert all(spread >= 0 for spread in contest["spread"].values())
        ours = [who for who in contest["ms"] if who.startswith("ours")]
        small = f", {contests.SMALL} (" in contest["title"]  # where a few methods have goals
        assert ours and (contest["goals"] or small), contest["title"]
        for goal in contest["goals"]:
            assert goal["is"] is not None or {goal["who"], goal["versus"]} & set(contest["not_run"])
        for who, why in contest["not_run"].items():
            assert f"not run: {who} ({why})" in done.stdout


def test_who_fails_is_named_and_the_others_are_measured():
    def fail():
        raise RuntimeError("no such kernel\nand more")

    contest = contests.Contest(
        "a", {"one": lambda: None, "other": fail}, [contests.Goal("one", 2.0, "other")]
    )
    result = bench.measure(contest, rounds=2)
    assert set(result.ms) == {"one"} and result.not_run == {"other": "RuntimeError: no such kernel"}
    assert result.goals[0]["is"] is None and "not measured" in bench.table(result)


def test_of_several_ways_the_fastest_counts_and_the_range_is_told(monkeypatch):
    took = {"slow": 4.0, "quick": 3.0, "other": 3.5}
    monkeypatch.setattr(bench, "milliseconds", lambda turn, each: took[turn()])
    contest = contests.Contest("a", {"loops": [lambda: "slow", lambda: "quick"], "step": lambda: "other"})
    result = bench.measure(contest, rounds=3)
    assert result.ms == {"loops": 3.0, "step": 3.5} and result.spread == {"loops": 0.0, "step": 0.0}
    assert result.notes == ["loops: of 2 ways, from 3 to 4 ms"] and result.notes[0] in bench.table(result)


@pytest.mark.parametrize("numbers", [4500, 6300, 7020])
def test_the_loops_of_the_bandwidth_bound_move_as_many_numbers_as_they_are_told(numbers):
    """What is read and written, told by the arrays that a loop holds: the one changed counts twice."""
    loops = contests.loops_that_move(numbers)
    assert len(loops) == 2 * contests.PLACES
    for loop in loops:
        a, *read = getattr(loop, "__defaults__", None) or (loop.__self__,)
        before = a.clone()
        loop()
        assert (a != before).all()
        assert abs(2 * a.numel() + sum(b.numel() for b in read) - numbers) < 3


def test_a_step_of_a_method_touches_its_point_its_gradient_and_its_state():
    param = torch.zeros(1, requires_grad=True)
    for name, method in contests.METHODS.items():
        if method.around:
            continue
        rule = method.ours([param]).rule
        state = len(rule.init(torch.zeros(1), torch.zeros(1)))
        assert contests.arrays_of(f"{name}, one step") == 1 + 2 * (1 + state), name
    assert contests.arrays_of("Lookahead(Adam), one of 5 steps") == 7 + 4 / contests.K


@pytest.mark.parametrize("name", contests.METHODS)
def test_ours_and_torchs_go_the_same_way(name):
    method, ways = contests.METHODS[name], []
    for make in (method.ours, method.torchs):
        param = torch.ones(3, dtype=torch.float64, requires_grad=True)
        optimizer = make([param])
        for t in range(2 * contests.K):
            param.grad = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64) / (1 + t)
            optimizer.step()
        ways.append(param.detach() - 1)
    ours, theirs = ways
    # ε is another in Adagrad, and RAdam's warm-up here ends a step before torch's
    assert torch.allclose(ours, theirs, rtol=0.2 if name == "RAdam" else 1e-6, atol=0)


def test_the_parameters_are_those_of_the_networks_that_are_named():
    """A ResNet-18's are counted in its paper's code; torch makes the transformer's blocks."""
    sizes = {size: (len(shapes), sum(map(prod, shapes))) for size, shapes in contests.SIZES.items()}
    assert sizes[contests.RESNET] == (62, 11_689_512)
    assert sizes[contests.LARGE] == (1, 10_000_000) and sizes[contests.MANY] == (200, 2_000_000)
    block = torch.nn.TransformerEncoderLayer(256, 4, 1024)
    blocks = [tuple(param.shape) for param in block.parameters()] * 12
    others = list(contests.SIZES[contests.TRANSFORMER])
    for shape in blocks:
        others.remove(shape)
    assert sorted(others) == [(256,), (256,), (256, 256), (512, 256)]
    model = torch.nn.Sequential(torch.nn.Linear(784, 32), torch.nn.Linear(32, 10))
    assert sizes[contests.SMALL] == (4, sum(param.numel() for param in model.parameters()))


def test_every_goal_of_a_step_is_for_somebody_who_takes_turns():
    for name, size in product(contests.METHODS, contests.SIZES):
        contest = contests.steps_of(name, size, tiny=True)
        who = contest.turns.keys() | contest.not_run.keys()
        assert all({goal.who, goal.versus} <= who for goal in contest.goals)
        assert all(goal.versus in contest.turns for goal in contest.goals)
        compiled = [goal for goal in contest.goals if goal.who == contests.COMPILED]
        assert [goal.versus for goal in compiled] == [contests.METHODS[name].best] * (size != contests.SMALL)


def test_a_turn_of_lookahead_has_all_of_its_synchronisations():
    for size in contests.SIZES:
        assert contests.steps_of("Lookahead(Adam)", size, tiny=True).each % contests.K == 0


def test_what_is_timed_once_has_no_spread_and_its_goals():
    made = contests.Once(
        "t", {"a": 2.0}, [contests.Goal("a", 1.0), contests.Goal("b", 1.0)], {"b": "gone"}, ["n"]
    )
    result = bench.measured(made, rounds=9)
    assert result.ms == {"a": 2.0} and result.spread == {"a": 0.0} and result.notes == ["n"]
    assert [goal["is"] for goal in result.goals] == [2.0, None] and result.not_run == {"b": "gone"}


def test_goals_are_ratios_or_milliseconds():
    ms = {"one": 3.0, "other": 2.0}
    assert bench.reached(contests.Goal("one", 2.0, "other"), ms) == 1.5
    assert bench.reached(contests.Goal("one", 15.0), ms) == 3.0
    for goal, verdict in (
        (contests.Goal("one", 1.6, "other"), "1.5, reached"),
        (contests.Goal("one", 1.4, "other"), "NOT"),
    ):
        told = {
            "who": goal.who,
            "at_most": goal.at_most,
            "versus": goal.versus,
            "is": bench.reached(goal, ms),
        }
        assert verdict in bench.table(bench.Result("t", ms, {"one": 0.0, "other": 0.0}, [told], {}))


def test_who_misses_a_goal_is_profiled_and_nobody_else():
    def slow():
        sorted(range(20_000), key=lambda x: -x)

    contest = contests.Contest(
        "a sort", {"slow": slow, "quick": lambda: None}, [contests.Goal("slow", 1.0, "quick")]
    )
    (text,) = bench.measure(contest, 2).profiles
    assert text.startswith("a sort: slow\n") and "sorted" in text and "/" not in text
    contest = contests.Contest(
        "a sort", {"slow": slow, "quick": lambda: None}, [contests.Goal("quick", 1.0, "slow")]
    )
    assert bench.measure(contest, 2).profiles == []


def test_an_unknown_part_is_refused(capsys):
    with pytest.raises(SystemExit):
        bench.settings(["stepss"])
    assert "there is no part stepss" in capsys.readouterr().err


def test_all_parts_run_unless_told_and_the_book_only_on_all_cores():
    assert bench.settings([]).parts == list(bench.PARTS)
    assert bench.settings(["--threads", "1"]).parts == [part for part in bench.PARTS if part != "book"]
    assert bench.settings(["--threads", "1", "book"]).parts == ["book"]


def test_memory_is_what_is_held_at_once():
    def by_torch():
        for _ in range(3):
            one = torch.zeros(10**6)
            del one
        two = torch.zeros(10**6), torch.zeros(10**6)
        del two

    def by_numpy():
        for _ in range(3):
            one = np.zeros(10**6, np.float32)
            del one
        two = np.zeros(10**6, np.float32), np.zeros(10**6, np.float32)
        del two

    assert 8e6 <= contests.torch_peak(by_torch) < 8.1e6
    assert 8e6 <= contests.numpy_peak(by_numpy) < 8.1e6


REPORT = """<testsuites><testsuite>
<testcase classname="tests.test_house" name="test_long" time="99.0"/>
<testcase classname="book.adam.ipynb" name="Cell 0" time="2.0"/>
<testcase classname="book.radam.ipynb" name="Cell 0" time="2.5"/>
<testcase classname="book.adam.ipynb" name="Cell 1" time="1.25"/>
</testsuite></testsuites>
"""


def test_the_longest_notebook_is_that_whose_cells_take_most_together():
    assert contests.longest_notebook(REPORT) == ("book.adam.ipynb", 3.25)


@pytest.fixture
def make(tmp_path, monkeypatch):
    """A stand-in for make: it notes its targets, writes the report of pytest, and fails where told."""
    told = tmp_path / "told.txt"
    script = [
        "#!/bin/sh",
        f'echo "$1" >> "{told}"',
        'if [ "$1" = "$FAILS" ]; then echo working; echo "no such thing" >&2; exit 2; fi',
        f'eval "set -- $PYTEST_ADDOPTS"; printf %s \'{REPORT}\' > "${{1#--junitxml=}}"',
    ]
    (tmp_path / "make").write_text("\n".join(script) + "\n", encoding="utf-8")
    (tmp_path / "make").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("GDCOURSE_STATIC", "1")
    return lambda: told.read_text(encoding="utf-8").split()


def test_the_book_and_its_tests_are_timed_once_all_is_set_up(make):
    result = bench.measured(contests.book_and_tests(), rounds=1)
    assert make() == ["setup", "book", "test"]
    assert list(result.ms) == ["make book", "make test", "the longest notebook"]
    assert result.ms["the longest notebook"] == 3250.0
    assert result.notes == ["the longest notebook: book.adam.ipynb"]
    assert all(goal["is"] == result.ms[goal["who"]] for goal in result.goals)


def test_a_test_that_fails_gives_no_time_and_its_last_line(make, monkeypatch):
    monkeypatch.setenv("FAILS", "test")
    result = bench.measured(contests.book_and_tests(), rounds=1)
    assert list(result.ms) == ["make book"]
    assert result.not_run == {"make test": "it failed: no such thing"}
    assert [goal["is"] is None for goal in result.goals] == [False, True, True]


def test_what_ran_nowhere_has_no_panel(tmp_path):
    nothing = bench.Result("nothing", {}, {}, [], {"all": "no reason"})
    something = bench.Result("something", {"ours": 1.0}, {"ours": 0.0}, [], {})
    bench.draw([something, nothing], tmp_path / "both.png")
    bench.draw([something], tmp_path / "one.png")
    assert (tmp_path / "both.png").read_bytes() == (tmp_path / "one.png").read_bytes()


def run_of(threads: int, ratio: float | None) -> dict:
    goal = {"who": "ours, NumPy", "at_most": 2.0, "versus": "others", "is": ratio}
    contest = {
        "title": "work",
        "ms": {"ours, NumPy": 3.0, "others": 2.0},
        "spread": {"ours, NumPy": 0.1, "others": 0},
    }
    return {
        "machine": {"torch threads": threads},
        "contests": [contest | {"goals": [goal], "notes": ["a note"], "not_run": {"third": "no reason"}}],
    }


def test_the_page_shows_the_range_of_all_runs_and_bold_where_all_reach_the_goal():
    head, rows = bench_ext.goal_rows([run_of(2, 1.5), run_of(2, 1.25), run_of(1, 1.9), run_of(1, 2.1)])
    assert head == ["Work", "2 threads", "1 thread", "Goal", "Ours"]
    assert rows == [["work", "**1.25 – 1.5**", "1.9 – 2.1", "≤ 2 × others", "NumPy"]]
    assert bench_ext.goal_rows([run_of(1, None)])[1] == [["work", "not run", "≤ 2 × others", "NumPy"]]
    slow = run_of(1, 2500.0)
    slow["contests"][0]["goals"][0] |= {"versus": "", "at_most": 3000.0}
    assert bench_ext.goal_rows([slow])[1] == [["work", "**2.5**", "≤ 3 s", "NumPy"]]
    text = bench_ext.time_lines([run_of(1, 1.5)])
    assert (
        text.index("others")
        < text.index("ours, NumPy")
        < text.index("a note")
        < text.index("not run: third (no")
    )


def steps_run(threads: int, **ratios: float | None) -> dict:
    """A run whose steps of Adam and RAdam on two sizes reached these ratios."""
    made = []
    for name, versus, size, at_most in (
        ("Adam", "torch, fused", contests.LARGE, 1.05),
        ("RAdam", "torch, foreach", contests.LARGE, 1.0),
        ("Lookahead(Adam)", "ours around torch's fused", contests.RESNET, 1.1),
    ):
        who = contests.COMPILED
        goal = {"who": who, "at_most": at_most, "versus": versus, "is": ratios.get(name.partition("(")[0])}
        title = contests.METHODS[name].title
        made.append({"title": f"{title}, {size}", "goals": [goal, goal | {"who": "ours", "is": 9.0}]})
    return {"machine": {"torch threads": threads}, "contests": made}


def test_the_steps_stand_in_a_table_of_methods_and_sizes_and_not_among_the_other_goals():
    runs = [steps_run(2, Adam=1.01, RAdam=0.9), steps_run(2, Adam=1.04, RAdam=1.2)]
    head, rows = bench_ext.step_rows(runs, contests.COMPILED)
    assert head == ["Method", contests.LARGE, contests.RESNET, "Beside"]
    assert rows == [
        ["Adam", "**1.01 – 1.04** (≤ 1.05)", "–", "torch, fused"],
        ["RAdam", "0.9 – 1.2 (≤ 1)", "–", "torch, foreach"],
        ["Lookahead(Adam)", "–", "not run (≤ 1.1)", "ours around torch's fused"],
    ]
    assert bench_ext.step_rows(runs, contests.PLAIN)[1][0][1] == "9 (≤ 1.05)"
    older = steps_run(2, Adam=1.5)
    older["contests"][0]["goals"][0]["at_most"] = 1.2
    assert bench_ext.step_rows([*runs, older], contests.COMPILED)[1][0][1] == (
        "**1.01 – 1.04** (≤ 1.05); 1.5 (≤ 1.2)"
    )
    assert bench_ext.goal_rows(runs) == (["Work", "2 threads", "Goal", "Ours"], [])


def test_the_title_of_every_contest_of_steps_says_method_and_size():
    for name, size in product(contests.METHODS, contests.SIZES):
        found = bench_ext.STEP.fullmatch(f"{contests.METHODS[name].title}, {size}")
        assert found and (found["method"], found["size"]) == (name, size)
    assert not bench_ext.STEP.fullmatch("One path of 500 steps, Beale")


def timed(threads: int, loop: float, step: float, name: str = "Adam") -> dict:
    ms = {"ours": 9.0, "torch, fused": step, "bandwidth bound": loop}
    contest = {"title": f"{name}, one step, {contests.LARGE}", "ms": ms}
    small = {"title": f"{name}, one step, {contests.MANY}", "ms": ms | {"bandwidth bound": 1e9}}
    without = {"title": f"{name}, one step, {contests.LARGE}", "ms": {"ours": 1.0}}
    return {"machine": {"torch threads": threads}, "contests": [contest, small, without]}


def test_the_page_says_how_a_step_compares_with_the_loop_beside_it():
    # run one: 7 arrays in 5 ms and again in 4; a step of 4.5 beats the first loop, one of 4.8 not the second
    one, more = timed(2, 5.0, 4.5), timed(2, 4.0, 4.8, "RAdam")
    one["contests"] += more["contests"]
    # run two: by another machine, and of no account for the scatter of the first
    two = timed(1, 2.0, 1.96)
    text = bench_ext.bound_text([one, two])
    assert "In the 3 stored contests" in text and "took 0.9 – 1.2 times as long" in text
    assert "in 2 of them less time" in text and "up to 1.25 times" in text


def test_the_page_speaks_of_the_stored_runs_as_they_are():
    for run in bench_ext.stored():
        for title, loop, step in bench_ext.against_the_loop(run):
            contest = next(c for c in run["contests"] if c["title"] == title)
            assert contest["ms"]["bandwidth bound"] == loop
            assert step == min(ms for who, ms in contest["ms"].items() if who != "bandwidth bound")


def test_what_the_page_shows_is_what_the_benchmark_measures_now():
    """A run from before there was a ResNet-18 may lack methods, and sizes."""
    runs = bench_ext.stored()
    assert runs
    for run in runs:
        assert not run["quick"]
        titles = [contest["title"] for contest in run["contests"]]
        assert len(titles) == len(set(titles))
        found = [match for title in titles if (match := bench_ext.STEP.fullmatch(title))]
        steps = {(match["method"], match["size"]) for match in found}
        methods, sizes = {method for method, _ in steps}, {contests.LARGE, contests.MANY}
        if contests.RESNET in {size for _, size in steps}:
            methods, sizes = contests.METHODS.keys(), contests.SIZES.keys()
        assert len(methods) > 6 and steps >= {*product(methods, sizes)}
        assert any(title.startswith("61 × 61 slice") for title in titles)


def test_the_bars_of_a_run_are_as_long_as_its_times():
    run = {
        "contests": [
            {"title": "a <b>", "ms": {"torch, fused": 2.0, "ours": 1.0, "optax": 4.0}},
            {"title": "c", "ms": {}},
        ]
    }
    html = bench_ext.bars_html(run)
    assert html.count("<table") == 1 and "a &lt;b&gt;" in html
    found = re.findall(r'<tr class="(\w+)">.*?width:([\d.]+)%.*?<td>([\d.]+)</td>', html)
    assert found == [("ours", "25.0", "1"), ("torch", "50.0", "2"), ("other", "100.0", "4")]
