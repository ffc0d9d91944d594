/** Knows the upper part of a study's page: name, state, outcome in words, tiles. */

import { badge } from "../../charts/legend.js";
import { fill, h } from "../../core/dom.js";
import { duration, moment, number, percent, plural } from "../../core/format.js";
import { confirmedValue, seedMark } from "../../core/sure.js";
import { studyPath, tabs } from "../../core/tabs.js";
import { inFile, target } from "../../core/view.js";

const OFFERED = 5; // trials that Compare opens with where none are picked out
const [FEWEST, MOST] = [2, 50]; // that it takes

/** Fills `host` from a Model. `chosen` are the numbers of the trials that are picked out, or null. */
export function top(host, model, chosen) {
  const { study, headline } = model.payload;
  const offered = compared(model, chosen);
  const focused = host.contains(document.activeElement) ? document.activeElement.textContent : null;
  fill(
    host,
    h("div", { class: "heading" }, h("h1", {}, study.name), h("span", { class: "state" }, stateWord(study.state)), h("span", { class: "meta" }, when(study))),
    study.confirms && h("p", { class: "meta" }, "confirms ", inFile() ? study.confirms.name : h("a", { href: target(studyPath(study.confirms.id)) }, study.confirms.name)),
    tabs(study.id, "study", offered),
    headline.length
      ? h("div", { class: "facts" }, h("p", { class: "lead" }, headline[0]), headline.slice(1).map((sentence) => h("p", {}, sentence)))
      : h("p", { class: "meta" }, "No trial has a result yet."),
    h("div", { class: "tiles even" }, tiles(model)),
    links(study),
  );
  if (focused) [...host.querySelectorAll("a")].find((link) => link.textContent === focused)?.focus({ preventScroll: true });
}

/** The trials that Compare opens with; a file knows itself which it holds. */
function compared(model, chosen) {
  if (inFile()) return [];
  const best = model.ranked().slice(0, OFFERED).map((index) => model.trials.number[index]);
  const found = chosen?.length >= FEWEST ? chosen.slice(0, MOST) : best;
  return found.length >= FEWEST ? found : [];
}

const stateWord = (state) => String(state).toLowerCase();

function when(study) {
  const from = `in ${study.experiment}, started ${moment(study.start)}`;
  return study.end === null ? from : `${from}, ended ${moment(study.end)}`;
}

function links(study) {
  if (inFile()) return null;
  const { mlflow_run: run, saved_view: saved } = study.links;
  return h("p", { class: "meta links" }, run && h("a", { href: run }, "Run in MLflow"), saved && h("a", { href: saved }, "Saved view in MLflow"));
}

function tiles(model) {
  const { budget } = model.payload;
  return [
    tile("trials", progress(budget.trials, plural(model.size, "trial"), (count) => count.toLocaleString("en")), h("div", { class: "legend" }, states(model))),
    ...model.study.objectives.map((objective, index) => bestTile(model, objective, index)),
    ...costTiles(model),
  ];
}

function tile(name, value, more = null) {
  return h("div", { class: "tile" }, h("span", {}, name), h("b", {}, value), more);
}

/** "14 of 50" with a bar, or only what has been used where there is no limit. */
function progress({ used, limit }, unlimited, text) {
  if (!limit) return unlimited;
  return [`${text(used)} of ${text(limit)}`, h("progress", { max: limit, value: Math.min(used, limit), "aria-label": "share of the budget that is used" })];
}

const states = (model) =>
  Object.entries(model.counts)
    .sort(([, one], [, other]) => other - one)
    .map(([state, count]) => h("span", { class: "badge" }, badge(state), count.toLocaleString("en")));

function bestTile(model, { metric, maximize }, index) {
  const best = model.payload.best_so_far[index]?.at(-1);
  if (best === undefined) return tile(`best ${metric}`, "–", h("span", {}, "no result yet"));
  const link = (trial) => h("a", { href: target(studyPath(model.study.id, `/trials/${trial}`)) }, `trial ${trial}`);
  const words = `${metric} (${maximize ? "highest" : "lowest"})`;
  const value = number(model.trials.values[index][best], 5);
  const trial = model.trials.number[best];
  const { winner } = model.payload;
  if (index === 0 && winner?.study_run === model.study.id) {
    const { mean, low, high, values } = winner.configurations.find((one) => one.trial === winner.chosen);
    const shown = [confirmedValue({ mean, low, high, seeds: values.length })];
    return tile(`winner, ${words}`, shown, [link(winner.chosen), h("span", {}, `, mean of ${plural(values.length, "seed")}`), h("span", { class: "how" }, "the search: ", seedMark(1), ` ${value}, `, link(trial))]);
  }
  return tile(`best ${words}`, value, [link(trial), model.study.objectives.length === 1 && h("span", {}, ", ", seedMark(1), " 1 seed")]);
}

function costTiles(model) {
  const { cost, budget } = model.payload;
  const spent = Object.values(cost.seconds_by_state).reduce((sum, seconds) => sum + seconds, 0);
  const found = [tile("time of all trials", duration(spent))];
  if (budget.seconds.limit) found.push(tile("budget of time", progress(budget.seconds, "", duration), h("span", {}, `${percent(budget.seconds.used / budget.seconds.limit)} used`)));
  if (cost.saved_by_pruning !== null) found.push(tile("saved by pruning", duration(cost.saved_by_pruning), h("span", { class: "how" }, cost.how)));
  return found;
}
