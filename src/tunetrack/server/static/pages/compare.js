/** Knows the page on which two to fifty trials of a study stand side by side. */

import { fill, h } from "../core/dom.js";
import { plural } from "../core/format.js";
import { follow, load, SourceError } from "../core/source.js";
import { studyPath, tabs } from "../core/tabs.js";
import { go, inFile, numbers as listed, set, target } from "../core/view.js";
import { best, FEWEST, MOST, subset, typed } from "./compare/chosen.js";
import { confusionSection } from "./compare/confusion.js";
import { curvesSection } from "./compare/curves.js";
import { compareLegend, emphasise, looks } from "./compare/legend.js";
import { modelsSection } from "./compare/models.js";
import { pairSection } from "./compare/pair.js";
import { metricsSection, settingsSection } from "./compare/settings.js";
import { weightsSection } from "./compare/weights.js";

const USUAL = 5; // trials that are compared where the address names none

/** @param {Element} host @param {{id: string, crumbs: Function}} page @returns {() => void} */
export function comparePage(host, page) {
  const comparison = new Comparison(host, page);
  return () => comparison.end();
}

class Comparison {
  constructor(host, { id, crumbs }) {
    Object.assign(this, { host, id, crumbs, path: `/studies/${encodeURIComponent(id)}`, study: null, sections: null, turn: 0 });
    this.trouble = h("p", { class: "trouble", role: "alert", hidden: true });
    this.body = h("div", { class: "comparison" });
    fill(host, this.trouble, this.body);
    crumbs([["study", studyPath(id)], ["compare", null]]);
    this.stop = follow(this.path, {}, (study) => this._onStudy(study), (error) => this._say(error?.message ?? ""));
  }

  end() {
    this.turn = -1;
    this.stop();
    this.sections?.forEach((section) => section.end?.());
  }

  _say(text) {
    this.trouble.textContent = text;
    this.trouble.hidden = !text;
  }

  async _onStudy(study) {
    const first = this.study === null;
    this.study = study;
    if (first) {
      this.crumbs([[study.study.name, studyPath(this.id)], ["compare", null]]);
      this._frame();
      await this._show();
    } else if (this.context?.payload.trials.some((row) => row.state === "RUNNING")) await this._show(true);
  }

  _frame() {
    const { study } = this.study;
    this.chooser = chooser((numbers) => this._choose(numbers), this.study);
    this.tabs = h("div");
    this.legend = h("div", { class: "legend-bar" });
    this.lead = h("p", { class: "note", role: "status" });
    this.rest = h("div");
    fill(this.body, h("div", { class: "heading" }, h("h1", {}, `Trials of ${study.name}`)), this.tabs, this.chooser.element, this.lead, this.legend, this.rest);
  }

  _choose(numbers) {
    set({ trials: numbers.join(","), pair: null }, true);
    this._show();
  }

  /** Loads and shows the trials that the address names; `live`: only what changes while a trial runs. */
  async _show(live = false) {
    const turn = ++this.turn;
    const numbers = this._numbers();
    this.chooser.show(numbers);
    fill(this.tabs, tabs(this.id, "compare", numbers));
    if (numbers.length < FEWEST) return this._nothing(numbers);
    try {
      const whole = await load(`${this.path}/compare`, { trials: numbers.join(",") });
      if (turn === this.turn) this._fill(subset(whole, numbers), live);
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      if (turn === this.turn) this._say(error.message);
    }
  }

  _numbers() {
    const wanted = [...new Set(listed("trials"))].slice(0, MOST);
    if (wanted.length) return wanted;
    return inFile() ? window.TUNETRACK.compared : best(this.study, USUAL);
  }

  _nothing(numbers) {
    this._clear();
    const count = this.study.trials.number.length;
    this.lead.textContent = numbers.length
      ? "A comparison needs two trials or more: type another number above."
      : `The study has ${plural(count, "trial")}, and fewer than two of them have finished; type the numbers of two trials above.`;
  }

  _clear() {
    this.sections?.forEach((section) => section.end?.());
    this.sections = null;
    fill(this.legend);
    fill(this.rest);
  }

  _fill(payload, live) {
    this._say("");
    if (payload.trials.length < FEWEST) {
      this._clear();
      this.lead.textContent = missingWords(payload.missing);
      return;
    }
    const numbers = payload.trials.map((row) => row.number);
    this.lead.textContent = payload.missing.length ? missingWords(payload.missing) : "";
    this.context = {
      path: this.path, study: this.study, payload, numbers, looks: looks(numbers),
      stand: (number) => emphasise(this.host, number),
      pick: (number) => go(studyPath(this.id, `/trials/${number}`)),
      ask: (what, query) => this._ask(what, query, numbers),
    };
    if (!this.sections) this._build();
    const due = live ? this.sections.filter((section) => section.live) : this.sections;
    for (const section of due) section.update(this.context);
  }

  _build() {
    const place = () => {
      const element = h("section");
      this.rest.append(element);
      return element;
    };
    const live = (section) => Object.assign(section, { live: true });
    this.sections = [
      live(compareLegend(this.legend, (number) => this._choose(this.context.numbers.filter((other) => other !== number)))),
      live(settingsSection(place())), live(curvesSection(place())), modelsSection(place()), weightsSection(place()),
      confusionSection(place()), pairSection(place()), live(metricsSection(place())),
    ];
  }

  /** What a section needs beside the comparison itself; `{trouble}` where it cannot be had. */
  async _ask(what, query, numbers) {
    try {
      return await load(this.path + what, query ?? { trials: numbers.join(",") });
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      return { trouble: `${error.message}.` };
    }
  }
}

function missingWords(missing) {
  const names = `trial ${missing.slice(0, 12).join(", ")}${missing.length > 12 ? ", …" : ""}`;
  return inFile()
    ? `This file does not hold the comparison of ${names}: open the study on its tracking server for it.`
    : `The study has no ${names}.`;
}

/** The line in which trials are chosen. */
function chooser(onChosen, study) {
  const known = new Set(study.trials.number);
  const said = h("span", { class: "wrong", role: "alert" });
  // No form: a frame that shows a file may forbid forms.
  const input = h("input", { type: "text", size: 28, placeholder: "3, 7, 12-15", spellcheck: "false", autocomplete: "off", onkeydown: (event) => event.key === "Enter" && send() });
  const count = h("input", { type: "number", min: FEWEST, max: MOST, value: USUAL, "aria-label": "how many of the best" });
  const send = () => {
    const { numbers, trouble } = typed(input.value, known);
    said.textContent = trouble;
    if (!trouble) onChosen(numbers);
  };
  const take = () => {
    const wanted = Math.min(MOST, Math.max(FEWEST, Math.round(Number(count.value)) || USUAL));
    said.textContent = "";
    onChosen(best(study, wanted));
  };
  const element = h(
    "div",
    { class: "controls chooser", role: "group", "aria-label": "which trials" },
    h("label", {}, "Trials", input), h("button", { type: "button", class: "primary", onclick: send }, "Compare"),
    h("span", { class: "or" }, "or"), h("label", {}, "the best", count), h("button", { type: "button", onclick: take }, "Take them"),
    h("a", { href: target(studyPath(study.study.id, "/trials")) }, "choose in the table"), said,
  );
  return { element, show: (numbers) => (input.value = numbers.join(", ")) };
}
