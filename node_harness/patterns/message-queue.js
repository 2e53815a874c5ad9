'use strict';

const { randomUUID } = require('crypto');
const { IPCError } = require('../client');
const { checkChannel, checkHandler, checkInteger, checkMilliseconds, refuse } = require('../client/arguments');
const { Connector } = require('./connector');
const { checkOptions, integerOption, millisecondsOption } = require('./options');
const { QueueManager } = require('./queue-manager');
const { QueueWorker } = require('./queue-worker');
const { makeQuiet } = require('./quiet');

const MAX_QUEUE_NAME = 249;
const LEASE_TIMES = { least: 100, most: 86400000 };
const DEFAULT_LEASE_TIME = 30000;

/** How long shutdown waits for jobs unless told otherwise, in milliseconds: as long as they are leased. */
const DEFAULT_SHUTDOWN_TIMEOUT = DEFAULT_LEASE_TIME;

/** @typedef {import('./queue-worker').Processor} Processor */

/**
 * A queue of jobs that the server keeps: puts jobs into it and, with a processor for their types, does them.
 *
 * A job is done at least once. It is handed out again when the connection is lost, or when it takes longer than
 * `leaseTime`, before the server knows what became of it.
 */
class MessageQueue {
  #queueName;
  #connector;
  #manager;
  #worker;
  #retryAttempts;
  #isReady = false;

  /**
   * @param {string} queueName 1 to 249 characters
   * @param {object} [options] those of the client, and:
   * @param {string} [options.appId] the application whose queue it is; default: 'queue-' and the name
   * @param {number} [options.maxConcurrency] jobs that are done at a time; default 5
   * @param {number} [options.retryAttempts] attempts at a job in all; default 3
   * @param {number} [options.retryDelay] before the second attempt, twice that before the third, and so on, in ms;
   *   default 1000
   * @param {number} [options.leaseTime] how long a job may take before another worker gets it, in ms; default 30000
   * @throws {TypeError}
   */
  constructor(queueName, options = {}) {
    checkQueueName(queueName);
    checkOptions(options);
    this.#queueName = queueName;
    this.#retryAttempts = integerOption(options, 'retryAttempts', 3);
    const workerOptions = {
      maxConcurrency: integerOption(options, 'maxConcurrency', 5, { most: 1000 }),
      retryAttempts: this.#retryAttempts,
      retryDelay: millisecondsOption(options, 'retryDelay', 1000),
      leaseTime: integerOption(options, 'leaseTime', DEFAULT_LEASE_TIME, LEASE_TIMES),
    };
    this.#connector = new Connector(options.appId ?? `queue-${queueName}`, options);
    this.#manager = new QueueManager(this.client, queueName);
    this.#worker = new QueueWorker(this.#manager, workerOptions, (error) => this.#connector.report(error));
    this.client.onConnected(() => this.#worker.wake());
  }

  get client() {
    return this.#connector.client;
  }

  get queueName() {
    return this.#queueName;
  }

  /** @param {(error: Error) => unknown} handler called with errors of the client, of jobs, and of fetching them */
  onError(handler) {
    this.#connector.onError(handler);
  }

  /**
   * Connect, and begin to do the jobs that wait.
   * @throws {Error} why that failed; the client is not connected then
   */
  async initialize() {
    if (this.#isReady) throw new IPCError('already_initialized', `queue ${this.#queueName} is initialized already`);
    this.client.subscribe(this.#channel, this.#receive);
    try {
      await this.#connector.connect();
      await this.#manager.stats(); // finds out whether the server has queues
    } catch (error) {
      this.#close();
      throw error;
    }
    this.#isReady = true;
    this.#worker.start();
  }

  /**
   * Put a job into the queue.
   * @param {string} jobType
   * @param {unknown} jobData any JSON value
   * @param {object} [options]
   * @param {number} [options.priority] an integer, larger first; default 0
   * @param {number} [options.delay] until it may be done, in ms by this machine's clock; default 0
   * @param {number} [options.maxAttempts] in all; default: the option `retryAttempts`
   * @param {string} [options.id] to enqueue it again after an error, which has no effect if it is known; default: new
   * @returns {Promise<string>} the id of the job, when the server has it
   */
  async enqueue(jobType, jobData, options = {}) {
    checkJobType(jobType);
    const { priority = 0, delay = 0, maxAttempts = this.#retryAttempts, id = randomUUID() } = options;
    checkInteger('priority', priority, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    checkInteger('maxAttempts', maxAttempts, 1, Number.MAX_SAFE_INTEGER);
    if (typeof delay !== 'number' || !(delay >= 0 && delay < Infinity)) refuse('delay', 'a number of ms', delay);
    const createdAt = Date.now();
    const job = { id, type: jobType, data: jobData, priority, attempts: 0, maxAttempts, createdAt };
    // Without a delay the server's clock decides: by this machine's the job could be one of the future.
    await this.#manager.enqueue(delay === 0 ? job : { ...job, scheduledFor: createdAt + delay });
    return id;
  }

  /**
   * Have jobs of a type done by a function; a job that it fails is done again later. Replaces the one before. While
   * there is no processor, no jobs are fetched; when there is one, jobs of unknown types fail.
   * @param {string} jobType
   * @param {Processor} processor gets the job's data and the job; what it returns is the job's result
   */
  registerProcessor(jobType, processor) {
    checkJobType(jobType);
    checkHandler(processor);
    this.#worker.register(jobType, processor);
  }

  /**
   * Do all jobs that are due. Happens by itself; this tells when none is left.
   * @throws {Error} why jobs cannot be fetched
   */
  async processJobs() {
    if (!this.#isReady) {
      throw new IPCError('not_initialized', `queue ${this.#queueName} is not initialized: await initialize() first`);
    }
    await this.#worker.drain();
  }

  /** Ask for the numbers of jobs in the queue. */
  getQueueStats() {
    return this.#manager.stats();
  }

  /**
   * Finish the jobs that are being done, and disconnect. What is not done in time is given back to the queue.
   * @param {{timeout?: number}} [options] in milliseconds; default 30000
   */
  async shutdown({ timeout = DEFAULT_SHUTDOWN_TIMEOUT } = {}) {
    checkMilliseconds('timeout', timeout, 0);
    this.#isReady = false;
    await this.#worker.stop(timeout);
    this.#close();
  }

  get #channel() {
    return `queue:${this.#queueName}`;
  }

  /** @param {import('../client/envelope').Message} message */
  #receive = ({ payload }) => {
    if (payload?.type === 'job_available') this.#worker.wake();
  };

  #close() {
    this.client.unsubscribe(this.#channel, this.#receive);
    this.client.disconnect();
  }
}

/** @param {unknown} name */
function checkQueueName(name) {
  if (typeof name !== 'string' || name === '' || [...name].length > MAX_QUEUE_NAME) {
    refuse('queueName', `a string of 1 to ${MAX_QUEUE_NAME} characters`, name);
  }
  checkChannel(`queue:${name}`);
}

/** @param {unknown} jobType */
function checkJobType(jobType) {
  if (typeof jobType !== 'string' || jobType === '') refuse('jobType', 'a name', jobType);
}

makeQuiet(MessageQueue, 'enqueue', 'getQueueStats');

module.exports = { MessageQueue };
