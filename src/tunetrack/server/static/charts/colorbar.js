/** Knows how a ramp of colours is read: a bar with the values at its ends. */

import { s } from "../core/dom.js";
import { textWidth } from "../core/chart.js";
import { number } from "../core/format.js";
import { ramp, SEQUENTIAL } from "../core/marks.js";

const STEPS = 24;

/** Draws the bar at `place` ({x, y, width}, pixels) with the worst value at its left, the best at its right. */
export function colorbar(svg, place, [worst, best], name, from = 0) {
  const color = ramp(SEQUENTIAL);
  const start = place.x + textWidth(number(worst)) + 6;
  const words = `${number(best)}  ${name}`;
  const wide = Math.max(40, Math.min(170, place.width - textWidth(number(worst)) - textWidth(words) - 14)) / STEPS;
  svg.append(s("text", { x: place.x, y: place.y + 10 }, number(worst)));
  for (let step = 0; step < STEPS; step++) {
    svg.append(s("rect", { x: start + step * wide, y: place.y, width: wide + 0.5, height: 12, fill: color(from + (1 - from) * (step / (STEPS - 1))) }));
  }
  svg.append(s("text", { x: start + STEPS * wide + 6, y: place.y + 10 }, words));
}
