/** Knows a study in one line: name, objectives, trials by state, best trial. */

import { follow, load, SourceError } from "./source.js";
import { inFile } from "./view.js";

/**
 * Calls `onStudy` with the study's entry of /studies now and whenever something has changed, as `follow` does.
 * @returns what ends it
 */
export function followStudy(id, onStudy, onTrouble) {
  if (inFile()) return follow(`/studies/${encodeURIComponent(id)}`, {}, (payload) => onStudy(entryOf(payload)), onTrouble);
  const found = ({ studies }) => {
    const study = studies.find((each) => each.id === id);
    if (study) onStudy(study);
    else onTrouble(new SourceError("there is no study of this id on this server", 404));
  };
  return follow("/studies", {}, found, onTrouble, 5);
}

/** Paths of the parameters that a study searches. */
export async function searchedPaths(id) {
  const path = `/studies/${encodeURIComponent(id)}`;
  if (inFile()) return Object.keys((await load(path)).trials.params);
  return (await load(`${path}/trials`, { size: 1 })).columns.params;
}

/** The trial that is called the best: the confirmed winner of a search, else the one with the best result. */
export const bestOf = ({ id, winner, best }) => (winner?.study === id ? winner.trial : (best?.number ?? null));

/** What /studies would say of a study, of which only the payload is there. */
function entryOf({ study, trials, best_so_far: improved, winner }) {
  const counts = {};
  for (const state of trials.state) counts[state] = (counts[state] ?? 0) + 1;
  const at = improved?.[0]?.at(-1);
  const best = at === undefined ? null : { number: trials.number[at], values: trials.values.map((column) => column[at]) };
  return { ...study, trials: counts, best, winner: winner && { study: winner.study_run, trial: winner.chosen } };
}
