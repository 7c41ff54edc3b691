"use strict";
// A click on a heading sorts by that column: best first, then the other way round.
for (const table of document.querySelectorAll("table.ranking")) {
  const heads = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];
  heads.forEach((head, column) => {
    const label = head.querySelector("span");
    const button = document.createElement("button");
    button.type = "button";
    button.append(...label.childNodes);
    label.replaceWith(button);
    button.addEventListener("click", () => {
      const descending = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", descending === 1 ? "ascending" : "descending");
      const key = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent;
      const compare = (first, second) => {
        const [a, b] = [key(first), key(second)];
        if (a === "" || b === "") return (a === "") - (b === ""); // nothing measured: last, either way
        const [x, y] = [Number(a), Number(b)];
        return descending * (Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y);
      };
      body.append(...[...body.rows].sort(compare));
    });
  });
}
