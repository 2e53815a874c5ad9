'use strict';

const { performance } = require('perf_hooks');
const { MAX_MILLISECONDS } = require('./arguments');

/** A connection that was open for less, and on which nothing arrived, counts as a failed attempt; in milliseconds. */
const LEAST_OPEN_MS = 1000;

/** By how much a wait may be longer, at random: clients that lost the same server do not come back at one moment. */
const JITTER = 0.5;

/** Far more doublings than any delay can have. */
const MAX_DOUBLINGS = 40;

/**
 * @typedef {object} ReconnectorEvents
 * @property {(attempt: number, delay: number) => void} onScheduled told of each attempt, and how long it waits, in ms
 * @property {(attempts: number) => void} onExhausted called when the last attempt has failed
 */

/**
 * After a loss, tries to connect again: a number of times, with a growing delay before each.
 *
 * Attempts are counted until a connection has proved to work, so that a server which accepts a connection and ends it
 * at once does not keep the client busy for ever.
 */
class Reconnector {
  #options;
  #connect;
  #events;
  /** Attempts since a connection has worked. */
  #attempts = 0;
  #openedAt = 0;
  #hasWorked = false;
  /** @type {{timer?: NodeJS.Timeout} | null} the series of attempts under way */
  #series = null;

  /**
   * @param {{reconnectAttempts: number, reconnectDelay: number, maxReconnectDelay: number}} options delays are in
   *   milliseconds
   * @param {() => Promise<boolean>} connect makes one attempt; never rejects
   * @param {ReconnectorEvents} events
   */
  constructor(options, connect, events) {
    this.#options = options;
    this.#connect = connect;
    this.#events = events;
  }

  get isActive() {
    return this.#series !== null;
  }

  /** A connection is open. */
  opened() {
    this.#openedAt = performance.now();
    this.#hasWorked = false;
  }

  /** The server has sent something on the connection. */
  worked() {
    this.#hasWorked = true;
  }

  /** An open connection was lost: begin a series, or go on with the one that led to this connection. */
  start() {
    const { reconnectAttempts, reconnectDelay } = this.#options;
    const lasted = performance.now() - this.#openedAt;
    if (this.#hasWorked || lasted >= Math.max(reconnectDelay, LEAST_OPEN_MS)) this.#attempts = 0;
    this.#series = null;
    if (reconnectAttempts > 0) this.#next({});
  }

  /** Make no further attempt. An attempt that is being made goes on. */
  stop() {
    clearTimeout(this.#series?.timer);
    this.#series = null;
    this.#attempts = 0;
  }

  /** @param {{timer?: NodeJS.Timeout}} series */
  #next(series) {
    this.#series = series;
    // The loss is told first.
    if (this.#attempts >= this.#options.reconnectAttempts) queueMicrotask(() => this.#exhaust(series));
    else this.#schedule(series, delayBefore(this.#attempts, this.#options, Math.random));
  }

  /** @param {{timer?: NodeJS.Timeout}} series */
  #exhaust(series) {
    if (series !== this.#series) return;
    const made = this.#attempts;
    this.stop();
    this.#events.onExhausted(made);
  }

  /**
   * @param {{timer?: NodeJS.Timeout}} series
   * @param {number} delay in milliseconds
   */
  #schedule(series, delay) {
    this.#attempts += 1;
    const attempt = this.#attempts;
    series.timer = setTimeout(() => this.#attempt(series), delay);
    // The loss is told first.
    queueMicrotask(() => series === this.#series && this.#events.onScheduled(attempt, delay));
  }

  /** @param {{timer?: NodeJS.Timeout}} series */
  async #attempt(series) {
    const connected = await this.#connect();
    // Meanwhile this series may have been stopped, or the connection lost again and another series begun.
    if (series !== this.#series) return;
    if (connected) this.#series = null;
    else this.#next(series);
  }
}

/**
 * Return how long to wait before an attempt: `reconnectDelay` before the first, twice as long before each further one,
 * and up to a half more at random; never more than `maxReconnectDelay`, unless `reconnectDelay` is longer.
 * @param {number} failed attempts before this one
 * @param {{reconnectDelay: number, maxReconnectDelay: number}} options in milliseconds
 * @param {() => number} random
 * @returns {number} in milliseconds
 */
function delayBefore(failed, { reconnectDelay, maxReconnectDelay }, random) {
  const most = Math.max(reconnectDelay, maxReconnectDelay / (1 + JITTER));
  const least = Math.min(reconnectDelay * 2 ** Math.min(failed, MAX_DOUBLINGS), most);
  const longest = reconnectDelay > maxReconnectDelay ? MAX_MILLISECONDS : maxReconnectDelay;
  return Math.round(least + Math.min(least * JITTER, longest - least) * random());
}

module.exports = { Reconnector, delayBefore };
