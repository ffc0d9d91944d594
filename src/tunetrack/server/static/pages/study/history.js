/** Knows the history of a study: all trials in the order in which they came, and the best value so far. */

import { History } from "../../charts/history.js";
import { moment, plural } from "../../core/format.js";
import * as view from "../../core/view.js";
import { button, choice, toggle } from "./controls.js";
import { clock } from "./time.js";

const ORDERS = [["number", "trial number"], ["time", "time"], ["cost", "cost"]];

export function history(host, page) {
  const chart = page.add(
    new History(host, {
      title: "History", name: `${page.id}-history`, height: (width) => (width < 500 ? 300 : 340),
      describe: ({ model }) => words(model), rows: ({ model }) => rows(model), onpick: page.open,
      onzoom: (ends) => view.set({ zoom: ends && ends.map((end) => Number(end.toPrecision(5))).join(":") }),
      empty: ({ points }) => (points.length ? "" : "No trial that is shown has a value yet."),
    }),
  );
  const order = choice("by", "by", { clears: ["zoom"] });
  const all = toggle("all", "all values");
  const back = button("Zoom out", () => view.set({ zoom: null }));
  chart.controls.append(order.element, all.element, back);
  return {
    show(model) {
      order.show(ORDERS);
      all.show();
      const zoom = zoomed();
      back.hidden = zoom === null;
      chart.note = note(model);
      chart.update(figure(model, page, zoom));
    },
  };
}

function figure(model, page, zoom) {
  const by = view.get("by", "number");
  const { title, at, whole = false } = places(model, by);
  const points = model.visible.map((index) => model.mark(index, at[index], model.value(index), { faint: Boolean(model.trials.violates?.[index]) }));
  const line = best(model, at);
  const end = Math.max(...points.map((point) => point.x ?? 0));
  if (line.length && end > line.at(-1)[0]) line.push([end, line.at(-1)[1]]);
  const marked = model.best === null ? null : { x: at[model.best], y: model.results[model.best], trial: model.trials.number[model.best], text: `best: trial ${model.trials.number[model.best]}` };
  return { model, x: { title, whole, domain: zoom ?? undefined }, y: model.valueAxis, points: points.filter((point) => point.y !== null), line, steps: true, marked, selection: page.selection };
}

/** Where each trial lies on the x axis. */
function places(model, by) {
  const { trials, study } = model;
  if (by === "cost") {
    let spent = 0;
    const unit = clock(1000 * trials.seconds.reduce((sum, seconds) => sum + (seconds ?? 0), 0));
    return { title: `time of all trials until then, ${unit.word}`, at: trials.seconds.map((seconds) => (1000 * (spent += seconds ?? 0)) / unit.ms) };
  }
  if (by === "time") {
    const ends = trials.end.map((end, index) => end ?? trials.start[index]);
    const unit = clock(ends.reduce((last, end) => Math.max(last, end ?? 0), study.start) - study.start);
    return { title: `${unit.word} since the study began, when the trial ended`, at: ends.map((end) => (end === null ? null : (end - study.start) / unit.ms)) };
  }
  return { title: "trial", at: trials.number, whole: true };
}

/** The best value so far in the order of the x axis; what counts are results, whether their state is shown or not. */
function best(model, at) {
  const line = [];
  const order = model.indices.filter((index) => model.results[index] !== null && at[index] !== null && !model.trials.violates?.[index]).sort((one, other) => at[one] - at[other]);
  for (const index of order) {
    const value = model.results[index];
    if (!line.length || (model.maximize ? value > line.at(-1)[1] : value < line.at(-1)[1])) line.push([at[index], value]);
  }
  return line;
}

function zoomed() {
  const ends = view.get("zoom").split(":").map(Number);
  return ends.length === 2 && ends.every(Number.isFinite) && ends[0] < ends[1] ? ends : null;
}

function note(model) {
  const said = ["The line is the best result so far. A trial without result stands at the last value that was seen of it."];
  if (model.trials.violates?.some(Boolean)) said.push("Trials that break a constraint are faint.");
  const { outside } = model.window;
  if (outside) said.push(`${plural(outside, "trial")} with a value far from the others ${outside === 1 ? "lies" : "lie"} outside; “all values” shows ${outside === 1 ? "it" : "them"}.`);
  said.push("Drag along the axis to look closer.");
  return said.join(" ");
}

function words(model) {
  if (model.best === null) return `${plural(model.size, "trial")}, none with a result.`;
  return `${plural(model.size, "trial")}; the best ${model.metric} is ${model.results[model.best]} of trial ${model.trials.number[model.best]}.`;
}

const rows = (model) => [
  ["trial", "state", model.metric, "last value seen", "ended", "seconds"],
  ...model.visible.map((index) => [
    model.trials.number[index], model.trials.state[index], model.results[index],
    model.value(index), moment(model.trials.end[index]), model.trials.seconds[index],
  ]),
];
