/** Knows what a brush on an axis picks out, and how it is written into an address. */

/**
 * A brush is `{low, high}` (numbers, both ends inside), `{labels: [text, …]}` or `{none: true}`, which picks trials
 * that have no value on the axis.
 */
export function matches(brush, value) {
  if (value === null || value === undefined) return brush.none === true;
  if (brush.labels) return brush.labels.includes(String(value));
  return brush.low !== undefined && value >= brush.low && value <= brush.high;
}

/** Those of `indices` that all brushes pick out; all of them where there is no brush. */
export function pickedBy(brushes, axes, indices) {
  const active = axes.filter((axis) => brushes.has(axis.path)).map((axis) => [brushes.get(axis.path), axis.values]);
  return active.length ? indices.filter((index) => active.every(([brush, values]) => matches(brush, values[index]))) : indices;
}

/** The brush as text, such as "0.001:0.1", "=adam|sgd" or "none". */
export function brushText(brush) {
  if (brush.none) return "none";
  if (brush.labels) return `=${brush.labels.map(encodeURIComponent).join("|")}`;
  return `${brush.low}:${brush.high}`;
}

/** The brush that a text means, or null for one that means none. */
export function brushFrom(text) {
  if (text === "none") return { none: true };
  if (text.startsWith("=")) {
    try {
      return { labels: text.slice(1).split("|").map(decodeURIComponent) };
    } catch (error) {
      if (!(error instanceof URIError)) throw error;
      return null;
    }
  }
  const ends = text.split(":").map(Number);
  return ends.length === 2 && ends.every(Number.isFinite) ? { low: Math.min(...ends), high: Math.max(...ends) } : null;
}

/**
 * The brush in the words of the table's filter, as a list of terms; null where these have no words for it.
 * @param {string} name as the filter calls the axis
 * @param {object} brush
 * @param {string[]} labels all that occur
 */
export function filterTerms(name, brush, labels) {
  if (brush.none) return [`${name} = none`];
  const quoted = (label) => `"${label.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;
  if (!brush.labels) return [`${name} >= ${brush.low}`, `${name} <= ${brush.high}`];
  if (brush.labels.length === 1) return [`${name} = ${quoted(brush.labels[0])}`];
  // There is no "or": all others are ruled out, and then those that have no value (what has one contains an empty text).
  return [...labels.filter((label) => !brush.labels.includes(label)).map((label) => `${name} != ${quoted(label)}`), `${name} ~ ""`];
}

/** What a brush picks, in words. */
export function brushWords(brush, missing, text = String) {
  if (brush.none) return missing;
  return brush.labels ? brush.labels.join(", ") : `${text(brush.low)} to ${text(brush.high)}`;
}

/** The brush that a stretch of pixels on an axis means. */
export function brushAt(scale, one, other) {
  const [top, bottom] = [Math.min(one, other), Math.max(one, other)];
  if (scale.kind === "band") {
    const inside = scale.domain.filter((label) => scale(label) >= top && scale(label) <= bottom);
    return { labels: inside.length ? inside : [scale.invert((top + bottom) / 2)] };
  }
  const ends = [scale.invert(top), scale.invert(bottom)].map((value) => Number(value.toPrecision(4)));
  return { low: Math.min(...ends), high: Math.max(...ends) };
}

/** Where a brush lies on an axis: stretches of pixels, [[top, bottom], …]. */
export function stretches(scale, brush) {
  const [top, bottom] = [Math.min(...scale.range), Math.max(...scale.range)];
  const held = (pixel) => Math.min(bottom, Math.max(top, pixel));
  if (brush.labels) {
    const known = brush.labels.filter((label) => scale.kind === "band" && scale(label) !== undefined);
    return known.map((label) => [scale(label) - scale.step * 0.48, scale(label) + scale.step * 0.48]).sort((one, other) => one[0] - other[0]);
  }
  if (brush.none || scale.kind === "band") return [];
  const place = (value) => (scale.kind === "log" && value <= 0 ? scale.range[0] : scale(value));
  const ends = [held(place(brush.low)), held(place(brush.high))].sort((one, other) => one - other);
  return [[ends[0] - 1, ends[1] + 1]];
}
