'use strict';

const { IPCError } = require('../client');
const { errorOf } = require('../client/envelope');
const { refused } = require('./errors');

/** @typedef {import('../client').IPCClient} IPCClient */

/** In place of a connection id in the middle of a text. */
const HIDDEN = '(hidden)';

/**
 * Ask a handler, and return the payload of its answer. Not longer than the browser waits for it.
 * @param {import('express').Request} req
 * @param {import('express').Response} res
 * @param {string} channel
 * @param {unknown} payload
 * @param {number} timeout in milliseconds
 * @throws {IPCError} also for an error answer, and as `invalid_message` for what the client refuses to send
 */
async function ask(req, res, channel, payload, timeout) {
  const gone = new AbortController();
  const onClose = () => gone.abort();
  res.once('close', onClose);
  if (res.destroyed) onClose();
  try {
    const response = await req.ipc.sendRequest(channel, payload, timeout, { signal: gone.signal });
    const error = errorOf(response);
    if (error) throw new IPCError(error.code, withoutId(error.message, req.ipc));
    return response.payload;
  } catch (error) {
    throw refused(error);
  } finally {
    res.off('close', onClose);
  }
}

/**
 * Answer with JSON, without the connection id: the client adds it to requests, handlers send it back, and who has it
 * can take the connection over.
 * @param {import('express').Request} req
 * @param {import('express').Response} res
 * @param {unknown} body
 */
function answer(req, res, body) {
  res.type('json').send(publicJson(body, req.ipc));
}

/**
 * Encode a value without the connection id: members that are the id are omitted.
 * @param {unknown} value
 * @param {IPCClient} client
 */
function publicJson(value, client) {
  const id = client.connectionId;
  const text = JSON.stringify(value);
  if (!text.includes(id)) return text;
  const isOther = (/** @type {string} */ name, /** @type {unknown} */ member) => (member === id ? undefined : member);
  return withoutId(JSON.stringify(value, isOther) ?? 'null', client);
}

/**
 * @param {string} text
 * @param {IPCClient} client
 */
function withoutId(text, client) {
  return text.replaceAll(client.connectionId, HIDDEN);
}

module.exports = { answer, ask, publicJson };
