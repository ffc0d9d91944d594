/** Knows the layers of a trial's model: as they were stored, or else as the weight statistics name them. */

import { h } from "../../core/dom.js";
import { cell, number } from "../../core/format.js";
import { Table } from "../../core/table.js";

const COLUMNS = [
  { key: "layer", head: "layer", cell: ({ layer }) => layer },
  { key: "kind", head: "kind", cell: ({ kind }) => kind },
  { key: "shape", head: "shape", cell: ({ shape }) => cell(Array.isArray(shape) ? shape.join(" × ") : shape) },
  { key: "parameters", head: "parameters", numeric: true, cell: ({ parameters }) => cell(parameters) },
];

/** The table, and a sentence on the whole model. */
export function layers({ model, weights }) {
  const rows = model?.layers?.length ? stored(model) : weights ? recorded(weights) : [];
  const whole = [model && `${cell(model.parameters)} parameters`, model?.flops && `${number(model.flops, 3)} floating point operations an image`].filter(Boolean);
  const words = whole.length > 0 && h("p", { class: "note" }, `${whole.join(", ")}.`);
  if (!rows.length) return [h("p", { class: "note" }, "Neither a table of layers nor weight statistics were stored with this trial."), words];
  const box = h("div", { class: "low" });
  const shapes = rows.some(({ shape }) => shape !== null);
  new Table(box, { caption: "Layers of the model", key: ({ layer }) => layer }).update({ columns: COLUMNS.filter(({ key }) => shapes || key !== "shape"), rows });
  return [box, words];
}

const stored = (model) => model.layers.map(([layer, kind, shape, parameters]) => ({ layer, kind, shape, parameters }));

function recorded({ tensors }) {
  const found = new Map();
  for (const { layer, kind, size } of tensors) {
    const before = found.get(layer);
    found.set(layer, { layer, kind: before ? `${before.kind}, ${kind}` : kind, shape: null, parameters: (before?.parameters ?? 0) + size });
  }
  return [...found.values()];
}
