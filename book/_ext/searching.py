"""What the search of the site looks through, and how it reads words.

Prose and titles are indexed; code and its output are not, but on the pages of the library. A word is found
however it is spelt: warm-up or warmup, β₁, β1 or beta1. Words that make a question are passed over.
"""

from __future__ import annotations

import re
import unicodedata

from docutils import nodes
from sphinx.search import IndexBuilder
from sphinx.search.en import SearchEnglish

GREEK = {
    "alpha": "α", "beta": "β", "gamma": "γ", "delta": "δ", "epsilon": "ε", "eta": "η", "theta": "θ",
    "kappa": "κ", "lambda": "λ", "mu": "μ", "rho": "ρ", "sigma": "σ", "phi": "φ", "varphi": "φ",
}  # fmt: skip
ONE_WORD = ("warm up", "mini batch", "look ahead", "over shoot", "weight decay")
QUESTION = {
    *("can", "do", "does", "how", "i", "me", "my", "our", "should", "what", "when", "where", "which", "who"),
    *("why", "would", "you", "your"),
}

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


def leave_out_code(feed):
    """Index a page without its code and what the code printed; the library's own pages are about code."""

    def fed(self, docname, filename, title, doctree):
        if docname.startswith("book/") and not docname.endswith(("api", "speed")):
            doctree = doctree.deepcopy()
            for block in list(doctree.findall(nodes.literal_block)):
                block.parent.remove(block)
        return feed(self, docname, filename, title, doctree)

    return fed


def setup(app):
    app.add_search_language(Searching)
    if not getattr(IndexBuilder.feed, "leaves_out_code", False):
        IndexBuilder.feed = leave_out_code(IndexBuilder.feed)
        IndexBuilder.feed.leaves_out_code = True
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
