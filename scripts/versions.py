"""The library's tests and all notebooks on another version of torch or of Python than `.venv` has.

    python scripts/versions.py oldest    the oldest torch that pyproject.toml admits
    python scripts/versions.py newest    the newest torch that pip finds, looked up once a day
    python scripts/versions.py 3.13      what requirements.txt names, on Python 3.13
    python scripts/versions.py frameworks    the optimizers in accelerate, lightning, transformers,
    safetensors

Each has an environment of its own, .venv-oldest and so on, of some gigabytes; they may be deleted.
Python 3.13 is the one on PATH, or the one that the variable PYTHON313 names: `make verify PYTHON313=...`.
Where there is none, a line says so, and the exit status is 77.
"""

from __future__ import annotations

import datetime
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import cores
import safely
import setup_env

ROOT = Path(__file__).resolve().parents[1]
PYTHON = "3.13"
WHAT = {
    "oldest": "the oldest torch that pyproject.toml admits",
    "newest": "the newest torch that pip finds",
    PYTHON: f"Python {PYTHON}",
    "frameworks": "the training loops that people use",
}
NOT_RUN = 77
SHOW = "import sys, torch, numpy; print('Python', sys.version.split()[0]); " + "; ".join(
    f"print('{name}', {name}.__version__)" for name in ("torch", "numpy")
)


def command(name: str) -> list[str]:
    """What runs one of the checks."""
    return [sys.executable, "scripts/versions.py", name]


def oldest(package: str, dependencies: list[str]) -> str:
    """The requirement for the oldest version of a package that a list of dependencies admits."""
    for dependency in dependencies:
        if found := re.fullmatch(rf"{re.escape(package)}>=([\d.]+)", dependency):
            return f"{package}=={found[1]}"
    raise ValueError(f"pyproject.toml gives no lower bound for {package}, as in '{package}>=2.6'")


def pinned(package: str) -> str:
    """The requirement for a package in requirements.txt."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith(f"{package}=="))


class NotRunError(Exception):
    """A check cannot be run on this machine; the message says why, and what would let it."""


def find_python(version: str) -> str:
    """An interpreter of this version that starts: the one that a variable names, or the one on PATH.

    Raises NotRunError where there is none.
    """
    variable = "PYTHON" + version.replace(".", "")
    name = os.environ.get(variable) or f"python{version}"
    advice = f"install it, or name one: `make verify {variable}=...`"
    path = shutil.which(name)
    if path is None:
        raise NotRunError(f"there is no {name} here; {advice}")
    ask = [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    answer = subprocess.run(ask, capture_output=True, text=True)
    if answer.stdout.strip() != version:  # a stand-in of pyenv starts only what is switched on
        said = (answer.stdout + answer.stderr).strip() or "nothing"
        raise NotRunError(f"{path} is no Python {version}, it says {said.splitlines()[0]!r}; {advice}")
    return path


def environment(name: str, python: str) -> Path:
    """The environment for one of the checks, made or brought up to date."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    commands, upon = {
        "oldest": ([["-e", ".[test]", oldest("torch", project["dependencies"])]], ""),
        "newest": ([["--upgrade", "-e", ".[test]", "torch"]], datetime.date.today()),
        PYTHON: (setup_env.COMMANDS, python),
        "frameworks": ([["-e", ".[test,frameworks]", pinned("torch")]], ""),
    }[name]
    env = ROOT / f".venv-{name}"
    recipe = (ROOT / "requirements.txt", ROOT / "pyproject.toml", upon, *map(str, commands))
    stamp = setup_env.fingerprint(str(ROOT), *recipe)
    setup_env.make_environment(env, stamp, commands, WHAT[name], python)
    return env


def main(arguments: list[str]) -> int:
    if len(arguments) != 1 or arguments[0] not in WHAT:
        print(f"Name one of {', '.join(WHAT)}: `python scripts/versions.py oldest`.", file=sys.stderr)
        return 2
    name = arguments[0]
    try:
        python = find_python(PYTHON) if name == PYTHON else sys.executable
        inside = setup_env.python_of(environment(name, python))
    except NotRunError as reason:
        print(f"Not run: {reason}.")
        return NOT_RUN
    except setup_env.SetUpError as error:
        print(error, file=sys.stderr)
        return 1
    rooms = sorted({path.parent for path in (ROOT / "tests").glob("*/test_*.py")})
    pytest = [inside, "-m", "pytest", "-q", "-n", str(cores.side_by_side()), "--dist", "loadfile"]
    nbval = ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=240", "book"]
    subprocess.check_call([inside, "-c", SHOW], cwd=ROOT)
    runs = [["-m", "slow", "tests/optim/test_frameworks.py"]] if name == "frameworks" else [rooms, nbval]
    codes = [subprocess.call([*pytest, *what], cwd=ROOT) for what in runs]
    return int(any(codes))


if __name__ == "__main__":
    sys.exit(safely.run(main, sys.argv[1:]))
