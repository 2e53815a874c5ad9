'use strict';

const { asError } = require('./errors');

/** The functions that a user registered for one event. One that fails is reported and does not stop the others. */
class Handlers {
  /** @type {Map<Function, boolean>} with whether it is called once only */
  #handlers = new Map();
  #onFailure;
  #invoke;

  /**
   * @param {(error: Error) => void} onFailure gets what a handler throws, or rejects its promise with
   * @param {(handler: Function, values: unknown[]) => any} [invoke] calls a handler
   */
  constructor(onFailure, invoke = (handler, values) => handler(...values)) {
    this.#onFailure = onFailure;
    this.#invoke = invoke;
  }

  get size() {
    return this.#handlers.size;
  }

  /**
   * @param {Function} handler adding it again has no effect
   * @param {boolean} [isOnce] it is removed when it is called
   */
  add(handler, isOnce = false) {
    if (!this.#handlers.has(handler)) this.#handlers.set(handler, isOnce);
  }

  /**
   * @param {Function} handler
   * @returns {boolean} whether it was there
   */
  delete(handler) {
    return this.#handlers.delete(handler);
  }

  /** @param {Function} handler */
  has(handler) {
    return this.#handlers.has(handler);
  }

  /** In the order of registration. */
  get all() {
    return [...this.#handlers.keys()];
  }

  /**
   * Call every handler that is registered now, in the order of registration.
   * @param {...unknown} values handed to each of them
   */
  call(...values) {
    for (const [handler, isOnce] of [...this.#handlers]) {
      if (isOnce) this.#handlers.delete(handler);
      this.#callOne(handler, values);
    }
  }

  /**
   * @param {Function} handler
   * @param {unknown[]} values
   */
  #callOne(handler, values) {
    try {
      const result = this.#invoke(handler, values);
      if (typeof result?.then === 'function') {
        Promise.resolve(result).catch((error) => this.#onFailure(asError(error)));
      }
    } catch (error) {
      this.#onFailure(asError(error));
    }
  }
}

module.exports = { Handlers };
