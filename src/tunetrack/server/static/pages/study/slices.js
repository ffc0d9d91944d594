/** Knows how the objective lies over each parameter, and over two of them. */

import { Contour, MOST } from "../../charts/contour.js";
import { Points } from "../../charts/points.js";
import { h } from "../../core/dom.js";
import { plural } from "../../core/format.js";
import * as view from "../../core/view.js";
import { choice } from "./controls.js";

const LABELS = 24; // letters that fit below one figure's bands without widening it

export function slices(host, page) {
  const charts = new Map();
  return {
    show(model) {
      for (const { path } of model.params) if (!charts.has(path)) charts.set(path, make(host, page, path));
      for (const [path, chart] of charts) show(model, page, path, chart);
    },
  };
}

function make(host, page, path) {
  const chart = page.add(
    new Points(host, {
      title: path, name: `${page.id}-slice-${path}`, height: 240, onpick: page.open,
      empty: ({ points }) => (points.length ? "" : "No trial that is shown has this parameter and a value."),
      describe: ({ model }) => `${model.metric} by ${path}.`,
      rows: ({ model, points }) => [["trial", "state", path, model.metric], ...points.map(({ trial, state, x, y }) => [trial, state, x, y])],
    }),
  );
  page.name(`slice ${path}`, chart.element);
  return chart;
}

function show(model, page, path, chart) {
  const values = model.placed(path);
  const axis = model.axis(path);
  const points = model.visible
    .filter((index) => has(values[index]) && model.value(index) !== null)
    .map((index) => model.mark(index, axis.numeric ? values[index] : String(values[index]), model.value(index)));
  const used = model.visible.filter((index) => has(values[index])).length;
  const said = [axis.log ? "log scale" : "", used < model.visible.length ? `in ${used.toLocaleString("en")} of ${plural(model.visible.length, "trial")}` : ""].filter(Boolean);
  chart.note = said.join(", ");
  const widest = axis.numeric ? 0 : [...new Set(points.map((point) => point.x))].join("  ").length;
  chart.element.classList.toggle("wide", widest > 3 * LABELS);
  chart.update({ model, x: { ...axis, title: "" }, y: { ...model.valueAxis, title: model.metric }, points, selection: page.selection, line: null });
}

const has = (value) => value !== null && value !== undefined;

export function contour(host, page) {
  const chart = page.add(
    new Contour(host, {
      title: "Two parameters together", name: `${page.id}-contour`, height: 440, onpick: page.open,
      empty: ({ points, params }) => (params < 2 ? "This needs two searched parameters." : points.length ? "" : "No trial that is shown has both parameters."),
      describe: ({ x, y, metric }) => `${metric} over ${x.title} and ${y.title}.`,
      rows: ({ x, y, metric, points }) => [["trial", "state", x.title, y.title, metric], ...points.map((point) => [point.trial, point.state, point.x, point.y, point.result])],
    }),
  );
  page.name("contour", chart.element);
  const [across, up] = [choice("cx", "across"), choice("cy", "up")];
  chart.controls.append(across.element, up.element);
  return {
    show(model) {
      const known = model.params.map((param) => param.path);
      const x = known.includes(view.get("cx")) ? view.get("cx") : known[0];
      const others = known.filter((path) => path !== x);
      const y = others.includes(view.get("cy")) ? view.get("cy") : others[0];
      across.show(known.map((path) => [path, path]), x);
      up.show(others.map((path) => [path, path]), y);
      const data = pair(model, page, x, y);
      const many = data.points.length > MOST ? ` Marks: every ${ordinal(Math.ceil(data.points.length / MOST))} of ${plural(data.points.length, "trial")}; all shape the field.` : "";
      chart.note = `Colour: smoothed results of trials nearby. Where no trial is near, nothing is known and nothing is drawn.${many}`;
      chart.update(data);
    },
  };
}

function pair(model, page, x, y) {
  const [xs, ys] = [x, y].map((path) => (path === undefined ? [] : model.placed(path)));
  const [across, up] = [x, y].map((path) => model.axis(path));
  const value = (axis, raw) => (axis.numeric ? raw : String(raw));
  const points = model.visible
    .filter((index) => has(xs[index]) && has(ys[index]))
    .map((index) => model.mark(index, value(across, xs[index]), value(up, ys[index]), { result: model.results[index] }));
  return { x: across, y: up, points, window: model.shades, maximize: model.maximize, metric: model.metric, selection: page.selection, params: model.params.length };
}

const ordinal = (count) => (count === 2 ? "second" : count === 3 ? "third" : `${count}th`);

/** A heading with a host for figures in two columns below it. */
export function section(host, words, kind = "grid") {
  const inside = h("div", { class: kind });
  host.append(h("h2", {}, words), inside);
  return inside;
}
