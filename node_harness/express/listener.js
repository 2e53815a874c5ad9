'use strict';

const http = require('http');

/** What to do about the usual reasons for which nothing can be listened to. */
const ADVICE = new Map([
  ['EADDRINUSE', 'the port is in use: stop the program that listens there, or choose another port'],
  ['EACCES', 'no permission: give a port above 1023'],
  ['EADDRNOTAVAIL', 'the host is not an address of this machine'],
  ['ENOTFOUND', 'the host is unknown'],
]);

/** Times in milliseconds: for the head of a request, for all of it, and for the next one on a connection. */
const TIMES = {
  headersTimeout: 10000,
  requestTimeout: 30000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 5000,
};

/** For the head of a request; as Node has it. */
const MAX_HEADER_BYTES = 16384;

/** Event streams, requests in flight, and connections that browsers keep; more are closed at once. */
const MAX_CONNECTIONS = 1024;

/** An HTTP server that says why it cannot listen, and that ends in order. */
class Listener {
  #server;
  /** @type {Set<http.ServerResponse>} */
  #responses = new Set();

  /** @param {http.RequestListener} app */
  constructor(app) {
    this.#server = http.createServer({ ...TIMES, maxHeaderSize: MAX_HEADER_BYTES }, (req, res) => {
      this.#responses.add(res);
      res.on('close', () => this.#responses.delete(res));
      app(req, res);
    });
    this.#server.maxConnections = MAX_CONNECTIONS;
  }

  /** The port it listens on; null while it does not. */
  get port() {
    const address = this.#server.address();
    return typeof address === 'object' && address ? address.port : null;
  }

  /**
   * @param {number} port 0 for a free one
   * @param {string} host
   * @returns {Promise<void>} rejected with an Error that says what to do
   */
  listen(port, host) {
    return new Promise((resolve, reject) => {
      this.#server.once('error', (error) => reject(explained(error, port, host)));
      this.#server.listen(port, host, () => {
        // Such as no descriptor for one more connection; it serves on.
        this.#server.on('error', (error) => process.emitWarning(error));
        resolve();
      });
    });
  }

  /**
   * Refuse connections, answer the requests in flight, and close all connections. No effect if it does not listen.
   * @param {number} grace how long answers may take, in milliseconds
   * @returns {Promise<void>}
   */
  close(grace) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#server.closeAllConnections(), grace);
      this.#server.close(() => {
        clearTimeout(timer);
        resolve();
      });
      this.#server.closeIdleConnections(); // later versions than Node 18 do it themselves
      // Connections in use have to end with their answer, and would be kept for the next request.
      for (const response of this.#responses) if (!response.headersSent) response.setHeader('Connection', 'close');
    });
  }
}

/**
 * @param {NodeJS.ErrnoException} error
 * @param {number} port
 * @param {string} host
 */
function explained(error, port, host) {
  const why = ADVICE.get(error.code ?? '') ?? error.message;
  return new Error(`cannot listen on ${host}, port ${port}: ${why}`, { cause: error });
}

module.exports = { Listener };
