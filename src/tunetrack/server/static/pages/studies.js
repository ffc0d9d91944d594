/** Knows the page of … (written by a piece of its own). */
export function studiesPage(host, { id, crumbs }) {
  crumbs([[id, null]]);
}
