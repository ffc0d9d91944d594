/** Knows what the reviewer has found in a study: findings by weight, with evidence and advice. */

import { fill, h } from "../../core/dom.js";
import { studyPath } from "../../core/tabs.js";
import { inFile, target } from "../../core/view.js";

const AT_ONCE = ["high", "medium"]; // the others are folded where these have something to say
const TRIALS = 12;

/** The section of the review in `host`; hidden where nobody has looked. */
export function review(host) {
  const body = h("div", { class: "findings card" });
  host.append(body);
  return {
    show({ payload, study }) {
      const { review: found, review_words: words } = payload;
      host.hidden = !found;
      if (!found) return;
      const first = found.findings.filter(({ severity }) => AT_ONCE.includes(severity));
      const rest = found.findings.filter(({ severity }) => !AT_ONCE.includes(severity));
      const opened = [...body.querySelectorAll("details[open]")].map((each) => each.dataset.name);
      const folded = (name, summary, ...inside) => h("details", { class: "help", "data-name": name, open: opened.includes(name) }, h("summary", {}, summary), inside);
      fill(
        body,
        h("p", { class: "strong" }, words),
        first.map((each) => finding(each, study.id)),
        rest.length > 0 && folded("rest", `${rest.length} of less weight`, rest.map((each) => finding(each, study.id))),
        found.guessed.map((guess) => h("p", { class: "note" }, guess)),
        found.checked.length > 0 && folded("checked", `What was looked for: ${found.checked.length} rules`, checked(found)),
      );
    },
  };
}

function finding({ severity, title, evidence, advice, trials }, id) {
  return h(
    "div",
    { class: `finding is-${severity}` },
    h("h3", {}, h("span", { class: "weight" }, severity), " ", title),
    evidence && h("p", {}, evidence),
    advice && h("p", { class: "advice" }, advice),
    trials.length > 0 && h("p", { class: "note" }, trials.length === 1 ? "Trial " : "Trials ", trials.slice(0, TRIALS).map((trial, index) => [index ? ", " : "", link(trial, id)]), trials.length > TRIALS && ` and ${trials.length - TRIALS} more`),
  );
}

const link = (trial, id) => (inFile() ? trial : h("a", { href: target(studyPath(id, `/trials/${trial}`)) }, trial));

function checked({ checked: rules, findings }) {
  const outcome = ({ rule, skipped }) => {
    if (skipped !== null) return `not applied: ${skipped}`;
    const count = findings.filter((each) => each.rule === rule).length;
    return count ? `${count} found` : "nothing found";
  };
  return h("dl", { class: "pairs" }, rules.map((rule) => [h("dt", {}, rule.title), h("dd", {}, outcome(rule))]));
}
