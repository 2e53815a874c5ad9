'use strict';

const { IPCError } = require('../client');

/**
 * Those who wait for something, served in the order in which they came.
 * @template T
 */
class WaitingLine {
  /** @type {Set<{resolve: (value: T) => void, reject: (error: Error) => void, timer?: NodeJS.Timeout}>} */
  #waiting = new Set();
  #timeout;

  /** @param {number} timeout how long one waits, in milliseconds; 0: for ever */
  constructor(timeout) {
    this.#timeout = timeout;
  }

  get size() {
    return this.#waiting.size;
  }

  /** @returns {Promise<T>} rejected with `timeout`, or with what `rejectFirst` or `rejectAll` was given */
  join() {
    return new Promise((resolve, reject) => {
      /** @type {{resolve: (value: T) => void, reject: (error: Error) => void, timer?: NodeJS.Timeout}} */
      const one = { resolve, reject };
      this.#waiting.add(one);
      if (this.#timeout === 0) return;
      one.timer = setTimeout(() => {
        this.#waiting.delete(one);
        reject(new IPCError('timeout', `no connection of the pool became free within ${this.#timeout} ms`));
      }, this.#timeout);
    });
  }

  /** @param {T} value for the first waiter, which must exist */
  serveFirst(value) {
    this.#leaveFirst().resolve(value);
  }

  /** @param {Error} error for the first waiter, which must exist */
  rejectFirst(error) {
    this.#leaveFirst().reject(error);
  }

  /** @param {Error} error */
  rejectAll(error) {
    while (this.size > 0) this.rejectFirst(error);
  }

  #leaveFirst() {
    const [first] = this.#waiting;
    this.#waiting.delete(first);
    clearTimeout(first.timer);
    return first;
  }
}

module.exports = { WaitingLine };
