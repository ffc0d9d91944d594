/** Knows the curves of compared trials: training and validation of a metric side by side on the same axes. */

import { Lines } from "../../charts/lines.js";
import { picker } from "../../core/controls.js";
import { fill, h } from "../../core/dom.js";
import { number } from "../../core/format.js";
import { load, SourceError } from "../../core/source.js";
import { get, set } from "../../core/view.js";
import { known } from "./chosen.js";
import { positive, sharedAxes } from "./profiles.js";

const PAIRS = [["loss", ["train/loss", "validation/loss"]], ["accuracy", ["train/accuracy", "validation/accuracy"]]];

/** The section of curves; returns `{update(context), end()}`. */
export function curvesSection(host) {
  const controls = h("div", { class: "controls" });
  const pairs = h("div", { class: "pair" });
  const chosen = h("div", { class: "pair" });
  host.append(h("h2", {}, "Curves"), pairs, controls, chosen);
  const figures = new Figures(pairs);
  const single = new Figures(chosen);
  let asked = 0;
  async function choose(context) {
    const names = choices(context.payload);
    const metric = names.includes(get("metric")) ? get("metric") : names[0];
    fill(controls, names.length ? picker("Another metric", names.map((name) => [name, name]), metric, (name) => {
      set({ metric: name });
      choose(context);
    }) : null);
    if (!names.length) return single.draw([], context);
    const turn = ++asked;
    try {
      const curves = known(context.payload.curves.metrics[metric]) ? context.payload.curves : await load(`${context.path}/history`, { trials: context.numbers.join(","), metrics: metric });
      if (turn === asked) single.draw([[metric, curves.metrics[metric] ?? {}]], context);
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      if (turn === asked) fill(controls, [...controls.childNodes], h("span", { class: "note", role: "status" }, `${metric}: ${error.message}.`));
    }
  }
  return {
    update(context) {
      const { metrics } = context.payload.curves;
      figures.draw(PAIRS.flatMap(([, names]) => names.filter((name) => name in metrics).map((name) => [name, metrics[name]])), context);
      choose(context);
    },
    end: () => [figures, single].forEach((each) => each.draw([], null)),
  };
}

/** Metrics that have a figure of their own on demand: those with curves first, then all others. */
function choices(payload) {
  const shown = PAIRS.flatMap(([, names]) => names);
  const curves = Object.keys(payload.curves.metrics).filter((name) => !shown.includes(name));
  return [...curves, ...payload.metrics.map((row) => row.name).filter((name) => !curves.includes(name) && !shown.includes(name))];
}

/** Figures in a row, one a metric; those of the same quantity have the same axes. */
class Figures {
  constructor(host) {
    this.host = host;
    this.charts = new Map();
  }

  draw(curves, context) {
    const wanted = new Set(curves.map(([name]) => name));
    for (const [name, chart] of this.charts) {
      if (wanted.has(name)) continue;
      chart.destroy();
      this.charts.delete(name);
    }
    for (const [name, byTrial] of curves) {
      const group = curves.filter(([other]) => quantity(other) === quantity(name)).map(([, each]) => each);
      if (!this.charts.has(name)) this.charts.set(name, chartOf(this.host, name, context));
      this.charts.get(name).update(curveData(name, byTrial, group, context));
    }
  }
}

function chartOf(host, name, { stand, pick, numbers }) {
  return new Lines(host, {
    title: titleOf(name), name: `compare-${name}`, height: 300, onpick: pick, onhover: stand,
    note: numbers.length > 12 ? "Point at a line, or at a trial in the legend, to see which is which." : "",
    empty: (data) => (data.lines.some((line) => line.ys.some(known)) ? "" : "None of these trials has logged it."),
    describe: (data) => data.lines.map((line) => `${line.name} ends at ${number(line.ys.findLast(known))}`).join(", "),
    rows: (data) => [["trial", "step", name], ...data.lines.flatMap((line) => line.xs.map((x, at) => [line.trial, x, line.ys[at]]))],
  });
}

/** What `Lines` draws; pure. `group` are the curves that share its axes. */
export function curveData(name, byTrial, group, { numbers, looks }) {
  const lines = numbers
    .filter((trial) => String(trial) in byTrial)
    .map((trial) => ({ name: `trial ${trial}`, trial, xs: byTrial[trial].steps, ys: byTrial[trial].values, ...looks.get(trial) }));
  const all = group.flatMap((each) => numbers.map((trial) => each[trial]).filter(known));
  const axes = sharedAxes([{ lines: all.map((curve) => ({ xs: curve.steps, ys: curve.values })) }]);
  const drawn = axes.log ? lines.map((line) => ({ ...line, ys: positive(line.ys) })) : lines;
  return { x: { title: "epoch", whole: true }, y: { title: name, log: axes.log }, lines: drawn, domain: axes.values ? axes.domain : {} };
}

const quantity = (name) => name.split("/").at(-1);

const titleOf = (name) => ({
  "train/loss": "Loss on the training images", "validation/loss": "Loss on the validation images",
  "train/accuracy": "Accuracy on the training images", "validation/accuracy": "Accuracy on the validation images", lr: "Learning rate",
})[name] ?? name;
