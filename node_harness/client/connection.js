'use strict';

const { addressText } = require('./address');
const { makeConnect } = require('./envelope');
const { FINAL_CODES, IPCError } = require('./errors');
const { Heartbeat } = require('./heartbeat');
const { Link } = require('./link');
const { Reconnector } = require('./reconnector');

/**
 * @typedef {object} ConnectionEvents
 * @property {() => void} onOpen the connection is open
 * @property {(message: import('./envelope').Message) => void} onMessage
 * @property {(error: Error) => void} onProblem something went wrong that does not end the connection
 * @property {(error: Error, wasOpen: boolean) => void} onClose an open connection was lost, or an attempt failed
 */

/**
 * The connection of a client: one link after another, each with the same connection id (HSK-003). Watches the open link
 * with a heartbeat and, after a loss, connects again.
 */
class Connection {
  #identity;
  #options;
  #events;
  #heartbeat;
  #reconnector;
  /** @type {Link | null} */
  #link = null;
  /** @type {any} */
  #acknowledgement = null;
  /** @type {{result: Promise<boolean>, settle: (isOpen: boolean) => void} | null} the attempt under way */
  #attempt = null;

  /**
   * @param {{appId: string, connectionId: string}} identity
   * @param {import('./arguments').Options} options
   * @param {(timeout: number) => Promise<unknown>} ping for the heartbeat
   * @param {ConnectionEvents} events
   */
  constructor(identity, options, ping, events) {
    this.#identity = identity;
    this.#options = options;
    this.#events = events;
    this.#heartbeat = new Heartbeat(options.heartbeatInterval, ping, () => {
      this.abort(new IPCError('heartbeat_timeout', 'connection lost: a ping was not answered in time'));
    });
    this.#reconnector = new Reconnector(
      options,
      () => this.#connect(),
      (attempts) => {
        events.onProblem(new IPCError('reconnect_failed', `connection given up after ${attempts} attempts`));
      },
    );
  }

  get isOpen() {
    return this.#acknowledgement !== null;
  }

  /** The payload of the acknowledgement; null while the connection is not open. */
  get acknowledgement() {
    return this.#acknowledgement;
  }

  /** @returns {'connected' | 'reconnecting' | 'connecting' | 'disconnected'} */
  get status() {
    if (this.isOpen) return 'connected';
    if (this.#reconnector.isActive) return 'reconnecting';
    return this.#attempt ? 'connecting' : 'disconnected';
  }

  /**
   * Make one attempt to connect, or join the one under way. Ends a series of attempts after a loss.
   * @returns {Promise<boolean>} whether it succeeded; never rejects
   */
  open() {
    this.#reconnector.stop();
    return this.#connect();
  }

  /** End the connection, or the attempts to make one. Calls no event. */
  close() {
    this.#reconnector.stop();
    this.#link?.close();
    this.#forgetLink();
  }

  /** @param {IPCError} error why the link is dropped; it counts as lost */
  abort(error) {
    this.#link?.abort(error);
  }

  /**
   * Send a message.
   * @param {import('./envelope').Message} message
   * @throws {IPCError} `not_connected`, `frame_too_large`
   * @throws {TypeError} the message cannot be encoded
   */
  send(message) {
    if (!this.#link || !this.isOpen) {
      const text = `not connected: no open connection to ${addressText(this.#options.address)}`;
      throw new IPCError('not_connected', `${text}. Await connect(), and look at what it resolves to.`);
    }
    this.#link.send(message);
  }

  #connect() {
    if (this.isOpen) return Promise.resolve(true);
    this.#attempt ??= this.#beginAttempt();
    return this.#attempt.result;
  }

  #beginAttempt() {
    const { address, tls, token, connectionTimeout } = this.#options;
    const hello = makeConnect(this.#identity.appId, this.#identity.connectionId, token);
    this.#link = new Link(
      { address, tls, timeout: connectionTimeout, hello },
      {
        onOpen: (acknowledgement) => this.#opened(acknowledgement),
        onMessage: this.#events.onMessage,
        onProblem: this.#events.onProblem,
        onClose: (error) => this.#closed(error),
      },
    );
    /** @type {(isOpen: boolean) => void} */
    let settle = () => {};
    const result = new Promise((resolve) => (settle = resolve));
    return { result, settle };
  }

  /** @param {any} acknowledgement */
  #opened(acknowledgement) {
    this.#acknowledgement = acknowledgement;
    this.#settleAttempt();
    this.#heartbeat.start();
    this.#events.onOpen();
  }

  /** @param {IPCError} error */
  #closed(error) {
    const wasOpen = this.isOpen;
    this.#forgetLink();
    // Ahead of the event, whose handlers may call open() or close() and so end the series.
    if (FINAL_CODES.has(error.code)) this.#reconnector.stop();
    else if (wasOpen) this.#reconnector.start();
    this.#events.onClose(error, wasOpen);
  }

  #forgetLink() {
    this.#link = null;
    this.#acknowledgement = null;
    this.#heartbeat.stop();
    this.#settleAttempt();
  }

  #settleAttempt() {
    this.#attempt?.settle(this.isOpen);
    this.#attempt = null;
  }
}

module.exports = { Connection };
