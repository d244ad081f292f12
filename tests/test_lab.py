"""A chapter in a real JupyterLab: opened, run, and its figure moved by keyboard. Part of `make verify`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from setup_env import python_of  # scripts/setup_env.py

ROOT = Path(__file__).resolve().parents[1]
LAB = python_of(ROOT / ".venv-lab")


@pytest.fixture
def lab(tmp_path):
    """The address of a JupyterLab whose folder holds one chapter."""
    if not LAB.exists():
        pytest.skip("there is no .venv-lab: `make verify` makes it, and so does `make lab`")
    shutil.copy(ROOT / "book" / "momentum.ipynb", tmp_path)
    command = [
        LAB,
        "-m",
        "jupyter",
        "lab",
        "--no-browser",
        "--ip=127.0.0.1",
        "--port=0",
        f"--notebook-dir={tmp_path}",
    ]
    environment = {k: v for k, v in os.environ.items() if k not in ("GDCOURSE_STATIC", "GDCOURSE_SITE")}
    log = tmp_path / "lab.log"
    with log.open("w") as out:
        server = subprocess.Popen(
            [
                str(part)
                for part in [*command, "--allow-root", "--IdentityProvider.token=", "--ServerApp.password="]
            ],
            env={**environment, "PYTHONPATH": str(ROOT), "JUPYTER_CONFIG_DIR": str(tmp_path / "config")},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        until = time.monotonic() + 60
        while not (found := re.search(r"http://127\.0\.0\.1:\d+/", log.read_text())):
            assert server.poll() is None and time.monotonic() < until, log.read_text()[-2000:]
            time.sleep(0.3)
        yield found[0]
    finally:
        server.terminate()
        server.wait(20)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="starts JupyterLab by a path of Unix")
def test_open_run_and_move_a_slider(browser, lab):
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.goto(f"{lab}lab/tree/momentum.ipynb", wait_until="load")
    tab.wait_for_selector(".jp-Notebook .jp-OutputArea-output img", timeout=60_000)
    stored = tab.locator(".jp-Notebook").inner_text()
    assert "Error displaying widget" not in stored and "Traceback" not in stored

    tab.get_by_role("menuitem", name="Run", exact=True).click()
    tab.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    figure = tab.locator(".gd-figure[data-ready]")
    figure.wait_for(timeout=120_000)
    figure.scroll_into_view_if_needed()

    def state():
        return json.loads(figure.get_attribute("data-state"))

    handle = figure.locator("input[type=range]").first
    before, picture = state(), figure.locator("svg").first.inner_html()
    handle.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight"):
        handle.press(key)
    assert state()["product"] == before["product"] + 3
    handle.press("Home")
    assert state()["product"] == 0
    assert figure.locator("svg").first.inner_html() != picture
    assert tab.evaluate("location.hash") == "", "a notebook's address is JupyterLab's own"

    # the live widgets below ask the kernel for a value between those of the grid
    sliders = tab.locator(".jp-OutputArea-output .widget-slider")
    sliders.first.wait_for(timeout=120_000)
    assert "Error displaying widget" not in tab.locator(".jp-Notebook").inner_text()
    tab.close()
