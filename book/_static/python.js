// Python in the page, one for all that asks it. It is loaded on the first click, runs in a worker, and is stopped
// after five seconds of computing.
(() => {
  const LIMIT = 5000, MB = 1e6;
  const NO_FILES = "From a file, browsers do not let a page run Python. With make serve in a clone of the book, and on its site, this works.";

  const python = {
    LIMIT, NO_FILES,
    worker: null, ready: null, fail: null, number: 0, waiting: new Map(),
    start(folder, told) {
      if (this.ready) return this.ready;
      this.worker = new Worker(new URL(`${folder}python-worker.mjs`, location.href), { type: "module" });
      this.ready = new Promise((done, failed) => {
        this.fail = failed;
        this.worker.onerror = (event) => failed(new Error(event.message || "the worker could not be started"));
        this.worker.onmessage = ({ data }) => {
          if (data.kind === "progress") told(data.bytes);
          if (data.kind === "ready") done();
          if (data.kind === "failed") failed(new Error(data.why));
          if (data.kind === "answer") this.waiting.get(data.id)?.(JSON.parse(data.answer));
        };
      });
      this.ready.catch(() => this.stop());
      return this.ready;
    },
    stop() {
      this.worker?.terminate();
      this.fail?.(new Error("it was stopped"));
      for (const done of this.waiting.values()) done(null);
      this.waiting.clear();
      this.worker = this.ready = this.fail = null;
    },
    ask(what, args, limit = LIMIT) {
      const id = ++this.number;
      return new Promise((done) => {
        const timer = setTimeout(() => this.stop(), limit);
        this.waiting.set(id, (answer) => {
          clearTimeout(timer);
          this.waiting.delete(id);
          done(answer);
        });
        this.worker.postMessage({ id, ask: { what, args } });
      });
    },
    // Python, ready: `python` is its folder and `bytes` its size; a bar shows how far it is.
    async loaded({ python: folder, bytes }, bar, say) {
      const total = Number(bytes);
      bar.hidden = this.ready !== null;
      bar.max = total;
      bar.value = 0;
      if (!this.ready) say(`Loading Python, ${(total / MB).toFixed(0)} MB, once …`);
      await this.start(folder, (got) => { bar.value = Math.min(got, total); });
      bar.hidden = true;
    },
    // A field for code: Tab indents, after Escape it leaves, Ctrl and Enter runs.
    editor(text, run) {
      let leaves = false;
      text.addEventListener("keydown", (event) => {
        if (event.key === "Escape") { leaves = true; return; }
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); run(); return; }
        if (event.key !== "Tab" || leaves || event.shiftKey) { if (event.key !== "Shift") leaves = event.key === "Tab" ? leaves : false; return; }
        event.preventDefault();
        text.setRangeText("    ", text.selectionStart, text.selectionEnd, "end");
        text.dispatchEvent(new Event("input"));
      });
      text.addEventListener("blur", () => { leaves = false; });
    },
  };
  window.gdPython = python;
})();
