'use strict';

const { Handlers } = require('./handlers');

/** Which handlers the user has on which channel. The caller tells the server what `add` and `remove` ask for. */
class Subscriptions {
  /** @type {Map<string, Handlers>} */
  #channels = new Map();
  #onFailure;

  /** @param {(error: Error) => void} onFailure gets what a handler throws */
  constructor(onFailure) {
    this.#onFailure = onFailure;
  }

  /** The channels with a handler. */
  get channels() {
    return [...this.#channels.keys()];
  }

  /**
   * Add a handler.
   * @param {string} channel
   * @param {Function} handler
   * @returns {boolean} true when it is the channel's first: the server must be told
   */
  add(channel, handler) {
    const known = this.#channels.get(channel);
    const handlers = known ?? new Handlers(this.#onFailure);
    handlers.add(handler);
    this.#channels.set(channel, handlers);
    return known === undefined;
  }

  /**
   * Remove one handler, or all of them.
   * @param {string} channel
   * @param {Function} [handler]
   * @returns {boolean} true when the channel lost its last handler: the server must be told
   */
  remove(channel, handler) {
    const handlers = this.#channels.get(channel);
    if (!handlers) return false;
    if (handler) handlers.delete(handler);
    if (handler && handlers.size > 0) return false;
    return this.#channels.delete(channel);
  }

  /** @param {import('./envelope').Message} message handed to the handlers of its channel, if there are any */
  dispatch(message) {
    this.#channels.get(message.channel_id)?.call(message);
  }
}

module.exports = { Subscriptions };
