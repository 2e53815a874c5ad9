'use strict';

const { TextDecoder } = require('util');
const { IPCError, asError } = require('./errors');

// JSON.stringify writes paired surrogates as they are, so an escape that it wrote is a lone one. The look-behind and
// the pairs of backslashes tell it from a text that spells out an escape.
const LONE_SURROGATE = /(?<!\\)(?:\\\\)*\\ud[89a-f][0-9a-f]{2}/;

// `fatal`: ill-formed UTF-8 is an error, not U+FFFD. `ignoreBOM`: a byte order mark stays, and JSON.parse refuses it.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Encode a message as one JSON text (ENC-001).
 * @param {object} message
 * @returns {string}
 * @throws {TypeError} the message holds something that JSON, or I-JSON (ENC-003), cannot express
 */
function encodeBody(message) {
  const body = stringify(message);
  if (body.includes('\\ud') && LONE_SURROGATE.test(body)) {
    throw new TypeError('payload cannot be encoded: a string in it has half of a surrogate pair');
  }
  return body;
}

/** @param {object} message */
function stringify(message) {
  try {
    return JSON.stringify(message);
  } catch (error) {
    // A cycle, a BigInt, a failing toJSON, or nesting deeper than the stack.
    throw new TypeError(`payload cannot be encoded as JSON: ${asError(error).message}`);
  }
}

/**
 * Decode a body into the JSON object that it must hold.
 * @param {Buffer} body
 * @returns {object}
 * @throws {IPCError} `malformed_frame`
 */
function decodeBody(body) {
  const value = parse(body);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new IPCError('malformed_frame', 'malformed frame from the server: the body is not a JSON object');
  }
  return value;
}

/** @param {Buffer} body */
function parse(body) {
  try {
    return JSON.parse(utf8.decode(body));
  } catch (thrown) {
    const error = asError(thrown);
    throw new IPCError('malformed_frame', `malformed frame from the server: ${error.message}`, error);
  }
}

module.exports = { decodeBody, encodeBody };
