"""The commands, and the files that describe the project to people and to machines."""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import serve  # scripts/serve.py
import setup_env  # scripts/setup_env.py
import yaml

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = (".github/workflows/book.yml", ".github/workflows/verify.yml")
TARGETS = {
    *("setup", "book", "pdf", "serve", "test", "verify", "bench", "race"),
    *("notebooks", "handout", "new", "lint", "lab", "clean", "help"),
}


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def makefile_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", text("Makefile"), flags=re.MULTILINE))


def our_files() -> list[Path]:
    """What is (or would be) tracked: git's list, without what it ignores."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if listed.returncode or not listed.stdout:
        pytest.skip("this is not a git checkout")
    return [path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file()]


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_make_help_lists_every_target():
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    listed = set(re.findall(r"^make ([a-z]+)", shown, flags=re.MULTILINE))
    assert listed == makefile_targets() == TARGETS


def test_documents_name_only_commands_that_exist():
    for name in ("README.md", "CONTRIBUTING.md", *WORKFLOWS, ".ci/run"):
        named = set(re.findall(r"(?:`|^\s*(?:run: |- run: )?)make ([a-z]+)", text(name), flags=re.MULTILINE))
        assert named <= makefile_targets(), name
        assert named, f"{name} names no command"


def test_what_the_readme_shows_and_links_to_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", text("README.md")):
        assert target.startswith("https://") or (ROOT / target).exists(), target


def test_an_old_python_gets_a_sentence():
    with pytest.raises(setup_env.SetUpError, match=r"Python 3\.9.*needs Python 3\.11"):
        setup_env.check_python(version=(3, 9))


@pytest.mark.parametrize("missing", ["venv", "ensurepip"])
def test_a_python_without_venv_gets_a_sentence(missing):
    with pytest.raises(setup_env.SetUpError, match=f"{missing}.*python3-venv"):
        setup_env.check_python(has_module=lambda name: name != missing)


def test_the_sentence_reaches_the_user(monkeypatch, capsys):
    monkeypatch.setattr(setup_env.importlib.util, "find_spec", lambda name: None)
    assert setup_env.main([]) == 1
    shown = capsys.readouterr()
    assert "python3-venv" in shown.err and "Traceback" not in shown.err


class TestMakeEnvironment:
    """The environment is made once, made again when its recipe changes, and mended after an interruption."""

    @pytest.fixture
    def env(self, tmp_path, monkeypatch):
        monkeypatch.setattr(setup_env, "ROOT", tmp_path)
        return tmp_path / ".venv"

    def make(self, env, stamp="one", commands=()):
        return setup_env.make_environment(env, stamp, list(commands), "nothing")

    @pytest.mark.slow
    def test_made_good_after_a_failure_made_once_and_again_when_the_recipe_changes(self, env, capsys):
        """With the real Python and pip, which take seconds; test_safely.py has every other fault."""
        with pytest.raises(setup_env.SetUpError, match=r"pip failed.*\n.*no-such-folder"):
            self.make(env, commands=[["--no-index", "./no-such-folder"]])
        capsys.readouterr()
        assert self.make(env) is True  # not taken for finished
        assert "starting it afresh" in capsys.readouterr().out
        assert self.make(env) is False
        assert self.make(env, stamp="two") is True
        assert setup_env.python_of(env).exists()


class TestAnEnvironmentOfSomebodyElse:
    """What these commands did not make they do not remove."""

    def made(self, tmp_path, *options):
        env = tmp_path / ".venv"
        subprocess.run([sys.executable, "-m", "venv", *options, str(env)], check=True)
        (env / "mine.txt").write_text("precious")
        return env

    def test_without_pip_it_gets_one_and_stays(self, tmp_path, capsys):
        env = self.made(tmp_path, "--without-pip")
        assert setup_env.make_environment(env, "stamp", [], "nothing")
        assert (env / "mine.txt").exists() and setup_env.works(env)
        assert "it has one now" in capsys.readouterr().out

    def test_one_that_cannot_have_pip_is_left_alone_and_the_sentence_says_what_to_do(self, tmp_path):
        env = self.made(tmp_path, "--without-pip")
        python = setup_env.python_of(env)
        python.unlink()
        python.write_text("#!/bin/sh\nexit 1\n")
        python.chmod(0o755)
        with pytest.raises(setup_env.SetUpError, match=r"not made by these commands.*Move it away"):
            setup_env.make_environment(env, "stamp", [], "nothing")
        assert (env / "mine.txt").exists()
        assert not (env / setup_env.UNFINISHED).exists(), "it would be taken for ours"

    @pytest.mark.parametrize("pip", [pytest.param(True, marks=pytest.mark.slow), False])
    def test_one_made_by_conda_is_somebody_elses_too(self, tmp_path, pip):
        env = self.made(tmp_path, *([] if pip else ["--without-pip"]))
        (env / "conda-meta").mkdir()
        if not pip:  # conda's own Python, of which nothing can be known here but that it starts
            python = setup_env.python_of(env)
            python.unlink()
            python.write_text("#!/bin/sh\nexit 1\n")
            python.chmod(0o755)
            (env / "pyvenv.cfg").unlink()
            with pytest.raises(setup_env.SetUpError, match="left as it is"):
                setup_env.make_environment(env, "stamp", [], "nothing")
        else:
            assert setup_env.make_environment(env, "stamp", [], "nothing")
            assert setup_env.python_version(env) == "{}.{}".format(*sys.version_info)
        assert (env / "mine.txt").exists()

    def test_uv_is_used_where_it_is_and_pip_has_no_settings(self, tmp_path, monkeypatch):
        env = self.made(tmp_path)
        monkeypatch.setattr(setup_env.shutil, "which", lambda name: f"/bin/{name}")
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        assert setup_env.installer(env)[1] == "-m", "pip has a setting: where its settings are"
        monkeypatch.delenv("PIP_CONFIG_FILE")
        no_settings = subprocess.CompletedProcess([], 0, stdout="")
        monkeypatch.setattr(setup_env.subprocess, "run", lambda *a, **k: no_settings)
        assert setup_env.installer(env)[:3] == ["/bin/uv", "pip", "install"]
        settings = subprocess.CompletedProcess([], 0, stdout="global.index-url='https://example.org'")
        monkeypatch.setattr(setup_env.subprocess, "run", lambda *a, **k: settings)
        assert setup_env.installer(env)[1] == "-m"


class TestServe:
    def test_a_port_that_is_taken_gives_way_to_the_next_free_one(self, capsys):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with serve.open_server(port) as server:
                assert port < server.server_port <= port + 20
            assert f"Port {port} is not free here: {server.server_port}" in capsys.readouterr().out

    def test_no_port_at_all_is_a_sentence(self, monkeypatch):
        def taken(*_):
            raise OSError(errno.EADDRINUSE, "in use")

        monkeypatch.setattr(serve.http.server, "ThreadingHTTPServer", taken)
        with pytest.raises(SystemExit, match=r"No port from 8000 to 8020.*PORT=8100"):
            serve.open_server(8000)
        with pytest.raises(SystemExit, match="No port"):
            serve.open_server(70000)


def test_without_chromium_and_rights_a_sentence_says_what_is_skipped(monkeypatch, capsys):
    monkeypatch.setattr(setup_env, "find_chromium", lambda: None)
    monkeypatch.setattr(setup_env, "privilege", lambda: None)
    monkeypatch.delenv("CI", raising=False)
    setup_env.set_up_system()
    said = capsys.readouterr().out
    assert "will be skipped" in said and "no Chromium" in said


def test_yaml_files_are_valid():
    for name in ("_config.yml", "_toc.yml", "CITATION.cff", ".binder/environment.yml"):
        assert isinstance(yaml.safe_load(text(name)), dict), name


def test_the_workflow_runs_the_two_commands_and_publishes_the_site():
    workflow = yaml.safe_load(text(".github/workflows/book.yml"))
    assert set(workflow[True]) >= {"push", "pull_request"}  # YAML reads the key `on` as true
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    runs = "\n".join(step.get("run", "") for step in steps)
    assert "make book" in runs and "make test" in runs
    uses = [step["uses"].split("@")[0] for step in steps if "uses" in step]
    assert {"actions/checkout", "actions/setup-python", "actions/upload-pages-artifact"} <= set(uses)
    assert "actions/deploy-pages" in uses


def test_ci_runs_both_commands():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111, ".ci/run is not executable"
    assert {"make book", "make test"} <= set(
        re.findall(r"^make [a-z]+", script.read_text(), flags=re.MULTILINE)
    )
    if bash := shutil.which("bash"):
        subprocess.run([bash, "-n", str(script)], check=True)


def test_one_version_one_address():
    project = tomllib.loads(text("pyproject.toml"))["project"]
    citation = yaml.safe_load(text("CITATION.cff"))
    config = yaml.safe_load(text("_config.yml"))
    address = config["repository"]["url"]
    assert project["version"] == citation["version"]
    assert project["urls"]["Source"] == citation["repository-code"] == address
    assert project["urls"]["Book"] == citation["url"] == config["html"]["baseurl"]
    assert address.removeprefix("https://github.com/") in text("README.md")


def test_the_talk_is_named_as_on_its_first_slide():
    citation = yaml.safe_load(text("CITATION.cff"))
    talk = citation["references"][0]
    assert talk["authors"][0]["family-names"] == "Rasamoelina"
    for name in ("README.md", "book/src/intro.md"):
        page = re.sub(r"\s+", " ", text(name)).lower()
        title = "advance in gradient based optimization method for deep neural network"
        for part in (title, "an exploration guide for the moving land", "andrinandrasana david rasamoelina"):
            assert part in page, f"{name} does not say {part!r}"
        assert "center for intelligent technologies" in page


def test_the_package_carries_its_data():
    data = tomllib.loads(text("pyproject.toml"))["tool"]["setuptools"]["package-data"]
    carried = {
        path
        for package, patterns in data.items()
        for pattern in patterns
        for path in ROOT.joinpath(*package.split(".")).glob(pattern)
    }
    beside_code = {p for p in ROOT.glob("gdcourse/**/*.*") if p.suffix not in (".py", ".pyc")}
    assert beside_code and carried == beside_code


def test_requirements_hold_what_the_package_depends_on():
    dependencies = tomllib.loads(text("pyproject.toml"))["project"]["dependencies"]
    names = {
        re.match(r"[\w.-]+", line)[0]
        for line in text("requirements.txt").splitlines()
        if re.match(r"\w", line)
    }
    assert {re.match(r"[\w.-]+", d)[0] for d in dependencies} <= names


def test_no_path_of_one_machine_is_kept():
    paths = re.compile(r"(?<![\w./:~-])/(?:work|tmp|root|home/\w+|Users/\w+)/")
    for path in our_files():
        if path == Path(__file__) or "stix" in path.parts:
            continue
        try:
            found = paths.search(path.read_text(encoding="utf-8"))
        except UnicodeDecodeError:
            continue
        assert not found, f"{path.relative_to(ROOT)} holds {found[0]!r}"


def test_no_large_file_is_kept():
    for path in our_files():
        vendored = path.parent.name == "_pyodide"  # Python for the page, as its authors publish it
        assert path.stat().st_size < 4_000_000 or vendored, path.relative_to(ROOT)


def test_python_is_the_one_of_the_classifiers():
    assert sys.version_info >= setup_env.OLDEST
