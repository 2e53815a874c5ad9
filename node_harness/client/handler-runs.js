'use strict';

const { AsyncLocalStorage } = require('async_hooks');

/**
 * One call of an `onConnected` handler, and the channels that it has subscribed to.
 * @typedef {{handler: Function, channels: Set<string>}} Run
 */

/**
 * Tells during which call of an `onConnected` handler something happens, also after an `await` in it, if the handler is
 * itself an `async` function.
 *
 * Programs subscribe in these handlers, with a new function each time. What a handler subscribed to at the last
 * connection must not stay beside what it subscribes to at this one.
 */
class HandlerRuns {
  /** @type {Run | null} */
  #current = null;
  /** @type {AsyncLocalStorage<Run> | null} it has a price, which programs without such handlers do not pay */
  #later = null;

  /** @returns {Run | null} the call that is being made; null outside of any */
  get current() {
    return this.#current ?? this.#later?.getStore() ?? null;
  }

  /**
   * Call a handler.
   * @param {Function} handler
   * @param {unknown[]} values
   */
  call(handler, values) {
    const run = { handler, channels: new Set() };
    const outer = this.#current;
    this.#current = run;
    try {
      if (handler.constructor.name !== 'AsyncFunction') return handler(...values);
      this.#later ??= new AsyncLocalStorage();
      return this.#later.run(run, () => handler(...values));
    } finally {
      this.#current = outer;
    }
  }
}

module.exports = { HandlerRuns };
