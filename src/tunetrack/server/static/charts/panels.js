/** Knows small multiples: one little figure a trial, all on the same axes, so that shapes can be compared at a glance. */

import { Chart, cut } from "../core/chart.js";
import { s } from "../core/dom.js";
import { fitted } from "../core/scale.js";

const [TITLE, BELOW, GAP] = [20, 20, 14]; // pixels

/**
 * Data: `{x: {title, log}, y: {title, log}, domain: {x: [low, high], y: [low, high]}, panels: [{title, trial, color, dash,
 * why, lines: [{name, xs, ys, strength}]}]}`. `strength` in (0, 1] makes a line paler; a null in `ys` is a gap; `why`
 * says what a panel without lines lacks.
 */
export class Panels extends Chart {
  draw(svg, width) {
    const { x, y, domain, panels } = this.data;
    const left = this.roomFor(fitted(domain.y, [100, 0], y).ticks(3).map((tick) => fitted(domain.y, [100, 0], y).text(tick)), 80);
    const { columns, wide, high } = layout(width - left, panels.length);
    panels.forEach((panel, index) => {
      const [column, row] = [index % columns, Math.floor(index / columns)];
      const start = left + column * (wide + GAP);
      const top = 22 + row * (high + TITLE + BELOW) + TITLE;
      const box = { left: start, right: start + wide, top, bottom: top + high };
      const across = fitted(domain.x, [box.left, box.right], { ...x, pad: 0.02 });
      const down = fitted(domain.y, [box.bottom, box.top], y);
      const group = s("g", { class: "panel", "data-trial": panel.trial });
      frame(group, box, across, down, column === 0);
      heading(group, panel, box);
      for (const line of panel.lines) this._line(group, line, panel, across, down);
      svg.append(group);
    });
    svg.append(s("text", { class: "name", x: 4, y: 12 }, `${y.title}, by ${x.title}`));
  }

  _line(group, line, panel, across, down) {
    const { x, y } = this.data;
    const drawable = (value) => value !== null && value !== undefined && (down.kind !== "log" || value > 0);
    let [d, pen] = ["", "M"];
    line.ys.forEach((value, at) => {
      if (!drawable(value)) {
        pen = "M";
        return;
      }
      const [px, py] = [across(line.xs[at]), down(value)];
      d += `${pen}${px.toFixed(1)} ${py.toFixed(1)}${pen === "M" ? "h0" : ""}`;
      pen = "L";
      const lines = [panel.title, line.name, `${x.title} ${across.text(line.xs[at])}`, `${y.title} ${down.text(value)}`];
      this.points.push({ x: px, y: py, trial: panel.trial, lines });
    });
    if (d) group.append(s("path", { class: "curve small", d, stroke: panel.color, "stroke-opacity": line.strength }));
  }
}

/** Height of the whole figure for so many panels, pixels. */
export function panelsHeight(width, count) {
  const { columns, high } = layout(width - 50, count);
  return 22 + Math.ceil(count / columns) * (high + TITLE + BELOW) + 4;
}

function layout(width, count) {
  const least = count > 20 ? 130 : count > 6 ? 180 : 215;
  const columns = Math.max(1, Math.min(count, Math.floor((width + GAP) / (least + GAP))));
  const wide = Math.min(420, (width - (columns - 1) * GAP - 6) / columns);
  return { columns, wide, high: count > 20 ? 74 : count > 6 ? 100 : 140 };
}

function frame(group, box, across, down, labelled) {
  const axis = s("g", { class: "axis" });
  let last = Infinity;
  for (const tick of down.ticks(3)) {
    if (last - down(tick) < 15) continue; // logarithmic axes of few decades have more ticks than there is room for
    last = down(tick);
    axis.append(s("line", { class: "grid", x1: box.left, x2: box.right, y1: down(tick), y2: down(tick) }));
    if (labelled) axis.append(s("text", { x: box.left - 6, y: down(tick) + 4, "text-anchor": "end" }, down.text(tick)));
  }
  axis.append(s("line", { class: "line", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }));
  for (const tick of across.ticks(3)) axis.append(s("text", { x: across(tick), y: box.bottom + 14, "text-anchor": "middle" }, across.text(tick)));
  group.append(axis);
}

function heading(group, panel, box) {
  group.append(
    s("line", { x1: box.left, x2: box.left + 22, y1: box.top - 9, y2: box.top - 9, stroke: panel.color, "stroke-width": 2.5, "stroke-dasharray": panel.dash }),
    s("text", { class: "name", x: box.left + 28, y: box.top - 5 }, cut(panel.title, box.right - box.left - 28)),
  );
  if (panel.why) group.append(s("text", { x: box.left + 6, y: (box.top + box.bottom) / 2 }, cut(panel.why, box.right - box.left), s("title", {}, panel.why)));
}
