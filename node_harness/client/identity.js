'use strict';

const { randomUUID } = require('crypto');

/**
 * Under which ids the server knows the connections of a client.
 *
 * A client keeps its connection id (HSK-003), so that a new connection replaces the old one. The deployed servers of
 * the package ipc-framework, up to 1.1.2, do not replace: when they notice the end of the old connection, they remove
 * the new one of the same id, which hears nothing from then on. They announce no protocol version. To them, each
 * connection has an id of its own.
 */
class Identity {
  #appId;
  #connectionId;
  #isFixed;
  #isShared = true;

  /**
   * @param {string} appId
   * @param {string | null} connectionId that the user gave; null for one of the client's own
   */
  constructor(appId, connectionId) {
    this.#appId = appId;
    this.#isFixed = connectionId !== null;
    this.#connectionId = connectionId ?? randomUUID();
  }

  get appId() {
    return this.#appId;
  }

  /** The id of the connection, or of the next one. */
  get connectionId() {
    return this.#connectionId;
  }

  /** @param {any} acknowledgement the payload of a server's, which shows whether its connections can share an id */
  acknowledged(acknowledgement) {
    this.#isShared = announcesProtocol(acknowledgement);
  }

  /** Have the next connection use another id, if the server needs that and the user gave none. */
  renew() {
    if (!this.#isShared && !this.#isFixed) this.#connectionId = randomUUID();
  }
}

/**
 * Tell whether a server says which version of the protocol it speaks (HSK-007). The deployed ones do not, and have no
 * takeover and no answer to pings.
 * @param {any} acknowledgement its payload
 * @returns {boolean}
 */
function announcesProtocol(acknowledgement) {
  return acknowledgement.protocol !== undefined;
}

module.exports = { Identity, announcesProtocol };
