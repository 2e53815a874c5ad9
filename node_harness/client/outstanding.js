'use strict';

const { Deadline } = require('./deadline');
const { IPCError } = require('./errors');

/** How many one-way messages are remembered: plenty for one round trip, little memory. */
const MAX_REMEMBERED = 1024;

/** The requests in flight, by message id. */
class PendingRequests {
  /** @type {Map<string, {resolve: Function, reject: Function, deadline: Deadline}>} */
  #requests = new Map();
  #progress;

  /** @param {() => unknown} progress returns another value after octets have been read */
  constructor(progress) {
    this.#progress = progress;
  }

  get size() {
    return this.#requests.size;
  }

  /**
   * Wait for the response to a request.
   * @param {import('./envelope').Message} request
   * @param {number} timeout in milliseconds
   * @returns {Promise<import('./envelope').Message>} rejected with `timeout`, or with what `rejectAll` was given
   */
  add(request, timeout) {
    return new Promise((resolve, reject) => {
      const deadline = new Deadline(timeout, this.#progress, () => {
        this.#requests.delete(request.message_id);
        const what = `request timeout: no response on channel '${request.channel_id}' within ${timeout} ms`;
        reject(new IPCError('timeout', `${what}. A slow handler needs a longer timeout, the third argument.`));
      });
      this.#requests.set(request.message_id, { resolve, reject, deadline });
    });
  }

  /**
   * Resolve the request that waits for a response (REQ-016).
   * @param {string} messageId of the request
   * @param {import('./envelope').Message} response
   * @returns {boolean} false if no request waits for it (REQ-017)
   */
  resolve(messageId, response) {
    const request = this.#take(messageId);
    request?.resolve(response);
    return request !== undefined;
  }

  /**
   * Reject a request and forget it; a response that comes later is ignored (REQ-017).
   * @param {string} messageId of the request
   * @param {Error} error
   * @returns {boolean} false if no request waits for it
   */
  reject(messageId, error) {
    const request = this.#take(messageId);
    request?.reject(error);
    return request !== undefined;
  }

  /** @param {string} messageId */
  #take(messageId) {
    const request = this.#requests.get(messageId);
    if (!request) return undefined;
    this.#requests.delete(messageId);
    request.deadline.clear();
    return request;
  }

  /** @param {Error} error what every request in flight is rejected with (REQ-018) */
  rejectAll(error) {
    const requests = [...this.#requests.values()];
    this.#requests.clear();
    for (const { reject, deadline } of requests) {
      deadline.clear();
      reject(error);
    }
  }
}

/**
 * The ids of one-way messages sent lately. A server answers such a message only with an error; knowing its id tells
 * this error from the answer to a request that timed out, which must be ignored (REQ-017).
 */
class OneWayMessages {
  /** @type {Set<string>} */
  #ids = new Set();

  /** @param {import('./envelope').Message} message */
  add(message) {
    this.#ids.add(message.message_id);
    if (this.#ids.size <= MAX_REMEMBERED) return;
    const [oldest] = this.#ids;
    this.#ids.delete(oldest);
  }

  /**
   * @param {string} messageId
   * @returns {boolean} whether it was there
   */
  delete(messageId) {
    return this.#ids.delete(messageId);
  }
}

module.exports = { OneWayMessages, PendingRequests };
