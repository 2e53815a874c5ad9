'use strict';

const { IPCError } = require('../client');
const { MAX_MILLISECONDS, checkMilliseconds } = require('../client/arguments');
const { Deadline } = require('../client/deadline');

/** @typedef {import('../client/envelope').Message} Message */

/**
 * A request under way, and how many callers wait for its response.
 * @typedef {{response: Promise<Message>, controller: AbortController, callers: number}} Shared
 */

/** Requests under way that others may join. Each caller waits as long as it wants to, whoever came first. */
class SharedRequests {
  /** @type {Map<string, Shared>} */
  #pending = new Map();

  get size() {
    return this.#pending.size;
  }

  /**
   * Make a request, or join the one under way with the same key.
   * @param {string} key
   * @param {number} timeout of this caller, in milliseconds
   * @param {(timeout: number, signal: AbortSignal) => Promise<Message>} request is given a limit that is never reached,
   *   and a signal that ends it when its last caller waits no more
   * @returns {Promise<Message>} a copy for each caller that joins
   * @throws {TypeError}
   */
  async run(key, timeout, request) {
    checkMilliseconds('timeout', timeout);
    const pending = this.#pending.get(key);
    const response = await this.#join(key, pending ?? this.#make(key, request), timeout);
    return pending ? JSON.parse(JSON.stringify(response)) : response;
  }

  /**
   * @param {string} key
   * @param {(timeout: number, signal: AbortSignal) => Promise<Message>} request
   */
  #make(key, request) {
    const controller = new AbortController();
    const shared = { response: request(MAX_MILLISECONDS, controller.signal), controller, callers: 0 };
    this.#pending.set(key, shared);
    const forget = () => this.#forget(key, shared);
    shared.response.then(forget, forget);
    return shared;
  }

  /**
   * @param {string} key
   * @param {Shared} shared
   * @param {number} timeout in milliseconds
   * @returns {Promise<Message>}
   */
  #join(key, shared, timeout) {
    shared.callers += 1;
    return new Promise((resolve, reject) => {
      const deadline = new Deadline(
        timeout,
        () => null,
        () => {
          this.#leave(key, shared);
          reject(new IPCError('timeout', `request timeout: no response to a shared request within ${timeout} ms`));
        },
      );
      shared.response.then(resolve, reject).finally(() => deadline.clear());
    });
  }

  /**
   * @param {string} key
   * @param {Shared} shared
   */
  #leave(key, shared) {
    shared.callers -= 1;
    if (shared.callers > 0) return;
    this.#forget(key, shared);
    shared.controller.abort();
  }

  /**
   * @param {string} key
   * @param {Shared} shared
   */
  #forget(key, shared) {
    if (this.#pending.get(key) === shared) this.#pending.delete(key);
  }
}

module.exports = { SharedRequests };
