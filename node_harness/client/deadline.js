'use strict';

/** So often the event loop may bring further octets before a deadline is believed; each time at most some MiB. */
const MAX_TURNS = 32;

/** A name must be looked up before a connection is made, and that before something is read from it. */
const LEAST_TURNS = 3;

/**
 * A time limit for an answer of the server.
 *
 * After a program has blocked the event loop, timers run before sockets are read. So a limit that has passed is
 * believed only after the loop has read what had arrived by then.
 */
class Deadline {
  #progress;
  #onPassed;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  /** @type {NodeJS.Immediate | undefined} */
  #turn;

  /**
   * @param {number} time in milliseconds
   * @param {() => unknown} progress returns another value after octets have been read
   * @param {() => void} onPassed
   */
  constructor(time, progress, onPassed) {
    this.#progress = progress;
    this.#onPassed = onPassed;
    this.#timer = setTimeout(() => this.#read(MAX_TURNS), time);
  }

  /** Whether the time has passed, and what has arrived is being read. */
  get isPassing() {
    return this.#turn !== undefined;
  }

  clear() {
    clearTimeout(this.#timer);
    clearImmediate(this.#turn);
  }

  /** @param {number} turnsLeft */
  #read(turnsLeft) {
    const before = this.#progress();
    this.#turn = setImmediate(() => {
      const isMoving = turnsLeft > MAX_TURNS - LEAST_TURNS || this.#progress() !== before;
      if (turnsLeft > 1 && isMoving) this.#read(turnsLeft - 1);
      else this.#onPassed();
    });
  }
}

module.exports = { Deadline };
