/** Knows how thousands of lines through parallel axes are painted: on a canvas while one looks, as few SVG paths in files. */

import { s } from "../core/dom.js";
import { ramp, SEQUENTIAL } from "../core/marks.js";

const SHADES = 16;
export const PALEST = 0.2; // the worst still stands out from the paper

/** Lines of one colour: `{color, width, opacity, members}`; the members are places in the arrays of heights. */
export function layers(members, goodness, quiet) {
  const color = ramp(SEQUENTIAL);
  const opacity = members.length > 5000 ? 0.07 : members.length > 2000 ? 0.2 : members.length > 600 ? 0.5 : members.length > 100 ? 0.75 : 0.95;
  const width = members.length > 600 ? 1 : 1.4;
  const bins = Array.from({ length: SHADES }, () => []);
  const rest = [];
  for (const member of members) {
    const share = goodness[member];
    if (share === null) rest.push(member);
    else bins[Math.round(share * (SHADES - 1))].push(member);
  }
  const found = bins.map((bin, index) => ({ color: color(PALEST + (1 - PALEST) * (index / (SHADES - 1))), width, opacity, members: bin }));
  return [{ color: quiet, width: 1, opacity: 0.5 * opacity, dash: [3, 3], members: rest }, ...found].filter((layer) => layer.members.length);
}

/** Lines in one quiet colour. */
export const quietLayer = (members, color) => [{ color, width: 1, opacity: members.length > 300 ? 0.13 : 0.3, members }];

/** At most so many of `members`, spread evenly; the same ones each time. */
export const thinned = (members, most) => (members.length > most ? Array.from({ length: most }, (_, index) => members[Math.floor((index * members.length) / most)]) : members);

/** The same layers with at most so many members each. */
export function pieces(found, most) {
  const cut = ({ members, ...look }) => Array.from({ length: Math.ceil(members.length / most) }, (_, index) => ({ ...look, members: members.slice(index * most, (index + 1) * most) }));
  return found.flatMap(cut);
}

/**
 * @param {CanvasRenderingContext2D} context in pixels of the figure
 * @param {number[]} xs where the axes are
 * @param {Float32Array[]} heights by axis, then by member
 */
export function paintStrands(context, found, xs, heights) {
  context.lineJoin = "bevel";
  for (const { color, width, opacity, dash, members } of found) {
    Object.assign(context, { strokeStyle: color, lineWidth: width, globalAlpha: opacity });
    context.setLineDash(members.length > 300 ? [] : (dash ?? []));
    for (const member of members) {
      context.beginPath();
      context.moveTo(xs[0], heights[0][member]);
      for (let axis = 1; axis < xs.length; axis++) context.lineTo(xs[axis], heights[axis][member]);
      context.stroke();
    }
  }
}

/** The same lines as SVG paths, one a layer. */
export function strandPaths(found, xs, heights) {
  const one = (member) => xs.map((x, axis) => `${axis ? "L" : "M"}${x.toFixed(1)} ${heights[axis][member].toFixed(1)}`).join("");
  return found.map(({ color, width, opacity, members }) =>
    s("path", { d: members.map(one).join(""), fill: "none", stroke: color, "stroke-width": width, opacity }),
  );
}
