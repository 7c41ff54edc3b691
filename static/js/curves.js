/*
 * A run's curves (uPlot): drag to zoom, Shift and drag to pan, one cursor for all of them, a mark wherever the run was
 * resumed. What is drawn while somebody moves is what is here already (curve-data.js brings the details).
 */
import { CurveData } from "./curve-data.js";
import { startMoves } from "./curve-moves.js";
import { colour, onTheme, short, smoothed } from "./plotting.js";
import { isLive } from "./run-log.js";

const EVERY = 3000; // milliseconds between two questions while the run goes on
const HEIGHT = 240;
const PLAIN = new Set(["learning_rate", "images_per_second"]);
const HUES = ["--accent", "--contour", "--bad", "--good", "--focus", "--warn"];

/* What belongs together shares a plot: the generator's terms, the discriminator's, and each of the rest alone. */
function grouped(columns) {
  const groups = new Map();
  for (const name of columns) {
    const family = PLAIN.has(name) ? name : name.split("_")[0];
    groups.set(family, [...(groups.get(family) ?? []), name]);
  }
  return groups;
}

function title(family, names) {
  if (PLAIN.has(family)) return family.replaceAll("_", " ");
  return `${family}: ${names.map((name) => name.slice(family.length + 1) || name).join(", ")}`;
}

const marks = (_, values) => values.map(short);

export function startCurves(place, onStep) {
  const smoothing = document.getElementById("smoothing");
  const logarithmic = document.getElementById("log-scale");
  const data = new CurveData(place.dataset.address, (rebuild) => (rebuild || !plots.length ? build() : draw()));
  let plots = [];
  let range = null; // null: the whole run, and what comes
  let drawing = 0;

  const limits = () => [data.first, Math.max(data.last, data.first + 1)];
  const view = () => range ?? limits();

  /* Many moves may come between two frames; one of them is drawn. */
  function show(next) {
    range = next;
    if (!drawing) {
      drawing = requestAnimationFrame(() => {
        drawing = 0;
        draw();
      });
    }
  }

  function columns(source, names) {
    const weight = Number(smoothing.value);
    return names.map((name) => {
      const values = smoothed(source.values[source.columns.indexOf(name)], weight);
      return logarithmic.checked ? values.map((value) => (value > 0 ? value : null)) : values;
    });
  }

  function draw() {
    if (!data.whole?.steps.length) return;
    const source = data.within(range);
    const [min, max] = view();
    for (const each of plots) {
      each.plot.batch(() => {
        if (each.source !== source || each.rows !== source.steps.length || each.stale) {
          each.plot.setData([source.steps, ...columns(source, each.names)], false);
          Object.assign(each, { source, rows: source.steps.length, stale: false });
        }
        each.plot.setScale("x", { min, max });
      });
    }
    place.dataset.points = data.whole.steps.length;
    place.dataset.shown = `${Math.round(min)}-${Math.round(max)}`;
  }

  function redraw() {
    for (const each of plots) each.stale = true;
    draw();
  }

  function markResumes(plot) {
    const { ctx, bbox } = plot;
    const top = bbox.top;
    ctx.save();
    ctx.strokeStyle = ctx.fillStyle = colour("--warn");
    ctx.lineWidth = devicePixelRatio;
    ctx.textAlign = "left";
    ctx.font = `${11 * devicePixelRatio}px sans-serif`;
    ctx.setLineDash([4 * devicePixelRatio, 4 * devicePixelRatio]);
    for (const { step, attempt } of data.whole.resumes) {
      const x = Math.round(plot.valToPos(step, "x", true));
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.beginPath();
      ctx.moveTo(x, top);
      ctx.lineTo(x, top + bbox.height);
      ctx.stroke();
      ctx.fillText(`attempt ${attempt}`, x + 4 * devicePixelRatio, top + 12 * devicePixelRatio);
    }
    ctx.restore();
  }

  function selected(plot) {
    const { left, width } = plot.select;
    if (width < 4) return;
    const next = [plot.posToVal(left, "x"), plot.posToVal(left + width, "x")];
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    moves.zoomTo(next);
  }

  function options(family, names, width) {
    const stroke = colour("--ink-muted");
    const line = { stroke: colour("--line"), width: 1 };
    const axis = { stroke, grid: line, ticks: line };
    return {
      title: title(family, names),
      width,
      height: HEIGHT,
      cursor: { sync: { key: "run" }, drag: { x: true, y: false, setScale: false } },
      scales: { x: { time: false, auto: false }, y: { distr: logarithmic.checked ? 3 : 1 } },
      axes: [axis, { ...axis, size: 70, values: marks }],
      series: [
        { label: "Step" },
        ...names.map((label, index) => ({ label, stroke: colour(HUES[index % HUES.length]), width: 1.5, spanGaps: true, points: { show: names.length && data.whole.steps.length < 50 } })),
      ],
      hooks: {
        setSelect: [selected],
        draw: [markResumes],
        setCursor: [(self) => self.cursor.idx !== null && self.cursor.idx !== undefined && onStep(self.data[0][self.cursor.idx])],
      },
    };
  }

  function build() {
    if (!data.whole?.steps.length) return;
    for (const { plot } of plots) plot.destroy();
    plots = [];
    place.replaceChildren();
    place.classList.add("curves");
    place.tabIndex = 0;
    place.setAttribute("role", "group");
    place.setAttribute("aria-label", "Curves of the run");
    place.setAttribute("aria-describedby", "curves-help");
    for (const [family, names] of grouped(data.whole.columns)) {
      const box = document.createElement("div");
      box.className = "curve";
      place.append(box);
      const plot = new window.uPlot(options(family, names, box.clientWidth - 24), [data.whole.steps, ...columns(data.whole, names)], box);
      plots.push({ plot, names, box, source: data.whole, rows: data.whole.steps.length, stale: false });
    }
    draw();
    performance.mark("curves-drawn");
  }

  const moves = startMoves(place, { view, limits, show, plots: () => plots.map((each) => each.plot) });

  new ResizeObserver(() => {
    for (const { plot, box } of plots) plot.setSize({ width: Math.max(200, box.clientWidth - 24), height: HEIGHT });
  }).observe(place);
  smoothing.addEventListener("input", redraw);
  logarithmic.addEventListener("change", build);
  onTheme(build);

  data.load();
  if ("live" in place.dataset) {
    let live = true;
    setInterval(() => {
      if (document.hidden) return;
      const was = live;
      live = isLive();
      if (!live && !was) return; // once more when it has ended
      data.forgetDetail();
      data.load();
    }, EVERY);
  }
}
