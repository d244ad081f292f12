"""Run every chapter and render the site into _build/html, with warnings as errors.

    python scripts/build_book.py              afresh, always
    python scripts/build_book.py --if-stale   only if something has changed since the last good build

It is `jupyter-book build . -W -n --keep-going`, timed, and with nothing left from an earlier build.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cores
import csp
import finish
import safely
import slides

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "_build"
SITE = BUILD / "html"
STAMP = BUILD / "built-from.txt"
JUPYTER_BOOK = """
import sys
from jupyter_book.cli.main import main
try:
    main()
except RuntimeError:  # the reason is already on the screen, its traceback is of no use
    sys.exit(1)
"""
CHAPTER_S = 27  # what a chapter takes on a core, roughly, of 29 measured
MADE_FROM = [
    "book",
    "gdcourse",
    "_config.yml",
    "_toc.yml",
    "requirements.txt",
    "scripts/build_book.py",
    "CONTRIBUTING.md",
    "docs/cover.png",
    "docs/nbval-fork.yml",
    "scripts/csp.py",
    "scripts/finish.py",
    "scripts/handout.py",
    "scripts/notebooks.py",
    "scripts/plain.py",
    "scripts/reading.py",
    "scripts/setup_cell.py",
    "scripts/slides.py",
]


def fingerprint() -> str:
    """A hash of everything that the site is made from."""
    digest = hashlib.sha256(sys.version.encode())
    for name in MADE_FROM:
        top = ROOT / name
        files = [top] if top.is_file() else sorted(p for p in top.rglob("*") if p.is_file())
        for path in files:
            parts = path.relative_to(ROOT).parts
            if "__pycache__" in parts or ".ipynb_checkpoints" in parts or path.suffix == ".unfinished":
                continue
            digest.update("/".join(parts).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def is_fresh() -> bool:
    """Whether _build/html was made, without a warning, from what is here now."""
    return STAMP.exists() and (SITE / "index.html").exists() and STAMP.read_text() == fingerprint()


def main(arguments: list[str]) -> int:
    with safely.alone(__file__, "building the book") as lock:
        if "--if-stale" in arguments and is_fresh():
            print("The site in _build/html is up to date.")
            return 0
        return build(lock)


def build(lock: int) -> int:
    """Build afresh. The stamp goes first and comes last: a site that was cut off has none, and is stale."""
    started, made_from = time.monotonic(), fingerprint()
    BUILD.mkdir(exist_ok=True)
    STAMP.unlink(missing_ok=True)
    for old in (SITE, BUILD / ".doctrees", BUILD / "jupyter_execute"):
        if old.exists():
            shutil.rmtree(old)
    chapters = len(list((ROOT / "book").glob("*.ipynb")))
    print(
        f"Running {chapters} chapters and rendering the site (warnings are errors), the first time for some "
        f"{1 + round(chapters * CHAPTER_S / cores.side_by_side() / 60)} minutes …",
        flush=True,
    )
    command = [sys.executable, "-c", JUPYTER_BOOK, "build", ".", "-W", "-n", "--keep-going", "-q"]
    code = subprocess.call(command, cwd=ROOT, stdin=subprocess.DEVNULL, pass_fds=(lock,))
    seconds = time.monotonic() - started
    if code:
        why = safely.cause("", [BUILD, Path(os.environ.get("TMPDIR", "/tmp"))])
        print(
            f"\nThe book was not built ({seconds:.0f} s): "
            + (why or "the warnings and errors above say why."),
            file=sys.stderr,
        )
        return 1
    finish.finish(SITE)
    slides.make(SITE)
    safely.write_whole(SITE / csp.NAME, csp.policy(SITE) + "\n")
    safely.write_whole(STAMP, made_from)
    print(f"\nThe book is built, in {seconds:.0f} s. Open {SITE / 'index.html'}, or run `make serve`.")
    return 0


if __name__ == "__main__":
    sys.exit(safely.run(main, sys.argv[1:]))
