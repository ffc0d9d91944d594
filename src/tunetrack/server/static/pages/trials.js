/** Knows the page of … (written by a piece of its own). */
export function trialsPage(host, { id, crumbs }) {
  crumbs([[id, null]]);
}
