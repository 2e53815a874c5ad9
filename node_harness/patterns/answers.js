'use strict';

const { errorOf } = require('../client/envelope');
const { IPCError } = require('../client');

/** @typedef {import('../client/envelope').Message} Message */

/**
 * Return a response that is not an error answer.
 * @param {Message} response
 * @returns {Message}
 * @throws {IPCError} with the code of the error answer
 */
function requireSuccess(response) {
  const error = errorOf(response);
  if (error) {
    const text = `the request on channel '${response.channel_id}' was answered with ${error.code}: ${error.message}`;
    throw new IPCError(error.code, text);
  }
  return response;
}

/**
 * Make the error for an answer or an event that is not what the profile says.
 * @param {string} what
 * @param {string} rule
 * @returns {IPCError}
 */
function malformed(what, rule) {
  return new IPCError('invalid_message', `the server sent ${what} that is wrong: ${rule}`);
}

/**
 * Tell whether a message was refused before it was sent, for what is in it.
 * @param {any} error
 * @returns {boolean}
 */
function wasNotSent(error) {
  return error instanceof TypeError || error.code === 'frame_too_large';
}

module.exports = { malformed, requireSuccess, wasNotSent };
