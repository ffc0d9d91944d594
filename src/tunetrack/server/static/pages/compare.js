/** Knows the page of … (written by a piece of its own). */
export function comparePage(host, { id, crumbs }) {
  crumbs([[id, null]]);
}
