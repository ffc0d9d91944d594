/** Knows how a few named amounts are drawn: one bar a row, with the interval that it may lie in. */

import { Chart, textWidth, wrapped } from "../core/chart.js";
import { s } from "../core/dom.js";

const ROW = 28;

/**
 * Data: `{bars: [{key, name, value, low?, high?, text, color?, faint?, lines}], least?}`; values from 0 on.
 * `onpick(key)` is called for a bar; `least` is a value that the axis reaches at any rate.
 */
export class Bars extends Chart {
  constructor(host, options) {
    super(host, { height: (_, data) => 14 + data.bars.length * ROW, ...options });
  }

  draw(svg, width) {
    const { bars, least = 0 } = this.data;
    const names = Math.min(0.45 * width, Math.max(...bars.map((bar) => textWidth(bar.name))) + 14);
    const texts = Math.max(...bars.map((bar) => textWidth(bar.text))) + 14;
    const most = Math.max(least, ...bars.map((bar) => Math.max(bar.value, bar.high ?? 0))) || 1;
    const across = (value) => names + (Math.max(0, value) / most) * (width - names - texts);
    bars.forEach((bar, index) => this._bar(svg, bar, 8 + index * ROW, names, across));
    svg.append(s("line", { class: "zero", x1: names, x2: names, y1: 4, y2: 8 + bars.length * ROW }));
  }

  _bar(svg, bar, top, names, across) {
    const middle = top + ROW / 2 - 3;
    const lines = wrapped(bar.name, names - 10).slice(0, 2);
    lines.forEach((line, place) => {
      svg.append(s("text", { class: "name", x: names - 8, y: middle + 4 + (place - (lines.length - 1) / 2) * 12, "text-anchor": "end" }, line));
    });
    const color = `var(${bar.color ?? "--accent"})`;
    svg.append(s("rect", { class: bar.faint ? "bar faint" : "bar", x: names, y: top + 3, width: Math.max(0.5, across(bar.value) - names), height: ROW - 12, fill: color, stroke: color }));
    let end = across(bar.value);
    if (bar.low !== undefined && bar.low !== null) {
      const [low, high] = [across(bar.low), across(bar.high)];
      svg.append(s("path", { class: "spread", d: `M${low} ${middle}H${high}M${low} ${middle - 4}v8M${high} ${middle - 4}v8` }));
      end = Math.max(end, high);
    }
    svg.append(s("text", { x: end + 7, y: middle + 4 }, bar.text));
    this.points.push({ x: across(bar.value), y: middle, trial: bar.key, lines: bar.lines });
  }

  /** The row under the pointer, however far its bar reaches. */
  _nearest(event) {
    const row = Math.floor((event.clientY - this.svg.getBoundingClientRect().top - 8) / ROW);
    return row >= 0 && row < this.points.length ? row : -1;
  }
}
