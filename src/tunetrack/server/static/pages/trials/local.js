/** Knows how the table of trials is made from a study's columns, where no server sorts and pages. */

/**
 * What /studies/ID/trials would answer.
 * @param {object} payload of /studies/ID
 * @param {{state: string, sort: string, order: string, page: number, size: number}} query `state` "" is all
 */
export function localPage(payload, { state, sort, order, page, size }) {
  const { trials } = payload;
  const all = trials.number.map((_, index) => index);
  const kept = all.filter((index) => !state || trials.state[index] === state);
  const rows = ordered(kept, column(trials, sort), order);
  return {
    page, size, total: all.length, matched: kept.length,
    confirmed: confirmedOf(payload),
    columns: { params: Object.keys(trials.params), metrics: Object.keys(trials.metrics) },
    rows: rows.slice(page * size, (page + 1) * size).map((index) => row(trials, index)),
  };
}

/** The confirmed configurations by trial, as /studies/ID/trials has them. */
function confirmedOf({ winner, study }) {
  if (!winner || winner.study_run !== study.id) return {};
  return Object.fromEntries(winner.configurations.map(({ trial, mean, low, high, values }) => [trial, { mean, low, high, seeds: values.length }]));
}

/** One trial of the columns as a row of the table. */
export function row(trials, index) {
  const parts = (arrays) => Object.fromEntries(Object.entries(arrays).map(([key, values]) => [key, values[index]]));
  const { values, params, metrics, ...facts } = trials;
  return { ...parts(facts), values: values.map((column) => column[index]), params: parts(params), metrics: parts(metrics) };
}

function column(trials, key) {
  const [kind, ...rest] = key.split(".");
  const name = rest.join(".");
  const found = { values: trials.values[Number(name)], params: trials.params[name], metrics: trials.metrics[name] }[kind] ?? trials[key];
  return found ?? trials.number;
}

function ordered(indices, values, order) {
  const sign = order === "asc" ? 1 : -1;
  const known = (index) => values[index] !== null && values[index] !== undefined;
  const compare = (one, other) => (values[one] < values[other] ? -sign : values[one] > values[other] ? sign : 0);
  return [...indices.filter(known).sort(compare), ...indices.filter((index) => !known(index))];
}
