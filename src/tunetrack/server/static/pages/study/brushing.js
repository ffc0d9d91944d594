/** Knows the parallel coordinates of a study: which axes there are, in which order, and what is brushed. */

import { brushFrom, brushText, filterTerms, pickedBy } from "../../charts/brush.js";
import { Parallel } from "../../charts/parallel.js";
import { h } from "../../core/dom.js";
import { plural } from "../../core/format.js";
import * as view from "../../core/view.js";
import { button, choice, toggle } from "./controls.js";

const FIRST = 8; // parameters that have an axis unless all are asked for
const MOST_TERMS = 20; // that the filter reads
const RESULT = "objective";
const KEYS = [
  ["Tab", "to the next axis"],
  ["↑ ↓", "begin a brush, move it"],
  ["Shift ↑ ↓", "move its upper end"],
  ["N", "those that do not use it"],
  ["Delete", "take the brush away"],
  ["← →", "move the axis"],
];

export function brushing(host, page) {
  let model = null;
  const chart = page.add(
    new Parallel(host, {
      title: "Parameters of all trials", name: `${page.id}-parallel`, height: (width) => (width < 500 ? 400 : 430), onpick: page.open,
      describe: (data) => `${plural(data.indices.length, "trial")} over ${data.axes.length} axes.`,
      empty: (data) => (data.indices.length ? (data.axes.length > 1 ? "" : "Nothing was searched in this study.") : "No trial is shown yet."),
      rows: () => rows(model), onbrush: (brushes, picked, final) => page.pick(brushes, numbers(model, brushes, picked), final),
      onmove: (path, by) => move(model, path, by),
    }),
  );
  const order = choice("order", "axes by");
  const all = toggle("axes", "all parameters");
  const clear = button("Clear brushes", () => page.clear());
  chart.controls.append(order.element, all.element, clear, h("details", { class: "keys" }, h("summary", {}, "Keys"), KEYS.map(([key, words]) => h("div", {}, h("kbd", {}, key), ` ${words}`))));
  return {
    show(next) {
      model = next;
      order.show(orders());
      all.show();
      all.element.hidden = model.params.length <= FIRST;
      const shown = axes(model);
      const brushes = brushesOf(shown);
      if (!chart.dragged) page.brushed(brushes, numbers(model, brushes, pickedBy(brushes, shown, model.visible)), model);
      chart.note = note(model, shown);
      chart.update(figure(model, shown, brushes));
    },
    brushes(count) {
      clear.hidden = count === 0;
    },
    /** Draws again with the brushes of the address. */
    again() {
      this.show(model);
    },
  };
}

const numbers = (model, brushes, picked) => (brushes.size ? picked.map((index) => model.trials.number[index]) : null);

function orders() {
  const own = view.get("order").includes(".") || view.get("order").includes(",");
  const found = [["importance", "importance"], ["file", "order of the study file"]];
  return own ? [...found, [view.get("order"), "own order"]] : found;
}

/** The parameters that have an axis, in order. */
function paths(model) {
  const wanted = view.get("order", "importance");
  const known = wanted === "file" ? model.study.params.map((param) => param.path) : model.params.map((param) => param.path);
  const first = wanted.split(",").filter((path) => known.includes(path));
  const ordered = [...first, ...known.filter((path) => !first.includes(path))];
  return view.get("axes") ? ordered : ordered.slice(0, FIRST);
}

function axes(model) {
  const found = paths(model).map((path) => ({ ...model.axis(path), path, values: model.placed(path), missing: "not used" }));
  const { low, high } = model.shades;
  const values = model.results.map((value) => (value === null ? null : Math.min(high, Math.max(low, value))));
  return [...found, { path: RESULT, title: model.metric, log: false, numeric: true, choices: null, values, missing: "no result", domain: [low, high], best: model.maximize ? "high" : "low" }];
}

const brushesOf = (shown) => new Map(shown.map(({ path }) => [path, brushFrom(view.get(`b.${path}`))]).filter(([, brush]) => brush !== null));

/** What the address has to say about brushes. */
export function brushValues(model, brushes) {
  const all = [...model.study.params.map((param) => param.path), RESULT];
  return Object.fromEntries(all.map((path) => [`b.${path}`, brushes.has(path) ? brushText(brushes.get(path)) : null]));
}

/** Brushes and hidden states as a filter of the table of trials, or null where it has no words for them. */
export function brushFilter(model, brushes) {
  const terms = [...model.hidden].filter((state) => /^\w+$/.test(state)).map((state) => `state != ${state}`);
  for (const [path, brush] of brushes) {
    const labels = [...new Set(model.param(path).filter((value) => value !== null).map(String))];
    const found = path === RESULT ? resultTerms(model, brush) : filterTerms(`params.${path}`, brush, labels);
    if (found === null) return null;
    terms.push(...found);
  }
  return terms.length > MOST_TERMS ? null : terms.join(" and ");
}

/** The end of the axis stands for all values beyond it. */
function resultTerms(model, brush) {
  const name = model.objective ? `values.${model.objective}` : "value";
  const found = filterTerms(name, brush, []);
  if (found === null || brush.none) return found;
  const open = model.maximize ? brush.low <= model.shades.low : brush.high >= model.shades.high;
  return open ? found.slice(model.maximize ? 1 : 0, model.maximize ? 2 : 1) : found;
}

function figure(model, shown, brushes) {
  const { low, high } = model.shades;
  return {
    axes: shown, indices: model.visible, trials: model.trials.number, goodness: model.indices.map((index) => model.goodness(index)),
    brushes, lines: (index) => model.lines(index), ends: model.maximize ? [low, high] : [high, low], metric: model.metric,
  };
}

function move(model, path, by) {
  const now = paths(model);
  const from = now.indexOf(path);
  const to = from + by;
  if (from < 0 || to < 0 || to >= now.length) return;
  now.splice(to, 0, ...now.splice(from, 1));
  view.set({ order: now.join(",") });
}

function note(model, shown) {
  const left = model.params.length - (shown.length - 1);
  const said = ["One line a trial; its colour says how good it is. Drag on an axis to brush it, click to take the brush away; labels and “not used” are clicked."];
  if (model.shades.outside) said.push(`Values far from the others stand at the end of the last axis.`);
  if (left > 0) said.push(`${plural(left, "less important parameter")} left out.`);
  return said.join(" ");
}

function rows(model) {
  const used = model.params.map((param) => param.path);
  return [
    ["trial", "state", model.metric, ...used],
    ...model.visible.map((index) => [model.trials.number[index], model.trials.state[index], model.results[index], ...used.map((path) => model.param(path)[index])]),
  ];
}
