// On a narrow page the contents lie over the text: whoever has chosen a section wants to see it.
document.addEventListener("click", ({ target }) => {
  const link = target.closest('dialog a[href^="#"]');
  if (link) setTimeout(() => link.closest("dialog").close()); // once the page has gone there
});
