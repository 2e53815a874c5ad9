'use strict';

const { inspect } = require('util');
const { connectionIdOf, isObject, normalizeError, normalizeInfo, normalizeReason } = require('./normalize');

/** The client under test has nothing for a command. */
class Skipped extends Error {}

/** The client under test, of which nothing is used but what the documentation of the clients promises. */
class ClientUnderTest {
  #IPCClient;
  #emit;
  /** @type {any} */
  #client = null;
  /** @type {Map<string, Map<string, Function>>} the handlers, by channel, then by the name that the command gave */
  #handlers = new Map();

  /**
   * @param {any} IPCClient the class
   * @param {(event: object) => void} emit is given each event of the client
   */
  constructor(IPCClient, emit) {
    this.#IPCClient = IPCClient;
    this.#emit = emit;
  }

  /**
   * Make the client.
   * @param {any} members of the command
   * @throws {Skipped} the client cannot connect to the path that is given
   */
  create({ app_id: appId, ...members }) {
    if (this.#client !== null) throw new Error('there is a client already');
    const options = {
      host: members.host,
      port: members.port,
      path: members.path,
      tls: members.tls,
      token: members.token,
      connectionTimeout: members.connection_timeout_ms,
      reconnectAttempts: members.reconnect_attempts,
      reconnectDelay: members.reconnect_delay_ms,
      heartbeatInterval: members.heartbeat_interval_ms,
    };
    // To some clients an option that is undefined is not one that is absent.
    const given = Object.entries(options).filter(([, value]) => value !== undefined);
    this.#client = this.#make(appId, Object.fromEntries(given));
    this.#client.onConnected?.(() => this.#emit({ event: 'connected' }));
    this.#client.onDisconnected?.((/** @type {unknown} */ reason) => {
      this.#emit({ event: 'disconnected', reason: normalizeReason(reason) });
    });
    this.#client.onError?.((/** @type {unknown} */ error) => {
      this.#emit({ event: 'error', error: normalizeError(error) });
    });
    return { connection_id: connectionIdOf(this.#client, this.#client.getConnectionInfo?.()) };
  }

  /**
   * Call a method of the client.
   * @param {string} method
   * @param {...any} values
   */
  call(method, ...values) {
    if (this.#client === null) throw new Error("there is no client yet: send the command 'create' first");
    if (typeof this.#client[method] !== 'function') throw new Skipped(`the client has no ${method}()`);
    return this.#client[method](...values);
  }

  /** @param {any} members of the command */
  async sendRequest({ channel, payload, timeout_ms: timeout }) {
    const response = await this.call('sendRequest', channel, payload, timeout);
    if (!isObject(response)) throw new Error(`the client made ${inspect(response)} of the response`);
    return { response };
  }

  /** @param {any} members of the command */
  subscribe({ channel, handler = 'default', fails = false }) {
    return this.#addHandler(channel, handler, () => {
      if (fails) throw new Error(`handler '${handler}' failed, as it was told to`);
    });
  }

  /**
   * Add a handler that does something at its first call, before it returns; if that takes time, the handler does, too.
   * @param {any} members of the command
   * @param {() => Promise<object>} act returns the outcome
   */
  react({ channel, handler = 'default' }, act) {
    let hasActed = false;
    return this.#addHandler(channel, handler, async () => {
      if (hasActed) return;
      hasActed = true;
      this.#emit({ event: 'reacted', channel, handler, ...(await act()) });
    });
  }

  /**
   * @param {string} channel
   * @param {string} handler
   * @param {() => unknown} then what the handler does when it has reported a message
   */
  async #addHandler(channel, handler, then) {
    const named = this.#handlers.get(channel) ?? new Map();
    if (named.has(handler)) throw new Error(`channel '${channel}' has a handler '${handler}' already`);
    const report = (/** @type {unknown} */ message) => {
      if (isObject(message)) this.#emit({ event: 'message', channel, handler, message });
      else this.#emit({ event: 'error', error: { message: `handler '${handler}' was given ${inspect(message)}` } });
      return then();
    };
    const subscribed = this.call('subscribe', channel, report);
    this.#handlers.set(channel, named.set(handler, report));
    await subscribed;
  }

  /** @param {any} members of the command */
  async unsubscribe({ channel, handler }) {
    if (handler === undefined) {
      const unsubscribed = this.call('unsubscribe', channel);
      this.#handlers.delete(channel);
      await unsubscribed;
    } else {
      await this.#removeHandler(channel, handler);
    }
  }

  connectionInfo() {
    return normalizeInfo(this.#client, this.call('getConnectionInfo'));
  }

  /** Disconnect the client if there is one. */
  end() {
    return this.#client?.disconnect?.();
  }

  /**
   * @param {unknown} appId
   * @param {{path?: string}} options
   */
  #make(appId, options) {
    const client = new this.#IPCClient(appId, options);
    if (options.path === undefined || usesPath(client, options.path)) return client;
    throw new Skipped('the client has no option path: its getConnectionInfo() does not show the path as its address');
  }

  /**
   * @param {string} channel
   * @param {string} handler
   */
  #removeHandler(channel, handler) {
    const named = this.#handlers.get(channel);
    const report = named?.get(handler);
    if (!named || !report) throw new Error(`channel '${channel}' has no handler '${handler}'`);
    // What the documentation promises is unsubscribe(channel) alone.
    if (named.size > 1 && this.#client.unsubscribe?.length < 2) throw new Skipped('the client removes all handlers');
    const unsubscribed = this.call('unsubscribe', channel, report);
    named.delete(handler);
    return unsubscribed;
  }
}

/**
 * Return true if a client shows a path as its address. One without this option ignores it, and would connect over TCP.
 * @param {any} client
 * @param {string} path
 */
function usesPath(client, path) {
  const info = client.getConnectionInfo?.();
  return info?.path === path && info.host == null && info.port == null;
}

module.exports = { ClientUnderTest, Skipped };
