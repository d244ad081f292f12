"""Which versions `make verify` tries: read from pyproject.toml, found here, or said to be absent."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import setup_env  # these two: scripts/
import versions

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
HERE = ".".join(map(str, sys.version_info[:2]))


def test_the_oldest_is_the_lower_bound():
    assert versions.oldest("torch", ["numpy>=2", "torch>=2.6", "torchvision>=0.1"]) == "torch==2.6"


@pytest.mark.parametrize("dependency", ["torch", "torch<3", "torchvision>=0.1", "torch>=2.6,<3"])
def test_without_a_plain_lower_bound_a_sentence(dependency):
    with pytest.raises(ValueError, match="no lower bound for torch"):
        versions.oldest("torch", [dependency])


def test_the_oldest_python_is_said_once():
    assert PROJECT["requires-python"] == f">={setup_env.OLDEST[0]}.{setup_env.OLDEST[1]}"


@pytest.fixture
def python(monkeypatch, tmp_path):
    """Names an interpreter in the variable of this Python's version, and leaves none on PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return lambda path: monkeypatch.setenv("PYTHON" + HERE.replace(".", ""), str(path))


def test_a_python_that_a_variable_names(python):
    python(sys.executable)
    assert versions.find_python(HERE) == sys.executable


def test_a_python_on_the_path(python, tmp_path):
    (tmp_path / f"python{HERE}").symlink_to(sys.executable)
    assert versions.find_python(HERE) == str(tmp_path / f"python{HERE}")


def test_no_python(python):
    with pytest.raises(versions.NotRunError, match=f"there is no python{HERE} here; install it, or name one"):
        versions.find_python(HERE)


@pytest.mark.skipif(sys.platform == "win32", reason="stands in by a shell script")
def test_a_stand_in_that_does_not_start(python, tmp_path):
    stand_in = tmp_path / "python"
    stand_in.write_text("#!/bin/sh\necho 'command not found' >&2; exit 127\n")
    stand_in.chmod(0o755)
    python(stand_in)
    with pytest.raises(versions.NotRunError, match=f"is no Python {HERE}, it says 'command not found'"):
        versions.find_python(HERE)


def test_another_version_than_asked_for(python):
    python(sys.executable)
    os.environ["PYTHON30"] = sys.executable
    try:
        with pytest.raises(versions.NotRunError, match=f"is no Python 3.0, it says '{HERE}'"):
            versions.find_python("3.0")
    finally:
        del os.environ["PYTHON30"]


def test_what_is_not_run_is_said(monkeypatch, capsys):
    def none(version):
        raise versions.NotRunError("there is none")

    monkeypatch.setattr(versions, "find_python", none)
    assert versions.main([versions.PYTHON]) == versions.NOT_RUN
    assert capsys.readouterr().out == "Not run: there is none.\n"


class TestChecks:
    """What is installed, and what is run, with `pip` and `pytest` replaced by notes."""

    @pytest.fixture
    def noted(self, monkeypatch):
        noted = {"ran": []}

        def make_environment(env, stamp, commands, what, python):
            noted.update(env=env, stamp=stamp, pip=commands, python=python)

        def call(command, **_):
            noted["ran"].append([str(part) for part in command])
            return noted.get("status", 0)

        monkeypatch.setattr(setup_env, "make_environment", make_environment)
        monkeypatch.setattr(versions.subprocess, "call", call)
        monkeypatch.setattr(versions.subprocess, "check_call", lambda *_, **__: 0)
        monkeypatch.setattr(versions, "find_python", lambda version: f"python{version}")
        return noted

    def test_the_frameworks_run_their_own_tests_on_the_torch_of_the_book(self, noted):
        assert versions.main(["frameworks"]) == 0
        (only,) = noted["ran"]
        assert only[-1] == "tests/optim/test_frameworks.py" and only[only.index("slow") - 1] == "-m"
        assert (ROOT / only[-1]).exists()
        assert noted["pip"][0][-1] in (ROOT / "requirements.txt").read_text().splitlines()

    @pytest.mark.parametrize("name", sorted(versions.WHAT.keys() - {"frameworks"}))
    def test_each_has_an_environment_and_runs_the_library_and_the_notebooks(self, noted, name):
        assert versions.main([name]) == 0
        assert noted["env"] == ROOT / f".venv-{name}"
        library, book = noted["ran"]
        assert {library[0], book[0]} == {str(setup_env.python_of(noted["env"]))}
        assert {Path(path).name for path in library if path.startswith(str(ROOT / "tests"))} == {
            path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and any(path.glob("test_*.py"))
        }
        assert "--nbval" in book and book[-1] == "book"

    def test_the_environments_are_ignored_by_git(self, noted):
        for name in versions.WHAT:
            ignored = ["git", "check-ignore", "--quiet", f".venv-{name}/x"]
            assert subprocess.run(ignored, cwd=ROOT).returncode == 0, name

    def test_oldest_asks_for_the_bound_of_pyproject(self, noted):
        versions.main(["oldest"])
        (bound,) = (d for d in PROJECT["dependencies"] if re.match(r"torch\W", d))
        assert noted["pip"][0][-1] == bound.replace(">=", "==")

    def test_newest_is_looked_up_again_the_next_day(self, noted, monkeypatch):
        versions.main(["newest"])
        first = noted["stamp"]
        versions.main(["newest"])
        assert noted["stamp"] == first

        class Tomorrow(versions.datetime.date):
            @classmethod
            def today(cls):
                return cls(9999, 1, 1)

        monkeypatch.setattr(versions.datetime, "date", Tomorrow)
        versions.main(["newest"])
        assert noted["stamp"] != first and "--upgrade" in noted["pip"][0]

    def test_the_other_python_gets_what_venv_has(self, noted):
        versions.main([versions.PYTHON])
        assert noted["python"] == f"python{versions.PYTHON}" and noted["pip"] == setup_env.COMMANDS

    def test_a_failure_counts(self, noted):
        noted["status"] = 1
        assert versions.main(["oldest"]) == 1


def test_an_unknown_name(capsys):
    assert versions.main(["older"]) == 2
    assert "Name one of oldest, newest" in capsys.readouterr().err
