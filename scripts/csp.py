"""The Content-Security-Policy with which the built site works: scripts of the site itself, and inline ones by
their hashes alone. `make book` writes it beside the pages; a server sends it as a header."""

from __future__ import annotations

import base64
import hashlib
from html.parser import HTMLParser
from pathlib import Path

NAME = "content-security-policy.txt"
RUNS = {"", "module", "text/javascript"}  # types of scripts that a browser executes


class Inline(HTMLParser):
    """The inline scripts and the event handlers of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.scripts: list[str] = []
        self.handlers: list[str] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        self.handlers += [value for name, value in attributes if name.startswith("on") and value]
        self._inside = tag == "script" and "src" not in named and (named.get("type") or "") in RUNS
        if self._inside:
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = False


def policy(site: Path) -> str:
    """The header's value for all pages of a site, as one line."""
    hashes: set[str] = set()
    for page in sorted(site.rglob("*.html")):
        inline = Inline(page.read_text(encoding="utf-8"))
        for source in (*inline.scripts, *inline.handlers):
            digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
            hashes.add(f"'sha256-{digest}'")
    scripts = " ".join(
        ["'self'", "'unsafe-hashes'", "'wasm-unsafe-eval'", *sorted(hashes)]
    )  # Python, in a worker
    return "; ".join(
        [
            "default-src 'self'",  # Firefox fetches the next chapter beforehand, and asks this
            "object-src 'none'",
            f"script-src {scripts}",
            "style-src 'self' 'unsafe-inline'",  # the theme and the figures set styles
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "frame-src 'self'",  # the figures in the deck of slides
            "base-uri 'none'",
            "form-action 'self'",
        ]
    )
