// A figure inside the deck: it says how tall it is, and hands on the keys that belong to the slides.
(() => {
  const deck = window.parent;
  if (deck === window) return;
  const content = document.querySelector("main");
  const figure = document.querySelector(".gd-figure");
  const tell = () => deck.postMessage({ figure: "height", height: content.scrollHeight, width: window.innerWidth }, "*");
  const soon = () => requestAnimationFrame(() => requestAnimationFrame(tell)); // after it is drawn anew
  const begin = () => {
    if (!figure.dataset.ready) return requestAnimationFrame(begin);
    new ResizeObserver(soon).observe(content);
    window.addEventListener("resize", soon);
    soon();
  };
  begin();

  const always = ["PageDown", "PageUp", "Escape"]; // those of a presenter's clicker, and the way out
  const where_nothing_listens = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", " ", "Home", "End"];
  window.addEventListener(
    "keydown",
    (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const free = document.activeElement === document.body && (where_nothing_listens.includes(event.key) || /^[a-z]$/i.test(event.key));
      if (!always.includes(event.key) && !free) return;
      event.preventDefault();
      event.stopPropagation();
      deck.postMessage({ figure: "key", key: event.key, code: event.keyCode }, "*");
    },
    true,
  );
})();
