"""What the commands do on a bad day: a full disk, a place that cannot be written to, a run that was cut off.

The default tests fake the fault. Those marked slow produce it: a mount of four megabytes, a mount without
the right to write, a process without a network, a signal.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import build_book  # these five: scripts/
import notebooks as builder
import pytest
import safely
import setup_env
import verify

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = ROOT / "scripts"


def no_room(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def read_only(path, *_, **__):
    raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))


def interrupt(*_, **__):
    raise KeyboardInterrupt


def half_then(fault):
    """Path.write_text of a disk that is full, or of a user who loses patience, in the middle of a file."""

    def write_text(path, text, *_, **__):
        with path.open("w", encoding="utf-8") as file:
            file.write(text[: len(text) // 2])
        fault()

    return write_text


class TestWriteWhole:
    @pytest.mark.parametrize(
        "fault, error", [(no_room, OSError), (interrupt, KeyboardInterrupt)], ids=["full", "interrupted"]
    )
    def test_a_fault_leaves_what_was_there(self, tmp_path, monkeypatch, fault, error):
        file = tmp_path / "chapter.ipynb"
        safely.write_whole(file, "the old text")
        monkeypatch.setattr(Path, "write_text", half_then(fault))
        with pytest.raises(error):
            safely.write_whole(file, "the new text, longer")
        assert [path.name for path in tmp_path.iterdir()] == ["chapter.ipynb"]
        assert file.read_text() == "the old text"

    def test_the_error_names_the_file(self, tmp_path, monkeypatch):
        monkeypatch.setattr(Path, "write_text", half_then(no_room))
        with pytest.raises(OSError) as caught:
            safely.write_whole(tmp_path / "chapter.ipynb", "text")
        assert f"{tmp_path / 'chapter.ipynb'} could not be written" in safely.explain(caught.value)

    def test_what_a_killed_run_left_is_written_over(self, tmp_path):
        (tmp_path / ".chapter.ipynb.unfinished").write_text("half of it")
        safely.write_whole(tmp_path / "chapter.ipynb", "all of it")
        assert [path.name for path in tmp_path.iterdir()] == ["chapter.ipynb"]
        assert (tmp_path / "chapter.ipynb").read_text() == "all of it"


class TestRun:
    @pytest.mark.parametrize(
        "fault, status, says",
        [
            (interrupt, 130, "Interrupted. Run the command again"),
            (no_room, 1, "The disk is full: a file could not be written. Make room"),
            (lambda: read_only("_build"), 1, "_build could not be written .*make them writable"),
        ],
        ids=["interrupted", "full", "read-only"],
    )
    def test_a_sentence_and_an_exit_status(self, capsys, fault, status, says):
        assert safely.run(fault) == status
        said = capsys.readouterr().err
        assert re.search(says, said) and "Traceback" not in said

    def test_other_errors_are_faults_of_ours_and_stay(self):
        with pytest.raises(FileNotFoundError):
            safely.run(open, "no-such-file")

    def test_the_status_of_main_passes_through(self):
        assert safely.run(lambda status: status, 3) == 3


class TestCause:
    @pytest.mark.parametrize(
        "said, advice",
        [
            ("ERROR: [Errno 28] No space left on device", "The disk is full"),
            ("error: [Errno 30] Read-only file system: 'gdcourse.egg-info'", "make them writable"),
            ("broken by 'NewConnectionError('<pip>: …')'", "needs a network"),
            ("ERROR: No matching distribution found for torch==99", "^$"),
        ],
    )
    def test_from_what_was_said(self, tmp_path, said, advice):
        assert re.search(advice, safely.cause(said, [tmp_path]))

    def test_from_the_disk_where_nothing_was_said(self, tmp_path, monkeypatch):
        usage = shutil.disk_usage(tmp_path)
        monkeypatch.setattr(safely.shutil, "disk_usage", lambda place: usage._replace(free=7_000_000))
        assert f"{tmp_path} has 7 MB left" in safely.cause("", [tmp_path, tmp_path / "not there"])


class TestAlone:
    """Two runs at once wait for each other, and a child that outlives its parent counts as a run."""

    def test_a_second_run_waits(self, tmp_path):
        script = tmp_path / "script.py"
        script.write_text("")
        code = "import safely, sys\nwith safely.alone(sys.argv[1], 'at work'): print('in', flush=True)"
        with safely.alone(script, "at work"):
            second = subprocess.Popen(
                [sys.executable, "-c", code, script], cwd=SCRIPTS, stdout=subprocess.PIPE, text=True
            )
            assert second.stdout.readline() == "Another run is at work here: waiting for its end …\n"
            time.sleep(0.2)
            assert second.poll() is None
        assert second.communicate(timeout=20)[0] == "in\n"

    def test_a_child_keeps_the_lock(self, tmp_path):
        script = tmp_path / "script.py"
        script.write_text("")
        with safely.alone(script, "at work") as lock:
            child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, pass_fds=[lock])
        with script.open() as file:
            with pytest.raises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            child.communicate()
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def test_a_file_system_without_locks(self, tmp_path, monkeypatch):
        monkeypatch.setattr(safely.fcntl, "flock", no_room)
        (tmp_path / "script.py").write_text("")
        with safely.alone(tmp_path / "script.py", "at work"):
            pass


# A Python that makes an environment in a millisecond: $VENV and $PIP hold what it does on the way.
FAKE_PYTHON = """#!/bin/sh
case "$2 $3" in
"pip --version") ;;
"pip install") eval "$PIP" ;;
venv*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && eval "$VENV" ;;
esac
"""


@pytest.mark.skipif(sys.platform == "win32", reason="its Python is a shell script")
class TestSettingUp:
    @pytest.fixture(autouse=True)
    def place(self, tmp_path, monkeypatch):
        self.python, self.env = tmp_path / "python", tmp_path / ".venv"
        self.python.write_text(FAKE_PYTHON)
        self.python.chmod(0o755)
        monkeypatch.setattr(setup_env, "ROOT", tmp_path)
        # a lock of our own: nobody waits for the tests
        (tmp_path / "script.py").write_text("")
        monkeypatch.setattr(setup_env, "__file__", str(tmp_path / "script.py"))

    def make(self):
        return setup_env.make_environment(self.env, "stamp", [["package"]], "nothing", self.python)

    def make_in_a_process(self, **fault):
        """The same in a process that may be killed."""
        code = f"""
import setup_env, signal
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background is born deaf to it
setup_env.ROOT, setup_env.__file__ = Path({str(self.env.parent)!r}), {setup_env.__file__!r}
setup_env.make_environment(Path({str(self.env)!r}), "stamp", [["package"]], "nothing", {str(self.python)!r})
"""
        return subprocess.run([sys.executable, "-c", code], cwd=SCRIPTS, env=os.environ | fault).returncode

    def assert_recovers(self, capsys):
        assert self.make() is True
        assert "starting it afresh" in capsys.readouterr().out
        assert self.make() is False
        names = {path.name for path in self.env.iterdir()}
        assert names == {"bin", "set-up.log", setup_env.STAMP}

    @pytest.mark.parametrize(
        "step, does, says",
        [
            (
                "PIP",
                "echo '[Errno 28] No space left on device'; exit 1",
                r"pip failed .*\n.*\nThe disk is full",
            ),
            ("PIP", "echo 'broken by NewConnectionError'; exit 1", "needs a network"),
            ("PIP", "echo 'no such package'; exit 1", r"no such package\n$"),
            ("VENV", "echo 'Error: [Errno 28] No space left on device' >&2; exit 1", "The disk is full"),
            ("VENV", "echo 'Error: ensurepip is not available' >&2; exit 1", "python3-venv"),
        ],
    )
    def test_a_step_fails(self, monkeypatch, capsys, step, does, says):
        monkeypatch.setenv(step, does)
        with pytest.raises(setup_env.SetUpError, match=says):
            self.make()
        monkeypatch.delenv(step)
        self.assert_recovers(capsys)

    @pytest.mark.parametrize("step", ["VENV", "PIP"])
    def test_a_step_is_interrupted(self, step, capsys):
        assert self.make_in_a_process(**{step: "kill -INT $PPID; sleep 0.2; exit 1"}) == -signal.SIGINT
        self.assert_recovers(capsys)

    @pytest.mark.parametrize("step", ["VENV", "PIP"])
    def test_it_is_killed(self, step, capsys):
        assert self.make_in_a_process(**{step: "kill -9 $PPID; exec >/dev/null 2>&1; sleep 0.5"}) == -9
        assert not setup_env.is_ready(self.env, "stamp")
        started = time.monotonic()
        assert self.make() is True
        said = capsys.readouterr().out
        assert "waiting for its end" in said, "the step that outlived it was not waited for"
        assert time.monotonic() - started > 0.2 and "starting it afresh" in said
        assert self.make() is False

    def test_half_an_environment_is_made_afresh(self, capsys):
        (self.env / "bin").mkdir(parents=True)
        self.assert_recovers(capsys)

    def test_a_new_recipe_is_cut_off(self, monkeypatch, capsys):
        """The old stamp does not stand for the half-changed environment."""
        setup_env.make_environment(self.env, "old", [], "nothing", self.python)
        monkeypatch.setenv("PIP", "exit 1")
        with pytest.raises(setup_env.SetUpError):
            self.make()
        assert not setup_env.is_ready(self.env, "old") and not setup_env.is_ready(self.env, "stamp")
        monkeypatch.delenv("PIP")
        self.assert_recovers(capsys)

    def test_a_disk_too_full_for_the_log(self, monkeypatch, tmp_path):
        """What pip said is shown also where no file could take it."""
        log = tmp_path / "set-up.log"
        log.symlink_to("/dev/full")
        with pytest.raises(setup_env.SetUpError, match=r"the last line\n"):
            setup_env.run_quietly(["sh", "-c", "echo the last line; exit 1"], log, "pip")

    def test_a_linked_environment_is_left_alone(self, tmp_path):
        other = tmp_path / "somebody's"
        other.mkdir()
        (other / "thing").write_text("")
        self.env.symlink_to(other)
        with pytest.raises(setup_env.SetUpError, match="link to another folder"):
            self.make()
        assert [path.name for path in other.iterdir()] == ["thing"]

    def test_nothing_can_be_written(self, monkeypatch, capsys):
        monkeypatch.setattr(Path, "mkdir", read_only)
        assert safely.run(self.make) == 1
        assert ".venv could not be written" in capsys.readouterr().err

    @pytest.mark.parametrize("minor", [11, 13])
    def test_an_environment_of_another_python_stays_and_says_so(self, minor, tmp_path, monkeypatch, capsys):
        python = setup_env.python_of(tmp_path / ".venv")
        python.parent.mkdir(parents=True)
        python.write_text("#!/bin/sh\necho 3.11\n")
        python.chmod(0o755)
        (tmp_path / "requirements.txt").write_text("")
        shutil.copy(ROOT / "pyproject.toml", tmp_path)
        monkeypatch.setattr(setup_env, "ROOT", tmp_path)
        monkeypatch.setattr(setup_env, "make_environment", lambda *_, **__: False)
        monkeypatch.setattr(setup_env.sys, "version_info", (3, minor, 1, "final", 0))
        setup_env.set_up()
        said = ".venv has Python 3.11 and stays as it is; remove it to have one of 3.13.\n"
        assert capsys.readouterr().out == ("" if minor == 11 else said)

    def test_another_dependency_makes_another_recipe_and_another_setting_of_a_tool_none(
        self, tmp_path, monkeypatch
    ):
        text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
        monkeypatch.setattr(setup_env, "ROOT", tmp_path)

        def recipe(before, after):
            assert before in text
            (tmp_path / "pyproject.toml").write_text(text.replace(before, after), encoding="utf-8")
            return setup_env.package()

        same = recipe("", "")
        assert recipe("line-length = 110", "line-length = 100") == same
        assert recipe('"--strict-markers", ', "") == same
        for before, after in (
            ('"pytest>=9,<10"', '"pytest>=8"'),
            ("pytest11", "pytest12"),
            ('"gdcourse*"', '"x"'),
        ):
            assert recipe(before, after) != same

    def test_where_all_is_ready_nothing_is_written(self, monkeypatch):
        self.make()
        for name in ("mkdir", "write_text", "unlink"):
            monkeypatch.setattr(Path, name, read_only)
        assert self.make() is False


class TestBuilding:
    """The stamp of a site goes before the build begins and comes after its end."""

    @pytest.fixture(autouse=True)
    def place(self, tmp_path, monkeypatch):
        (tmp_path / "book").mkdir()
        (tmp_path / "book" / "page.md").write_text("text")
        for name in build_book.MADE_FROM:
            if not (tmp_path / name).exists():
                (tmp_path / name).parent.mkdir(exist_ok=True)
                (tmp_path / name).write_text("")
        monkeypatch.setattr(build_book, "ROOT", tmp_path)
        monkeypatch.setattr(build_book, "BUILD", tmp_path / "_build")
        monkeypatch.setattr(build_book, "SITE", tmp_path / "_build" / "html")
        monkeypatch.setattr(build_book, "STAMP", tmp_path / "_build" / "built-from.txt")
        monkeypatch.setattr(build_book, "__file__", str(tmp_path / "scripts" / "build_book.py"))
        monkeypatch.setattr(build_book.finish, "finish", lambda site: None)  # of a site without pages
        monkeypatch.setattr(build_book.slides, "make", lambda site: None)
        self.patch, self.runs = monkeypatch, 0

    def jupyter_book(self, then=lambda: 0):
        def call(*_, **__):
            self.runs += 1
            assert not build_book.STAMP.exists(), "a site in the making has a stamp"
            build_book.SITE.mkdir()
            (build_book.SITE / "index.html").write_text("<p>")
            return then()

        self.patch.setattr(build_book.subprocess, "call", call)

    def build(self, *arguments):
        return safely.run(build_book.main, list(arguments))

    def test_once(self):
        self.jupyter_book()
        assert self.build("--if-stale") == 0 and build_book.is_fresh()
        assert self.build("--if-stale") == 0 and self.runs == 1

    @pytest.mark.parametrize(
        "then, status, says",
        [
            (interrupt, 130, "Interrupted"),
            (no_room, 1, "disk is full"),
            (lambda: 1, 1, "The book was not built .*: the warnings and errors above"),
        ],
        ids=["interrupted", "full", "failed"],
    )
    def test_a_cut_off_build_is_stale_and_made_good(self, capsys, then, status, says):
        self.jupyter_book()
        self.build()
        self.jupyter_book(then)
        assert self.build() == status
        assert re.search(says, capsys.readouterr().err)
        assert not build_book.is_fresh()
        self.jupyter_book()
        assert self.build("--if-stale") == 0 and build_book.is_fresh() and self.runs == 3

    def test_no_room_for_the_last_files(self, monkeypatch, capsys):
        self.jupyter_book()
        with monkeypatch.context() as patch:
            patch.setattr(safely, "write_whole", no_room)
            assert self.build() == 1 and not build_book.is_fresh()
        assert "disk is full" in capsys.readouterr().err

    def test_a_failure_on_a_full_disk_is_laid_to_the_disk(self, monkeypatch, capsys):
        monkeypatch.setattr(safely, "full_disks", lambda places: [f"{places[0]} has 0 MB left"])
        self.jupyter_book(lambda: 1)
        assert self.build() == 1
        assert "_build has 0 MB left" in capsys.readouterr().err

    def test_an_old_site_that_cannot_be_removed_is_no_new_one(self, monkeypatch, capsys):
        self.jupyter_book()
        self.build()

        def rmtree(path, ignore_errors=False):
            if not ignore_errors:
                read_only(path)

        monkeypatch.setattr(build_book.shutil, "rmtree", rmtree)
        assert self.build() == 1 and self.runs == 1 and not build_book.is_fresh()
        assert "html could not be written or removed" in capsys.readouterr().err

    def test_the_rest_of_a_killed_make_notebooks_is_no_source(self):
        before = build_book.fingerprint()
        (build_book.ROOT / "book" / ".adam.ipynb.unfinished").write_text("half")
        assert build_book.fingerprint() == before
        (build_book.ROOT / "book" / "adam.ipynb").write_text("whole")
        assert build_book.fingerprint() != before


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")
def test_clean_removes_the_stamp_first():
    """A `make clean` that was interrupted leaves no half of a site that looks fresh."""
    command = ["make", "-n", "--no-print-directory", "clean"]
    outside = {name: value for name, value in os.environ.items() if "MAKE" not in name}  # of `make test`
    planned = subprocess.run(command, cwd=ROOT, env=outside, capture_output=True, text=True, check=True)
    first = planned.stdout.splitlines()[0]
    assert first == f"rm -f {build_book.STAMP.relative_to(ROOT)}"


class TestNotebooks:
    @pytest.mark.parametrize("fault", [no_room, interrupt], ids=["full", "interrupted"])
    def test_a_fault_while_storing_leaves_the_old_notebook(self, tmp_path, monkeypatch, fault):
        source = builder.SOURCES / "introduction.md"
        stored = tmp_path / "introduction.ipynb"
        stored.write_text("the old notebook")
        monkeypatch.setattr(builder, "NOTEBOOKS", tmp_path)
        monkeypatch.setattr(builder, "execute", lambda path, notebook: None)
        monkeypatch.setattr(builder, "tidy", lambda path, notebook: None)
        with monkeypatch.context() as patch:
            patch.setattr(Path, "write_text", half_then(fault))
            with pytest.raises((OSError, KeyboardInterrupt)):
                builder.make(source)
        assert stored.read_text() == "the old notebook" and len(list(tmp_path.iterdir())) == 1
        assert builder.make(source)[1] == "" and stored.read_text().startswith("{")

    def test_a_killed_worker_gets_a_sentence(self, monkeypatch, capsys):
        class Pool(builder.ProcessPoolExecutor):
            def map(self, *_):
                yield "adam", "", 1.0
                raise BrokenProcessPool

        monkeypatch.setattr(builder, "ProcessPoolExecutor", Pool)
        assert builder.make_all([Path("adam.md"), Path("radam.md")]) == 1
        said = capsys.readouterr()
        assert "was killed" in said.err and "1 notebooks stored in book/, 1 not" in said.out

    @pytest.mark.skipif(sys.platform == "win32", reason="kills by a signal of Unix")
    def test_no_worker_outlives_the_command(self, tmp_path):
        script = tmp_path / "script.py"
        script.write_text(
            "import multiprocessing, os, sys, time\n"
            "from concurrent.futures import ProcessPoolExecutor\n"
            "import notebooks\n"
            "def work(_):\n"
            "    print(os.getpid(), flush=True)\n"
            "    time.sleep(60)\n"
            "if __name__ == '__main__':\n"
            "    context = multiprocessing.get_context('spawn')\n"
            "    with ProcessPoolExecutor(1, context, initializer=notebooks.end_with_parent) as pool:\n"
            "        list(pool.map(work, [0]))\n"
        )
        command = subprocess.Popen(
            [sys.executable, script],
            env=os.environ | {"PYTHONPATH": str(SCRIPTS)},
            stdout=subprocess.PIPE,
            text=True,
        )
        worker = int(command.stdout.readline())
        os.kill(command.pid, signal.SIGKILL)
        command.wait()
        until = time.monotonic() + 10
        while alive(worker):
            assert time.monotonic() < until, "the worker goes on"
            time.sleep(0.05)


def alive(pid):
    """Whether a process runs. One that has ended and waits for its parent to notice does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
    return bool(state.strip()) and not state.startswith("Z")


def test_verify_says_what_was_not_run(monkeypatch, capsys):
    def leaves(status):
        return [sys.executable, "-c", f"raise SystemExit({status})"]

    monkeypatch.setattr(verify, "CHECKS", [("good", {}, leaves(0)), ("absent", {}, leaves(77))])
    assert verify.main([]) == 0
    summary = capsys.readouterr().out.split("Summary")[1]
    assert re.search(r"passed +\d+ s  good\n +not run +\d+ s  absent", summary)
    monkeypatch.setattr(verify, "CHECKS", [("good", {}, leaves(0)), ("bad", {}, leaves(1))])
    assert verify.main([]) == 1 and verify.main(["good"]) == 0
    capsys.readouterr()
    assert verify.main(["bda"]) == 1
    assert capsys.readouterr().err == "No check has bda in its name. There are: good; bad.\n"


# The same, produced. A book of one page is built in a copy of the sources, inside mounts of its own.
IN_MOUNTS = ["unshare", "--mount", "--net", "sh", "-e", "-c"]


def may_mount():
    """Whether this user may make mounts and a network of nothing, in a namespace of their own."""
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*IN_MOUNTS, "mount -t tmpfs none /mnt"], capture_output=True).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not may_mount(), reason="takes Linux's `unshare` and root's rights to make mounts")
class TestForReal:
    BUILD = "python scripts/build_book.py"

    @pytest.fixture
    def copy(self, tmp_path):
        place = tmp_path / "checkout"
        ignore = shutil.ignore_patterns("__pycache__", "*.ipynb", "src")
        for name in ("book", "gdcourse", "scripts"):
            shutil.copytree(ROOT / name, place / name, ignore=ignore)
        for name in ("_config.yml", "requirements.txt", "pyproject.toml"):
            shutil.copy(ROOT / name, place)
        for claims in (place / "gdcourse" / "experiments" / "ledger").glob("*.toml"):
            claims.unlink()
        (place / "_toc.yml").write_text("format: jb-book\nroot: book/tiny\n")
        (place / "book" / "tiny.md").write_text("# A page\n\nIt says something.\n")
        (place / "_build").mkdir()
        return place

    def run(self, copy, script):
        """A shell script in the copy, where `python` is this one, with mounts and without a network."""
        code = f'ip link set lo up || true\npython() {{ {sys.executable} "$@"; }}\ncd {copy}\n{script}'
        return subprocess.run([*IN_MOUNTS, code], capture_output=True, text=True, timeout=300)

    def test_sources_that_cannot_be_written_to_and_no_network(self, copy):
        done = self.run(
            copy,
            f"mount --bind . .; mount -t tmpfs none _build; mount -o remount,ro,bind .; cd {copy}\n"
            f"! touch book/x\n{self.BUILD}\ntest -e _build/html/index.html\n{self.BUILD} --if-stale",
        )
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
        assert done.stdout.endswith("The site in _build/html is up to date.\n")

    def test_nothing_can_be_written_to(self, copy):
        done = self.run(copy, f"mount --bind . .; mount -o remount,ro,bind .; cd {copy}\n{self.BUILD}")
        assert done.returncode == 1 and "Traceback" not in done.stderr
        assert "Read-only file system" in done.stderr and "make them writable" in done.stderr

    def test_a_full_disk_and_then_room(self, copy):
        done = self.run(
            copy,
            f"mount -t tmpfs -o size=3m none _build\n! {self.BUILD}\ntest ! -e _build/built-from.txt\n"
            f"mount -o remount,size=200m _build\n{self.BUILD}\n{self.BUILD} --if-stale",
        )
        assert "The disk is full" in done.stderr and "_build has 0 MB left" in done.stderr
        assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
        assert done.stdout.endswith("The site in _build/html is up to date.\n")

    @pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
    def test_a_build_is_cut_off(self, copy, sent):
        command = [sys.executable, "scripts/build_book.py"]
        build = subprocess.Popen(
            command,
            cwd=copy,
            start_new_session=True,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        until = time.monotonic() + 120
        while not (copy / "_build" / "html").exists():  # it is under way
            assert build.poll() is None and time.monotonic() < until
            time.sleep(0.01)
        os.killpg(build.pid, sent)
        said = build.communicate()[1]
        if sent == signal.SIGINT:
            assert build.returncode == 130 and "Interrupted. Run the command again" in said
        assert not (copy / "_build" / "built-from.txt").exists()
        again = subprocess.run([*command, "--if-stale"], cwd=copy, capture_output=True, text=True)
        assert again.returncode == 0 and "The book is built" in again.stdout, again.stderr[-2000:]
