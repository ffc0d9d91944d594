/** Knows the plain facts of one trial: outcome, values, settings, commands, files. */

import { h } from "../../core/dom.js";
import { cell, duration, moment, number, objectiveText, plural } from "../../core/format.js";
import { confirmedValue, seedMark } from "../../core/sure.js";
import { studyPath } from "../../core/tabs.js";
import { inFile, target } from "../../core/view.js";

/** Small boxes with the numbers that people look for first. */
export function tiles({ trial, study, model }) {
  const tile = (value, words) => h("div", { class: "tile" }, h("b", {}, value), h("span", {}, words));
  const planned = trial.params["trainer.epochs"];
  const ended = trial.end ? `; ended ${moment(trial.end)}` : trial.state === "RUNNING" ? "; still running" : "";
  const parameters = model?.parameters ?? trial.metrics["model/parameters"];
  return h(
    "div",
    { class: "tiles" },
    study.objectives.map(({ metric, maximize }, index) => {
      const reached = index ? null : (trial.provisional ?? null);
      const words = `${maximize ? "higher" : "lower"} is better`;
      const half = index ? null : (trial.half ?? null);
      if (reached === null) return tile([objectiveText(trial.values[index]), half !== null && h("small", { class: "half", title: "half of the 95 % interval over new images" }, ` ± ${half.toFixed(4)}`)], [`${metric} (${words})`, half !== null && [", ", seedMark(1), " 1 seed"]]);
      return tile(h("span", { class: "provisional" }, objectiveText(reached)), `${metric} ${trial.state === "RUNNING" ? "so far" : "when it ended, without a result"} (${words})`);
    }),
    tile(planned && trial.epochs !== null ? `${trial.epochs} of ${planned}` : cell(trial.epochs), "epochs"),
    tile(duration(trial.seconds), "computing time"),
    parameters && tile(cell(parameters), "parameters of the model"),
    tile(moment(trial.start), `started${ended}`),
    trial.worker && tile(trial.worker, "worker"),
  );
}

/** Why it ended as it did, where there is something to say. */
export function outcome({ trial, study, replicate_of: original, replicates }) {
  const other = (number) => trialLink(study.id, number);
  const same = trial.duplicate_of ?? null;
  const text = same === null && trial.reason && trial.reason[0].toUpperCase() + trial.reason.slice(1);
  return [
    text && h("p", { class: trial.state === "FAILED" || trial.state === "INFEASIBLE" ? "trouble" : "facts" }, text, /[.!?]$/.test(text) ? "" : "."),
    trial.violates && trial.state !== "INFEASIBLE" && h("p", { class: "trouble" }, `Breaks the constraint ${trial.violates}, so it is never the best.`),
    same !== null && h("p", { class: "facts" }, "The same configuration as ", other(same), ", whose result is used."),
    original && h("p", { class: "facts" }, "Replicate of ", elsewhere(original.id, original.trial), " of ", inFile() ? original.study : h("a", { href: target(studyPath(original.id)) }, original.study), `, seed ${original.seed}.`),
    replicates && confirmation(replicates),
  ];
}

const trialLink = (id, number, text = `trial ${number}`) => h("a", { href: target(studyPath(id, `/trials/${number}`)) }, text);
// A file holds one study alone.
const elsewhere = (id, number, text = `trial ${number}`) => (inFile() || id === null ? text : trialLink(id, number, text));

/** What the same configuration gave on other seeds. */
function confirmation({ id, study, metric, chosen, trials, confirmed }) {
  const one = ({ seed, value, number }, index) => [index ? ", " : "", elsewhere(number === null ? null : id, number, objectiveText(value)), h("span", { class: "meta" }, ` (seed ${seed})`)];
  return h(
    "div",
    { class: "facts" },
    h("p", {}, chosen ? "The confirmed winner of the study: " : "Confirmed on several seeds: ", metric, " ", confirmedValue(confirmed), `, mean of ${plural(confirmed.seeds, "seed")}.`),
    h("p", {}, "Replicates in ", inFile() || id === null ? study : h("a", { href: target(studyPath(id)) }, study), ": ", trials.map(one), "."),
  );
}

/** The searched parameters with this trial's values, and the other settings on demand. */
export function searched({ trial, searched: paths }) {
  const others = Object.keys(trial.params).filter((path) => !paths.includes(path) && trial.params[path] !== null);
  const fixed = new Set(trial.unsearched);
  const line = (path) => [path, settingText(trial.params[path] ?? null), fixed.has(path) && h("span", { class: "note" }, " (not searched here)")];
  return [
    list(paths.map(line), "This study searches no parameter."),
    others.length > 0 && h("details", { class: "help" }, h("summary", {}, `${others.length} more settings`), list(others.map(line), "")),
  ];
}

/** Final numbers of all metrics but those of the weights, which have figures. */
export function numbers({ trial }) {
  const names = Object.keys(trial.metrics).sort();
  return list(names.map((name) => [name, cell(trial.metrics[name])]), "No metric was recorded.");
}

/** The configuration as the file that was stored. */
export function config({ config: text }) {
  if (text) return h("pre", { tabindex: 0, "aria-label": "configuration", class: "config" }, text);
  return h("p", { class: "note" }, "No configuration file was stored; its settings stand under “Searched parameters”.");
}

/** Commands that make the same trial again, each with a button that copies it. */
export function reproduce({ reproduce: steps }) {
  if (!steps?.length) return h("p", { class: "note" }, "No configuration was stored, so there is no command that repeats this trial.");
  return h("ol", { class: "steps" }, steps.map(({ what, command }) => h("li", {}, h("div", {}, what), copyable(command))));
}

/** The run and its files in MLflow. */
export function files({ artifacts, links }) {
  if (inFile()) return h("p", { class: "note" }, artifacts.length ? `On the tracking server: ${artifacts.map(({ name }) => name).join(", ")}.` : "No file was stored.");
  return [
    links.mlflow_run && h("p", {}, h("a", { href: links.mlflow_run }, "This run in MLflow")),
    artifacts.length ? h("ul", { class: "files" }, artifacts.map(({ name, url }) => h("li", {}, h("a", { href: url }, name)))) : h("p", { class: "note" }, "No file was stored."),
  ];
}

// Whole settings such as a seed have no separators: they are typed again as they stand here.
function settingText(value) {
  if (value === null) return h("span", { class: "note" }, "not used");
  return typeof value === "number" && !Number.isInteger(value) ? number(value, 6) : String(value);
}

function list(rows, empty) {
  if (!rows.length) return h("p", { class: "note" }, empty);
  return h("dl", { class: "pairs" }, rows.map(([name, ...value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

function copyable(command) {
  const text = h("pre", {}, command);
  const said = h("span", { class: "note", role: "status" });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(command);
      said.textContent = "copied";
    } catch (error) {
      // Without https, and inside sandboxed frames, there is no clipboard.
      if (!(error instanceof DOMException || error instanceof TypeError)) throw error;
      getSelection().selectAllChildren(text);
      said.textContent = "marked: copy it with Ctrl+C";
    }
    setTimeout(() => (said.textContent = ""), 4000);
  };
  return h("div", { class: "copyable" }, text, h("button", { type: "button", class: "tool", "aria-label": `copy: ${command}`, onclick: copy }, "Copy"), said);
}
