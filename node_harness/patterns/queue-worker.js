'use strict';

const { setTimeout: sleep } = require('timers/promises');
const { IPCError } = require('../client');
const { asError } = require('../client/errors');
const { wasNotSent } = require('./answers');

/** @typedef {import('./queue-manager').Job} Job */
/** @typedef {(data: any, job: Job) => unknown} Processor */
/** @typedef {{leases: number, done: Promise<void>}} Run a job that is being done, and how often it was handed out */

/**
 * @typedef {object} WorkerOptions
 * @property {number} maxConcurrency jobs at a time
 * @property {number} retryAttempts of a job that does not say itself how often it may be tried
 * @property {number} retryDelay in milliseconds; before the second attempt, twice that before the third, and so on
 * @property {number} leaseTime in milliseconds
 */

/**
 * Does the jobs of a queue: fetches as many as it has room for, and more whenever one is done, until none is left. Then
 * it waits until it is woken.
 */
class QueueWorker {
  #manager;
  #options;
  #report;
  /** @type {Map<string, Processor>} */
  #processors = new Map();
  /** @type {Map<string, Run>} by job */
  #running = new Map();
  #isActive = false;
  #isFetching = false;
  #mayBeMore = false;
  /** @type {Set<{resolve: () => void, reject: (error: Error) => void}>} those who wait until no job is left */
  #drains = new Set();
  /** @type {NodeJS.Timeout | undefined} */
  #timer;

  /**
   * @param {import('./queue-manager').QueueManager} manager
   * @param {WorkerOptions} options
   * @param {(error: Error) => void} report gets what goes wrong with jobs, and with fetching them
   */
  constructor(manager, options, report) {
    this.#manager = manager;
    this.#options = options;
    this.#report = report;
  }

  /**
   * @param {string} type
   * @param {Processor} processor
   */
  register(type, processor) {
    this.#processors.set(type, processor);
    this.wake();
  }

  start() {
    this.#isActive = true;
    this.wake();
  }

  /** There may be jobs: look. */
  wake() {
    this.#mayBeMore = true;
    this.#fetch();
  }

  /**
   * Wait until no job is due and none is being done here.
   * @returns {Promise<void>} rejected when jobs cannot be fetched
   */
  drain() {
    return new Promise((resolve, reject) => {
      this.#drains.add({ resolve, reject });
      this.wake();
    });
  }

  /**
   * Fetch no more jobs, and wait for those that are being done.
   * @param {number} timeout in milliseconds
   */
  async stop(timeout) {
    this.#isActive = false;
    clearTimeout(this.#timer);
    const stop = new AbortController();
    const late = sleep(timeout, undefined, { signal: stop.signal }).catch(() => {});
    await Promise.race([Promise.all([...this.#running.values()].map(({ done }) => done)), late]);
    stop.abort();
  }

  async #fetch() {
    const { maxConcurrency, leaseTime } = this.#options;
    const room = maxConcurrency - this.#running.size;
    if (!this.#isActive || !this.#mayBeMore || this.#processors.size === 0) this.#tellIfIdle();
    else if (!this.#isFetching && room > 0) {
      this.#isFetching = true;
      this.#mayBeMore = false;
      await this.#manager.dequeue(room, leaseTime).then(
        (jobs) => this.#received(jobs),
        (error) => this.#failedToFetch(error),
      );
      this.#isFetching = false;
      this.#fetch();
    }
  }

  /** @param {Job[]} jobs none: there are no more */
  #received(jobs) {
    if (jobs.length > 0) this.#mayBeMore = true;
    if (!this.#isActive) return; // they are given back when the connection ends
    for (const job of jobs) this.#begin(job);
  }

  /** @param {Error & {code?: string}} error */
  #failedToFetch(error) {
    if (this.#drains.size === 0 && this.#isActive) this.#report(error);
    for (const { reject } of this.#drains) reject(error);
    this.#drains.clear();
    // The next connection wakes this worker. What happened otherwise may pass.
    if (!this.#isActive || error.code === 'connection_lost' || error.code === 'not_connected') return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.wake(), this.#options.retryDelay);
  }

  #tellIfIdle() {
    if (this.#running.size > 0 || this.#isFetching) return;
    for (const { resolve } of this.#drains) resolve();
    this.#drains.clear();
  }

  /** @param {Job} job */
  #begin(job) {
    const known = this.#running.get(job.id);
    if (known) {
      known.leases += 1; // the lease ended while it was being done; now it is leased to this worker once more
      return;
    }
    const run = { leases: 1, done: Promise.resolve() };
    this.#running.set(job.id, run);
    run.done = this.#do(job, run);
  }

  /**
   * @param {Job} job
   * @param {Run} run
   */
  async #do(job, run) {
    const outcome = await this.#process(job);
    await this.#tell(job, run, outcome);
    this.#fetch();
  }

  /**
   * Do a job.
   * @param {Job} job
   * @returns {Promise<() => Promise<unknown>>} tells the server what became of it
   */
  async #process(job) {
    const processor = this.#processors.get(job.type ?? '');
    try {
      if (!processor) return this.#givenUp(job, `no processor is registered for the job type ${job.type}`);
      const result = await processor(job.data, job);
      return () => this.#manager.complete(job.id, result);
    } catch (thrown) {
      return this.#failed(job, asError(thrown));
    }
  }

  /**
   * @param {Job} job
   * @param {Error} error
   */
  #failed(job, error) {
    const { retryAttempts, retryDelay } = this.#options;
    const attempts = (job.attempts ?? 0) + 1;
    const allowed = job.maxAttempts ?? retryAttempts;
    const text = `attempt ${attempts} of ${allowed} at job ${job.id} (${job.type}) failed: ${error.message}`;
    this.#report(new IPCError('job_failed', text, error));
    if (attempts >= allowed) return () => this.#manager.fail(job.id, error.message);
    return () => this.#manager.retry(job.id, retryDelay * attempts);
  }

  /**
   * @param {Job} job
   * @param {string} reason why no attempt can succeed
   */
  #givenUp(job, reason) {
    this.#report(new IPCError('job_failed', `job ${job.id} (${job.type}) failed: ${reason}`));
    return () => this.#manager.fail(job.id, reason);
  }

  /**
   * @param {Job} job
   * @param {Run} run
   * @param {() => Promise<unknown>} outcome
   * @returns {Promise<void>}
   */
  async #tell(job, run, outcome) {
    const { leases } = run;
    try {
      await outcome();
    } catch (thrown) {
      const error = /** @type {Error & {code: string}} */ (asError(thrown));
      const unsendable = `its outcome cannot be sent: ${error.message}`;
      if (wasNotSent(error)) return this.#tell(job, run, this.#givenUp(job, unsendable));
      if (error.code === 'not_leased' && run.leases > leases) return this.#tell(job, run, outcome);
      const text = `job ${job.id} (${job.type}) was done, but the server may hand it out again: ${error.message}`;
      this.#report(new IPCError(error.code, text, error));
    }
    // At once: from now on the job must start when it is handed out.
    this.#running.delete(job.id);
    return undefined;
  }
}

module.exports = { QueueWorker };
