/* What drawings of runs share: colours of the theme, lines that are told apart, smoothing. */

const HUES = ["--accent", "--bad", "--focus", "--contour"]; // those that stay apart for every eye, in both schemes
const DASHES = [[], [7, 4], [2, 3]];

/** A colour token as the browser resolves it now, for a canvas. */
export function colour(name) {
  const probe = document.createElement("span");
  probe.className = "visually-hidden";
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/** How the line of the `index`-th run looks: four colours, then the same ones dashed, then dotted. */
export function lineOf(index) {
  return { token: HUES[index % HUES.length], dash: DASHES[Math.floor(index / HUES.length) % DASHES.length] };
}

/** A running mean without the pull of the zero it begins with; gaps stay gaps. */
export function smoothed(values, weight) {
  if (!weight) return values;
  let mean = 0;
  let seen = 0;
  return values.map((value) => {
    if (value === null || value === undefined) return value;
    mean = weight * mean + (1 - weight) * value;
    seen = weight * seen + (1 - weight);
    return mean / seen;
  });
}

/** A number as short as it can be told from its neighbours. */
export function short(value) {
  return value === null || value === undefined ? "" : String(Number(value.toPrecision(3)));
}

/** Names without the words that all of them begin with. */
export function apart(names) {
  const words = names.map((name) => name.split(" "));
  let same = 0;
  while (words.every((each) => each.length > same + 1 && each[same] === words[0][same])) same += 1;
  return words.map((each) => each.slice(same).join(" "));
}

/** Calls `redraw` when the colours of the page change. */
export function onTheme(redraw) {
  new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

/** Paints the swatches of a page: `order` maps a run's id to its place. */
export function paintSwatches(order) {
  for (const swatch of document.querySelectorAll(".swatch[data-run]")) {
    const { token, dash } = lineOf(order.get(swatch.dataset.run) ?? 0);
    const ink = `var(${token})`;
    swatch.style.background = dash.length
      ? `repeating-linear-gradient(90deg, ${ink} 0 ${dash[0]}px, transparent ${dash[0]}px ${dash[0] + dash[1]}px)`
      : ink;
  }
}
