"""The benchmark: that it runs, measures what it says, and tells what it did not run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path

import bench  # scripts/bench.py
import numpy as np
import pytest
import torch

import gdcourse as gd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))
import bench_ext  # noqa: E402


def test_quick(tmp_path):
    command = [sys.executable, "scripts/bench.py", "--quick", "--threads", "1", "--out", str(tmp_path)]
    variables = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG")
    written = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert written["quick"] and written["machine"]["torch threads"] == 1
    assert len(written["contests"]) == 9
    for contest in written["contests"]:
        assert contest["title"] in done.stdout
        assert contest["ms"] and all(ms > 0 for ms in contest["ms"].values())
        assert all(spread >= 0 for spread in contest["spread"].values())
        ours = [who for who in contest["ms"] if who.startswith("ours")]
        assert ours and contest["goals"], contest["title"]
        for goal in contest["goals"]:
            assert goal["is"] is not None or {goal["who"], goal["versus"]} & set(contest["not_run"])
        for who, why in contest["not_run"].items():
            assert f"not run: {who} ({why})" in done.stdout


def test_who_fails_is_named_and_the_others_are_measured():
    def fail():
        raise RuntimeError("no such kernel\nand more")

    contest = bench.Contest("a", {"one": lambda: None, "other": fail}, [bench.Goal("one", 2.0, "other")])
    result = bench.measure(contest, rounds=2)
    assert set(result.ms) == {"one"} and result.not_run == {"other": "RuntimeError: no such kernel"}
    assert result.goals[0]["is"] is None and "not measured" in bench.table(result)


def test_of_several_ways_the_fastest_counts_and_the_range_is_told(monkeypatch):
    took = {"slow": 4.0, "quick": 3.0, "other": 3.5}
    monkeypatch.setattr(bench, "milliseconds", lambda turn, each: took[turn()])
    contest = bench.Contest("a", {"loops": [lambda: "slow", lambda: "quick"], "step": lambda: "other"})
    result = bench.measure(contest, rounds=3)
    assert result.ms == {"loops": 3.0, "step": 3.5} and result.spread == {"loops": 0.0, "step": 0.0}
    assert result.notes == ["loops: of 2 ways, from 3 to 4 ms"] and result.notes[0] in bench.table(result)


@pytest.mark.parametrize("arrays", [5, 7, 7.8])
def test_the_loops_of_the_bandwidth_bound_move_as_many_numbers_as_a_step(arrays):
    """What is read and written, told by the arrays that a loop holds: the one changed counts twice."""
    stepping = bench.Stepping([(600,), (300,)])
    loops = stepping.bound(arrays)
    assert len(loops) == 2 * bench.PLACES
    for loop in loops:
        a, *read = getattr(loop, "__defaults__", None) or (loop.__self__,)
        before = a.clone()
        loop()
        assert (a != before).all()
        assert abs(2 * a.numel() + sum(b.numel() for b in read) - 900 * arrays) < 3


def test_a_step_of_a_method_touches_its_point_its_gradient_and_its_state():
    for name, method in bench.METHODS.items():
        rule = getattr(gd, name)() if name not in ("Momentum", "Nesterov") else getattr(gd, name)(0.1)
        state = len(rule.init(torch.zeros(1), torch.zeros(1)))
        assert method.arrays == bench.arrays_of(f"{name}, one step") == 1 + 2 * (1 + state), name
    assert bench.arrays_of("Lookahead(Adam), one of 5 steps") == 7 + 4 / bench.K


def test_goals_are_ratios_or_milliseconds():
    ms = {"one": 3.0, "other": 2.0}
    assert bench.reached(bench.Goal("one", 2.0, "other"), ms) == 1.5
    assert bench.reached(bench.Goal("one", 15.0), ms) == 3.0
    for goal, verdict in (
        (bench.Goal("one", 1.6, "other"), "1.5, reached"),
        (bench.Goal("one", 1.4, "other"), "NOT"),
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

    contest = bench.Contest(
        "a sort", {"slow": slow, "quick": lambda: None}, [bench.Goal("slow", 1.0, "quick")]
    )
    (text,) = bench.measure(contest, 2).profiles
    assert text.startswith("a sort: slow\n") and "sorted" in text and "/" not in text
    contest = bench.Contest(
        "a sort", {"slow": slow, "quick": lambda: None}, [bench.Goal("quick", 1.0, "slow")]
    )
    assert bench.measure(contest, 2).profiles == []


def test_a_captured_step_is_recorded_at_the_first_call_and_replayed_by_each(monkeypatch):
    """On stand-ins for torch's: on a GPU, they count what would be done."""
    told = []

    class Graph:
        def replay(self):
            told.append("replay")

    class Stream:
        def wait_stream(self, other):
            pass

    @contextmanager
    def graph(_):
        told.append("begin")
        yield
        told.append("end")

    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", lambda _: nullcontext())
    monkeypatch.setattr(torch.cuda, "graph", graph)
    turn = bench.captured(lambda: told.append("step"))
    assert told == []
    turn()
    turn()
    assert told == [*["step"] * 3, "begin", "step", "end", "replay", "replay"]


@pytest.mark.parametrize("name", bench.METHODS)
def test_the_parts_of_a_step_are_what_the_step_does(name):
    """The rule by itself moves every element of a vector that lies ready."""
    method, stepping = bench.METHODS[name], bench.Stepping([(3, 2), (4,)])
    kind = getattr(gd.optim, name)
    parts = bench.parts_of(kind, method.arguments, stepping, compile=False)
    hooks, copying, rule = parts.values()
    hooks()
    copying()
    assert (rule() != 0).all()


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

    assert 8e6 <= bench.torch_peak(by_torch) < 8.1e6
    assert 8e6 <= bench.numpy_peak(by_numpy) < 8.1e6


REPORT = """<testsuites><testsuite>
<testcase classname="tests.test_house" name="test_long" time="99.0"/>
<testcase classname="book.adam.ipynb" name="Cell 0" time="2.0"/>
<testcase classname="book.radam.ipynb" name="Cell 0" time="2.5"/>
<testcase classname="book.adam.ipynb" name="Cell 1" time="1.25"/>
</testsuite></testsuites>
"""


def test_the_longest_notebook_is_that_whose_cells_take_most_together():
    assert bench.longest_notebook(REPORT) == ("book.adam.ipynb", 3.25)


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
    result = bench.book_and_tests()
    assert make() == ["setup", "book", "test"]
    assert list(result.ms) == ["make book", "make test", "the longest notebook"]
    assert result.ms["the longest notebook"] == 3250.0
    assert result.notes == ["the longest notebook: book.adam.ipynb"]
    assert all(goal["is"] == result.ms[goal["who"]] for goal in result.goals)


def test_a_test_that_fails_gives_no_time_and_its_last_line(make, monkeypatch):
    monkeypatch.setenv("FAILS", "test")
    result = bench.book_and_tests()
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


def timed(threads: int, loop: float, step: float, name: str = "Adam") -> dict:
    ms = {"ours": 9.0, "torch, fused": step, "of ours: a part": 0.1, "bandwidth bound": loop}
    contest = {"title": f"{name}, one step, {bench.LARGE}", "ms": ms}
    small = {"title": f"{name}, one step, {bench.MANY}", "ms": ms | {"bandwidth bound": 1e9}}
    return {"machine": {"torch threads": threads}, "contests": [contest, small]}


def test_the_page_says_how_often_a_step_beat_the_loop_beside_it_and_the_best_loop_of_its_run():
    # run one: 7 arrays in 5 ms and again in 4; a step of 4.5 beats the first loop and not the best one
    one, more = timed(2, 5.0, 4.5), timed(2, 4.0, 4.8, "RAdam")
    one["contests"] += more["contests"]
    # run two: a step that beats the only loop; it is by another machine, and no bound for the first
    two = timed(1, 2.0, 1.96)
    text = bench_ext.bound_text([one, two])
    assert "In 2 of the 3 stored contests" in text and "by 10 % at most" in text
    assert "1.25 times" in text
    assert "in 1 the step is still ahead, by 2 % at most" in text


def test_the_page_speaks_of_the_stored_runs_as_they_are():
    runs = bench_ext.stored()
    for run in runs:
        for title, loop, step, best in bench_ext.against_the_loop(run):
            contest = next(c for c in run["contests"] if c["title"] == title)
            assert contest["ms"]["bandwidth bound"] == loop >= best - 1e-12
            assert step in contest["ms"].values()
            # the page calls the loop a yardstick near which the fastest steps come
            assert 0.9 < step / loop < 1.25


def test_what_the_page_shows_is_what_the_benchmark_measures_now():
    runs = bench_ext.stored()
    assert len({run["machine"]["torch threads"] for run in runs}) > 1
    for run in runs:
        assert not run["quick"]
        titles = [contest["title"] for contest in run["contests"]]
        assert len(titles) == len(set(titles))
        for name in (*bench.METHODS, "Lookahead(Adam)"):
            assert {title.rpartition(", ")[2] for title in titles if title.startswith(f"{name}, one")} >= {
                bench.LARGE,
                bench.MANY,
            }
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
