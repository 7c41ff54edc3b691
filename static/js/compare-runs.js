/* Runs beside each other: a plot for every curve with a line for each run, and their samples at one step. */
import { apart, colour, lineOf, onTheme, paintSwatches, short, smoothed } from "./plotting.js";

const POINTS = 1000; // of one run
const HEIGHT = 220;

const place = document.getElementById("compared-curves");
const runs = place ? JSON.parse(document.getElementById("compared").textContent) : [];
paintSwatches(new Map(runs.map((run, index) => [run.id, index])));
if (place && window.uPlot) startCurves();
startSamples();

function startCurves() {
  const smoothing = document.getElementById("smoothing");
  const logarithmic = document.getElementById("log-scale");
  const hidden = new Set();
  const labels = apart(runs.map((run) => run.name));
  const state = { curves: new Map(), plots: [], range: null };

  async function load() {
    const query = new URLSearchParams({ points: POINTS });
    if (state.range) {
      query.set("from", Math.max(0, Math.floor(state.range[0])));
      query.set("to", Math.ceil(state.range[1]));
    }
    const answers = await Promise.all(
      runs.map(async (run) => {
        try {
          const answer = await fetch(`${run.curves}?${query}`, { headers: { Accept: "application/json" } });
          return answer.ok ? await answer.json() : null;
        } catch {
          return null; // the line is down: the others are drawn
        }
      }),
    );
    answers.forEach((answer, index) => answer && state.curves.set(runs[index].id, answer));
    build();
  }

  /* Every curve that at least one run has: first what was measured, then what was logged. */
  function names() {
    const found = new Map();
    for (const run of runs) for (const name of Object.keys(run.measures)) found.set(name, "measure");
    for (const { columns } of state.curves.values()) for (const name of columns) found.set(name, "logged");
    return found;
  }

  function pointsOf(run, name, kind) {
    if (kind === "measure") {
      const points = run.measures[name] ?? [];
      return [points.map((point) => point[0]), points.map((point) => point[1])];
    }
    const data = state.curves.get(run.id);
    const column = data?.columns.indexOf(name) ?? -1;
    return column < 0 ? [[], []] : [data.steps, smoothed(data.values[column], Number(smoothing.value))];
  }

  /* Runs log at steps of their own: one axis of all steps, and gaps where a run has none. */
  function joined(name, kind) {
    const tables = runs.map((run) => pointsOf(run, name, kind));
    const steps = [...new Set(tables.flatMap((table) => table[0]))].sort((one, other) => one - other);
    const at = new Map(steps.map((step, index) => [step, index]));
    const lines = tables.map(([own, values]) => {
      const line = new Array(steps.length).fill(null);
      own.forEach((step, index) => {
        line[at.get(step)] = values[index];
      });
      return line;
    });
    return [steps, ...lines];
  }

  function build() {
    for (const { plot } of state.plots) plot.destroy();
    state.plots = [];
    place.replaceChildren();
    const all = names();
    if (!all.size) {
      const note = document.createElement("p");
      note.className = "muted";
      note.textContent = "None of these runs has logged anything yet.";
      place.append(note);
      return;
    }
    for (const [name, kind] of all) draw(name, kind);
  }

  function draw(name, kind) {
    const box = document.createElement("div");
    box.className = "curve";
    place.append(box);
    const ink = colour("--ink-muted");
    const line = colour("--line");
    const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
    const plot = new window.uPlot(
      {
        title: kind === "measure" ? name : name.replaceAll("_", " "),
        width: Math.max(200, box.clientWidth - 24),
        height: HEIGHT,
        legend: { live: true },
        cursor: { sync: { key: "compare" }, drag: { x: true, y: false, setScale: false } },
        scales: {
          x: { time: false, ...(state.range ? { min: state.range[0], max: state.range[1] } : {}) },
          y: { distr: logarithmic.checked && kind === "logged" ? 3 : 1 },
        },
        axes: [axis, { ...axis, size: 62, values: (_, marks) => marks.map(short) }],
        series: [
          { label: "Step" },
          ...runs.map((run, index) => {
            const { token, dash } = lineOf(index);
            return {
              label: labels[index],
              stroke: colour(token),
              dash,
              width: 1.75,
              spanGaps: true,
              show: !hidden.has(run.id),
              points: { show: kind === "measure" },
              value: (_, value) => short(value) || "–",
            };
          }),
        ],
        hooks: { setSelect: [zoomed] },
      },
      joined(name, kind),
      box,
    );
    state.plots.push({ plot, box, name, kind });
  }

  function zoomed(plot) {
    if (plot.select.width < 4) return;
    state.range = [
      plot.posToVal(plot.select.left, "x"),
      plot.posToVal(plot.select.left + plot.select.width, "x"),
    ];
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    load();
  }

  const observer = new ResizeObserver(() => {
    for (const { plot, box } of state.plots) plot.setSize({ width: Math.max(200, box.clientWidth - 24), height: HEIGHT });
  });
  observer.observe(place);
  smoothing.addEventListener("input", () => {
    for (const { plot, name, kind } of state.plots) plot.setData(joined(name, kind), !state.range);
  });
  logarithmic.addEventListener("change", build);
  document.getElementById("whole-range").addEventListener("click", () => {
    state.range = null;
    load();
  });
  for (const box of document.querySelectorAll("[data-show]")) {
    const follow = () => {
      if (box.checked) hidden.delete(box.dataset.show);
      else hidden.add(box.dataset.show);
      const index = runs.findIndex((run) => run.id === box.dataset.show);
      for (const { plot } of state.plots) plot.setSeries(index + 1, { show: box.checked });
    };
    box.addEventListener("change", follow);
    if (!box.checked) follow(); // the browser keeps ticks over a reload
  }
  onTheme(build);
  load();
}

function startSamples() {
  const images = [...document.querySelectorAll("#compared-samples [data-made]")];
  const controls = document.getElementById("sample-controls");
  const slider = document.getElementById("sample-step");
  if (!images.length || !controls) return;
  const stepsOf = (image) => image.dataset.steps.split(" ").map(Number);
  const steps = [...new Set(images.flatMap(stepsOf))].sort((one, other) => one - other);
  const told = controls.querySelector("[data-step]");

  /* Each run shows its last drawing up to the chosen step, or its first one. */
  function show(index) {
    told.textContent = steps[index].toLocaleString("en");
    for (const image of images) {
      const own = stepsOf(image);
      const step = own.filter((each) => each <= steps[index]).pop() ?? own[0];
      const address = `${image.dataset.address}${step}-${image.dataset.made}/`;
      if (image.getAttribute("src") !== address) image.src = address;
      image.closest("figure").querySelector("[data-at]").textContent = step.toLocaleString("en");
    }
  }

  slider.max = steps.length - 1;
  slider.value = steps.length - 1;
  controls.hidden = steps.length < 2;
  slider.addEventListener("input", () => show(Number(slider.value)));
  show(steps.length - 1);
}
