"""Opening the built site in a browser: what the tests of its pages share."""

from __future__ import annotations

import http.server


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


class Visit:
    """One page opened in one colour scheme, with everything that it asked for and complained of."""

    def __init__(self, browser, address: str, page: str, scheme: str, width: int = 1280, query: str = ""):
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        self.tab = self.context.new_page()
        self.outside: list[str] = []
        self.errors: list[str] = []

        def route(request_route):
            url = request_route.request.url
            if url.startswith((address, "data:", "blob:")):
                request_route.continue_()
            else:
                self.outside.append(url)
                request_route.abort()

        self.tab.route("**/*", route)
        self.tab.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.goto(f"{address}/{page}.html{query}", wait_until="load")
        # Pages without mathematics do not load MathJax; the others set it up after the load event.
        self.tab.wait_for_function("!window.MathJax || !MathJax.startup || !!MathJax.startup.promise")
        self.tab.evaluate("window.MathJax && MathJax.startup ? MathJax.startup.promise.then(() => 0) : 0")

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.context.close()
