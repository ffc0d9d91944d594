/** Knows what trials say about the ground between them: a smoothed field that ends where there are no trials. */

const NEAR = 1.5; // standard deviations

/**
 * A Gaussian mean of values over a grid (Nadaraya-Watson). Along labels nothing is smoothed.
 * @param {{x: number, y: number, value: number}[]} points x and y in cells, from 0
 * @param {{columns: number, rows: number, wideX: number, wideY: number}} grid `wide`: standard deviation in cells,
 *   0 for labels
 * @returns {(number|null)[]} by row and column; null further than NEAR standard deviations from every trial
 */
export function field(points, { columns, rows, wideX, wideY }) {
  const sums = new Float64Array(columns * rows);
  const counts = new Float64Array(columns * rows);
  const near = new Uint8Array(columns * rows);
  for (const { x, y, value } of points) {
    const [column, row] = [Math.min(columns - 1, Math.floor(x)), Math.min(rows - 1, Math.floor(y))];
    const cell = row * columns + column;
    sums[cell] += value;
    counts[cell] += 1;
    if (counts[cell] === 1) surround(near, column, row, { columns, rows, wideX, wideY });
  }
  const [one, other] = [sums, counts].map((cells) => blurred(blurred(cells, columns, rows, wideX, 1, columns), rows, columns, wideY, columns, 1));
  return Array.from(one, (sum, cell) => (near[cell] ? sum / other[cell] : null));
}

/** Marks the cells near one of them. */
function surround(near, column, row, { columns, rows, wideX, wideY }) {
  const [reachX, reachY] = [Math.ceil(NEAR * wideX), Math.ceil(NEAR * wideY)];
  for (let down = -reachY; down <= reachY; down++) {
    const to = row + down;
    if (to < 0 || to >= rows) continue;
    const most = Math.floor(reachX * Math.sqrt(1 - (down / (reachY + 0.5)) ** 2));
    near.fill(1, to * columns + Math.max(0, column - most), to * columns + Math.min(columns - 1, column + most) + 1);
  }
}

/** Cells weighted with a Gaussian of height 1 along one direction: `length` cells `step` apart, in `lanes` lanes. */
function blurred(cells, length, lanes, wide, step, between) {
  if (!wide) return cells;
  const reach = Math.ceil(3 * wide);
  const weights = Array.from({ length: reach + 1 }, (_, distance) => Math.exp(-0.5 * (distance / wide) ** 2));
  const out = new Float64Array(cells.length);
  for (let lane = 0; lane < lanes; lane++) {
    for (let place = 0; place < length; place++) {
      const amount = cells[lane * between + place * step];
      if (!amount) continue;
      const last = Math.min(length - 1, place + reach);
      for (let to = Math.max(0, place - reach); to <= last; to++) out[lane * between + to * step] += amount * weights[Math.abs(to - place)];
    }
  }
  return out;
}
