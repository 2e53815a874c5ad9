'use strict';

const { performance } = require('perf_hooks');

/**
 * Keeps a number of responses; the one that has not been used for the longest time gives way to a new one. They are
 * kept as JSON texts, so that what one reader does to its copy does not show in another's.
 */
class ResponseCache {
  /** @type {Map<string, {text: string, storedAt: number}>} in the order of their last use */
  #entries = new Map();
  #capacity;
  #now;

  /**
   * @param {number} capacity at least 1
   * @param {() => number} [now] a clock that never goes back, in milliseconds
   */
  constructor(capacity, now = () => performance.now()) {
    this.#capacity = capacity;
    this.#now = now;
  }

  get size() {
    return this.#entries.size;
  }

  /**
   * @param {string} key
   * @param {number} maxAge in milliseconds
   * @returns {any} a copy of the response; undefined when there is none, or it is not younger than that
   */
  get(key, maxAge) {
    const entry = this.#entries.get(key);
    if (!entry || this.#now() - entry.storedAt >= maxAge) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return JSON.parse(entry.text);
  }

  /**
   * @param {string} key
   * @param {object} response
   */
  set(key, response) {
    this.#entries.delete(key);
    this.#entries.set(key, { text: JSON.stringify(response), storedAt: this.#now() });
    if (this.#entries.size <= this.#capacity) return;
    const [leastUsed] = this.#entries.keys();
    this.#entries.delete(leastUsed);
  }
}

module.exports = { ResponseCache };
