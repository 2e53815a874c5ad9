'use strict';

const { withAdvice } = require('./advice');
const { Deadline } = require('./deadline');
const { describe, tell } = require('./diagnostics');
const { decodeBody, encodeBody } = require('./encoding');
const { errorOf, isAcknowledgement, isMessage } = require('./envelope');
const { IPCError, asError } = require('./errors');
const { CUSTOMARY_MAX_FRAME_BYTES, FrameDecoder, MAX_FRAME_BYTES, bodyOf, encodeFrame } = require('./framing');
const { linger } = require('./linger');
const { isDeeper, outlineOf } = require('./nesting');
const { openSocket } = require('./socket');

/** After so long without octets, the system begins to ask whether the other machine is there, in milliseconds. */
const KEEPALIVE_MS = 30000;

/**
 * A server that accepts no longer frame cannot be spoken with: pings and subscriptions do not fit. Every server has to
 * accept 1 MiB (FRM-008).
 */
const LEAST_MAX_FRAME_BYTES = 1024;

/** A message of ours has more around its payload. With two brackets a level, short ones cannot be too deep. */
const ENVELOPE_OCTETS = 128;

/**
 * @typedef {object} LinkEvents
 * @property {(acknowledgement: any) => void} onOpen gets the payload of the acknowledgement
 * @property {(message: import('./envelope').Message) => void} onMessage
 * @property {(error: IPCError, answered?: string) => void} onProblem gets what was wrong with a message that was
 *   dropped, and the id of the request that it answers
 * @property {() => void} onDrain called when the server has read enough after `send` returned false
 * @property {(error: IPCError) => void} onClose gets why the link failed or was lost
 */

/**
 * One connection to a server, over a socket with or without TLS, from the connect message to its end; it is used once.
 *
 * `onClose` is called exactly once, and nothing after it, unless the link's owner calls `close` first: then it is not
 * called at all.
 */
class Link {
  /** @type {'connecting' | 'securing' | 'greeting' | 'open' | 'closed'} */
  #state = 'connecting';
  #maxFrameBytes = CUSTOMARY_MAX_FRAME_BYTES;
  /** The levels that the server accepts. */
  #maxSentDepth = Infinity;
  #limits;
  /** @type {((isDrained: boolean) => void)[]} called once the server has read enough */
  #draining = [];
  /** @type {((isTaken: boolean) => void)[]} called once nothing waits any more */
  #flushing = [];
  #decoder = new FrameDecoder(CUSTOMARY_MAX_FRAME_BYTES);
  #events;
  #path;
  #socket;
  #deadline;

  /**
   * Begin to connect.
   * @param {object} options
   * @param {import('./candidates').Candidate} options.address
   * @param {import('tls').ConnectionOptions | null} options.tls null for plaintext
   * @param {number} options.timeout until the acknowledgement must arrive, in milliseconds
   * @param {import('./envelope').Message} options.hello the connect message
   * @param {{maxBufferedBytes: number, maxDepth: number}} options.limits
   * @param {LinkEvents} events
   */
  constructor({ address, tls, timeout, hello, limits }, events) {
    this.#events = events;
    this.#limits = limits;
    this.#path = address.path;
    this.#socket = openSocket(address, tls);
    this.#deadline = this.#startDeadline(timeout);
    this.#socket.on('connect', () => {
      this.#socket.setNoDelay(true);
      this.#socket.setKeepAlive(true, KEEPALIVE_MS);
      if (tls) this.#state = 'securing';
      else this.#greet(hello, timeout);
    });
    this.#socket.on('secureConnect', () => this.#greet(hello, timeout));
    this.#socket.on('data', (chunk) => this.#receive(chunk));
    this.#socket.on('end', () => this.#lose('the server closed the connection'));
    this.#socket.on('error', (error) => this.#lose(reasonOf(error, this.#path), error));
    this.#socket.on('close', () => this.#lose('the connection was closed'));
    this.#socket.on('close', () => this.#endWaits());
    this.#socket.on('drain', () => this.#drained());
  }

  /**
   * Send a message.
   * @param {import('./envelope').Message} message
   * @param {boolean} [isVital] the connection needs it: it is sent whatever waits
   * @returns {boolean} false if more than a little waits for the server to read it: `onDrain` follows
   * @throws {TypeError} it cannot be encoded
   * @throws {IPCError} `frame_too_large` (LIM-002), `too_deep`: the server's limit forbids it; `buffer_full`
   */
  send(message, isVital = false) {
    const frame = encodeFrame(encodeBody(message), this.#maxFrameBytes);
    this.#checkDepth(frame);
    if (!isVital) this.checkRoom(frame.length);
    this.#cork();
    this.#socket.write(frame, this.#onTaken);
    tell('message', 'sent', () => describe(message, bodyOf(frame).length));
    return !this.#socket.writableNeedDrain;
  }

  /**
   * @param {number} octets to be sent
   * @throws {IPCError} `buffer_full`: too many wait already, because the server does not read
   */
  checkRoom(octets) {
    const waiting = this.#socket.writableLength;
    if (waiting + octets <= this.#limits.maxBufferedBytes) return;
    const what = `the server does not read: ${waiting} octets wait, and ${octets} more exceed maxBufferedBytes`;
    throw new IPCError('buffer_full', `${what}, ${this.#limits.maxBufferedBytes}. Await drained() between messages.`);
  }

  /** @returns {Promise<boolean>} true once the system took what was sent; false when the link ended before */
  drained() {
    if (this.#state === 'closed') return Promise.resolve(false);
    if (!this.#socket.writableNeedDrain) return Promise.resolve(true);
    return new Promise((resolve) => this.#draining.push(resolve));
  }

  /** @returns {Promise<boolean>} true once the system took everything; false when the link ended before */
  flushed() {
    if (this.#state === 'closed') return Promise.resolve(false);
    if (this.#socket.writableLength === 0) return Promise.resolve(true);
    return new Promise((resolve) => this.#flushing.push(resolve));
  }

  /** How many octets have been received. */
  get octetsRead() {
    return this.#socket.bytesRead;
  }

  /** @param {Buffer} frame */
  #checkDepth(frame) {
    const longestFlat = ENVELOPE_OCTETS + 2 * this.#maxSentDepth;
    if (frame.length <= longestFlat || !isDeeper(bodyOf(frame), this.#maxSentDepth)) return;
    throw new IPCError('too_deep', `message is nested deeper than the server's limit, ${this.#maxSentDepth} levels`);
  }

  /**
   * End the link in order: what was sent is still delivered, nothing more is received.
   * @param {number} patience how long the system may take nothing before the rest is given up, in milliseconds
   * @returns {Promise<number>} how many octets, at most, were lost
   */
  close(patience) {
    const hasSent = this.#state === 'greeting' || this.#state === 'open';
    if (this.#retire() && hasSent) return linger(this.#socket, patience);
    this.#socket.destroy();
    return Promise.resolve(0);
  }

  /**
   * Drop the link at once.
   * @param {IPCError} error handed to `onClose`
   */
  abort(error) {
    if (!this.#retire()) return;
    this.#socket.destroy();
    this.#events.onClose(error);
  }

  /** Have everything that is sent in one turn of the event loop leave with one system call. */
  #cork() {
    if (this.#socket.writableCorked > 0) return;
    this.#socket.cork();
    process.nextTick(() => this.#socket.uncork());
  }

  /** @param {Error | null} [error] */
  #onTaken = (error) => {
    if (!error && this.#flushing.length > 0 && this.#socket.writableLength === 0) settleAll(this.#flushing, true);
  };

  #drained() {
    settleAll(this.#draining, true);
    if (this.#state !== 'closed') this.#events.onDrain();
  }

  #endWaits() {
    settleAll(this.#draining, false);
    settleAll(this.#flushing, false);
  }

  /** @returns {boolean} false when the link had ended before */
  #retire() {
    if (this.#state === 'closed') return false;
    this.#state = 'closed';
    this.#deadline.clear();
    return true;
  }

  /**
   * @param {import('./envelope').Message} hello
   * @param {number} timeout in milliseconds
   */
  #greet(hello, timeout) {
    this.#state = 'greeting';
    if (this.#deadline.isPassing) {
      // The event loop was blocked; the server can answer only now.
      this.#deadline.clear();
      this.#deadline = this.#startDeadline(timeout);
    }
    try {
      this.send(hello);
    } catch (error) {
      this.#drop(asError(error)); // a token can be too long
    }
  }

  /** @param {number} timeout in milliseconds */
  #startDeadline(timeout) {
    const progress = () => `${this.#state} ${this.#socket.bytesRead}`;
    return new Deadline(timeout, progress, () => this.#timedOut(timeout));
  }

  /** @param {number} timeout in milliseconds */
  #timedOut(timeout) {
    const what = `connection timeout: no acknowledgement within ${timeout} ms`;
    const advised = this.#advise(what);
    this.abort(new IPCError('timeout', `${advised} A slow server needs a longer connectionTimeout.`));
  }

  /**
   * @param {string} reason
   * @param {NodeJS.ErrnoException} [cause]
   */
  #lose(reason, cause) {
    const what = this.#state === 'open' ? 'lost' : 'failed';
    // A server that speaks TLS 1.3 refuses a client's certificate only after the client's greeting.
    const isTls = this.#state === 'securing' || (this.#state === 'greeting' && cause?.code?.startsWith('ERR_SSL_'));
    const text = this.#advise(`connection ${what}: ${reason}`, cause?.code);
    this.abort(new IPCError(isTls ? 'tls_failed' : `connection_${what}`, text, cause));
  }

  /**
   * @param {string} text
   * @param {string} [code] of the error that caused it
   */
  #advise(text, code = '') {
    return withAdvice(text, { state: this.#state, code, path: this.#path });
  }

  /** @param {Buffer} chunk */
  #receive(chunk) {
    this.#decoder.push(chunk);
    try {
      while (this.#state !== 'closed') {
        const body = this.#decoder.next();
        if (body === null) return;
        if (isDeeper(body, this.#limits.maxDepth)) {
          this.#refuse(decodeBody(outlineOf(body)));
          continue;
        }
        this.#deliver(decodeBody(body), body.length);
      }
    } catch (thrown) {
      this.#drop(asError(thrown));
    }
  }

  /**
   * Drop a message that is nested too deep; it was not decoded.
   * @param {any} outline its envelope, without the payload
   */
  #refuse({ reply_to: answered }) {
    const limit = `the option maxDepth, ${this.#limits.maxDepth} levels`;
    const error = new IPCError('too_deep', `the server sent a message that is nested deeper than ${limit}`);
    if (this.#state !== 'open') throw error;
    this.#events.onProblem(error, typeof answered === 'string' ? answered : undefined);
  }

  /** @param {Error} error what made the stream unusable */
  #drop(error) {
    const code = error instanceof IPCError ? error.code : 'connection_lost';
    this.abort(new IPCError(code, this.#advise(`connection dropped: ${error.message}`), error));
  }

  /**
   * @param {object} message
   * @param {number} octets of its body
   */
  #deliver(message, octets) {
    if (!isMessage(message)) {
      this.#events.onProblem(new IPCError('invalid_message', 'the server sent a message with a bad envelope'));
    } else if (this.#state === 'open') {
      tell('message', 'received', () => describe(message, octets));
      this.#events.onMessage(message);
    } else {
      this.#awaitAcknowledgement(message);
    }
  }

  /** @param {import('./envelope').Message} message */
  #awaitAcknowledgement(message) {
    const error = errorOf(message);
    if (error) {
      // HSK-012
      const text = `connection refused by the server (${error.code}): ${error.message}`;
      this.abort(new IPCError(error.code, withAdvice(text, { state: '', code: error.code, path: this.#path })));
    } else if (isAcknowledgement(message)) {
      this.#open(message.payload);
    }
  }

  /** @param {any} acknowledgement */
  #open(acknowledgement) {
    if (acknowledgement.limits?.max_frame_bytes < LEAST_MAX_FRAME_BYTES) {
      const text = `the server announced max_frame_bytes ${acknowledgement.limits.max_frame_bytes}`;
      this.abort(new IPCError('limit_too_small', `connection failed: ${text}, too little for any message`));
      return;
    }
    this.#state = 'open';
    this.#deadline.clear();
    const { max_frame_bytes: maxFrameBytes, max_depth: maxDepth } = acknowledgement.limits ?? {};
    if (Number.isInteger(maxFrameBytes) && maxFrameBytes > 0) {
      this.#maxFrameBytes = Math.min(maxFrameBytes, MAX_FRAME_BYTES);
      this.#decoder.maxFrameBytes = this.#maxFrameBytes;
    }
    if (Number.isInteger(maxDepth) && maxDepth > 0) this.#maxSentDepth = maxDepth;
    this.#events.onOpen(acknowledgement);
  }
}

/**
 * @param {((value: boolean) => void)[]} resolvers emptied
 * @param {boolean} value
 */
function settleAll(resolvers, value) {
  for (const resolve of resolvers.splice(0)) resolve(value);
}

/**
 * Say what a socket error is. One about several addresses has no message of its own, one of OpenSSL has a message that
 * is made for the developers of OpenSSL.
 * @param {NodeJS.ErrnoException & {library?: string, reason?: string}} error
 * @param {string | null} path of the socket; null for host and port
 */
function reasonOf(error, path) {
  if (error.library) return `TLS: ${error.reason}`;
  if (path !== null && error.syscall === 'connect') return `connect ${error.code} unix:${path}`;
  return error.message || error.code || 'unknown socket error';
}

module.exports = { Link };
