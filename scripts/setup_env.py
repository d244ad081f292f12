"""Make `.venv` and install into it what the book, the library and the tests need.

    python3 scripts/setup_env.py              the environment, .venv
    python3 scripts/setup_env.py --browser    also Chromium and Node for the tests of the pages, if it can
    python3 scripts/setup_env.py --lab        also JupyterLab, in an environment of its own, .venv-lab

Runs on the system's Python with its standard library alone. A second run does nothing and needs
no network: a stamp holds the hash of what was installed. A run that was cut off is made good by
the next. Two runs at once wait for each other.
"""

import argparse
import contextlib
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import safely

ROOT = Path(__file__).resolve().parents[1]
OLDEST = (3, 11)
STAMP, UNFINISHED = "gdcourse-stamp.txt", "gdcourse-unfinished.txt"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
COMMANDS = [["-r", "requirements.txt"], ["--no-deps", "--no-build-isolation", "-e", "."]]
LAB_PACKAGES = ["jupyterlab>=4,<5", "jupyterlab_widgets"]
COSTS = (
    "half a gigabyte to download and two on the disk, several more where PyTorch comes with its GPU "
    "libraries, as on Linux by default; some three minutes with pip, half a minute with uv"
)
LAB_COSTS = "a tenth of a gigabyte to download, a third on the disk; about a minute"


class SetUpError(Exception):
    """The set-up cannot go on; the message says in a sentence why, and what helps."""


def check_python(version=None, has_module=None):
    """Raise SetUpError unless this Python is new enough and can make virtual environments."""
    version = sys.version_info[:2] if version is None else version
    has_module = has_module or (lambda name: importlib.util.find_spec(name) is not None)
    if tuple(version) < OLDEST:
        raise SetUpError(
            f"This is Python {version[0]}.{version[1]}, and the book needs Python {OLDEST[0]}.{OLDEST[1]} or "
            "newer: name another one, as in `make book PYTHON=python3.13`."
        )
    missing = [name for name in ("venv", "ensurepip") if not has_module(name)]
    if missing:
        raise SetUpError(
            f"This Python lacks the module {' and '.join(missing)}, which makes virtual environments: "
            "install it (on Debian and Ubuntu: `apt-get install python3-venv`) and try again."
        )


def python_of(env):
    """The interpreter inside a virtual environment."""
    return env / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def fingerprint(*parts):
    """A hash of what an environment is made from: texts, and the contents of files."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.read_bytes() if isinstance(part, Path) else str(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()


def show_passing(line):
    """On a terminal, what a command is doing, in one line that the next one replaces."""
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns - 3
        print(f"\r\033[K{'  ' + line.strip()[:width] if line else ''}", end="", flush=True)


def run_quietly(command, log, what, lock=(), environment=None):
    """Run a command with its output in a file; on failure show its last lines, and what may help.

    The output is also kept here: on a full disk the file has no end.
    """
    lines = []
    with log.open("ab", buffering=0) as out, subprocess.Popen(
        [str(c) for c in command],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=lock,
    ) as process:  # fmt: skip
        try:
            for line in process.stdout:
                lines.append(line.decode(errors="replace").rstrip())
                show_passing(lines[-1])
                with contextlib.suppress(OSError):
                    out.write(line)
            show_passing("")
        except BaseException:
            # Ctrl+C has reached the command, too, and it tidies up before it ends
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
            raise
    if process.returncode:
        tail = "".join(f"    {line[:300]}\n" for line in lines[-12:])
        raise SetUpError(
            f"{what} failed (exit status {process.returncode}). The end of {log.relative_to(ROOT)}:\n{tail}"
            + safely.cause("\n".join(lines), [log.parent])
        )


def is_ready(env, stamp):
    """Whether an environment was set up to its end, from what `stamp` stands for."""
    stamp_file = env / STAMP
    return (
        stamp_file.exists()
        and stamp_file.read_text(encoding="utf-8") == stamp
        and python_of(env).exists()
        and not (env / UNFINISHED).exists()
    )


def works(env):
    """Whether an environment can be built upon: no set-up of it was cut off, and its pip starts."""
    python = python_of(env)
    return python.exists() and not (env / UNFINISHED).exists() and subprocess.call(
        [str(python), "-m", "pip", "--version"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) == 0  # fmt: skip


def is_ours(env):
    """Whether a folder is no environment yet, or one that a run of this file made or began."""
    is_one = (env / "pyvenv.cfg").exists() or (env / "conda-meta").exists()
    return not is_one or (env / STAMP).exists() or (env / UNFINISHED).exists()


def give_pip(env):
    """Put pip into an environment that somebody else made without it, as uv does. Raise SetUpError if that
    cannot be: what is not ours is not removed."""
    if not works(env):
        python = python_of(env)
        if python.exists():
            subprocess.run([str(python), "-m", "ensurepip", "--upgrade"], capture_output=True)
        if not works(env):
            raise SetUpError(
                f"{env.name} was not made by these commands and has no pip that starts; it is left as it is. "
                f"Move it away (mv {env.name} {env.name}.mine), or make it anew yourself with pip in it "
                "(uv venv --seed), and try again."
            )
        print(f"{env.name} had no pip: it has one now.", flush=True)


def remove(path):
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def make_environment(env, stamp, commands, what, python=sys.executable, costs=COSTS):
    """Bring one virtual environment up to date with `stamp`; True if there was something to do.

    Whatever cuts this off, the mark of an unfinished set-up stays behind, and the next run starts afresh.
    """
    if is_ready(env, stamp):
        return False
    with safely.alone(__file__, "setting up an environment") as lock:
        if is_ready(env, stamp):  # the run that we waited for has made it
            return False
        install(env, stamp, commands, what, python, lock, costs)
        return True


def installer(env):
    """The command that installs into an environment: pip; or uv where there is one, which takes a fraction of
    the time, unless pip has settings of its own (another index, say), which uv would not read."""
    python = python_of(env)
    own = subprocess.run([str(python), "-m", "pip", "config", "list"], capture_output=True, text=True).stdout
    if (uv := shutil.which("uv")) and not own.strip() and not any(k.startswith("PIP_") for k in os.environ):
        return [uv, "pip", "install", "--python", python]
    return [python, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]


def install(env, stamp, commands, what, python, lock, costs):
    if env.is_symlink():
        raise SetUpError(f"{env} is a link to another folder, which is left alone: remove the link.")
    started = time.monotonic()
    env.mkdir(exist_ok=True)
    if not is_ours(env):
        give_pip(env)
    may_stay = works(env)
    unfinished, temporary = env / UNFINISHED, env / "tmp"
    unfinished.write_text("The set-up has begun and not ended: the next run starts afresh.\n")
    if not may_stay:
        if old := [path for path in env.iterdir() if path != unfinished]:
            print(f"{env.name} is unfinished or broken: starting it afresh.", flush=True)
        for path in old:  # the folder itself may be a mount, and stays
            remove(path)
        print(f"Making {env.name} with {python} …", flush=True)
        made = subprocess.run(
            [str(python), "-m", "venv", str(env)], capture_output=True, text=True, pass_fds=(lock,)
        )
        if made.returncode:
            said = (made.stderr + made.stdout).strip()
            advice = safely.cause(said, [env]) or (
                "On Debian and Ubuntu, `apt-get install python3-venv` supplies what is needed."
            )
            reason = (said.splitlines() or ["no reason given"])[-1]
            raise SetUpError(f"{env.name} could not be made ({reason}). {advice}")
    temporary.mkdir(exist_ok=True)  # pip's: the system's own may be too small, and would keep what is left
    log = env / "set-up.log"
    log.write_text("")
    print(
        f"Installing {what} into {env.name} (the first time: {costs}; details: {env.name}/set-up.log) …",
        flush=True,
    )
    pip = installer(env)
    for command in commands:
        run_quietly([*pip, *command], log, "pip", (lock,), os.environ | {"TMPDIR": str(temporary)})
    remove(temporary)
    safely.write_whole(env / STAMP, stamp)
    unfinished.unlink()
    print(f"{env.name} is ready after {time.monotonic() - started:.0f} s.", flush=True)


def package():
    """What of `pyproject.toml` is installed; how pytest, ruff and mypy are set makes no other environment."""
    import tomllib  # an older Python has none, and was told so before

    parts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return json.dumps([parts["build-system"], parts["project"], parts["tool"]["setuptools"]])


def set_up():
    """The environment of the book, the library and the tests."""
    stamp = fingerprint(str(ROOT), ROOT / "requirements.txt", package())
    env = ROOT / ".venv"
    make_environment(env, stamp, COMMANDS, "the requirements and the package gdcourse")
    wanted = "{}.{}".format(*sys.version_info)
    if wanted != (has := python_version(env)):
        print(
            f"{env.name} has Python {has} and stays as it is; remove it to have one of {wanted}.", flush=True
        )


def python_version(env):
    """The version of Python in an environment, as in 3.11."""
    code = "import sys; print('{}.{}'.format(*sys.version_info))"
    return subprocess.run([str(python_of(env)), "-c", code], capture_output=True, text=True).stdout.strip()


def set_up_lab():
    """JupyterLab in an environment of its own, whose kernel is the one of `.venv`.

    JupyterLab's dependencies slow down every test run, so they stay out of `.venv`.
    """
    env = ROOT / ".venv-lab"
    make_environment(
        env, fingerprint(str(ROOT), *LAB_PACKAGES), [LAB_PACKAGES], "JupyterLab", costs=LAB_COSTS
    )
    kernel = env / "share" / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True, exist_ok=True)
    argv = [str(python_of(ROOT / ".venv")), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Python 3 (gdcourse)", "language": "python"}
    text, file = json.dumps(spec, indent=1) + "\n", kernel / "kernel.json"
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        safely.write_whole(file, text)


def find_chromium():
    """The path of a Chromium on this machine, or None."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


def privilege():
    """What to put before a command that needs root's rights: nothing, sudo, or None for 'not possible'."""
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if (
        sudo
        and subprocess.call([sudo, "-n", "true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    ):
        return [sudo, "-n"]
    return None


def set_up_system():
    """Install what the tests of the pages need and pip cannot bring, Chromium and Node, where possible.
    Otherwise say what will be skipped and why."""
    missing = {
        package: what
        for package, what, found in (
            ("chromium", "Chromium", find_chromium()),
            ("nodejs", "Node", shutil.which("node")),
        )
        if not found
    }
    if not missing:
        return
    names, prefix = " and ".join(missing.values()), privilege()
    if not shutil.which("apt-get"):
        why = f"there is no {names}, and this system has no apt-get to install it with"
    elif prefix is None:
        why = f"there is no {names}, and installing it takes root's rights"
    else:
        print(f"Installing {names} for the tests of the pages (apt-get install) …", flush=True)
        log = ROOT / ".venv" / "apt-get.log"
        log.write_text("")
        quiet_apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q"]
        with contextlib.suppress(SetUpError):  # the lists at hand may do
            run_quietly([*quiet_apt, "update"], log, "apt-get update")
        try:
            run_quietly(
                [*quiet_apt, "install", "-y", "--no-install-recommends", *missing], log, "apt-get install"
            )
        except SetUpError as error:
            print(error, flush=True)
        if find_chromium() and shutil.which("node"):
            return
        why = f"{names} could not be installed"
    will = "fail, because CI=true," if os.environ.get("CI") == "true" else "be skipped"
    print(f"The tests that need it will {will}: {why}.", flush=True)


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--browser", action="store_true", help="also install Chromium and Node, where the system allows it"
    )
    parser.add_argument("--lab", action="store_true", help="also install JupyterLab, in .venv-lab")
    options = parser.parse_args(argv)
    try:
        check_python()
        set_up()
        if options.lab:
            set_up_lab()
        if options.browser:
            set_up_system()
    except SetUpError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(safely.run(main))
