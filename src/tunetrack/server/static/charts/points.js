/** Knows how trials lie on two axes: history, slices, Pareto fronts; a line may run through some of them. */

import { Chart } from "../core/chart.js";
import { s } from "../core/dom.js";
import { outline, paint, STATES } from "../core/marks.js";
import { fitted } from "../core/scale.js";

/**
 * Data: `{x: {title, log, numeric, choices, domain}, y: {…}, points: [{x, y, state, trial, lines: [text]}],
 * line: [[x, y], …] | null, steps: boolean, lineTitle, selection: Selection | null}`.
 * A point without x or y is not drawn.
 */
export class Points extends Chart {
  draw(svg, width, height) {
    const { x, y, points, line, steps, selection } = this.data;
    const drawn = points.filter((point) => point.x !== null && point.y !== null && point.x !== undefined && point.y !== undefined);
    const ends = line ?? [];
    const vertical = [...(y.domain ?? drawn.map((point) => point.y)), ...(y.domain ? [] : ends.map((end) => end[1]))];
    const top = 24;
    const bottom = height - (x.title ? 42 : 26);
    const down = fitted(vertical, [bottom, top], y);
    const left = this.roomFor(down.ticks(5).map((tick) => down.text(tick)));
    const across = fitted([...(x.domain ?? drawn.map((point) => point.x)), ...(x.domain ? [] : ends.map((end) => end[0]))], [left, width - 10], x);
    const box = { left, top, right: width - 10, bottom };
    this.yAxis(svg, down, box, y.title);
    this.xAxis(svg, across, box, x.title);
    if (line?.length) svg.append(s("path", { class: "best", d: path(line, across, down, steps) }));
    const spread = across.kind === "band" ? jitter(across.step) : () => 0;
    const size = drawn.length > 2000 ? 2.2 : drawn.length > 300 ? 3.2 : 4.5;
    for (const picked of [false, true]) {
      for (const state of Object.keys(STATES)) {
        const members = drawn.filter((point) => known(point.state) === state && (selection?.has(point.trial) ?? true) === picked);
        if (!members.length) continue;
        const outlines = members.map((point) => {
          const place = { x: across(point.x) + spread(point.trial), y: down(point.y) };
          if (picked) this.points.push({ ...place, trial: point.trial, lines: point.lines });
          return outline(state, place.x, place.y, size);
        });
        svg.append(s("path", { class: picked ? "marks" : "marks dimmed", d: outlines.join(""), ...paint(state) }));
      }
    }
    this.points.sort((one, other) => one.x - other.x || one.y - other.y);
  }
}

const known = (state) => (state in STATES ? state : "KILLED");

function path(line, across, down, steps) {
  return line
    .map(([x, y], index) => {
      if (!index) return `M${across(x).toFixed(1)} ${down(y).toFixed(1)}`;
      return steps ? `H${across(x).toFixed(1)}V${down(y).toFixed(1)}` : `L${across(x).toFixed(1)} ${down(y).toFixed(1)}`;
    })
    .join("");
}

// Always the same for a trial, so that points do not dance when a study is drawn again.
const jitter = (step) => (trial) => (((trial * 0.6180339887) % 1) - 0.5) * Math.min(step * 0.5, 60);
