// Search, filters and sorting of the tables, and what a mark of a chart says under the pointer. Everything that the
// pages say is there without it.
"use strict";

const plain = (text) => text.normalize("NFKC").toLowerCase().trim();

function setUpTools(form) {
  const table = document.getElementById(form.dataset.tools);
  const rows = [...table.tBodies[0].rows];
  const search = form.querySelector("[data-search]");
  const filters = [...form.querySelectorAll("[data-filter]")];
  const count = form.querySelector("[data-count]");
  const names = new Map(rows.map((row) => [row, plain(row.dataset.find)]));

  const show = () => {
    const words = plain(search.value).split(/\s+/);
    let shown = 0;
    for (const row of rows) {
      const fits =
        words.every((word) => names.get(row).includes(word)) &&
        filters.every((filter) => !filter.value || row.dataset[filter.dataset.filter] === filter.value);
      row.hidden = !fits;
      shown += fits;
    }
    count.value = count.dataset.text.replace("{shown}", shown).replace("{all}", rows.length);
  };
  form.hidden = false;
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(show));
  show();
}

function setUpSorting(table) {
  const headers = [...table.tHead.rows[0].cells];
  headers.forEach((header, place) => {
    if (!header.dataset.sort) return;
    const button = document.createElement("button");
    button.type = "button";
    button.append(...header.childNodes);
    header.append(button);
    button.addEventListener("click", () => {
      const descends = header.getAttribute("aria-sort") === "ascending";
      headers.forEach((other) => other.removeAttribute("aria-sort"));
      header.setAttribute("aria-sort", descends ? "descending" : "ascending");
      sort(table.tBodies[0], place, header.dataset.sort, descends ? -1 : 1);
    });
  });
}

function sort(body, place, kind, sign) {
  const value = (row) => {
    const cell = row.cells[place];
    const text = cell.dataset.value ?? cell.textContent.trim();
    if (kind !== "number") return text;
    return text === "" || text === "–" ? null : Number(text);
  };
  const language = document.documentElement.lang;
  const rows = [...body.rows].map((row) => [row, value(row)]);
  rows.sort(([, one], [, other]) => {
    // What has no figure stands last, whichever way the rest is sorted.
    if (one === null || other === null) return (one === null) - (other === null);
    return sign * (kind === "number" ? one - other : one.localeCompare(other, language));
  });
  body.append(...rows.map(([row]) => row));
}

function setUpTips() {
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("aria-hidden", "true");
  tip.hidden = true;
  document.body.append(tip);
  document.addEventListener("pointermove", (event) => {
    const mark = event.target.closest?.(".chart svg [aria-label]");
    const text = mark?.getAttribute("aria-roledescription") === "mark container" ? "" : mark?.getAttribute("aria-label");
    tip.hidden = !text;
    if (!text) return;
    tip.textContent = text;
    const room = document.documentElement.clientWidth - tip.offsetWidth - 8;
    tip.style.left = `${Math.max(8, Math.min(event.pageX + 14, window.scrollX + room))}px`;
    tip.style.top = `${event.pageY + 16}px`;
  });
}

document.querySelectorAll("form[data-tools]").forEach(setUpTools);
document.querySelectorAll("table[data-sortable]").forEach(setUpSorting);
setUpTips();
// What is folded away is printed all the same.
window.addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((each) => (each.open = true)));
