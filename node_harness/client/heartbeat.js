'use strict';

/**
 * Sends pings at regular intervals and detects a missing answer (SYS-006, SYS-007).
 *
 * A server that announces no protocol version, such as the deployed ones of the package ipc-framework, need not know
 * pings. While it has never answered one, a missing answer says nothing; no pings follow until it answers late, because
 * octets on their way to a dead machine would keep the probes of TCP from noticing it.
 */
class Heartbeat {
  #interval;
  #ping;
  #onLost;
  #mustAnswer = true;
  /** @type {boolean | null} */
  #isAnswered = null;
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

  /** Whether the server answers pings; null while that is not known. */
  get isAnswered() {
    return this.#isAnswered;
  }

  /** @param {boolean} mustAnswer whether the server is one that answers pings */
  start(mustAnswer) {
    this.stop();
    this.#mustAnswer = mustAnswer;
    this.#isAnswered = null;
    if (this.#interval > 0) this.#timer = setInterval(() => this.#beat(), this.#interval);
  }

  stop() {
    clearInterval(this.#timer);
  }

  /** A ping was answered, in time or late. */
  answered() {
    this.#isAnswered = true;
  }

  /**
   * A ping was not answered in time.
   * @returns {boolean} true if that means that the server is not there
   */
  unanswered() {
    if (this.#mustAnswer || this.#isAnswered) return true;
    this.#isAnswered = false;
    return false;
  }

  #beat() {
    if (this.#isAnswered === false) return;
    this.#ping(this.#interval).catch((error) => {
      // Any other failure is that of a link whose loss has been noticed already.
      if (error.code === 'timeout' && this.unanswered()) this.#onLost();
    });
  }
}

module.exports = { Heartbeat };
