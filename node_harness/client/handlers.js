'use strict';

const { asError } = require('./errors');

/** The functions that a user registered for one event. One that fails is reported and does not stop the others. */
class Handlers {
  /** @type {Set<Function>} */
  #handlers = new Set();
  #onFailure;

  /** @param {(error: Error) => void} onFailure gets what a handler throws, or rejects its promise with */
  constructor(onFailure) {
    this.#onFailure = onFailure;
  }

  get size() {
    return this.#handlers.size;
  }

  /** @param {Function} handler adding it again has no effect */
  add(handler) {
    this.#handlers.add(handler);
  }

  /** @param {Function} handler */
  delete(handler) {
    this.#handlers.delete(handler);
  }

  /**
   * Call every handler that is registered now, in the order of registration.
   * @param {...unknown} values handed to each of them
   */
  call(...values) {
    for (const handler of [...this.#handlers]) this.#callOne(handler, values);
  }

  /**
   * @param {Function} handler
   * @param {unknown[]} values
   */
  #callOne(handler, values) {
    try {
      const result = handler(...values);
      if (typeof result?.then === 'function') {
        Promise.resolve(result).catch((error) => this.#onFailure(asError(error)));
      }
    } catch (error) {
      this.#onFailure(asError(error));
    }
  }
}

module.exports = { Handlers };
