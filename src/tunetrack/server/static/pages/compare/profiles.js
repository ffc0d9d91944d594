/** Knows how the weight statistics of a trial become curves over depth and over epochs; nothing is drawn here. */

import { number } from "../../core/format.js";
import { extent } from "../../core/scale.js";
import { known } from "./chosen.js";

const DECADES = 50; // a positive quantity that spans this factor stands on a logarithmic axis
const MOST_LINES = 24; // layers in one little figure; of more, these are taken evenly
const MOST_EPOCHS = 6;

/** Statistics in words, those that people ask for first. Others are offered by their own names. */
export const STATISTICS = [
  ["std", "standard deviation"], ["update_ratio", "update ratio (change since the record before / size)"],
  ["gradient_l2", "gradient norm"], ["gradient_rms", "gradient, root mean square"], ["drift", "distance to the initial weights / their size"],
  ["initial_euclidean", "distance to the initial weights"], ["dead_share", "share of dead units"], ["zero_share", "share of zeros"], ["near_zero_share", "share of nearly zeros"],
  ["mean", "mean"], ["l2", "L2 norm"], ["rms", "root mean square"], ["min", "smallest weight"], ["max", "largest weight"],
];

const DEAD = "dead_share"; // a statistic of activation layers, which have no weights

/** The statistics as if the layers that have this one were all that there is. */
export const having = (weights, stat) => (stat === DEAD && weights ? { ...weights, tensors: weights.dead?.layers ?? [], stats: { [DEAD]: weights.dead?.shares ?? [] } } : weights);

/** [[key, words]] of the statistics that any of these trials has. */
export function statisticChoices(all) {
  const found = new Set(all.flatMap((weights) => [...Object.keys(weights.stats), ...(weights.dead ? [DEAD] : [])]));
  const named = STATISTICS.filter(([key]) => found.has(key));
  const rest = [...found].filter((key) => !STATISTICS.some(([other]) => other === key)).sort();
  return [...named, ...rest.map((key) => [key, key.replaceAll("_", " ")])];
}

/** [[key, words]] of the kinds of tensors that any of these trials has, kernels first. */
export function kindChoices(all) {
  const words = { kernel: "kernels", bias: "biases", gamma: "scales of norms (gamma)", beta: "shifts of norms (beta)", other: "others", activation: "activation layers" };
  const found = new Set(all.flatMap((weights) => weights.tensors.map((tensor) => tensor.kind)));
  return Object.entries(words).filter(([key]) => found.has(key));
}

/** One line a record: the statistic over depth; the last record is the strongest. */
export function byDepth(weights, stat, kind) {
  const tensors = members(weights, kind);
  const rows = weights.stats[stat] ?? [];
  const chosen = thinned(rows.map((_, index) => index).filter((index) => tensors.some(({ at }) => known(rows[index][at]))), MOST_EPOCHS);
  return chosen.map((index, place) => ({
    name: epochName(weights.epochs[index]),
    xs: tensors.map(({ tensor }) => tensor.depth),
    ys: tensors.map(({ at }) => rows[index][at]),
    strength: strength(place, chosen.length),
  }));
}

/** One line a tensor: the statistic over epochs; the last layer is the strongest. */
export function byEpoch(weights, stat, kind) {
  const tensors = thinned(members(weights, kind), MOST_LINES);
  const rows = weights.stats[stat] ?? [];
  return tensors.map(({ tensor, at }, place) => ({
    name: `layer ${tensor.depth}: ${tensor.layer}`,
    xs: weights.epochs,
    ys: rows.map((row) => row[at]),
    strength: strength(place, tensors.length),
  }));
}

/** The common axes of panels: `{domain, log}`; logarithmic where the values are positive and span nearly two decades or more. */
export function sharedAxes(panels) {
  const lines = panels.flatMap((panel) => panel.lines);
  const ys = lines.flatMap((line) => line.ys.filter(known));
  const above = ys.filter((value) => value > 0);
  const [low, high] = extent(above);
  const log = above.length >= 0.8 * ys.length && ys.every((value) => value >= 0) && high / low >= DECADES;
  return { domain: { x: extent(lines.flatMap((line) => line.xs)), y: log ? [low, high] : extent(ys) }, log, left: log ? ys.length - above.length : 0, values: ys.length };
}

/** Values with gaps where a logarithmic axis has no place for them. */
export const positive = (values) => values.map((value) => (value > 0 ? value : null));

/** Words for an epoch of the records. */
export const epochName = (epoch) => (epoch === 0 ? "before training" : `after epoch ${number(epoch)}`);

function members(weights, kind) {
  return weights.tensors
    .map((tensor, at) => ({ tensor, at }))
    .filter(({ tensor }) => tensor.kind === kind)
    .sort((one, other) => one.tensor.depth - other.tensor.depth);
}

/** So many of a list, evenly, the first and the last among them. */
export function thinned(items, most) {
  if (items.length <= most) return items;
  return Array.from({ length: most }, (_, place) => items[Math.round((place * (items.length - 1)) / (most - 1))]);
}

const strength = (place, count) => (count < 2 ? 1 : 0.22 + (0.78 * place) / (count - 1));
