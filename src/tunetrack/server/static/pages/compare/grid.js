/** Knows the table of a comparison: one row a parameter and one column a trial, or the other way round for many trials. */

import { csvText, fileName, save } from "../../core/download.js";
import { fill, h } from "../../core/dom.js";
import { cell } from "../../core/format.js";
import { target } from "../../core/view.js";
import { sample } from "./legend.js";

/**
 * A table; returns its `update`.
 * @param {Element} host
 * @param {string} name of the downloaded file, and of the table for screen readers
 */
export function compareGrid(host, name) {
  const box = h("div", { class: "scroll sticky", tabindex: 0, role: "region", "aria-label": name });
  let shown = null;
  const download = () => save(fileName(name, "csv"), csvText(csvRows(shown)), "text/csv");
  host.append(h("div", { class: "over" }, h("button", { type: "button", class: "tool", title: "Download the numbers", onclick: download }, "CSV")), box);
  return {
    /**
     * @param {{trials: object[], looks: Map, path: string}} context
     * @param {Array<{name: string, values: Array, best?: Set<number>, head?: string, show?: (value) => *}>} rows `head`
     *   begins a group of rows
     * @param {boolean} turned one row a trial
     */
    update(context, rows, turned) {
      shown = { trials: context.trials, rows };
      fill(box, turned ? byTrial(context, rows) : byRow(context, rows));
    },
  };
}

const csvRows = ({ trials, rows }) => [["", ...trials.map((row) => `trial ${row.number}`)], ...rows.map((row) => [row.name, ...row.values])];

function byRow(context, rows) {
  const heads = context.trials.map((row) => h("th", { scope: "col", class: "n" }, trialHead(context, row.number)));
  const body = rows.map((row) => [
    row.head && h("tr", { class: "group" }, h("th", { colspan: context.trials.length + 1, scope: "colgroup" }, row.head)),
    h("tr", {}, h("th", { scope: "row" }, breakable(row.name)), row.values.map((_, index) => valueCell(row, index))),
  ]);
  return h("table", { class: "compared" }, h("thead", {}, h("tr", {}, h("td", {}), heads)), h("tbody", {}, body));
}

function byTrial(context, rows) {
  const heads = rows.map((row) => h("th", { scope: "col", class: isText(row) ? "" : "n" }, breakable(row.name)));
  const body = context.trials.map((trial, index) =>
    h("tr", {}, h("th", { scope: "row" }, trialHead(context, trial.number)), rows.map((row) => valueCell(row, index))),
  );
  return h("table", { class: "compared turned" }, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "trial"), heads)), h("tbody", {}, body));
}

function trialHead({ looks, path }, number) {
  return h("a", { class: "who", href: target(`/tunetrack${path}/trials/${number}`) }, sample(looks.get(number)), h("span", {}, `trial ${number}`));
}

function valueCell(row, index) {
  const value = row.values[index];
  const wins = row.best?.has(index);
  const text = row.show ? row.show(value, index) : cell(value);
  const kind = [isText(row) ? "text" : "n", wins && "wins"].filter(Boolean).join(" ");
  return h("td", { class: kind, title: typeof value === "number" ? String(value) : null }, text, wins && [h("span", { "aria-hidden": "true" }, " ★"), h("span", { class: "unseen" }, " best")]);
}

const isText = (row) => row.values.some((value) => typeof value === "string");

/** A path that may break after its dots and slashes. */
export function breakable(text) {
  return String(text).split(/(?<=[./_])/).flatMap((part, index) => (index ? [h("wbr"), part] : [part]));
}
