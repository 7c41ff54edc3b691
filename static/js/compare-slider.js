/*
 * <compare-slider>: two pictures, one over the other, divided by a line that can be moved.
 *
 *   <compare-slider label="Compare the map with the satellite image">
 *     <figure class="before"><img …><figcaption>Map</figcaption></figure>
 *     <figure class="after"><img …><figcaption>Satellite</figcaption></figure>
 *   </compare-slider>
 *
 * A real <input type="range"> takes the keys and speaks to screen readers; the element itself follows the
 * pointer, because touch screens let nobody grab an invisible thumb. Without this script the two figures
 * stand one beside the other. Left is left in right-to-left pages too: it is a place in a picture.
 */
class CompareSlider extends HTMLElement {
  #range = null;

  connectedCallback() {
    if (this.#range) return;
    const before = this.querySelector(".before");
    const after = this.querySelector(".after");
    if (!before || !after) return;

    this.#range = document.createElement("input");
    Object.assign(this.#range, { type: "range", min: 0, max: 100, step: 1, value: 50, dir: "ltr" });
    this.#range.className = "compare__range";
    this.#range.setAttribute("aria-label", this.getAttribute("label") ?? "Compare");
    const line = document.createElement("span");
    line.className = "compare__line";
    line.setAttribute("aria-hidden", "true");
    this.append(line, this.#range);

    const picture = before.querySelector("img");
    this.style.setProperty("--shape", picture.getAttribute("width") / picture.getAttribute("height"));
    this.names = [before, after].map((figure) => figure.querySelector("figcaption")?.textContent.trim());
    this.#range.addEventListener("input", () => this.#show());
    this.addEventListener("pointerdown", this);
    this.addEventListener("pointermove", this);
    this.addEventListener("dragstart", (event) => event.preventDefault());
    this.addEventListener("mousedown", (event) => event.preventDefault()); // it would take the focus away again
    this.setAttribute("ready", "");
    this.#show();
  }

  handleEvent(event) {
    if (event.type === "pointerdown") {
      if (!event.isPrimary || event.button !== 0) return;
      this.setPointerCapture(event.pointerId);
      this.#range.focus({ preventScroll: true, focusVisible: false });
    } else if (!this.hasPointerCapture(event.pointerId)) {
      return;
    }
    const box = this.getBoundingClientRect();
    this.#range.value = ((event.clientX - box.left) / box.width) * 100;
    this.#show();
  }

  #show() {
    const share = Number(this.#range.value); // of the first picture
    const [before, after] = this.names;
    this.style.setProperty("--split", `${share}%`);
    this.#range.setAttribute("aria-valuetext", `${share} % ${before}, ${100 - share} % ${after}`);
  }
}

customElements.define("compare-slider", CompareSlider);
