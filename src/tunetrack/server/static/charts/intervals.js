/** Knows how means with intervals are drawn: one row each, their single values above, other values of the same below. */

import { Chart, textWidth } from "../core/chart.js";
import { s } from "../core/dom.js";
import { extent, linear } from "../core/scale.js";

const ROW = 46;
const TOP = 8;
const BELOW = 44; // the axis with its title

/**
 * Data: `{axis, rows: [{key, name, mean, low, high, values: [number, …], others: [{value, shape: "circle"|"diamond"}], text, band, lines}]}`.
 * `band`: whether the row is one of those that stand together. `onpick(key)` is called for a row.
 */
export class Intervals extends Chart {
  constructor(host, options) {
    super(host, { height: (_, data) => TOP + data.rows.length * ROW + BELOW, ...options });
  }

  draw(svg, width) {
    const { rows, axis } = this.data;
    const narrow = width < 560;
    const box = { left: Math.max(...rows.map((row) => textWidth(row.name))) + 18, right: width - 14, top: TOP, bottom: TOP + rows.length * ROW };
    if (!narrow) box.right -= Math.max(...rows.map((row) => textWidth(row.text)));
    const [low, high] = extent(rows.flatMap((row) => [row.low, row.high, ...row.values, ...row.others.map(({ value }) => value)]));
    const pad = 0.04 * (high - low) || 0.01;
    const across = linear([low - pad, high + pad], [box.left, box.right]);
    rows.forEach((row, index) => row.band && svg.append(s("rect", { class: "together", x: 0, y: TOP + index * ROW, width, height: ROW })));
    this.xAxis(svg, across, box, axis);
    rows.forEach((row, index) => this._row(svg, row, TOP + (index + 0.5) * ROW, across, narrow ? null : box.right + 10));
  }

  _row(svg, row, y, across, textAt) {
    const color = row.band ? "var(--accent)" : "var(--soft)";
    svg.append(s("text", { class: "name", x: 6, y: y + 4 }, row.name));
    for (const value of row.values) svg.append(s("circle", { cx: across(value), cy: y - 12, r: 2.4, fill: color, "fill-opacity": 0.7 }));
    svg.append(s("line", { x1: across(row.low), x2: across(row.high), y1: y, y2: y, stroke: color, "stroke-width": 3 }));
    svg.append(s("circle", { cx: across(row.mean), cy: y, r: 5.5, fill: color, stroke: "var(--card)", "stroke-width": 1.2 }));
    for (const { value, shape } of row.others) svg.append(other(shape, across(value), y + 13));
    if (textAt !== null) svg.append(s("text", { x: textAt, y: y + 4 }, row.text));
    this.points.push({ x: across(row.mean), y, trial: row.key, lines: row.lines });
  }

  /** The row under the pointer, wherever in it that is. */
  _nearest(event) {
    const row = Math.floor((event.clientY - this.svg.getBoundingClientRect().top - TOP) / ROW);
    return row >= 0 && row < this.points.length ? row : -1;
  }
}

function other(shape, x, y) {
  const look = { fill: "none", stroke: "var(--soft)", "stroke-width": 1.3 };
  if (shape === "diamond") return s("path", { d: `M${x} ${y - 4.5}L${x + 4.5} ${y}L${x} ${y + 4.5}L${x - 4.5} ${y}z`, ...look });
  return s("circle", { cx: x, cy: y, r: 3.6, ...look });
}
