/** Knows the confirmed winner of a study: the configurations that were trained again, in a figure and in a table. */

import { Intervals } from "../../charts/intervals.js";
import { fill, h } from "../../core/dom.js";
import { cell, duration, number, percent, plural } from "../../core/format.js";
import { seedMark, sureText } from "../../core/sure.js";
import { Table } from "../../core/table.js";
import { studyPath } from "../../core/tabs.js";
import * as view from "../../core/view.js";

/** The section of the winner in `host`; without anything to say it is hidden. */
export function winner(host, page) {
  const [words, below] = [h("div"), h("div", { class: "stack" })];
  host.append(words, below);
  let [chart, table, note] = [null, null, null];
  function build(study) {
    // The trials of the searched study, also on the page of its confirmation; a file holds one study alone.
    const open = view.inFile() && study !== page.id ? undefined : (trial) => view.go(studyPath(study, `/trials/${trial}`));
    chart = page.add(new Intervals(below, { title: "Configurations on shared seeds", name: `${page.id}-winner`, onpick: open, describe, rows: numbersOf }));
    const card = h("div", { class: "card" });
    below.append(card);
    table = new Table(card, { caption: "Configurations on shared seeds", key: (row) => row.trial, kind: "stacked" });
    note = h("p", { class: "note" });
    card.append(note);
  }
  return {
    show(model) {
      const { winner: found, winner_words: said, winner_note: about, troubles } = model.payload;
      host.hidden = !found && !said.length && !troubles.length;
      fill(
        words,
        troubles.map((trouble) => h("p", { class: "trouble" }, trouble)),
        // The first sentence stands at the top of the page already.
        (found ? said.slice(1) : said).map((sentence) => h("p", { class: found ? null : "one-seed" }, !found && seedMark(1), " ", sentence)),
        found && elsewhere(found, model),
      );
      below.hidden = !found;
      if (!found) return;
      if (!chart) build(found.study_run);
      chart.note = `● mean with its ${level(found)} interval, small dots: ${plural(found.seeds.length, "seed")}; ○ value in the search, ◇ the same, shrunken. Shaded: cannot be told apart from the best.`;
      chart.update({ axis: found.metric, rows: found.configurations.map((one) => figureRow(one, found)), found });
      table.update({ columns: columns(found, model), rows: found.configurations, chosen: new Set([found.chosen]), sort: null });
      note.textContent = about;
    },
  };
}

const level = ({ level: share }) => percent(share);
const half = ({ low, high }) => (high - low) / 2;

function figureRow(one, found) {
  const others = [{ value: one.raw, shape: "circle" }];
  if (one.shrunken !== null) others.push({ value: one.shrunken, shape: "diamond" });
  return {
    key: one.trial, name: name(one, found), mean: one.mean, low: one.low, high: one.high, values: one.values, others, band: one.group === 1,
    text: one.parameters === null ? "" : plural(one.parameters, "parameter"),
    lines: () => [
      `${name(one, found)}: ${sureText(one.mean, half(one))}`,
      `probability of being the best ${percent(one.p_best)}`,
      `in the search ${number(one.raw)}${one.shrunken === null ? "" : `, shrunken ${number(one.shrunken)}`}`,
      ...Object.entries(one.params).map(([path, value]) => `${path} ${cell(value)}`),
    ],
  };
}

const name = ({ trial }, { chosen }) => `trial ${trial}${trial === chosen ? " ★" : ""}`;

const describe = ({ found, rows }) => rows.map((row) => `${row.name} ${number(row.mean)}, ${level(found)} interval ${number(row.low)} to ${number(row.high)}`).join("; ");

function numbersOf({ found }) {
  const heads = ["trial", "chosen", "mean", "low", "high", "p_best", "group", "difference", "difference_low", "difference_high", "p_adjusted", "parameters", "seconds", "raw", "shrunken", ...found.seeds.map((seed) => `seed ${seed}`)];
  const rows = found.configurations.map((one) => [one.trial, Number(one.trial === found.chosen), one.mean, one.low, one.high, one.p_best, one.group, one.difference.estimate, one.difference.low, one.difference.high, one.difference.p_adjusted, one.parameters, one.seconds, one.raw, one.shrunken, ...one.values]);
  return [heads, ...rows];
}

function columns(found, model) {
  const here = found.study_run === model.study.id;
  const link = (trial) => (view.inFile() && !here ? `trial ${trial}` : h("a", { href: view.target(studyPath(found.study_run, `/trials/${trial}`)) }, `trial ${trial}`));
  const images = found.by_image ? ` × ${found.images.toLocaleString("en")}` : "";
  const paths = [...new Set(found.configurations.flatMap((one) => Object.keys(one.params)))];
  return [
    { key: "trial", head: "Configuration", cell: (one) => [one.trial === found.chosen && h("span", { class: "star", title: found.reason }, "★ "), link(one.trial)] },
    { key: "mean", head: `Mean ${found.metric}`, under: `± half of its ${level(found)} interval`, numeric: true, cell: (one) => h("b", {}, sureText(one.mean, half(one))) },
    { key: "sample", head: found.by_image ? "Seeds × images" : "Seeds", numeric: true, cell: (one) => `${one.values.length}${images}` },
    { key: "p_best", head: "P(best)", numeric: true, cell: (one) => percent(one.p_best) },
    { key: "difference", head: "To the best", under: "interval, adjusted p", numeric: true, cell: (one) => (one.trial === found.best ? "–" : away(one.difference)) },
    { key: "parameters", head: "Model parameters", numeric: true, cell: (one) => cell(one.parameters) },
    { key: "seconds", head: "Train time", numeric: true, cell: (one) => duration(one.seconds) },
    { key: "raw", head: "In the search", under: "1 seed; shrunken", numeric: true, cell: (one) => [h("span", { class: "whole" }, seedMark(1), " ", number(one.raw)), h("div", { class: "under" }, one.shrunken === null ? "–" : number(one.shrunken))] },
    ...paths.map((path) => ({ key: path, head: path, numeric: typeof found.configurations[0].params[path] === "number", cell: (one) => (typeof one.params[path] === "number" ? number(one.params[path]) : cell(one.params[path])) })),
  ];
}

function away({ estimate, low, high, p_adjusted: p }) {
  const places = Math.min(6, Math.max(0, 1 - Math.floor(Math.log10((high - low) / 2 || 1e-4))));
  const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(places)}`;
  return [signed(estimate), h("div", { class: "under whole" }, `${signed(low)} to ${signed(high)}`, p !== null && `, p ${p < 0.001 ? "< 0.001" : p.toFixed(3)}`)];
}

/** Where the other half of the story is. */
function elsewhere(found, { study }) {
  const here = found.study_run === study.id;
  const [id, text] = here ? [found.confirm_run, found.confirm_study] : [found.study_run, found.study];
  const words = here ? `The ${found.trials} trials behind it, ${duration(found.train_seconds)} of training: ` : "The search: ";
  return h("p", { class: "meta" }, words, view.inFile() || !id ? text : h("a", { href: studyPath(id) }, text));
}
