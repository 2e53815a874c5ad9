'use strict';

const { IPCError } = require('../client');
const { checkHandler } = require('../client/arguments');
const { asError } = require('../client/errors');
const { Handlers } = require('../client/handlers');
const { Connector } = require('./connector');
const { checkOptions, integerOption, millisecondsOption } = require('./options');
const { makeQuiet } = require('./quiet');
const { WaitingLine } = require('./waiting-line');

/** @typedef {import('../client').IPCClient} IPCClient */
/** @typedef {import('../client/envelope').Message} Message */

/**
 * A connection of the pool, as it was handed out. Each time it is another object, so that whoever releases one twice
 * cannot take it from its next user.
 * @typedef {object} PoolConnection
 * @property {number} id
 * @property {IPCClient} client
 * @property {boolean} inUse
 * @property {number} createdAt in Unix milliseconds
 * @property {number} lastUsed in Unix milliseconds
 */

/**
 * Connections of one application that share its requests, each with a connection id of its own.
 *
 * A connection that is lost is replaced by a new one, and only open ones are handed out. One attempt is made to have
 * `minConnections` again; if it fails, the next caller that needs a connection starts another attempt.
 */
class IPCConnectionPool {
  #poolName;
  #appId;
  #minConnections;
  #maxConnections;
  #clientOptions;
  /** @type {{isReady: boolean} | null} from initialize to shutdown */
  #session = null;
  #lastId = 0;
  /** @type {Set<IPCClient>} whose attempt to connect is under way */
  #opening = new Set();
  /** @type {Map<IPCClient, PoolConnection>} the open ones, as they were handed out last */
  #connections = new Map();
  /** @type {PoolConnection[]} those that have been lost are left out when one is taken */
  #idle = [];
  /** @type {Set<PoolConnection>} also those that have been lost since */
  #lent = new Set();
  /** @type {WaitingLine<PoolConnection>} */
  #waiting;
  // An error handler that fails cannot be told of its own failure.
  #errorHandlers = new Handlers((error) => process.emitWarning(error));

  /**
   * @param {string} poolName
   * @param {object} [options]
   * @param {string} [options.appId] the application of all connections; default: the name of the pool
   * @param {number} [options.minConnections] default 2
   * @param {number} [options.maxConnections] default 10
   * @param {number} [options.acquireTimeout] how long getConnection waits, in ms; default 0: for ever
   * @param {object} [options.connectionOptions] those of the client; attempts to connect again are the pool's business,
   *   so that `reconnectAttempts` and `reconnectDelay` have no effect
   * @throws {TypeError}
   */
  constructor(poolName, options = {}) {
    checkOptions(options);
    this.#poolName = poolName;
    this.#appId = options.appId ?? poolName;
    this.#maxConnections = integerOption(options, 'maxConnections', 10);
    const range = { least: 0, most: this.#maxConnections };
    this.#minConnections = integerOption(options, 'minConnections', Math.min(2, this.#maxConnections), range);
    this.#waiting = new WaitingLine(millisecondsOption(options, 'acquireTimeout', 0));
    this.#clientOptions = { ...options.connectionOptions, reconnectAttempts: 0 };
    this.#makeConnector(); // now, so that wrong arguments are found here
  }

  /**
   * Open the least number of connections.
   * @throws {Error} why one could not be opened; none is open then
   */
  async initialize() {
    if (this.#session) throw new IPCError('already_initialized', `connection pool ${this.#poolName} is in use already`);
    const session = { isReady: false };
    this.#session = session;
    try {
      await Promise.all(Array.from({ length: this.#minConnections }, () => this.#open()));
      if (this.#session !== session) throw this.#shutDown();
    } catch (error) {
      if (this.#session === session) this.#close();
      throw error;
    }
    session.isReady = true;
  }

  /**
   * Take a connection, or wait for one if all are in use. The caller must release it.
   * @returns {Promise<PoolConnection>} rejected with `not_initialized`, with `timeout`, with `pool_closed` by shutdown,
   *   or with the reason why no connection could be opened
   */
  async getConnection() {
    if (!this.#session?.isReady) {
      const text = `connection pool ${this.#poolName} is not initialized: await initialize() first`;
      throw new IPCError('not_initialized', text);
    }
    const connection = this.#waiting.join();
    this.#supply(0);
    return connection;
  }

  /**
   * Give a connection back. Its subscriptions end.
   * @param {PoolConnection} connection
   * @throws {IPCError} `not_in_use`: it was released before, or is not one of this pool
   */
  releaseConnection(connection) {
    if (!this.#lent.delete(connection)) {
      const text = `connection ${connection?.id} is not in use in pool ${this.#poolName}: was it released twice?`;
      throw new IPCError('not_in_use', text);
    }
    connection.inUse = false;
    connection.lastUsed = Date.now();
    const { client } = connection;
    for (const channel of client.getConnectionInfo().subscribedChannels) client.unsubscribe(channel);
    this.#idle.push(connection);
    this.#supply(0);
  }

  /**
   * Make a request on a connection of the pool.
   * @param {string} channel
   * @param {unknown} payload
   * @param {number} [timeout] for the response, in milliseconds; default 10000
   * @returns {Promise<Message>} as `IPCClient.sendRequest`; or rejected as `getConnection`
   */
  async executeRequest(channel, payload, timeout) {
    const connection = await this.getConnection();
    try {
      return await connection.client.sendRequest(channel, payload, timeout);
    } finally {
      this.releaseConnection(connection);
    }
  }

  /** Close all connections, also those in use, and reject all waiting callers. The pool can be initialized again. */
  async shutdown() {
    this.#close();
  }

  /** Tell how many connections there are, how many of them are available and in use, and how many callers wait. */
  getStats() {
    const connections = [...this.#connections.values()];
    const inUse = connections.filter((connection) => connection.inUse).length;
    return { total: connections.length, available: connections.length - inUse, inUse, waiting: this.#waiting.size };
  }

  /** @param {(error: Error) => unknown} handler called with the errors of all clients, such as lost connections */
  onError(handler) {
    checkHandler(handler);
    this.#errorHandlers.add(handler);
  }

  #makeConnector() {
    const connector = new Connector(this.#appId, this.#clientOptions);
    connector.onError((error) => this.#errorHandlers.call(error));
    connector.client.onDisconnected(() => this.#lost(connector.client));
    return connector;
  }

  /**
   * Open one more connection. It is idle then.
   * @throws {Error} why it could not be opened
   */
  async #open() {
    const connector = this.#makeConnector();
    const { client } = connector;
    this.#opening.add(client);
    const connected = connector.connect();
    await connected.catch(() => {});
    if (!this.#opening.delete(client)) throw this.#shutDown();
    await connected;
    if (!client.connected) throw new IPCError('connection_lost', 'connection lost as soon as it was open');
    const now = Date.now();
    this.#lastId += 1;
    const connection = { id: this.#lastId, client, inUse: false, createdAt: now, lastUsed: now };
    this.#connections.set(client, connection);
    this.#idle.push(connection);
  }

  /**
   * Hand out what is idle, and open what is missing.
   * @param {number} shortage how many connections are wanted, even if no caller waits for them
   */
  #supply(shortage) {
    for (let idle = this.#takeIdle(); idle; idle = this.#takeIdle()) this.#waiting.serveFirst(this.#lend(idle));
    const wanted = Math.max(this.#waiting.size, shortage);
    const room = this.#maxConnections - this.#connections.size;
    while (this.#opening.size < Math.min(wanted, room)) this.#openForOthers();
  }

  async #openForOthers() {
    const session = this.#session;
    try {
      await this.#open();
      this.#supply(this.#minConnections - this.#connections.size);
    } catch (error) {
      if (session !== this.#session) return;
      // Each failed attempt rejects one caller: in the end all callers know, and no attempt repeats forever.
      if (this.#waiting.size > this.#opening.size) this.#waiting.rejectFirst(asError(error));
      this.#supply(0);
    }
  }

  /** @returns {PoolConnection | undefined} undefined also if no caller waits for it */
  #takeIdle() {
    if (this.#waiting.size === 0) return undefined;
    this.#idle = this.#idle.filter(({ client }) => client.connected);
    return this.#idle.pop();
  }

  /** @param {PoolConnection} idle */
  #lend(idle) {
    const connection = { ...idle, inUse: true, lastUsed: Date.now() };
    this.#connections.set(idle.client, connection);
    this.#lent.add(connection);
    return connection;
  }

  /** @param {IPCClient} client */
  #lost(client) {
    if (!this.#connections.delete(client)) return;
    this.#supply(this.#minConnections - this.#connections.size);
  }

  #close() {
    const clients = [...this.#opening, ...this.#connections.keys()];
    this.#session = null;
    this.#opening.clear();
    this.#connections.clear();
    this.#idle = [];
    this.#waiting.rejectAll(this.#shutDown());
    for (const client of clients) client.disconnect();
  }

  #shutDown() {
    return new IPCError('pool_closed', `connection pool ${this.#poolName} was shut down`);
  }
}

makeQuiet(IPCConnectionPool, 'getConnection', 'executeRequest');

module.exports = { IPCConnectionPool };
