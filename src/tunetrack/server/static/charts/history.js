/** Knows how the history of a study is looked at more closely: a stretch is dragged out, or zoomed by keys. */

import { s } from "../core/dom.js";
import { Points } from "./points.js";

const LEAST = 6; // pixels that a drag must cover, so that a click stays a click

/** Data as for `Points`; option `onzoom([low, high] | null)` hears which stretch of the x axis is meant. */
export class History extends Points {
  draw(svg, width, height) {
    super.draw(svg, width, height);
    this._stretch = s("rect", { class: "brush", display: "none" });
    svg.append(this._stretch);
    if (this._listening === svg) return;
    this._listening = svg;
    svg.addEventListener("pointerdown", (event) => this._down(event));
    svg.addEventListener("pointerup", (event) => this._up(event));
    svg.addEventListener("pointercancel", () => this._over());
  }

  _place(event) {
    const { box } = this.scales;
    return Math.min(box.right, Math.max(box.left, event.clientX - this.svg.getBoundingClientRect().left));
  }

  _down(event) {
    this._dragged = false;
    if (event.button || event.pointerType === "touch" || !this.options.onzoom) return;
    this._from = this._place(event);
    this.svg.setPointerCapture(event.pointerId);
  }

  _onMove(event) {
    if (this._from === undefined) return super._onMove(event);
    const to = this._place(event);
    if (Math.abs(to - this._from) < LEAST) return;
    this._dragged = true;
    this._hide();
    const { box } = this.scales;
    const shape = { x: Math.min(to, this._from), width: Math.abs(to - this._from), y: box.top, height: box.bottom - box.top };
    for (const [key, value] of Object.entries(shape)) this._stretch.setAttribute(key, value);
    this._stretch.removeAttribute("display");
  }

  _up(event) {
    if (this._from === undefined) return;
    const ends = [this._from, this._place(event)].sort((one, other) => one - other);
    const dragged = this._dragged;
    this._over();
    if (dragged) this.options.onzoom(ends.map((pixel) => this.scales.across.invert(pixel)));
  }

  _over() {
    this._from = undefined;
    this._stretch.setAttribute("display", "none");
  }

  _onClick(event) {
    if (!this._dragged) super._onClick(event);
  }

  _onKey(event) {
    const factor = { "+": 0.5, "=": 0.5, "-": 2 }[event.key];
    if (!factor || !this.options.onzoom || event.ctrlKey || event.metaKey) return super._onKey(event);
    event.preventDefault();
    const { across, box } = this.scales;
    const middle = this._at >= 0 ? this.points[this._at].x : (box.left + box.right) / 2;
    const half = ((box.right - box.left) / 2) * factor;
    this.options.onzoom(factor > 1 ? null : [across.invert(middle - half), across.invert(middle + half)]);
  }
}
