"""The search of the site: the right page first, however a word is spelt, and prose before code."""

import json
import re

import pytest

LEADS = {
    "which optimizer should I use": "conclusion",
    "why adam": "adam",
    "sgd noise": "stochastic",
    "warmup": "radam",
    "warm-up": "radam",
    "β1": "adam",
    "β₁": "adam",
    "beta1": "adam",
    "stability limit": "gradient_descent",
    "momentum": "momentum",
    "weight decay": "adam",
    "line search": "gradient_descent",
}


@pytest.fixture(scope="module")
def search(browser, address):
    tab = browser.new_page()

    def results(query):
        tab.goto(f"{address}/search.html?q={query}")
        tab.wait_for_selector("#search-results .search-summary:not(:empty), #search-results li")
        tab.wait_for_function("document.querySelector('#search-results .search-summary').innerText")
        return tab.locator("#search-results li a").evaluate_all("all => all.map(a => a.getAttribute('href'))")

    yield results
    tab.close()


@pytest.mark.parametrize(("query", "page"), LEADS.items())
def test_the_right_page_leads(search, query, page):
    found = search(query)
    assert found and found[0].split("#")[0].split("?")[0] == f"book/{page}.html", found[:4]


def test_code_and_its_output_are_not_indexed(site):
    index = json.loads(re.search(r"setIndex\((.*)\)", (site / "searchindex.js").read_text(), re.S)[1])
    assert "momentum" in index["titleterms"]
    for term in ("plt", "use_style", "linspace", "figsiz"):  # in cells of every chapter
        pages = index["terms"].get(term, [])
        names = [index["docnames"][i] for i in ([pages] if isinstance(pages, int) else pages)]
        assert not [n for n in names if n.startswith("book/") and not n.endswith(("api", "speed"))], term
