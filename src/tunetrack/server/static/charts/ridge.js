/** Knows how a histogram that changes over time looks: one curve a moment, one below the other, on the same axis. */

import { Chart } from "../core/chart.js";
import { s } from "../core/dom.js";
import { number, percent } from "../core/format.js";
import { linear } from "../core/scale.js";

const [TOP, BOTTOM, OVERLAP] = [30, 42, 2.2]; // pixels; so many rows a curve may be high
const SHOWN = 5e-4; // share of the weights from which on a bin belongs to the range that is shown

/**
 * Data: `{rows: [{name, counts: [number]}], low, high, title}`: `counts` are those of equal bins from `low` to `high`, the
 * same in all rows; `title` is the axis in words. Each curve is as high as its own fullest bin says.
 */
export class Ridge extends Chart {
  constructor(host, options) {
    super(host, { height: (_, data) => TOP + BOTTOM + Math.max(90, data.rows.length * 24), rows: table, ...options });
  }

  draw(svg, width, height) {
    const { rows, low, high, title } = this.data;
    const bins = rows[0].counts.length;
    const edge = (index) => low + ((high - low) * index) / bins;
    const [first, last] = filled(rows);
    const box = { left: this.roomFor(rows.map((row) => row.name)), top: TOP, right: width - 12, bottom: height - BOTTOM };
    const across = linear([edge(first), edge(last + 1)], [box.left, box.right]);
    this.xAxis(svg, across, box, title);
    const step = (box.bottom - box.top) / (rows.length - 1 + OVERLAP);
    this.perRow = last - first + 1;
    rows.forEach(({ name, counts }, index) => {
      const base = box.top + step * (OVERLAP + index);
      const total = counts.reduce((sum, count) => sum + count, 0) || 1;
      const most = Math.max(...counts) || 1;
      const tops = counts.slice(first, last + 1).map((count, at) => [across((edge(first + at) + edge(first + at + 1)) / 2), base - (count / most) * step * OVERLAP * 0.94]);
      const line = tops.map(([x, y], at) => `${at ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
      const area = `${line}L${tops.at(-1)[0].toFixed(1)} ${base.toFixed(1)}L${tops[0][0].toFixed(1)} ${base.toFixed(1)}z`;
      svg.append(
        s("path", { class: "ridge-paper", d: area }),
        s("path", { class: "ridge", d: area, "fill-opacity": (0.25 + (0.5 * index) / Math.max(1, rows.length - 1)).toFixed(2) }),
        s("path", { class: "ridge-line", d: line }),
        s("text", { x: box.left - 6, y: (base + 1).toFixed(1), "text-anchor": "end" }, name),
      );
      tops.forEach(([x, y], at) => this.points.push({ x, y, lines: [name, `${number(edge(first + at), 3)} to ${number(edge(first + at + 1), 3)}`, `${percent(counts[first + at] / total, 2)} of the weights`] }));
    });
  }
}

/** First and last bin that holds a visible share in any row. */
function filled(rows) {
  const shares = rows.map(({ counts }) => {
    const total = counts.reduce((sum, count) => sum + count, 0) || 1;
    return counts.map((count) => count / total >= SHOWN);
  });
  const used = shares[0].map((_, bin) => shares.some((row) => row[bin]));
  const [first, last] = [used.indexOf(true), used.lastIndexOf(true)];
  return first < 0 ? [0, used.length - 1] : [Math.max(0, first - 1), Math.min(used.length - 1, last + 1)];
}

function table({ rows, low, high }) {
  const bins = rows[0].counts.length;
  const edge = (index) => low + ((high - low) * index) / bins;
  return [["epoch", "from", "to", "weights"], ...rows.flatMap(({ name, counts }) => counts.map((count, index) => [name, edge(index), edge(index + 1), count]))];
}
