"""Serve the built site on localhost, with the Content-Security-Policy that the build wrote.

python scripts/serve.py 8000
"""

from __future__ import annotations

import http.server
import sys
from functools import partial
from pathlib import Path

import csp

SITE = Path(__file__).resolve().parents[1] / "_build" / "html"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of the site, each with the policy as a header."""

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", (Path(self.directory) / csp.NAME).read_text().strip())
        super().end_headers()


def main(port: int) -> None:
    handler = partial(Handler, directory=str(SITE))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        print(f"Open http://localhost:{server.server_port} (Ctrl+C ends it).", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8000)
