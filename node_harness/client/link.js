'use strict';

const net = require('net');
const { decodeBody, encodeBody } = require('./encoding');
const { errorOf, isAcknowledgement, isMessage } = require('./envelope');
const { IPCError, asError } = require('./errors');
const { CUSTOMARY_MAX_FRAME_BYTES, FrameDecoder, encodeFrame } = require('./framing');

/** How long a closed link may take to deliver what was sent and to see the server's end, in milliseconds. */
const LINGER_MS = 1000;

/**
 * @typedef {object} LinkEvents
 * @property {(acknowledgement: any) => void} onOpen gets the payload of the acknowledgement
 * @property {(message: import('./envelope').Message) => void} onMessage
 * @property {(error: IPCError) => void} onProblem gets what was wrong with a message that was dropped
 * @property {(error: IPCError) => void} onClose gets why the link failed or was lost
 */

/**
 * One TCP connection to a server, from the connect message to its end; it is used once.
 *
 * `onClose` is called exactly once, and nothing after it, unless the link's owner calls `close` first: then it is not
 * called at all.
 */
class Link {
  /** @type {'opening' | 'open' | 'closed'} */
  #state = 'opening';
  #maxFrameBytes = CUSTOMARY_MAX_FRAME_BYTES;
  #decoder = new FrameDecoder(CUSTOMARY_MAX_FRAME_BYTES);
  #events;
  #socket;
  #timer;

  /**
   * Begin to connect.
   * @param {object} options
   * @param {string} options.host
   * @param {number} options.port
   * @param {number} options.timeout until the acknowledgement has to be there, in milliseconds
   * @param {import('./envelope').Message} options.hello the connect message
   * @param {LinkEvents} events
   */
  constructor({ host, port, timeout, hello }, events) {
    this.#events = events;
    this.#timer = setTimeout(() => this.#timedOut(timeout), timeout);
    // Some versions of Node would else try only the first address of a name, and localhost often has two.
    this.#socket = net.connect({ host, port, autoSelectFamily: true });
    this.#socket.on('connect', () => this.#greet(hello));
    this.#socket.on('data', (chunk) => this.#receive(chunk));
    this.#socket.on('end', () => this.#lose('the server closed the connection'));
    this.#socket.on('error', (error) => this.#lose(describe(error), error));
    this.#socket.on('close', () => this.#lose('the connection was closed'));
  }

  /**
   * Send a message.
   * @param {import('./envelope').Message} message
   * @throws {TypeError} it cannot be encoded
   * @throws {IPCError} `frame_too_large`: the server's limit forbids it (LIM-002)
   */
  send(message) {
    const frame = encodeFrame(encodeBody(message), this.#maxFrameBytes);
    this.#cork();
    this.#socket.write(frame);
  }

  /** End the link in order: what was sent is still delivered, nothing more is received. */
  close() {
    if (!this.#retire()) return;
    if (this.#socket.connecting) this.#socket.destroy();
    else linger(this.#socket);
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

  /** @returns {boolean} false when the link had ended before */
  #retire() {
    if (this.#state === 'closed') return false;
    this.#state = 'closed';
    clearTimeout(this.#timer);
    return true;
  }

  /** @param {import('./envelope').Message} hello */
  #greet(hello) {
    this.#socket.setNoDelay(true);
    this.send(hello);
  }

  /** @param {number} timeout in milliseconds */
  #timedOut(timeout) {
    this.abort(new IPCError('timeout', `connection timeout: no acknowledgement within ${timeout} ms`));
  }

  /**
   * @param {string} reason
   * @param {Error} [cause]
   */
  #lose(reason, cause) {
    const [code, what] = this.#state === 'opening' ? ['connection_failed', 'failed'] : ['connection_lost', 'lost'];
    this.abort(new IPCError(code, `connection ${what}: ${reason}`, cause));
  }

  /** @param {Buffer} chunk */
  #receive(chunk) {
    this.#decoder.push(chunk);
    try {
      while (this.#state !== 'closed') {
        const body = this.#decoder.next();
        if (body === null) return;
        this.#deliver(decodeBody(body));
      }
    } catch (thrown) {
      const error = asError(thrown);
      const code = error instanceof IPCError ? error.code : 'connection_lost';
      this.abort(new IPCError(code, `connection dropped: ${error.message}`, error));
    }
  }

  /** @param {object} message */
  #deliver(message) {
    if (!isMessage(message)) {
      this.#events.onProblem(new IPCError('invalid_message', 'the server sent a message with a bad envelope'));
    } else if (this.#state === 'open') {
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
      this.abort(new IPCError(error.code, `connection refused by the server (${error.code}): ${error.message}`));
    } else if (isAcknowledgement(message)) {
      this.#open(message.payload);
    }
  }

  /** @param {any} acknowledgement */
  #open(acknowledgement) {
    this.#state = 'open';
    clearTimeout(this.#timer);
    const announced = acknowledgement.limits?.max_frame_bytes;
    if (Number.isInteger(announced) && announced > 0) {
      this.#maxFrameBytes = announced;
      this.#decoder.maxFrameBytes = announced;
    }
    this.#events.onOpen(acknowledgement);
  }
}

/**
 * Say what a socket error is. One about several addresses has no message of its own.
 * @param {NodeJS.ErrnoException} error
 */
function describe(error) {
  return error.message || error.code || 'unknown socket error';
}

/**
 * End a socket without losing what was written to it: destroying it while octets arrive could reset the connection. It
 * does not keep the process alive once everything is on its way.
 * @param {net.Socket} socket
 */
function linger(socket) {
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  timer.unref();
  socket.once('close', () => clearTimeout(timer));
  socket.end(() => socket.unref());
}

module.exports = { Link };
