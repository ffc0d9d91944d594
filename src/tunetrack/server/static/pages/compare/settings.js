/** Knows the tables of a comparison: what differs between the trials beside how they ended, what is the same, metrics. */

import { badge } from "../../charts/legend.js";
import { fill, h } from "../../core/dom.js";
import { cell, duration, plural } from "../../core/format.js";
import { get, set } from "../../core/view.js";
import { bestOf, direction } from "./chosen.js";
import { breakable, compareGrid } from "./grid.js";

const WIDE = 12; // more trials than this stand in rows

/** The section of settings and results; returns `{update(context)}`. */
export function settingsSection(host) {
  const said = h("p", { class: "note" });
  const turn = turnButton("rows", () => draw());
  const [table, same] = [h("div", { class: "card" }), h("details", { class: "same" })];
  host.append(h("h2", {}, "What differs"), h("div", { class: "controls" }, said, turn.element), table, same);
  const grid = compareGrid(table, "comparison-settings");
  let now = null;
  function draw() {
    const { payload, study } = now;
    const rows = [...results(payload.trials, study.study.objectives), ...payload.differs.map((row, index) => ({ ...row, name: row.path, head: index ? "" : "Settings" }))];
    grid.update({ ...now, trials: payload.trials }, rows, turn.turned(payload.trials.length));
  }
  return {
    update(context) {
      now = context;
      const { differs, same: alike } = context.payload;
      said.textContent = differs.length
        ? `${plural(differs.length, "setting")} ${differs.length === 1 ? "differs" : "differ"}; a dash means that the trial has no such setting, or that its branch does not search it. ★ marks the best result.`
        : "The trials have the same settings throughout.";
      fill(same, h("summary", {}, `${plural(alike.length, "setting")} ${alike.length === 1 ? "is" : "are"} the same in all of them`), sameTable(alike));
      draw();
    },
  };
}

/** The section of metrics; returns `{update(context)}`. */
export function metricsSection(host) {
  const table = h("div", { class: "card" });
  const turn = turnButton("metricrows", () => draw());
  host.append(h("h2", {}, "Metrics"), h("div", { class: "controls" }, h("p", { class: "note" }, "The last value of each metric. ★ marks the best where it is known which way is better."), turn.element), table);
  const grid = compareGrid(table, "comparison-metrics");
  let now = null;
  function draw() {
    const { payload, study } = now;
    const rows = payload.metrics.map((row) => ({ ...row, best: bestOf(row.values, direction(row.name, study.study.objectives)) }));
    grid.update({ ...now, trials: payload.trials }, rows, turn.turned(payload.trials.length));
  }
  return {
    update(context) {
      now = context;
      draw();
    },
  };
}

function results(trials, objectives) {
  const goals = objectives.map((goal, index) => {
    const values = trials.map((row) => row.values?.[index] ?? null);
    const [reached, shown] = [trials.map((row) => (index ? null : (row.provisional ?? null))), (value, at) => (value === null && reached[at] !== null ? h("span", { class: "provisional", title: "the last value of a trial without a result" }, cell(reached[at])) : cell(value))];
    return { show: shown, name: `${goal.metric} (${goal.maximize ? "highest" : "lowest"} is best)`, values, best: bestOf(values, goal.maximize ? 1 : -1), head: index ? "" : "Result" };
  });
  return [
    ...goals,
    { name: "state", values: trials.map((row) => row.state), show: (state, index) => h("span", { title: trials[index].reason || null }, badge(state)) },
    { name: "epochs", values: trials.map((row) => row.epochs) },
    { name: "time", values: trials.map((row) => row.seconds), show: duration },
  ];
}

function sameTable(rows) {
  return h("div", { class: "scroll" }, h("table", { class: "facts-table" }, h("tbody", {}, rows.map(({ path, value }) => h("tr", {}, h("th", { scope: "row" }, breakable(path)), h("td", { class: "long" }, cell(value)))))));
}

/** A switch between one column and one row a trial, kept in the address under `key`. */
function turnButton(key, onTurn) {
  const turned = (count) => (get(key) ? get(key) === "trials" : count > WIDE);
  let last = 0;
  const element = h("button", { type: "button", onclick: () => {
    set({ [key]: turned(last) ? "settings" : "trials" });
    onTurn();
  } }, "Turn the table");
  return { element, turned: (count) => turned((last = count)) };
}
