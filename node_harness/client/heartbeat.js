'use strict';

/** Sends pings at regular intervals and detects a missing answer (SYS-006, SYS-007). */
class Heartbeat {
  #interval;
  #ping;
  #onLost;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;

  /**
   * @param {number} interval in milliseconds; 0 means no heartbeat
   * @param {(timeout: number) => Promise<unknown>} ping sends a ping, rejects with the code `timeout` when unanswered
   * @param {() => void} onLost called when a ping was not answered within the interval
   */
  constructor(interval, ping, onLost) {
    this.#interval = interval;
    this.#ping = ping;
    this.#onLost = onLost;
  }

  start() {
    this.stop();
    if (this.#interval > 0) this.#timer = setInterval(() => this.#beat(), this.#interval);
  }

  stop() {
    clearInterval(this.#timer);
  }

  #beat() {
    this.#ping(this.#interval).catch((error) => {
      // Any other failure is that of a link whose loss has been noticed already.
      if (error.code === 'timeout') this.#onLost();
    });
  }
}

module.exports = { Heartbeat };
