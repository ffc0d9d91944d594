/** Knows how a way of several steps is drawn: one row a step, from above to below, with the interval of its value. */

import { Chart, textWidth, wrapped } from "../core/chart.js";
import { s } from "../core/dom.js";
import { fitted } from "../core/scale.js";

const [TOP, LINE, GAP, BELOW] = [12, 15, 16, 44]; // pixels: above, a line of a name, between rows, the axis

/**
 * Data: `{steps: [{names: [text], value, low, high, measured?, lines}], title}`: `measured` is what was really reached.
 */
export class Steps extends Chart {
  constructor(host, options) {
    super(host, { height: (width, data) => TOP + BELOW + rowsOf(data.steps, width).reduce((sum, row) => sum + row.height, 0), ...options });
  }

  draw(svg, width, height) {
    const { steps, title } = this.data;
    const rows = rowsOf(steps, width);
    const box = { left: roomFor(steps, width), top: TOP, right: width - 14, bottom: height - BELOW };
    const values = steps.flatMap((step) => [step.low, step.high, step.measured ?? step.value]);
    const across = fitted(values, [box.left, box.right]);
    this.xAxis(svg, across, box, title);
    let top = TOP;
    const places = steps.map((step, index) => {
      const y = top + rows[index].height / 2;
      top += rows[index].height;
      return { ...step, x: across(step.value), y, text: rows[index].lines };
    });
    svg.append(s("path", { class: "curve steps-line", d: `M${places.map(({ x, y }, index) => (index ? `H${x.toFixed(1)}V${y.toFixed(1)}` : `${x.toFixed(1)} ${y.toFixed(1)}`)).join("")}` }));
    for (const place of places) this._row(svg, place, box, across);
    this.points = places.map(({ x, y, lines }) => ({ x, y, lines }));
  }

  _row(svg, { x, y, low, high, measured, text }, box, across) {
    text.forEach((line, index) => {
      svg.append(s("text", { class: "name", x: box.left - 10, y: y + 4 + (index - (text.length - 1) / 2) * LINE, "text-anchor": "end" }, line));
    });
    svg.append(s("path", { class: "spread", d: `M${across(low)} ${y}H${across(high)}M${across(low)} ${y - 4}v8M${across(high)} ${y - 4}v8` }));
    svg.append(s("circle", { class: "effect-dot", cx: x, cy: y, r: 4.5 }));
    if (measured !== undefined && measured !== null) svg.append(s("path", { class: "measured", d: `M${across(measured)} ${y - 8}v16` }));
  }
}

const roomFor = (steps, width) => Math.min(0.45 * width, Math.max(...steps.flatMap((step) => step.names.map(textWidth))) + 16);

function rowsOf(steps, width) {
  const room = roomFor(steps, width);
  return steps.map((step) => {
    const lines = step.names.flatMap((name) => wrapped(name, room - 12));
    return { lines, height: GAP + LINE * lines.length };
  });
}
