"""Compile the part of Pyodide's standard library that its start imports, into book/_pyodide/stdlib.zip.

    python scripts/compiled.py

As published, the library is source, and more than half of the time from a click to a first result would
go into compiling the same hundred files at each visit. Here Pyodide itself, in Chromium, compiles them once.
What its start does not import stays source. Run it after book/_pyodide has another version, and put the new
sum into SHA256SUMS. The same input gives the same bytes.
"""

from __future__ import annotations

import base64
import functools
import http.server
import sys
import threading
from pathlib import Path

import safely

PYODIDE = Path(__file__).resolve().parents[1] / "book" / "_pyodide"
COMPILE = """
import importlib.util, io, marshal, sys, zipfile

source, out = zipfile.ZipFile("/stdlib.zip"), io.BytesIO()
origins = (getattr(module.__spec__, "origin", None) for module in list(sys.modules.values()))
started = {str(origin).partition(".zip/")[2] for origin in origins}
with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
    for entry in source.infolist():
        name, content = entry.filename, source.read(entry)
        if name in started:
            code = compile(content, f"/lib/python314.zip/{name}", "exec", dont_inherit=True)
            unchecked = (1).to_bytes(4, "little")
            head = importlib.util.MAGIC_NUMBER + unchecked + importlib.util.source_hash(content)
            name, content = f"{name}c", head + marshal.dumps(code)
        entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
        entry.compress_type = zipfile.ZIP_DEFLATED
        made.writestr(entry, content)
import base64
base64.b64encode(out.getvalue()).decode()
"""
IN_THE_PAGE = """async (program) => {
    const { loadPyodide } = await import("/pyodide.mjs");
    const python = await loadPyodide({ indexURL: "/", lockFileContents: { info: { arch: "wasm32",
        platform: "emscripten_5_0_3", abi_version: "2026_0", python: "3.14.2" }, packages: {} } });
    const library = await (await fetch("/python_stdlib.zip")).arrayBuffer();
    python.FS.writeFile("/stdlib.zip", new Uint8Array(library));
    return python.runPython(program);
}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


def compiled(chromium: str) -> bytes:
    """The library, as Pyodide in this browser makes it."""
    from playwright.sync_api import sync_playwright

    handler = functools.partial(Quiet, directory=str(PYODIDE))
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        sync_playwright() as playwright,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page()
        tab.goto(f"http://127.0.0.1:{server.server_port}/")
        made = base64.b64decode(tab.evaluate(IN_THE_PAGE, COMPILE))
        browser.close()
        server.shutdown()
    return made


def main(arguments: list[str]) -> int:
    (PYODIDE / "stdlib.zip").write_bytes(compiled(arguments[0] if arguments else "/usr/bin/chromium"))
    return 0


if __name__ == "__main__":
    sys.exit(safely.run(main, sys.argv[1:]))
