"""What several tests use: one thread, the built site, and a browser."""

from __future__ import annotations

import functools
import http.server
import os
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import build_book  # scripts/build_book.py
import pytest
import serve  # scripts/serve.py
import torch
from setup_env import find_chromium  # scripts/setup_env.py

from gdcourse.optim import kernels, update
from tests.browsing import QuietHandler

ROOT = Path(__file__).resolve().parents[1]

needs_a_compiler = pytest.mark.skipif(
    not (shutil.which("g++") or shutil.which("clang++")),
    reason="on a CPU torch's compiler needs a C++ compiler: neither g++ nor clang++ was found",
)


@pytest.fixture
def no_compiler(monkeypatch):
    """As on a machine without a C++ compiler, and without kernels from before."""
    from torch._inductor import compile_fx

    def fails(*_, **__):
        raise RuntimeError("No working C++ compiler found\nin any of these places")

    monkeypatch.setattr(compile_fx, "compile_fx_inner", fails)
    monkeypatch.setattr(kernels, "_compiled", kernels._compiled.__wrapped__)


# The tests' tensors are small, and several of them waiting for each other's threads are slow.
torch.set_num_threads(1)


@pytest.fixture
def threads():
    """A function that sets how many threads torch uses, for a test's length."""
    had = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(had)


@pytest.fixture
def short_pieces(monkeypatch):
    """What has more than 100 numbers is computed in pieces of 100 (by NumPy, in float32, of 200)."""
    monkeypatch.setattr(update, "FEW", 100)
    monkeypatch.setattr(update, "PIECE", 8 * 100)


@pytest.fixture(scope="session")
def what_failed() -> str:
    """What the build said if it failed; nothing is built where the site is made from what is here now."""
    if build_book.is_fresh():
        return ""
    command = [sys.executable, str(ROOT / "scripts" / "build_book.py"), "--if-stale"]
    done = subprocess.run(command, capture_output=True, text=True)
    return f"{done.stdout[-2000:]}\n{done.stderr[-6000:]}" if done.returncode else ""


@pytest.fixture(scope="session")
def site(what_failed) -> Path:
    """The folder of the built site."""
    if what_failed:
        pytest.skip("the book does not build, see test_the_book_builds")
    return build_book.SITE


@pytest.fixture(scope="session")
def address(site):
    handler = functools.partial(QuietHandler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Quiet(serve.Handler):
    asked: list[str]

    def log_message(self, *args):
        self.asked.append(self.path)


@pytest.fixture(scope="module")
def asked():
    """The addresses that a page asked for."""
    return []


@pytest.fixture(scope="module")
def guarded(site, asked):
    """The site as `make serve` has it."""
    handler = type("Handler", (Quiet,), {"asked": asked})
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(handler, directory=str(site))
    ) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def browser():
    path = find_chromium()
    if path is None:
        reason = "no Chromium on PATH (`make test` installs it on Debian where it has the right to)"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    from playwright.sync_api import sync_playwright

    flags = [
        "--no-sandbox",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=flags)
        yield chromium
        chromium.close()


FIGURE = re.compile(r'<figure class="gd-figure" id="([\w-]+)".*?</figure>', re.S)


@pytest.fixture(scope="session")
def figures(site) -> dict[str, tuple[Path, str]]:
    """Every figure of the site by its id: its page and its HTML. The page to draw on opens the book, too."""
    found: dict[str, tuple[Path, str]] = {}
    for page in sorted(site.glob("book/*.html")):
        for match in FIGURE.finditer(page.read_text(encoding="utf-8")):
            twice = match[1] in found and match[1] != "figure-drawing"
            assert not twice, f"{match[1]} stands on two pages"
            found[match[1]] = (page, match[0])
    return found
