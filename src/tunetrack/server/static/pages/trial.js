/** Knows the page of one trial. */

import { badge } from "../charts/legend.js";
import { bestOf, followStudy, searchedPaths } from "../core/about.js";
import { fill, h } from "../core/dom.js";
import { follow, SourceError } from "../core/source.js";
import { studyPath, tabs } from "../core/tabs.js";
import { target } from "../core/view.js";
import { confusionSection } from "./trial/confusion.js";
import { curvesSection } from "./trial/curves.js";
import { config, files, numbers, outcome, reproduce, searched, tiles } from "./trial/facts.js";
import { layers } from "./trial/layers.js";
import { weightsSection } from "./trial/weights.js";

/** The page; see app.js. */
export function trialPage(host, { id, number, crumbs }) {
  const [trouble, body] = [h("div", { "aria-live": "polite" }), h("div", {}, h("p", { class: "meta" }, "Loading …"))];
  fill(host, trouble, body);
  let [page, study, answer, paths, shown] = [null, null, null, null, ""];
  crumbs([["study", studyPath(id)], ["trials", studyPath(id, "/trials")], [`trial ${number}`, null]]);
  function show() {
    if (study === null || answer === null || paths === null) return;
    // Other trials change the version and the list of studies, too; this page is drawn again only for what it shows.
    const whole = { ...answer, version: null, study: known(study, number), searched: paths };
    const text = JSON.stringify(whole);
    if (text === shown) return;
    shown = text;
    crumbs([[study.name, studyPath(id)], ["trials", studyPath(id, "/trials")], [`trial ${number}`, null]]);
    page ??= build(body);
    page.update(whole);
  }
  const onTrouble = (error) => {
    if (error && page === null) fill(body);
    fill(trouble, error && h("p", { class: "trouble", role: "alert" }, error.message, " ", h("a", { href: target(studyPath(id, "/trials")) }, "All trials of the study")));
  };
  searchedPaths(id).then((found) => ((paths = found), show()), (error) => (error instanceof SourceError ? onTrouble(error) : Promise.reject(error)));
  const ends = [
    followStudy(id, (entry) => ((study = entry), show()), onTrouble),
    follow(`/studies/${encodeURIComponent(id)}/trials/${number}`, {}, (data) => ((answer = data), show()), onTrouble, 5),
  ];
  return () => ends.forEach((end) => end());
}

/** What this page shows of its study. */
function known(study, number) {
  const { id, name, objectives, trials, winner } = study;
  const count = Object.values(trials).reduce((sum, each) => sum + each, 0);
  return { id, name, objectives, best: bestOf(study) === number && (winner?.study === id ? "winner" : "best"), previous: number > 0 ? number - 1 : null, next: number + 1 < count ? number + 1 : null };
}

function build(host) {
  const [head, facts, cards, low] = [h("div"), h("div"), h("div", { class: "grid" }), h("div", { class: "piled" })];
  const section = () => h("section");
  const [curves, weights, confusion] = [section(), section(), section()];
  fill(host, head, facts, cards, curves, weights, confusion, h("h2", {}, "Model, configuration and files"), low);
  const sections = [curvesSection(curves), weightsSection(weights), confusionSection(confusion)];
  return {
    update(answer) {
      fill(head, heading(answer), tabs(answer.study.id, "", [answer.trial.number]));
      fill(facts, outcome(answer), tiles(answer));
      fill(cards, card("Searched parameters", searched(answer)), card("Make it again", reproduce(answer)));
      for (const each of sections) each.update(answer);
      fill(low, card("Configuration", config(answer)), card("Layers of the model", layers(answer)), card("All metrics, last values", numbers(answer)), card("Files", files(answer)));
    },
  };
}

const card = (title, ...inside) => h("section", { class: "card" }, h("h3", {}, title), inside);

function heading({ trial, study }) {
  const way = (other, text, words) => other !== null && h("a", { class: "button", href: target(studyPath(study.id, `/trials/${other}`)), "aria-label": `${words} trial, ${other}` }, text);
  return h(
    "div",
    { class: "heading" },
    h("h1", {}, `Trial ${trial.number}`),
    badge(trial.state),
    study.best && h("span", { class: "star" }, `★ ${study.best} of the study`),
    h("span", { class: "meta" }, trial.name),
    h("span", { class: "ways" }, way(study.previous, `‹ ${study.previous}`, "previous"), way(study.next, `${study.next} ›`, "next")),
  );
}
