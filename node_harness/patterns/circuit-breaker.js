'use strict';

const { performance } = require('perf_hooks');
const { IPCError } = require('../client');

/** @typedef {'CLOSED' | 'OPEN' | 'HALF_OPEN'} CircuitState */

/**
 * Refuses requests for some time after several in a row have failed.
 *
 * CLOSED lets every request pass. `threshold` failures in a row open it: OPEN refuses every request. After `timeout` ms
 * the next request makes it HALF_OPEN: this one request passes, as a probe, while all others are refused. The probe's
 * success closes the circuit, its failure opens it for another `timeout` ms.
 */
class CircuitBreaker {
  #threshold;
  #timeout;
  #onChange;
  #now;
  /** @type {CircuitState} */
  #state = 'CLOSED';
  #failures = 0;
  /** @type {number | null} */
  #lastFailTime = null;
  #openedAt = 0;
  // What a request of an earlier state comes to says nothing about this one.
  #changes = 0;

  /**
   * @param {{threshold: number, timeout: number}} options the timeout is in milliseconds
   * @param {(state: CircuitState) => void} [onChange]
   * @param {() => number} [now] a clock that never goes back, in milliseconds
   */
  constructor({ threshold, timeout }, onChange = () => {}, now = () => performance.now()) {
    this.#threshold = threshold;
    this.#timeout = timeout;
    this.#onChange = onChange;
    this.#now = now;
  }

  /**
   * Make a request, if the circuit lets it pass.
   * @template T
   * @param {() => Promise<T>} request
   * @param {(error: any) => boolean} isFailure whether an error of the request tells against the server
   * @returns {Promise<T>} rejected with the code `circuit_open` when refused
   */
  async run(request, isFailure) {
    this.#admit();
    const admitted = this.#changes;
    try {
      const result = await request();
      if (admitted === this.#changes) this.#succeeded();
      return result;
    } catch (error) {
      if (admitted === this.#changes) this.#failed(isFailure(error));
      throw error;
    }
  }

  /** Close the circuit and forget all failures. */
  reset() {
    this.#failures = 0;
    this.#become('CLOSED');
  }

  /** Describe the circuit in plain data; `lastFailTime` is in Unix milliseconds, null while nothing has failed. */
  snapshot() {
    return {
      state: this.#state,
      failures: this.#failures,
      threshold: this.#threshold,
      timeout: this.#timeout,
      lastFailTime: this.#lastFailTime,
    };
  }

  #admit() {
    if (this.#state === 'CLOSED') return;
    const rest = this.#openedAt + this.#timeout - this.#now();
    if (this.#state === 'OPEN' && rest <= 0) {
      this.#become('HALF_OPEN');
      return;
    }
    const until = this.#state === 'OPEN' ? `for another ${Math.ceil(rest)} ms` : 'until the request under way succeeds';
    const text = `circuit breaker is ${this.#state} after ${this.#failures} failures: no request is made ${until}`;
    throw new IPCError('circuit_open', text);
  }

  #succeeded() {
    if (this.#state === 'HALF_OPEN') this.reset();
    this.#failures = 0;
  }

  /** @param {boolean} counts */
  #failed(counts) {
    if (counts) {
      this.#failures += 1;
      this.#lastFailTime = Date.now();
    }
    if (this.#state === 'HALF_OPEN') this.#open(counts);
    else if (this.#failures >= this.#threshold) this.#open(true);
  }

  /** @param {boolean} anew false when a probe told nothing: the next request may be one right away */
  #open(anew) {
    if (anew) this.#openedAt = this.#now();
    this.#become('OPEN');
  }

  /** @param {CircuitState} state */
  #become(state) {
    this.#changes += 1;
    const changes = state !== this.#state;
    this.#state = state;
    if (changes) this.#onChange(state);
  }
}

module.exports = { CircuitBreaker };
