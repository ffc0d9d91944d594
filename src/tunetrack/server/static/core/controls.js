/** Knows the small controls that pages have in common. */

import { h } from "./dom.js";

/**
 * A labelled list to choose from.
 * @param {string} label
 * @param {Array<[string, string]>} options value and text
 * @param {string} value the chosen one
 * @param {(value: string) => void} onChange
 */
export function picker(label, options, value, onChange) {
  const select = h("select", { "aria-label": label, onchange: () => onChange(select.value) }, options.map(([key, text]) => h("option", { value: key, selected: key === value }, text)));
  return h("label", {}, label, select);
}
