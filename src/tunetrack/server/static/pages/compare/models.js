/** Knows in which layers the models of compared trials differ. */

import { h } from "../../core/dom.js";
import { cell, plural } from "../../core/format.js";
import { compareGrid } from "./grid.js";

/** The section of models; returns `{update(context)}`. */
export function modelsSection(host) {
  const [said, table] = [h("p", { class: "note", role: "status" }), h("div", { class: "card" })];
  host.append(h("h2", {}, "Models"), said, table);
  const grid = compareGrid(table, "comparison-models");
  let asked = 0;
  return {
    async update(context) {
      const turn = ++asked;
      said.textContent = "Loading …";
      const { trials = {}, trouble } = await context.ask("/compare/models");
      if (turn !== asked) return;
      const shown = context.payload.trials.filter((row) => trials[row.number]?.layers);
      const models = shown.map((row) => trials[row.number]);
      const rows = differences(models);
      said.textContent = trouble || words(context.numbers, shown, models, rows);
      table.hidden = !rows.length;
      if (rows.length) grid.update({ ...context, trials: shown }, [{ name: "parameters of the model", values: models.map(({ parameters }) => parameters) }, ...rows], false);
    },
  };
}

function words(numbers, shown, models, rows) {
  if (!shown.length) return "None of these trials has stored its layers: those of older versions did not, and those that were not trained do not.";
  const without = numbers.filter((number) => !shown.some((row) => row.number === number));
  const rest = without.length ? ` Without layers: trial ${without.join(", ")}.` : "";
  if (!rows.length) return `${shown.length > 1 ? "All these models have the same layers." : ""}${rest}`.trim();
  const all = order(models).length;
  return `${plural(rows.length, "layer")} of ${all} ${rows.length === 1 ? "differs" : "differ"}: kind, output shape and parameters; a dash means that the model has no such layer.${rest}`;
}

/** Rows of the layers that are not the same in all models, from the input on. */
function differences(models) {
  const known = models.map(({ layers }) => new Map(layers.map(([name, ...about]) => [name, text(about)])));
  return order(models)
    .map((name) => ({ name, values: known.map((layers) => layers.get(name) ?? null) }))
    .filter(({ values }) => new Set(values).size > 1);
}

/** Names of the layers of all models; one that only some have stands after the layer that it follows there. */
function order(models) {
  const names = [];
  for (const { layers } of models) {
    let place = 0;
    for (const [name] of layers) {
      const at = names.indexOf(name);
      if (at < 0) names.splice(place, 0, name);
      place = (at < 0 ? place : at) + 1;
    }
  }
  return names;
}

const text = ([kind, shape, parameters]) => `${kind}${shape.length ? ` ${shape.join(" × ")}` : ", never called"}${parameters ? `, ${cell(parameters)}` : ""}`;
