'use strict';

const { Handlers } = require('./handlers');

/** Which handlers the user has on which channel. The caller tells the server what `add` and `remove` ask for. */
class Subscriptions {
  /** @type {Map<string, Handlers>} */
  #channels = new Map();
  /** @type {WeakMap<Function, Map<string, Set<Function>>>} by `onConnected` handler and channel: what it added last */
  #added = new WeakMap();
  /** @type {WeakMap<Function, () => void>} called when the handler is removed */
  #onRemoved = new WeakMap();
  #onFailure;

  /** @param {(error: Error) => void} onFailure gets what a handler throws */
  constructor(onFailure) {
    this.#onFailure = onFailure;
  }

  /** The channels with a handler. */
  get channels() {
    return [...this.#channels.keys()];
  }

  /** @param {string} channel */
  has(channel) {
    return this.#channels.has(channel);
  }

  /**
   * Add a handler. In a call of an `onConnected` handler it takes the place of what earlier calls of the same one added
   * on the channel.
   * @param {string} channel
   * @param {Function} handler
   * @param {object} [options]
   * @param {import('./handler-runs').Run | null} [options.run] the call in which this happens
   * @param {() => void} [options.onRemoved]
   * @returns {boolean} true when it is the channel's first: the server must be told
   */
  add(channel, handler, { run = null, onRemoved } = {}) {
    const known = this.#channels.get(channel);
    const handlers = known ?? new Handlers(this.#onFailure);
    const stale = run ? this.#takePlace(channel, handler, handlers.has(handler), run) : [];
    handlers.add(handler);
    if (onRemoved) this.#onRemoved.set(handler, onRemoved);
    this.#channels.set(channel, handlers);
    for (const each of stale) if (each !== handler) this.#delete(handlers, each);
    return known === undefined;
  }

  /**
   * @param {string} channel
   * @param {Function} handler
   * @param {boolean} isKnown whether it is one of the channel's already
   * @param {import('./handler-runs').Run} run
   * @returns {Iterable<Function>} what is to be removed
   */
  #takePlace(channel, handler, isKnown, run) {
    const byChannel = this.#added.get(run.handler) ?? new Map();
    this.#added.set(run.handler, byChannel);
    const before = byChannel.get(channel) ?? new Set();
    const isFirst = !run.channels.has(channel);
    const now = isFirst ? new Set() : before;
    if (!isKnown || before.has(handler)) now.add(handler); // others belong to other parts of the program
    byChannel.set(channel, now);
    run.channels.add(channel);
    return isFirst ? before : [];
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
    for (const each of handler ? [handler] : handlers.all) this.#delete(handlers, each);
    if (handlers.size > 0) return false;
    return this.#channels.delete(channel);
  }

  /** @param {import('./envelope').Message} message handed to the handlers of its channel, if there are any */
  dispatch(message) {
    this.#channels.get(message.channel_id)?.call(message);
  }

  /**
   * @param {Handlers} handlers
   * @param {Function} handler
   */
  #delete(handlers, handler) {
    if (handlers.delete(handler)) this.#onRemoved.get(handler)?.();
  }
}

module.exports = { Subscriptions };
