/** Knows the page with the table of a study's trials. */

import { followStudy } from "../core/about.js";
import { csvText, fileName, save } from "../core/download.js";
import { fill, h } from "../core/dom.js";
import { address, follow, load } from "../core/source.js";
import { Table } from "../core/table.js";
import { studyPath, tabs } from "../core/tabs.js";
import { get, inFile, numbers, set, target } from "../core/view.js";
import { columnsOf, shownKeys } from "./trials/columns.js";
import { localPage } from "./trials/local.js";
import { columnMenu, filterHelp, pager, stateChips } from "./trials/tools.js";

const MOST = 50; // trials that Compare takes

/** The page; see app.js. */
export function trialsPage(host, context) {
  const page = new TrialsPage(host, context);
  const end = followStudy(context.id, (study) => page.about(study), (error) => page.fail(error));
  return () => {
    end();
    page.end();
  };
}

class TrialsPage {
  constructor(host, { id, crumbs }) {
    Object.assign(this, { id, crumbs, end: () => {}, study: null, answer: null });
    this.path = `/studies/${encodeURIComponent(id)}`;
    this.chosen = new Set(numbers("pick"));
    const live = (tag, kind) => h(tag, { class: kind, "aria-live": "polite" });
    this.head = h("div");
    this.trouble = live("div", null);
    this.chips = h("div", { class: "chips", role: "group", "aria-label": "trials of one state" });
    this.mistake = h("p", { class: "trouble", role: "alert", hidden: true });
    this.help = h("div");
    this.menu = h("div", { class: "last" });
    this.pages = h("div", { class: "chips" });
    this.picked = live("div", "chips last");
    this.below = h("div");
    this.csv = inFile() ? h("button", { type: "button", onclick: () => this.saveCsv() }, "CSV") : h("a", { class: "button", download: "", title: "Download the trials that match" }, "CSV");
    this.table = new Table(this.below, {
      caption: "Trials", kind: "card tall", key: (row) => row.number, name: (row) => `trial ${row.number}`,
      onsort: (by, order) => this.change({ sort: by, order }),
      onchoose: (keys) => this.choose(keys),
    });
    this.below.prepend(h("p", { class: "meta loading" }, "Loading …"));
    fill(host, this.head, this.trouble, h("div", { class: "bar" }, this.search(), this.csv, this.menu), this.mistake, this.help, h("div", { class: "bar" }, this.chips), h("div", { class: "bar" }, this.pages, this.picked), this.below, h("p", { class: "note" }, "Keys in the table: ↑ and ↓ walk the rows, the space bar chooses one, Enter opens it."));
  }

  /** The box of the filter, or why there is none. */
  search() {
    if (inFile()) return h("p", { class: "note" }, "This file sorts and shows single states. The filter language needs the tracking server.");
    this.filter = h("input", { type: "search", class: "filter", placeholder: "state = COMPLETE and value > 0.9", "aria-label": "filter", spellcheck: "false", autocomplete: "off" });
    this.filter.value = get("filter");
    const apply = () => this.filter.value.trim() !== get("filter") && this.change({ filter: this.filter.value.trim() }, true);
    this.filter.addEventListener("change", apply);
    this.filter.addEventListener("search", apply);
    return h("label", { class: "filter" }, "Filter", this.filter);
  }

  /** The study itself is known, or has changed. */
  about(study) {
    const first = this.study === null;
    this.study = study;
    fill(this.chips, stateChips(study.trials, get("state"), (state) => this.change({ state })));
    if (!first) return;
    this.crumbs([[study.name, studyPath(this.id)], ["trials", null]]);
    fill(this.head, h("div", { class: "heading" }, h("h1", {}, study.name)), tabs(this.id, "trials"));
    this.ask();
  }

  /** Other values in the address, from the first page on. */
  change(values, push = false) {
    set({ page: null, ...values }, push);
    this.ask();
  }

  /** What the server is asked, as the address says; the best first where it says nothing. */
  query() {
    const [state, filter] = [get("state"), get("filter")];
    const terms = [state && `state = ${/^[\w-]+$/.test(state) ? state : `"${state.replaceAll('"', "")}"`}`, filter];
    const whole = (key, otherwise) => (/^\d{1,9}$/.test(get(key)) ? Number(get(key)) : otherwise);
    const size = Math.min(500, Math.max(1, whole("size", 50)));
    const order = get("sort") ? get("order") || "asc" : this.study.objectives[0]?.maximize ? "desc" : "asc";
    return { page: whole("page", 0), size, sort: get("sort") || "values.0", order, filter: terms.filter(Boolean).join(" and ") };
  }

  ask() {
    this.end();
    const query = this.query();
    this.below.classList.add("stale");
    fill(this.chips, stateChips(this.study.trials, get("state"), (state) => this.change({ state })));
    const onTrouble = (error) => this.fail(error);
    if (inFile()) this.end = follow(this.path, {}, (payload) => this.show(localPage(payload, { ...query, state: get("state") })), onTrouble);
    else this.end = follow(`${this.path}/trials`, query, (answer) => this.show(answer), onTrouble);
    if (!inFile()) this.csv.href = address(`${this.path}/trials.csv`, { sort: query.sort, order: query.order, filter: query.filter });
  }

  fail(error) {
    const wrong = error?.status === 400;
    this.mistake.hidden = !wrong;
    this.mistake.textContent = wrong ? error.message : "";
    this.filter?.setAttribute("aria-invalid", String(wrong));
    if (error) this.below.querySelector(".loading")?.remove();
    fill(this.trouble, error && !wrong && h("p", { class: "trouble" }, error.message));
    if (wrong && this.answer === null) this.explain();
  }

  /** How to filter, also where the filter of a link is wrong and there are no rows yet. */
  async explain() {
    const answer = this.answer ?? (await load(`${this.path}/trials`, { size: 10 }));
    if (!this.help.firstChild && !inFile()) fill(this.help, filterHelp(answer, this.study, (example) => ((this.filter.value = example), this.change({ filter: example }, true))));
  }

  show(answer) {
    const last = Math.max(0, Math.ceil(answer.matched / answer.size) - 1);
    if (answer.page > last) {
      this.change({ page: last || null });
      return;
    }
    this.fail(null);
    this.below.classList.remove("stale");
    this.below.querySelector(".loading")?.remove();
    this.answer = answer;
    this.columns = columnsOf(answer, this.study);
    this.showColumns();
    pager(this.pages, answer, (page) => this.change({ page: page || null }, true), (size) => this.change({ size: size === 50 ? null : size }));
    this.showPicked();
    this.explain();
  }

  showColumns() {
    const { answer, columns } = this;
    const shown = shownKeys(columns, get("columns"));
    const { sort, order } = this.query();
    this.table.update({ columns: columns.filter((column) => shown.includes(column.key)), rows: answer.rows, chosen: this.chosen, sort: { by: sort, order } });
    const before = this.menu.querySelector("details");
    const at = document.activeElement?.dataset?.column;
    const onchoose = (keys) => {
      set({ columns: keys && keys.join() !== shownKeys(columns, "").join() ? keys.join() : null });
      this.showColumns();
    };
    fill(this.menu, columnMenu(columns, shown, onchoose, before?.open ?? false));
    if (at) this.menu.querySelector(`[data-column="${CSS.escape(at)}"]`)?.focus({ preventScroll: true });
    this.below.querySelector(".nothing")?.remove();
    if (!answer.rows.length) this.below.append(h("p", { class: "nothing card" }, answer.total ? "No trial matches." : "This study has no trial yet."));
  }

  choose(keys) {
    this.chosen = keys;
    set({ pick: [...keys].sort((one, other) => one - other).join() });
    this.showPicked();
  }

  showPicked() {
    const count = this.chosen.size;
    const trials = [...this.chosen].sort((one, other) => one - other);
    const compare = studyPath(this.id, `/compare?trials=${trials.join()}`);
    fill(
      this.picked,
      h("span", { class: "meta" }, count ? `${count} chosen` : "Choose 2 to 50 trials to compare them", count > MOST && `; Compare takes ${MOST}`),
      count >= 2 && count <= MOST && h("a", { class: "button primary", href: target(compare) }, "Compare"),
      count > 0 && h("button", { type: "button", onclick: () => (this.choose(new Set()), this.table.update({ chosen: this.chosen })) }, "Clear"),
    );
  }

  async saveCsv() {
    const payload = await load(this.path);
    const { rows, columns } = localPage(payload, { ...this.query(), state: get("state"), page: 0, size: Infinity });
    const heads = ["number", "state", "reason", "epochs", "seconds", ...payload.study.objectives.map(({ metric }) => metric), ...columns.params.map((path) => `params.${path}`), ...columns.metrics.map((name) => `metrics.${name}`)];
    const cells = rows.map((row) => [row.number, row.state, row.reason, row.epochs, row.seconds, ...row.values, ...columns.params.map((path) => row.params[path]), ...columns.metrics.map((name) => row.metrics[name])]);
    save(fileName(`${payload.study.name}-trials`, "csv"), csvText([heads, ...cells]), "text/csv");
  }
}
