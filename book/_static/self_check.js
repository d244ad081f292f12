// Exercises that check, and what a reader has solved, which this browser alone keeps.
(() => {
  const OPENING = 60_000; // ms
  const EXERCISE = "gd-exercise:", QUESTION = "gd-question:";
  const WORDS = { solved: "✓ solved", tried: "tried" };
  const kept = (key) => { try { return JSON.parse(localStorage.getItem(key)) ?? {}; } catch { return {}; } };
  const keep = (key, value) => { try { localStorage.setItem(key, JSON.stringify(value)); } catch { /* no storage: it lives as long as the page */ } };
  const paragraph = (text, name = "") => Object.assign(document.createElement("p"), { textContent: text, className: name });

  // ---------------------------------------------------------------------------------------------- an exercise
  const exercise = (card) => {
    const python = window.gdPython, { dataset } = card.closest(".gd-checks"), key = EXERCISE + card.dataset.name;
    const part = (selector) => card.querySelector(selector);
    const check = part("[data-do=check]"), stop = part("[data-do=stop]"), says = part(".gd-check-says"), bar = part("progress");
    const text = part("textarea, input[type=text]");
    const say = (...parts) => says.replaceChildren(...parts.map((one) => (typeof one === "string" ? paragraph(one) : one)));
    const answer = () => text?.value ?? part("input:checked")?.value ?? "";
    let { state = "", tries = 0, answer: last = "" } = kept(key);
    const mark = () => { part(".gd-check-state").textContent = WORDS[state] ?? ""; card.dataset.state = state; };
    const store = () => {
      if (kept(key).state === "solved") state = "solved"; // in another tab
      keep(key, { state, tries, answer: answer() });
      mark();
    };

    if (last && text) text.value = last;
    if (last && !text) for (const one of card.querySelectorAll("input")) one.checked = one.value === last;
    mark();
    card.addEventListener("input", store);

    let turn = null;
    const run = async () => {
      if (check.disabled) return;
      check.disabled = true;
      stop.hidden = false;
      turn = python.turn(asked, say, bar);
      await turn.done;
      check.disabled = false;
      stop.hidden = true;
    };
    const asked = async () => {
      await python.loaded(dataset, bar, say);
      say("Checking …");
      await python.ask("open", [card.dataset.name.split(".")[0]], OPENING); // ours, and no loop: it may take longer
      const verdict = await python.ask("check", [card.dataset.name, answer(), tries]);
      if (verdict.answered) {
        tries += verdict.right ? 0 : 1;
        state = verdict.right || state === "solved" ? "solved" : "tried";
        store();
      }
      const lines = verdict.text.replace(/\n  (?=\S)/g, " ").split("\n"); // unwrapped: the page is not 100 letters wide
      say(paragraph(lines.join("\n"), `gd-check-verdict ${verdict.right ? "right" : verdict.answered ? "wrong" : "open"}`));
    };
    check.addEventListener("click", run);
    stop.addEventListener("click", () => turn.end());
    part("[data-do=again]")?.addEventListener("click", () => { text.value = text.defaultValue; store(); say(); });
    if (text && "code" in text.dataset) python.editor(text, run);
    else text?.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || (text.tagName === "TEXTAREA" && !event.ctrlKey && !event.metaKey)) return;
      event.preventDefault();
      run();
    });
    if (location.protocol === "file:") {
      say(python.NO_FILES);
      check.disabled = true;
    }
    card.dataset.ready = "";
  };

  // ----------------------------------------------------------------------------------------------- a question
  // What counts is whether the right answer was opened, and how many others before it.
  const question = (box) => {
    const key = QUESTION + box.id.replace(/^ask-/, "");
    box.addEventListener("toggle", ({ target }) => {
      if (!target.open || !target.classList.contains("gd-answer")) return;
      const { state = "", tries = 0 } = kept(key);
      if (state === "solved") return;
      const right = target.classList.contains("right");
      keep(key, { state: right ? "solved" : "tried", tries: tries + (right ? 0 : 1) });
    }, true);
  };

  // --------------------------------------------------------------------------------------------- the progress
  const storage = () => { try { return localStorage; } catch { return null; } };
  const mine = () => Object.keys(storage() ?? {}).filter((key) => key.startsWith(EXERCISE) || key.startsWith(QUESTION));
  const progress = (box) => {
    const says = box.querySelector(".gd-progress-says"), file = box.querySelector("input[type=file]");
    const cells = [...box.querySelectorAll("td")];
    const show = () => {
      const all = { solved: 0, names: 0 };
      for (const cell of cells) {
        const prefix = cell.cellIndex === 1 ? EXERCISE : QUESTION, names = cell.dataset.names.split(" ").filter(Boolean);
        const states = names.map((name) => kept(prefix + name).state), solved = states.filter((state) => state === "solved").length;
        const tried = states.filter((state) => state === "tried").length;
        cell.textContent = names.length ? `${solved} of ${names.length}${tried ? `, ${tried} tried` : ""}` : "—";
        cell.classList.toggle("all", names.length > 0 && solved === names.length);
        all.solved += solved;
        all.names += names.length;
      }
      says.textContent = storage() ? `${all.solved} of ${all.names} solved in this browser.` : "This browser keeps nothing for this site: what you solve is forgotten with its page.";
    };
    const does = {
      export() {
        const found = Object.fromEntries(mine().map((key) => [key, kept(key)]));
        const link = Object.assign(document.createElement("a"), {
          href: URL.createObjectURL(new Blob([JSON.stringify(found, null, 1)], { type: "application/json" })),
          download: "gdcourse-progress.json",
        });
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 60_000); // some browsers read it later
      },
      import() { file.click(); },
      delete() {
        if (!mine().length) { says.textContent = "Nothing to delete."; return; }
        if (!confirm("Delete all answers from this browser?")) return;
        mine().forEach((key) => localStorage.removeItem(key));
        show();
      },
    };
    for (const button of box.querySelectorAll("[data-do]")) button.addEventListener("click", does[button.dataset.do]);
    file.addEventListener("change", async () => {
      let found;
      try { found = Object.entries(JSON.parse(await file.files[0].text())); } catch { found = []; }
      file.value = "";
      found = found.filter(([key, value]) => (key.startsWith(EXERCISE) || key.startsWith(QUESTION)) && value?.state in { "": 0, tried: 0, solved: 0 });
      if (!found.length) { says.textContent = "That file holds no progress of this book; nothing was changed."; return; }
      // What is solved on either side stays solved.
      for (const [key, value] of found) if (kept(key).state !== "solved") keep(key, value);
      show();
    });
    window.addEventListener("storage", show);
    window.addEventListener("pageshow", show); // as after going back to it
    show();
  };

  const all = () => {
    document.querySelectorAll(".gd-check").forEach(exercise);
    document.querySelectorAll(".gd-ask").forEach(question);
    document.querySelectorAll(".gd-progress").forEach(progress);
  };
  document.readyState === "loading" ? document.addEventListener("DOMContentLoaded", all) : all();
})();
