/** Knows the tools above and below the table of trials: filter, states, columns, pages. */

import { mark } from "../../charts/legend.js";
import { fill, h } from "../../core/dom.js";
import { look, STATES } from "../../core/marks.js";

const SIZES = [25, 50, 100, 500];

/** Buttons that show the trials of one state only, with their numbers. */
export function stateChips(states, current, onchoose) {
  const chip = (state, inside) => h("button", { type: "button", class: "badge", "aria-pressed": String(current === state), onclick: () => onchoose(current === state ? "" : state) }, inside);
  const all = Object.values(states).reduce((sum, count) => sum + count, 0);
  const order = [...Object.keys(STATES), ...Object.keys(states).filter((state) => !(state in STATES))];
  return [
    chip("", `all ${all.toLocaleString("en")}`),
    order.filter((state) => states[state] || state === current).map((state) => chip(state, [mark(state), `${look(state).word} ${(states[state] ?? 0).toLocaleString("en")}`])),
  ];
}

/** A menu of all columns; `onchoose(keys)` gets those that shall be shown. */
export function columnMenu(all, shown, onchoose, open) {
  const box = ({ key, head, hint }) => {
    const input = h("input", { type: "checkbox", disabled: key === "number", "data-column": key, onchange: () => onchoose(all.map((column) => column.key).filter((other) => (other === key ? input.checked : shown.includes(other)))) });
    input.checked = shown.includes(key);
    return h("label", { title: hint }, input, head);
  };
  const groups = [...new Set(all.map((column) => column.group))];
  const menu = h(
    "details",
    { class: "menu", open, onkeydown: (event) => event.key === "Escape" && close(menu) },
    h("summary", {}, `Columns (${shown.length} of ${all.length})`),
    h("div", { class: "choices" }, groups.map((group) => h("fieldset", {}, h("legend", {}, group), all.filter((column) => column.group === group).map(box))), h("button", { type: "button", onclick: () => onchoose(null) }, "As at first")),
  );
  return menu;
}

function close(menu) {
  menu.open = false;
  menu.querySelector("summary").focus();
}

/** "1 to 50 of 4,321 trials" with buttons to the other pages. */
export function pager(host, { page, size, matched, total }, onpage, onsize) {
  const focused = host.contains(document.activeElement) ? document.activeElement.dataset.page : undefined;
  const last = Math.max(0, Math.ceil(matched / size) - 1);
  const button = (key, text, label, to) => h("button", { type: "button", "data-page": key, "aria-label": label, disabled: to < 0 || to > last || to === page, onclick: () => onpage(to) }, text);
  const from = matched ? page * size + 1 : 0;
  const of = matched === total ? `${total.toLocaleString("en")} trials` : `${matched.toLocaleString("en")} that match (${total.toLocaleString("en")} in all)`;
  const select = h("select", { "data-page": "size", onchange: () => onsize(Number(select.value)) }, SIZES.map((count) => h("option", { value: count, selected: count === size }, count)));
  fill(
    host,
    button("first", "«", "first page", 0), button("before", "‹", "page before", page - 1),
    h("span", { "aria-live": "polite" }, `${from.toLocaleString("en")} to ${Math.min(matched, (page + 1) * size).toLocaleString("en")} of ${of}`),
    button("next", "›", "next page", page + 1), button("last", "»", "last page", last),
    h("label", {}, "rows", select),
  );
  if (focused) host.querySelector(`[data-page="${focused}"]:not(:disabled)`)?.focus({ preventScroll: true });
}

/** What the filter language is, with examples of this study that a click tries. */
export function filterHelp({ columns, rows }, study, ontry) {
  const like = (kind) => columns.params.map((path) => [path, rows.find((row) => typeof row.params[path] === kind)?.params[path]]).find(([, value]) => value !== undefined);
  const [number, text] = [like("number"), like("string")];
  const examples = [
    ["state = COMPLETE and epochs >= 3", "both must hold"],
    ["value > 0.9", study.objectives.length > 1 ? "the first objective; values.1 is the second" : "the objective"],
    number && [`params.${number[0]} < ${Number(number[1].toPrecision(2))}`, "a parameter, by its whole path"],
    text && [`params.${text[0]} = ${quoted(text[1])}`, "a category"],
    ["value = none", "the trials that have no result; so for every name"],
    ["reason ~ median", "contains this text, in any case"],
    ["health = dead_units", "a rule of weight health that has found something; “ok” where none has"],
  ].filter(Boolean);
  const names = ["number", "state", "reason", "seconds", "epochs", "worker", "health", "value", ...study.objectives.slice(1).map((_, index) => `values.${index + 1}`), "provisional", ...columns.params.map((path) => `params.${path}`), ...columns.metrics.map((name) => `metrics.${name}`)];
  return h(
    "details",
    { class: "help" },
    h("summary", {}, "How to filter"),
    h("p", {}, "NAME OPERATOR VALUE, joined by “and”. Operators: = != < <= > >= and ~ (contains). Put a value with spaces in double quotes."),
    h("dl", {}, examples.map(([example, about]) => [h("dt", {}, h("button", { type: "button", onclick: () => ontry(example) }, h("code", {}, example))), h("dd", { class: "note" }, about)])),
    h("p", { class: "note" }, "Names here: ", names.map((name, index) => [index ? ", " : "", h("code", {}, name)])),
  );
}

const quoted = (text) => (/^[\w.-]+$/.test(text) && text !== "none" ? text : `"${text}"`);
