/** Knows in which unit a stretch of time is best counted. */

const UNITS = [["days", 86_400_000], ["hours", 3_600_000], ["minutes", 60_000], ["seconds", 1000]];

/** The largest unit of which a stretch (ms) has at least two: {word, ms}. */
export function clock(stretch) {
  const [word, ms] = UNITS.find(([, size]) => stretch >= 2 * size) ?? UNITS.at(-1);
  return { word, ms };
}
