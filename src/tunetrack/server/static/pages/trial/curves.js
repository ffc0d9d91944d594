/** Knows the curves of one trial over its epochs, those that belong together in one figure. */

import { Lines } from "../../charts/lines.js";
import { h } from "../../core/dom.js";
import { number } from "../../core/format.js";

// First match wins. `own`: metrics in different units, a figure for each.
const GROUPS = [
  { title: "Loss", test: /(^|\/)loss$/ },
  { title: "Accuracy", test: /(^|\/)(top\d+_)?accuracy$/ },
  { title: "Learning rate", test: /(^|\/)lr$/ },
  { title: "Speed: seconds per epoch", test: /epoch_seconds$/ },
  { title: "Speed: images per second", test: /images_per_second$/ },
];
const COLORS = { validation: "var(--series-1)", train: "var(--series-2)", test: "var(--series-3)" };
const WORDS = {
  "weights/norm": "Norm of all weights", "weights/gradient_norm": "Gradient norm", "weights/step_ratio": "Step / size of the weights",
  "weights/max_drift": "Largest distance of a kernel from its start", "weights/dead_units": "Share of dead units", "weights/gamma_spread": "Spread of the norms' scales",
};

/** The section; returns `{update(answer)}`. */
export function curvesSection(host) {
  const [said, grid] = [h("p", { class: "note" }), h("div", { class: "grid thirds" })];
  host.append(h("h2", {}, "Curves"), said, grid);
  const charts = new Map();
  return {
    update({ curves, trial }) {
      const { metrics } = curves;
      const groups = grouped(Object.keys(metrics));
      said.textContent = groups.length ? "" : "This trial has no finished epoch, so there are no curves.";
      for (const { title, names } of groups) {
        if (!charts.has(title)) charts.set(title, figure(grid, title));
        charts.get(title).update(dataOf(title, names, metrics, trial.number));
      }
      const epoch = trial.metrics["best/epoch"];
      if (epoch && charts.has("Accuracy")) charts.get("Accuracy").note = `Best in epoch ${number(epoch)}.`;
    },
  };
}

/** [{title, names}] in the order of the page: known groups, then a figure for every other metric. */
export function grouped(metrics) {
  const found = GROUPS.map(({ title, test }) => ({ title, names: metrics.filter((name) => test.test(name)) }));
  const known = new Set(found.flatMap(({ names }) => names));
  const others = metrics.filter((name) => !known.has(name)).sort().map((name) => ({ title: WORDS[name] ?? name, names: [name] }));
  return [...found.filter(({ names }) => names.length), ...others];
}

function figure(host, title) {
  return new Lines(host, {
    title, name: `curves-${title}`, height: 250,
    describe: ({ lines }) => lines.map((line) => `${line.name} from ${number(line.ys[0])} to ${number(line.ys.at(-1))}`).join("; "),
    empty: ({ lines }) => (lines.some((line) => line.ys.some((value) => value !== null)) ? "" : "No finite value was recorded."),
    rows: ({ lines }) => [["metric", "epoch", "value"], ...lines.flatMap((line) => line.xs.map((x, at) => [line.metric, x, line.ys[at]]))],
  });
}

function dataOf(title, names, metrics, trial) {
  const lines = names.map((metric) => {
    const { steps = [], values = [] } = metrics[metric][trial] ?? {};
    const [split] = metric.split("/");
    const name = names.length > 1 ? split : "";
    return { metric, name, xs: steps, ys: values, color: COLORS[split] ?? "var(--series-1)", dash: split === "train" ? "6 3" : "", lines: (at) => [metric, `epoch ${steps[at]}`, number(values[at], 5)] };
  });
  return { x: { title: "epoch", whole: true }, y: { title: "" }, lines };
}
