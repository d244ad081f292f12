"""How soon a reader on a slow line sees a chapter: first paint, formulas, and the first interactive figure.

    python scripts/paint.py                          some chapters, five visits each
    python scripts/paint.py book/adam book/radam     these

Chromium opens each page with an empty cache, on Lighthouse's "Slow 4G": 1.6 Mbit/s down, 0.75 Mbit/s up,
150 ms to the server and back, and a processor four times slower than this one. The server compresses, as the
one of the published site does. The goals are FIRST_PAINT and READY, in seconds; the median counts.
"""

from __future__ import annotations

import functools
import gzip
import http.server
import io
import statistics
import sys
import threading
from dataclasses import dataclass

import build_book
import safely
from playwright.sync_api import Browser, sync_playwright
from setup_env import find_chromium

FIRST_PAINT, READY = 1.5, 3.0  # seconds
VISITS = 5
PAGES = ["book/gradient_descent", "book/momentum", "book/adam"]
SLOW_4G = {
    "offline": False,
    "latency": 150,  # ms, there and back
    "downloadThroughput": 1.6e6 / 8,  # bytes per second
    "uploadThroughput": 0.75e6 / 8,
}
SLOWER = 4
TEXTS = (".html", ".css", ".js", ".svg", ".txt")
# The font of the formulas is loaded once something is set in it; the figure says itself when it is drawn.
WATCH = """
    window.seen = {};
    const note = (name) => { window.seen[name] ??= performance.now(); };
    new PerformanceObserver((list) => {
        for (const one of list.getEntries())
            if (one.name == "first-contentful-paint") window.seen.paint = one.startTime;
    }).observe({ type: "paint", buffered: true });
    document.fonts.addEventListener("loadingdone", (event) => {
        if (event.fontfaces.some((face) => face.family.includes("STIX Two Math"))) note("formulas");
    });
    new MutationObserver(() => document.querySelector("figure.gd-figure")?.dataset.ready && note("figure"))
        .observe(document, { attributeFilter: ["data-ready"], subtree: true });
    addEventListener("load", () => {
        document.querySelector("figure.gd-figure") || note("figure");
        document.querySelector("math") || note("formulas");
    });
"""


@dataclass(frozen=True)
class Seen:
    """When something was first seen, in seconds after the address was called."""

    paint: float
    formulas: float
    figure: float

    @property
    def ready(self) -> float:
        """When both are there."""
        return max(self.formulas, self.figure)


class Compressing(http.server.SimpleHTTPRequestHandler):
    """Files of the site, the texts among them compressed."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def send_head(self) -> io.BytesIO | None:  # type: ignore[override]
        path = self.translate_path(self.path)
        try:
            with open(path, "rb") as file:
                body = file.read()
        except OSError:
            self.send_error(404)
            return None
        self.send_response(200)
        if path.endswith(TEXTS):
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return io.BytesIO(body)


def visit(browser: Browser, url: str) -> Seen:
    """Open a page once, as a new reader with a phone on a slow line."""
    context = browser.new_context(viewport={"width": 390, "height": 844})
    tab = context.new_page()
    line = context.new_cdp_session(tab)
    line.send("Network.enable")
    line.send("Network.emulateNetworkConditions", SLOW_4G)
    line.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    tab.add_init_script(WATCH)
    tab.goto(url, wait_until="load", timeout=90_000)
    tab.wait_for_function("'paint' in seen && 'formulas' in seen && 'figure' in seen", timeout=60_000)
    times = tab.evaluate("window.seen")
    context.close()
    return Seen(**{name: ms / 1000 for name, ms in times.items()})


def median(visits: list[Seen]) -> Seen:
    """The medians of several visits."""
    return Seen(
        *(statistics.median(getattr(one, name) for one in visits) for name in ("paint", "formulas", "figure"))
    )


def main(pages: list[str]) -> int:
    if find_chromium() is None:
        print("There is no Chromium: `python3 scripts/setup_env.py --browser` installs it.", file=sys.stderr)
        return 1
    handler = functools.partial(Compressing, directory=str(build_book.SITE))
    late = []
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        sync_playwright() as playwright,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=["--no-sandbox"])
        print(f"Seconds, the median of {VISITS} visits; goals {FIRST_PAINT} and {READY}.")
        for page in pages or PAGES:
            url = f"http://127.0.0.1:{server.server_port}/{page}.html"
            seen = median([visit(browser, url) for _ in range(VISITS)])
            print(
                f"{page:24s} first paint {seen.paint:.2f}   formulas {seen.formulas:.2f}"
                f"   figure {seen.figure:.2f}",
                flush=True,
            )
            if seen.paint > FIRST_PAINT or seen.ready > READY:
                late.append(page)
        browser.close()
        server.shutdown()
    print(f"Later than the goals: {', '.join(late)}." if late else "All within the goals.")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(safely.run(main, sys.argv[1:]))
