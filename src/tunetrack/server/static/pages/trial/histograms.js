/** Knows a trial's histograms of weights: of one tensor, or of all tensors of a kind that have the same ends. */

const KINDS = { kernel: "all kernels", bias: "all biases", gamma: "all scales of norms (gamma)", beta: "all shifts of norms (beta)" };

/** [[key, words]] of what can be shown: kinds of more than one tensor first, then every tensor. */
export function histogramChoices(weights) {
  const kinds = Object.entries(KINDS).filter(([kind]) => ofKind(weights, kind).length > 1).map(([kind, words]) => [`kind:${kind}`, words]);
  return [...kinds, ...weights.tensors.map(({ name }) => [name, name])];
}

/**
 * The histograms of one choice.
 * @returns {{rows: {epoch: number, counts: number[]}[], low: number, high: number, relative: boolean, outside: number,
 *   leftOut: number}} `relative`: the axis is in initial root mean squares; `outside`: share that lies beyond the ends at
 *   the last record; `leftOut`: tensors of the kind whose histograms have other ends
 */
export function histogram(weights, choice) {
  const kind = choice.startsWith("kind:") ? choice.slice(5) : null;
  const candidates = kind ? ofKind(weights, kind) : weights.tensors.flatMap(({ name }, at) => (name === choice ? [at] : []));
  const members = kind ? largestGroup(weights, candidates) : candidates;
  const { epochs, counts: stored, low, high, unit } = weights.histogram; // the ends by tensor
  const [first] = members;
  const relative = kind !== null && unit[first] !== 1;
  const scale = relative ? unit[first] : 1;
  const added = stored.map((tensors) => sum(members.map((at) => tensors[at])));
  const last = added.at(-1);
  const total = last.reduce((all, count) => all + count, 0) || 1;
  return {
    rows: added.map((counts, index) => ({ epoch: epochs[index], counts: counts.slice(1, -1) })),
    low: low[first] / scale, high: high[first] / scale, relative, outside: (last[0] + last.at(-1)) / total, leftOut: candidates.length - members.length,
  };
}

const ofKind = (weights, kind) => weights.tensors.flatMap((tensor, at) => (tensor.kind === kind ? [at] : []));

// Ends are multiples of a tensor's unit: those with the same multiples can be added up, bin by bin.
function largestGroup({ histogram: { low, high, unit } }, members) {
  const groups = new Map();
  for (const at of members) {
    const key = [low[at] / unit[at], high[at] / unit[at]].map((end) => end.toPrecision(6)).join();
    groups.set(key, [...(groups.get(key) ?? []), at]);
  }
  return [...groups.values()].reduce((most, group) => (group.length > most.length ? group : most));
}

const sum = (rows) => rows[0].map((_, bin) => rows.reduce((all, row) => all + row[bin], 0));
