'use strict';

const { setMaxListeners } = require('events');
const { setTimeout: sleep } = require('timers/promises');
const { IPCError } = require('../client');
const { checkInteger, refuse } = require('../client/arguments');
const { asError } = require('../client/errors');
const { millisecondsOption } = require('./options');

/**
 * The codes of errors after which the same request may succeed. All others say that it was wrong, or that it was
 * handled and failed.
 */
const TRANSIENT_CODES = new Set(['timeout', 'not_connected', 'connection_lost', 'no_instance', 'no_handler']);

/**
 * How often to make a request. Times are in milliseconds.
 * @typedef {object} RetryOptions
 * @property {number} [timeout] for each attempt; default 10000
 * @property {number} [retries] attempts in all; default 3
 * @property {number} [retryDelay] before the second attempt; default 1000
 * @property {number} [backoffMultiplier] by how much each wait is longer than the one before; default 2
 * @property {number} [maxRetryDelay] the longest wait; default 30000
 */

/**
 * How often to try, and how long to wait before each further attempt. Times are in milliseconds.
 * @typedef {object} RetryPolicy
 * @property {number} retries attempts in all
 * @property {number} retryDelay before the second attempt
 * @property {number} backoffMultiplier by how much each wait is longer than the one before
 * @property {number} maxRetryDelay the longest wait
 */

/**
 * Return the policy that options ask for.
 * @param {any} options
 * @returns {RetryPolicy}
 * @throws {TypeError}
 */
function retryPolicy(options) {
  const backoffMultiplier = options.backoffMultiplier ?? 2;
  if (typeof backoffMultiplier !== 'number' || !(backoffMultiplier >= 1 && backoffMultiplier < Infinity)) {
    refuse('backoffMultiplier', 'a number from 1', backoffMultiplier);
  }
  const retries = options.retries ?? 3;
  checkInteger('retries (the number of attempts in all)', retries, 1, Number.MAX_SAFE_INTEGER);
  return {
    retries,
    retryDelay: millisecondsOption(options, 'retryDelay', 1000),
    backoffMultiplier,
    maxRetryDelay: millisecondsOption(options, 'maxRetryDelay', 30000),
  };
}

/**
 * Return how long to wait after a number of failed attempts: between half of the backoff and all of it, so that many
 * clients which lost the same server do not come back at the same moment.
 * @param {RetryPolicy} policy
 * @param {number} failed at least 1
 * @param {() => number} random
 * @returns {number} milliseconds
 */
function backoff(policy, failed, random) {
  const longest = Math.min(policy.maxRetryDelay, policy.retryDelay * policy.backoffMultiplier ** (failed - 1));
  return longest * (0.5 + random() / 2);
}

/** Repeats what fails with a transient error, until it is stopped. */
class Retrier {
  #stop = newStop();

  /**
   * Make attempts until one succeeds.
   * @template T
   * @param {RetryPolicy} policy
   * @param {() => Promise<T>} attempt
   * @returns {Promise<T>} rejected with the error of the last attempt, or of the one that cannot be repeated
   */
  async run(policy, attempt) {
    const { signal } = this.#stop;
    for (let made = 1; ; made += 1) {
      try {
        return await attempt();
      } catch (thrown) {
        const error = asError(thrown);
        const isLast = made >= policy.retries || !isTransient(error);
        if (isLast || !(await pause(backoff(policy, made, Math.random), signal))) throw afterAttempts(error, made);
      }
    }
  }

  /** Have nothing tried again that has been begun by now; what waits for its next attempt is rejected at once. */
  stop() {
    this.#stop.abort();
    this.#stop = newStop();
  }
}

function newStop() {
  const stop = new AbortController();
  setMaxListeners(0, stop.signal); // one for each request that waits for its next attempt
  return stop;
}

/** @param {Error} error */
function isTransient(error) {
  return error instanceof IPCError && TRANSIENT_CODES.has(error.code);
}

/**
 * @param {number} milliseconds
 * @param {AbortSignal} signal
 * @returns {Promise<boolean>} false when the signal came first
 */
function pause(milliseconds, signal) {
  return sleep(milliseconds, true, { signal }).catch(() => false);
}

/**
 * @param {Error} error
 * @param {number} attempts
 */
function afterAttempts(error, attempts) {
  if (attempts === 1 || !(error instanceof IPCError)) return error;
  return new IPCError(error.code, `request failed after ${attempts} attempts: ${error.message}`, error);
}

module.exports = { Retrier, backoff, isTransient, retryPolicy };
