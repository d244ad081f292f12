// A workbench: the rule of a chapter in an editor, its path on the chapter's surface, and what a reader makes of it.
// Python itself is in python.js.
(() => {
  const python = window.gdPython;
  const SVG = "http://www.w3.org/2000/svg";
  const make = (name, attributes = {}, ...inside) => {
    const node = name.startsWith("svg:") ? document.createElementNS(SVG, name.slice(4)) : document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...inside);
    return node;
  };
  const short = (x) => {
    if (x === null || !Number.isFinite(x)) return "no number";
    if (x === 0) return "0";
    const digits = Math.abs(x) >= 0.01 && Math.abs(x) < 1e4 ? String(Number(x.toPrecision(3))) : x.toExponential(1);
    return digits.replace("e-", "e−").replace(/^-/, "−");
  };

  // ------------------------------------------------------------------------------------- a text in an address
  const packed = async (text) => {
    const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("deflate-raw"));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join("")).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  };
  const unpacked = async (word) => {
    const bytes = Uint8Array.from(atob(word.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"))).text();
  };

  // ------------------------------------------------------------------------------------------------ pictures
  const ticks = (low, high, count) => {
    const rough = (high - low) / count, power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((k) => k * power).find((s) => s >= rough);
    return Array.from({ length: Math.floor((high - low) / step) + 2 }, (_, i) => (Math.ceil(low / step) + i) * step).filter((x) => x <= high + 1e-9 * step);
  };
  const frame = (label, width, height) => make("svg:svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label, class: "gd-wb-svg" });
  const axes = (svg, box, x, y, xs, ys, xlabel, ylabel) => {
    for (const [at, text] of xs) svg.append(make("svg:text", { x: x(at), y: box.bottom + 15, class: "gd-wb-tick", "text-anchor": "middle" }, text));
    for (const [at, text] of ys) svg.append(make("svg:text", { x: box.left - 5, y: y(at) + 4, class: "gd-wb-tick", "text-anchor": "end" }, text));
    svg.append(
      make("svg:rect", { x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top, class: "gd-wb-axis" }),
      make("svg:text", { x: (box.left + box.right) / 2, y: box.bottom + 30, class: "gd-wb-tick", "text-anchor": "middle" }, xlabel),
      make("svg:text", { x: box.left, y: box.top - 6, class: "gd-wb-tick" }, ylabel),
    );
  };
  const polyline = (points, attributes) => make("svg:polyline", { points: points.map((p) => p.map((v) => v.toFixed(1)).join(",")).join(" "), ...attributes });

  const plane = (surface, runs) => {
    const [x0, x1] = surface.x, [y0, y1] = surface.y, width = 360, height = 300;
    const box = { left: 40, right: width - 8, top: 18, bottom: height - 36 };
    const x = (v) => box.left + ((v - x0) / (x1 - x0)) * (box.right - box.left);
    const y = (v) => box.bottom - ((v - y0) / (y1 - y0)) * (box.bottom - box.top);
    const svg = frame(`Paths on ${surface.name}: ${runs.map((run) => `${run.name}, ${run.path.length - 1} steps`).join("; ")}`, width, height);
    const clip = `clip-${Math.random().toString(36).slice(2)}`;
    svg.append(make("svg:clipPath", { id: clip }, make("svg:rect", { x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top })));
    const inside = make("svg:g", { "clip-path": `url(#${clip})` });
    for (const line of surface.lines) inside.append(polyline(line.map(([a, b]) => [x(a), y(b)]), { class: "gd-wb-level" }));
    const near = (v) => Math.max(-1e4, Math.min(1e4, v));
    for (const run of runs) {
      const points = run.path.map(([a, b]) => [near(x(a)), near(y(b))]);
      inside.append(polyline(points, { class: `gd-wb-path ${run.class}` }));
      for (const [a, b] of run.class === "own" ? points : []) inside.append(make("svg:circle", { cx: a, cy: b, r: 2, class: `gd-wb-dot ${run.class}` }));
    }
    svg.append(inside);
    axes(svg, box, x, y, ticks(x0, x1, 5).map((v) => [v, short(v)]), ticks(y0, y1, 5).map((v) => [v, short(v)]), ...surface.axes);
    return svg;
  };

  // A schedule's factor over the steps.
  const factors = (runs) => {
    const width = 300, height = 300, box = { left: 40, right: width - 16, top: 18, bottom: height - 36 };
    const all = runs.flatMap((run) => run.factors), low = Math.min(0, ...all), high = Math.max(1, ...all);
    const steps = Math.max(1, ...runs.map((run) => run.factors.length));
    const x = (t) => box.left + (t / steps) * (box.right - box.left);
    const y = (v) => box.bottom - ((v - low) / (high - low)) * (box.bottom - box.top);
    const svg = frame(`The factor of the rate over steps: ${runs.map((run) => `${run.name} from ${short(run.factors[0])} to ${short(run.factors.at(-1))}`).join("; ")}`, width, height);
    for (const run of runs) svg.append(polyline(run.factors.map((v, i) => [x(i + 1), y(v)]), { class: `gd-wb-path ${run.class}` }));
    axes(svg, box, x, y, ticks(0, steps, 5).map((t) => [t, String(t)]), ticks(low, high, 5).map((v) => [v, short(v)]), "step t", "s(t)");
    return svg;
  };

  const losses = (runs, floor, label) => {
    const width = 300, height = 300, box = { left: 48, right: width - 16, top: 18, bottom: height - 36 };
    const above = (run) => run.losses.map((v) => Math.max(v - floor, 1e-16));
    const all = runs.flatMap(above).filter(Number.isFinite), steps = Math.max(1, ...runs.map((run) => run.losses.length - 1));
    const low = Math.floor(Math.log10(Math.min(...all, 1))), high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...all, 1e-16))));
    const x = (t) => box.left + (t / steps) * (box.right - box.left);
    const y = (v) => box.bottom - ((Math.log10(v) - low) / (high - low)) * (box.bottom - box.top);
    const svg = frame(`Loss over steps: ${runs.map((run) => `${run.name} ends at ${short(run.losses.at(-1))}`).join("; ")}`, width, height);
    for (const run of runs) svg.append(polyline(above(run).map((v, t) => [x(t), y(v)]), { class: `gd-wb-path ${run.class}` }));
    const every = Math.max(1, Math.ceil((high - low) / 5));
    const decades = Array.from({ length: high - low + 1 }, (_, i) => low + i).filter((p) => (p - high) % every === 0);
    axes(svg, box, x, y, ticks(0, steps, 5).map((t) => [t, String(t)]), decades.map((p) => [10 ** p, `1e${p}`.replace("-", "−")]), "step", label);
    return svg;
  };

  // ---------------------------------------------------------------------------------------------- a workbench
  const begin = async (box) => {
    const data = JSON.parse(box.querySelector(".gd-wb-data").textContent);
    const text = box.querySelector("textarea"), says = box.querySelector(".gd-wb-says"), bar = box.querySelector("progress");
    const picture = box.querySelector(".gd-wb-picture"), table = box.querySelector(".gd-wb-table");
    const button = (name) => box.querySelector(`[data-do=${name}]`);
    const key = `gd-workbench:${box.id}`;
    const surface = () => box.querySelector("select")?.value ?? data.surface;
    const say = (...parts) => says.replaceChildren(...parts.map((part) => (typeof part === "string" ? make("p", {}, part) : part)));
    let original = null, mark = null;

    if (location.protocol === "file:") {
      say(python.NO_FILES);
      button("run").disabled = true;
    }
    try { text.value = localStorage.getItem(key) ?? data.text; } catch { text.value = data.text; }
    const linked = new URLSearchParams(location.hash.slice(1)).get(box.id);
    if (linked) {
      try { text.value = await unpacked(linked); } catch { say("The address cannot be read; here is the book's text."); }
      box.scrollIntoView();
    }
    const keep = () => { try { text.value === data.text ? localStorage.removeItem(key) : localStorage.setItem(key, text.value); } catch { /* no storage: the text lives as long as the page */ } };
    const tall = () => { text.rows = Math.min(40, text.value.split("\n").length + 1); };
    tall();
    text.addEventListener("input", () => { keep(); tall(); mark = null; });

    python.editor(text, () => button("run").click());

    const line = (number) => {
      const lines = text.value.split("\n");
      const from = lines.slice(0, number - 1).join("\n").length + (number > 1 ? 1 : 0);
      text.focus();
      text.setSelectionRange(from, from + lines[number - 1].length);
      text.scrollIntoView({ block: "center" }); // not below the page's header
    };

    const show = (own, theirs) => {
      const runs = [{ ...theirs, name: data.name, class: "theirs" }, { ...own, name: "yours", class: "own" }].filter((run) => run.losses.length);
      const map = data.surfaces[surface()];
      if (map) picture.replaceChildren(plane(map, runs), losses(runs, map.lowest, "loss above the lowest (log)"));
      else picture.replaceChildren(factors(runs.filter((run) => run.factors.length)), losses(runs, 0, "expected loss (log)"));
    };
    const told = (name, run) => run.diverged_at !== null ? `${name} diverged after ${run.diverged_at} step${run.diverged_at > 1 ? "s" : ""}` : `${name} ends at a loss of ${short(run.losses.at(-1))}`;
    const printed = (answer) => (answer.printed ? [make("pre", { class: "gd-wb-printed" }, answer.printed)] : []);
    const problem = (answer) => {
      const at = answer.line ? [make("button", { type: "button", class: "gd-wb-line" }, `Line ${answer.line}`), ": "] : [];
      at[0]?.addEventListener("click", () => line(answer.line));
      return make("p", { class: "gd-wb-error" }, ...at, answer.error);
    };

    // On a phone the changes stand a screen below what is said to them, and the editor fills the one above.
    const reveal = () => {
      const { top } = says.getBoundingClientRect();
      if (top < 60 || top > innerHeight - 60) says.scrollIntoView({ block: "center" });
    };
    let turn = null, again = false;
    const run = async () => {
      reveal();
      again = button("run").disabled; // a change was chosen while another runs
      if (again) return;
      button("run").disabled = true;
      button("stop").hidden = false;
      do {
        again = false;
        turn = python.turn(asked, say, bar);
        await turn.done;
      } while (again);
      button("run").disabled = false;
      button("stop").hidden = true;
    };
    const asked = async () => {
      await python.loaded(box.dataset, bar, say);
      say("Running …");
      const steps = data.steps, where = surface(), wrote = text.value, about = mark;
      if (data.does === "race") {
        const answer = await python.ask("race", [wrote, where, steps]);
        if (answer.error) { table.replaceChildren(); picture.replaceChildren(); say(problem(answer), ...printed(answer)); return; }
        raced(answer, steps, where);
        return;
      }
      const asks = (what) => python.ask(data.does, data.does === "run" ? [what, where, steps] : [what, steps]);
      original ??= await asks(data.text);
      const own = await asks(wrote);
      if (own.error) { show({ ...own, losses: [] }, original); say(problem(own), ...printed(own)); return; }
      show(own, original);
      const first = wrote === data.text ? `${own.rule}: ${told("it", own)} after ${steps} steps.` : `Of ${steps} steps: ${told("yours", own)}; ${told(`the book's ${data.name}`, original)}.`;
      const split = (name, run) => `${name}: way to go ${short(run.way)}, noise ${short(run.noise)}.`;
      const parts = data.does === "run" ? [] : [split("Yours", own), ...(wrote === data.text ? [] : [split("The book's", original)])];
      say(first, ...parts, ...(about ? [about.cloneNode(true)] : []), ...printed(own));
    };

    const raced = (answer, steps, where) => {
      const map = data.surfaces[where], own = answer.lines.find((one) => one.name === "yours");
      const first = answer.lines.find((one) => one.name !== "yours");
      picture.replaceChildren(plane(map, [{ ...first, class: "theirs" }, { ...own, class: "own" }]));
      const rows = answer.lines.map((one, i) => make("tr", one === own ? { class: "own" } : {}, make("td", {}, String(i + 1)), make("th", { scope: "row" }, one.name), make("td", {}, one.rate === null ? "—" : short(one.rate)), make("td", {}, one.loss === null ? "diverged" : short(one.loss))));
      Object.assign(table, { tabIndex: 0, role: "region", ariaLabel: "The race" }); // it may scroll
      table.replaceChildren(make("table", {}, make("thead", {}, make("tr", {}, ...["place", "method", "best rate", "loss at the end"].map((word) => make("th", { scope: "col" }, word)))), make("tbody", {}, ...rows)));
      const place = answer.lines.indexOf(own) + 1;
      const tried = answer.lines.filter((one) => one !== own).map((one) => one.tried);
      say(`After ${steps} steps yours is number ${place} of ${answer.lines.length}. Each was tried with ${Math.min(...tried)} to ${Math.max(...tried)} rates, yours with ${own.tried}.`, ...printed(answer));
    };

    button("run").addEventListener("click", run);
    button("stop").addEventListener("click", () => { again = false; turn.end(); });
    button("reset").addEventListener("click", () => { text.value = data.text; mark = null; keep(); tall(); say("The book's text again."); });
    button("link").addEventListener("click", async () => {
      const hash = `#${box.id}=${await packed(text.value)}`;
      history.replaceState(null, "", hash);
      try { await navigator.clipboard.writeText(location.href); say("The link is in the clipboard."); } catch { say("The address now holds the text."); }
    });
    box.querySelector("select")?.addEventListener("change", () => { original = null; });
    box.querySelectorAll("[data-change]").forEach((node, i) => node.addEventListener("click", () => {
      text.value = data.changes[i].text;
      mark = node.parentElement.querySelector("p");
      keep(); tall(); run();
    }));
    box.dataset.ready = "";
  };
  const all = () => document.querySelectorAll(".gd-workbench").forEach(begin);
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", all) : all();
})();
