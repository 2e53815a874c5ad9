'use strict';

const { checkAppId, checkChannel, checkHandler, checkMilliseconds, completeOptions } = require('./arguments');
const { Connection } = require('./connection');
const { IPCError, asError } = require('./errors');
const { Events } = require('./events');
const { ForgottenConnect } = require('./forgotten-connect');
const { HandlerRuns } = require('./handler-runs');
const { Identity } = require('./identity');
const { MessageStreams } = require('./message-stream');
const { Messenger } = require('./messenger');
const { Subscriptions } = require('./subscriptions');

/** How long a request waits for its response unless told otherwise, in milliseconds. */
const DEFAULT_REQUEST_TIMEOUT = 10000;

/** How long a server may read nothing before `disconnect` gives up the rest, in milliseconds. */
const DEFAULT_PATIENCE = 30000;

/** @typedef {import('./envelope').Message} Message */

/**
 * A client of an IPC server: one application, one connection at a time.
 *
 * Nothing here ever ends the process: what goes wrong is thrown, rejects the promise at hand, or goes to the `onError`
 * handlers. A rejected promise without a handler is not reported as unhandled.
 */
class IPCClient {
  #options;
  #identity;
  #runs = new HandlerRuns();
  #events = new Events((handler, values) => this.#runs.call(handler, values));
  #forgotten = new ForgottenConnect();
  #subscriptions = new Subscriptions((error) => this.#report(error));
  #streams = new MessageStreams();
  /** @type {Connection} */
  #connection;
  /** @type {Messenger} */
  #messenger;
  /** Whether an open connection was lost, and it is open that another one follows. */
  #isLost = false;

  /**
   * @param {string} appId the application, 1 to 255 characters
   * @param {object} [options] unknown members are ignored
   * @param {string} [options.host] default 'localhost'
   * @param {number | string} [options.port] default 8888; digits in a string will do
   * @param {string} [options.path] of a Unix domain socket or a Windows named pipe, in place of host and port
   * @param {ReadonlyArray<string | object>} [options.servers] several, tried in turn, in place of host and port
   * @param {string} [options.connectionId] 1 to 128 characters; default: one of the client's own
   * @param {boolean | object} [options.tls] true or options of `tls.connect`; default: plaintext
   * @param {string} [options.token] sent to the server, and shown nowhere
   * @param {number} [options.connectionTimeout] until a connection must be acknowledged, in ms; default 10000
   * @param {number} [options.reconnectAttempts] after a loss; 0 for none, Infinity for ever; default 5
   * @param {number} [options.reconnectDelay] before the first of these attempts, in ms; default 2000
   * @param {number} [options.maxReconnectDelay] between later ones, in ms; default 30000
   * @param {number} [options.heartbeatInterval] between pings, in ms; 0 for no pings; default 30000
   * @param {number} [options.maxBufferedBytes] that may wait for a server that does not read; default 64 MiB
   * @param {number} [options.maxDepth] of a message that is delivered, in levels; default 1024
   * @throws {TypeError} naming the argument and what it must be
   */
  constructor(appId, options = {}) {
    checkAppId(appId);
    this.#options = completeOptions(options);
    this.#identity = new Identity(appId, this.#options.connectionId);
    this.#connection = new Connection(this.#identity, this.#options, (timeout) => this.#messenger.ping(timeout, true), {
      onOpen: () => this.#opened(),
      onMessage: (message) => this.#received(message),
      onProblem: (error, answered) => this.#dropped(error, answered),
      onDrain: () => this.#events.emit('drain'),
      onClose: (error, wasOpen) => this.#closed(error, wasOpen),
      onReconnecting: (attempt, delay) => this.#events.emit('reconnecting', { attempt, delay }),
      onGivenUp: (error) => this.#givenUp(error),
    });
    this.#messenger = new Messenger(this.#identity, this.#connection, (error) => this.#report(error));
  }

  /** Whether the connection is open: acknowledged and not ended. */
  get connected() {
    return this.#connection.isOpen;
  }

  /**
   * The id under which the server knows this client. It stays the same when the client connects again, except to a
   * server that announces no protocol version: there it is another one for each connection, unless the user gave it.
   */
  get connectionId() {
    return this.#identity.connectionId;
  }

  /**
   * Connect, and say which application this is. Makes one attempt; a loss later on is followed by further ones.
   * @returns {Promise<boolean>} true when connected; false after an error, which the `onError` handlers were given, or
   *   when `disconnect` was called meanwhile; never rejects
   */
  connect() {
    this.#forgotten.settle();
    return this.#connection.open();
  }

  /**
   * End the connection, or the attempts to make one. Requests in flight are rejected; messages sent are delivered, for
   * as long as the server reads.
   * @param {object} [options]
   * @param {number} [options.timeout] how long the system may take nothing before the rest is given up, in ms; default
   *   30000
   * @returns {Promise<{lostBytes: number}>} once the system has taken everything, or the rest was given up: how many
   *   octets, at most, were lost. The `onError` handlers are told of a loss, too; never rejects
   * @throws {TypeError}
   */
  disconnect({ timeout = DEFAULT_PATIENCE } = {}) {
    checkMilliseconds('timeout', timeout);
    const wasOpen = this.connected;
    this.#forgotten.settle();
    const ended = this.#connection.close(timeout);
    this.#messenger.rejectRequests(new IPCError('connection_lost', 'connection closed by disconnect()'));
    this.#isLost = false;
    this.#streams.endAll();
    if (wasOpen) this.#events.emit('disconnected', null);
    return ended.then((lostBytes) => {
      if (wasOpen && lostBytes > 0) this.#report(lossError(lostBytes, timeout));
      return { lostBytes };
    });
  }

  /**
   * Send a request and wait for its response. `connection_id` is added to a payload that is an object without one
   * (REQ-006).
   * @param {string} channel
   * @param {unknown} payload any JSON value
   * @param {number} [timeout] in milliseconds; default 10000
   * @param {object} [options]
   * @param {AbortSignal} [options.signal] ends the wait for the response; the server is not told
   * @returns {Promise<Message>} the whole response, also when it is an error answer (`payload.status === 'error'`);
   *   rejected with a TypeError for bad arguments, or an IPCError with the code `timeout`, `not_connected`,
   *   `connection_lost`, `frame_too_large`, `too_deep`, `buffer_full` or `aborted`
   */
  sendRequest(channel, payload, timeout = DEFAULT_REQUEST_TIMEOUT, { signal } = {}) {
    const response = this.#messenger.request(channel, payload, timeout, { signal });
    // A request without a handler must not end the process when the connection is lost.
    response.catch(() => {});
    return response;
  }

  /**
   * Have a handler called with every publish and notification on a channel. May be called while not connected, and
   * holds until `unsubscribe`, over every loss (SUB-020). Adding the same function again has no effect. In an
   * `onConnected` handler, it takes the place of what the same handler subscribed to on the channel at
   * earlier connections; after an `await`, too, if the handler is itself an `async` function of JavaScript.
   * @param {string} channel
   * @param {(message: Message) => unknown} handler
   * @throws {TypeError | IPCError} the code is `buffer_full`; the handler was not added then
   */
  subscribe(channel, handler) {
    checkChannel(channel);
    checkHandler(handler);
    this.#connection.checkRoom();
    this.#subscribe(channel, handler);
  }

  /**
   * Subscribe to a channel and iterate over its messages, until the loop ends, `signal` aborts, or `disconnect` is
   * called. A lost connection does not end it, unless no attempt to connect again follows: then the iteration throws.
   * @param {string} channel
   * @param {import('.').StreamOptions} [options]
   * @returns {AsyncIterableIterator<Message>}
   * @throws {TypeError | IPCError} the code is `buffer_full`
   */
  messages(channel, options = {}) {
    checkChannel(channel);
    this.#connection.checkRoom();
    const opened = this.#streams.open(channel, options, (handler) => this.unsubscribe(channel, handler));
    this.#subscribe(channel, opened.handler, opened.onRemoved);
    return opened.stream;
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
    const isLast = this.#subscriptions.remove(channel, handler);
    if (isLast && this.connected) this.#messenger.sendSubscription('unsubscribe', channel);
  }

  /** @returns {boolean} `connected`, as a function */
  isConnected() {
    return this.connected;
  }

  /**
   * Send a request, and wait for no response. The `onError` handlers are told of an error answer.
   * @param {string} channel
   * @param {unknown} payload any JSON value
   * @returns {string} the message id
   * @throws {TypeError | IPCError} as `publish`
   */
  request(channel, payload) {
    return this.#messenger.requestUnanswered(channel, payload);
  }

  /**
   * Send a request, and have a function called with its response.
   * @param {string} channel
   * @param {unknown} payload any JSON value
   * @param {(response: Message) => unknown} handler not called if no response comes: the `onError` handlers are then
   * @param {number} [timeout] in milliseconds; default 10000
   * @returns {string} the message id
   * @throws {TypeError | IPCError} as `publish`
   */
  sendRequestAsync(channel, payload, handler, timeout = DEFAULT_REQUEST_TIMEOUT) {
    checkHandler(handler);
    const { id, response } = this.#messenger.sendRequest(channel, payload, timeout);
    response.then(handler).catch((error) => this.#report(asError(error)));
    return id;
  }

  /**
   * Send data to every subscriber of a channel.
   * @param {string} channel
   * @param {unknown} data any JSON value
   * @returns {boolean} false if the server reads slower than this program sends: wait for `onDrain` or `drained()`
   * @throws {TypeError | IPCError} the codes are `not_connected`, `frame_too_large`, `too_deep` and `buffer_full`
   */
  publish(channel, data) {
    checkChannel(channel);
    return this.#messenger.sendOneWay(channel, 'publish', data);
  }

  /**
   * Tell the server something and expect no answer.
   * @param {string} channel
   * @param {unknown} data any JSON value
   * @returns {boolean} false if the server reads slower than this program sends: wait for `onDrain` or `drained()`
   * @throws {TypeError | IPCError} the codes are `not_connected`, `frame_too_large`, `too_deep` and `buffer_full`
   */
  notify(channel, data) {
    checkChannel(channel);
    return this.#messenger.sendOneWay(channel, 'notification', data);
  }

  /**
   * Ask the server whether it is there. Deployed servers do not answer pings: as long as nothing says that such a
   * server is gone, it counts as healthy. `ping` and the `answersPings` of `getConnectionInfo()` tell the difference.
   * @param {number} [timeout] in milliseconds; default: the option `connectionTimeout`
   * @returns {Promise<boolean>} false if the connection is not open, or if no ping was answered in time by a server
   *   that announces its protocol version, or has answered one before; never rejects
   */
  async healthCheck(timeout = this.#options.connectionTimeout) {
    if (this.#connection.answersPings === false) return this.connected;
    try {
      const response = await this.#messenger.ping(timeout, false);
      return response.payload?.status === 'pong';
    } catch (error) {
      return hasTimedOut(error) && !this.#connection.pingUnanswered();
    }
  }

  /**
   * Ask the server for an answer.
   * @param {number} [timeout] in milliseconds; default: the option `connectionTimeout`
   * @returns {Promise<boolean>} whether it answered a ping in time; never rejects
   */
  async ping(timeout = this.#options.connectionTimeout) {
    try {
      return (await this.#messenger.ping(timeout, false)).payload?.status === 'pong';
    } catch {
      return false;
    }
  }

  /**
   * Wait until little waits for the server to read it; between the messages of a program that sends much.
   * @returns {Promise<boolean>} false when the connection ended before, or is not open; never rejects
   */
  drained() {
    return this.#connection.drained();
  }

  /**
   * Wait until the system has taken everything that was sent; before `process.exit()`, for example. The server may not
   * have read it yet.
   * @returns {Promise<boolean>} false when the connection ended before, or is not open; never rejects
   */
  flush() {
    return this.#connection.flushed();
  }

  /** Describe the connection in plain data that can be kept and encoded as JSON. */
  getConnectionInfo() {
    return {
      appId: this.#identity.appId,
      connectionId: this.connectionId,
      ...this.#connection.address,
      connected: this.connected,
      status: this.#connection.status,
      subscribedChannels: this.#subscriptions.channels,
      pendingRequests: this.#messenger.pendingRequests,
      answersPings: this.#connection.answersPings,
      server: JSON.parse(JSON.stringify(this.#connection.acknowledgement)),
    };
  }

  /**
   * Call a handler at each event: `connected`, `disconnected`, `reconnecting`, `reconnectFailed`, `drain` or `error`.
   * @param {string} event
   * @param {(...values: any[]) => unknown} handler as that of `onConnected` and so on
   * @returns {this}
   * @throws {TypeError}
   */
  on(event, handler) {
    this.#listen(event, handler);
    return this;
  }

  /**
   * As `on`, for the next time only.
   * @param {string} event
   * @param {(...values: any[]) => unknown} handler
   * @returns {this}
   * @throws {TypeError}
   */
  once(event, handler) {
    this.#listen(event, handler, true);
    return this;
  }

  /**
   * Remove a handler, or all handlers, of an event.
   * @param {string} event
   * @param {(...values: any[]) => unknown} [handler] all of them when absent
   * @returns {this}
   * @throws {TypeError}
   */
  off(event, handler) {
    this.#events.remove(event, handler);
    return this;
  }

  /** @param {() => unknown} handler called whenever the connection is open, with all subscriptions sent again */
  onConnected(handler) {
    this.#listen('connected', handler);
  }

  /** @param {(reason: Error | null) => unknown} handler called when an open connection ended; null: by `disconnect` */
  onDisconnected(handler) {
    this.#events.add('disconnected', handler);
  }

  /** @param {(next: {attempt: number, delay: number}) => unknown} handler called before each attempt after a loss */
  onReconnecting(handler) {
    this.#events.add('reconnecting', handler);
  }

  /**
   * @param {(error: Error) => unknown} handler called with an error when no further attempt follows: all have failed
   *   (`reconnect_failed`), `connect()` took their place and failed, or the server has refused the client for good
   */
  onReconnectFailed(handler) {
    this.#events.add('reconnectFailed', handler);
  }

  /** @param {() => unknown} handler called when the server has read enough, after `publish` returned false */
  onDrain(handler) {
    this.#events.add('drain', handler);
  }

  /** @param {(error: Error) => unknown} handler called with every error that is not thrown and rejects no promise */
  onError(handler) {
    this.#events.add('error', handler);
  }

  /**
   * @param {string} event
   * @param {(...values: any[]) => unknown} handler
   * @param {boolean} [isOnce]
   */
  #listen(event, handler, isOnce) {
    this.#events.add(event, handler, isOnce);
    if (event === 'connected') this.#forgotten.expect(this.#identity.appId);
  }

  /** @param {Error} error */
  #report(error) {
    this.#events.emit('error', error);
  }

  /**
   * @param {Error} error why a message of the server was dropped
   * @param {string} [answered] the id of the request that it answers
   */
  #dropped(error, answered) {
    if (answered === undefined || !this.#messenger.rejectRequest(answered, error)) this.#report(error);
  }

  #opened() {
    this.#isLost = false;
    for (const channel of this.#subscriptions.channels) this.#renew(channel);
    if (this.connected) this.#events.emit('connected');
  }

  /**
   * Send a subscription again. One that cannot be sent must not cost the connection; the `onError` handlers, which are
   * told of it, may end other subscriptions, or the connection.
   * @param {string} channel
   */
  #renew(channel) {
    if (!this.connected || !this.#subscriptions.has(channel)) return;
    try {
      this.#messenger.sendSubscription('subscribe', channel);
    } catch (error) {
      this.#report(asError(error));
    }
  }

  /**
   * @param {Error} error
   * @param {boolean} wasOpen
   */
  #closed(error, wasOpen) {
    const lost = `connection lost before the response came (${error.message})`;
    this.#messenger.rejectRequests(new IPCError('connection_lost', lost, error));
    if (wasOpen) this.#isLost = true;
    this.#report(error);
    if (wasOpen) this.#events.emit('disconnected', error);
    this.#endLoops(error);
  }

  /** @param {Error} error */
  #givenUp(error) {
    this.#events.emit('reconnectFailed', error);
    this.#endLoops(error);
  }

  /**
   * End the loops over messages, if no attempt follows the loss. A handler of the user's may be making one.
   * @param {Error} error
   */
  #endLoops(error) {
    if (!this.#isLost || this.#connection.status !== 'disconnected') return;
    this.#isLost = false;
    this.#streams.endAll(error);
  }

  /** @param {Message} message */
  #received(message) {
    switch (message.message_type) {
      case 'response':
        this.#messenger.receivedResponse(message);
        break;
      case 'publish':
      case 'notification': // SUB-019
        this.#subscriptions.dispatch(message);
        break;
      default: // nothing that a server sends to a client
    }
  }

  /**
   * @param {string} channel
   * @param {Function} handler
   * @param {() => void} [onRemoved]
   */
  #subscribe(channel, handler, onRemoved) {
    const isFirst = this.#subscriptions.add(channel, handler, { run: this.#runs.current, onRemoved });
    if (!isFirst || !this.connected) return;
    try {
      this.#messenger.sendSubscription('subscribe', channel);
    } catch (error) {
      this.#subscriptions.remove(channel, handler); // the server's limit may be too small for it
      throw error;
    }
  }
}

/**
 * @param {number} octets
 * @param {number} patience in milliseconds
 */
function lossError(octets, patience) {
  const why = `the server read nothing, or next to nothing, for ${patience} ms, or ended first`;
  return new IPCError('connection_lost', `disconnect() lost up to ${octets} octets: ${why}`);
}

/** @param {any} error */
function hasTimedOut(error) {
  return error.code === 'timeout';
}

module.exports = { IPCClient };
