/** Knows how curves over epochs or layers are drawn: one line a trial, told apart by colour and dashes, named at its end. */

import { Chart, cut, textWidth } from "../core/chart.js";
import { s } from "../core/dom.js";
import { outline as shape, paint as stateLook, series } from "../core/marks.js";
import { fitted } from "../core/scale.js";

/**
 * Data: `{x: {title, log, whole, numeric, choices}, y: {…}, lines: [{name, trial, xs, ys, color?, dash?, faint?, strength?,
 * ended?, lines?(index)}],
 * domain?: {x: [low, high], y: [low, high]}}`. A null in `ys` is a gap. `domain` puts several figures on the same axes.
 * `whole`: ticks at whole numbers only, such as epochs; `strength` in (0, 1] makes a line paler.
 * `ended` is the state of a trial that did not come to its end: its mark stands where the curve stops.
 */
export class Lines extends Chart {
  draw(svg, width, height) {
    const { x, y, lines, domain = {} } = this.data;
    const [top, bottom] = [24, height - (x.title ? 42 : 26)];
    const down = fitted(domain.y ?? lines.flatMap((line) => line.ys), [bottom, top], y);
    const left = this.roomLeft(down, top, bottom);
    const names = lines.length <= 12 ? Math.min(130, Math.max(0, ...lines.map((line) => textWidth(line.name))) + 10) : 10;
    const box = { left, top, right: width - names, bottom };
    const across = fitted(domain.x ?? lines.flatMap((line) => line.xs), [box.left, box.right], { ...x, pad: x.pad ?? 0.01 });
    this.yAxis(svg, down, box, y.title);
    this.xAxis(svg, across, box, x.title);
    const ends = [];
    lines.forEach((line, index) => {
      const paint = series(index);
      const color = line.color ?? paint.color;
      const places = line.ys.map((value, at) => (value === null || value === undefined ? null : [across(line.xs[at]), down(value)]));
      const d = outline(places);
      if (!d) return;
      svg.append(s("path", { class: line.faint ? "curve faint" : lines.length > 12 ? "curve thin" : "curve", d, stroke: color, "stroke-dasharray": line.dash ?? paint.dash, "stroke-opacity": line.strength, "data-trial": line.trial }));
      places.forEach((place, at) => {
        if (place === null) return;
        const said = line.lines?.(at) ?? [line.name, `${x.title} ${across.text(line.xs[at])}`, `${y.title} ${down.text(line.ys[at])}`];
        this.points.push({ x: place[0], y: place[1], trial: line.trial, lines: said });
      });
      const last = places.findLast((place) => place !== null);
      if (line.ended) svg.append(s("path", { class: "marks", d: shape(line.ended, last[0], last[1], 5), ...stateLook(line.ended) }));
      if (names > 10) ends.push({ y: last[1], x: last[0], name: line.name, color });
    });
    nameEnds(svg, ends, box, names);
  }
}

function outline(places) {
  let [text, pen] = ["", "M"];
  places.forEach((place, at) => {
    if (place === null) {
      pen = "M";
      return;
    }
    const alone = pen === "M" && (places[at + 1] ?? null) === null; // a line of one point would not be seen
    text += `${pen}${(place[0] - (alone ? 2 : 0)).toFixed(1)} ${place[1].toFixed(1)}${alone ? "h4" : ""}`;
    pen = "L";
  });
  return text;
}

/** Names at the right, moved apart where lines end close together. */
function nameEnds(svg, ends, box, room) {
  ends.sort((one, other) => one.y - other.y);
  let free = -Infinity;
  for (const end of ends) {
    end.at = Math.max(end.y, free);
    free = end.at + 14;
  }
  const over = (ends.at(-1)?.at ?? 0) - box.bottom;
  if (over > 0) ends.forEach((end) => (end.at -= over));
  for (const { at, y, x, name, color } of ends) {
    svg.append(
      s("path", { class: "leader", d: `M${x.toFixed(1)} ${y.toFixed(1)}L${box.right + 4} ${at.toFixed(1)}`, stroke: color }),
      s("text", { class: "end", x: box.right + 7, y: at + 4, fill: color }, cut(name, room - 8)),
    );
  }
}
