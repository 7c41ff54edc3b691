/* The grid of pairs: A and B in one place, flipped with a button; without this script both are shown. */

function start(section) {
  const images = [...section.querySelectorAll("[data-half]")];
  const buttons = [...section.querySelectorAll("[data-show]")];
  const show = (half) => {
    for (const image of images) image.hidden = image.dataset.half !== half;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.show === half));
  };
  for (const button of buttons) button.addEventListener("click", () => show(button.dataset.show));
  show("a");
}

function startAll(root) {
  for (const section of root.querySelectorAll("[data-flip]:not([data-ready])")) {
    section.dataset.ready = "";
    start(section);
  }
}

startAll(document);
document.addEventListener("htmx:load", (event) => startAll(event.target.parentNode ?? document));
