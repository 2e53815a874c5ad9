'use strict';

const { IPCClient, IPCError } = require('../client');
const { checkHandler } = require('../client/arguments');
const { Handlers } = require('../client/handlers');

/** The client of a pattern, and the functions that are told of errors which reach no caller. */
class Connector {
  // An error handler that fails cannot be told of its own failure.
  #errorHandlers = new Handlers((error) => process.emitWarning(error));
  /** @type {Error | null} */
  #lastError = null;

  /**
   * @param {string} appId
   * @param {object} options of the client
   */
  constructor(appId, options) {
    this.client = new IPCClient(appId, options);
    this.client.onError((error) => {
      this.#lastError = error;
      this.report(error);
    });
  }

  /** @param {(error: Error) => unknown} handler called with the client's errors, and with what `report` is given */
  onError(handler) {
    checkHandler(handler);
    this.#errorHandlers.add(handler);
  }

  /** @param {Error} error */
  report(error) {
    this.#errorHandlers.call(error);
  }

  /**
   * Make one attempt to connect.
   * @throws {Error} why it failed
   */
  async connect() {
    this.#lastError = null;
    if (await this.client.connect()) return;
    throw this.#lastError ?? new IPCError('connection_lost', 'connection closed by disconnect()');
  }
}

module.exports = { Connector };
