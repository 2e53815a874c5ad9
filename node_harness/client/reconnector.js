'use strict';

/** After a loss, tries to connect again: a number of times, with a delay before each. */
class Reconnector {
  #attempts;
  #delay;
  #connect;
  #onExhausted;
  /** @type {{timer?: NodeJS.Timeout} | null} the series of attempts under way */
  #series = null;

  /**
   * @param {{reconnectAttempts: number, reconnectDelay: number}} options the delay is in milliseconds
   * @param {() => Promise<boolean>} connect makes one attempt; never rejects
   * @param {(attempts: number) => void} onExhausted called when the last attempt of a series has failed
   */
  constructor({ reconnectAttempts, reconnectDelay }, connect, onExhausted) {
    this.#attempts = reconnectAttempts;
    this.#delay = reconnectDelay;
    this.#connect = connect;
    this.#onExhausted = onExhausted;
  }

  get isActive() {
    return this.#series !== null;
  }

  /** Begin a new series. */
  start() {
    this.stop();
    if (this.#attempts === 0) return;
    this.#series = {};
    this.#schedule(this.#series, this.#attempts);
  }

  /** Make no further attempt. An attempt that is being made goes on. */
  stop() {
    clearTimeout(this.#series?.timer);
    this.#series = null;
  }

  /**
   * @param {{timer?: NodeJS.Timeout}} series
   * @param {number} attemptsLeft
   */
  #schedule(series, attemptsLeft) {
    series.timer = setTimeout(() => this.#attempt(series, attemptsLeft), this.#delay);
  }

  /**
   * @param {{timer?: NodeJS.Timeout}} series
   * @param {number} attemptsLeft
   */
  async #attempt(series, attemptsLeft) {
    const connected = await this.#connect();
    // Meanwhile this series may have been stopped, or the connection lost again and another series begun.
    if (series !== this.#series) return;
    if (!connected && attemptsLeft > 1) {
      this.#schedule(series, attemptsLeft - 1);
      return;
    }
    this.#series = null;
    if (!connected) this.#onExhausted(this.#attempts);
  }
}

module.exports = { Reconnector };
