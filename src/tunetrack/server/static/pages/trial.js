/** Knows the page of one trial. */

import { badge } from "../charts/legend.js";
import { fill, h } from "../core/dom.js";
import { follow } from "../core/source.js";
import { studyPath, tabs } from "../core/tabs.js";
import { target } from "../core/view.js";
import { confusionSection } from "./trial/confusion.js";
import { curvesSection } from "./trial/curves.js";
import { config, files, layers, numbers, outcome, reproduce, searched, tiles } from "./trial/facts.js";
import { weightsSection } from "./trial/weights.js";

/** The page; see app.js. */
export function trialPage(host, { id, number, crumbs }) {
  const [trouble, body] = [h("div", { "aria-live": "polite" }), h("div")];
  fill(host, trouble, body);
  let [page, shown] = [null, ""];
  crumbs([["study", studyPath(id)], ["trials", studyPath(id, "/trials")], [`trial ${number}`, null]]);
  function show(answer) {
    const { version, ...rest } = answer; // of the study: other trials change it too
    const text = JSON.stringify(rest);
    if (text === shown) return;
    shown = text;
    crumbs([[answer.study.name, studyPath(id)], ["trials", studyPath(id, "/trials")], [`trial ${number}`, null]]);
    page ??= build(body);
    page.update(answer);
  }
  const onTrouble = (error) => fill(trouble, error && h("p", { class: "trouble", role: "alert" }, error.message, " ", h("a", { href: target(studyPath(id, "/trials")) }, "All trials of the study")));
  return follow(`/studies/${encodeURIComponent(id)}/trials/${number}`, {}, show, onTrouble, 5);
}

function build(host) {
  const [head, facts, cards, low] = [h("div"), h("div"), h("div", { class: "grid" }), h("div", { class: "piled" })];
  const section = () => h("section");
  const [curves, weights, confusion] = [section(), section(), section()];
  fill(host, head, facts, cards, curves, weights, confusion, h("h2", {}, "Model, configuration and files"), low);
  const sections = [curvesSection(curves), weightsSection(weights), confusionSection(confusion)];
  return {
    update(answer) {
      fill(head, heading(answer), tabs(answer.study.id, ""));
      fill(facts, outcome(answer), tiles(answer));
      fill(cards, card("Searched parameters", searched(answer)), card("Make it again", reproduce(answer)));
      for (const each of sections) each.update(answer);
      fill(low, card("Configuration", config(answer)), card("Layers of the model", layers(answer)), card("All metrics, last values", numbers(answer)), card("Files", files(answer)));
    },
  };
}

const card = (title, ...inside) => h("section", { class: "card" }, h("h3", {}, title), inside);

function heading({ trial, study, best, neighbours }) {
  const way = (other, text, words) => other !== null && other !== undefined && h("a", { class: "button", href: target(studyPath(study.id, `/trials/${other}`)), "aria-label": `${words} trial, ${other}` }, text);
  return h(
    "div",
    { class: "heading" },
    h("h1", {}, `Trial ${trial.number}`),
    badge(trial.state),
    best && h("span", { class: "star" }, "★ best of the study"),
    h("span", { class: "meta" }, trial.name),
    h("span", { class: "ways" }, way(neighbours?.previous, `‹ ${neighbours?.previous}`, "previous"), way(neighbours?.next, `${neighbours?.next} ›`, "next")),
  );
}
