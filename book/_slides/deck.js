// The deck: reveal.js with a slide's size, text that fits it, and the figures, each opened when it is near.
(() => {
  const printed = /[?&]print-pdf\b/.test(location.search);
  const LARGEST = 28; // px of the text, on a slide of 1280 × 720
  const SMALLEST = 20;
  // How a figure may stand on a slide: how much larger than on its page, and in what share of the width. The first
  // that has room for its height is taken.
  const STANDS = [
    ...[1.8, 1.7, 1.6, 1.5, 1.4, 1.3, 1.2].map((scale) => [scale, 1]),
    ...[1.5, 1.4, 1.3, 1.2].map((scale) => [scale, 0.75]),
    ...[1.1, 1, 0.9, 0.8, 0.7].map((scale) => [scale, 1]),
  ];

  // A phone held upright shows a slide as a page of its own size, which may scroll.
  const upright = () => !printed && window.innerWidth < 700 && window.innerWidth < window.innerHeight;
  const size = () =>
    upright()
      ? { width: window.innerWidth, height: window.innerHeight, navigationMode: "linear" }
      : { width: 1280, height: 720, navigationMode: "default" };

  const fits = (slide) => {
    const body = slide.querySelector(".body") ?? slide;
    const wide = [...slide.querySelectorAll("pre, .gd-formula")].some((one) => one.scrollWidth > one.clientWidth + 1);
    return !wide && slide.scrollHeight <= slide.clientHeight && body.scrollHeight <= body.clientHeight + 1;
  };
  const shrink = (slide) => {
    for (let px = LARGEST; px >= SMALLEST; px--) {
      slide.style.fontSize = `${px}px`;
      if (fits(slide)) return true;
    }
    return false;
  };
  /** The largest text with which a slide holds all that is on it. */
  const fit = (slide) => {
    slide.style.fontSize = "";
    slide.classList.remove("wrapped");
    if (upright()) return;
    if (shrink(slide)) return;
    slide.classList.add("wrapped"); // lines of code that are too long even so
    shrink(slide);
  };

  // ------------------------------------------------------------------------------------------------ figures

  const frames = [...document.querySelectorAll("iframe[data-figure]")];
  const open = (frame) => {
    if (!frame.hasAttribute("src")) frame.src = frame.dataset.figure + (printed ? "?light" : "");
  };
  const place = (frame, stand) => {
    const room = frame.parentElement;
    const [scale, share] = STANDS[stand];
    frame.stand = stand;
    frame.asked = Math.floor((room.clientWidth * share) / scale);
    frame.style.cssText = `width: ${frame.asked}px; height: ${room.clientHeight / scale}px; transform: scale(${scale}); left: ${(room.clientWidth * (1 - share)) / 2}px`;
  };
  /** Make room for a figure: it is drawn as large as its slide can hold. */
  const hold = (frame, height, width) => {
    if (upright()) {
      frame.style.cssText = `width: 100%; height: ${height}px`;
      frame.dataset.placed = "yes";
      return;
    }
    if (Math.abs(width - frame.asked) > 1 || !(frame.asked > 0)) return; // told before it was resized
    const tall = height * STANDS[frame.stand][0] > frame.parentElement.clientHeight + 1;
    if (tall && frame.stand + 1 < STANDS.length) place(frame, frame.stand + 1);
    else frame.dataset.placed = "yes";
  };
  /** The keys belong to the slides again, not to the figure that had them. */
  const takeKeys = () => {
    document.activeElement.blur();
    window.focus();
  };
  const show = (slide) => {
    const chapter = slide.closest(".stack") ?? slide;
    for (const frame of chapter.querySelectorAll("iframe[data-figure]")) open(frame);
    for (const frame of slide.querySelectorAll("iframe[data-figure]")) {
      if (frame.dataset.placed && frame.clientWidth) continue;
      upright() ? (frame.style.width = "100%") : place(frame, 0);
    }
  };

  window.addEventListener("message", (event) => {
    const told = event.data;
    const frame = told && told.figure && frames.find((one) => one.contentWindow === event.source);
    if (!frame) return;
    if (told.figure === "height") hold(frame, told.height, told.width);
    else if (told.key === "PageDown") Reveal.next();
    else if (told.key === "PageUp") Reveal.prev();
    else if (told.key === "Escape") takeKeys();
    else Reveal.triggerKey(told.code);
  });

  // ------------------------------------------------------------------------------------------------- slides

  const ready = () => (document.documentElement.dataset.ready = "yes");
  const arrange = () => {
    document.documentElement.classList.toggle("upright", upright());
    const slide = Reveal.getCurrentSlide();
    if (document.activeElement.matches("iframe")) takeKeys();
    fit(slide);
    show(slide);
    document.title = [slide.querySelector("h1, h2").textContent, slide.querySelector(".chapter")?.textContent, "Slides"].filter(Boolean).join(" — ");
  };
  const anew = () => {
    for (const frame of frames) delete frame.dataset.placed;
    Reveal.configure(size());
    arrange();
  };

  document.documentElement.classList.toggle("upright", upright());
  Reveal.on("pdf-ready", () => {
    for (const slide of document.querySelectorAll(".slides section:not(.stack)")) {
      fit(slide);
      for (const frame of slide.querySelectorAll("iframe[data-figure]")) {
        open(frame);
        place(frame, 0);
      }
    }
    const wait = () => (frames.every((one) => one.dataset.placed) ? ready() : setTimeout(wait, 100));
    wait();
  });
  Reveal.initialize({
    ...size(),
    margin: 0,
    minScale: 0.1,
    maxScale: 4,
    center: false,
    display: "flex",
    hash: true,
    slideNumber: "c/t",
    controlsLayout: innerHeight < 500 ? "bottom-right" : "edges", // a phone on its side has no room above and below
    transition: "none",
    scrollActivationWidth: null,
    pdfMaxPagesPerSlide: 1,
    pdfSeparateFragments: false,
    plugins: [RevealNotes],
  }).then(() => {
    if (printed) return;
    Reveal.on("slidechanged", arrange);
    window.addEventListener("resize", anew);
    document.fonts.ready.then(() => {
      arrange();
      ready();
    });
  });
})();
