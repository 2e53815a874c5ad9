'use strict';

const { IPCError } = require('../client');
const { checkMilliseconds } = require('../client/arguments');
const { asError } = require('../client/errors');
const { requireSuccess } = require('./answers');
const { Connector } = require('./connector');
const { checkOptions, integerOption } = require('./options');

const DEFAULT_APP_ID = 'data-processor';
/** Defaults with much patience, for a process that runs long and unattended. */
const DEFAULT_RECONNECT_ATTEMPTS = 10;
const DEFAULT_RECONNECT_DELAY = 3000;
const DEFAULT_TIMEOUT = 10000;

const INPUT = 'raw_data';
const PROCESSOR = 'processor';
const OUTPUT = 'processed_data';
const ERRORS = 'errors';

const DEFAULT_PROCESSING = { algorithm: 'advanced', validate: true };

/** @typedef {import('../client/envelope').Message} Message */

/**
 * A stage of a pipeline: sends each item `{id, data}` that is published on `raw_data` to the handler of `processor`,
 * and publishes what comes of it, `{id, result, processed_at}` on `processed_data` or `{id, error, timestamp}` on
 * `errors`, with times in Unix milliseconds. Outcomes are published as soon as they are there, in whatever order.
 *
 * A publisher does not wait for its subscribers. So a number of items may wait here; more are turned away to `errors`.
 */
class DataProcessor {
  #connector;
  #processing;
  #timeout;
  #maxConcurrency;
  #maxWaiting;
  /** @type {Message[]} */
  #waiting = [];
  /** @type {Set<Promise<void>>} */
  #running = new Set();

  /**
   * @param {object} [options] those of the client, and:
   * @param {string} [options.appId] default 'data-processor'
   * @param {number} [options.reconnectAttempts] default 10
   * @param {number} [options.reconnectDelay] in ms; default 3000
   * @param {number} [options.maxConcurrency] items that are processed at a time; default 10
   * @param {number} [options.maxWaiting] items that wait for that; default 1000
   * @param {number} [options.timeout] for an item to be processed, in ms; default 10000
   * @param {object} [options.processing] the `options` that the handler gets; default: advanced algorithm, validated
   * @throws {TypeError}
   */
  constructor(options = {}) {
    checkOptions(options);
    this.#maxConcurrency = integerOption(options, 'maxConcurrency', 10);
    this.#maxWaiting = integerOption(options, 'maxWaiting', 1000, { least: 0 });
    this.#timeout = options.timeout ?? DEFAULT_TIMEOUT;
    checkMilliseconds('timeout', this.#timeout);
    this.#processing = options.processing ?? DEFAULT_PROCESSING;
    this.#connector = new Connector(options.appId ?? DEFAULT_APP_ID, {
      ...options,
      reconnectAttempts: options.reconnectAttempts ?? DEFAULT_RECONNECT_ATTEMPTS,
      reconnectDelay: options.reconnectDelay ?? DEFAULT_RECONNECT_DELAY,
    });
  }

  get client() {
    return this.#connector.client;
  }

  /** @param {(error: Error) => unknown} handler called with the client's errors, and those that cannot be published */
  onError(handler) {
    this.#connector.onError(handler);
  }

  /**
   * Connect and begin.
   * @throws {Error} why the connection failed
   */
  async start() {
    this.client.subscribe(INPUT, this.#receive);
    try {
      await this.#connector.connect();
    } catch (error) {
      this.client.unsubscribe(INPUT, this.#receive);
      throw error;
    }
  }

  /** Take no further items, wait for the outcome of those that are here, and disconnect. */
  async stop() {
    this.client.unsubscribe(INPUT, this.#receive);
    while (this.#running.size > 0) await Promise.all(this.#running);
    this.client.disconnect();
  }

  /**
   * Process one item and publish the outcome.
   * @param {Pick<Message, 'payload'>} message its payload has `id` and `data`
   * @returns {Promise<void>} never rejects
   */
  async processData({ payload }) {
    try {
      const result = await this.#process(payload);
      this.client.publish(OUTPUT, { id: payload.id, result, processed_at: Date.now() });
    } catch (error) {
      this.#fail(payload, asError(error));
    }
  }

  /** @param {Message} message */
  #receive = (message) => {
    if (this.#running.size < this.#maxConcurrency) this.#run(message);
    else if (this.#waiting.length < this.#maxWaiting) this.#waiting.push(message);
    else this.#fail(message.payload, new IPCError('overloaded', `${this.#maxWaiting} items are waiting already`));
  };

  /** @param {Message} message */
  #run(message) {
    const running = this.processData(message).finally(() => {
      this.#running.delete(running);
      const next = this.#waiting.shift();
      if (next) this.#run(next);
    });
    this.#running.add(running);
  }

  /** @param {any} item */
  async #process(item) {
    if (typeof item !== 'object' || item === null || item.id === undefined || item.data === undefined) {
      throw new IPCError('invalid_message', `a message on '${INPUT}' must be an object with id and data`);
    }
    const payload = { action: 'process_data', data: item.data, options: this.#processing };
    return requireSuccess(await this.client.sendRequest(PROCESSOR, payload, this.#timeout)).payload;
  }

  /**
   * @param {any} item
   * @param {Error} cause
   */
  #fail(item, cause) {
    const id = item?.id ?? null;
    try {
      this.client.publish(ERRORS, { id, error: cause.message, timestamp: Date.now() });
    } catch (thrown) {
      const error = asError(thrown);
      const code = error instanceof IPCError ? error.code : 'invalid_message';
      const text = `item ${id} failed (${cause.message}), which could not be published: ${error.message}`;
      this.#connector.report(new IPCError(code, text, cause));
    }
  }
}

module.exports = { DataProcessor };
