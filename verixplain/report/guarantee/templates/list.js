"use strict";
(() => {
  const table = document.getElementById("list");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const control = (name) => document.getElementById(name);

  function filter() {
    const words = control("text").value.toLowerCase().split(/\s+/).filter(Boolean);
    const status = control("status").value;
    const model = control("model").value;
    let count = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      const fits = words.every((word) => text.includes(word))
        && (!status || row.dataset.statuses.split(" ").includes(status))
        && (!model || row.dataset.model === model);
      row.hidden = !fits;
      count += fits ? 1 : 0;
    }
    control("shown").textContent = count + " of " + rows.length + " items";
  }

  function sort(head, column) {
    const rising = head.getAttribute("aria-sort") !== "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const numbers = head.classList.contains("number");
    const key = (row) => row.cells[column].textContent.trim();
    const compare = (a, b) => numbers
      ? (parseFloat(key(a)) || 0) - (parseFloat(key(b)) || 0)
      : key(a).localeCompare(key(b), "en", { numeric: true });
    rows.sort((a, b) => (rising ? 1 : -1) * compare(a, b));
    body.append(...rows);
  }

  function save() {
    const cell = (text) => {
      const words = text.trim().replace(/\s+/g, " ");
      return '"' + (/^[=+\-@]/.test(words) ? "'" : "") + words.replaceAll('"', '""') + '"';
    };
    const lines = [table.tHead.rows[0], ...rows.filter((row) => !row.hidden)]
      .map((row) => Array.from(row.cells, (one) => cell(one.innerText)).join(","));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([lines.join("\r\n") + "\r\n"], { type: "text/csv" }));
    link.download = "items.csv";
    link.click();
  }

  Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(head, column));
    head.replaceChildren(button);
  });
  for (const name of ["text", "status", "model"]) control(name).addEventListener("input", filter);
  control("all").addEventListener("click", () => {
    for (const name of ["text", "status", "model"]) control(name).value = "";
    filter();
  });
  control("save").addEventListener("click", save);
  control("controls").hidden = false;
  filter();
})();
