/** Knows which columns the table of trials can have, and which it has unless somebody chose others. */

import { badge } from "../../charts/legend.js";
import { bestOf } from "../../core/about.js";
import { h } from "../../core/dom.js";
import { cell, duration, moment, number, objectiveText, shortName } from "../../core/format.js";
import { confirmedValue, seedMark } from "../../core/sure.js";
import { studyPath } from "../../core/tabs.js";
import { inFile, target } from "../../core/view.js";

const PARAMS = 8; // of those searched, so many are shown at first

/**
 * All columns that there are, in order, as `Table` wants them, with `group` and whether it is `usual`.
 * @param {object} answer of /studies/ID/trials
 * @param {object} study its entry of /studies
 */
export function columnsOf({ columns, rows, confirmed = {} }, study) {
  const heads = names(columns.params);
  const best = bestOf(study);
  return [
    { key: "number", head: "Trial", group: "Trial", usual: true, numeric: true, sort: "desc", cell: (row) => linked(study.id, row, best) },
    { key: "state", head: "State", group: "Trial", usual: true, sort: "asc", cell: (row) => badge(row.state) },
    ...study.objectives.map((objective, index) => valueColumn(objective, index)),
    ...(Object.keys(confirmed).length ? [confirmedColumn(confirmed)] : []),
    ...(study.confirms ? [replicateColumn(study.confirms)] : []),
    ...columns.params.map((path, index) => paramColumn(path, heads[index], index < PARAMS, rows)),
    { key: "epochs", head: "Epochs", group: "Trial", usual: true, numeric: true, sort: "desc", cell: (row) => cell(row.epochs) },
    { key: "seconds", head: "Time", group: "Trial", usual: true, numeric: true, sort: "desc", cell: (row) => whole(duration(row.seconds)) },
    { key: "start", head: "Started", group: "Trial", usual: false, cell: (row) => whole(moment(row.start)) },
    { key: "health", head: "Weight health", group: "Trial", usual: true, sort: "asc", cell: health },
    { key: "reason", head: "Reason", group: "Trial", usual: false, long: true, sort: "asc", cell: (row) => cell(row.reason || null) },
    { key: "violates", head: "Breaks", group: "Trial", usual: rows.some((row) => row.violates), long: true, sort: "asc", cell: (row) => cell(row.violates || null) },
    { key: "worker", head: "Worker", group: "Trial", usual: false, sort: "asc", cell: (row) => cell(row.worker || null) },
    { key: "duplicate_of", head: "Same as trial", group: "Trial", usual: false, numeric: true, cell: (row) => cell(row.duplicate_of) },
    { key: "name", head: "Run name", group: "Trial", usual: false, long: true, cell: (row) => cell(row.name) },
    ...columns.metrics.map(metricColumn),
  ];
}

/** Keys of the columns that are shown; `chosen` is what the address says, such as "number,state,params.optimizer.lr". */
export function shownKeys(all, chosen) {
  if (!chosen) return all.filter((column) => column.usual).map((column) => column.key);
  const wanted = new Set(["number", ...chosen.split(",")]);
  return all.filter((column) => wanted.has(column.key)).map((column) => column.key);
}

function linked(id, row, best) {
  return [
    row.number === best && h("span", { class: "star", title: "the best trial" }, "★ ", h("span", { class: "unseen" }, "best, ")),
    h("a", { href: target(studyPath(id, `/trials/${row.number}`)), tabindex: -1 }, row.number),
  ];
}

function valueColumn({ metric, maximize }, index) {
  const under = maximize ? "higher is better" : "lower is better";
  return { key: `values.${index}`, head: metric, under, group: "Objective", usual: true, numeric: true, sort: maximize ? "desc" : "asc", cell: (row) => (index ? objectiveText(row.values[index]) : outcome(row)) };
}

/** In a confirmation: the trial of the search that each one trains again. */
function replicateColumn({ id, name }) {
  const link = (row) => (inFile() || !name ? `trial ${row.confirms}` : h("a", { href: target(studyPath(id, `/trials/${row.confirms}`)) }, `trial ${row.confirms}`));
  return { key: "confirms", head: "Replicate of", under: name, group: "Trial", usual: true, cell: (row) => (row.confirms === null ? "–" : h("span", { class: "whole" }, link(row))) };
}

/** What several seeds say of the same configuration; most trials have no more than their own. */
function confirmedColumn(confirmed) {
  const show = ({ number, state }) => {
    if (confirmed[number]) return [confirmedValue(confirmed[number]), h("div", { class: "under" }, `${confirmed[number].seeds} seeds`)];
    return state === "COMPLETE" ? h("span", { class: "half whole" }, seedMark(1), " 1 seed") : "–";
  };
  return { key: "confirmed", head: "Confirmed", under: "mean of several seeds", group: "Objective", usual: true, numeric: true, cell: show };
}

/** The result; of a trial without one, the last value that it had reached, told apart. */
function outcome({ values, provisional = null, state, half = null }) {
  if (values[0] !== null && half !== null) return h("span", { class: "whole", title: "one seed; ± half of the 95 % interval over new images" }, objectiveText(values[0]), h("span", { class: "half" }, ` ± ${half.toFixed(4)}`));
  if (values[0] !== null || provisional === null) return objectiveText(values[0]);
  const title = state === "RUNNING" ? "so far: the trial is still running" : "the last value before the trial ended without a result";
  return h("span", { class: "provisional", title }, objectiveText(provisional), h("span", { class: "unseen" }, " (no result)"));
}

function paramColumn(path, head, usual, rows) {
  const numeric = rows.some((row) => typeof row.params[path] === "number");
  const show = (row) => (typeof row.params[path] === "number" ? number(row.params[path]) : cell(row.params[path]));
  return { key: `params.${path}`, head, hint: path, group: "Searched", usual, numeric, sort: "asc", cell: show };
}

function metricColumn(name) {
  return { key: `metrics.${name}`, head: name, group: "Metrics", usual: false, numeric: true, sort: "desc", cell: (row) => cell(row.metrics[name]) };
}

const whole = (text) => h("span", { class: "whole" }, text);

function health({ health: found }) {
  if (found === null || found === undefined) return h("span", { title: "no weight statistics were recorded" }, "–");
  return found.length ? found.map((rule) => h("div", { class: "whole" }, "⚠ ", rule.replaceAll("_", " "))) : "ok";
}

/** The last part of each path, or the whole path where two end alike. */
function names(paths) {
  const short = paths.map(shortName);
  return paths.map((path, index) => (short.indexOf(short[index]) === short.lastIndexOf(short[index]) ? short[index] : path));
}
