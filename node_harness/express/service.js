'use strict';

const express = require('express');
const { IPCClient } = require('../client');
const { addressText } = require('../client/address');
const { ipcErrors } = require('./errors');
const { serverSentEvents } = require('./events');
const { Listener } = require('./listener');
const { ipcMiddleware } = require('./middleware');
const { ipcProxy } = require('./routers');
const { health, status } = require('./state');

/** How long requests in flight may take when the service stops, in milliseconds. */
const STOP_GRACE_MS = 5000;

/** By default a service never gives up the IPC server, because there is no user who could reconnect it. */
const CLIENT_OPTIONS = { reconnectAttempts: Number.MAX_SAFE_INTEGER, reconnectDelay: 1000 };

/**
 * An HTTP service in front of an IPC server: `/api/:service/:action`, `/events/:channel`, `/health` and `/status`.
 * Routes of your own go to `app` before `start`. A service is started once.
 */
class IPCExpressService {
  #events;
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
   * @param {number} [options.timeout] for each answer of a handler, in milliseconds; default 30000
   * @param {number | string} [options.bodyLimit] of a request, in octets or as '1mb'; default '100kb'
   * @throws {TypeError} naming the option and what it must be
   */
  constructor({ appId = 'express-service', client = {}, services, channels, timeout, bodyLimit } = {}) {
    this.client = new IPCClient(appId, { ...CLIENT_OPTIONS, ...environmentOptions(client), ...client });
    this.client.onError((error) => (this.#error = error));
    this.#events = serverSentEvents(this.client, { channels });
    this.app = express();
    this.app.disable('x-powered-by');
    this.app.use(ipcMiddleware(this.client));
    this.app.get('/health', health);
    this.app.get('/status', status);
    this.app.get('/events/:channel', this.#events);
    this.app.use('/api', ipcProxy({ services, timeout, bodyLimit }));
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
   * @param {string} [host] default: all addresses of this machine
   * @returns {Promise<this>} rejected with an Error that says what to do; nothing is left running then
   */
  start(port = 3000, host) {
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
   * @param {string} [host]
   */
  async #begin(port, host) {
    try {
      await this.initialize();
      await this.#listener.listen(port, host);
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

/**
 * @param {{path?: string}} client options of the IPCClient
 * @throws {TypeError} IPC_PORT is no port
 */
function environmentOptions(client) {
  if (client?.path != null) return {};
  const { IPC_HOST: host, IPC_PORT: port } = process.env;
  if (port && !/^[0-9]{1,5}$/.test(port)) throw new TypeError(`IPC_PORT must be a port number, not '${port}'`);
  return { ...(host && { host }), ...(port && { port: Number(port) }) };
}

module.exports = { IPCExpressService };
