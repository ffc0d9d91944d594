/** Knows how trials lie on two axes: history, slices, Pareto fronts; a line may run through some of them. */

import { Chart, roomBelow, textWidth } from "../core/chart.js";
import { s } from "../core/dom.js";
import { outline, paint, STATES } from "../core/marks.js";
import { fitted } from "../core/scale.js";

const [FEW, CROWDED, MOST_GAP] = [40, 20, 40]; // values; points a value, beyond which they hide one another; pixels

/**
 * Data: `{x: {title, log, numeric, choices, domain}, y: {…}, points: [{x, y, state, trial, faint?, lines: [text]}],
 * line: [[x, y], …] | null, steps: boolean, marked: {x, y, text} | null, selection: Selection | null}`.
 * A point without x or y, or outside the domain of an axis, is not drawn; the line is held inside.
 */
export class Points extends Chart {
  draw(svg, width, height) {
    const { x, y, points, line, steps, selection, marked } = this.data;
    const drawn = points.filter((point) => inside(point.x, x.domain) && inside(point.y, y.domain));
    const ends = line ?? [];
    const vertical = y.domain ?? [...drawn.map((point) => point.y), ...ends.map((end) => end[1])];
    const horizontal = x.domain ?? [...drawn.map((point) => point.x), ...ends.map((end) => end[0])];
    const labels = fitted(horizontal, [0, width - 60], x);
    const extra = labels.kind === "band" ? roomBelow(labels.domain, labels.step) : 0;
    const [top, bottom] = [24, height - (x.title ? 42 : 26) - extra];
    const down = fitted(vertical, [bottom, top], y);
    const left = this.roomLeft(down, top, bottom);
    const box = { left, top, right: width - 10, bottom };
    const across = fitted(horizontal, [box.left, box.right], x);
    this.yAxis(svg, down, box, y.title);
    this.xAxis(svg, across, box, x.title);
    if (line?.length) svg.append(s("path", { class: "best", d: path(held(line, x.domain, y.domain), across, down, steps) }));
    const spread = jitter(across.kind === "band" ? across.step : gap(drawn, across));
    const rise = jitter(down.kind === "band" ? down.step : 0);
    const places = drawn.map((point) => ({ ...point, x: across(point.x) + spread(point.trial), y: down(point.y) + rise(point.trial + 0.5) }));
    this.points = drawMarks(svg, places, selection, markSize(drawn.length));
    if (marked && inside(marked.x, x.domain) && inside(marked.y, y.domain)) label(svg, across(marked.x) + spread(marked.trial), down(marked.y), marked.text, box);
    this.scales = { across, down, box };
  }
}

/** The radius of marks, pixels, when there are so many. */
export const markSize = (count) => (count > 2000 ? 2.2 : count > 300 ? 3.2 : 4.5);

/**
 * Marks of trials by state, one path each; those that are not picked out lie dimmed below.
 * @param {SVGElement} svg
 * @param {{x, y, state, trial, faint, lines}[]} places pixels
 * @param {Selection|null} selection
 * @param {number} size radius, pixels
 * @returns the places of those that are picked out, from left to right
 */
export function drawMarks(svg, places, selection, size) {
  const layers = new Map(["dimmed", "faint", ""].map((layer) => [layer, new Map()]));
  const picked = [];
  for (const place of places) {
    const layer = selection && !selection.has(place.trial) ? "dimmed" : place.faint ? "faint" : "";
    if (layer !== "dimmed") picked.push(place);
    const state = place.state in STATES ? place.state : "KILLED";
    const parts = layers.get(layer);
    if (!parts.has(state)) parts.set(state, []);
    parts.get(state).push(outline(state, place.x, place.y, size));
  }
  for (const [layer, parts] of layers) {
    for (const state of Object.keys(STATES).reverse()) { // what has a result lies on top
      if (parts.has(state)) svg.append(s("path", { class: `marks ${layer}`.trim(), d: parts.get(state).join(""), ...paint(state) }));
    }
  }
  return picked.sort((one, other) => one.x - other.x || one.y - other.y);
}

/** A number for a trial in (-0.5, 0.5), always the same, so that points do not dance when a study is drawn again. */
const jitter = (step) => (trial) => (((trial * 0.6180339887) % 1) - 0.5) * Math.min(step * 0.5, 60);

/** Pixels between the few values that very many points share, such as batch sizes; 0 where they have their own. */
function gap(points, across) {
  const values = new Set();
  for (const { x } of points) if (values.add(x).size > FEW) return 0;
  if (points.length < CROWDED * values.size) return 0;
  const places = [...values].map(across).sort((one, other) => one - other);
  return Math.min(...places.slice(1).map((place, index) => place - places[index]), MOST_GAP);
}

const inside = (value, domain) => value !== null && value !== undefined && (!domain || typeof value !== "number" || (value >= domain[0] && value <= domain[1]));

/** Words at a mark, on the side where there is room. */
function label(svg, x, y, text, box) {
  const wide = textWidth(text);
  const toLeft = x + 12 + wide > box.right;
  const above = y - 10 > box.top + 8;
  svg.append(
    s("circle", { class: "best-ring", cx: x, cy: y, r: 8 }),
    s("text", { class: "best-word", x: toLeft ? x - 10 : x + 10, y: above ? y - 8 : y + 18, "text-anchor": toLeft ? "end" : "start" }, text),
  );
}

function held(line, across, down) {
  const keep = (value, domain) => (domain && typeof value === "number" ? Math.min(domain[1], Math.max(domain[0], value)) : value);
  return line.map(([x, y]) => [keep(x, across), keep(y, down)]);
}

function path(line, across, down, steps) {
  return line
    .map(([x, y], index) => {
      if (!index) return `M${across(x).toFixed(1)} ${down(y).toFixed(1)}`;
      return steps ? `H${across(x).toFixed(1)}V${down(y).toFixed(1)}` : `L${across(x).toFixed(1)} ${down(y).toFixed(1)}`;
    })
    .join("");
}
