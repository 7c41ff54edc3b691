/* A run's page: its curves, the fixed tiles at the step under the slider or the cursor, the log as it grows. */
import { startCurves } from "./curves.js";
import { startLog } from "./run-log.js";
import { startTiles } from "./tiles.js";

const place = document.getElementById("curves");
const tiles = startTiles(document.getElementById("samples"));
if (place && window.uPlot) startCurves(place, (step) => tiles?.nearest(step));
startLog(document.getElementById("log"));

/* The fragment that is swapped says what has been drawn by now; where a list was scrolled to is kept. */
let scrolled = 0;
document.addEventListener("htmx:beforeSwap", () => {
  scrolled = document.getElementById("story")?.scrollTop ?? 0;
});
document.addEventListener("htmx:afterSwap", () => {
  const story = document.getElementById("story");
  if (story) story.scrollTop = scrolled;
  tiles?.grow();
});
