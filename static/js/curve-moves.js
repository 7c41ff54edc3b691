/*
 * Moving along the curves: Shift and drag or one finger to pan, two fingers or Ctrl and the wheel to zoom, Shift and the
 * wheel or a sideways wheel to pan, the keyboard, and buttons for everybody else. (Dragging to zoom is uPlot's own.)
 */

const STEP = 0.2; // of what is seen, a key or a button moves
const ZOOM = 0.6; // of what is seen, after a key or a button
const FEWEST = 4; // steps that are seen at least

export function startMoves(place, { view, limits, show, plots }) {
  /* Inside the run, not closer than a few steps; all of it is no zoom at all. */
  function zoomTo([low, high]) {
    const [first, last] = limits();
    const width = Math.max(high - low, FEWEST);
    if (width >= last - first) {
      show(null);
      return;
    }
    const start = Math.min(Math.max((low + high - width) / 2, first), last - width);
    show([start, start + width]);
  }

  function pan(share) {
    const [low, high] = view();
    const by = share * (high - low);
    const [first, last] = limits();
    const move = Math.min(Math.max(by, first - low), last - high);
    if (high - low < last - first) show([low + move, high + move]);
  }

  /* `share`: where between the left and the right edge stays where it is. */
  function zoom(factor, share = 0.5) {
    const [low, high] = view();
    const fixed = low + share * (high - low);
    zoomTo([fixed - factor * (fixed - low), fixed + factor * (high - fixed)]);
  }

  const MOVES = {
    left: () => pan(-STEP),
    right: () => pan(STEP),
    in: () => zoom(ZOOM),
    out: () => zoom(1 / ZOOM),
    whole: () => show(null),
  };
  const KEYS = { ArrowLeft: "left", ArrowRight: "right", "+": "in", "=": "in", "-": "out", Home: "whole", 0: "whole", Escape: "whole" };

  const ready = () => plots().length > 0;

  for (const button of document.querySelectorAll("[data-move]")) {
    button.addEventListener("click", () => ready() && MOVES[button.dataset.move]());
  }
  place.addEventListener("keydown", (event) => {
    const move = KEYS[event.key];
    if (!move || !ready() || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    MOVES[move]();
  });

  const plotUnder = (event) => plots().find((plot) => plot.over.contains(event.target));

  place.addEventListener(
    "wheel",
    (event) => {
      const plot = plotUnder(event);
      if (!plot) return;
      const sideways = event.deltaX || (event.shiftKey ? event.deltaY : 0);
      if (event.ctrlKey) {
        const box = plot.over.getBoundingClientRect();
        zoom(Math.exp(event.deltaY / 300), (event.clientX - box.left) / box.width);
      } else if (sideways) {
        pan(sideways / plot.over.clientWidth);
      } else {
        return; // the page scrolls
      }
      event.preventDefault();
    },
    { passive: false },
  );

  /* Before uPlot hears of it, so that it does not begin to select. */
  place.addEventListener(
    "mousedown",
    (event) => {
      const plot = plotUnder(event);
      if (!plot || !event.shiftKey || event.button !== 0) return;
      event.preventDefault();
      event.stopPropagation();
      const width = plot.over.clientWidth;
      let at = event.clientX;
      place.classList.add("curves--panning");
      const move = (next) => {
        pan((at - next.clientX) / width);
        at = next.clientX;
      };
      const end = () => {
        place.classList.remove("curves--panning");
        removeEventListener("mousemove", move);
        removeEventListener("mouseup", end);
      };
      addEventListener("mousemove", move);
      addEventListener("mouseup", end);
    },
    { capture: true },
  );

  startFingers(place, { plotUnder, pan, zoom });
  return { zoomTo };
}

/* One finger pans, two zoom; up and down still scrolls the page (touch-action in training.css). */
function startFingers(place, { plotUnder, pan, zoom }) {
  let before = [];
  const places = (event, box) => [...event.touches].map((touch) => touch.clientX - box.left).sort((a, b) => a - b);

  place.addEventListener("touchstart", (event) => {
    const plot = plotUnder(event);
    before = plot ? places(event, plot.over.getBoundingClientRect()) : [];
  }, { passive: true });
  place.addEventListener("touchmove", (event) => {
    const plot = plotUnder(event);
    if (!plot || !before.length) return;
    const box = plot.over.getBoundingClientRect();
    const now = places(event, box);
    if (now.length !== before.length) {
      before = now;
      return;
    }
    if (now.length === 1) pan((before[0] - now[0]) / box.width);
    if (now.length === 2 && now[1] - now[0] > 10) {
      zoom((before[1] - before[0]) / (now[1] - now[0]), (now[0] + now[1]) / 2 / box.width);
    }
    before = now;
  }, { passive: true });
}
