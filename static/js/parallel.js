/*
 * Parallel coordinates of a sweep: an axis for every setting that varies and one for what decides, a line for every
 * run. Brushes keep only the lines that pass; each axis has two fields that do the same without a mouse.
 */
import { colour, onTheme, short } from "./plotting.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 300;
const TOP = 34;
const BOTTOM = 26;

const brushes = new Map(); // name of an axis -> [low, high], shares of its height; kept while the page follows the sweep

let drawnFrom = ""; // the drawing itself survives what htmx brings (hx-preserve): new figures alone change it
let opened = false;

start();
document.addEventListener("htmx:afterSwap", () => start({ always: false }));
onTheme(start);
addEventListener("resize", () => requestAnimationFrame(start));

function start({ always = true } = {}) {
  const place = document.getElementById("parallel");
  const source = document.getElementById("parallel-source")?.dataset.drawnFrom;
  if (!place || !source || (!always && source === drawnFrom && place.hasChildNodes())) return;
  drawnFrom = source;
  draw(place, JSON.parse(source));
}

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/* A scale from values to shares of the height, 0 at the bottom; words and switches get places of their own. */
function scaleOf(axis, values) {
  const known = values.filter((value) => value !== null && value !== undefined);
  if (known.some((value) => typeof value !== "number")) {
    const words = [...new Set(known.map(String))].sort();
    const share = (value) => (words.length < 2 ? 0.5 : words.indexOf(String(value)) / (words.length - 1));
    return { share, marks: words.map((word) => [share(word), word === "true" ? "yes" : word === "false" ? "no" : word]) };
  }
  const on = axis.log ? Math.log : (value) => value;
  const back = axis.log ? Math.exp : (value) => value;
  const low = on(Math.min(...known));
  const high = on(Math.max(...known));
  const share = (value) => (high === low ? 0.5 : (on(value) - low) / (high - low));
  const few = [...new Set(known)].sort((one, other) => one - other);
  const marks = few.length <= 5 ? few : [0, 0.25, 0.5, 0.75, 1].map((part) => back(low + (high - low) * part));
  return { share, marks: marks.map((value) => [share(value), short(value)]) };
}

function passes(line, axes) {
  return axes.every((axis, index) => {
    const brush = brushes.get(axis.name);
    const value = line.values[index];
    if (!brush) return true;
    if (value === null || value === undefined) return false;
    const share = axis.scale.share(value);
    return share >= brush[0] - 1e-9 && share <= brush[1] + 1e-9;
  });
}

function draw(place, { axes, lines }) {
  const width = Math.max(place.clientWidth, axes.length * 110);
  const inner = HEIGHT - TOP - BOTTOM;
  const margin = 60;
  axes.forEach((axis, index) => {
    axis.scale = scaleOf(axis, lines.map((line) => line.values[index]));
    axis.x = margin + (index * (width - 2 * margin)) / Math.max(axes.length - 1, 1);
  });
  const y = (share) => TOP + inner * (1 - share);
  const best = lines.reduce((least, line) => (line.place < least ? line.place : least), Infinity);
  const svg = element("svg", {
    viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img",
    "aria-label": `${lines.length} runs over ${axes.map((axis) => axis.title).join(", ")}. The table below says the same.`,
  });
  const note = document.createElement("p");
  note.className = "small muted";
  note.setAttribute("aria-live", "polite");

  const drawn = [...lines].sort((one, other) => other.place - one.place).map((line) => {
    const points = axes
      .map((axis, index) => [axis.x, line.values[index], axis.scale])
      .filter(([, value]) => value !== null && value !== undefined)
      .map(([x, value, scale]) => `${x},${y(scale.share(value))}`)
      .join(" ");
    const path = element("polyline", { points, fill: "none", class: line.place === best ? "line line--best" : "line" });
    // Place 1 in full colour, the last one pale.
    path.style.stroke = colour(line.place === best ? "--contour" : "--accent");
    path.style.opacity = line.place === best ? 1 : 0.25 + 0.55 * (1 - (line.place - 1) / Math.max(lines.length - 1, 1));
    const said = axes.map((axis, index) => `${axis.title} ${short0(line.values[index])}`).join(", ");
    path.append(element("title", {}, `${line.name}, place ${line.place}: ${said}`));
    path.addEventListener("click", () => line.url && location.assign(line.url));
    svg.append(path);
    return { line, path };
  });

  function refresh() {
    let kept = 0;
    for (const { line, path } of drawn) {
      const inside = passes(line, axes);
      path.classList.toggle("line--out", !inside);
      kept += inside;
    }
    const which = [...drawn].reverse().filter(({ line }) => passes(line, axes)).slice(0, 8).map(({ line }) => line.name);
    note.textContent = kept === lines.length ? `${kept} runs.` : `${kept} of ${lines.length} runs pass: ${which.join(", ")}${kept > 8 ? " and more" : ""}.`;
  }

  for (const axis of axes) svg.append(axisOf(axis, y, inner, refresh, () => draw(place, { axes, lines })));
  const holder = document.createElement("div");
  holder.className = "scroll-x";
  holder.tabIndex = 0;
  holder.setAttribute("role", "region");
  holder.setAttribute("aria-label", "Parallel coordinates");
  holder.append(svg);
  const focused = place.contains(document.activeElement) ? document.activeElement.id : "";
  place.replaceChildren(holder, limits(axes, () => draw(place, { axes, lines })), note);
  refresh();
  if (focused) document.getElementById(focused)?.focus();
}

function short0(value) {
  if (value === null || value === undefined) return "–";
  return typeof value === "number" ? short(value) : String(value);
}

function axisOf(axis, y, inner, refresh, redraw) {
  const group = element("g", { transform: `translate(${axis.x} 0)` });
  const arrow = { higher: " ↑", lower: " ↓" }[axis.better] ?? "";
  group.append(element("text", { y: 16, "text-anchor": "middle", class: "axis-title" }, axis.title + arrow));
  group.append(element("line", { y1: TOP, y2: TOP + inner, class: "axis" }));
  for (const [share, word] of axis.scale.marks) {
    group.append(element("text", { x: 7, y: y(share) + 4, class: "axis-mark" }, word));
  }
  const brush = brushes.get(axis.name);
  const shade = element("rect", { x: -9, width: 18, class: "brush" });
  const area = element("rect", { x: -14, width: 28, y: TOP - 6, height: inner + 12, class: "brush-area" });
  group.append(shade, area);

  function paint(limits) {
    shade.setAttribute("y", limits ? y(limits[1]) : TOP);
    shade.setAttribute("height", limits ? Math.max(2, y(limits[0]) - y(limits[1])) : 0);
  }
  paint(brush);

  let from = null;
  const shareAt = (event) => {
    const box = area.getBoundingClientRect();
    const part = (event.clientY - box.top) / box.height; // of the area, which is 6 higher at both ends
    return Math.min(1, Math.max(0, 1 - (part * (inner + 12) - 6) / inner));
  };
  area.addEventListener("pointerdown", (event) => {
    from = shareAt(event);
    area.setPointerCapture(event.pointerId);
  });
  area.addEventListener("pointermove", (event) => {
    if (from === null) return;
    const to = shareAt(event);
    brushes.set(axis.name, [Math.min(from, to), Math.max(from, to)]);
    paint(brushes.get(axis.name));
    refresh();
  });
  area.addEventListener("pointerup", (event) => {
    if (from !== null && Math.abs(shareAt(event) - from) < 0.015) brushes.delete(axis.name); // a click takes it away
    from = null;
    redraw(); // the fields show it, too
  });
  return group;
}

/* The same limits as fields: two sliders an axis, behind a word. */
function limits(axes, redraw) {
  const details = document.createElement("details");
  details.open = opened;
  details.addEventListener("toggle", () => {
    opened = details.open;
  });
  const summary = document.createElement("summary");
  summary.textContent = "Limits as fields";
  const grid = document.createElement("div");
  grid.className = "parallel__limits";
  for (const axis of axes) {
    const [low, high] = brushes.get(axis.name) ?? [0, 1];
    const set = document.createElement("fieldset");
    const legend = document.createElement("legend");
    legend.textContent = axis.title;
    set.append(legend);
    const fields = [["From", low], ["To", high]].map(([word, value]) => {
      const label = document.createElement("label");
      const field = document.createElement("input");
      Object.assign(field, { type: "range", min: 0, max: 100, value: Math.round(value * 100) });
      label.append(word, field);
      set.append(label);
      return field;
    });
    for (const field of fields) {
      field.id = `limit-${axis.name}-${fields.indexOf(field)}`;
      field.setAttribute("aria-label", `${axis.title}, ${field === fields[0] ? "from" : "to"}, per cent of its axis`);
      field.addEventListener("change", () => {
        const ends = fields.map((each) => Number(each.value) / 100).sort((one, other) => one - other);
        if (ends[0] <= 0 && ends[1] >= 1) brushes.delete(axis.name);
        else brushes.set(axis.name, ends);
        redraw();
      });
    }
    grid.append(set);
  }
  details.append(summary, grid);
  return details;
}
