/*
 * The table of a run's checkpoints: what is chosen survives its renewal, and the buttons say when too little is chosen.
 * Shift chooses everything between two boxes.
 */

const SECTION = "checkpoints";
let chosen = new Set();
let last = null;

const boxes = () => [...document.querySelectorAll(`#${SECTION} input[name=checkpoint]`)];

function show() {
  const form = document.querySelector("[data-checkpoints]");
  if (!form) return;
  const count = boxes().filter((box) => box.checked).length;
  for (const button of form.querySelectorAll("[data-least]")) {
    const wanted = Number(button.dataset.least);
    button.disabled = count < wanted;
    button.title = count < wanted ? `Choose ${wanted === 1 ? "a checkpoint" : `${wanted} checkpoints`} first` : "";
  }
  form.querySelector("[data-count]").textContent = count ? `With the ${count} chosen:` : "With the chosen ones:";
}

function remember() {
  chosen = new Set(boxes().filter((box) => box.checked).map((box) => box.value));
}

document.addEventListener("click", (event) => {
  const box = event.target.closest?.(`#${SECTION} input[name=checkpoint]`);
  if (!box) return;
  const all = boxes();
  const from = all.findIndex((each) => each.value === last);
  if (event.shiftKey && from >= 0) {
    const to = all.indexOf(box);
    for (const each of all.slice(Math.min(from, to), Math.max(from, to) + 1)) each.checked = box.checked;
  }
  last = box.value;
  remember();
  show();
});

/* The focus and the number of tiles are the person's, too. */
let focused = null;
let tiles = "";

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target?.id !== SECTION || !event.detail.shouldSwap) return;
  const active = document.activeElement;
  const inside = event.detail.target.contains(active);
  focused = inside ? { id: active.id, name: active.name, value: active.value } : null;
  tiles = document.getElementById("evaluate-tiles")?.value ?? "";
  remember();
});

document.addEventListener("htmx:afterSwap", () => {
  for (const box of boxes()) box.checked = chosen.has(box.value);
  const field = document.getElementById("evaluate-tiles");
  if (field && !field.value) field.value = tiles;
  if (focused) {
    const same = (each) => each.name === focused.name && each.value === focused.value;
    const found = focused.id
      ? document.getElementById(focused.id)
      : [...document.querySelectorAll(`#${SECTION} :is(input, button)`)].find(same);
    found?.focus({ preventScroll: true });
    focused = null;
  }
  show();
});

show();
