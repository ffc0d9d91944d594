/** Knows how numbers, times and states read. */

/** A number with so many significant digits; very large and very small ones with an exponent. */
export function number(value, digits = 4) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (typeof value !== "number") return String(value);
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3) {
    const [mantissa, exponent] = value.toExponential(digits - 1).split("e");
    return `${Number(mantissa)}e${Number(exponent)}`;
  }
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return String(Number(value.toPrecision(digits)));
}

/** A value of an objective with its trailing zeros, so that those of a column can be compared digit by digit. */
export function objectiveText(value) {
  const size = Math.abs(value ?? 0);
  return size >= 1e-3 && size < 1e4 ? value.toPrecision(size < 1 ? 4 : 5) : number(value, 5);
}

/** A share in [0, 1] as per cent. */
export const percent = (share, digits = 0) => (share === null || share === undefined ? "–" : `${(100 * share).toFixed(digits)} %`);

/** Seconds as "850 ms", "12 s", "3 min 20 s", "5 h 10 min", "2 d 3 h". */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
  if (seconds < 1) return `${Math.round(1000 * seconds)} ms`;
  if (seconds < 60) return `${number(seconds, seconds < 10 ? 2 : 3)} s`;
  const whole = Math.round(seconds);
  const parts = [
    [Math.floor(whole / 86400), "d"],
    [Math.floor((whole % 86400) / 3600), "h"],
    [Math.floor((whole % 3600) / 60), "min"],
    [whole % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ");
}

/** Milliseconds since 1970 as local date and time. */
export function moment(ms) {
  if (ms === null || ms === undefined) return "–";
  const at = new Date(ms);
  const two = (part) => String(part).padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** "1 trial", "3 trials". */
export const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

/** The last part of a dotted path, with the part before it where that alone says nothing. */
export function shortName(path) {
  const parts = path.split(".");
  const last = parts.at(-1);
  return ["name", "type", "kind"].includes(last) && parts.length > 1 ? parts.at(-2) : last;
}

/** What a cell of a table or a line of a tooltip shows: whole numbers with all their digits. */
export function cell(value) {
  if (value === null || value === undefined) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e12) return value.toLocaleString("en");
  return typeof value === "number" ? number(value) : String(value);
}
