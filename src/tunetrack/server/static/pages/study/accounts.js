/** Knows what a study has cost: by state, in seconds and estimated energy, and until it was near its best. */

import { badge } from "../../charts/legend.js";
import { Bars } from "../../charts/bars.js";
import { fill, h } from "../../core/dom.js";
import { duration, number, percent } from "../../core/format.js";
import { Table } from "../../core/table.js";

/** A table by state with the sums in words. */
export function accounts(host) {
  const said = h("div", {});
  const card = h("div", { class: "card" }, h("h3", {}, "Accounts"), said);
  host.append(card);
  const table = new Table(card, { caption: "Cost of trials by state", key: (row) => row.state });
  return {
    show(model) {
      const { cost } = model.payload;
      fill(said, cost.words.map((sentence) => h("p", { class: "note" }, sentence)));
      const columns = [
        { key: "state", head: "state", cell: (row) => badge(row.state) },
        { key: "trials", head: "trials", numeric: true, cell: (row) => row.trials.toLocaleString("en") },
        { key: "seconds", head: "device time", numeric: true, cell: (row) => duration(row.seconds) },
        { key: "share", head: "share", numeric: true, cell: (row) => percent(cost.device_seconds > 0 ? row.seconds / cost.device_seconds : null) },
        { key: "energy", head: "energy, est.", numeric: true, cell: (row) => energy(row.kwh) },
      ];
      table.update({ columns, rows: cost.rows });
    },
  };
}

/** How much time it took to come near the best. */
export function reach(host, page) {
  const chart = page.add(
    new Bars(host, {
      title: "What the last bit cost", name: `${page.id}-reach`, onpick: page.open,
      empty: ({ bars }) => (bars.length ? "" : "This needs a single objective and a trial with a result."),
      describe: ({ bars }) => bars.map((bar) => `${bar.name} after ${bar.text}`).join(", "),
      rows: ({ found }) => [["reached", "first trial", "device seconds until then", "device seconds after it"], ...found.map((row) => [row.name, row.trial, row.seconds, row.after])],
    }),
  );
  return {
    show(model) {
      const { reach: found, reach_words: words, device_seconds: whole } = model.payload.cost;
      chart.note = words ? `Device time of all trials that had ended when the first one was as near to the best. ${words}` : "";
      const bars = found.map((row) => ({
        key: row.trial, name: row.name, value: row.seconds, text: `${duration(row.seconds)}${whole > 0 ? ` (${percent(row.seconds / whole)})` : ""}`,
        lines: [row.name, `trial ${row.trial}, after ${duration(row.seconds)}`, `${duration(row.after)} came after it`],
      }));
      chart.update({ bars, found, least: whole });
    },
  };
}

const energy = (kwh) => (kwh === null ? "–" : kwh >= 1 ? `${number(kwh, 3)} kWh` : `${number(1000 * kwh, 2)} Wh`);
