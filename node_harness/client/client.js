'use strict';

const { randomUUID } = require('crypto');
const { checkAppId, checkChannel, checkHandler, checkMilliseconds, completeOptions } = require('./arguments');
const { Connection } = require('./connection');
const { SYSTEM_CHANNEL, errorOf, jsonPayload, makeMessage, withConnectionId } = require('./envelope');
const { FATAL_CODES, IPCError, serverError } = require('./errors');
const { Handlers } = require('./handlers');
const { OneWayMessages, PendingRequests } = require('./outstanding');
const { Subscriptions } = require('./subscriptions');

/** How long a request waits for its response unless told otherwise, in milliseconds. */
const DEFAULT_REQUEST_TIMEOUT = 10000;

/** @typedef {import('./envelope').Message} Message */

/**
 * A client of an IPC server: one application, one connection at a time, one connection id for its whole life.
 *
 * Nothing here ever ends the process: what goes wrong is thrown, rejects the promise at hand, or goes to the `onError`
 * handlers. A rejected promise without a handler is not reported as unhandled.
 */
class IPCClient {
  #appId;
  #options;
  #connectionId = randomUUID();
  // An error handler that fails cannot be told of its own failure.
  #errorHandlers = new Handlers((error) => process.emitWarning(error));
  #connectedHandlers = new Handlers((error) => this.#report(error));
  #disconnectedHandlers = new Handlers((error) => this.#report(error));
  #subscriptions = new Subscriptions((error) => this.#report(error));
  #requests = new PendingRequests();
  #oneWay = new OneWayMessages();
  #connection;

  /**
   * @param {string} appId the application, 1 to 255 characters
   * @param {object} [options] unknown members are ignored
   * @param {string} [options.host] default 'localhost'
   * @param {number | string} [options.port] default 8888; digits in a string will do
   * @param {string} [options.path] of a Unix domain socket or a Windows named pipe, in place of host and port
   * @param {boolean | object} [options.tls] true or options of `tls.connect`; default: plaintext
   * @param {string} [options.token] sent to the server, and shown nowhere
   * @param {number} [options.connectionTimeout] until a connection must be acknowledged, in ms; default 10000
   * @param {number} [options.reconnectAttempts] after a loss; 0 for none; default 5
   * @param {number} [options.reconnectDelay] before each of these attempts, in ms; default 2000
   * @param {number} [options.heartbeatInterval] between pings, in ms; 0 for no pings; default 30000
   * @throws {TypeError} naming the argument and what it must be
   */
  constructor(appId, options = {}) {
    checkAppId(appId);
    this.#appId = appId;
    this.#options = completeOptions(options);
    const identity = { appId, connectionId: this.#connectionId };
    this.#connection = new Connection(identity, this.#options, (timeout) => this.#ping(timeout), {
      onOpen: () => this.#opened(),
      onMessage: (message) => this.#received(message),
      onProblem: (error) => this.#report(error),
      onClose: (error, wasOpen) => this.#closed(error, wasOpen),
    });
  }

  /** Whether the connection is open: acknowledged and not ended. */
  get connected() {
    return this.#connection.isOpen;
  }

  /** The id under which the server knows this client; it stays the same when the client connects again. */
  get connectionId() {
    return this.#connectionId;
  }

  /**
   * Connect, and say which application this is. Makes one attempt; a loss later on is followed by further ones.
   * @returns {Promise<boolean>} true when connected; false after an error, which the `onError` handlers were given, or
   *   when `disconnect` was called meanwhile; never rejects
   */
  connect() {
    return this.#connection.open();
  }

  /** End the connection, or the attempts to make one. Requests in flight are rejected; messages sent are delivered. */
  disconnect() {
    const wasOpen = this.connected;
    this.#connection.close();
    this.#requests.rejectAll(new IPCError('connection_lost', 'connection closed by disconnect()'));
    if (wasOpen) this.#disconnectedHandlers.call(null);
  }

  /**
   * Send a request and wait for its response. `connection_id` is added to a payload that is an object without one
   * (REQ-006).
   * @param {string} channel
   * @param {unknown} payload any JSON value
   * @param {number} [timeout] in milliseconds; default 10000
   * @returns {Promise<Message>} the whole response, also when it is an error answer (`payload.status === 'error'`);
   *   rejected with a TypeError for bad arguments, or an IPCError with the code `timeout`, `not_connected`,
   *   `connection_lost` or `frame_too_large`
   */
  sendRequest(channel, payload, timeout = DEFAULT_REQUEST_TIMEOUT) {
    const response = this.#request(channel, payload, timeout);
    // A request without a handler must not end the process when the connection is lost.
    response.catch(() => {});
    return response;
  }

  /**
   * Have a handler called with every publish and notification on a channel. May be called while not connected, and
   * holds until `unsubscribe`, over every loss (SUB-020). Adding the same function again has no effect.
   * @param {string} channel
   * @param {(message: Message) => unknown} handler
   * @throws {TypeError}
   */
  subscribe(channel, handler) {
    checkChannel(channel);
    checkHandler(handler);
    if (this.#subscriptions.add(channel, handler) && this.connected) this.#sendSubscription('subscribe', channel);
  }

  /**
   * Remove a handler, or all handlers, of a channel.
   * @param {string} channel
   * @param {(message: Message) => unknown} [handler] all of them when absent
   * @throws {TypeError}
   */
  unsubscribe(channel, handler) {
    checkChannel(channel);
    if (handler !== undefined) checkHandler(handler);
    if (this.#subscriptions.remove(channel, handler) && this.connected) this.#sendSubscription('unsubscribe', channel);
  }

  /**
   * Send data to every subscriber of a channel.
   * @param {string} channel
   * @param {unknown} data any JSON value
   * @throws {TypeError | IPCError} the codes are `not_connected` and `frame_too_large`
   */
  publish(channel, data) {
    checkChannel(channel);
    this.#sendOneWay(channel, 'publish', data);
  }

  /**
   * Tell the server something and expect no answer.
   * @param {string} channel
   * @param {unknown} data any JSON value
   * @throws {TypeError | IPCError} the codes are `not_connected` and `frame_too_large`
   */
  notify(channel, data) {
    checkChannel(channel);
    this.#sendOneWay(channel, 'notification', data);
  }

  /**
   * Ask the server whether it is there.
   * @param {number} [timeout] in milliseconds; default: the option `connectionTimeout`
   * @returns {Promise<boolean>} whether a ping was answered in time; never rejects
   */
  async healthCheck(timeout = this.#options.connectionTimeout) {
    try {
      const response = await this.#ping(timeout);
      return response.payload?.status === 'pong';
    } catch {
      return false;
    }
  }

  /** Describe the connection in plain data that can be kept and encoded as JSON. */
  getConnectionInfo() {
    return {
      appId: this.#appId,
      connectionId: this.#connectionId,
      ...this.#options.address,
      connected: this.connected,
      status: this.#connection.status,
      subscribedChannels: this.#subscriptions.channels,
      pendingRequests: this.#requests.size,
      server: JSON.parse(JSON.stringify(this.#connection.acknowledgement)),
    };
  }

  /** @param {() => unknown} handler called whenever the connection is open, with all subscriptions sent again */
  onConnected(handler) {
    checkHandler(handler);
    this.#connectedHandlers.add(handler);
  }

  /** @param {(reason: Error | null) => unknown} handler called when an open connection ended; null: by `disconnect` */
  onDisconnected(handler) {
    checkHandler(handler);
    this.#disconnectedHandlers.add(handler);
  }

  /** @param {(error: Error) => unknown} handler called with every error that is not thrown and rejects no promise */
  onError(handler) {
    checkHandler(handler);
    this.#errorHandlers.add(handler);
  }

  /** @param {Error} error */
  #report(error) {
    this.#errorHandlers.call(error);
  }

  #opened() {
    for (const channel of this.#subscriptions.channels) this.#sendSubscription('subscribe', channel);
    this.#connectedHandlers.call();
  }

  /**
   * @param {Error} error
   * @param {boolean} wasOpen
   */
  #closed(error, wasOpen) {
    const lost = `connection lost before the response came (${error.message})`;
    this.#requests.rejectAll(new IPCError('connection_lost', lost, error));
    this.#report(error);
    if (wasOpen) this.#disconnectedHandlers.call(error);
  }

  /** @param {Message} message */
  #received(message) {
    switch (message.message_type) {
      case 'response':
        this.#receivedResponse(message);
        break;
      case 'publish':
      case 'notification': // SUB-019
        this.#subscriptions.dispatch(message);
        break;
      default: // nothing that a server sends to a client
    }
  }

  /** @param {Message} message */
  #receivedResponse(message) {
    const error = errorOf(message);
    const answered = message.reply_to;
    if (answered == null) {
      if (error) this.#receivedError(error);
    } else if (!this.#requests.resolve(answered, message) && this.#oneWay.delete(answered) && error) {
      this.#report(serverError(error));
    }
  }

  /**
   * An error answer that names no message is about the connection itself (ERR-002).
   * @param {{code: string, message: string}} error
   */
  #receivedError(error) {
    if (FATAL_CODES.has(error.code)) this.#connection.abort(serverError(error));
    else this.#report(serverError(error));
  }

  /**
   * @param {string} channel
   * @param {unknown} payload
   * @param {number} timeout in milliseconds
   * @returns {Promise<Message>}
   */
  async #request(channel, payload, timeout) {
    checkChannel(channel);
    checkMilliseconds('timeout', timeout);
    const request = this.#send(channel, 'request', withConnectionId(jsonPayload(payload), this.#connectionId));
    return this.#requests.add(request, timeout);
  }

  /** @param {number} timeout in milliseconds */
  #ping(timeout) {
    return this.#request(SYSTEM_CHANNEL, { action: 'ping' }, timeout);
  }

  /**
   * @param {'subscribe' | 'unsubscribe'} type
   * @param {string} channel
   */
  #sendSubscription(type, channel) {
    this.#sendOneWay(channel, type, { connection_id: this.#connectionId });
  }

  /**
   * @param {string} channel
   * @param {Message['message_type']} type
   * @param {unknown} data
   */
  #sendOneWay(channel, type, data) {
    this.#oneWay.add(this.#send(channel, type, jsonPayload(data)));
  }

  /**
   * @param {string} channel
   * @param {Message['message_type']} type
   * @param {unknown} payload
   * @returns {Message} what was sent
   */
  #send(channel, type, payload) {
    const message = makeMessage(this.#appId, channel, type, payload);
    this.#connection.send(message);
    return message;
  }
}

module.exports = { IPCClient };
