/*
 * A run's logged figures on this page: all of the run thinned out, and the part that is looked at in more detail. While
 * the run goes on only what is new is asked for.
 */

const POINTS = 4000; // asked for at a time
const TOO_MANY = 3 * POINTS; // then all is asked for again, thinned out
const SETTLED = 150; // milliseconds without a move before details are asked for

export class CurveData {
  /** `changed(rebuild)` is called when there is something else to draw. */
  constructor(address, changed) {
    this.address = address;
    this.changed = changed;
    this.whole = null;
    this.detail = null;
    this.busy = false;
    this.timer = 0;
  }

  get first() {
    return this.whole.steps[0];
  }

  get last() {
    return this.whole.steps[this.whole.steps.length - 1];
  }

  async ask(query) {
    try {
      const answer = await fetch(`${this.address}?${new URLSearchParams(query)}`, { headers: { Accept: "application/json" } });
      return answer.ok ? await answer.json() : null;
    } catch {
      return null; // the line is down: the next turn asks again
    }
  }

  /** Everything, or what came since. */
  async load() {
    if (this.busy) return;
    this.busy = true;
    try {
      const known = this.whole;
      const more = known?.steps.length ? await this.ask({ points: POINTS, after: this.last }) : null;
      if (more && fits(known, more) && known.steps.length < TOO_MANY) {
        if (!more.steps.length) return;
        append(known, more);
        this.changed(false);
        return;
      }
      if (known?.steps.length && !more) return;
      const all = await this.ask({ points: POINTS });
      if (!all) return;
      const rebuild = known?.columns.join() !== all.columns.join();
      this.whole = all;
      this.detail = null;
      this.changed(rebuild);
    } finally {
      this.busy = false;
    }
  }

  /** The figures to draw for a range; details come a moment after the last move. */
  within(range) {
    if (!range) return this.whole;
    const inside = this.detail && this.detail.from <= range[0] && this.detail.to >= range[1];
    const close = inside && this.detail.to - this.detail.from <= 6 * (range[1] - range[0]);
    if (!close) {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.zoomed(range), SETTLED);
    }
    return inside ? this.detail : this.whole;
  }

  async zoomed([low, high]) {
    const margin = high - low; // on both sides, so that panning has something to show
    const from = Math.max(0, Math.floor(low - margin));
    const to = Math.ceil(high + margin);
    const found = await this.ask({ points: POINTS, from, to });
    if (!found || found.columns.join() !== this.whole.columns.join()) return;
    const rest = to >= this.last ? Infinity : to;
    this.detail = { ...found, from: from || -Infinity, to: rest };
    this.changed(false);
  }

  /** Details end where they were asked for: with new figures they are old. */
  forgetDetail() {
    if (this.detail?.to === Infinity) this.detail = null;
  }
}

/*
 * Nothing was forgotten in between: no other attempt, none that has only now gone on from its checkpoint (it claims the
 * run before that), no curve that was not there.
 */
function fits(known, more) {
  const same = known.attempt === more.attempt && known.began === more.began;
  return same && known.columns.join() === more.columns.join();
}

function append(known, more) {
  known.steps.push(...more.steps);
  known.values.forEach((column, index) => column.push(...more.values[index]));
  known.step = more.step;
}
