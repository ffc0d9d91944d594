/** Knows what matters in a study: importance of parameters, and which of them act together. */

import { Bars } from "../../charts/bars.js";
import { percent, plural } from "../../core/format.js";
import * as view from "../../core/view.js";

const MOST_PAIRS = 10;

export function importance(host, page) {
  const chart = page.add(
    new Bars(host, {
      title: "Importance of parameters", name: `${page.id}-importance`, onpick: (path) => page.reveal(`slice ${path}`),
      empty: ({ payload }) => (payload.importance.params ? "" : payload.importance.reason || "Nothing is known about the importance of parameters yet."),
      describe: ({ bars }) => bars.map((bar) => `${bar.name} ${bar.text}`).join(", "),
      rows: ({ payload }) => [["parameter", "share", "low", "high"], ...(payload.importance.params ?? []).map(({ path, share, low, high }) => [path, share, low, high])],
    }),
  );
  return {
    show(model) {
      const { params, trials } = model.payload.importance;
      const objective = model.study.objectives[0]?.metric;
      const share = `Share of the differences in ${objective} that a parameter explains, from ${plural(trials ?? 0, "trial")}.`;
      chart.note = params ? `${share} Thin lines: where 8 of 10 resampled studies lie. A click shows the slice.` : "";
      const bars = (params ?? []).map(({ path, share, low, high }) => ({
        key: path, name: path, value: share, low, high, text: percent(share),
        lines: [path, `explains ${percent(share, 1)}`, ...spread(low, high, (value) => percent(value, 1))],
      }));
      chart.update({ payload: model.payload, bars });
    },
  };
}

export function interactions(host, page) {
  const chart = page.add(
    new Bars(host, {
      title: "Parameters that act together", name: `${page.id}-interactions`, onpick: (pair) => choose(page, pair),
      empty: ({ payload }) => (payload.interactions.pairs?.length ? "" : payload.interactions.reason || "Nothing is known about interactions yet."),
      describe: ({ bars }) => bars.map((bar) => `${bar.name} ${bar.text}`).join(", "),
      rows: ({ payload }) => [["a", "b", "strength", "low", "high"], ...(payload.interactions.pairs ?? []).map(({ a, b, strength, low, high }) => [a, b, strength, low, high])],
    }),
  );
  return {
    show(model) {
      const pairs = [...(model.payload.interactions.pairs ?? [])].sort((one, other) => other.strength - one.strength);
      const part = pairs.length > MOST_PAIRS ? `; the ${MOST_PAIRS} strongest of ${pairs.length} pairs` : "";
      const words = `Share of the differences in ${model.study.objectives[0]?.metric} that two parameters make only together${part}, from ${plural(model.payload.interactions.trials ?? 0, "trial")}.`;
      chart.note = pairs.length ? `${words} Thin lines: where 8 of 10 resampled studies lie. A click shows the contour.` : "";
      const bars = pairs.slice(0, MOST_PAIRS).map(({ a, b, strength, low, high }) => ({
        key: [a, b], name: `${a} × ${b}`, value: strength, low, high, text: percent(strength),
        lines: [`${a} × ${b}`, `${percent(strength, 1)} only together`, ...spread(low, high, (value) => percent(value, 1))],
      }));
      chart.update({ payload: model.payload, bars });
    },
  };
}

const spread = (low, high, text) => (low === null || low === undefined ? [] : [`8 of 10 resampled studies: ${text(low)} to ${text(high)}`]);

function choose(page, [a, b]) {
  view.set({ cx: a, cy: b });
  page.reveal("contour");
}
