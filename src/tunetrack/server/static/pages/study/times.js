/** Knows where a study's time went: lanes of workers, seconds by state. */

import { Bars } from "../../charts/bars.js";
import { Timeline } from "../../charts/timeline.js";
import { duration, percent, plural } from "../../core/format.js";
import { look, STATES } from "../../core/marks.js";
import { clock } from "./time.js";

export function timeline(host, page) {
  const chart = page.add(
    new Timeline(host, {
      title: "Workers over time", name: `${page.id}-timeline`, onpick: page.open,
      empty: ({ lanes }) => (lanes.length ? "" : "No trial that is shown has started yet."),
      describe: ({ lanes }) => `${plural(lanes.length, "lane")}.`,
      rows: ({ lanes }) => [["lane", "trial", "state", "from (ms since 1970)", "to"], ...lanes.flatMap((lane) => lane.bars.map((bar) => [lane.name, bar.trial, bar.state, bar.from, bar.to]))],
    }),
  );
  return {
    show(model) {
      const bars = spans(model);
      const known = bars.some((bar) => bar.worker !== null);
      const lanes = known ? byWorker(bars) : bySlot(bars);
      chart.note = note(lanes, known);
      const start = bars.reduce((least, bar) => Math.min(least, bar.from), Infinity);
      const end = bars.reduce((most, bar) => Math.max(most, bar.to), -Infinity);
      chart.update({ lanes, start, unit: clock(end - start), selection: page.selection });
    },
  };
}

function spans(model) {
  const { trials, study } = model;
  const now = study.end ?? Date.now();
  return model.visible
    .filter((index) => trials.start[index] !== null)
    .map((index) => {
      const [from, end] = [trials.start[index], trials.end[index]];
      return { from, to: Math.max(from, end ?? now), worker: trials.worker[index] || null, state: trials.state[index], trial: trials.number[index], lines: () => model.lines(index) };
    })
    .sort((one, other) => one.from - other.from);
}

function byWorker(bars) {
  const found = new Map();
  for (const bar of bars) {
    const name = bar.worker ?? "not known";
    if (!found.has(name)) found.set(name, []);
    found.get(name).push(bar);
  }
  return [...found].sort(([one], [other]) => one.localeCompare(other, "en", { numeric: true })).map(([name, own]) => lane(name, own));
}

/** As many lanes as trials ran at once; each trial goes into the first that is free. */
function bySlot(bars) {
  const slots = [];
  for (const bar of bars) {
    const free = slots.find((slot) => slot.at(-1).to <= bar.from);
    if (free) free.push(bar);
    else slots.push([bar]);
  }
  return slots.map((own, index) => lane(String(index + 1), own));
}

const lane = (name, bars) => ({ name, bars, from: bars[0].from, to: bars.reduce((last, bar) => Math.max(last, bar.to), -Infinity) });

function note(lanes, known) {
  if (!lanes.length) return "";
  const whole = lanes.reduce((sum, { from, to }) => sum + to - from, 0);
  const busy = lanes.reduce((sum, { bars }) => sum + bars.reduce((inner, { from, to }) => inner + to - from, 0), 0);
  const idle = whole > 0 ? Math.max(0, 1 - busy / whole) : 0;
  const who = known ? "One lane a worker" : "Which worker ran a trial is not known: one lane for each trial that ran at the same time";
  return `${who}; grey: no trial that is shown (${percent(idle, 1)} of the time between first and last).`;
}

export function costs(host, page) {
  const chart = page.add(
    new Bars(host, {
      title: "Where the time went", name: `${page.id}-cost`,
      empty: ({ bars }) => (bars.length ? "" : "No trial has taken any time yet."),
      describe: ({ bars }) => bars.map((bar) => `${bar.name}: ${bar.text}`).join(", "),
      rows: ({ bars }) => [["what", "seconds"], ...bars.map((bar) => [bar.name, bar.value])],
    }),
  );
  return {
    show(model) {
      const { cost, budget } = model.payload;
      const states = [...Object.keys(STATES), ...Object.keys(cost.seconds_by_state).filter((state) => !(state in STATES))];
      const bars = states.filter((state) => cost.seconds_by_state[state] > 0).map((state) => bar(`${look(state).word} trials`, cost.seconds_by_state[state], look(state).color));
      if (cost.saved_by_pruning) bars.push({ ...bar("saved by pruning (estimate)", cost.saved_by_pruning, "--pruned"), faint: true });
      if (budget.seconds.limit > budget.seconds.used) bars.push({ ...bar("budget that is left", budget.seconds.limit - budget.seconds.used, "--soft"), faint: true });
      chart.note = cost.saved_by_pruning ? `Outlined bars were not spent. ${cost.how}` : "";
      chart.update({ bars });
    },
  };
}

const bar = (name, seconds, color) => ({ key: null, name, value: seconds, text: duration(seconds), color, lines: [name, duration(seconds)] });
