"""The site under a Content-Security-Policy that allows inline scripts by their hashes only."""

from __future__ import annotations

import csp  # scripts/csp.py
import pytest
import yaml

from tests.browsing import Visit, a_few_of
from tests.conftest import ROOT

TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
PAGES = [TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"])]


def test_the_build_wrote_the_policy_of_its_pages(site):
    written = (site / csp.NAME).read_text().strip()
    assert written == csp.policy(site)
    scripts = next(part for part in written.split("; ") if part.startswith("script-src"))
    assert "unsafe-inline" not in scripts and "'unsafe-eval'" not in scripts and "http" not in written
    assert "default-src 'self'; object-src 'none'; " in written  # Firefox asks the first of the next chapter
    assert len(written) < 2000  # it is sent with every page, and servers take headers of a few thousand


@pytest.mark.parametrize("page", a_few_of([*PAGES, "search"]), ids=lambda page: page.split("/")[-1])
def test_a_page_works_under_the_policy(browser, guarded, page):
    with Visit(browser, guarded, page, "light") as visit:
        figures = visit.tab.locator(".gd-figure").count()
        if figures:
            visit.tab.wait_for_function(
                "n => document.querySelectorAll('.gd-figure[data-ready]').length === n", arg=figures
            )
        assert visit.errors == [] and visit.outside == []


def test_an_inline_script_that_the_build_did_not_see_does_not_run(browser, guarded):
    with Visit(browser, guarded, "book/momentum", "light") as visit:
        visit.tab.evaluate(
            """() => {
                const script = document.createElement('script');
                script.textContent = 'window.intruded = true';
                document.body.append(script);
            }"""
        )
        assert visit.tab.evaluate("window.intruded") is None
        assert any("Content Security Policy" in error for error in visit.errors)
