/** Knows the trade-off between objectives: trials that no other trial beats in all of them. */

import { Points } from "../../charts/points.js";
import { plural } from "../../core/format.js";
import * as view from "../../core/view.js";
import { usefulWindow } from "../../core/window.js";
import { choice } from "./controls.js";

export function front(host, page) {
  const chart = page.add(
    new Points(host, {
      title: "Trade-off between objectives", name: `${page.id}-front`, height: 360, onpick: page.open,
      empty: ({ points }) => (points.length ? "" : "No trial that is shown has results in both objectives yet."),
      describe: ({ count }) => `${plural(count, "trial")} on the Pareto front.`,
      rows: ({ x, y, points }) => [["trial", "state", x.metric, y.metric, "on the front"], ...points.map((point) => [point.trial, point.state, point.x, point.y, point.faint ? 0 : 1])],
    }),
  );
  const [across, up] = [choice("fx", "across"), choice("fy", "up")];
  chart.controls.append(across.element, up.element);
  return {
    show(model) {
      const { objectives } = model.study;
      const [x, y] = chosen(objectives.length);
      const names = objectives.map(({ metric }, index) => [String(index), metric]);
      across.show(names, String(x));
      up.show(names.filter(([index]) => index !== String(x)), String(y));
      for (const control of [across, up]) control.element.hidden = objectives.length < 3;
      chart.note = note(model, objectives.length);
      chart.update(figure(model, page, x, y));
    },
  };
}

function chosen(count) {
  const x = Math.min(view.numbers("fx")[0] ?? 0, count - 1);
  const others = [...Array(count).keys()].filter((index) => index !== x);
  const wanted = view.numbers("fy")[0];
  return [x, others.includes(wanted) ? wanted : others[0]];
}

function note(model, count) {
  const found = plural(model.payload.front.length, "trial");
  const two = `Strong marks: the Pareto front, ${found} that no other trial beats in both objectives.`;
  return count < 3 ? two : `Strong marks: the Pareto front over all ${count} objectives, ${found}; seen from two of them some seem beaten, because they are better in another.`;
}

function figure(model, page, x, y) {
  const [xs, ys] = [model.trials.values[x], model.trials.values[y]];
  const members = new Set(model.payload.front);
  const points = model.visible.filter((index) => xs[index] !== null && ys[index] !== null).map((index) => model.mark(index, xs[index], ys[index], { faint: !members.has(index) }));
  const joined = points.filter((point) => !point.faint).sort((one, other) => one.x - other.x);
  const axis = (index, values) => {
    const { metric, maximize } = model.study.objectives[index];
    const { low, high } = usefulWindow(points.map(values), maximize);
    return { metric, title: `${metric} (${maximize ? "higher" : "lower"} is better)`, domain: points.length && !view.get("all") ? [low, high] : undefined };
  };
  const line = model.study.objectives.length === 2 ? joined.map((point) => [point.x, point.y]) : null;
  return { x: axis(x, (point) => point.x), y: axis(y, (point) => point.y), points, line, steps: false, selection: page.selection, count: members.size };
}
