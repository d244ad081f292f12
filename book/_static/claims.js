// Two menus above the table of claims: show one chapter's rows, or one verdict's. Without JavaScript all rows show.
document.addEventListener("DOMContentLoaded", () => {
  const table = document.querySelector("table.claims");
  const rows = table ? [...table.tBodies[0].rows] : [];
  const named = (row, prefix) => [...row.classList].find((name) => name.startsWith(prefix))?.slice(prefix.length);
  const kinds = { Chapter: "from-", Verdict: "verdict-" };
  if (new Set(rows.map((row) => named(row, kinds.Chapter))).size < 2) return;

  const bar = document.createElement("div");
  bar.className = "claims-filter";
  const menus = Object.entries(kinds).map(([title, prefix]) => {
    const label = document.createElement("label");
    const select = document.createElement("select");
    select.add(new Option("all", ""));
    for (const name of new Set(rows.map((row) => named(row, prefix)))) select.add(new Option(name.replaceAll("-", " "), name));
    label.append(`${title}:`, select);
    bar.append(label);
    return { select, prefix };
  });
  const count = document.createElement("output");
  bar.append(count);

  const show = () => {
    for (const row of rows) {
      row.hidden = menus.some(({ select, prefix }) => select.value && named(row, prefix) !== select.value);
    }
    count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} claims`;
  };
  menus.forEach(({ select }) => select.addEventListener("change", show));
  table.closest(".pst-scrollable-table-container, .table-wrapper, table").before(bar);
  show();
});
