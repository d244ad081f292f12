// Python in a worker: what a reader writes runs here, where there is no page, no network and no storage.
import { loadPyodide } from "./pyodide.mjs";

const CLOSED = ["fetch", "XMLHttpRequest", "WebSocket", "WebSocketStream", "WebTransport", "EventSource", "indexedDB",
  "caches", "BroadcastChannel", "importScripts", "Worker", "SharedWorker", "navigator", "RTCPeerConnection", "cookieStore"];
const real = self.fetch.bind(self);
const post = self.postMessage.bind(self);
const bytes = { got: 0 };

// What arrives is counted as it arrives, in a copy: for what a server sent itself, and for no stream of ours,
// browsers keep what they compiled of it, and a second visit has Python in half the time.
const counted = async (address) => {
  const answer = await real(address);
  if (!answer.ok) throw new Error(`${answer.status} for ${address}`);
  const count = async (reader) => {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      bytes.got += part.value.byteLength;
      post({ kind: "progress", bytes: bytes.got });
    }
  };
  count(answer.clone().body.getReader()).catch(() => {}); // whoever reads the answer is told of a fault
  return answer;
};

const close = () => {
  for (const name of CLOSED) {
    for (let at = self; at; at = Object.getPrototypeOf(at)) {
      if (Object.hasOwn(at, name)) {
        try { delete at[name]; } catch { /* what cannot go is hidden below */ }
      }
    }
    try { Object.defineProperty(self, name, { value: undefined, configurable: false, writable: false }); } catch { /* gone */ }
  }
};

const BEGIN = `
import sys, zipfile
zipfile.ZipFile("/gdcourse.zip").extractall("/lib/gdcourse-files")
sys.path.insert(0, "/lib/gdcourse-files")
import json
from gdcourse.workbench import serve
for name in [name for name in sys.modules if name.partition(".")[0] in ("js", "pyodide_js", "_pyodide_core")]:
    sys.modules[name] = None
for name in ("js", "pyodide_js"):
    sys.modules[name] = None
sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__.partition(".")[0] != "_pyodide"]
serve.answer
`;

const begin = async () => {
  self.fetch = counted;
  const rules = counted("./gdcourse.zip").then((answer) => answer.arrayBuffer());
  const python = await loadPyodide({
    indexURL: new URL("./", import.meta.url).href,
    stdLibURL: new URL("./stdlib.zip", import.meta.url).href, // what the start imports is compiled in it
    lockFileContents: { info: { arch: "wasm32", platform: "emscripten_5_0_3", abi_version: "2026_0", python: "3.14.2" }, packages: {} },
    stdout: () => {},
    stderr: () => {},
  });
  python.FS.writeFile("/gdcourse.zip", new Uint8Array(await rules));
  const answer = python.runPython(BEGIN);
  close();
  return answer;
};

const ready = begin();
ready.then(() => post({ kind: "ready" }), (error) => post({ kind: "failed", why: String(error) }));
self.onmessage = async ({ data }) => {
  const answer = await ready;
  post({ kind: "answer", id: data.id, answer: answer(JSON.stringify(data.ask)) });
};
