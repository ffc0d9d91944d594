/** Knows how a table of records looks: heads that sort, rows that are chosen, walked by keys and opened. */

import { fill, h } from "./dom.js";

/**
 * A table. A column is `{key, head, under?, hint?, cell(row), numeric?, long?, sort?}`: `cell` gives text, a node or a list of
 * them; `under` is a smaller line below the head; `sort` is the direction of the first click, "asc" or "desc", and a column without it cannot be sorted by.
 * Arrows up and down walk the rows, the space bar chooses, Enter opens the first link of a row.
 */
export class Table {
  /**
   * @param {Element} host where it is put
   * @param {object} options
   * @param {string} options.caption what it holds, for those who cannot see it
   * @param {(row) => string|number} options.key tells rows apart
   * @param {(by: string, order: string) => void} [options.onsort] without it no head sorts
   * @param {(keys: Set) => void} [options.onchoose] called with all that are chosen; without it there are no boxes
   * @param {(row) => string} [options.name] a row in words, for its box
   * @param {string} [options.kind] further classes: "stacked" makes cards of rows on a narrow page, "tall" scrolls
   */
  constructor(host, options) {
    this.options = { name: (row) => String(options.key(row)), kind: "", ...options };
    this._shown = { columns: [], rows: [], sort: null, chosen: new Set() };
    this._walked = null; // key of the row that Tab stops at
    this.element = h("div", { class: `scroll ${this.options.kind}`, onkeydown: (event) => this._onKey(event) });
    host.append(this.element);
  }

  /**
   * Shows these rows from now on; the focus stays where it was, as far as that is still there.
   * @param {object} shown what has changed of `{columns, rows, sort: {by, order} | null, chosen: Set}`
   */
  update(shown) {
    Object.assign(this._shown, shown);
    const { columns, rows, chosen } = this._shown;
    const focused = this.element.contains(document.activeElement) ? document.activeElement.dataset.place : undefined;
    const keys = rows.map(this.options.key);
    if (!keys.includes(this._walked)) this._walked = keys[0] ?? null;
    fill(
      this.element,
      h(
        "table",
        {},
        h("caption", { class: "unseen" }, this.options.caption),
        h("thead", {}, h("tr", {}, this._chooses() && this._boxOfAll(keys, chosen), columns.map((column) => this._head(column)))),
        h("tbody", {}, rows.map((row) => this._row(row, columns, chosen))),
      ),
    );
    if (focused) this.element.querySelector(`[data-place="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  }

  _chooses() {
    return this.options.onchoose !== undefined;
  }

  _head({ key, head, under, hint, numeric, sort }) {
    const { by, order } = this._shown.sort ?? {};
    const sorted = by === key ? { asc: "ascending", desc: "descending" }[order] : null;
    const other = { asc: "desc", desc: "asc" };
    const onclick = () => this.options.onsort(key, sorted ? other[order] : sort);
    const inside = sort && this.options.onsort ? h("button", { type: "button", onclick, "data-place": `head:${key}` }, head) : head;
    return h("th", { scope: "col", class: numeric ? "n" : null, title: hint, "aria-sort": sorted }, inside, under && h("div", { class: "under" }, under));
  }

  _row(row, columns, chosen) {
    const key = this.options.key(row);
    const picked = chosen.has(key);
    const cells = columns.map(({ cell, head, numeric, long }, index) => {
      const kind = [numeric ? "n" : "", long ? "long" : ""].join(" ").trim() || null;
      const label = typeof head === "string" ? head : null;
      return index ? h("td", { class: kind, "data-head": label }, cell(row)) : h("th", { scope: "row", class: kind }, cell(row));
    });
    return h(
      "tr",
      {
        tabindex: key === this._walked ? 0 : -1, "data-place": `row:${key}`, class: picked ? "chosen" : null,
        onfocus: () => (this._walked = key),
      },
      this._chooses() && this._box(key, picked, this.options.name(row)),
      cells,
    );
  }

  _box(key, picked, name) {
    const onchange = () => this._choose([key], !picked);
    const box = h("input", { type: "checkbox", "aria-label": `choose ${name}`, tabindex: -1, "data-place": `box:${key}`, onchange });
    box.checked = picked;
    return h("td", { class: "box" }, box);
  }

  _boxOfAll(keys, chosen) {
    const all = keys.length > 0 && keys.every((key) => chosen.has(key));
    const box = h("input", { type: "checkbox", "aria-label": "choose all rows of this page", "data-place": "box:", onchange: () => this._choose(keys, !all) });
    box.checked = all;
    box.indeterminate = !all && keys.some((key) => chosen.has(key));
    return h("th", { class: "box" }, box);
  }

  _choose(keys, wanted) {
    const chosen = new Set(this._shown.chosen);
    for (const key of keys) {
      if (wanted) chosen.add(key);
      else chosen.delete(key);
    }
    this.update({ chosen });
    this.options.onchoose(chosen);
  }

  _onKey(event) {
    const row = event.target.closest("tbody tr");
    if (!row) return;
    const to = { ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling, Home: row.parentElement.firstElementChild, End: row.parentElement.lastElementChild }[event.key];
    const onRow = event.target === row;
    if (to && (onRow || event.key.startsWith("Arrow"))) this._walk(row, to);
    else if (onRow && event.key === " ") row.querySelector("input[type=checkbox]")?.click();
    else if (onRow && event.key === "Enter") row.querySelector("a[href]")?.click();
    else return;
    event.preventDefault();
  }

  _walk(from, to) {
    from.tabIndex = -1;
    to.tabIndex = 0;
    to.focus();
  }
}
