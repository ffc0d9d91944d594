/** Knows the page of all studies: how far they are, what came out and what it cost. */

import { badge, mark } from "../charts/legend.js";
import { fill, h } from "../core/dom.js";
import { duration, moment, objectiveText, plural } from "../core/format.js";
import { look, STATES } from "../core/marks.js";
import { follow } from "../core/source.js";
import { confirmedValue, seedMark } from "../core/sure.js";
import { Table } from "../core/table.js";
import { studyPath } from "../core/tabs.js";
import { get, inFile, set, target } from "../core/view.js";

const COLUMNS = [
  { key: "name", head: "Study", sort: "asc", long: true, cell: named, value: (study) => study.name.toLowerCase() },
  { key: "state", head: "State", sort: "asc", cell: (study) => badge(study.state), value: (study) => study.state },
  { key: "trials", head: "Progress", sort: "desc", cell: progress, value: done },
  { key: "states", head: "Trials by state", cell: states },
  { key: "best", head: "Best", sort: "desc", numeric: true, cell: best, value: (study) => winnerOf(study)?.mean ?? study.best?.values[0] ?? null },
  { key: "findings", head: "Review", sort: "desc", cell: findings, value: (study) => (study.findings ? 1000 * study.findings.high + study.findings.medium : null) },
  { key: "seconds", head: "Computing time", hint: "the time of all trials added up", sort: "desc", numeric: true, cell: (study) => duration(study.seconds), value: (study) => study.seconds },
  { key: "start", head: "Started", sort: "desc", cell: when, value: (study) => study.start },
  { key: "links", head: "In MLflow", cell: links },
];

/** The page; see app.js. */
export function studiesPage(host, { crumbs }) {
  crumbs([["studies", null]]);
  let answer = null;
  const trouble = h("div", { "aria-live": "polite" }, h("p", { class: "meta" }, "Loading …"));
  const count = h("span", { class: "meta", "aria-live": "polite" });
  const find = h("input", { type: "search", size: 28, placeholder: "name, experiment or state" });
  find.value = get("find");
  const below = h("div");
  const table = new Table(below, { caption: "Studies", kind: "stacked card", key: (study) => study.id, onsort: (by, order) => (set({ sort: by, order }), show()) });
  find.addEventListener("input", () => (set({ find: find.value }), show()));
  const head = h("div", { class: "heading" }, h("h1", {}, "Studies"), count);
  const tools = h("div", { class: "bar" }, h("label", {}, "Find", find));
  fill(host, head, trouble, tools, below);

  function show() {
    if (answer === null) return;
    const { studies } = answer;
    fill(trouble);
    const empty = studies.length === 0;
    tools.hidden = below.hidden = empty;
    host.querySelector(".first-study")?.remove();
    if (empty) host.append(howToStart());
    const kept = studies.filter((study) => contains(study, find.value));
    count.textContent = empty ? "" : kept.length === studies.length ? plural(studies.length, "study").replace("studys", "studies") : `${kept.length} of ${studies.length}`;
    const [by, order] = [get("sort", "start"), get("order", "desc")];
    table.update({ columns: COLUMNS, rows: sorted(kept, by, order), sort: { by, order } });
  }

  const onTrouble = (error) => fill(trouble, error && h("p", { class: "trouble" }, error.message));
  return follow("/studies", {}, (data) => ((answer = data), show()), onTrouble, 5);
}

function howToStart() {
  return h(
    "div",
    { class: "first-study card" },
    h("p", {}, "There is no study here yet. This one takes less than a minute and needs no download:"),
    h("pre", {}, `tunetrack run search_spaces/quickstart.yaml --tracking-uri ${location.origin}`),
    h("p", { class: "note" }, "It appears here as soon as it has started."),
  );
}

function contains(study, text) {
  const about = [study.name, study.experiment, study.state].join("\n").toLowerCase();
  return text.toLowerCase().split(/\s+/).every((word) => about.includes(word));
}

function sorted(studies, by, order) {
  const value = COLUMNS.find((column) => column.key === by)?.value ?? ((study) => study.start);
  const sign = order === "asc" ? 1 : -1;
  const known = (study) => value(study) !== null && value(study) !== undefined;
  const compare = (one, other) => (value(one) < value(other) ? -sign : value(one) > value(other) ? sign : 0);
  return [...studies.filter(known).sort(compare), ...studies.filter((study) => !known(study))];
}

function named(study) {
  return [
    h("a", { href: target(studyPath(study.id)), class: "strong" }, study.name),
    confirmsLine(study) ?? h("div", { class: "meta" }, "experiment ", study.experiment),
  ];
}

/** What a confirmation confirms; null for a search. */
function confirmsLine({ confirms }) {
  if (!confirms) return null;
  const name = confirms.name ?? "a study that is gone";
  return h("div", { class: "meta" }, "confirms ", confirms.name && !inFile() ? h("a", { href: target(studyPath(confirms.id)) }, name) : name);
}

const ended = ([state]) => state !== "RUNNING" && state !== "KILLED"; // a killed trial is run again

function done(study) {
  return Object.entries(study.trials).filter(ended).reduce((sum, [, count]) => sum + count, 0);
}

function progress(study) {
  const { trials, seconds } = study.budget;
  const passed = (study.state === "RUNNING" ? Date.now() : study.end ?? study.start) - study.start;
  const parts = [];
  if (trials) parts.push([`${done(study).toLocaleString("en")} of ${plural(trials, "trial")}`, done(study) / trials]);
  else parts.push([plural(done(study), "trial"), null]);
  if (seconds) parts.push([`${duration(Math.min(passed / 1000, seconds))} of ${duration(seconds)}`, passed / 1000 / seconds]);
  return parts.map(([text, share]) => h("div", { class: "progress" }, h("span", {}, text), share !== null && h("progress", { max: 1, value: Math.min(1, share), "aria-label": text })));
}

function states(study) {
  const known = Object.keys(STATES).filter((state) => study.trials[state]);
  const rest = Object.keys(study.trials).filter((state) => !(state in STATES) && study.trials[state]);
  const all = [...known, ...rest];
  if (!all.length) return "none yet";
  return h("div", { class: "states" }, all.map((state) => h("span", { class: "badge", title: look(state).word }, mark(state), study.trials[state].toLocaleString("en"), h("span", { class: "unseen" }, ` ${look(state).word}`))));
}

function best(study) {
  if (!study.best) return "–";
  const { number: trial, values } = study.best;
  const said = study.objectives.map(({ metric, maximize }, index) => h("div", { class: "meta" }, `${maximize ? "maximize" : "minimize"} ${metric}`, study.objectives.length > 1 && `: ${objectiveText(values[index])}`));
  const link = inFile() ? `trial ${trial}` : h("a", { href: target(studyPath(study.id, `/trials/${trial}`)) }, `trial ${trial}`);
  const first = winnerOf(study);
  const single = study.objectives.length === 1;
  const searched = h("div", { class: first ? "meta whole" : "whole", title: single ? "from 1 seed, and chosen among many" : null }, single && [seedMark(1), " ", h(first ? "span" : "b", {}, objectiveText(values[0]))], " ", link);
  return [first && winnerLine(study, first), searched, said];
}

/** The confirmed winner of a search; a confirmation, whose trials have numbers of their own, has none. */
const winnerOf = ({ id, winner }) => (winner?.study === id ? winner : null);

const winnerLine = (study, winner) => h("div", { class: "whole" }, confirmedValue(winner), " ", h("a", { href: target(studyPath(study.id, `/trials/${winner.trial}`)) }, `trial ${winner.trial}`), h("span", { class: "meta" }, `, ${plural(winner.seeds, "seed")}`));

function findings({ findings: found }) {
  if (!found) return "–";
  const said = ["high", "medium"].filter((level) => found[level]).map((level) => h("span", { class: `weight ${level}` }, `${found[level]} ${level}`));
  return said.length ? h("div", { class: "states" }, said) : h("span", { title: "nothing of weight was found" }, "ok");
}

function when(study) {
  const took = study.end && study.start ? `took ${duration((study.end - study.start) / 1000)}` : study.state === "RUNNING" ? `for ${duration((Date.now() - study.start) / 1000)}` : "";
  return [h("div", { class: "whole" }, moment(study.start)), h("div", { class: "meta" }, took)];
}

function links({ links: { mlflow_run: run, saved_view: saved } }) {
  if (inFile()) return "–"; // where the server is, a file does not know
  return h("div", { class: "whole" }, run && h("a", { href: run }, "run"), run && saved && " · ", saved && h("a", { href: saved }, "charts"));
}
