/** Knows where numbers come from: the server, asked again while a study runs, or the file that holds this page. */

import { inFile } from "./view.js";

const API = "/tunetrack/api";
const known = new Map(); // path -> {tag, data}, the one that was asked for last at the end
const KEPT = 60;

/** What a server said about a request that it did not fulfil; `status` is HTTP's, 0 where nobody answered. */
export class SourceError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/**
 * One answer of the API as data; the same object again where nothing has changed.
 * @param {string} path below /tunetrack/api, such as `/studies`
 * @param {object} [query] values by key; null and "" are left out
 * @throws {SourceError} it is not there, the question was wrong, or nobody answered
 */
export async function load(path, query = {}) {
  const whole = path + asked(query);
  if (inFile()) return fromFile(whole, path);
  const before = known.get(whole);
  const response = await reached(API + whole, before ? { "If-None-Match": before.tag } : {});
  if (response.status === 304) return before.data;
  const data = await body(response);
  if (!response.ok) throw new SourceError(data.error ?? `the server answered ${response.status}`, response.status);
  const tag = response.headers.get("ETag");
  known.delete(whole);
  if (tag) known.set(whole, { tag, data });
  if (known.size > KEPT) known.delete(known.keys().next().value);
  return data;
}

/** The address of an answer, for links and downloads. */
export const address = (path, query = {}) => API + path + asked(query);

/**
 * Calls `onData(data)` now and whenever the answer changes, every few seconds while the page is seen, until the
 * returned function is called or the server refuses. `onTrouble(error or null)` hears of failures, and of their end.
 */
export function follow(path, query, onData, onTrouble = () => {}, seconds = 3) {
  let [last, timer, ended, bad] = [undefined, null, false, false];
  async function look() {
    try {
      const data = await load(path, query);
      if (ended) return;
      if (bad) onTrouble(null);
      bad = false;
      if (data !== last) onData((last = data));
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      if (ended) return;
      bad = true;
      ended = error.status >= 400 && error.status < 500; // a wrong question does not become right by asking again
      onTrouble(error);
    } finally {
      if (!ended && !inFile()) timer = setTimeout(soon, 1000 * seconds);
    }
  }
  const soon = () => (document.hidden ? (timer = setTimeout(soon, 1000)) : look());
  look();
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}

function asked(query) {
  const parameters = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") parameters.set(key, String(value));
  }
  const text = parameters.toString().replaceAll("%2C", ",").replaceAll("%2F", "/");
  return text ? `?${text}` : "";
}

async function reached(url, headers) {
  try {
    return await fetch(url, { headers });
  } catch (error) {
    throw new SourceError(`the server does not answer (${error.message})`, 0);
  }
}

async function body(response) {
  try {
    return await response.json();
  } catch (error) {
    throw new SourceError(`the server answered ${response.status} with something that is no JSON`, response.status);
  }
}

function fromFile(whole, path) {
  const data = window.TUNETRACK.answers[whole] ?? window.TUNETRACK.answers[path];
  if (data === undefined) throw new SourceError("this is not part of the file; open the study on its tracking server", 404);
  return data;
}
