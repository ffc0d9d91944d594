/** Knows the weight statistics of compared trials, by depth and by epoch, on the same axes. */

import { Lines } from "../../charts/lines.js";
import { Panels, panelsHeight } from "../../charts/panels.js";
import { picker } from "../../core/controls.js";
import { fill, h } from "../../core/dom.js";
import { plural } from "../../core/format.js";
import { get, set } from "../../core/view.js";
import { byDepth, byEpoch, having, kindChoices, positive, sharedAxes, statisticChoices } from "./profiles.js";

/** The section of weight statistics; returns `{update(context), end()}`. `context.ask(what)` loads what it needs. */
export function weightsSection(host) {
  const [controls, said, figures] = [h("div", { class: "controls" }), h("p", { class: "note", role: "status" }), h("div", { class: "stack" })];
  host.append(h("h2", {}, "Weights"), controls, said, figures);
  let charts = null;
  let asked = 0;
  function draw(context, answered) {
    const statistics = statisticChoices(Object.values(answered).filter(Boolean));
    const stat = chosen(statistics, get("stat"));
    const trials = Object.fromEntries(Object.entries(answered).map(([number, weights]) => [number, having(weights, stat)]));
    const kinds = kindChoices(Object.values(trials).filter(Boolean));
    const kind = chosen(kinds, get("kind"));
    const again = (values) => {
      set(values);
      draw(context, answered);
    };
    fill(controls, picker("Statistic", statistics, stat, (key) => again({ stat: key })), picker("of the", kinds, kind, (key) => again({ kind: key })));
    charts ??= build(figures, context);
    const words = statistics.find(([key]) => key === stat)?.[1] ?? stat;
    charts.overlay.update(overlayData(context, trials, stat, kind, words));
    charts.depth.update(panelData(context, trials, (weights) => byDepth(weights, stat, kind), words, "depth"));
    charts.epoch.update(panelData(context, trials, (weights) => byEpoch(weights, stat, kind), words, "epoch"));
    charts.depth.note = note(charts.depth.data, "One line a record: pale is early, full is the last.");
    charts.epoch.note = note(charts.epoch.data, "One line a layer: pale is near the input, full is near the output.");
  }
  const clear = () => {
    Object.values(charts ?? {}).forEach((chart) => chart.destroy());
    charts = null;
    fill(controls);
  };
  return {
    async update(context) {
      const turn = ++asked;
      said.textContent = "Loading …";
      const answer = await context.ask("/compare/weights");
      if (turn !== asked) return;
      const without = context.numbers.filter((number) => !answer.trials?.[number]);
      const none = without.length === context.numbers.length;
      said.textContent = answer.trouble || trouble(without, none);
      if (none || answer.trouble) clear();
      else draw(context, answer.trials);
    },
    end: clear,
  };
}

function trouble(without, none) {
  if (none) return "None of these trials has weight statistics: they are written for trials that have trained an epoch, unless the study file says weights.record: false.";
  return without.length ? `Without weight statistics: trial ${without.join(", ")}.` : "";
}

const chosen = (choices, wanted) => (choices.some(([key]) => key === wanted) ? wanted : choices[0]?.[0]);

function build(host, { stand, pick }) {
  const common = { onpick: pick, onhover: stand };
  const rows = (data) => [["trial", "line", data.x.title, data.y.title], ...data.panels.flatMap((panel) => panel.lines.flatMap((line) => line.xs.map((x, at) => [panel.trial, line.name, x, line.ys[at]])))];
  const empty = (data) => (data.axes.values ? "" : "None of these trials has this statistic for these tensors.");
  const panels = (title, name) => new Panels(host, { ...common, title, name, rows, empty, height: (width, data) => panelsHeight(width, data.panels.length), describe: (data) => `${plural(data.panels.length, "trial")} side by side on the same axes` });
  return {
    overlay: new Lines(host, {
      ...common, title: "By depth, after the last epoch", name: "compare-weights-last", empty, height: 300,
      describe: (data) => plural(data.lines.length, "trial"),
      rows: (data) => [["trial", "depth", data.y.title], ...data.lines.flatMap((line) => line.xs.map((x, at) => [line.trial, x, line.ys[at]]))],
    }),
    depth: panels("By depth, one figure a trial", "compare-weights-depth"),
    epoch: panels("By epoch, one figure a trial", "compare-weights-epoch"),
  };
}

function overlayData({ numbers, looks }, trials, stat, kind, words) {
  const lines = numbers.filter((trial) => trials[trial]).flatMap((trial) => {
    const last = byDepth(trials[trial], stat, kind).at(-1);
    return last ? [{ ...last, name: `trial ${trial}`, trial, ...looks.get(trial) }] : [];
  });
  const axes = sharedAxes([{ lines }]);
  const drawn = axes.log ? lines.map((line) => ({ ...line, ys: positive(line.ys) })) : lines;
  return { x: { title: "depth (layers from the input)", whole: true }, y: { title: words, log: axes.log }, lines: drawn, domain: axes.values ? axes.domain : {}, axes };
}

function panelData({ numbers, looks }, trials, linesOf, words, title) {
  const panels = numbers.map((trial) => {
    const lines = trials[trial] ? linesOf(trials[trial]) : [];
    return { title: `trial ${trial}`, trial, ...looks.get(trial), lines, why: lines.length ? "" : "no statistics" };
  });
  const axes = sharedAxes(panels);
  return { x: { title, whole: true }, y: { title: words, log: axes.log }, panels, domain: axes.domain, axes };
}

function note({ axes }, start) {
  if (!axes.log) return start;
  return `${start} Logarithmic axis${axes.left ? `; ${plural(axes.left, "value")} of 0 cannot be drawn on it` : ""}.`;
}
