'use strict';

const { IPCError } = require('../client');

/** The HTTP status for the code of an error, whether the server, one of its handlers or the client made it. */
const STATUS_OF_CODE = new Map([
  ['invalid_message', 400],
  ['too_deep', 400],
  ['forbidden', 403],
  ['reserved_channel', 403],
  ['cross_site', 403],
  ['no_handler', 404],
  ['unknown_action', 404],
  ['not_found', 404],
  ['conflict', 409],
  ['frame_too_large', 413],
  ['unsupported_media_type', 415],
  ['foreign_host', 421],
  ['aborted', 499], // the browser is gone and does not see it
  ['buffer_full', 503],
  ['connection_lost', 503],
  ['not_connected', 503],
  ['too_many_streams', 503],
  ['timeout', 504],
]);

/** For every other code, `handler_failed` among them: the fault is in the IPC server, not in the browser. */
const BAD_GATEWAY = 502;

/** The codes of the client's own texts, which name the address of the IPC server. */
const LINK_CODES = new Set(['buffer_full', 'connection_lost', 'not_connected']);

/** In place of these texts. */
const LINK_DOWN = 'the connection to the IPC server is down';

/**
 * @param {any} error
 * @returns {{status: number, text: string, code: string} | null} null for an error that is not about the request
 */
function answerTo(error) {
  if (error instanceof IPCError) {
    const status = STATUS_OF_CODE.get(error.code) ?? BAD_GATEWAY;
    return { status, text: LINK_CODES.has(error.code) ? LINK_DOWN : error.message, code: error.code };
  }
  // Express and its body parsers give the errors of a client a status, and some of them a type.
  const isOfClient = error?.status >= 400 && error.status < 500;
  return isOfClient ? { status: error.status, text: error.message, code: error.type ?? 'bad_request' } : null;
}

/**
 * Answers requests that failed because of the IPC server, or of what the browser sent, with a status and JSON. Other
 * errors go to the next error handler.
 * @param {unknown} error
 * @param {import('express').Request} req
 * @param {import('express').Response} res
 * @param {import('express').NextFunction} next
 */
function ipcErrors(error, req, res, next) {
  const answer = answerTo(error);
  if (answer === null || res.headersSent) next(error);
  else res.status(answer.status).json({ success: false, error: answer.text, code: answer.code });
}

/**
 * Return the error for the browser when the client refused an argument that came from there.
 * @param {unknown} error
 */
function refused(error) {
  return error instanceof TypeError ? new IPCError('invalid_message', error.message, error) : error;
}

module.exports = { LINK_DOWN, ipcErrors, refused };
