/** Knows the page of one study: its outcome, its trials in figures, live while it runs. */

import { fill, h } from "../core/dom.js";
import { Selection } from "../core/selection.js";
import { follow } from "../core/source.js";
import { studyPath } from "../core/tabs.js";
import * as view from "../core/view.js";
import { accounts, reach } from "./study/accounts.js";
import { bar } from "./study/bar.js";
import { brushFilter, brushing, brushValues } from "./study/brushing.js";
import { curves } from "./study/curves.js";
import { front } from "./study/front.js";
import { history } from "./study/history.js";
import { importance, interactions } from "./study/matters.js";
import { Model } from "./study/model.js";
import { review } from "./study/review.js";
import { contour, section, slices } from "./study/slices.js";
import { costs, timeline } from "./study/times.js";
import { top } from "./study/top.js";
import { winner } from "./study/winner.js";
import { effects, path, pruning } from "./study/understanding.js";

const REST = 120; // ms without a brush step after which the other figures follow

/** Fills `host` with the page of the study `id`; see app.js. */
export function studyPage(host, { id, crumbs }) {
  const page = new StudyPage(host, id, crumbs);
  return () => page.end();
}

/** What the figures of a page share. */
class StudyPage {
  constructor(host, id, crumbs) {
    Object.assign(this, { id, crumbs, ended: false, selection: new Selection(), brushes: new Map(), numbers: null });
    this.charts = [];
    this.named = new Map();
    this.open = (trial) => view.go(studyPath(id, `/trials/${trial}`));
    this.trouble = h("p", { class: "trouble", role: "alert", hidden: true });
    this.head = h("div", {});
    this.body = h("div", {});
    fill(host, this.trouble, this.head, this.body);
    crumbs([[id, null]]);
    this._unwatch = view.watch(() => this._onView());
    this._unfollow = follow(`/studies/${encodeURIComponent(id)}`, {}, (payload) => this._onData(payload), (error) => this._onTrouble(error));
  }

  end() {
    this.ended = true;
    clearTimeout(this._later);
    this._unwatch();
    this._unfollow();
    for (const chart of this.charts) chart.destroy();
  }

  /** A figure of this page; it ends with the page. */
  add(chart) {
    this.charts.push(chart);
    return chart;
  }

  /** Makes `element` known to `reveal`. */
  name(words, element) {
    this.named.set(words, element);
  }

  /** Brings a figure into sight. */
  reveal(words) {
    const element = this.named.get(words);
    if (!element) return;
    element.scrollIntoView({ block: "center" });
    element.setAttribute("tabindex", -1);
    element.focus({ preventScroll: true });
    element.classList.add("revealed");
    setTimeout(() => element.classList.remove("revealed"), 1500);
  }

  /** Brushes have changed; `final` once they rest. */
  pick(brushes, numbers, final) {
    this.brushed(brushes, numbers, this.model);
    clearTimeout(this._later);
    this._later = setTimeout(() => this._select(), final ? 0 : REST);
    if (final) view.set(brushValues(this.model, brushes));
  }

  /** Takes note of what is brushed. */
  brushed(brushes, numbers, model) {
    Object.assign(this, { brushes, numbers });
    this.parts?.brushing.brushes(brushes.size);
    this.parts?.bar.pick(model, numbers);
  }

  clear() {
    view.set(brushValues(this.model, new Map()));
    this.parts.brushing.again();
    this._select();
  }

  /** The brushes as a filter of the table; null where it has no words for them. */
  filter(model) {
    return brushFilter(model, this.brushes);
  }

  /** The other figures follow the brushes. */
  _select() {
    this.selection.trials = this.numbers;
    top(this.head, this.model, this.numbers);
    for (const chart of this.charts) if (chart.data?.selection) chart.redraw();
    if (view.get("curves") === "picked") this.parts.curves.show(this.model);
  }

  _onData(payload) {
    this.payload = payload;
    this.crumbs([[payload.study.name, null]]);
    this._show();
  }

  _onTrouble(error) {
    this.trouble.hidden = error === null;
    this.trouble.textContent = error ? `${error.message}${this.payload ? "; what you see is the last that it said" : ""}.` : "";
  }

  _onView() {
    if (this.payload && settings() !== this._settings) this._show();
  }

  _show() {
    this._settings = settings();
    this.model = new Model(this.payload);
    this.parts ??= this._build();
    const { brushing: first, ...others } = this.parts;
    first.show(this.model);
    this.selection.trials = this.numbers;
    top(this.head, this.model, this.numbers);
    for (const part of Object.values(others)) part.show(this.model);
  }

  _build() {
    const sure = { winner: winner(hidden(this.body, "The winner"), this), review: review(hidden(this.body, "Review")) };
    const tools = h("div", { class: "page-bar", role: "region", "aria-label": "what the figures show" });
    this.body.append(tools);
    const wide = section(this.body, "How the search went", "stack");
    const parts = { ...sure, bar: bar(tools, this), history: history(wide, this), brushing: brushing(wide, this) };
    const matters = section(this.body, "What matters");
    Object.assign(parts, { importance: importance(matters, this), interactions: interactions(matters, this) });
    parts.effects = effects(section(this.body, "How each parameter acts", "grid small"), this);
    parts.path = path(section(this.body, "What made the best trial better", "stack"), this);
    if (this.payload.study.objectives.length > 1) parts.front = front(section(this.body, "Trade-offs", "stack"), this);
    const each = section(this.body, `${this.model.metric} by parameter`, "grid small");
    parts.slices = slices(each, this);
    parts.contour = contour(section(this.body, "Two parameters", "stack"), this);
    parts.curves = curves(section(this.body, "Learning curves", "stack"), this);
    const time = section(this.body, "Time", "stack");
    Object.assign(parts, { timeline: timeline(time, this), costs: costs(time, this) });
    const cost = section(this.body, "Cost and pruning", "piled");
    Object.assign(parts, { accounts: accounts(cost), reach: reach(cost, this), pruning: pruning(cost, this) });
    return parts;
  }
}

/** A section that shows itself once it has something to say. */
function hidden(host, words) {
  const found = h("section", { hidden: true }, h("h2", {}, words));
  host.append(found);
  return found;
}

/** The address without brushes, which have their own way to the figures. */
function settings() {
  const query = new URLSearchParams(view.place().query);
  for (const key of [...query.keys()]) if (key.startsWith("b.")) query.delete(key);
  return query.toString();
}
