/** Knows controls whose choice stands in the address. */

import { fill, h } from "../../core/dom.js";
import * as view from "../../core/view.js";

/**
 * A choice among texts, kept under `key`; the first one is not written down.
 * @returns {{element: Element, show(options: [string, string][], chosen?: string): void}} options are [value, words]
 */
export function choice(key, words, { clears = [] } = {}) {
  const select = h("select", { onchange: () => view.set({ ...Object.fromEntries(clears.map((each) => [each, null])), [key]: select.value === first ? null : select.value }) });
  let [first, before] = ["", ""];
  function show(options, chosen = view.get(key, options[0]?.[0])) {
    first = options[0]?.[0];
    const now = JSON.stringify(options);
    if (now !== before) fill(select, options.map(([value, text]) => h("option", { value }, text)));
    before = now;
    select.value = options.some(([value]) => value === chosen) ? chosen : first;
  }
  return { element: h("label", {}, words, select), show };
}

/** A switch kept under `key` as 1. */
export function toggle(key, words) {
  const box = h("input", { type: "checkbox", onchange: () => view.set({ [key]: box.checked ? 1 : null }) });
  return { element: h("label", {}, box, words), show: () => (box.checked = view.get(key) !== "") };
}

/** A button. */
export const button = (words, onclick, more = {}) => h("button", { type: "button", onclick, ...more }, words);
