'use strict';

const { IPCError } = require('../client');
const { malformed, requireSuccess } = require('./answers');

const CHANNEL = 'queue_manager';

/** The longest delay that a server must support (spec chapter Queue). */
const MAX_DELAY = 31536000000;

/**
 * A job as the server hands it out; times are in Unix milliseconds.
 * @typedef {object} Job
 * @property {string} id
 * @property {string} [type]
 * @property {any} [data]
 * @property {number} priority
 * @property {number} attempts those that failed
 * @property {number} [maxAttempts]
 * @property {number} createdAt
 * @property {number} scheduledFor
 */

/** @typedef {'pending' | 'delayed' | 'in_flight' | 'completed' | 'failed'} JobState */
/** @typedef {Record<JobState, number> & {queue: string}} QueueStats */

/** The requests of the profile queue (spec chapter Queue), for one queue. An error answer rejects each of them. */
class QueueManager {
  #client;
  #queue;

  /**
   * @param {import('../client').IPCClient} client
   * @param {string} queue
   */
  constructor(client, queue) {
    this.#client = client;
    this.#queue = queue;
  }

  /** @param {Partial<Job>} job with an `id` */
  enqueue(job) {
    return this.#ask('enqueue', { queue: this.#queue, job });
  }

  /**
   * @param {number} count at most
   * @param {number} leaseTime in milliseconds
   * @returns {Promise<Job[]>}
   */
  async dequeue(count, leaseTime) {
    const answer = await this.#ask('dequeue', { queue: this.#queue, count, lease_ms: leaseTime });
    if (!Array.isArray(answer?.jobs)) throw malformed('an answer', "it has no array 'jobs'");
    if (answer.jobs.some((/** @type {any} */ job) => typeof job?.id !== 'string')) {
      throw malformed('a job', "it has no string 'id'");
    }
    return answer.jobs;
  }

  /**
   * @param {string} id
   * @param {unknown} result
   */
  complete(id, result) {
    return this.#ask('job_completed', { job_id: id, result });
  }

  /**
   * @param {string} id
   * @param {string} error
   */
  fail(id, error) {
    return this.#ask('job_failed', { job_id: id, error });
  }

  /**
   * @param {string} id
   * @param {number} delay in milliseconds
   */
  retry(id, delay) {
    return this.#ask('retry_job', { job_id: id, delay: Math.min(delay, MAX_DELAY) });
  }

  /** @returns {Promise<QueueStats>} */
  async stats() {
    return this.#ask('get_queue_stats', { queue: this.#queue });
  }

  /**
   * @param {string} action
   * @param {object} members
   * @returns {Promise<any>}
   */
  async #ask(action, members) {
    const response = await this.#client.sendRequest(CHANNEL, { action, ...members });
    if (response.payload?.error?.code === 'no_handler') {
      throw new IPCError('no_handler', "the server does not offer queues, the profile 'queue'");
    }
    return requireSuccess(response).payload;
  }
}

module.exports = { QueueManager };
