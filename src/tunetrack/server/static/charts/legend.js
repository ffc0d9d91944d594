/** Knows the legend of trial states: marks, words and counts; a click hides or shows a state. */

import { h, s } from "../core/dom.js";
import { look, outline, paint, STATES } from "../core/marks.js";

/**
 * @param {object} counts number of trials by state
 * @param {Set<string>} [hidden] states that are not shown
 * @param {(state: string) => void} [onToggle]
 */
export function legend(counts, hidden = new Set(), onToggle = null) {
  const states = [...Object.keys(STATES), ...Object.keys(counts).filter((state) => !(state in STATES))];
  return h(
    "div",
    { class: "legend", role: "group", "aria-label": "states of trials" },
    states.filter((state) => counts[state]).map((state) => item(state, counts[state], hidden, onToggle)),
  );
}

/** A state as mark and word, for tables. */
export function badge(state) {
  return h("span", { class: "badge" }, mark(state), look(state).word);
}

/** The mark of a state, as in the figures. */
export function mark(state) {
  return s("svg", { viewBox: "0 0 14 14", width: 14, height: 14, "aria-hidden": "true" }, s("path", { d: outline(state, 7, 7, 4.5), ...paint(state) }));
}

function item(state, count, hidden, onToggle) {
  const inside = [mark(state), `${look(state).word} ${count.toLocaleString("en")}`];
  if (!onToggle) return h("span", { class: "badge" }, inside);
  const pressed = !hidden.has(state);
  return h("button", { type: "button", class: "badge", "aria-pressed": String(pressed), onclick: () => onToggle(state) }, inside);
}
