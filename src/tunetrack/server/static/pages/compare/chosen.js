/** Knows which trials are compared: what was typed, the best so many, and what of a comparison belongs to them. */

import { plural } from "../../core/format.js";

/** Fewest and most trials that are compared. */
export const FEWEST = 2;
export const MOST = 50;

/**
 * Trial numbers that somebody typed, such as "3, 7 12-15".
 * @param {string} text
 * @param {Set<number>} known the study's trials
 * @returns {{numbers: number[], trouble: string}} without repeats, in the order typed; `trouble` says what is wrong
 */
export function typed(text, known) {
  const numbers = new Set();
  for (const part of text.split(/[\s,;]+/).filter(Boolean)) {
    const found = /^(\d{1,9})(?:[-–](\d{1,9}))?$/.exec(part);
    if (!found) return { numbers: [], trouble: `"${part}" is no trial number; type numbers and ranges such as 3, 7, 12-15.` };
    const [first, last] = [Number(found[1]), Number(found[2] ?? found[1])];
    if (last - first > 100_000) return { numbers: [], trouble: `The range ${part} is too long.` };
    for (let number = first; number <= last; number++) if (known.has(number) || first === last) numbers.add(number);
  }
  const missing = [...numbers].filter((number) => !known.has(number));
  return { numbers: [...numbers], trouble: trouble(numbers.size, missing) };
}

function trouble(count, missing) {
  if (missing.length) return `The study has no trial ${missing.slice(0, 10).join(", ")}.`;
  if (count < FEWEST) return "Type two trial numbers or more.";
  if (count > MOST) return `${plural(count, "trial")} were given; at most ${MOST} are compared.`;
  return "";
}

/**
 * Numbers of the best trials of a study, the best first; of several objectives, those on the Pareto front come first.
 * @param {object} study the study's payload
 * @param {number} count
 */
export function best(study, count) {
  const { number, state, values, violates } = study.trials;
  const sign = study.study.objectives[0]?.maximize ? -1 : 1;
  const front = new Set(study.front ?? []);
  const finished = number.map((_, index) => index).filter((index) => state[index] === "COMPLETE" && known(values[0]?.[index]) && !violates?.[index]);
  finished.sort((one, other) => front.has(other) - front.has(one) || sign * (values[0][one] - values[0][other]) || one - other);
  return finished.slice(0, count).map((index) => number[index]);
}

/** What of a comparison is about these trials, in this order; `missing` are those that it does not have. */
export function subset(payload, numbers) {
  const all = payload.trials.map((row) => row.number);
  const places = numbers.map((number) => all.indexOf(number)).filter((place) => place >= 0);
  const pick = (values) => places.map((place) => values[place]);
  const settings = payload.differs.map(({ path, values }) => ({ path, values: pick(values) }));
  const differs = settings.filter((row) => !alike(row.values));
  const same = [...payload.same, ...settings.filter((row) => alike(row.values)).map(({ path, values }) => ({ path, value: values[0] }))];
  return {
    trials: pick(payload.trials),
    differs,
    same: same.sort((one, other) => (one.path < other.path ? -1 : 1)),
    metrics: payload.metrics.map(({ name, values }) => ({ name, values: pick(values) })).filter((row) => row.values.some(known)),
    curves: payload.curves,
    missing: numbers.filter((number) => !all.includes(number)),
  };
}

/** 1 where more of a metric is better, -1 where less is, 0 where nobody can say. */
export function direction(name, objectives) {
  const goal = objectives.find(({ metric, key }) => name === metric || name === key);
  if (goal) return goal.maximize ? 1 : -1;
  if (/accuracy/.test(name)) return 1;
  return /loss|error|seconds/.test(name) ? -1 : 0;
}

/** Indices of the best of some values (several where they are equal); none where all are alike or nobody can say. */
export function bestOf(values, sign) {
  const numbers = values.filter((value) => typeof value === "number");
  if (!sign || numbers.length < 2) return new Set();
  const top = sign > 0 ? Math.max(...numbers) : Math.min(...numbers);
  if (numbers.every((value) => value === top)) return new Set();
  return new Set(values.flatMap((value, index) => (value === top ? [index] : [])));
}

/** Whether there is a value. */
export const known = (value) => value !== null && value !== undefined;

const alike = (values) => new Set(values.map((value) => JSON.stringify(value ?? null))).size <= 1;
