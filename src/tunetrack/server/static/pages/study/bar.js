/** Knows what holds for all figures of a study's page: the objective, states that are shown, trials that are picked out. */

import { legend } from "../../charts/legend.js";
import { fill, h } from "../../core/dom.js";
import { plural } from "../../core/format.js";
import { studyPath } from "../../core/tabs.js";
import * as view from "../../core/view.js";
import { button, choice } from "./controls.js";

const MOST = 50; // trials that Compare takes

/** `page.filter(model)` gives the brushes as a filter of the table, or null. */
export function bar(host, page) {
  const objective = choice("objective", "objective", { clears: ["b.objective"] });
  const states = h("div", {});
  const picked = h("div", { class: "picked", role: "status" });
  fill(host, objective.element, states, picked);
  let before = "";
  return {
    show(model) {
      objective.show(model.study.objectives.map(({ metric }, index) => [String(index), metric]), String(model.objective));
      objective.element.hidden = model.study.objectives.length < 2;
      const now = JSON.stringify([model.counts, [...model.hidden]]);
      if (now !== before) {
        const focused = states.contains(document.activeElement) ? document.activeElement.textContent : null;
        fill(states, legend(model.counts, model.hidden, (state) => hide(model, state)));
        [...states.querySelectorAll("button")].find((each) => each.textContent === focused)?.focus();
      }
      before = now;
    },
    pick(model, numbers) {
      if (numbers === null) fill(picked, h("span", { class: "meta" }, "Brush axes below to pick out trials."));
      else fill(picked, h("b", {}, `${numbers.length.toLocaleString("en")} of ${plural(model.visible.length, "trial")}`), " picked out", actions(model, numbers, page));
    },
  };
}

function hide(model, state) {
  const hidden = new Set(model.hidden);
  if (!hidden.delete(state)) hidden.add(state);
  view.set({ hide: [...hidden].join(",") });
}

/** The best of the trials that are picked out, after them those without result. */
function compared(model, numbers) {
  const indices = numbers.map((number) => model.places.get(number));
  const best = model.ranked(indices);
  const rest = indices.filter((index) => model.results[index] === null);
  return [...best, ...rest].slice(0, MOST).map((index) => model.trials.number[index]);
}

function actions(model, numbers, page) {
  if (view.inFile()) return [button("Clear", () => page.clear())]; // what compares any trials, and filters, is a server
  const filter = page.filter(model);
  const compare = () => view.go(studyPath(page.id, `/compare?trials=${compared(model, numbers).join(",")}`));
  const table = () => view.go(studyPath(page.id, `/trials?filter=${encodeURIComponent(filter)}`));
  return [
    button(numbers.length > MOST ? `Compare the best ${MOST}` : "Compare these", compare, { disabled: numbers.length < 2 }),
    button("Show in table", table, { disabled: filter === null, title: filter === null ? "the table's filter has no words for these brushes" : null }),
    button("Clear", () => page.clear()),
  ];
}
