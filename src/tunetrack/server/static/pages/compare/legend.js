/** Knows how the compared trials look in all figures of the page, and the legend that says so and stays in sight. */

import { mark } from "../../charts/legend.js";
import { fill, h, s } from "../../core/dom.js";
import { cell } from "../../core/format.js";
import { look, series } from "../../core/marks.js";
import { target } from "../../core/view.js";

/** Colour and dashes by trial number: the same in every figure. */
export const looks = (numbers) => new Map(numbers.map((number, index) => [number, series(index)]));

/** A short piece of a trial's line. */
export function sample({ color, dash }, width = 26) {
  const line = s("line", { x1: 1, x2: width - 1, y1: 6, y2: 6, stroke: color, "stroke-width": 2.5, "stroke-dasharray": dash });
  return s("svg", { viewBox: `0 0 ${width} 12`, width, height: 12, "aria-hidden": "true" }, line);
}

/** Lets one trial stand out in all figures below `host`; null: all are equal again. */
export function emphasise(host, number) {
  for (const element of host.querySelectorAll("[data-trial]")) {
    element.classList.toggle("out", number !== null && element.dataset.trial !== String(number));
  }
}

/**
 * The legend; returns `update(context)`.
 * @param {Element} host
 * @param {(number: number) => void} onRemove called with the trial that shall not be compared any more
 */
export function compareLegend(host, onRemove) {
  const box = h("div", { class: "cast", role: "group", "aria-label": "compared trials" });
  host.append(box);
  return {
    update({ payload, path, looks: all, stand }) {
      box.classList.toggle("many", payload.trials.length > 16);
      fill(box, payload.trials.map((row) => chip(row, all.get(row.number), path, stand, payload.trials.length > 2 ? onRemove : null)));
    },
  };
}

function chip(row, paint, path, stand, onRemove) {
  const { number, state, values } = row;
  const value = values?.[0];
  return h(
    "span",
    { class: "chip", "data-trial": number, title: `trial ${number}, ${look(state).word}`, onpointerenter: () => stand(number), onpointerleave: () => stand(null) },
    sample(paint),
    h("a", { href: target(`/tunetrack${path}/trials/${number}`), onfocus: () => stand(number), onblur: () => stand(null) }, `trial ${number}`),
    mark(state),
    h("span", { class: "value" }, cell(value)),
    onRemove && h("button", { type: "button", class: "tool", "aria-label": `without trial ${number}`, onclick: () => onRemove(number) }, "×"),
  );
}
