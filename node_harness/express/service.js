'use strict';

const express = require('express');
const { IPCClient } = require('../client');
const { addressText } = require('../client/address');
const { ipcErrors } = require('./errors');
const { serverSentEvents } = require('./events');
const { Listener } = require('./listener');
const { ipcMiddleware } = require('./middleware');
const { hostGuard, isLoopback } = require('./origin');
const { ipcProxy } = require('./routers');
const { health, status } = require('./state');

/** How long requests in flight may take when the service stops, in milliseconds. */
const STOP_GRACE_MS = 5000;

/** Where a service listens unless told otherwise: it has no login of its own. */
const LOOPBACK = '127.0.0.1';

/** By default a service never gives up the IPC server, because there is no user who could reconnect it. */
const CLIENT_OPTIONS = { reconnectAttempts: Infinity, reconnectDelay: 1000, maxReconnectDelay: 10000 };

/**
 * An HTTP service in front of an IPC server: `/api/:service/:action`, `/events/:channel`, `/health` and `/status`.
 * Routes of your own go to `app` before `start`. A service is started once.
 */
class IPCExpressService {
  #events;
  #guard;
  #hosts;
  #isOpen;
  #listener;
  /** @type {Error | undefined} the latest error of the client */
  #error;
  /** @type {Promise<this> | undefined} */
  #starting;
  /** @type {Promise<void> | undefined} */
  #stopping;

  /**
   * @param {object} [options]
   * @param {string} [options.appId] default 'express-service'
   * @param {object} [options.client] options of the IPCClient; without path, host and port come from the
   *   environment variables IPC_HOST and IPC_PORT when they are not given
   * @param {string[]} [options.services] the channels that `/api` hands requests to; default: all that are not reserved
   * @param {string[]} [options.channels] the channels that `/events` streams; default: all that are not reserved
   * @param {string[]} [options.reads] actions that GET may request too, because they change nothing, as
   *   'service/action'; default: none
   * @param {string[]} [options.hosts] names under which browsers reach the service besides those of the loopback
   *   interface and the host that it listens on
   * @param {string[]} [options.origins] of pages that may use the service besides its own
   * @param {express.RequestHandler} [options.authenticate] a middleware in front of all routes that answers requests of
   *   strangers itself
   * @param {number} [options.maxStreams] event streams at a time; default 512
   * @param {number} [options.maxStreamsPerAddress] of these, from one address; default 64
   * @param {number} [options.timeout] for each answer of a handler, in milliseconds; default 30000
   * @param {number | string} [options.bodyLimit] of a request, in octets or as '1mb'; default '100kb'
   * @throws {TypeError} naming the option and what it must be
   */
  constructor(options = {}) {
    const { appId = 'express-service', client = {}, services, reads, channels, hosts = [], origins } = options;
    const { authenticate, maxStreams, maxStreamsPerAddress, timeout, bodyLimit } = options;
    this.client = new IPCClient(appId, { ...CLIENT_OPTIONS, ...environmentOptions(client), ...client });
    this.client.onError((error) => (this.#error = error));
    this.#events = serverSentEvents(this.client, { channels, origins, maxStreams, maxStreamsPerAddress });
    this.app = express();
    this.app.disable('x-powered-by');
    this.app.set('env', 'production'); // else Express answers with stack traces
    this.#hosts = hosts;
    this.#guard = hostGuard({ hosts });
    this.app.use((req, res, next) => this.#guard(req, res, next));
    this.#isOpen = authenticate === undefined;
    if (authenticate) this.app.use(authenticate);
    this.app.use(ipcMiddleware(this.client));
    this.app.get('/health', health);
    this.app.get('/status', status);
    this.app.get('/events/:channel', this.#events);
    this.app.use('/api', ipcProxy({ services, reads, origins, timeout, bodyLimit }));
    this.app.use(ipcErrors);
    this.#listener = new Listener(this.app);
  }

  /** Whether the IPC server is connected. */
  get isReady() {
    return this.client.connected;
  }

  /** The port that is listened on; null before `start` and after `stop`. */
  get port() {
    return this.#listener.port;
  }

  /**
   * Connect to the IPC server. `start` does it too.
   * @returns {Promise<this>} rejected with an Error that says why it failed
   */
  async initialize() {
    if (this.#stopping) throw new Error('the service was stopped; make a new one');
    if (await this.client.connect()) return this;
    const why = this.#stopping ? 'the service was stopped' : this.#error?.message;
    throw new Error(`no IPC server at ${addressText(this.client.getConnectionInfo())}: ${why}`, { cause: this.#error });
  }

  /**
   * Connect to the IPC server, then listen.
   * @param {number} [port] 0 for a free one, which `port` tells; default 3000
   * @param {string} [host] default: 127.0.0.1, for browsers of this machine only
   * @returns {Promise<this>} rejected with an Error that says what to do; nothing is left running then
   */
  start(port = 3000, host = LOOPBACK) {
    if (this.#starting) return Promise.reject(new Error('the service was started before; make a new one'));
    this.#starting = this.#begin(port, host);
    return this.#starting;
  }

  /**
   * End the event streams, answer what is in flight, close the listener and disconnect from the IPC server.
   * @returns {Promise<void>} never rejected; the same one however often it is asked
   */
  stop() {
    this.#stopping ??= this.#end();
    return this.#stopping;
  }

  /**
   * @param {number} port
   * @param {string} host
   */
  async #begin(port, host) {
    try {
      await this.initialize();
      this.#guard = hostGuard({ hosts: [...this.#hosts, host] });
      await this.#listener.listen(port, host);
      if (this.#isOpen && !isLoopback(host) && host !== 'localhost') process.emitWarning(openWarning(host));
      return this;
    } catch (error) {
      this.client.disconnect();
      throw error;
    }
  }

  async #end() {
    if (!this.isReady) this.client.disconnect(); // ends an attempt to connect, which start() may be waiting for
    await this.#starting?.catch(() => {});
    this.#events.close();
    await this.#listener.close(STOP_GRACE_MS);
    this.client.disconnect();
  }
}

/** @param {string} host */
function openWarning(host) {
  return `the IPC service listens on ${host} without authentication: give the option authenticate`;
}

/**
 * @param {{path?: string, servers?: unknown[]}} client options of the IPCClient
 * @throws {TypeError} IPC_PORT is no port
 */
function environmentOptions(client) {
  if (client?.path != null || client?.servers != null) return {};
  const { IPC_HOST: host, IPC_PORT: port } = process.env;
  if (port && !/^[0-9]{1,5}$/.test(port)) throw new TypeError(`IPC_PORT must be a port number, not '${port}'`);
  return { ...(host && { host }), ...(port && { port: Number(port) }) };
}

module.exports = { IPCExpressService };
