/*
 * Pairs of small pictures: A and B in one place. Two buttons flip all of them, a click one alone. Without this script
 * both halves are shown.
 */

function start(section) {
  const pairs = [...section.querySelectorAll("[data-pair]")];
  const buttons = [...section.querySelectorAll("[data-show]")];
  const show = (pair, half) => {
    pair.dataset.shown = half;
    for (const part of pair.querySelectorAll("[data-half]")) part.hidden = part.dataset.half !== half;
  };
  const showAll = (half) => {
    for (const pair of pairs) show(pair, half);
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.show === half));
  };
  for (const button of buttons) button.addEventListener("click", () => showAll(button.dataset.show));
  section.addEventListener("click", (event) => {
    const pair = event.target.closest("[data-pair]");
    if (pair) show(pair, pair.dataset.shown === "a" ? "b" : "a");
  });
  showAll("a");
}

function startAll(root) {
  for (const section of root.querySelectorAll("[data-flip]:not([data-ready])")) {
    section.dataset.ready = "";
    start(section);
  }
}

startAll(document);
document.addEventListener("htmx:load", (event) => startAll(event.target.parentNode ?? document));
