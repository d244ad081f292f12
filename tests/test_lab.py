"""The notebooks in a real JupyterLab: shown without markup, run, a figure moved by keyboard; the list that
`make lab` opens leads to each. Part of `make verify`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from setup_env import python_of  # scripts/setup_env.py

from tests.test_plain import MYST

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "book").glob("*.ipynb"))
LAB = python_of(ROOT / ".venv-lab")


@pytest.fixture
def lab(tmp_path):
    """The address of a JupyterLab whose folder holds the notebooks. It draws all cells, seen or not."""
    if not LAB.exists():
        pytest.skip("there is no .venv-lab: `make verify` makes it, and so does `make lab`")
    for path in NOTEBOOKS:
        shutil.copy(path, tmp_path)
    settings = tmp_path / "settings" / "@jupyterlab" / "notebook-extension" / "tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"windowingMode": "none"}')
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
            env={
                **environment,
                "PYTHONPATH": str(ROOT),
                "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
                "JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings"),
            },
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
        server.terminate()  # it ends its kernels first, one after the other
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


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

    handle = figure.get_by_label("ηλ")
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
    tab.wait_for_function("document.querySelectorAll('.widget-label').length > 4", timeout=120_000)
    labels = tab.locator(".widget-label").evaluate_all(
        "all => all.map(one => [one.textContent, one.scrollWidth > one.clientWidth + 1])"
    )
    assert not [text for text, is_cut in labels if is_cut]
    tab.close()


@pytest.mark.slow
def test_no_markup_is_seen_in_any_notebook(browser, lab):
    for path in NOTEBOOKS:
        tab = browser.new_page(viewport={"width": 1280, "height": 900})
        tab.goto(f"{lab}lab/tree/{path.name}?reset", wait_until="load")
        cells = tab.locator(".jp-Notebook .jp-MarkdownOutput")
        notebook = nbformat.read(path, as_version=4)
        wanted = sum(cell.cell_type == "markdown" for cell in notebook.cells)
        cells.nth(wanted - 1).wait_for(state="attached", timeout=60_000)
        tab.wait_for_function(
            "() => [...document.querySelectorAll('.jp-MarkdownOutput')].every(one => one.innerText.trim()"
            " || one.querySelector('mjx-container, details'))"
        )
        seen = "\n".join(cells.all_inner_texts())
        found = MYST.search(seen)
        assert not found, f"{path.stem}: {seen[max(0, found.start() - 60) : found.end() + 60]!r}"
        assert "$$" not in seen and "\\frac" not in seen, f"{path.stem}: a formula is not typeset"
        tab.close()


@pytest.mark.slow
def test_the_list_of_notebooks_leads_to_each(browser, lab):
    tab = browser.new_page(viewport={"width": 1280, "height": 900})
    tab.goto(f"{lab}lab/tree/intro.ipynb?reset", wait_until="load")
    last = tab.locator(".jp-MarkdownOutput a", has_text="Momentum").last
    last.wait_for(timeout=60_000)
    last.click()
    tab.locator(".lm-TabBar-tabLabel", has_text="momentum.ipynb").first.wait_for(timeout=60_000)
    tab.close()
