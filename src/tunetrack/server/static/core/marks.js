/** Knows how the states of trials look: each has a colour and a shape of its own, so that neither is needed alone. */

/** In the order of legends. `color` names a variable of style.css. */
export const STATES = {
  COMPLETE: { word: "complete", color: "--complete", filled: true, shape: circle },
  PRUNED: { word: "pruned", color: "--pruned", filled: false, shape: triangleDown },
  DUPLICATE: { word: "duplicate", color: "--duplicate", filled: false, shape: diamond },
  RUNNING: { word: "running", color: "--running", filled: false, shape: triangleRight },
  FAILED: { word: "failed", color: "--failed", filled: false, shape: cross },
  INFEASIBLE: { word: "infeasible", color: "--infeasible", filled: false, shape: square },
  KILLED: { word: "killed", color: "--killed", filled: false, shape: plus },
};

/** How a state is drawn; one that this version does not know looks like KILLED. */
export const look = (state) => STATES[state] ?? { ...STATES.KILLED, word: String(state).toLowerCase() };

/** The outline of a state's mark as SVG path data, `r` pixels around (x, y). Many of them make one path. */
export const outline = (state, x, y, r = 4) => look(state).shape(x, y, r);

/** Attributes of a path that holds outlines of one state. */
export function paint(state) {
  const { color, filled } = look(state);
  return { fill: filled ? `var(${color})` : "none", stroke: `var(${color})`, "stroke-width": filled ? 0.75 : 1.5 };
}

/** Names of the variables of style.css for lines that are told apart, in order; they come again after the last. */
export const SERIES = ["--series-1", "--series-2", "--series-3", "--series-4", "--series-5", "--series-6", "--series-7", "--series-8"];
/** Dashes that go with them, so that the ninth line does not look like the first; no two of 56 are alike. */
const DASHES = ["", "7 3", "2 3", "9 3 2 3", "1 4", "14 4", "5 2 1 2 1 2"];

/** Colour and dashes of the line number `index`. */
export const series = (index) => ({
  color: `var(${SERIES[index % SERIES.length]})`,
  dash: DASHES[Math.floor(index / SERIES.length) % DASHES.length],
});

/**
 * A colour between those of the variables `names` (two or more), at `share` in [0, 1].
 * They are read from the page, so that light and dark give different ones; redraw when the theme changes.
 */
export function ramp(names, element = document.documentElement) {
  const style = getComputedStyle(element);
  const stops = names.map((name) => channels(style.getPropertyValue(name).trim()));
  return (share) => {
    const at = Math.min(1, Math.max(0, share)) * (stops.length - 1);
    const left = Math.min(Math.floor(at), stops.length - 2);
    const mix = stops[left].map((value, index) => Math.round(value + (at - left) * (stops[left + 1][index] - value)));
    return `rgb(${mix.join(",")})`;
  };
}

/** From worst to best, or from little to much. */
export const SEQUENTIAL = ["--seq-1", "--seq-2", "--seq-3", "--seq-4"];
/** From below over none to above. */
export const DIVERGING = ["--div-low", "--div-mid", "--div-high"];

function channels(hex) {
  const digits = hex.replace("#", "");
  return [0, 2, 4].map((place) => parseInt(digits.slice(place, place + 2), 16));
}

const f = (value) => value.toFixed(1);

function circle(x, y, r) {
  return `M${f(x - r)} ${f(y)}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`;
}
function square(x, y, r) {
  const a = r * 0.85;
  return `M${f(x - a)} ${f(y - a)}h${f(2 * a)}v${f(2 * a)}h${f(-2 * a)}z`;
}
function diamond(x, y, r) {
  return `M${f(x)} ${f(y - r)}L${f(x + r)} ${f(y)}L${f(x)} ${f(y + r)}L${f(x - r)} ${f(y)}z`;
}
function triangleDown(x, y, r) {
  return `M${f(x - r)} ${f(y - 0.8 * r)}h${f(2 * r)}L${f(x)} ${f(y + r)}z`;
}
function triangleRight(x, y, r) {
  return `M${f(x - 0.8 * r)} ${f(y - r)}v${f(2 * r)}L${f(x + r)} ${f(y)}z`;
}
function cross(x, y, r) {
  const a = r * 0.85;
  return `M${f(x - a)} ${f(y - a)}l${f(2 * a)} ${f(2 * a)}M${f(x + a)} ${f(y - a)}l${f(-2 * a)} ${f(2 * a)}`;
}
function plus(x, y, r) {
  return `M${f(x - r)} ${f(y)}h${f(2 * r)}M${f(x)} ${f(y - r)}v${f(2 * r)}`;
}
