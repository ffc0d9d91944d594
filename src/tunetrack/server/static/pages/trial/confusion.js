/** Knows the confusion matrix of one trial. */

import { Heatmap } from "../../charts/heatmap.js";
import { h } from "../../core/dom.js";
import { percent, plural } from "../../core/format.js";

const NAMED = 3; // mistakes that are said in words

/** The section; returns `{update(answer)}`. */
export function confusionSection(host) {
  const box = h("div");
  host.append(h("h2", {}, "Confusion matrix"), box);
  let chart = null;
  return {
    update({ confusion }) {
      const empty = "There is no confusion matrix: it is written when a trial ends with a look at the validation images.";
      chart ??= new Heatmap(box, { title: "True class and answer", name: "confusion", empty: (data) => (data.rows.length ? "" : empty), describe: () => (confusion ? inWords(confusion) : empty) });
      chart.note = confusion ? `${inWords(confusion)} Colours: share of the true class.` : "";
      chart.update(confusion ? matrix(confusion) : { rows: [], columns: [], values: [] });
    },
  };
}

function matrix({ classes, counts }) {
  const totals = counts.map((row) => row.reduce((sum, count) => sum + count, 0));
  return {
    rows: classes, columns: classes, values: counts, scale: "sequential", rowTitle: "true", columnTitle: "answer",
    // By the square root, since the few mistakes are what one looks for.
    shades: counts.map((row, y) => row.map((count) => Math.sqrt(count / (totals[y] || 1)))),
    text: (count) => (count ? count.toLocaleString("en") : ""), // zeros would only hide the mistakes
    lines: (y, x) => [`${plural(counts[y][x], "image")}, ${percent(counts[y][x] / (totals[y] || 1), 1)} of the class`, `true class ${classes[y]}`, `answer ${classes[x]}`],
  };
}

function inWords({ classes, counts }) {
  const all = counts.flat().reduce((sum, count) => sum + count, 0);
  const right = counts.reduce((sum, row, at) => sum + row[at], 0);
  const wrong = counts.flatMap((row, y) => row.map((count, x) => ({ count, y, x }))).filter(({ count, y, x }) => y !== x && count > 0);
  wrong.sort((one, other) => other.count - one.count);
  const worst = wrong.slice(0, NAMED).map(({ count, y, x }) => `${classes[y]} taken for ${classes[x]} (${count.toLocaleString("en")})`);
  return `${right.toLocaleString("en")} of ${plural(all, "image")} right${worst.length ? `; most often wrong: ${worst.join(", ")}` : ""}.`;
}
