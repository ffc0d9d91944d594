/** Knows which stretch of values is worth its place on an axis: a few far ones shall not flatten the rest. */

import { extent } from "./scale.js";

/**
 * The stretch between the best value and the outer fence of the others, three times the distance of the quartiles
 * beyond the quartile (Tukey, Exploratory Data Analysis, 1977). The best values are never left out.
 * @param {number[]} values
 * @param {boolean|null} maximize whether large values are good; null where neither end is
 * @returns {{low: number, high: number, outside: number}} `outside`: how many values lie beyond it
 */
export function usefulWindow(values, maximize) {
  const sorted = values.filter((value) => value !== null && value !== undefined).sort((one, other) => one - other);
  if (!sorted.length) return { low: 0, high: 1, outside: 0 };
  let [low, high] = extent(sorted);
  const [first, third] = [quantile(sorted, 0.25), quantile(sorted, 0.75)];
  const reach = 3 * (third - first);
  if (reach > 0) {
    const floor = first - reach;
    const ceiling = third + reach;
    if (maximize !== false) low = sorted.find((value) => value >= floor);
    if (maximize !== true) high = sorted.findLast((value) => value <= ceiling);
  }
  return { low, high, outside: sorted.filter((value) => value < low || value > high).length };
}

function quantile(sorted, share) {
  const at = share * (sorted.length - 1);
  const left = Math.floor(at);
  return sorted[left] + (at - left) * ((sorted[left + 1] ?? sorted[left]) - sorted[left]);
}
