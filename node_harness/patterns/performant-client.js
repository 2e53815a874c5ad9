'use strict';

const { performance } = require('perf_hooks');
const { IPCClient, IPCError } = require('../client');
const { checkChannel, checkMilliseconds } = require('../client/arguments');
const { errorOf, jsonPayload, withConnectionId } = require('../client/envelope');
const { asError } = require('../client/errors');
const { wasNotSent } = require('./answers');
const { Batcher } = require('./batcher');
const { ResponseCache } = require('./cache');
const { checkOptions, integerOption, millisecondsOption } = require('./options');
const { makeQuiet } = require('./quiet');
const { requestKey } = require('./request-key');
const { SharedRequests } = require('./shared-requests');

/** What every server of the profile batch accepts (BAT-008). */
const MOST_ITEMS = 1000;

const DEFAULT_TIMEOUT = 10000;

/** @typedef {import('../client/envelope').Message} Message */

/**
 * @typedef {object} Item
 * @property {unknown} payload
 * @property {(response: Message | Promise<Message>) => void} resolve
 * @property {(error: Error) => void} reject
 */

/** A client that saves requests: it remembers responses, joins requests, and sends several in one message. */
class PerformantIPCClient {
  #client;
  #cacheTimeout;
  #maxCacheEntries;
  #cache;
  #fetches = new SharedRequests();
  #shared = new SharedRequests();
  /** @type {Batcher<Item>} */
  #batcher;
  #counts = { requestCount: 0, errorCount: 0, cacheHits: 0, cacheMisses: 0, batchedRequests: 0 };
  #responses = 0;
  #responseTime = 0;

  /**
   * @param {string} appId
   * @param {object} [options] those of the client, and:
   * @param {number} [options.batchTimeout] until what waits for a batch is sent, in ms; default 10
   * @param {number} [options.maxBatchSize] at most 1000; default 50
   * @param {number} [options.cacheTimeout] how old a remembered response may be, in ms; default 60000
   * @param {number} [options.maxCacheEntries] default 1000
   * @throws {TypeError}
   */
  constructor(appId, options = {}) {
    checkOptions(options);
    const maxBatchSize = integerOption(options, 'maxBatchSize', 50, { most: MOST_ITEMS });
    const batchTimeout = millisecondsOption(options, 'batchTimeout', 10);
    this.#batcher = new Batcher(maxBatchSize, batchTimeout, (batch) => this.#sendBatch(batch));
    this.#cacheTimeout = millisecondsOption(options, 'cacheTimeout', 60000);
    this.#maxCacheEntries = integerOption(options, 'maxCacheEntries', 1000);
    this.#cache = new ResponseCache(this.#maxCacheEntries);
    this.#client = new IPCClient(appId, options);
  }

  get client() {
    return this.#client;
  }

  /** As `IPCClient.connect`. */
  connect() {
    return this.#client.connect();
  }

  /** As `IPCClient.disconnect`. Rejects what waits for a batch, too. */
  disconnect() {
    const error = new IPCError('connection_lost', 'connection closed by disconnect()');
    for (const { items } of this.#batcher.clear()) for (const { reject } of items) reject(error);
    this.#client.disconnect();
  }

  /**
   * Return the response to the same request that is remembered, or make the request. Error answers are not remembered.
   * @param {string} channel
   * @param {unknown} payload
   * @param {{cacheTtl?: number, timeout?: number}} [options] how old a response may be, default `cacheTimeout`; and how
   *   long a request waits for one, default 10000; in milliseconds
   * @returns {Promise<Message>} as `IPCClient.sendRequest`
   */
  async cachedRequest(channel, payload, { cacheTtl = this.#cacheTimeout, timeout = DEFAULT_TIMEOUT } = {}) {
    checkMilliseconds('cacheTtl', cacheTtl, 0);
    const key = requestKey(channel, payload);
    const cached = this.#cache.get(key, cacheTtl);
    if (cached) {
      this.#counts.cacheHits += 1;
      return cached;
    }
    this.#counts.cacheMisses += 1;
    // If clearCache() replaced the cache meanwhile, the old one takes the response; it is never read.
    const cache = this.#cache;
    return this.#fetches.run(key, timeout, async (limit, signal) => {
      const response = await this.#send(channel, payload, limit, signal);
      if (!errorOf(response)) cache.set(key, response);
      return response;
    });
  }

  /**
   * Make a request in one message with others to the same channel, if the server announces the profile batch.
   * @param {string} channel
   * @param {unknown} payload
   * @param {{timeout?: number}} [options] from when the batch is sent, in milliseconds; default 10000
   * @returns {Promise<Message>} as `IPCClient.sendRequest`: an error in place of a response is an error answer
   */
  batchedRequest(channel, payload, { timeout = DEFAULT_TIMEOUT } = {}) {
    return this.#measure(async () => {
      checkChannel(channel);
      checkMilliseconds('timeout', timeout);
      // Its handler finds in the item what it would find in a request of its own.
      const whole = withConnectionId(jsonPayload(payload), this.#client.connectionId);
      return new Promise((resolve, reject) => {
        this.#batcher.add(channel, timeout, { payload: whole, resolve, reject });
      });
    });
  }

  /**
   * Join the same request that is under way, or make it.
   * @param {string} channel
   * @param {unknown} payload
   * @param {{timeout?: number}} [options] how long this caller waits, in milliseconds; default 10000
   * @returns {Promise<Message>} as `IPCClient.sendRequest`
   */
  async deduplicatedRequest(channel, payload, { timeout = DEFAULT_TIMEOUT } = {}) {
    const key = requestKey(channel, payload);
    return this.#shared.run(key, timeout, (limit, signal) => this.#send(channel, payload, limit, signal));
  }

  /**
   * Return counts since the beginning, and what there is now. `requestCount` is of requests that were made, not of
   * those that the cache or another request answered; `errorCount` of those that were rejected; `batchedRequests` of
   * those that travelled in a batch; `avgResponseTime` is the mean of those that got a response, in milliseconds.
   */
  getMetrics() {
    return {
      ...this.#counts,
      avgResponseTime: this.#responses === 0 ? 0 : this.#responseTime / this.#responses,
      cacheSize: this.#cache.size,
      pendingRequests: this.#shared.size + this.#fetches.size,
      queuedBatches: this.#batcher.size,
    };
  }

  /** Forget all remembered responses, and those to come to requests that have been made by now. */
  clearCache() {
    this.#cache = new ResponseCache(this.#maxCacheEntries);
    this.#fetches = new SharedRequests();
  }

  /**
   * @param {string} channel
   * @param {unknown} payload
   * @param {number} timeout
   * @param {AbortSignal} signal
   */
  #send(channel, payload, timeout, signal) {
    return this.#measure(() => this.#client.sendRequest(channel, payload, timeout, { signal }));
  }

  /** @param {() => Promise<Message>} request */
  async #measure(request) {
    const begun = performance.now();
    this.#counts.requestCount += 1;
    try {
      const response = await request();
      this.#responses += 1;
      this.#responseTime += performance.now() - begun;
      return response;
    } catch (error) {
      this.#counts.errorCount += 1;
      throw error;
    }
  }

  /** @param {import('./batcher').Batch<Item>} batch */
  async #sendBatch(batch) {
    const { channel, timeout, items } = batch;
    try {
      const responses = await this.#tryBatch(batch);
      for (const [place, { payload, resolve }] of items.entries()) {
        resolve(responses?.[place] ?? this.#client.sendRequest(channel, payload, timeout));
      }
    } catch (error) {
      for (const { reject } of items) reject(asError(error));
    }
  }

  /**
   * Send a batch as one message, if the server knows what that is.
   * @param {import('./batcher').Batch<Item>} batch
   * @returns {Promise<Message[] | null>} null when its requests have to be sent one by one
   */
  async #tryBatch({ channel, timeout, items }) {
    const { server } = this.#client.getConnectionInfo();
    if (items.length === 1 || !server?.profiles?.includes('batch')) return null;
    const requests = items.map(({ payload }, id) => ({ id, payload }));
    try {
      const response = await this.#client.sendRequest(channel, { action: 'batch_process', requests }, timeout);
      const answers = response.payload?.responses;
      if (!Array.isArray(answers) || answers.length !== items.length) return null;
      this.#counts.batchedRequests += items.length;
      return answers.map((payload) => ({ ...response, payload }));
    } catch (error) {
      // After any other error a second attempt could have the items handled twice.
      if (wasNotSent(error)) return null;
      throw error;
    }
  }
}

makeQuiet(PerformantIPCClient, 'cachedRequest', 'batchedRequest', 'deduplicatedRequest');

module.exports = { PerformantIPCClient };
