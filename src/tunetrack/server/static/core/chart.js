/** Knows what all figures have in common: frame, size, axes, hover, keys, downloads. */

import { csvText, fileName, pngBlob, save, svgText } from "./download.js";
import { fill, h, s } from "./dom.js";

const NEAR = 28; // pixels from the pointer within which a point is meant
const GLYPH = 7.2; // pixels, the mean width of a letter in the figures' font of 12 pixels
const LINE = 14; // pixels between lines of a label

/**
 * A figure. A subclass has `draw(svg, width, height)`, which adds elements to `svg` and may set
 * `this.points = [{x, y, trial, lines: [text, …] or a function that gives them}]` for hover, keys and picking.
 */
export class Chart {
  /**
   * @param {Element} host where it is put
   * @param {object} options
   * @param {string} options.title
   * @param {string} [options.note] a sentence below the title
   * @param {string} [options.name] first part of the names of downloaded files
   * @param {number} [options.height] pixels, or a function of the width
   * @param {(data) => string} [options.describe] the figure in words, for those who cannot see it
   * @param {(data) => Array[]} [options.rows] the numbers, heads first, for the CSV file
   * @param {(trial: number) => void} [options.onpick] called with a point's trial (or what stands in its place) on click or Enter
   * @param {(trial: number|null) => void} [options.onhover] called with the trial's number under the pointer, and at its end
   * @param {(data) => string} [options.empty] why there is nothing to draw, or "" where there is
   */
  constructor(host, options) {
    this.options = { height: 300, name: options.title, ...options };
    this.data = null;
    this.svg = null;
    this.points = [];
    this.perRow = 1; // by how many points the arrows up and down go on
    this._at = -1;
    this.controls = h("div", { class: "controls" });
    this._note = h("p", { class: "note" }, options.note ?? "");
    this._body = h("div", { class: "plot" });
    this._tip = h("div", { class: "tip", hidden: true });
    this._said = h("div", { class: "unseen", "aria-live": "polite" });
    this.element = h(
      "figure",
      { class: "card" },
      h("figcaption", {}, h("h3", {}, options.title), this.controls, this._tools()),
      this._note,
      this._body,
      this._said,
    );
    host.append(this.element);
    this._sized = new ResizeObserver(() => this._onResize());
    this._sized.observe(this._body);
    // What nobody looks at is drawn when it comes near, so that a page of many figures of 10,000 trials opens at once.
    this._near = false;
    this._stale = false;
    this._seen = new IntersectionObserver((entries) => this._onSeen(entries.at(-1).isIntersecting), { rootMargin: "300px" });
    this._seen.observe(this.element);
    this._themed = () => this.redraw();
    this._printed = () => this._stale && this.redraw(true);
    window.addEventListener("themechange", this._themed);
    window.addEventListener("beforeprint", this._printed);
  }

  /** Draw this from now on. */
  update(data) {
    this.data = data;
    this.redraw();
  }

  /** The sentence below the title. */
  set note(text) {
    this._note.textContent = text;
  }

  /**
   * Draw the same data again: now where it is in sight, or `anyway`, else when it comes there, or the first time when the
   * browser has nothing else to do. Hover and focus stay where they were.
   */
  redraw(anyway = false) {
    if (this.data === null || !this.element.isConnected) return;
    const width = Math.floor(this._body.clientWidth);
    if (width < 40) return;
    this._width = width;
    const why = this.options.empty?.(this.data) ?? "";
    if (why) {
      this._hide();
      this.svg = null;
      this._body.style.minHeight = "";
      fill(this._body, h("p", { class: "nothing" }, why));
      return;
    }
    const { height: given } = this.options;
    const height = Math.round(typeof given === "function" ? given(width, this.data) : given);
    this._body.style.minHeight = `${height}px`;
    this._stale = !this._near && !anyway;
    if (this._stale) {
      if (!this.svg) whenIdle(this);
      return;
    }
    idle.delete(this);
    const hovered = this.points[this._at]?.trial;
    this._sheet(width, height);
    this.points = [];
    this._at = -1;
    this.draw(this.svg, width, height);
    this.svg.append(this._ring);
    const again = hovered === undefined ? -1 : this.points.findIndex((point) => point.trial === hovered);
    if (again < 0) this._hide();
    else this._show(again, false);
  }

  /** An empty svg of this size; the same element as before, so that it keeps the focus. */
  _sheet(width, height) {
    const { title, describe } = this.options;
    if (!this.svg) {
      this.svg = s("svg", {
        role: "img", tabindex: 0,
        onpointermove: (event) => this._onMove(event), onpointerleave: () => this._hide(),
        onclick: (event) => this._onClick(event), onkeydown: (event) => this._onKey(event), onblur: () => this._hide(),
      });
      this._ring = s("circle", { class: "ring", r: 7, display: "none" });
      fill(this._body, this.svg, this._tip);
    }
    const words = { viewBox: `0 0 ${width} ${height}`, width, height, "aria-label": `${title}. ${describe?.(this.data) ?? ""}`.trim() };
    for (const [key, value] of Object.entries(words)) this.svg.setAttribute(key, value);
    this.svg.classList.toggle("pickable", this.options.onpick !== undefined);
    fill(this.svg);
  }

  /** Draw what has never been in sight, so that a picture of the whole page shows it. */
  drawFirst() {
    if (this._stale && !this.svg) this.redraw(true);
  }

  /** Take it off the page for good. */
  destroy() {
    idle.delete(this);
    this._seen.disconnect();
    this._sized.disconnect();
    window.removeEventListener("themechange", this._themed);
    window.removeEventListener("beforeprint", this._printed);
    this.element.remove();
  }

  /** Lines and labels of an axis along the bottom of `box` ({left, top, right, bottom}). */
  xAxis(svg, scale, box, title = "", count = null) {
    const ticks = fewer(scale.ticks(count ?? Math.max(2, Math.floor((box.right - box.left) / 90))), scale, box.right - box.left);
    const group = s("g", { class: "axis" });
    let deepest = 1;
    for (const tick of ticks) {
      const x = scale(tick);
      if (scale.kind !== "band") group.append(s("line", { class: "grid", x1: x, x2: x, y1: box.top, y2: box.bottom }));
      const lines = scale.kind === "band" ? wrapped(scale.text(tick), scale.step - 6) : [scale.text(tick)];
      deepest = Math.max(deepest, lines.length);
      lines.forEach((line, index) => group.append(s("text", { x, y: box.bottom + 16 + LINE * index, "text-anchor": "middle" }, line)));
    }
    group.append(s("line", { class: "line", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }));
    if (title) group.append(s("text", { class: "name", x: (box.left + box.right) / 2, y: box.bottom + 34 + LINE * (deepest - 1), "text-anchor": "middle" }, title));
    svg.append(group);
  }

  /** Lines and labels of an axis along the left of `box`; its title stands above it, so that nobody turns their head. */
  yAxis(svg, scale, box, title = "", count = null) {
    const ticks = scale.ticks(count ?? yCount(box.top, box.bottom));
    const group = s("g", { class: "axis" });
    for (const tick of ticks) {
      const y = scale(tick);
      group.append(s("line", { class: "grid", x1: box.left, x2: box.right, y1: y, y2: y }));
      group.append(s("text", { x: box.left - 6, y: y + 4, "text-anchor": "end" }, cut(scale.text(tick), box.left - 10), s("title", {}, scale.text(tick))));
    }
    if (title) group.append(s("text", { class: "name", x: 4, y: box.top - 10 }, title));
    svg.append(group);
  }

  /** Room at the left of an axis from `top` to `bottom` for its labels, pixels. */
  roomLeft(scale, top, bottom, most = 150) {
    return this.roomFor(scale.ticks(yCount(top, bottom)).map((tick) => scale.text(tick)), most);
  }

  /** Room for the longest of some texts, pixels. */
  roomFor(texts, most = 150) {
    return Math.min(most, Math.max(28, ...texts.map((text) => textWidth(text) + 12)));
  }

  _tools() {
    const button = (text, hint, action) => h("button", { type: "button", class: "tool", title: hint, onclick: action }, text);
    const file = (ending) => fileName(this.options.name, ending);
    return h(
      "div",
      { class: "tools" },
      this.options.rows && button("CSV", "Download the numbers", () => this.data && save(file("csv"), csvText(this.options.rows(this.data)), "text/csv")),
      button("SVG", "Download the picture", () => this.svg && save(file("svg"), this.picture(), "image/svg+xml")),
      button("PNG", "Download the picture", async () => this.svg && save(file("png"), await pngBlob(this.picture(), this.svg.viewBox.baseVal), "image/png")),
    );
  }

  /** The figure as the text of an SVG file. */
  picture() {
    return svgText(this.svg);
  }

  _onResize() {
    if (Math.floor(this._body.clientWidth) !== this._width) this.redraw();
  }

  _onSeen(near) {
    this._near = near;
    if (near && this._stale) this.redraw();
  }

  _nearest(event) {
    const frame = this.svg.getBoundingClientRect(); // offsetX would count from whatever element is under the pointer
    const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
    let [best, least] = [-1, NEAR ** 2];
    this.points.forEach((point, index) => {
      const distance = (point.x - x) ** 2 + (point.y - y) ** 2;
      if (distance < least) [best, least] = [index, distance];
    });
    return best;
  }

  _onMove(event) {
    const index = this._nearest(event);
    if (index < 0) this._hide();
    else if (index !== this._at) this._show(index);
  }

  _onClick(event) {
    const index = this._nearest(event);
    if (index >= 0) this._pick(index);
  }

  _onKey(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.perRow, ArrowUp: -this.perRow, Home: -Infinity, End: Infinity }[event.key];
    if (step !== undefined && this.points.length) {
      event.preventDefault();
      const next = this._at < 0 && step < Infinity ? 0 : this._at + step;
      this._show(Math.min(this.points.length - 1, Math.max(0, next)));
    } else if (event.key === "Enter" && this._at >= 0) this._pick(this._at);
    else if (event.key === "Escape") this._hide();
  }

  _pick(index) {
    const { trial } = this.points[index];
    if (trial !== undefined && trial !== null) this.options.onpick?.(trial);
  }

  _show(index, aloud = true) {
    this._at = index;
    const { x, y, lines: said } = this.points[index];
    const lines = typeof said === "function" ? said() : said;
    fill(this._tip, lines.map((line, place) => h("div", { class: place ? "" : "first" }, line)));
    this._tip.hidden = false;
    const left = x + 14 + this._tip.offsetWidth > this._width ? x - 14 - this._tip.offsetWidth : x + 14;
    this._tip.style.left = `${Math.max(0, left)}px`;
    this._tip.style.top = `${Math.max(0, y - this._tip.offsetHeight / 2)}px`;
    this._ring.setAttribute("cx", x);
    this._ring.setAttribute("cy", y);
    this._ring.removeAttribute("display");
    if (aloud) this._said.textContent = document.activeElement === this.svg ? lines.join(", ") : "";
    this.options.onhover?.(this.points[index].trial ?? null);
  }

  _hide() {
    if (this._at >= 0) this.options.onhover?.(null);
    this._at = -1;
    this._tip.hidden = true;
    this._ring?.setAttribute("display", "none");
  }
}

const idle = new Set(); // figures that wait for their first drawing

/** Draws figures out of sight, one after the other, when the browser has time. */
function whenIdle(chart) {
  const later = window.requestIdleCallback ?? ((work) => setTimeout(work, 100));
  const next = () => {
    const [first] = idle;
    idle.delete(first);
    first?.drawFirst();
    if (idle.size) later(next);
  };
  if (!idle.size) later(next);
  idle.add(chart);
}

const yCount = (top, bottom) => Math.max(2, Math.floor((bottom - top) / 45));

/** The width of a text in the figures' font, pixels: an estimate that needs no layout. */
export const textWidth = (text) => String(text).length * GLYPH;

/** A text that fits into so many pixels; the rest is an ellipsis. */
export function cut(text, pixels) {
  const most = Math.max(3, Math.floor(pixels / GLYPH));
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

/** A label in lines of so many pixels, broken after spaces and marks where it can be, else within a word. */
export function wrapped(text, pixels) {
  const most = Math.max(4, Math.floor(pixels / GLYPH));
  const lines = [""];
  for (const part of text.match(/[^\s_/.,;:-]+[\s_/.,;:-]*|[\s_/.,;:-]+/gu) ?? [text]) {
    if (lines.at(-1) && (lines.at(-1) + part.trimEnd()).length > most) lines.push("");
    let rest = part;
    while (rest.trimEnd().length > most) {
      lines.splice(-1, 1, rest.slice(0, most), "");
      rest = rest.slice(most);
    }
    lines[lines.length - 1] += rest;
  }
  return lines.map((line) => line.trimEnd()).filter((line, index) => line || !index);
}

/** Room below an axis for labels in bands of `step` pixels, beyond that of a single line. */
export const roomBelow = (labels, step) => LINE * (Math.max(1, ...labels.map((label) => wrapped(String(label), step - 6).length)) - 1);

function fewer(ticks, scale, width) {
  if (scale.kind === "band") return ticks;
  const widest = Math.max(...ticks.map((tick) => textWidth(scale.text(tick)))) + 14;
  const every = Math.ceil((ticks.length * widest) / width);
  return ticks.filter((_, index) => index % every === 0);
}
