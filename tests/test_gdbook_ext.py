"""What every page asks for again is looked up once, and nothing else changes."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pybtex.backends
import pybtex.plugin
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "book" / "_ext"))
import gdbook_ext


def test_writers_of_citations_are_found_without_a_look_through_all_packages(monkeypatch):
    gdbook_ext.find_backends_once()
    monkeypatch.setattr(pybtex.plugin, "entry_points", lambda **asked: pytest.fail(f"asked for {asked}"))
    for name in ("docutils", "plaintext"):
        assert issubclass(pybtex.plugin.find_plugin("pybtex.backends", name), pybtex.backends.BaseBackend)


@pytest.fixture
def tree_of():
    """A page's tree as the theme gets it: its name and its number among all trees made."""
    handlers, made = {}, []
    app = SimpleNamespace(
        env=SimpleNamespace(found_docs={"book/adam", "book/momentum"}),
        connect=lambda event, handler, priority: handlers.update({event: handler}),
    )
    gdbook_ext.keep_trees(app)

    def tree_of(page, **options):
        context = {"toctree": lambda **given: made.append(page) or (page, given, len(made))}
        handlers["html-page-context"](app, page, "page.html", context, None)
        return context["toctree"](**options)

    return tree_of


def test_a_modules_page_takes_the_tree_of_another_as_deep_as_itself(tree_of):
    first = tree_of("_modules/gdcourse/compare", depth=1)
    assert tree_of("_modules/gdcourse/train", depth=1) == first
    assert tree_of("_modules/gdcourse/train", depth=2) != first
    assert tree_of("_modules/gdcourse/rules/adam", depth=1) != first  # its links begin with one more ../


def test_a_page_of_the_book_has_its_own(tree_of):
    assert tree_of("book/adam") != tree_of("book/momentum")
    assert tree_of("book/adam")[0] == "book/adam" and tree_of("_modules/x")[0] == "_modules/x"
