'use strict';

const { IPCClient } = require('../client');
const { asError } = require('../client/errors');
const { requireSuccess } = require('./answers');
const { CircuitBreaker } = require('./circuit-breaker');
const { checkOptions, integerOption, millisecondsOption } = require('./options');
const { makeQuiet } = require('./quiet');
const { Retrier, isTransient, retryPolicy } = require('./retry');

/** More patient than the client's own defaults. */
const DEFAULT_RECONNECT_ATTEMPTS = 10;
const DEFAULT_RECONNECT_DELAY = 3000;

/** @typedef {import('../client/envelope').Message} Message */
/** @typedef {'info' | 'warn' | 'error'} Level */
/** @typedef {import('./circuit-breaker').CircuitState} CircuitState */
/** @typedef {'ipc_connected' | 'ipc_disconnected' | 'ipc_connection_error' | 'ipc_request_error'} ConnectionLogType */
/** @typedef {ConnectionLogType | 'circuit_breaker'} LogType */

/**
 * What is logged. Payloads are not: they are not this program's to show.
 * @typedef {object} LogEntry
 * @property {string} timestamp RFC 3339
 * @property {LogType} type
 * @property {string} appId
 * @property {{code?: string | undefined, message: string, stack?: string | undefined}} [error]
 * @property {string} [channel] of a request
 * @property {CircuitState} [state] that the circuit breaker has now
 */

/** @typedef {import('./retry').RetryOptions} RetryOptions */

/**
 * @typedef {object} SafeOptions
 * @property {unknown} [defaultValue] the payload of what is returned after a failure
 * @property {boolean} [throwOnError] false: without a default value, return null after a failure
 */

/**
 * A client for servers that fail: it tries again with growing pauses, stops asking a server that does not answer, and
 * can answer with a default value itself.
 *
 * Timeouts and errors of the connection count as failures. An error answer does not: the server that sent it is there,
 * and one bad handler must not cut off all other channels. Nor does a request that could not be sent because of what is
 * in it.
 */
class RobustIPCClient {
  #appId;
  #client;
  #logger;
  #circuitBreaker;
  #retrier = new Retrier();

  /**
   * @param {string} appId
   * @param {object} [options] those of the client, and:
   * @param {number} [options.reconnectAttempts] default 10
   * @param {number} [options.reconnectDelay] in ms; default 3000
   * @param {number} [options.failureThreshold] failures in a row that open the circuit; default 5
   * @param {number} [options.resetTimeout] until an open circuit lets a probe pass, in ms; default 30000
   * @param {Partial<Record<Level, (entry: LogEntry) => unknown>>} [options.logger] such as console; default: no log
   * @throws {TypeError}
   */
  constructor(appId, options = {}) {
    checkOptions(options);
    this.#appId = appId;
    this.#logger = options.logger ?? {};
    this.#client = new IPCClient(appId, {
      ...options,
      reconnectAttempts: options.reconnectAttempts ?? DEFAULT_RECONNECT_ATTEMPTS,
      reconnectDelay: options.reconnectDelay ?? DEFAULT_RECONNECT_DELAY,
    });
    const breaker = {
      threshold: integerOption(options, 'failureThreshold', 5),
      timeout: millisecondsOption(options, 'resetTimeout', 30000),
    };
    this.#circuitBreaker = new CircuitBreaker(breaker, (state) => this.#log('warn', 'circuit_breaker', { state }));
    this.#client.onError((error) => this.#logError('ipc_connection_error', error));
    this.#client.onDisconnected(() => this.#log('warn', 'ipc_disconnected'));
    this.#client.onConnected(() => {
      this.#circuitBreaker.reset();
      this.#log('info', 'ipc_connected');
    });
  }

  get client() {
    return this.#client;
  }

  get circuitBreaker() {
    return this.#circuitBreaker;
  }

  /** As `IPCClient.connect`. Closes the circuit. */
  connect() {
    return this.#client.connect();
  }

  /** As `IPCClient.disconnect`. Ends all waiting for further attempts. */
  disconnect() {
    this.#retrier.stop();
    this.#client.disconnect();
  }

  getCircuitBreakerState() {
    return this.#circuitBreaker.snapshot();
  }

  /**
   * Make a request once, if the circuit breaker lets it pass.
   * @param {string} channel
   * @param {unknown} payload
   * @param {{timeout?: number}} [options] in milliseconds; default 10000
   * @returns {Promise<Message>} as `IPCClient.sendRequest`; rejected with the code `circuit_open` when it was not made
   */
  async makeRequest(channel, payload, { timeout } = {}) {
    return this.#circuitBreaker.run(() => this.#send(channel, payload, timeout), isTransient);
  }

  /**
   * Make a request and, after timeouts and errors of the connection, make it again, with a growing pause between.
   * A request that timed out may have been handled: this is for requests that can be handled twice.
   * @param {string} channel
   * @param {unknown} payload
   * @param {RetryOptions} [options]
   * @returns {Promise<Message>} rejected with the code of the last attempt's error
   */
  async makeRequestWithRetry(channel, payload, options = {}) {
    return this.#retrier.run(retryPolicy(options), () => this.makeRequest(channel, payload, options));
  }

  /**
   * Make a request with `makeRequestWithRetry`, and put up with its failure. An error answer is a failure here.
   * @param {string} channel
   * @param {unknown} payload
   * @param {RetryOptions & SafeOptions} [options]
   * @returns {Promise<any>} a message, an object with the default value as `payload`, or null
   */
  async safeRequest(channel, payload, options = {}) {
    try {
      return requireSuccess(await this.makeRequestWithRetry(channel, payload, options));
    } catch (error) {
      if (error instanceof TypeError) throw error; // a mistake in the program, which no default should hide
      if (options.defaultValue !== undefined) return { payload: options.defaultValue };
      if (options.throwOnError === false) return null;
      throw error;
    }
  }

  /**
   * @param {string} channel
   * @param {unknown} payload
   * @param {number} [timeout]
   */
  async #send(channel, payload, timeout) {
    try {
      return await this.#client.sendRequest(channel, payload, timeout);
    } catch (error) {
      this.#logError('ipc_request_error', asError(error), { channel });
      throw error;
    }
  }

  /**
   * @param {LogType} type
   * @param {Error & {code?: string}} error
   * @param {Partial<LogEntry>} [context]
   */
  #logError(type, { code, message, stack }, context) {
    this.#log('error', type, { error: { code, message, stack }, ...context });
  }

  /**
   * @param {Level} level
   * @param {LogType} type
   * @param {Partial<LogEntry>} [members]
   */
  #log(level, type, members) {
    const entry = { timestamp: new Date().toISOString(), type, appId: this.#appId, ...members };
    try {
      this.#logger[level]?.(entry);
    } catch (error) {
      process.emitWarning(asError(error)); // what is logged must not depend on the log
    }
  }
}

makeQuiet(RobustIPCClient, 'makeRequest', 'makeRequestWithRetry', 'safeRequest');

module.exports = { RobustIPCClient };
