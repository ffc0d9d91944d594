/** Knows how a value with its spread is drawn along something: a band along a range, bars at single values. */

import { Chart, roomBelow } from "../core/chart.js";
import { s } from "../core/dom.js";
import { fitted } from "../core/scale.js";

/**
 * Data: `{x: {title, log, whole, numeric, choices}, y: {title}, at, middle, low, high, few, span?: [low, high], zero?, lines(index)}`.
 * `at` are numbers or labels; `few`: they stand alone and are not joined; `span` puts several figures on the same axis;
 * `zero`: a line stands at 0.
 */
export class Effect extends Chart {
  draw(svg, width, height) {
    const { x, y, at, middle, low, high, few, span, zero } = this.data;
    const labels = fitted(at, [0, width - 60], x);
    const extra = labels.kind === "band" ? roomBelow(labels.domain, labels.step) : 0;
    const [top, bottom] = [24, height - (x.title ? 42 : 26) - extra];
    const down = fitted(span ?? [...low, ...high, ...(zero ? [0] : [])], [bottom, top]);
    const box = { left: this.roomLeft(down, top, bottom), top, right: width - 10, bottom };
    const across = fitted(at, [box.left, box.right], x);
    this.yAxis(svg, down, box, y.title);
    this.xAxis(svg, across, box, x.title);
    if (zero) svg.append(s("line", { class: "zero", x1: box.left, x2: box.right, y1: down(0), y2: down(0) }));
    const places = at.map((value, index) => ({ x: across(value), y: down(middle[index]), low: down(low[index]), high: down(high[index]) }));
    if (few) places.forEach((place) => this._bar(svg, place));
    else this._band(svg, places);
    this.points = places.map((place, index) => ({ x: place.x, y: place.y, trial: this.data.key, lines: () => this.data.lines(index) }));
  }

  _band(svg, places) {
    const there = places.map(({ x, high }) => `${x.toFixed(1)} ${high.toFixed(1)}`);
    const back = places.map(({ x, low }) => `${x.toFixed(1)} ${low.toFixed(1)}`).reverse();
    svg.append(s("path", { class: "effect-band", d: `M${[...there, ...back].join("L")}Z` }));
    svg.append(s("path", { class: "curve effect", d: `M${places.map(({ x, y }) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}` }));
  }

  _bar(svg, { x, y, low, high }) {
    svg.append(s("path", { class: "spread", d: `M${x} ${low}V${high}M${x - 4} ${low}h8M${x - 4} ${high}h8` }));
    svg.append(s("circle", { class: "effect-dot", cx: x, cy: y, r: 4.5 }));
  }
}
