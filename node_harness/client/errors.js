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
 * connection id would take the connection from each other for ever. `limit_too_small` is the client's own.
 */
const FINAL_CODES = new Set(['session_replaced', 'unsupported_protocol', 'unauthorized', 'limit_too_small']);

/** A text of a server, or of a handler, may be as long as a frame. */
const MAX_MESSAGE_CHARACTERS = 2000;
const MAX_CODE_CHARACTERS = 100;

/** What could begin a line of its own in a log, control a terminal, or change the order of its characters. */
const UNPRINTABLE = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

/**
 * Return a text as part of one line: unprintable characters as escapes, and not too long.
 * @param {string} text
 * @param {number} most characters
 * @returns {string}
 */
function printable(text, most) {
  const short = text.length > most ? `${text.slice(0, most)}...` : text;
  return short.replace(UNPRINTABLE, escaped);
}

/** @param {string} character */
function escaped(character) {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/**
 * An error of the connection, of the server, or of a request.
 *
 * `code` is for programs: a code of the specification when the server reported the error; otherwise `not_connected`,
 * `connection_failed`, `tls_failed`, `connection_lost`, `timeout`, `heartbeat_timeout`, `frame_too_large`, `too_deep`,
 * `limit_too_small`, `buffer_full`, `aborted`, `malformed_frame`, `invalid_message` or `reconnect_failed`.
 * `message` is for people, one line of printable characters.
 */
class IPCError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {Error} [cause] the error that caused this one
   */
  constructor(code, message, cause) {
    super(printable(message, MAX_MESSAGE_CHARACTERS), cause && { cause });
    this.name = 'IPCError';
    this.code = printable(code, MAX_CODE_CHARACTERS);
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
