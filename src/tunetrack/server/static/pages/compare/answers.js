/** Knows how two trials' answers to the same images are compared; nothing is drawn here. */

/** Shares of each true class in per cent, row by row; null where a class has no images. */
export function shares({ counts }) {
  return counts.map((row) => {
    const images = row.reduce((sum, count) => sum + count, 0);
    return row.map((count) => (images ? (100 * count) / images : null));
  });
}

/** Shares of `b` minus shares of `a`, in percentage points; null where the classes are not the same. */
export function difference(a, b) {
  if (JSON.stringify(a.classes) !== JSON.stringify(b.classes)) return null;
  const [before, after] = [shares(a), shares(b)];
  return after.map((row, at) => row.map((share, column) => (share === null || before[at][column] === null ? null : share - before[at][column])));
}

/** A sentence about the classes that two trials treat most differently. */
export function inWords(a, b, names) {
  const gaps = a.classes.map((name, at) => ({ name, gap: b.counts[at][at] - a.counts[at][at] })).filter(({ gap }) => gap);
  if (!gaps.length) return "Both get as many images of every class right.";
  gaps.sort((one, other) => Math.abs(other.gap) - Math.abs(one.gap));
  const said = gaps.slice(0, 3).map(({ name, gap }) => `${name}: ${gap > 0 ? names[1] : names[0]} by ${Math.abs(gap).toLocaleString("en")}`);
  return `Who gets more images right, by class: ${said.join("; ")}.`;
}

/** How often both, one or none of two trials are right, as a sentence. */
export function countWords({ both_right: both, only_a: a, only_b: b, both_wrong: none }, names) {
  const text = (count) => count.toLocaleString("en");
  return `Of ${text(both + a + b + none)} validation images both get ${text(both)} right and ${text(none)} wrong; only ${names[0]} gets ${text(a)} right, only ${names[1]} ${text(b)}.`;
}
