/** Knows the state of the view that the address carries, so that a link shows what its sender saw. */

const listeners = new Set();
let kept = null; // the address of a file in a frame whose address cannot be changed

/** The value of a key in the address, or `otherwise`. */
export const get = (key, otherwise = "") => parameters().get(key) ?? otherwise;

/** Whole numbers from a list such as "3,7"; others are left out. */
export const numbers = (key) => get(key).split(",").filter((text) => /^\d{1,9}$/.test(text)).map(Number);

/**
 * Puts values into the address without a new page; null or "" takes a key out.
 * @param {object} values
 * @param {boolean} [push] whether Back returns to how it was
 */
export function set(values, push = false) {
  const query = parameters();
  for (const [key, value] of Object.entries(values)) {
    if (value === null || value === undefined || value === "") query.delete(key);
    else query.set(key, String(value));
  }
  const text = readable(query);
  const now = place();
  if (text === now.query) return;
  address(now.path, text, push);
  for (const listener of listeners) listener();
}

/** Calls back on every change of the address, until the returned function is called. */
export function watch(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Goes to another page of ours. */
export function go(path) {
  const [way, query = ""] = path.split("?");
  address(way, query, true);
  window.dispatchEvent(new Event("pagechange"));
}

/** {path, query} of the page. A single file has both behind the #, since it has no server to answer paths; it opens at `start`. */
export function place() {
  const whole = inFile() ? (kept ?? (location.hash.slice(1) || window.TUNETRACK.start)) : location.pathname + location.search;
  const [path, query = ""] = whole.split("?");
  return { path, query };
}

/** What a link to one of our pages has as its target. */
export const target = (path) => (inFile() ? `#${path}` : path);

/** Whether this page is a single file that carries its data. */
export const inFile = () => window.TUNETRACK !== undefined;

const parameters = () => new URLSearchParams(place().query);

const readable = (query) => query.toString().replaceAll("%2C", ",").replaceAll("%2F", "/").replaceAll("%3A", ":");

function address(path, query, push) {
  const whole = query ? `${path}?${query}` : path;
  try {
    history[push ? "pushState" : "replaceState"](null, "", target(whole));
  } catch (error) {
    if (!inFile() || error.name !== "SecurityError") throw error;
    kept = whole;
  }
}
