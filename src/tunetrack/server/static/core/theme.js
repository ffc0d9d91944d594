/** Knows whether the page is light or dark: as the system has it, until the user says otherwise. */

const KEY = "tunetrack.theme";
const system = window.matchMedia("(prefers-color-scheme: dark)");

/** "light" or "dark". */
export const theme = () => chosen() ?? (system.matches ? "dark" : "light");

/** Shows the page in the theme that holds, now and when the system changes; figures hear "themechange". */
export function startTheme() {
  apply();
  system.addEventListener("change", apply);
}

export function toggleTheme() {
  remember(theme() === "dark" ? "light" : "dark");
  apply();
}

function apply() {
  document.documentElement.dataset.theme = theme();
  window.dispatchEvent(new Event("themechange"));
}

let here = null;

function chosen() {
  try {
    return localStorage.getItem(KEY) ?? here;
  } catch (error) {
    if (error.name !== "SecurityError") throw error;
    return here; // a file inside a sandboxed frame has no storage
  }
}

function remember(value) {
  here = value;
  try {
    localStorage.setItem(KEY, value);
  } catch (error) {
    if (error.name !== "SecurityError" && error.name !== "QuotaExceededError") throw error;
  }
}
