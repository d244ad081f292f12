"""Serve the built site on localhost, with the Content-Security-Policy that the build wrote.

    python scripts/serve.py 8000

Where the port is taken, the next free one of the twenty that follow serves.
"""

from __future__ import annotations

import errno
import http.server
import sys
from functools import partial
from pathlib import Path

import csp

SITE = Path(__file__).resolve().parents[1] / "_build" / "html"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Files of the site, each with the policy as a header. What has a checksum in its name never changes."""

    def end_headers(self) -> None:
        if self.path.startswith("/_static/python-"):
            self.send_header("Cache-Control", "max-age=31536000, immutable")
        self.send_header("Content-Security-Policy", (Path(self.directory) / csp.NAME).read_text().strip())
        super().end_headers()


def open_server(port: int) -> http.server.ThreadingHTTPServer:
    """A server at a port, or at one of the twenty that follow.

    Raises
    ------
    SystemExit : none of them is free, or the port is none; with a sentence that says so.
    """
    handler = partial(Handler, directory=str(SITE))
    for other in range(port, port + 21) if port else [0]:
        try:
            server = http.server.ThreadingHTTPServer(("127.0.0.1", other), handler)
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            continue
        except OverflowError:
            break
        if other != port:
            print(f"Port {port} is not free here: {other} is taken instead.", flush=True)
        return server
    raise SystemExit(
        f"No port from {port} to {port + 20} is free: name another, as in `make serve PORT=8100`."
    )


def main(port: int) -> None:
    with open_server(port) as server:
        print(f"Open http://localhost:{server.server_port} (Ctrl+C ends it).", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8000)
