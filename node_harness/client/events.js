'use strict';

const { checkHandler, refuse } = require('./arguments');
const { Handlers } = require('./handlers');

/** What a client tells its user of, by name. */
const EVENTS = ['connected', 'disconnected', 'reconnecting', 'reconnectFailed', 'drain', 'error'];

/** @typedef {'connected' | 'disconnected' | 'reconnecting' | 'reconnectFailed' | 'drain' | 'error'} EventName */

/** The functions that the user registered for events. */
class Events {
  /** @type {Map<string, Handlers>} */
  #handlers;

  /** @param {(handler: Function, values: unknown[]) => unknown} callConnected calls a handler of `connected` */
  constructor(callConnected) {
    // An error handler that fails cannot be told of its own failure.
    const errors = new Handlers((error) => process.emitWarning(error));
    this.#handlers = new Map(EVENTS.map((name) => [name, new Handlers((error) => errors.call(error))]));
    this.#handlers.set('connected', new Handlers((error) => errors.call(error), callConnected));
    this.#handlers.set('error', errors);
  }

  /**
   * @param {string} event
   * @param {Function} handler adding it again has no effect
   * @param {boolean} [isOnce] it is removed when it is called
   * @throws {TypeError}
   */
  add(event, handler, isOnce = false) {
    checkHandler(handler);
    this.#of(event).add(handler, isOnce);
  }

  /**
   * @param {string} event
   * @param {Function} [handler] all of them when absent
   * @throws {TypeError}
   */
  remove(event, handler) {
    if (handler !== undefined) checkHandler(handler);
    const handlers = this.#of(event);
    for (const each of handler ? [handler] : handlers.all) handlers.delete(each);
  }

  /**
   * @param {EventName} event
   * @param {...unknown} values
   */
  emit(event, ...values) {
    this.#of(event).call(...values);
  }

  /** @param {string} event */
  #of(event) {
    return this.#handlers.get(event) ?? refuse('event', `one of ${EVENTS.join(', ')}`, event);
  }
}

module.exports = { Events };
