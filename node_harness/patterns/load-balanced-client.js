'use strict';

const { IPCError } = require('../client');
const { refuse } = require('../client/arguments');
const { errorOf } = require('../client/envelope');
const { requireSuccess } = require('./answers');
const { Connector } = require('./connector');
const { DEFAULT_APP_ID, Directory, instancesOf } = require('./directory');
const { checkOptions } = require('./options');
const { makeQuiet } = require('./quiet');
const { Retrier, retryPolicy } = require('./retry');

/** @typedef {import('../client/envelope').Message} Message */
/** @typedef {{id: string, channel: string, healthy: boolean, connections: number, [more: string]: unknown}} Instance */
/** @typedef {{load: number, turn: number, random: number}} Standing an instance's; `turn` is of its last selection */

/**
 * The strategies: each selects the instance for which its number is the smallest. Between equals it is the turn of the
 * one that was selected least recently.
 * @type {Record<string, (standing: Standing) => number>}
 */
const STRATEGIES = {
  round_robin: ({ turn }) => turn,
  random: ({ random }) => random,
  least_connections: ({ load }) => load,
};

/** A client that divides its requests among the healthy instances of a service. */
class LoadBalancedClient {
  #serviceType;
  #strategy;
  #connector;
  #directory;
  #retrier = new Retrier();
  /** @type {Map<string, number>} by instance, the turn in which it was selected last */
  #turns = new Map();
  #turn = 0;
  /** @type {Map<string, number>} by instance, the requests of this client that it has not answered */
  #inFlight = new Map();

  /**
   * @param {string} serviceType
   * @param {object} [options] those of the client, and:
   * @param {string} [options.appId] the application that is offered the service; default 'microservices'
   * @param {'round_robin' | 'random' | 'least_connections'} [options.strategy] default 'round_robin'
   * @throws {TypeError}
   */
  constructor(serviceType, options = {}) {
    if (typeof serviceType !== 'string' || serviceType === '') refuse('serviceType', 'a name', serviceType);
    checkOptions(options);
    const strategy = options.strategy ?? 'round_robin';
    if (!Object.hasOwn(STRATEGIES, strategy)) {
      refuse('strategy', `one of ${Object.keys(STRATEGIES).join(', ')}`, strategy);
    }
    this.#serviceType = serviceType;
    this.#strategy = STRATEGIES[strategy];
    this.#connector = new Connector(options.appId ?? DEFAULT_APP_ID, options);
    this.#directory = new Directory(this.#connector, instancesOf(serviceType));
  }

  get client() {
    return this.#connector.client;
  }

  get serviceType() {
    return this.#serviceType;
  }

  /** @returns {Instance[]} the healthy ones */
  get serviceInstances() {
    return this.#directory.items.filter(({ healthy }) => healthy).map((instance) => ({ ...instance }));
  }

  /** @param {(error: Error) => unknown} handler called with every error that is not thrown and rejects no promise */
  onError(handler) {
    this.#connector.onError(handler);
  }

  /**
   * Connect and get to know the instances.
   * @throws {Error} why that failed; the client is not connected then
   */
  async initialize() {
    await this.#directory.open();
  }

  /**
   * Select the instance for the next request.
   * @returns {Instance}
   * @throws {IPCError} `no_instance`
   */
  selectInstance() {
    return this.#select(new Set());
  }

  /**
   * Send a request to an instance. When the instance does not answer in time, has no handler, or the connection fails,
   * send it again, after a pause, to an instance that has not had it if there is one. An instance that did not answer
   * may have handled the request all the same; `retries: 1` is for what must not be handled twice.
   * @param {string} action
   * @param {unknown} [data]
   * @param {import('./retry').RetryOptions} [options]
   * @returns {Promise<Message>} as `IPCClient.sendRequest`; rejected with the code of the last attempt's error
   */
  async makeRequest(action, data, options = {}) {
    if (!this.#directory.isReady) {
      throw new IPCError('not_initialized', 'load-balanced client is not initialized: await initialize() first');
    }
    /** @type {Set<string>} */
    const tried = new Set();
    return this.#retrier.run(retryPolicy(options), async () => {
      await this.#directory.settled();
      const instance = this.#select(tried);
      tried.add(instance.id);
      const payload = { action, data, instance_id: instance.id };
      const response = await this.#counting(instance, () => {
        return this.client.sendRequest(instance.channel, payload, options.timeout);
      });
      return errorOf(response)?.code === 'no_handler' ? requireSuccess(response) : response;
    });
  }

  /** Disconnect. Ends all waiting for further attempts. */
  async shutdown() {
    this.#retrier.stop();
    this.#directory.close();
  }

  /**
   * @param {Set<string>} tried instances to be avoided, if there are others
   * @returns {Instance}
   */
  #select(tried) {
    const healthy = this.serviceInstances;
    if (healthy.length === 0) {
      throw new IPCError('no_instance', `no healthy instance of the service ${this.#serviceType} is known`);
    }
    const untried = healthy.filter(({ id }) => !tried.has(id));
    const selected = this.#first(untried.length > 0 ? untried : healthy);
    this.#turn += 1;
    this.#turns.set(selected.id, this.#turn);
    this.#forgetGone();
    return selected;
  }

  #forgetGone() {
    const known = new Set(this.#directory.items.map(({ id }) => id));
    for (const id of this.#turns.keys()) if (!known.has(id)) this.#turns.delete(id);
  }

  /** @param {Instance[]} instances at least one */
  #first(instances) {
    const ranked = instances.map((instance) => {
      const turn = this.#turns.get(instance.id) ?? 0;
      const load = (instance.connections ?? 0) + (this.#inFlight.get(instance.id) ?? 0);
      return { instance, turn, rank: this.#strategy({ load, turn, random: Math.random() }) };
    });
    ranked.sort((a, b) => a.rank - b.rank || a.turn - b.turn);
    return ranked[0].instance;
  }

  /**
   * @template T
   * @param {Instance} instance
   * @param {() => Promise<T>} request
   */
  async #counting({ id }, request) {
    this.#inFlight.set(id, (this.#inFlight.get(id) ?? 0) + 1);
    try {
      return await request();
    } finally {
      const rest = (this.#inFlight.get(id) ?? 0) - 1;
      if (rest > 0) this.#inFlight.set(id, rest);
      else this.#inFlight.delete(id);
    }
  }
}

makeQuiet(LoadBalancedClient, 'makeRequest');

module.exports = { LoadBalancedClient };
