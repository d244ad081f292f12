"""The benchmark: that it runs, measures what it says, and tells what it did not run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import bench  # scripts/bench.py
import pytest

ROOT = Path(__file__).resolve().parents[1]


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


def test_an_unknown_part_is_refused(capsys):
    with pytest.raises(SystemExit):
        bench.settings(["stepss"])
    assert "there is no part stepss" in capsys.readouterr().err
