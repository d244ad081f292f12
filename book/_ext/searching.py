"""What the search of the site looks through, and how it reads words. What `book/index.yml` lists leads.

Prose and titles are indexed; code and its output are not, but on the pages of the library. A word is found
however it is spelt: warm-up or warmup, β₁, β1 or beta1. Words that make a question are passed over.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import Path

import yaml
from docutils import nodes
from sphinx.search import IndexBuilder
from sphinx.search.en import SearchEnglish
from sphinx.util import logging

log = logging.getLogger(__name__)

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "eta": "η", "theta": "θ",
    "kappa": "κ", "lambda": "λ", "mu": "μ", "rho": "ρ", "sigma": "σ", "phi": "φ", "varphi": "φ",
}  # fmt: skip
ONE_WORD = ("warm up", "mini batch", "look ahead", "over shoot", "weight decay")
QUESTION = {
    *("can", "do", "does", "how", "i", "me", "my", "our", "should", "what", "when", "where", "which", "who"),
    *("why", "would", "you", "your"),
}
NUMBER_OR_TAG = re.compile(r'<span class="section-number">.*?</span>|<[^>]+>')

# The same in both languages: what is written, as words of the index.
JS_SPLITTER = """
function splitQuery(query) {
  let text = query.normalize("NFKC").toLowerCase();
  text = text.replace(/\\\\?\\b([a-z]+)(?=[\\d_]|\\b)/g, (all, name) => GREEK[name] ?? all);
  text = text.replace(/_\\{?(\\w)\\}?/g, "$1").replace(/[-‐‑–]/g, " ");
  for (const words of ONE_WORD) text = text.replaceAll(words, words.replace(" ", ""));
  return text.split(/[^\\p{L}\\p{N}]+/gu).filter(word => word);
}
"""


def words(text: str) -> list[str]:
    """A text as words of the index. The page does the same with what a reader types."""
    text = unicodedata.normalize("NFKC", text).lower()
    text = re.sub(r"\\?\b([a-z]+)(?=[\d_]|\b)", lambda match: GREEK.get(match[1], match[0]), text)
    text = re.sub(r"[-‐‑–]", " ", re.sub(r"_\{?(\w)\}?", r"\1", text))
    for pair in ONE_WORD:
        text = text.replace(pair, pair.replace(" ", ""))
    return re.findall(r"[^\W_]+", text)


class Searching(SearchEnglish):
    """English, with the signs and spellings of this field."""

    lang = "en"
    stopwords = SearchEnglish.stopwords | QUESTION
    js_splitter_code = f"const GREEK = {GREEK!r};\nconst ONE_WORD = {list(ONE_WORD)!r};\n{JS_SPLITTER}"

    def split(self, input: str) -> list[str]:
        return words(input)


@cache
def index() -> dict[str, dict[str, list[str]]]:
    """The terms of the index by page and section."""
    return yaml.safe_load((Path(__file__).parents[1] / "index.yml").read_text(encoding="utf-8"))


def spellings(term: str) -> set[str]:
    """A term as readers type it."""
    plain = unicodedata.normalize("NFKC", term).lower()
    names = plain
    for name, sign in GREEK.items():
        names = names.replace(sign, name)
    some = {term.lower(), plain, names}
    return some | {one.replace("-", "") for one in some} | {one.replace("-", " ") for one in some}


def better(feed):
    """Index a page under its title, with its terms from the index, and without its code and what the code
    printed. The pages on the library are about code, and keep it."""

    def fed(self, docname, filename, title, doctree):
        name = docname.rpartition("/")[2]
        if docname.startswith("book/") and name not in ("api", "speed"):
            doctree = doctree.deepcopy()
            for block in list(doctree.findall(nodes.literal_block)):
                block.parent.remove(block)
        feed(self, docname, filename, title, doctree)
        self._index_entries.setdefault(docname, []).append((NUMBER_OR_TAG.sub("", title), "", "main"))
        ids = {"", *(id for node in doctree.findall(nodes.section) for id in node["ids"])}
        for section, terms in index().get(name, {}).items():
            if section not in ids:
                log.warning("book/index.yml: %s has no section %r", name, section)
            entries = [(one, section, "main") for term in terms for one in sorted(spellings(term))]
            self._index_entries[docname].extend(entries)

    fed.is_better = True
    return fed


def setup(app):
    app.add_search_language(Searching)
    if not getattr(IndexBuilder.feed, "is_better", False):
        IndexBuilder.feed = better(IndexBuilder.feed)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
