/** Knows the weights of one trial: histograms by epoch, a statistic by depth and by layer, what the health rules found. */

import { Heatmap } from "../../charts/heatmap.js";
import { Lines } from "../../charts/lines.js";
import { Ridge } from "../../charts/ridge.js";
import { picker } from "../../core/controls.js";
import { fill, h } from "../../core/dom.js";
import { number, percent, plural } from "../../core/format.js";
import { get, set } from "../../core/view.js";
import { byDepth, epochName, having, kindChoices, sharedAxes, statisticChoices } from "../compare/profiles.js";
import { histogram, histogramChoices } from "./histograms.js";

const SEVERAL = "several";

/** The section; returns `{update(answer)}`. */
export function weightsSection(host) {
  const [health, said, controls, figures] = [h("div"), h("p", { class: "note" }), h("div", { class: "bar" }), h("div", { class: "grid" })];
  host.append(h("h2", {}, "Weights"), health, said, controls, figures);
  let charts = null;
  function draw(weights) {
    const again = (values) => {
      set(values);
      draw(weights);
    };
    const [statistics, tensors] = [statisticChoices([weights]), weights.histogram ? histogramChoices(weights) : []];
    const stat = chosen(statistics, get("stat"));
    const layers = having(weights, stat);
    const kinds = kindChoices([layers]);
    const [kind, tensor] = [chosen(kinds, get("kind")), chosen(tensors, get("tensor"))];
    const epochs = [[SEVERAL, "several records"], ...weights.epochs.map((epoch) => [String(epoch), epochName(epoch)])];
    const epoch = chosen(epochs, get("epoch"));
    charts ??= build(figures);
    const focused = controls.contains(document.activeElement) ? [...controls.querySelectorAll("select")].indexOf(document.activeElement) : -1;
    fill(
      controls,
      picker("Statistic", statistics, stat, (value) => again({ stat: value })),
      picker("of the", kinds, kind, (value) => again({ kind: value })),
      picker("by depth at", epochs, epoch, (value) => again({ epoch: value === SEVERAL ? null : value })),
      tensors.length > 0 && picker("Histograms of", tensors, tensor, (value) => again({ tensor: value })),
    );
    if (focused >= 0) controls.querySelectorAll("select")[focused]?.focus();
    const words = statistics.find(([key]) => key === stat)?.[1] ?? stat;
    drawDepth(charts.depth, layers, { stat, kind, epoch, words });
    drawLayers(charts.layers, layers, { stat, kind, words });
    drawRidge(charts.ridge, weights, tensor, tensors);
  }
  return {
    update({ weights, findings, trial }) {
      fill(health, healthWords(findings, trial.health));
      said.textContent = weights ? "" : "There are no weight statistics: they are written for trials that have trained an epoch, unless the study file says weights.record: false.";
      controls.hidden = figures.hidden = !weights;
      if (weights) draw(weights);
    },
  };
}

const chosen = (choices, wanted) => (choices.some(([key]) => key === wanted) ? wanted : choices[0]?.[0]);

function healthWords(findings, health) {
  if (findings?.length) return findings.map(({ rule, text }) => h("p", { class: "trouble" }, h("b", {}, `⚠ ${rule.replaceAll("_", " ")}: `), text));
  return Array.isArray(health) ? h("p", { class: "facts" }, "No rule of weight health has found anything.") : null;
}

function build(host) {
  const none = ({ axes }) => (axes.values ? "" : "These tensors have no such statistic.");
  const charts = {
    ridge: new Ridge(host, { title: "Histograms by epoch", name: "weight-histograms", empty: ({ rows }) => (rows.length ? "" : "There are no histograms of these weights."), describe: ({ rows }) => plural(rows.length, "epoch") }),
    depth: new Lines(host, {
      title: "By depth", name: "weights-by-depth", height: 320, empty: none, describe: ({ lines }) => plural(lines.length, "record"),
      rows: ({ lines, y }) => [["record", "depth", y.title], ...lines.flatMap((line) => line.xs.map((x, at) => [line.name, x, line.ys[at]]))],
    }),
    layers: new Heatmap(host, { title: "By layer and epoch", name: "weights-by-layer", empty: none, describe: ({ rows, columns }) => `${plural(rows.length, "layer")} by ${plural(columns.length, "epoch")}` }),
  };
  charts.layers.element.classList.add("wide");
  return charts;
}

function drawDepth(chart, weights, { stat, kind, epoch, words }) {
  const one = epoch === SEVERAL ? null : weights.epochs.indexOf(Number(epoch));
  const part = one === null ? weights : { ...weights, epochs: [weights.epochs[one]], stats: { [stat]: [weights.stats[stat][one]] } };
  const lines = byDepth(part, stat, kind);
  const axes = sharedAxes([{ lines }]);
  const drawn = lines.map((line) => ({
    ...line, color: "var(--series-1)", dash: "", ys: line.ys.map((value) => (axes.log && !(value > 0) ? null : value)),
    lines: (at) => [line.name, `depth ${line.xs[at]}`, `${words} ${number(line.ys[at], 3)}`],
  }));
  chart.note = [lines.length > 1 ? "Pale is early, full is the last record." : "", axes.log ? "Logarithmic axis." : ""].join(" ").trim();
  chart.update({ x: { title: "depth (layers from the input)", whole: true }, y: { title: words, log: axes.log }, lines: drawn, axes });
}

function drawLayers(chart, weights, { stat, kind, words }) {
  const members = weights.tensors.map((tensor, at) => ({ tensor, at })).filter(({ tensor }) => tensor.kind === kind);
  const values = members.map(({ at }) => (weights.stats[stat] ?? []).map((row) => row[at]));
  const axes = sharedAxes([{ lines: values.map((ys) => ({ xs: weights.epochs, ys })) }]);
  chart.note = `${words}; rows from the input to the output${axes.log ? "; colours are logarithmic" : ""}.`;
  chart.update({
    rows: members.map(({ tensor }) => tensor.layer), columns: weights.epochs.map(String), values, scale: "sequential", log: axes.log, axes,
    rowTitle: "layer", columnTitle: "epoch", text: (value) => number(value, 2),
    lines: (y, x) => [`${words} ${number(values[y][x], 3)}`, members[y].tensor.name, epochName(weights.epochs[x])],
  });
}

function drawRidge(chart, weights, tensor, choices) {
  const found = weights.histogram && tensor ? histogram(weights, tensor) : { rows: [] };
  const { rows, low, high, relative, outside, leftOut } = found;
  const what = choices.find(([key]) => key === tensor)?.[1] ?? "";
  chart.note = [`${what.replace(/^all/, "All")}; each record by its own highest bin.`, outside >= 0.001 && `${percent(outside, 1)} lie beyond these ends at the last record.`, leftOut && `${plural(leftOut, "tensor")} with other ends left out.`].filter(Boolean).join(" ");
  chart.update({ rows: rows.map(({ epoch, counts }) => ({ name: epoch === 0 ? "start" : `epoch ${epoch}`, counts })), low, high, title: relative ? "weight / root mean square of the initial weights" : "weight" });
}
