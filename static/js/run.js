/*
 * A run's page: its curves (uPlot: drag to zoom, one cursor for all), and the fixed tiles at the step under the slider or
 * the cursor. New figures are asked for while the run goes on; a zoom asks for the points of its own range.
 */

const EVERY = 3000; // milliseconds between two questions while the run goes on
const PLAIN = new Set(["learning_rate", "images_per_second"]);
const HUES = ["--accent", "--contour", "--bad", "--good", "--focus", "--warn"];

const place = document.getElementById("curves");
const tiles = startTiles(document.getElementById("samples"));
if (place && window.uPlot) startCurves(place);

function colour(name) {
  const probe = document.createElement("span");
  probe.className = "visually-hidden";
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

/* What belongs together shares a plot: the generator's terms, the discriminator's, and each of the rest alone. */
function grouped(columns) {
  const groups = new Map();
  for (const name of columns) {
    const family = PLAIN.has(name) ? name : name.split("_")[0];
    groups.set(family, [...(groups.get(family) ?? []), name]);
  }
  return groups;
}

function smoothed(values, weight) {
  if (!weight) return values;
  let mean = 0;
  let seen = 0;
  return values.map((value) => {
    if (value === null) return null;
    mean = weight * mean + (1 - weight) * value;
    seen = weight * seen + (1 - weight);
    return mean / seen; // without the pull of the zero it began with
  });
}

function startCurves(place) {
  const smoothing = document.getElementById("smoothing");
  const logarithmic = document.getElementById("log-scale");
  const state = { data: null, range: null, plots: [], asked: 0 };

  const address = () => {
    const query = new URLSearchParams();
    if (state.range) {
      query.set("from", Math.max(0, Math.floor(state.range[0])));
      query.set("to", Math.ceil(state.range[1]));
    }
    return `${place.dataset.address}?${query}`;
  };

  async function load() {
    const turn = ++state.asked;
    let answer;
    try {
      answer = await fetch(address(), { headers: { Accept: "application/json" } });
    } catch {
      return; // the line is down: the next turn asks again
    }
    if (!answer.ok || turn !== state.asked) return;
    const before = state.data;
    state.data = await answer.json();
    if (!state.data.steps.length) return;
    if (!before || before.columns.join() !== state.data.columns.join()) build();
    else fill();
  }

  function series(names) {
    const { columns, values } = state.data;
    const weight = Number(smoothing.value);
    return names.map((name) => smoothed(values[columns.indexOf(name)], weight));
  }

  function fill() {
    for (const { plot, names } of state.plots) plot.setData([state.data.steps, ...series(names)], !state.range);
  }

  function zoom(range) {
    state.range = range;
    load();
  }

  function build() {
    for (const { plot } of state.plots) plot.destroy();
    state.plots = [];
    place.replaceChildren();
    place.classList.add("curves");
    const ink = colour("--ink-muted");
    const line = colour("--line");
    const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
    for (const [family, names] of grouped(state.data.columns)) {
      const box = document.createElement("div");
      box.className = "curve";
      place.append(box);
      const plot = new window.uPlot(
        {
          title: PLAIN.has(family) ? family.replaceAll("_", " ") : `${family}: ${names.map((name) => name.slice(family.length + 1) || name).join(", ")}`,
          width: box.clientWidth - 24,
          height: 240,
          cursor: { sync: { key: "run" }, drag: { x: true, y: false, setScale: false } },
          scales: { x: { time: false }, y: { distr: logarithmic.checked ? 3 : 1 } },
          axes: [axis, { ...axis, size: 70, values: (_, marks) => marks.map((mark) => mark === null ? "" : String(Number(mark.toPrecision(3)))) }],
          series: [
            { label: "Step" },
            ...names.map((name, index) => ({ label: name, stroke: colour(HUES[index % HUES.length]), width: 1.5, spanGaps: true })),
          ],
          hooks: {
            setSelect: [
              (self) => {
                if (self.select.width < 4) return;
                const range = [self.posToVal(self.select.left, "x"), self.posToVal(self.select.left + self.select.width, "x")];
                self.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
                for (const each of state.plots) each.plot.setScale("x", { min: range[0], max: range[1] });
                zoom(range);
              },
            ],
            setCursor: [(self) => self.cursor.idx !== null && tiles?.nearest(state.data.steps[self.cursor.idx])],
          },
        },
        [state.data.steps, ...series(names)],
        box,
      );
      state.plots.push({ plot, names, box });
    }
  }

  const observer = new ResizeObserver(() => {
    for (const { plot, box } of state.plots) plot.setSize({ width: Math.max(200, box.clientWidth - 24), height: 240 });
  });
  observer.observe(place);
  smoothing.addEventListener("input", () => state.data && fill());
  logarithmic.addEventListener("change", () => state.data && build());
  document.getElementById("whole-range").addEventListener("click", () => {
    state.range = null;
    load();
  });
  document.addEventListener("mapgan:theme", () => state.data && build());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => state.data && build());

  load();
  if ("live" in place.dataset) {
    setInterval(() => {
      if (document.hidden || state.range) return;
      if (!document.querySelector("#run-live[data-poll]")) return; // it has ended
      load();
    }, EVERY);
  }
}

function startTiles(section) {
  const slider = document.getElementById("sample-step");
  if (!section || !slider) return null;
  const steps = JSON.parse(section.dataset.steps);
  const images = [...section.querySelectorAll("[data-made]")];
  const told = section.querySelector("[data-step]");

  function show(index) {
    slider.value = index;
    told.textContent = steps[index].toLocaleString("en");
    for (const image of images) {
      const address = `${section.dataset.address}${steps[index]}-${image.dataset.made}/`;
      if (image.getAttribute("src") !== address) image.src = address;
    }
  }

  slider.max = steps.length - 1;
  slider.addEventListener("input", () => show(Number(slider.value)));
  show(steps.length - 1);
  return {
    nearest(step) {
      let best = 0;
      steps.forEach((each, index) => {
        if (Math.abs(each - step) < Math.abs(steps[best] - step)) best = index;
      });
      if (best !== Number(slider.value)) show(best);
    },
  };
}
