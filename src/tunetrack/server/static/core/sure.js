/** Knows how a value that rests on one seed looks, and one that rests on several: a dot, and a dot with its interval. */

import { h, s } from "./dom.js";
import { plural } from "./format.js";

/** The mark of a value from one seed, or from several. */
export function seedMark(seeds) {
  const several = seeds > 1;
  const bar = several && s("path", { d: "M1 5H21M1 2v6M21 2v6", stroke: "currentColor", "stroke-width": 1.4, fill: "none" });
  const dot = s("circle", { cx: 11, cy: 5, r: 3.2, fill: several ? "currentColor" : "none", stroke: "currentColor", "stroke-width": 1.3 });
  return s("svg", { class: "seed-mark", viewBox: "0 0 22 10", width: 22, height: 10, "aria-hidden": "true" }, bar, dot);
}

/** "0.9132 ± 0.0060": a value with as many decimals as half of its interval makes sense of. */
export function sureText(value, half) {
  if (!(half > 0)) return value.toPrecision(4);
  const places = Math.min(6, Math.max(0, 1 - Math.floor(Math.log10(half))));
  return `${value.toFixed(places)} ± ${half.toFixed(places)}`;
}

/** A mean over seeds with half of its interval, as an element. */
export function confirmedValue({ mean, low, high, seeds }) {
  const title = `mean of ${plural(seeds, "seed")}; its interval: ${low.toPrecision(5)} to ${high.toPrecision(5)}`;
  return h("span", { class: "confirmed whole", title }, seedMark(seeds), h("b", {}, sureText(mean, (high - low) / 2)));
}
