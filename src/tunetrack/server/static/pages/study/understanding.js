/** Knows what a study teaches: how each parameter acts, what made the best trial better, whether pruning is fair. */

import { Effect } from "../../charts/effect.js";
import { Steps } from "../../charts/steps.js";
import { fill, h } from "../../core/dom.js";
import { number, objectiveText, plural } from "../../core/format.js";
import { extent } from "../../core/scale.js";

const LETTERS = 24; // of all labels together that fit below one small figure

/** Small multiples: the mean objective by each parameter, with the others averaged out. */
export function effects(host, page) {
  const said = h("div", { class: "row" });
  host.append(said);
  const charts = new Map();
  return {
    show(model) {
      const { effects: known, metric } = model.payload.understanding;
      fill(said, known.words.map((sentence) => h("p", { class: "note" }, sentence)));
      const parameters = known.parameters ?? [];
      const span = extent(parameters.flatMap((one) => [...one.low, ...one.high]));
      for (const one of parameters) {
        if (!charts.has(one.path)) charts.set(one.path, makeEffect(host, page, one.path));
        showEffect(charts.get(one.path), one, metric, span, known.trials);
      }
      const shown = new Set(parameters.map((one) => one.path));
      for (const [path, chart] of charts) chart.element.hidden = !shown.has(path);
    },
  };
}

function makeEffect(host, page, path) {
  return page.add(
    new Effect(host, {
      title: `Effect of ${path}`, name: `${page.id}-effect-${path}`, height: 230, onpick: () => page.reveal(`slice ${path}`),
      describe: ({ middle, metric }) => `Mean ${metric} between ${objectiveText(Math.min(...middle))} and ${objectiveText(Math.max(...middle))}.`,
      rows: ({ at, middle, low, high, metric }) => [[path, `mean ${metric}`, "low", "high"], ...at.map((value, index) => [value, middle[index], low[index], high[index]])],
    }),
  );
}

function showEffect(chart, one, metric, span, trials) {
  const labels = one.numeric ? one.at : one.at.map(String);
  chart.note = [one.log ? "log scale" : "", one.trials < trials ? `from ${plural(one.trials, "trial")} that ${one.trials === 1 ? "has" : "have"} it` : ""].filter(Boolean).join(", ");
  chart.element.classList.toggle("wide", !one.numeric && labels.join("  ").length > 3 * LETTERS);
  chart.update({
    ...one, metric, span, at: labels, key: one.path,
    x: { title: "", log: one.log, whole: one.whole, numeric: one.numeric, choices: one.numeric ? null : labels },
    y: { title: `mean ${metric}` },
    lines: (index) => [`${one.path} ${number(one.at[index])}`, `mean ${metric} ${objectiveText(one.middle[index])}`, `8 of 10 forests: ${objectiveText(one.low[index])} to ${objectiveText(one.high[index])}`],
  });
}

/** From the median trial to the best one, the most useful change first. */
export function path(host, page) {
  const chart = page.add(
    new Steps(host, {
      title: "From the median trial to the best", name: `${page.id}-path`,
      empty: ({ steps, reason }) => (steps.length ? "" : `No path is given: ${reason}.`),
      describe: ({ steps }) => steps.map((step) => `${step.names.join(", ")}: ${objectiveText(step.value)}`).join("; "),
      rows: ({ steps, title }) => [["change", title, "low", "high", "measured"], ...steps.map((step) => [step.names.join("; "), step.value, step.low, step.high, step.measured])],
    }),
  );
  return {
    show(model) {
      const { path: known, metric } = model.payload.understanding;
      const last = (known.steps?.length ?? 0) - 1;
      const steps = (known.steps ?? []).map((step, index) => ({
        ...step,
        names: index ? step.changes : [`trial ${known.start}, the median`],
        measured: index === 0 ? known.measured[0] : index === last ? known.measured[1] : null,
        lines: [...(index ? step.changes : [`trial ${known.start}`]), `${metric} ${objectiveText(step.value)}, as the forests see it`, `8 of 10 forests: ${objectiveText(step.low)} to ${objectiveText(step.high)}`, ...(index === 0 || index === last ? [`measured: ${objectiveText(known.measured[index ? 1 : 0])}`] : [])],
      }));
      chart.note = known.steps ? `${known.words.join(" ")} Bars: where 8 of 10 forests lie. Thick strokes: what the two trials have really reached.` : "";
      chart.update({ steps, reason: known.reason, title: metric });
    },
  };
}

/** Whether early values foretell the end, and what pruning has cost. */
export function pruning(host, page) {
  const chart = page.add(
    new Effect(host, {
      title: "Do early epochs foretell the end?", name: `${page.id}-pruning`, height: 280,
      empty: ({ points, words }) => (points.length ? "" : words.join(" ")),
      describe: ({ points }) => points.map((point) => `after epoch ${point.epoch}: ${number(point.correlation, 2)}`).join(", "),
      rows: ({ points }) => [["epoch", "rank correlation", "low", "high", "trials"], ...points.map((point) => [point.epoch, point.correlation, point.low, point.high, point.trials])],
    }),
  );
  return {
    show(model) {
      const { points, words, metric } = model.payload.understanding.pruning;
      chart.note = points.length ? words.join(" ") : "";
      chart.update({
        points, words, few: points.length < 2, zero: true,
        at: points.map((point) => point.epoch), middle: points.map((point) => point.correlation),
        low: points.map((point) => point.low), high: points.map((point) => point.high),
        span: [Math.min(0, ...points.map((point) => point.low)), 1],
        x: { title: "epoch", whole: true }, y: { title: `rank correlation of ${metric} with the end` },
        lines: (index) => [`after epoch ${points[index].epoch}`, `rank correlation ${number(points[index].correlation, 2)}`, `95 % interval: ${number(points[index].low, 2)} to ${number(points[index].high, 2)}`, plural(points[index].trials, "trial")],
      });
    },
  };
}
