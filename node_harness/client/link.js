'use strict';

const { withAdvice } = require('./advice');
const { decodeBody, encodeBody } = require('./encoding');
const { errorOf, isAcknowledgement, isMessage } = require('./envelope');
const { IPCError, asError } = require('./errors');
const { CUSTOMARY_MAX_FRAME_BYTES, FrameDecoder, encodeFrame } = require('./framing');
const { openSocket } = require('./socket');

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
 * One connection to a server, over a socket with or without TLS, from the connect message to its end; it is used once.
 *
 * `onClose` is called exactly once, and nothing after it, unless the link's owner calls `close` first: then it is not
 * called at all.
 */
class Link {
  /** @type {'connecting' | 'securing' | 'greeting' | 'open' | 'closed'} */
  #state = 'connecting';
  #maxFrameBytes = CUSTOMARY_MAX_FRAME_BYTES;
  #decoder = new FrameDecoder(CUSTOMARY_MAX_FRAME_BYTES);
  #events;
  #path;
  #socket;
  #timer;

  /**
   * Begin to connect.
   * @param {object} options
   * @param {import('./address').Address} options.address
   * @param {import('tls').ConnectionOptions | null} options.tls null for plaintext
   * @param {number} options.timeout until the acknowledgement must arrive, in milliseconds
   * @param {import('./envelope').Message} options.hello the connect message
   * @param {LinkEvents} events
   */
  constructor({ address, tls, timeout, hello }, events) {
    this.#events = events;
    this.#path = address.path;
    this.#timer = setTimeout(() => this.#timedOut(timeout), timeout);
    this.#socket = openSocket(address, tls);
    this.#socket.on('connect', () => {
      this.#socket.setNoDelay(true);
      if (tls) this.#state = 'securing';
      else this.#greet(hello);
    });
    this.#socket.on('secureConnect', () => this.#greet(hello));
    this.#socket.on('data', (chunk) => this.#receive(chunk));
    this.#socket.on('end', () => this.#lose('the server closed the connection'));
    this.#socket.on('error', (error) => this.#lose(describe(error, this.#path), error));
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
    const hasSent = this.#state === 'greeting' || this.#state === 'open';
    if (!this.#retire()) return;
    if (!hasSent) this.#socket.destroy();
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
    this.#state = 'greeting';
    try {
      this.send(hello);
    } catch (error) {
      this.#drop(asError(error)); // a token can be too long
    }
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
        this.#deliver(decodeBody(body));
      }
    } catch (thrown) {
      this.#drop(asError(thrown));
    }
  }

  /** @param {Error} error what made the stream unusable */
  #drop(error) {
    const code = error instanceof IPCError ? error.code : 'connection_lost';
    this.abort(new IPCError(code, this.#advise(`connection dropped: ${error.message}`), error));
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
      const text = `connection refused by the server (${error.code}): ${error.message}`;
      this.abort(new IPCError(error.code, withAdvice(text, { state: '', code: error.code, path: this.#path })));
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
 * Say what a socket error is. One about several addresses has no message of its own, one of OpenSSL has a message that
 * is made for the developers of OpenSSL.
 * @param {NodeJS.ErrnoException & {library?: string, reason?: string}} error
 * @param {string | null} path of the socket; null for host and port
 */
function describe(error, path) {
  if (error.library) return `TLS: ${error.reason}`;
  if (path !== null && error.syscall === 'connect') return `connect ${error.code} unix:${path}`;
  return error.message || error.code || 'unknown socket error';
}

/**
 * End a socket without losing what was written to it: destroying it while octets arrive could reset the connection. It
 * does not keep the process alive once everything is on its way.
 * @param {import('net').Socket} socket
 */
function linger(socket) {
  const timer = setTimeout(() => socket.destroy(), LINGER_MS);
  timer.unref();
  socket.once('close', () => clearTimeout(timer));
  socket.end(() => socket.unref());
}

module.exports = { Link };
