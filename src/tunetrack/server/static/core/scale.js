/** Knows how values become pixels, and which ticks an axis has. */

import { number } from "./format.js";

/**
 * A linear scale.
 * @param {[number, number]} domain smallest and largest value
 * @param {[number, number]} range pixels that they lie at
 * @returns a function value -> pixel, with `invert`, `ticks(count)`, `text(tick)`, `domain`, `range`, `kind`
 */
export function linear(domain, range) {
  const [low, high] = widened(domain);
  const scale = (value) => range[0] + ((value - low) / (high - low)) * (range[1] - range[0]);
  scale.invert = (pixel) => low + ((pixel - range[0]) / (range[1] - range[0])) * (high - low);
  scale.ticks = (count = 5) => linearTicks(low, high, count);
  scale.text = (tick) => number(Number(tick.toPrecision(8)), 6);
  return Object.assign(scale, { kind: "linear", domain: [low, high], range });
}

/** A logarithmic scale of values greater than 0; otherwise as `linear`. */
export function log(domain, range) {
  let [low, high] = domain.map((value) => Math.log10(value));
  if (low === high) [low, high] = [low - 0.5, high + 0.5];
  const scale = (value) => range[0] + ((Math.log10(value) - low) / (high - low)) * (range[1] - range[0]);
  scale.invert = (pixel) => 10 ** (low + ((pixel - range[0]) / (range[1] - range[0])) * (high - low));
  scale.ticks = (count = 5) => logTicks(low, high, count);
  scale.text = (tick) => number(Number(tick.toPrecision(6)), 4);
  return Object.assign(scale, { kind: "log", domain: [10 ** low, 10 ** high], range });
}

/** One place for each label, evenly apart; `scale(label)` is its middle, `scale.step` their distance. */
export function band(labels, range) {
  const step = (range[1] - range[0]) / Math.max(labels.length, 1);
  const places = new Map(labels.map((label, index) => [label, range[0] + (index + 0.5) * step]));
  const scale = (value) => places.get(value);
  scale.invert = (pixel) => labels[Math.min(labels.length - 1, Math.max(0, Math.floor((pixel - range[0]) / step)))];
  scale.ticks = () => labels;
  scale.text = (tick) => String(tick);
  return Object.assign(scale, { kind: "band", domain: labels, range, step: Math.abs(step) });
}

/**
 * The scale that fits values: bands for labels, logarithmic where asked for and possible, else linear.
 * @param {Array} values null where there is none
 * @param {[number, number]} range pixels
 * @param {{log?: boolean, whole?: boolean, numeric?: boolean, choices?: string[]|null, pad?: number}} [how] `whole`: ticks
 *   at whole numbers only; `pad`: share of the range that is left empty at both ends
 */
export function fitted(values, range, { log: wanted = false, whole = false, numeric = true, choices = null, pad = 0.03 } = {}) {
  const known = values.filter((value) => value !== null && value !== undefined && !Number.isNaN(value));
  if (!numeric || known.some((value) => typeof value !== "number")) {
    const seen = new Set(known.map(String));
    const order = choices ? choices.map(String).filter((choice) => seen.has(choice)) : [];
    return band([...order, ...[...seen].filter((label) => !order.includes(label)).sort()], range);
  }
  const margin = (range[1] - range[0]) * pad;
  const inner = [range[0] + margin, range[1] - margin];
  if (!known.length) return linear([0, 1], range);
  const [low, high] = extent(known);
  const scale = wanted && low > 0 ? log([low, high], inner) : linear([low, high], inner);
  const result = stretched(scale, range);
  const { ticks } = result;
  if (whole) result.ticks = (count = 5) => [1, 2, 4].map((times) => ticks(times * count).filter(Number.isInteger)).find((found, index) => found.length >= 3 || index === 2);
  return result;
}

/** Smallest and largest of many numbers (spreading 10,000 of them into Math.min is slow and can overflow the stack). */
export function extent(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

function stretched(scale, range) {
  const ends = range.map((pixel) => scale.invert(pixel));
  return scale.kind === "log" ? log(ends, range) : linear(ends, range);
}

function widened([low, high]) {
  if (low !== high) return [low, high];
  const room = Math.abs(low) * 0.05 || 0.5;
  return [low - room, high + room];
}

function linearTicks(low, high, count) {
  const [from, to] = low < high ? [low, high] : [high, low];
  const rough = (to - from) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999) ?? 10 * power;
  const ticks = [];
  for (let index = Math.ceil(from / step - 1e-9); index * step <= to + step * 1e-9; index++) ticks.push(index * step);
  return ticks;
}

function logTicks(low, high, count) {
  const [from, to] = low < high ? [low, high] : [high, low];
  const every = Math.max(1, Math.ceil((Math.floor(to) - Math.ceil(from) + 1) / Math.max(count, 1)));
  const decades = [];
  for (let power = Math.ceil(from - 1e-9); power <= to + 1e-9; power += every) decades.push(10 ** power);
  if (decades.length >= 3) return decades;
  const between = [];
  for (let power = Math.floor(from); power <= Math.ceil(to); power++) {
    for (const factor of to - from > 1.2 ? [1, 3] : [1, 2, 5]) {
      const tick = factor * 10 ** power;
      if (Math.log10(tick) >= from - 1e-9 && Math.log10(tick) <= to + 1e-9) between.push(tick);
    }
  }
  return between.length >= 2 ? between : linearTicks(10 ** from, 10 ** to, count);
}
