// Makes the headings of tables buttons that sort; without it the page is still complete.
"use strict";
const number = (text) => {
  const found = text.replace(/,/g, "").replace("\u2212", "-").replace(/^[<>]/, "").match(/^[+-]?(\d+\.?\d*|\.\d+)/);
  return found ? parseFloat(found[0]) : NaN;
};
const compare = (a, b) => {
  const [x, y] = [number(a), number(b)];
  if (Number.isNaN(x) && Number.isNaN(y)) return a.localeCompare(b, "en", { numeric: true });
  return Number.isNaN(x) ? 1 : Number.isNaN(y) ? -1 : x - y;
};
for (const table of document.querySelectorAll("table.sorted")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  if (body.rows.length < 2) continue;
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const text = (row) => row.cells[column].textContent.trim();
      const rows = [...body.rows].sort((a, b) => (down ? -1 : 1) * compare(text(a), text(b)));
      body.append(...rows);
    });
  });
}
