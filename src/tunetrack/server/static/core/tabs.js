/** Knows the way between the pages of one study. */

import { h } from "./dom.js";
import { target } from "./view.js";

/** The address of a study's page, such as `studyPath(id, "/trials")`. */
export const studyPath = (id, below = "") => `/tunetrack/studies/${encodeURIComponent(id)}${below}`;

/**
 * Links to a study's pages; `current` is "study", "trials", "compare" or "" (a page below them).
 * @param {string} id
 * @param {string} current
 * @param {number[]} [trials] those that Compare opens with
 */
export function tabs(id, current, trials = []) {
  const compare = trials.length ? `/compare?trials=${trials.join(",")}` : "/compare";
  const link = (key, text, below) => h("a", { href: target(studyPath(id, below)), "aria-current": key === current ? "page" : null }, text);
  return h("nav", { class: "tabs", "aria-label": "pages of the study" }, link("study", "Study", ""), link("trials", "Trials", "/trials"), link("compare", "Compare", compare));
}
