// Python in the page, one for all that asks it. It is loaded on the first click, runs in a worker, and is stopped
// after five seconds of computing. Who asks waits until those before are done.
(() => {
  const LIMIT = 5000, MB = 1e6;
  const NO_FILES = "From a file, browsers do not let a page run Python. With make serve in a clone of the book, and on its site, this works.";

  class Stopped extends Error {}

  const python = {
    NO_FILES,
    worker: null, ready: null, fail: null, number: 0, waiting: new Map(), told: null, busy: 0, last: Promise.resolve(),
    start(folder) {
      if (this.ready) return this.ready;
      this.worker = new Worker(new URL(`${folder}python-worker.mjs`, location.href), { type: "module" });
      this.ready = new Promise((done, failed) => {
        this.fail = failed;
        this.worker.onerror = (event) => failed(new Error(event.message || "the worker could not be started"));
        this.worker.onmessage = ({ data }) => {
          if (data.kind === "progress") this.told?.(data.bytes);
          if (data.kind === "ready") done();
          if (data.kind === "failed") failed(new Error(data.why));
          if (data.kind === "answer") this.waiting.get(data.id)?.done(JSON.parse(data.answer));
        };
      });
      this.ready.catch(() => this.stop());
      return this.ready;
    },
    stop(why = "Stopped.") {
      const error = new Stopped(why);
      this.worker?.terminate();
      this.fail?.(error);
      for (const { failed } of this.waiting.values()) failed(error);
      this.waiting.clear();
      this.worker = this.ready = this.fail = null;
    },
    ask(what, args, limit = LIMIT) {
      const id = ++this.number;
      return new Promise((done, failed) => {
        const timer = setTimeout(() => this.stop(`Stopped after ${limit / 1000} s. Is there a loop without an end?`), limit);
        const end = (how) => (with_what) => {
          clearTimeout(timer);
          this.waiting.delete(id);
          how(with_what);
        };
        this.waiting.set(id, { done: end(done), failed: end(failed) });
        this.worker.postMessage({ id, ask: { what, args } });
      });
    },
    // One at a time has Python: `job` begins when all before it are done, so that a loop without an end stops its
    // own alone. Why one failed is said. Given back are a promise of its end and what ends it, waiting or not.
    turn(job, say, bar) {
      const before = this.last;
      let runs = false, leave;
      const left = new Promise((done) => { leave = () => { say("Stopped."); done("left"); }; });
      const whole = async () => {
        try {
          if (await Promise.race([left, before]) === "left") return;
          runs = true;
          await job();
        } catch (error) {
          say(error instanceof Stopped ? error.message : `Python could not be started here: ${error.message}. Is there a network? Try again; it needs a browser with WebAssembly and module workers.`);
        } finally {
          bar.hidden = true;
          runs = false;
          this.busy -= 1;
        }
      };
      if (this.busy) say("Waits until what runs on this page is done …");
      this.busy += 1;
      const done = whole();
      this.last = Promise.all([before, done]);
      return { done, end: () => (runs ? this.stop() : leave()) };
    },
    // Python, ready: `python` is its folder and `bytes` its size; a bar shows how far it is.
    async loaded({ python: folder, bytes }, bar, say) {
      const total = Number(bytes);
      bar.hidden = this.ready !== null;
      bar.max = total;
      bar.value = 0;
      if (!this.ready) say(`Loading Python, ${(total / MB).toFixed(0)} MB, once …`);
      this.told = (got) => { bar.value = Math.min(got, total); };
      await this.start(folder);
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
