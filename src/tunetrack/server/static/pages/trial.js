/** Knows the page of … (written by a piece of its own). */
export function trialPage(host, { id, crumbs }) {
  crumbs([[id, null]]);
}
