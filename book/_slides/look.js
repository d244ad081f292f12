// The colours that a reader has chosen for the site, or else the system's; on paper the light ones.
(() => {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const onPaper = /[?&](print-pdf|light)\b/.test(location.search);
  const chosen = () => {
    try {
      return localStorage.getItem("mode"); // where the theme of the site keeps it
    } catch {
      return null; // a browser may refuse it to a file
    }
  };
  const paint = () => {
    const mode = chosen();
    const wanted = mode === "dark" || mode === "light" ? mode : dark.matches ? "dark" : "light";
    document.documentElement.dataset.theme = onPaper ? "light" : wanted;
  };
  paint();
  dark.addEventListener("change", paint);
  window.addEventListener("storage", paint);
})();
