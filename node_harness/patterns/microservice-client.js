'use strict';

const { IPCError } = require('../client');
const { checkHandler, checkInteger, refuse } = require('../client/arguments');
const { Connector } = require('./connector');
const { DEFAULT_APP_ID, Directory, SERVICES } = require('./directory');
const { checkOptions } = require('./options');
const { makeQuiet } = require('./quiet');

const EVENTS_CHANNEL = 'events';

/** @typedef {import('../client/envelope').Message} Message */
/** @typedef {{name: string, healthy: boolean, [member: string]: unknown}} Service */
/** @typedef {{type: string, data: any, source: string, timestamp: number}} ServiceEvent time in Unix ms */

/**
 * A service that calls other services, which the server knows, and exchanges events with them.
 *
 * A service takes requests on the channel of its name. Services see each other only inside one application, so that all
 * of them have to have the same `appId`.
 */
class MicroserviceClient {
  #serviceName;
  #connector;
  #directory;

  /**
   * @param {string} serviceName its own
   * @param {object} [options] those of the client, and:
   * @param {string} [options.appId] the application of all services; default 'microservices'
   * @param {string} [options.host] default without `path`: the environment variable IPC_HOST, or 'localhost'
   * @param {number} [options.port] default without `path`: the environment variable IPC_PORT, or 8888
   * @throws {TypeError}
   */
  constructor(serviceName, options = {}) {
    if (typeof serviceName !== 'string' || serviceName === '') refuse('serviceName', 'a name', serviceName);
    checkOptions(options);
    this.#serviceName = serviceName;
    this.#connector = new Connector(options.appId ?? DEFAULT_APP_ID, { ...options, ...addressOptions(options) });
    this.#directory = new Directory(this.#connector, SERVICES);
  }

  get client() {
    return this.#connector.client;
  }

  get serviceName() {
    return this.#serviceName;
  }

  /** Whether services can be called: after `initialize`, until `shutdown`. */
  get isReady() {
    return this.#directory.isReady;
  }

  /** @param {(error: Error) => unknown} handler called with every error that is not thrown and rejects no promise */
  onError(handler) {
    this.#connector.onError(handler);
  }

  /**
   * Connect and get to know the services.
   * @throws {Error} why that failed; the client is not connected then
   */
  async initialize() {
    await this.#directory.open();
  }

  /**
   * Send a request to a service.
   * @param {string} serviceName
   * @param {string} action
   * @param {unknown} [data] default {}
   * @param {{timeout?: number, [member: string]: unknown}} [options] the timeout in milliseconds, default 10000; other
   *   members go into the payload
   * @returns {Promise<Message>} as `IPCClient.sendRequest`; rejected with `not_initialized`, `service_not_found` or
   *   `service_unhealthy` when none was sent
   */
  async callService(serviceName, action, data = {}, options = {}) {
    if (!this.isReady) {
      throw new IPCError('not_initialized', 'microservice client is not initialized: await initialize() first');
    }
    const service = await this.#directory.find(serviceName);
    if (!service) throw new IPCError('service_not_found', `service not found: ${serviceName}`);
    if (!service.healthy) throw new IPCError('service_unhealthy', `service unhealthy: ${serviceName}`);
    const { timeout, ...members } = options;
    const payload = { ...members, action, data, source_service: this.#serviceName };
    return this.client.sendRequest(serviceName, payload, timeout);
  }

  /**
   * Send an event to all services of the application that subscribed to events, this one included.
   * @param {string} eventType
   * @param {unknown} data
   * @throws {TypeError | IPCError} as `IPCClient.publish`
   */
  async broadcastEvent(eventType, data) {
    const event = { type: eventType, data, source: this.#serviceName, timestamp: Date.now() };
    this.client.publish(EVENTS_CHANNEL, event);
  }

  /**
   * Have a handler called with every event of a type.
   * @param {string} eventType
   * @param {(event: ServiceEvent) => unknown} handler
   * @returns {() => void} ends this
   */
  subscribeToEvents(eventType, handler) {
    checkHandler(handler);
    /** @param {Message} message */
    const receive = ({ payload }) => (payload?.type === eventType ? handler(payload) : undefined);
    this.client.subscribe(EVENTS_CHANNEL, receive);
    return () => this.client.unsubscribe(EVENTS_CHANNEL, receive);
  }

  /** @returns {Service[]} unhealthy ones included */
  getAvailableServices() {
    return this.#directory.items.map((service) => ({ ...service }));
  }

  /** Disconnect. Subscriptions to events hold until the next `initialize`. */
  async shutdown() {
    this.#directory.close();
  }
}

/**
 * @param {any} options
 * @returns {{host?: string, port?: number | string}} none when the options say where the servers are
 */
function addressOptions({ host, port, path, servers }) {
  if (path != null || servers != null) return {};
  return { host: host ?? process.env.IPC_HOST, port: port ?? portOfEnvironment() };
}

/** @returns {number | undefined} */
function portOfEnvironment() {
  const text = process.env.IPC_PORT;
  if (!text) return undefined;
  checkInteger(`environment variable IPC_PORT (${text})`, Number(text), 1, 65535);
  return Number(text);
}

makeQuiet(MicroserviceClient, 'callService', 'broadcastEvent');

module.exports = { MicroserviceClient };
