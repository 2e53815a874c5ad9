'use strict';

const { addressText } = require('./address');
const { Candidates } = require('./candidates');
const { tell } = require('./diagnostics');
const { errorOf, makeConnect } = require('./envelope');
const { FINAL_CODES, IPCError } = require('./errors');
const { Heartbeat } = require('./heartbeat');
const { announcesProtocol } = require('./identity');
const { Link } = require('./link');
const { Reconnector } = require('./reconnector');

/**
 * @typedef {object} ConnectionEvents
 * @property {() => void} onOpen the connection is open
 * @property {(message: import('./envelope').Message) => void} onMessage
 * @property {(error: Error, answered?: string) => void} onProblem something went wrong that does not end the
 *   connection; `answered` is the id of the request whose response was dropped
 * @property {() => void} onDrain the server has read enough after `send` returned false
 * @property {(error: Error, wasOpen: boolean) => void} onClose an open connection was lost, or an attempt failed
 * @property {(attempt: number, delay: number) => void} onReconnecting told of each attempt after a loss, and how long
 *   it waits, in milliseconds
 * @property {(error: IPCError) => void} onGivenUp no attempt follows any more
 */

/**
 * The connection of a client: one link after another. Watches the open link with a heartbeat and, after a loss,
 * connects again.
 */
class Connection {
  #identity;
  #options;
  #events;
  #heartbeat;
  #reconnector;
  #candidates;
  /** @type {Link | null} */
  #link = null;
  #ending = Promise.resolve(0);
  /** @type {any} */
  #acknowledgement = null;
  /** @type {{result: Promise<boolean>, settle: (isOpen: boolean) => void} | null} the attempt under way */
  #attempt = null;
  /** Whether this attempt took the place of a series after a loss. */
  #hasReplaced = false;

  /**
   * @param {import('./identity').Identity} identity
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
    this.#candidates = new Candidates(options.addresses);
    this.#reconnector = new Reconnector(options, () => this.#connect(), {
      onScheduled: (attempt, delay) => {
        tell('connection', 'reconnecting', () => ({ ...this.#describe(), attempt, delay }));
        events.onReconnecting(attempt, delay);
      },
      onExhausted: (attempts) => {
        const error = new IPCError('reconnect_failed', `connection given up after ${attempts} attempts`);
        events.onProblem(error);
        events.onGivenUp(error);
      },
    });
  }

  get isOpen() {
    return this.#acknowledgement !== null;
  }

  /** The payload of the acknowledgement; null while the connection is not open. */
  get acknowledgement() {
    return this.#acknowledgement;
  }

  /** Where the present server listens, or the one that was tried last. */
  get address() {
    const { host, port, path } = this.#candidates.current;
    return { host, port, path };
  }

  /** Whether the server answers pings; null while that is not known. */
  get answersPings() {
    return this.#heartbeat.isAnswered;
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
    if (!this.isOpen && this.#reconnector.isActive) this.#hasReplaced = true;
    this.#reconnector.stop();
    return this.#connect();
  }

  /**
   * End the connection, or the attempts to make one. Calls no event.
   * @param {number} patience how long the system may take nothing before what was sent is given up, in milliseconds
   * @returns {Promise<number>} how many octets, at most, were lost; the one of the latest link, if there is none now
   */
  close(patience) {
    this.#reconnector.stop();
    if (this.#link) this.#ending = this.#link.close(patience);
    if (this.#link) tell('connection', 'closed', () => this.#describe());
    this.#forgetLink();
    return this.#ending;
  }

  /** @param {IPCError} error why the link is dropped; it counts as lost */
  abort(error) {
    this.#link?.abort(error);
  }

  /** A ping was answered, in time or late. */
  pingAnswered() {
    this.#heartbeat.answered();
  }

  /** @returns {boolean} whether a ping that was not answered in time means that the server is not there */
  pingUnanswered() {
    return !this.isOpen || this.#heartbeat.unanswered();
  }

  /**
   * Send a message.
   * @param {import('./envelope').Message} message
   * @param {boolean} [isVital] the connection needs it: it is sent whatever waits
   * @returns {boolean} false if more than a little waits for the server to read it: `onDrain` follows
   * @throws {IPCError} `not_connected`, `frame_too_large`, `too_deep`, `buffer_full`
   * @throws {TypeError} the message cannot be encoded
   */
  send(message, isVital) {
    if (!this.#link || !this.isOpen) {
      const text = `not connected: no open connection to ${addressText(this.address)}`;
      throw new IPCError('not_connected', `${text}. Await connect(), and look at what it resolves to.`);
    }
    return this.#link.send(message, isVital);
  }

  /** @throws {IPCError} `buffer_full`, when nothing more can be sent; not while there is no connection */
  checkRoom() {
    if (this.isOpen) this.#link?.checkRoom(0);
  }

  /** @returns {Promise<boolean>} true once the system took what was sent; false when the connection ended before */
  drained() {
    return this.#link && this.isOpen ? this.#link.drained() : Promise.resolve(false);
  }

  /** @returns {Promise<boolean>} true once the system took everything; false when the connection ended before */
  flushed() {
    return this.#link && this.isOpen ? this.#link.flushed() : Promise.resolve(false);
  }

  /** How many octets have been received on the present link. */
  get octetsRead() {
    return this.#link?.octetsRead;
  }

  #connect() {
    if (this.isOpen) return Promise.resolve(true);
    this.#attempt ??= this.#beginAttempt();
    return this.#attempt.result;
  }

  #beginAttempt() {
    this.#identity.renew();
    this.#candidates.restart();
    this.#openLink(null);
    /** @type {(isOpen: boolean) => void} */
    let settle = () => {};
    const result = new Promise((resolve) => (settle = resolve));
    return { result, settle };
  }

  /** @param {IPCError | null} before why another address of the same server failed */
  #openLink(before) {
    const { tls, token, connectionTimeout, maxBufferedBytes, maxDepth } = this.#options;
    const address = this.#candidates.current;
    tell('connection', 'connecting', () => this.#describe());
    const hello = makeConnect(this.#identity.appId, this.#identity.connectionId, token);
    this.#link = new Link(
      { address, tls, timeout: connectionTimeout, hello, limits: { maxBufferedBytes, maxDepth } },
      {
        onOpen: (acknowledgement) => this.#opened(acknowledgement),
        onMessage: (message) => this.#received(message),
        onProblem: this.#events.onProblem,
        onDrain: this.#events.onDrain,
        onClose: (error) => this.#failed(error, before),
      },
    );
  }

  /** @param {import('./envelope').Message} message */
  #received(message) {
    if (errorOf(message) === null) this.#reconnector.worked();
    this.#events.onMessage(message);
  }

  /** @param {any} acknowledgement */
  #opened(acknowledgement) {
    this.#acknowledgement = acknowledgement;
    this.#identity.acknowledged(acknowledgement);
    this.#reconnector.opened();
    this.#candidates.opened();
    this.#hasReplaced = false;
    tell('connection', 'connected', () => this.#describe());
    this.#settleAttempt();
    this.#heartbeat.start(announcesProtocol(acknowledgement));
    this.#events.onOpen();
  }

  /**
   * @param {IPCError} latest
   * @param {IPCError | null} before why another address of the same server failed
   */
  #failed(latest, before) {
    const error = before && wasNotFound(latest) ? before : latest;
    const isLast = this.isOpen || FINAL_CODES.has(latest.code);
    if (!isLast && this.#candidates.nextOfServer()) {
      this.#openLink(error);
    } else if (!isLast && this.#candidates.nextServer()) {
      this.#openLink(null);
      this.#events.onProblem(error);
    } else {
      this.#closed(error);
    }
  }

  /** @param {IPCError} error */
  #closed(error) {
    const wasOpen = this.isOpen;
    tell('connection', wasOpen ? 'lost' : 'failed', () => ({ ...this.#describe(), code: error.code }));
    const isFinal = FINAL_CODES.has(error.code);
    const endsAttempts = this.#hasReplaced || (isFinal && (wasOpen || this.#reconnector.isActive));
    this.#forgetLink();
    // Ahead of the event, whose handlers may call open() or close() and so end the series.
    if (FINAL_CODES.has(error.code)) this.#reconnector.stop();
    else if (wasOpen) this.#reconnector.start();
    this.#events.onClose(error, wasOpen);
    if (endsAttempts) this.#events.onGivenUp(error);
  }

  #describe() {
    return { appId: this.#identity.appId, address: addressText(this.address) };
  }

  #forgetLink() {
    this.#link = null;
    this.#hasReplaced = false;
    this.#acknowledgement = null;
    this.#heartbeat.stop();
    this.#settleAttempt();
  }

  #settleAttempt() {
    this.#attempt?.settle(this.isOpen);
    this.#attempt = null;
  }
}

/** @param {IPCError} error */
function wasNotFound({ cause }) {
  return /** @type {NodeJS.ErrnoException | undefined} */ (cause)?.code === 'ENOTFOUND';
}

module.exports = { Connection };
