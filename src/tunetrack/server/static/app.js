/** Knows which page an address shows. */

import { fill, h } from "./core/dom.js";
import { SourceError } from "./core/source.js";
import { startTheme, theme, toggleTheme } from "./core/theme.js";
import { inFile, place, target, go } from "./core/view.js";
import { comparePage } from "./pages/compare.js";
import { studiesPage } from "./pages/studies.js";
import { studyPage } from "./pages/study.js";
import { trialPage } from "./pages/trial.js";
import { trialsPage } from "./pages/trials.js";

// A page is a function (host, {id, number, crumbs}) that fills `host` and returns a function that ends it.
const PAGES = [
  [/^\/tunetrack\/?$/, studiesPage],
  [/^\/tunetrack\/studies\/([^/]+)\/?$/, studyPage],
  [/^\/tunetrack\/studies\/([^/]+)\/trials\/?$/, trialsPage],
  [/^\/tunetrack\/studies\/([^/]+)\/compare\/?$/, comparePage],
  [/^\/tunetrack\/studies\/([^/]+)\/trials\/(\d{1,9})\/?$/, trialPage],
];

const main = h("main", { id: "main", tabindex: -1 });
const steps = h("nav", { "aria-label": "where you are" });
let end = () => {};

/** Names of the places above a page, as links: [[text, path], …]; the last one is the page itself. */
function crumbs(places) {
  fill(
    steps,
    inFile() ? h("span", { class: "brand" }, "tunetrack") : h("a", { class: "brand", href: target("/tunetrack/") }, "tunetrack"),
    places.map(([text, path]) => [h("span", { class: "step", "aria-hidden": "true" }, "/"), path ? h("a", { href: target(path) }, text) : h("span", { "aria-current": "page" }, text)]),
  );
  document.title = [...places.map(([text]) => text).reverse(), "tunetrack"].join(" · ");
}

function show() {
  end();
  fill(main);
  const { path } = place();
  for (const [pattern, page] of PAGES) {
    const found = pattern.exec(path);
    const id = decoded(found?.[1] ?? "");
    if (found && id !== null) {
      end = page(main, { id, number: Number(found[2]), crumbs }) ?? (() => {});
      return;
    }
  }
  end = () => {};
  crumbs([["not found", null]]);
  fill(main, h("p", { class: "trouble" }, "There is no such page. ", h("a", { href: target("/tunetrack/") }, "All studies")));
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return null; // such as %zz, typed by hand
  }
}

function onClick(event) {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || link.target) return;
  const way = link.getAttribute("href").replace(/^#/, "");
  if (!way.startsWith("/tunetrack/") || way.startsWith("/tunetrack/api/")) return;
  event.preventDefault();
  go(way);
  main.focus({ preventScroll: true });
  window.scrollTo(0, 0);
}

/** What a reader must know of a page that is a file. */
function fileNote() {
  const { left_out: left, made } = window.TUNETRACK;
  return h(
    "footer",
    { class: "foot note" },
    h("p", {}, `This page is one file and shows the study as it was${made ? ` on ${made}` : ""}. What it does not hold is on the study's tracking server.`),
    left.length ? h("p", {}, `Left out, because the file would have been too large: ${left.join("; ")}.`) : null,
  );
}

function start() {
  startTheme();
  const name = () => (theme() === "dark" ? "Light" : "Dark");
  const switcher = h("button", { type: "button", class: "tool", onclick: () => { toggleTheme(); switcher.textContent = name(); } }, name());
  fill(
    document.body,
    h("a", { class: "skip", href: "#main", onclick: (event) => { event.preventDefault(); main.focus(); } }, "Skip to content"),
    h("header", { class: "top" }, steps, inFile() ? null : h("a", { href: "/" }, "MLflow"), switcher),
    main,
    inFile() ? fileNote() : null,
  );
  document.addEventListener("click", onClick);
  window.addEventListener("popstate", show);
  window.addEventListener("pagechange", show);
  window.addEventListener("unhandledrejection", (event) => {
    if (event.reason instanceof SourceError) fill(main, h("p", { class: "trouble", role: "alert" }, event.reason.message));
  });
  show();
}

start();
