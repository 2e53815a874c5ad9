'use strict';

/** Requests under way that others may join. */
class SharedRequests {
  /** @type {Map<string, Promise<any>>} */
  #pending = new Map();

  get size() {
    return this.#pending.size;
  }

  /**
   * Make a request, or join the one under way with the same key.
   * @template T
   * @param {string} key
   * @param {() => Promise<T>} request
   * @returns {Promise<T>} a copy for each caller that joins
   */
  async run(key, request) {
    const pending = this.#pending.get(key);
    if (pending) return JSON.parse(JSON.stringify(await pending));
    const made = request();
    this.#pending.set(key, made);
    try {
      return await made;
    } finally {
      this.#pending.delete(key);
    }
  }
}

module.exports = { SharedRequests };
