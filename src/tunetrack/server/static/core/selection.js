/** Knows which trials are picked out on a page: figures dim the others, and all hear of a change. */

export class Selection extends EventTarget {
  #trials = null;

  /** A Set of trial numbers, or null where all are meant. */
  get trials() {
    return this.#trials;
  }

  set trials(numbers) {
    this.#trials = numbers === null ? null : new Set(numbers);
    this.dispatchEvent(new Event("change"));
  }

  has(number) {
    return this.#trials === null || this.#trials.has(number);
  }
}
