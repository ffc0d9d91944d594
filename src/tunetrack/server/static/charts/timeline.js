/** Knows how trials lie in time: a lane for each worker, so that idle time is seen. */

import { Chart, textWidth, wrapped } from "../core/chart.js";
import { s } from "../core/dom.js";
import { look, outline, paint, STATES } from "../core/marks.js";
import { linear } from "../core/scale.js";

const MOST_MARKS = 400; // more shapes than this only cover the bars

/**
 * Data: `{lanes: [{name, from, to, bars: [{from, to, state, trial, lines}]}], unit, start, selection}`; times in ms,
 * `unit: {word, ms}` is what the axis counts in from `start` on.
 */
export class Timeline extends Chart {
  constructor(host, options) {
    super(host, { height: (_, data) => 52 + data.lanes.length * laneHeight(data.lanes.length), ...options });
  }

  draw(svg, width, height) {
    const { lanes, unit, start } = this.data;
    const names = Math.min(0.3 * width, Math.max(40, ...lanes.map((lane) => textWidth(lane.name))) + 14);
    const box = { left: names, top: 8, right: width - 14, bottom: height - 42 };
    const end = Math.max(...lanes.map((lane) => lane.to));
    const across = linear([0, (end - start) / unit.ms || 1], [box.left, box.right]);
    const at = (ms) => across((ms - start) / unit.ms);
    this.xAxis(svg, across, box, `${unit.word} since the study began`);
    const step = laneHeight(lanes.length);
    this.rows = [];
    const parts = new Map();
    lanes.forEach((lane, index) => {
      const [top, thick] = [box.top + index * step + step * 0.12, step * 0.76];
      laneName(svg, lane.name, names, top + thick / 2, step);
      svg.append(s("rect", { class: "idle", x: at(lane.from), y: top, width: Math.max(0, at(lane.to) - at(lane.from)), height: thick }));
      this.rows.push({ top: box.top + index * step, bottom: box.top + (index + 1) * step, first: this.points.length });
      for (const bar of lane.bars) this._bar(bar, at(bar.from), at(bar.to), top, thick, parts);
    });
    this._paint(svg, parts);
  }

  _bar(bar, left, right, top, thick, parts) {
    const wide = Math.max(1, right - left - 0.5);
    const dimmed = this.data.selection && !this.data.selection.has(bar.trial);
    const state = bar.state in STATES ? bar.state : "KILLED";
    const key = `${state} ${dimmed ? "dimmed" : ""}`;
    if (!parts.has(key)) parts.set(key, { state, dimmed, bars: [], marks: [] });
    const part = parts.get(key);
    part.bars.push(`M${left.toFixed(1)} ${top.toFixed(1)}h${wide.toFixed(1)}v${thick.toFixed(1)}h${(-wide).toFixed(1)}z`);
    if (wide > 11 && thick > 9) part.marks.push(outline(state, right - 6, top + thick / 2, 3.4));
    this.points.push({ x: left + wide / 2, y: top + thick / 2, from: left, to: left + wide, trial: bar.trial, lines: bar.lines });
  }

  _paint(svg, parts) {
    const shapes = this.points.length <= MOST_MARKS;
    for (const { state, dimmed, bars, marks } of parts.values()) {
      const { color } = look(state);
      svg.append(s("path", { class: dimmed ? "span dimmed" : "span", d: bars.join(""), fill: `var(${color})`, stroke: `var(${color})` }));
      if (shapes && marks.length) svg.append(s("path", { class: dimmed ? "marks dimmed" : "marks", d: marks.join(""), ...paint(state) }));
    }
  }

  /** The bar under the pointer, or the nearest of its lane. */
  _nearest(event) {
    const frame = this.svg.getBoundingClientRect();
    const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
    const row = this.rows.findIndex(({ top, bottom }) => y >= top && y < bottom);
    if (row < 0) return -1;
    const after = this.rows[row + 1]?.first ?? this.points.length;
    let [best, least] = [-1, 12];
    for (let index = this.rows[row].first; index < after; index++) {
      const { from, to } = this.points[index];
      const distance = x < from ? from - x : x > to ? x - to : 0;
      if (distance < least) [best, least] = [index, distance];
    }
    return best;
  }
}

const laneHeight = (count) => Math.min(30, Math.max(9, 420 / Math.max(count, 1)));

function laneName(svg, name, room, middle, step) {
  if (step < 12) return;
  const lines = wrapped(name, room - 10).slice(0, step >= 26 ? 2 : 1);
  lines.forEach((line, place) => {
    svg.append(s("text", { class: "name", x: room - 8, y: middle + 4 + (place - (lines.length - 1) / 2) * 12, "text-anchor": "end" }, line));
  });
}
