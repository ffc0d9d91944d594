/** Knows how trials run through parallel axes, and how stretches of the axes are brushed. */

import { Chart, wrapped } from "../core/chart.js";
import { h, s } from "../core/dom.js";
import { fitted } from "../core/scale.js";
import { pickedBy } from "./brush.js";
import { colorbar } from "./colorbar.js";
import { axisGroup, showBrush } from "./parallel_axis.js";
import { layers, PALEST, paintStrands, pieces, quietLayer, strandPaths, thinned } from "./strands.js";

const [LEFT, RIGHT, LEAST] = [58, 84, 112]; // pixels beside the outer axes, and between axes
const FULL = 800; // lines that are painted at once; the others follow when the brush rests
const REST = 140; // ms
const HIT = 7; // pixels from a line within which it is meant

/**
 * Data: `{axes: [{path, title, log, numeric, choices, values, missing, domain?, best?}], indices, trials, goodness,
 * brushes: Map, lines(index), ends: [worst, best], metric}`. `values` and `goodness` are by index; `best: "low"` turns
 * an axis over; `missing` names the place below the axis of those without a value.
 * Options: `onbrush(brushes, indices, final)`, `onmove(path, by)`, `onpick(trial)`.
 */
export class Parallel extends Chart {
  constructor(host, options) {
    super(host, { height: 380, ...options });
    this._body.classList.add("parallel");
    this._canvases = [h("canvas", { "aria-hidden": "true" }), h("canvas", { "aria-hidden": "true" })];
  }

  /** Draw this from now on; while somebody drags a brush, when they have let go. */
  update(data) {
    if (this._dragged) this._next = data;
    else super.update(data);
  }

  /** Whether somebody drags a brush. */
  get dragged() {
    return this._dragged === true;
  }

  /** Called when a drag begins and when it has ended. */
  set dragged(now) {
    this._dragged = now;
    if (now || !this._next) return;
    const data = { ...this._next, brushes: this.brushes };
    this._next = null;
    super.update(data);
    this.options.onbrush?.(new Map(this.brushes), this.picked, true);
  }

  redraw(anyway = false) {
    if (this._dragged) return;
    const focused = this.groups?.find((group) => group === document.activeElement)?.getAttribute("data-path");
    super.redraw(anyway);
    if (focused) this.groups.find((group) => group.getAttribute("data-path") === focused)?.focus({ preventScroll: true });
  }

  draw(svg, width, height) {
    const { axes, indices, brushes } = this.data;
    const step = axes.length > 1 ? Math.max(LEAST, (width - LEFT - RIGHT) / (axes.length - 1)) : 0;
    const wide = Math.max(width, Math.ceil(LEFT + RIGHT + step * (axes.length - 1)));
    const heads = axes.map((axis) => wrapped(axis.title, step ? step - 8 : width));
    const top = 14 + 14 * Math.max(...heads.map((lines) => lines.length));
    this.box = { top, bottom: height - 76, none: height - 52, step };
    for (const [key, value] of [["width", wide], ["viewBox", `0 0 ${wide} ${height}`], ["role", "group"]]) svg.setAttribute(key, value);
    svg.removeAttribute("tabindex");
    this.brushes = new Map(brushes);
    this.axes = axes.map((axis, place) => this._axis(axis, LEFT + place * step, heads[place]));
    this.xs = this.axes.map((axis) => axis.x);
    this.heights = this.axes.map((axis) => this._heights(axis));
    this.goodness = indices.map((index) => this.data.goodness[index]);
    this._spread(wide, height);
    this._hot = s("path", { class: "hot", display: "none" });
    svg.append(this._hot);
    this.groups = this.axes.map((axis) => axisGroup(this, axis));
    svg.append(...this.groups);
    colorbar(svg, { x: LEFT - 40, y: height - 22, width: width - LEFT + 40 }, this.data.ends, this.data.metric, PALEST);
    this.picked = null;
    this._paint(false);
  }

  /** Takes a brush (null: none) on an axis; `final` once it rests. */
  brush(path, brush, final) {
    if (brush) this.brushes.set(path, brush);
    else this.brushes.delete(path);
    this._paint(!final);
    this.options.onbrush?.(new Map(this.brushes), this.picked, final);
  }

  /** The figure with its lines, which the page keeps on canvases. */
  picture() {
    const { quiet, front } = this._layers(this._members());
    const lines = s("g", {}, [quiet, front].map((found) => strandPaths(found, this.xs, this.heights)));
    this.svg.prepend(lines);
    try {
      return super.picture();
    } finally {
      lines.remove();
    }
  }

  _axis(axis, x, head) {
    const { top, bottom } = this.box;
    const range = axis.best === "low" ? [top, bottom] : [bottom, top];
    const values = this.data.indices.map((index) => axis.values[index]);
    const known = values.filter((value) => value !== null && value !== undefined);
    return { ...axis, values, x, head, scale: fitted(axis.domain ?? known, range, axis), lacking: known.length < values.length };
  }

  /** Where the trials cross an axis, pixels. */
  _heights({ scale, values, domain }) {
    const hold = domain ? (value) => Math.min(domain[1], Math.max(domain[0], value)) : (value) => value;
    const place = scale.kind === "band" ? (value) => scale(String(value)) : (value) => scale(hold(value));
    return Float32Array.from(values, (value) => (value === null || value === undefined ? this.box.none : place(value)));
  }

  /** Fits the canvases under the svg. */
  _spread(width, height) {
    const density = window.devicePixelRatio || 1;
    for (const canvas of this._canvases) {
      Object.assign(canvas, { width: width * density, height: height * density });
      Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
      canvas.getContext("2d").setTransform(density, 0, 0, density, 0, 0);
    }
    if (this._canvases[0].parentNode !== this._body) this._body.prepend(...this._canvases);
    this._lined = false;
  }

  /** Places (not indices) of the trials that the brushes pick out. */
  _members() {
    return pickedBy(this.brushes, this.axes, this.data.indices.map((_, place) => place));
  }

  _layers(members) {
    const style = getComputedStyle(this.element);
    return {
      quiet: this.brushes.size ? quietLayer(thinned(this.data.indices.map((_, place) => place), FULL), style.getPropertyValue("--soft").trim()) : [],
      front: layers(members, this.goodness, style.getPropertyValue("--faint").trim()),
    };
  }

  /** Paints what the brushes pick out: a part of it at once, all of it piece by piece when nothing happens for a while. */
  _paint(haste) {
    clearTimeout(this._later);
    const members = (this.members = this._members());
    this.picked = members.map((place) => this.data.indices[place]);
    const part = thinned(members, FULL);
    const { quiet, front } = this._layers(part);
    const [below, above] = this._canvases.map((canvas) => canvas.getContext("2d"));
    if (quiet.length && !this._lined) paintStrands(below, quiet, this.xs, this.heights);
    this._lined ||= quiet.length > 0;
    this._canvases[0].style.visibility = quiet.length ? "visible" : "hidden";
    above.clearRect(0, 0, this._canvases[1].width, this._canvases[1].height);
    paintStrands(above, front, this.xs, this.heights);
    if (part !== members) this._later = setTimeout(() => this._complete(pieces(this._layers(members).front, FULL)), haste ? REST : 0);
    this.axes.forEach((axis, place) => showBrush(this, axis, this.groups[place]));
  }

  /** Paints all lines out of sight, a piece at a time so that the page stays awake, and shows them when they are done. */
  _complete(left) {
    const [shown] = this._canvases.slice(1);
    const spare = Object.assign(document.createElement("canvas"), { width: shown.width, height: shown.height });
    const context = spare.getContext("2d");
    context.setTransform(shown.getContext("2d").getTransform());
    const next = () => {
      paintStrands(context, [left.shift()], this.xs, this.heights);
      if (left.length) {
        this._later = setTimeout(next);
        return;
      }
      const above = shown.getContext("2d");
      above.save();
      above.resetTransform();
      above.globalAlpha = 1;
      above.clearRect(0, 0, shown.width, shown.height);
      above.drawImage(spare, 0, 0);
      above.restore();
    };
    next();
  }

  _onMove(event) {
    const frame = this.svg.getBoundingClientRect();
    const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
    const place = event.buttons ? -1 : this._strandAt(x, y);
    if (place < 0) return this._hide();
    const index = this.data.indices[place];
    this.points = [{ x, y, trial: this.data.trials[index], lines: () => this.data.lines(index) }];
    this._show(0);
    this._hot.setAttribute("d", this.xs.map((each, axis) => `${axis ? "L" : "M"}${each} ${this.heights[axis][place]}`).join(""));
    this._hot.removeAttribute("display");
    this._ring.setAttribute("display", "none");
  }

  /** The place of the picked line nearest to a point of the figure, the best of equally near ones; -1 for none. */
  _strandAt(x, y) {
    const right = this.xs.findIndex((each) => each >= x);
    if (right < 1) return -1;
    const share = (x - this.xs[right - 1]) / (this.xs[right] - this.xs[right - 1]);
    const [from, to] = [this.heights[right - 1], this.heights[right]];
    let [best, least] = [-1, HIT];
    for (const place of this.members) {
      const distance = Math.abs(from[place] + share * (to[place] - from[place]) - y);
      if (distance < least) [best, least] = [place, distance];
    }
    return best;
  }

  destroy() {
    clearTimeout(this._later);
    super.destroy();
  }

  _hide() {
    super._hide();
    this._hot?.setAttribute("display", "none");
  }
}
