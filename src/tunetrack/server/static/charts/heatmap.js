/** Knows how a matrix of numbers looks: confusion matrices and their differences, one statistic by layer and epoch. */

import { Chart, cut, textWidth } from "../core/chart.js";
import { s } from "../core/dom.js";
import { number } from "../core/format.js";
import { DIVERGING, ramp, SEQUENTIAL } from "../core/marks.js";
import { extent } from "../core/scale.js";

const LEVELS = 32; // colours that are told apart; the cells of each make one path
const [TOP, BESIDE] = [26, 64]; // pixels above the cells without their heads, and at the right for the scale
const LEAST = 26; // pixels of a cell that has room for its number

/**
 * Data: `{rows: [label], columns: [label], values: [[number|null]] by row, scale: "sequential" | "diverging",
 * rowTitle, columnTitle, shades?: [[0…1|null]], domain?: [low, high], log?: boolean, unit?, text?(value), lines?(row, column)}`.
 * `shades` colours the cells instead of the values, such as shares of a row; `lines` is what the hover says. The middle of
 * "diverging" is 0. `domain` gives several figures the same colours.
 */
export class Heatmap extends Chart {
  constructor(host, options) {
    super(host, { height: (width, data) => layout(width, data).height, rows: table, ...options });
  }

  draw(svg, width, height) {
    const { data } = this;
    const place = layout(width, data);
    const tone = toneOf(data);
    const color = ramp(data.scale === "diverging" ? DIVERGING : SEQUENTIAL);
    const paths = Array.from({ length: LEVELS }, () => "");
    const texts = s("g", { class: "cell-text" });
    this.perRow = data.columns.length;
    data.rows.forEach((row, y) => {
      data.columns.forEach((column, x) => {
        const value = data.values[y][x];
        const [left, right, top, bottom] = [place.x(x), place.x(x + 1), place.y(y), place.y(y + 1)];
        const share = tone(value, y, x);
        if (share !== null) paths[level(share)] += `M${left} ${top}H${right}V${bottom}H${left}z`;
        if (place.numbers && value !== null) texts.append(s("text", { x: (left + right) / 2, y: (top + bottom) / 2 + 4, "text-anchor": "middle", style: `fill:${inkOn(color(share ?? 0))}` }, textOf(data, value)));
        this.points.push({ x: (left + right) / 2, y: (top + bottom) / 2, lines: this._lines(row, column, y, x) });
      });
    });
    paths.forEach((d, index) => d && svg.append(s("path", { d, fill: color(index / (LEVELS - 1)), "shape-rendering": "crispEdges" })));
    svg.append(texts, heads(data, place, height), bar(data, place, width, color));
  }

  _lines(row, column, y, x) {
    const { lines, rowTitle, columnTitle, values, unit = "" } = this.data;
    return lines?.(y, x) ?? [`${textOf(this.data, values[y][x])} ${unit}`, `${rowTitle ?? "row"} ${row}`, `${columnTitle ?? "column"} ${column}`];
  }
}

const f = (value) => value.toFixed(1);
const level = (share) => Math.round(Math.min(1, Math.max(0, share)) * (LEVELS - 1));
const textOf = ({ text = (value) => number(value, 3) }, value) => (value === null || value === undefined ? "–" : text(value));

function layout(width, data) {
  const left = Math.min(width * 0.35, Math.max(34, textWidth(data.rowTitle ?? "") + 22, ...data.rows.map((label) => textWidth(label) + 14)));
  const wide = Math.min(data.most ?? 64, (width - left - BESIDE) / Math.max(1, data.columns.length));
  const tall = Math.max(data.rows.length > 40 ? 6 : 18, Math.min(wide, 40, 560 / data.rows.length));
  const widest = Math.max(...data.columns.map((label) => textWidth(label)));
  const turned = widest > wide - 4 && thinning(data.columns, wide) === 1;
  const top = TOP + (turned ? Math.min(110, widest * 0.72 + 6) : 16);
  const longest = Math.max(...data.values.flat().map((value) => textWidth(textOf(data, value))));
  const numbers = wide >= Math.max(LEAST, longest + 2) && tall >= 16;
  const foot = data.columnTitle ? 8 : 4;
  // Whole pixels, so that no paper shines through between two cells.
  const [x, y] = [(column) => Math.round(left + column * wide), (row) => Math.round(top + row * tall)];
  return { left, top, wide, tall, x, y, turned, numbers, bottom: top + tall * data.rows.length, height: top + tall * data.rows.length + foot };
}

/** Where cells are too narrow for every label, each so-many-th is shown. */
const thinning = (labels, size) => Math.max(1, Math.ceil(14 / size));

/** Turns a value into a share of the colours, null for none. */
function toneOf({ values, shades, scale, domain, log }) {
  if (shades) return (_, y, x) => shades[y][x];
  const known = values.flat().filter((value) => value !== null && value !== undefined && (!log || value > 0));
  const [low, high] = domain ?? (known.length ? extent(known) : [0, 1]);
  if (scale === "diverging") {
    const most = Math.max(Math.abs(low), Math.abs(high)) || 1;
    return (value) => (value === null || value === undefined ? null : 0.5 + value / most / 2);
  }
  const at = log ? Math.log10 : (value) => value;
  const span = at(high) - at(low) || 1;
  return (value) => (value === null || value === undefined || (log && value <= 0) ? null : (at(value) - at(low)) / span);
}

function heads({ rows, columns, rowTitle, columnTitle }, place, height) {
  const group = s("g", { class: "axis" });
  const [everyRow, everyColumn] = [thinning(rows, place.tall), thinning(columns, place.wide)];
  rows.forEach((label, y) => {
    if (y % everyRow) return;
    group.append(s("text", { x: place.left - 6, y: f(place.top + (y + 0.5) * place.tall + 4), "text-anchor": "end" }, cut(label, place.left - 8), s("title", {}, label)));
  });
  columns.forEach((label, x) => {
    if (x % everyColumn) return;
    const [across, down] = [f(place.left + (x + 0.5) * place.wide + (place.turned ? 3 : 0)), f(place.top - 6)];
    const way = place.turned ? { transform: `rotate(-45 ${across} ${down})` } : { "text-anchor": "middle" };
    const shown = place.turned ? cut(label, 140) : everyColumn > 1 && textWidth(label) > place.wide * everyColumn ? "" : label;
    group.append(s("text", { x: across, y: down, ...way }, shown, s("title", {}, label)));
  });
  if (rowTitle) group.append(s("text", { class: "name", x: 4, y: place.top - 8 }, cut(`${rowTitle} ↓`, place.left)));
  if (columnTitle) group.append(s("text", { class: "name", x: place.left, y: 12 }, `${columnTitle} →`));
  return group;
}

/** The scale of colours with its ends, at the right. */
function bar(data, place, width, color) {
  const left = place.left + place.wide * data.columns.length + 10;
  const [top, tall] = [place.top, Math.min(120, place.bottom - place.top)];
  const group = s("g", { class: "axis" });
  for (let step = 0; step < LEVELS; step++) {
    group.append(s("rect", { x: left, y: f(top + (tall * step) / LEVELS), width: 10, height: f(tall / LEVELS + 0.5), fill: color(1 - step / (LEVELS - 1)) }));
  }
  const [low, high] = ends(data);
  group.append(s("text", { x: left + 14, y: top + 9 }, high), s("text", { x: left + 14, y: f(top + tall) }, low));
  return group;
}

function ends({ values, shades, scale, domain, log, text, shadeText = (share) => `${Math.round(100 * share)} %` }) {
  if (shades) return [shadeText(0), shadeText(1)];
  const known = values.flat().filter((value) => value !== null && value !== undefined && (!log || value > 0));
  const [low, high] = domain ?? (known.length ? extent(known) : [0, 1]);
  const say = text ?? ((value) => number(value, 2));
  if (scale !== "diverging") return [say(low), say(high)];
  const most = Math.max(Math.abs(low), Math.abs(high)) || 1;
  return [say(-most), say(most)];
}

/** Black or white, whichever can be read on the colour: by its relative luminance (WCAG 2, "relative luminance"). */
function inkOn(rgb) {
  const [red, green, blue] = rgb.match(/\d+/g).map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#10161c" : "#ffffff";
}

function table({ rows, columns, values, rowTitle = "", columnTitle = "" }) {
  return [[[rowTitle, columnTitle].filter(Boolean).join(" \\ "), ...columns], ...rows.map((label, y) => [label, ...values[y]])];
}
