/* The one module of every page. Each part looks for its own elements and does nothing without them. */
import "./compare-slider.js";
import "./interface.js";
import "./live.js";
import "./upload-form.js";
