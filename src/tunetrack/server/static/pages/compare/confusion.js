/** Knows the confusion matrices of compared trials side by side, and the difference of two of them. */

import { Heatmap } from "../../charts/heatmap.js";
import { fill, h } from "../../core/dom.js";
import { number } from "../../core/format.js";
import { difference, inWords, shares } from "./answers.js";

const FIRST = 4; // matrices that are shown before somebody asks for all

/** The section of all matrices; returns `{update(context), end()}`. */
export function confusionSection(host) {
  const [said, box, more] = [h("p", { class: "note", role: "status" }), h("div", { class: "matrices" }), h("div", { class: "controls" })];
  host.append(h("h2", {}, "Confusion matrices"), said, box, more);
  let [charts, asked] = [[], 0];
  const clear = () => {
    charts.forEach((chart) => chart.destroy());
    charts = [];
    fill(more);
  };
  function draw(context, trials, having, count) {
    clear();
    for (const trial of having.slice(0, count)) {
      const chart = new Heatmap(box, { title: `trial ${trial}`, name: `confusion-trial-${trial}` });
      chart.update(matrix(trials[trial]));
      charts.push(chart);
    }
    if (having.length > count) fill(more, h("button", { type: "button", onclick: () => draw(context, trials, having, having.length) }, `Show all ${having.length}`));
  }
  return {
    async update(context) {
      const turn = ++asked;
      said.textContent = "Loading …";
      const { trials = {}, trouble } = await context.ask("/compare/confusion");
      if (turn !== asked) return;
      const having = context.numbers.filter((trial) => trials[trial]);
      said.textContent = trouble || words(context.numbers, having);
      draw(context, trials, having, FIRST);
    },
    end: clear,
  };
}

function words(numbers, having) {
  if (!having.length) return "None of these trials has a confusion matrix: it is written when a trial ends with a look at the validation images.";
  const without = numbers.filter((trial) => !having.includes(trial));
  const start = "Validation images of each true class (rows) by the answer given (columns); colours are shares of the row.";
  return without.length ? `${start} Without a matrix: trial ${without.join(", ")}.` : start;
}

function matrix(confusion) {
  const { classes, counts } = confusion;
  const of = shares(confusion);
  return {
    rows: classes, columns: classes, values: counts, shades: of.map((row) => row.map((share) => (share === null ? null : share / 100))), scale: "sequential", rowTitle: "true class", columnTitle: "answer",
    lines: (y, x) => [`${counts[y][x].toLocaleString("en")} images, ${number(of[y][x], 3)} % of their class`, `true class ${classes[y]}`, `answer ${classes[x]}`],
  };
}

/** The figure of the difference of two trials; returns `{update(context, [a, b]), end()}`. */
export function differenceFigure(host) {
  const said = h("p", { class: "note", role: "status" });
  const box = h("div");
  host.append(box, said);
  let [chart, asked] = [null, 0];
  const clear = () => {
    chart?.destroy();
    chart = null;
  };
  return {
    async update(context, [a, b]) {
      const turn = ++asked;
      const { trials = {}, trouble } = await context.ask("/compare/confusion");
      if (turn !== asked) return;
      clear();
      const [one, other] = [trials[a], trials[b]];
      const values = one && other ? difference(one, other) : null;
      if (!values) {
        said.textContent = trouble || (one && other ? "The two were judged on different classes." : `Trial ${one ? b : a} has no confusion matrix.`);
        return;
      }
      const names = [`trial ${a}`, `trial ${b}`];
      said.textContent = inWords(one, other, names);
      chart = new Heatmap(box, {
        title: `Confusion of ${names[1]} minus that of ${names[0]}`, name: `confusion-${b}-minus-${a}`,
        note: "Percentage points of each true class. On the diagonal, more is better; beside it, less is.",
      });
      chart.update({ rows: one.classes, columns: one.classes, values, scale: "diverging", rowTitle: "true class", columnTitle: "answer", text: signed });
    },
    end: clear,
  };
}

const signed = (value) => (Math.abs(value) < 0.05 ? "0" : `${value > 0 ? "+" : "−"}${number(Math.abs(value), Math.abs(value) < 10 ? 2 : 3)}`);
