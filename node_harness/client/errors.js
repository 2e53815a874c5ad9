'use strict';

const { inspect } = require('util');

/** The codes of errors after which a server ends the connection (spec chapter Errors, table of codes). */
const FATAL_CODES = new Set([
  'frame_too_large',
  'malformed_frame',
  'handshake_required',
  'handshake_timeout',
  'unsupported_protocol',
  'unauthorized',
  'session_replaced',
  'slow_consumer',
  'too_many_connections',
  'shutting_down',
]);

/**
 * The codes after which connecting again cannot help. After `session_replaced` it would even harm: two clients with one
 * connection id would take the connection from each other for ever.
 */
const FINAL_CODES = new Set(['session_replaced', 'unsupported_protocol', 'unauthorized']);

/**
 * An error of the connection, of the server, or of a request.
 *
 * `code` is for programs: a code of the specification when the server reported the error; otherwise `not_connected`,
 * `connection_failed`, `tls_failed`, `connection_lost`, `timeout`, `heartbeat_timeout`, `frame_too_large`,
 * `malformed_frame`, `invalid_message` or `reconnect_failed`. `message` is for people.
 */
class IPCError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {Error} [cause] the error that caused this one
   */
  constructor(code, message, cause) {
    super(message, cause && { cause });
    this.name = 'IPCError';
    this.code = code;
  }
}

/**
 * Make an error of the server about the connection, or about a message that expects no answer.
 * @param {{code: string, message: string}} error
 * @returns {IPCError}
 */
function serverError({ code, message }) {
  return new IPCError(code, `the server reported ${code} on this connection: ${message}`);
}

/**
 * Return what was thrown as an Error; JavaScript lets people throw anything.
 * @param {unknown} thrown
 * @returns {Error}
 */
function asError(thrown) {
  return thrown instanceof Error ? thrown : new Error(`thrown value: ${inspect(thrown)}`);
}

module.exports = { FATAL_CODES, FINAL_CODES, IPCError, asError, serverError };
