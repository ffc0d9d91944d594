/** Knows how two parameters together bear on the objective: a field of colours near trials, the trials as marks. */

import { Chart, roomBelow } from "../core/chart.js";
import { s } from "../core/dom.js";
import { outline, ramp, SEQUENTIAL } from "../core/marks.js";
import { fitted } from "../core/scale.js";
import { colorbar } from "./colorbar.js";
import { field } from "./field.js";
import { drawMarks, markSize } from "./points.js";

const [CELL, SHADES] = [4, 16]; // pixels, colours
export const MOST = 1200; // marks that leave the field in sight

/**
 * Data: `{x: axis, y: axis, points: [{x, y, result, state, trial, lines}], window: {low, high}, maximize, metric,
 * selection}`; a point with a result shapes the field, the others are marks only.
 */
export class Contour extends Chart {
  draw(svg, width, height) {
    const { x, y, points, selection } = this.data;
    const labels = fitted(points.map((point) => point.x), [0, width - 60], x);
    const bottom = height - 84 - (labels.kind === "band" ? roomBelow(labels.domain, labels.step) : 0);
    const down = fitted(points.map((point) => point.y), [bottom, 24], y);
    const left = this.roomLeft(down, 24, bottom, 0.35 * width);
    const box = { left, top: 24, right: width - 12, bottom };
    const across = fitted(points.map((point) => point.x), [box.left, box.right], x);
    const places = points.map((point) => ({ ...point, x: across(point.x) + shift(across, point.trial), y: down(point.y) + shift(down, point.trial + 0.5), at: [across(point.x), down(point.y)] }));
    this._field(svg, places, across, down, box);
    this.yAxis(svg, down, box, y.title);
    this.xAxis(svg, across, box, x.title);
    const every = Math.ceil(places.length / MOST);
    const marked = places.filter((_, index) => index % every === 0);
    const size = every > 1 ? 1.8 : Math.min(3.6, markSize(places.length));
    const strong = marked.filter((place) => selection?.has(place.trial) ?? true);
    svg.append(s("path", { class: "halo", d: strong.map((place) => outline(place.state, place.x, place.y, size)).join("") }));
    this.points = drawMarks(svg, marked, selection, size);
    const { low, high } = this.data.window;
    colorbar(svg, { x: box.left, y: height - 26, width: box.right - box.left }, this.data.maximize ? [low, high] : [high, low], this.data.metric);
  }

  _field(svg, places, across, down, box) {
    const columns = across.kind === "band" ? across.domain.length : Math.round((box.right - box.left) / CELL);
    const rows = down.kind === "band" ? down.domain.length : Math.round((box.bottom - box.top) / CELL);
    const [wide, high] = [(box.right - box.left) / columns, (box.bottom - box.top) / rows];
    const smooth = Math.min(0.06, Math.max(0.03, 0.17 * places.length ** -0.25));
    const near = places.filter((place) => place.result !== null).map(({ at, result }) => ({ x: (at[0] - box.left) / wide, y: (at[1] - box.top) / high, value: result }));
    const cells = field(near, { columns, rows, wideX: across.kind === "band" ? 0 : smooth * columns, wideY: down.kind === "band" ? 0 : smooth * rows });
    const shades = Array.from({ length: SHADES }, () => []);
    const shade = (cell) => (cells[cell] === null ? -1 : Math.round(this._goodness(cells[cell]) * (SHADES - 1)));
    for (let cell = 0; cell < cells.length; ) {
      const [first, row, own] = [cell, Math.floor(cell / columns), shade(cell)];
      while (cell < (row + 1) * columns && shade(cell) === own) cell++; // neighbours of one colour are one rectangle
      if (own < 0) continue;
      const [left, top, long] = [box.left + (first % columns) * wide, box.top + row * high, (cell - first) * wide];
      shades[own].push(`M${left.toFixed(1)} ${top.toFixed(1)}h${long.toFixed(1)}v${high.toFixed(1)}h${(-long).toFixed(1)}z`);
    }
    const color = ramp(SEQUENTIAL);
    shades.forEach((parts, index) => parts.length && svg.append(s("path", { class: "cell", d: parts.join(""), fill: color(index / (SHADES - 1)) })));
  }

  _goodness(value) {
    const { low, high } = this.data.window;
    const share = high > low ? Math.min(1, Math.max(0, (value - low) / (high - low))) : 1;
    return this.data.maximize ? share : 1 - share;
  }
}

const shift = (scale, trial) => (scale.kind === "band" ? (((trial * 0.6180339887) % 1) - 0.5) * Math.min(scale.step * 0.5, 60) : 0);
