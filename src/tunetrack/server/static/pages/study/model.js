/** Knows a study as its page shows it: the payload together with what the address says about the view. */

import { duration, number } from "../../core/format.js";
import { look } from "../../core/marks.js";
import { extent } from "../../core/scale.js";
import * as view from "../../core/view.js";
import { usefulWindow } from "../../core/window.js";

const TOLD = 4; // parameters that a tooltip names

export class Model {
  /** @param {object} payload the answer of /studies/ID */
  constructor(payload) {
    this.payload = payload;
    this.study = payload.study;
    this.trials = payload.trials;
    this.size = payload.trials.number.length;
    this.hidden = new Set(view.get("hide").split(",").filter(Boolean));
    this.objective = Math.min(view.numbers("objective")[0] ?? 0, this.study.objectives.length - 1);
    this.metric = this.study.objectives[this.objective]?.metric ?? "objective";
    this.maximize = this.study.objectives[this.objective]?.maximize ?? true;
    this.results = payload.trials.values[this.objective] ?? new Array(this.size).fill(null);
    this.indices = payload.trials.number.map((_, index) => index);
    this.visible = this.indices.filter((index) => !this.hidden.has(this.trials.state[index]));
    this.places = new Map(payload.trials.number.map((trial, index) => [trial, index]));
    this.params = byImportance(payload);
    this.best = this._best();
    this.window = this._window((index) => this.value(index));
    // Colours tell results apart; what was seen of trials that were stopped early would take most of them.
    this.shades = this._window((index) => this.results[index]);
  }

  /** The result of a trial, or the last value that was seen of one without result; null where there is neither. */
  value(index) {
    return this.results[index] ?? (this.objective === 0 ? this.trials.provisional[index] : null) ?? null;
  }

  /** How good a result is among the results: 0 the worst, 1 the best, null where there is none. */
  goodness(index) {
    const value = this.results[index];
    if (value === null) return null;
    const { low, high } = this.shades;
    const share = high > low ? Math.min(1, Math.max(0, (value - low) / (high - low))) : 1;
    return this.maximize ? share : high > low ? 1 - share : 1;
  }

  /** Values of a parameter by trial. */
  param(path) {
    return this.trials.params[path] ?? new Array(this.size).fill(null);
  }

  /** The same on the parameter's axis: there is no place for 0 where it is logarithmic. */
  placed(path) {
    const values = this.param(path);
    return this.axis(path).log ? values.map((value) => (value > 0 ? value : null)) : values;
  }

  /** The parameter as an axis. */
  axis(path) {
    const param = this.params.find((each) => each.path === path);
    if (!param?.numeric || !param.choices) return { title: path, log: param?.log ?? false, numeric: param?.numeric ?? true, whole: param?.whole ?? false, choices: param?.choices ?? null };
    // A few numbers to choose from are labels: between them there is nothing.
    const known = new Set(this.param(path).filter((value) => value !== null));
    return { title: path, log: false, numeric: false, choices: [...known].sort((one, other) => one - other).map(String) };
  }

  /** The axis of the objective, with its good end. */
  get valueAxis() {
    return { title: `${this.metric} (${this.maximize ? "higher" : "lower"} is better)`, domain: this.size ? [this.window.low, this.window.high] : undefined };
  }

  /** What a tooltip says about a trial. */
  lines(index) {
    const { trials } = this;
    const result = this.results[index];
    const value = this.value(index);
    const said = [`trial ${trials.number[index]} · ${look(trials.state[index]).word}${trials.reason[index] ? `: ${trials.reason[index]}` : ""}`];
    if (result !== null) said.push(`${this.metric} ${number(result, 5)}`);
    else if (value !== null) said.push(`${this.metric} ${number(value, 5)} when it was last seen`);
    const used = this.params.filter((param) => this.param(param.path)[index] !== null && this.param(param.path)[index] !== undefined);
    for (const { path } of used.slice(0, TOLD)) said.push(`${path} ${number(this.param(path)[index])}`);
    if (used.length > TOLD) said.push(`and ${used.length - TOLD} more parameters`);
    if (trials.seconds[index] !== null) said.push(`took ${duration(trials.seconds[index])}`);
    return said;
  }

  /** A trial as a mark of a figure. */
  mark(index, x, y, more = {}) {
    return { x, y, state: this.trials.state[index], trial: this.trials.number[index], lines: () => this.lines(index), ...more };
  }

  /** Number of trials by state. */
  get counts() {
    const counts = {};
    for (const state of this.trials.state) counts[state] = (counts[state] ?? 0) + 1;
    return counts;
  }

  /** Indices of trials with a result that break no constraint, the best first. */
  ranked(indices = this.indices) {
    const sign = this.maximize ? -1 : 1;
    return indices.filter((index) => this.results[index] !== null && !this.trials.violates?.[index]).sort((one, other) => sign * (this.results[one] - this.results[other]) || one - other);
  }

  /** The stretch of values that is shown. */
  _window(value) {
    const values = this.visible.map(value).filter((each) => each !== null);
    if (!view.get("all") || !values.length) return usefulWindow(values, this.maximize);
    const [low, high] = extent(values);
    return { low, high, outside: 0 };
  }

  _best() {
    const known = this.payload.best_so_far[this.objective] ?? [];
    return known.length ? known.at(-1) : null;
  }
}

/** The searched parameters, the most important first; those of which nothing is known keep the study file's order. */
export function byImportance(payload) {
  const shares = new Map((payload.importance.params ?? []).map((each) => [each.path, each.share]));
  return [...payload.study.params].sort((one, other) => (shares.get(other.path) ?? -1) - (shares.get(one.path) ?? -1));
}
