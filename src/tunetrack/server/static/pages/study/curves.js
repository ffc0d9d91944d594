/** Knows the learning curves of a few trials: the best, the last, or those that are picked out. */

import { Lines } from "../../charts/lines.js";
import { number, plural } from "../../core/format.js";
import { load, SourceError } from "../../core/source.js";
import { extent } from "../../core/scale.js";
import * as view from "../../core/view.js";
import { usefulWindow } from "../../core/window.js";
import { choice } from "./controls.js";

const MOST = 12;
const USUAL = ["validation/accuracy", "validation/loss", "train/accuracy", "train/loss", "lr"];
const WHICH = [["best", "the best"], ["last", "the last"], ["picked", "those picked out"]];

export function curves(host, page) {
  const chart = page.add(
    new Lines(host, {
      title: "Learning curves", name: `${page.id}-curves`, height: 380, onpick: page.open,
      empty: ({ lines, why }) => (lines.length ? "" : why),
      describe: ({ lines, y }) => `${y.title} of ${plural(lines.length, "trial")}.`,
      rows: ({ lines, y }) => [["trial", "epoch", y.title], ...lines.flatMap((line) => line.xs.map((epoch, index) => [line.trial, epoch, line.true[index]]))],
    }),
  );
  const [metric, which] = [choice("metric", "metric"), choice("curves", "of")];
  chart.controls.append(metric.element, which.element);
  let asked = 0;
  return {
    async show(model) {
      const turn = ++asked;
      const names = metrics(model);
      metric.show(names.map((name) => [name, name]));
      which.show(WHICH);
      const name = names.includes(view.get("metric")) ? view.get("metric") : names[0];
      const trials = chosen(model, page.selection, view.get("curves", "best"));
      const [history, trouble] = await answers(model, trials, name);
      if (turn !== asked || page.ended) return;
      chart.update(figure(model, history, trials, name, trouble));
      chart.note = note(chart.data, view.get("curves", "best"));
    },
  };
}

function metrics(model) {
  const known = model.payload.history_metrics ?? [...new Set([...Object.keys(model.payload.curves?.metrics ?? {}), ...USUAL])];
  const first = model.study.objectives[0]?.metric;
  return [...known].sort((one, other) => (other === first) - (one === first));
}

/** Up to twelve trial numbers. */
function chosen(model, selection, which) {
  const picked = (indices) => indices.slice(0, MOST).map((index) => model.trials.number[index]);
  if (which === "last") return picked(model.visible.filter((index) => model.trials.epochs[index] > 0).reverse());
  const from = which === "picked" ? model.visible.filter((index) => selection.has(model.trials.number[index])) : model.visible;
  const ranked = model.ranked(from);
  const rest = from.filter((index) => model.results[index] === null && model.value(index) !== null);
  return picked(which === "picked" ? [...ranked, ...rest] : ranked);
}

async function answers(model, trials, name) {
  if (!trials.length) return [{}, null];
  try {
    const found = await load(`/studies/${encodeURIComponent(model.study.id)}/history`, { trials: trials.join(","), metrics: name });
    return [found.metrics[name] ?? {}, null];
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
    return [model.payload.curves?.metrics?.[name] ?? {}, error];
  }
}

function figure(model, history, trials, name, trouble) {
  const found = trials.filter((trial) => history[trial]?.values.some((value) => value !== null));
  const values = found.flatMap((trial) => history[trial].values.filter((value) => value !== null));
  const bad = /loss|seconds/.test(name) ? false : /accuracy/.test(name) ? true : null;
  const [low, high] = extent(values);
  const window = view.get("all") ? { low, high, outside: 0 } : usefulWindow(values, bad);
  const hold = (value) => (value === null ? null : Math.min(window.high, Math.max(window.low, value)));
  const lines = found.map((trial) => {
    const { steps, values: own } = history[trial];
    const state = model.trials.state[model.places.get(trial)];
    return {
      name: `trial ${trial}`, trial, xs: steps, ys: own.map(hold), true: own, ended: state === "COMPLETE" || state === "DUPLICATE" ? null : state,
      lines: (index) => [`trial ${trial} · ${state.toLowerCase()}`, `epoch ${steps[index]}`, `${name} ${number(own[index], 5)}`],
    };
  });
  const why = trouble ? `${trouble.message[0].toUpperCase()}${trouble.message.slice(1)}.` : trials.length ? `None of these trials has ${name}.` : "No trial has a result yet.";
  return { x: { title: "epoch" }, y: { title: name }, lines, domain: lines.length ? { y: [window.low, window.high] } : {}, why, outside: window.outside, lacking: trials.length - found.length };
}

function note({ lines, outside, lacking }, which) {
  const words = { best: "best trials", last: "latest trials", picked: "best of those picked out" }[which] ?? "best trials";
  const said = lines.length ? [`The ${lines.length} ${words}. A mark at the end: the trial was stopped there, or is still running.`] : [];
  if (outside) said.push(`${plural(outside, "value")} far from the others held at the edge.`);
  if (view.inFile() && lines.length && lacking) said.push("The curves of the others are on the tracking server.");
  return said.join(" ");
}
