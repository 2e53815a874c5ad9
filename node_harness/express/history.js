'use strict';

/** What is kept of a channel for browsers that come back. */
const MAX_EVENTS = 256;
const MAX_BYTES = 128 * 1024;

/** The latest events of a channel, by number. */
class History {
  /** @type {{number: number, event: Buffer}[]} */
  #events = [];
  #bytes = 0;
  /** The number after which every event is kept. */
  #floor;

  /** @param {number} number of the event before the first one */
  constructor(number) {
    this.#floor = number;
  }

  /**
   * @param {number} number larger than all before
   * @param {Buffer} event
   */
  add(number, event) {
    this.#events.push({ number, event });
    this.#bytes += event.length;
    while (this.#events.length > MAX_EVENTS || this.#bytes > MAX_BYTES) {
      const [oldest] = this.#events.splice(0, 1);
      this.#bytes -= oldest.event.length;
      this.#floor = oldest.number;
    }
  }

  /**
   * Forget all events: others were missed, and who comes back must know.
   * @param {number} number larger than that of every event
   */
  cut(number) {
    this.#events = [];
    this.#bytes = 0;
    this.#floor = number;
  }

  /**
   * @param {number} number
   * @returns {Buffer[] | null} the events after it; null if not all of them are kept
   */
  since(number) {
    if (number < this.#floor) return null;
    return this.#events.filter((each) => each.number > number).map(({ event }) => event);
  }
}

module.exports = { History };
