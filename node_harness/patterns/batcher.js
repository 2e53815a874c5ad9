'use strict';

/**
 * @template T
 * @typedef {object} Batch
 * @property {string} channel
 * @property {number} timeout in milliseconds
 * @property {T[]} items
 */

/**
 * Gathers items of the same channel and timeout, and hands them on together: when there are enough of them, or when the
 * first of all has waited long enough.
 * @template T
 */
class Batcher {
  /** @type {Map<string, Batch<T>>} */
  #batches = new Map();
  #maxSize;
  #delay;
  #onBatch;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;

  /**
   * @param {number} maxSize items of a batch
   * @param {number} delay until items are handed on, in milliseconds
   * @param {(batch: Batch<T>) => void} onBatch
   */
  constructor(maxSize, delay, onBatch) {
    this.#maxSize = maxSize;
    this.#delay = delay;
    this.#onBatch = onBatch;
  }

  /** How many items wait. */
  get size() {
    return [...this.#batches.values()].reduce((sum, { items }) => sum + items.length, 0);
  }

  /**
   * @param {string} channel
   * @param {number} timeout
   * @param {T} item
   */
  add(channel, timeout, item) {
    const key = JSON.stringify([channel, timeout]);
    const batch = this.#batches.get(key) ?? { channel, timeout, items: [] };
    batch.items.push(item);
    this.#batches.set(key, batch);
    this.#timer ??= setTimeout(() => this.#flush(), this.#delay);
    if (batch.items.length < this.#maxSize) return;
    this.#batches.delete(key);
    this.#onBatch(batch);
  }

  /** Take out all that waits, and leave no timer. */
  clear() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batches = [...this.#batches.values()];
    this.#batches.clear();
    return batches;
  }

  #flush() {
    for (const batch of this.clear()) this.#onBatch(batch);
  }
}

module.exports = { Batcher };
