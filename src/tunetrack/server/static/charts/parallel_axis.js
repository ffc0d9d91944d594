/** Knows an axis of parallel coordinates: how it looks, and how it is brushed with pointer and keys. */

import { wrapped } from "../core/chart.js";
import { fill, s } from "../core/dom.js";
import { number } from "../core/format.js";
import { brushAt, brushWords, stretches } from "./brush.js";

const CLICK = 4; // pixels that a pointer may move and still click
const EDGE = 7; // pixels from the end of a brush within which the end is meant

/** The axis as an element of the figure `chart`. */
export function axisGroup(chart, axis) {
  const { top, bottom, none, step } = chart.box;
  const group = s("g", {
    class: "axis-group", tabindex: 0, role: "slider", "data-path": axis.path, "aria-valuemin": 0, "aria-valuemax": chart.data.indices.length,
    onkeydown: (event) => onKey(chart, axis, event), onpointerdown: (event) => onDown(chart, axis, group, event), onclick: (event) => event.stopPropagation(),
  });
  const heads = axis.head.map((line, place) => s("text", { class: "name", x: axis.x, y: top - 10 - 14 * (axis.head.length - 1 - place), "text-anchor": "middle" }, line));
  group.append(
    s("rect", { class: "grip", x: axis.x - 16, y: top - 6, width: 32, height: none - top + 20 }),
    s("line", { class: "stem", x1: axis.x, x2: axis.x, y1: top, y2: bottom }),
    ...heads,
    ...ticks(axis, bottom - top, step),
  );
  if (axis.lacking) {
    group.append(
      s("line", { class: "stem short", x1: axis.x - 9, x2: axis.x + 9, y1: none, y2: none }),
      s("text", { class: "tick", x: axis.x, y: none + 15, "text-anchor": "middle" }, axis.missing),
    );
  }
  group.append(s("g", { class: "brushes" }));
  return group;
}

/** Shows the brush of an axis, and says it. */
export function showBrush(chart, axis, group) {
  const brush = chart.brushes.get(axis.path);
  const shapes = brush ? stretches(axis.scale, brush).map(([from, to]) => s("rect", { class: "brush", x: axis.x - 9, y: from, width: 18, height: Math.max(2, to - from) })) : [];
  if (brush?.none) shapes.push(s("rect", { class: "brush", x: axis.x - 11, y: chart.box.none - 7, width: 22, height: 14 }));
  fill(group.querySelector(".brushes"), shapes);
  const count = chart.picked?.length ?? 0;
  const words = brush ? `brushed: ${brushWords(brush, axis.missing, (value) => number(value))}` : "not brushed";
  group.setAttribute("aria-label", axis.title);
  group.setAttribute("aria-valuenow", count);
  group.setAttribute("aria-valuetext", `${words}; ${count} of ${chart.data.indices.length} trials`);
}

function ticks(axis, length, step) {
  const { scale } = axis;
  const found = [];
  for (const tick of scale.ticks(Math.max(3, Math.floor(length / 42)))) {
    const y = scale(tick);
    const lines = scale.kind === "band" ? wrapped(scale.text(tick), Math.max(60, step - 16)) : [scale.text(tick)];
    found.push(s("line", { class: "stem", x1: axis.x - 3, x2: axis.x + 3, y1: y, y2: y }));
    lines.forEach((line, place) => found.push(s("text", { class: "tick", x: axis.x + 7, y: y + 4 + 13 * (place - (lines.length - 1) / 2) }, line)));
  }
  return found;
}

function onDown(chart, axis, group, event) {
  if (event.button) return;
  event.preventDefault();
  group.focus({ preventScroll: true });
  const place = (moved) => moved.clientY - chart.svg.getBoundingClientRect().top;
  const start = place(event);
  const before = chart.brushes.get(axis.path);
  const held = before ? stretches(axis.scale, before) : [];
  const hold = held.find(([from, to]) => start >= from - EDGE && start <= to + EDGE);
  let moved = false;
  const move = (each) => {
    if (!moved && Math.abs(place(each) - start) < CLICK) return;
    moved = true;
    schedule(chart, () => chart.brush(axis.path, brushAt(axis.scale, ...dragged(chart, hold, start, place(each))), false));
  };
  const over = (each) => {
    for (const [name, listener] of Object.entries({ pointermove: move, pointerup: over, pointercancel: over })) group.removeEventListener(name, listener);
    schedule(chart, null);
    if (moved) chart.brush(axis.path, chart.brushes.get(axis.path) ? brushAt(axis.scale, ...dragged(chart, hold, start, place(each))) : null, true);
    else chart.brush(axis.path, clicked(chart, axis, start, before), true);
    chart.dragged = false;
  };
  chart.dragged = true;
  group.setPointerCapture(event.pointerId);
  for (const [name, listener] of Object.entries({ pointermove: move, pointerup: over, pointercancel: over })) group.addEventListener(name, listener);
}

/** One brush step a frame, however often the pointer is heard. */
function schedule(chart, action) {
  cancelAnimationFrame(chart.frame);
  chart.frame = action ? requestAnimationFrame(action) : undefined;
}

/** The stretch that a drag from `start` to `now` leaves: a new one, an old one with an end moved, or moved whole. */
function dragged(chart, hold, start, now) {
  const { top, bottom } = chart.box;
  const held = (pixel) => Math.min(bottom, Math.max(top, pixel));
  if (!hold) return [held(start), held(now)];
  if (Math.abs(start - hold[0]) <= EDGE) return [held(now), hold[1] - 1];
  if (Math.abs(start - hold[1]) <= EDGE) return [hold[0] + 1, held(now)];
  const by = Math.min(bottom - hold[1], Math.max(top - hold[0], now - start));
  return [hold[0] + by + 1, hold[1] + by - 1];
}

/** A click takes a brush away; on a label it picks the label, below the axis those without a value. */
function clicked(chart, axis, y, before) {
  if (axis.lacking && y > (chart.box.bottom + chart.box.none) / 2) return before?.none ? null : { none: true };
  if (axis.scale.kind !== "band" || y < chart.box.top || y > chart.box.bottom) return null;
  const label = axis.scale.invert(y);
  const labels = before?.labels ?? [];
  const rest = labels.includes(label) ? labels.filter((each) => each !== label) : [...labels, label];
  return rest.length ? { labels: rest } : null;
}

function onKey(chart, axis, event) {
  const before = chart.brushes.get(axis.path);
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "ArrowLeft" || event.key === "ArrowRight") chart.options.onmove?.(axis.path, event.key === "ArrowLeft" ? -1 : 1);
  else if (event.key === "ArrowUp" || event.key === "ArrowDown") chart.brush(axis.path, stepped(chart, axis, before, event.key === "ArrowUp" ? -1 : 1, event.shiftKey), true);
  else if (["Delete", "Backspace", "Escape"].includes(event.key)) chart.brush(axis.path, null, true);
  else if (event.key.toLowerCase() === "n" && axis.lacking) chart.brush(axis.path, before?.none ? null : { none: true }, true);
  else return;
  event.preventDefault();
  event.stopPropagation();
}

/** Up and down move a brush, with Shift its upper end; where there is none, they begin one at that end of the axis. */
function stepped(chart, axis, before, by, end) {
  const { top, bottom } = chart.box;
  const { scale } = axis;
  const one = scale.kind === "band" ? scale.step : (bottom - top) / 20;
  const now = before ? stretches(scale, before) : [];
  if (!now.length) return by < 0 ? brushAt(scale, top, top + Math.max(one, (bottom - top) / 4) - 1) : brushAt(scale, bottom - Math.max(one, (bottom - top) / 4) + 1, bottom);
  const inset = scale.kind === "band" ? scale.step * 0.4 : 1;
  const [from, to] = [now[0][0] + inset, now.at(-1)[1] - inset];
  if (end) return brushAt(scale, Math.min(to - (scale.kind === "band" ? 0 : one / 2), Math.max(top, from + by * one)), to);
  const shift = by < 0 ? Math.max(-one, top - from + (scale.kind === "band" ? scale.step * 0.5 : 0)) : Math.min(one, bottom - to - (scale.kind === "band" ? scale.step * 0.5 : 0));
  return brushAt(scale, from + shift, to + shift);
}

