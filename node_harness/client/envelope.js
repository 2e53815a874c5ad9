'use strict';

const { randomUUID } = require('crypto');
const { name, version } = require('../package.json');

const PROTOCOL = '1.1';
const SYSTEM_CHANNEL = 'system';

/**
 * A message as it travels (spec chapter Envelope).
 * @typedef {object} Message
 * @property {string} message_id
 * @property {string} app_id
 * @property {string} channel_id
 * @property {'request' | 'response' | 'notification' | 'subscribe' | 'unsubscribe' | 'publish'} message_type
 * @property {any} payload any JSON value
 * @property {number} timestamp Unix time in seconds, by the sender's clock
 * @property {string | null} [reply_to] the `message_id` that a response answers
 */

/**
 * Make a message with an id of its own (ENV-001, ENV-004). `reply_to` is written out as null, because deployed Python
 * peers always send it.
 * @param {string} appId
 * @param {string} channel
 * @param {Message['message_type']} type
 * @param {unknown} payload
 * @returns {Message}
 */
function makeMessage(appId, channel, type, payload) {
  return {
    message_id: randomUUID(),
    app_id: appId,
    channel_id: channel,
    message_type: type,
    payload,
    timestamp: Date.now() / 1000,
    reply_to: null,
  };
}

/**
 * Make the first message of a connection (HSK-001).
 * @param {string} appId
 * @param {string} connectionId
 * @param {string | null} token shows the server who the client is; null for none
 * @returns {Message}
 */
function makeConnect(appId, connectionId, token) {
  const payload = { action: 'connect', connection_id: connectionId, protocol: PROTOCOL, client: { name, version } };
  return makeMessage(appId, SYSTEM_CHANNEL, 'request', token === null ? payload : { ...payload, token });
}

/**
 * Return what JSON will make of a payload at its top level.
 * @param {any} payload
 * @returns {unknown}
 * @throws {TypeError} JSON has no such value, and the member would silently be missing
 */
function jsonPayload(payload) {
  const value = typeof payload?.toJSON === 'function' ? payload.toJSON('payload') : payload;
  if (['undefined', 'function', 'symbol'].includes(typeof value)) {
    throw new TypeError(`payload must be a JSON value, not ${typeof value}`);
  }
  return value;
}

/**
 * Add the connection id to a payload that is an object without one (REQ-006). The caller's object stays as it is.
 * @param {any} payload
 * @param {string} connectionId
 * @returns {unknown}
 */
function withConnectionId(payload, connectionId) {
  const isObject = typeof payload === 'object' && payload !== null && !Array.isArray(payload);
  if (!isObject || (Object.hasOwn(payload, 'connection_id') && payload.connection_id !== undefined)) return payload;
  return { ...payload, connection_id: connectionId };
}

/**
 * Tell whether a received object has the members of an envelope that a client relies on. Others are not looked at
 * (ENV-011).
 * @param {any} value
 * @returns {value is Message}
 */
function isMessage(value) {
  return (
    typeof value.message_type === 'string' &&
    typeof value.channel_id === 'string' &&
    value.payload !== undefined &&
    (value.reply_to == null || typeof value.reply_to === 'string')
  );
}

/**
 * Tell whether a message is the acknowledgement of a connect message, by channel, type and status (HSK-004, HSK-005).
 * @param {Message} message
 * @returns {boolean}
 */
function isAcknowledgement(message) {
  return (
    message.message_type === 'response' &&
    message.channel_id === SYSTEM_CHANNEL &&
    message.payload?.status === 'connected'
  );
}

/**
 * Return code and text of an error answer (ERR-001), or null when the message is something else.
 * @param {Message} message
 * @returns {{code: string, message: string} | null}
 */
function errorOf(message) {
  if (message.message_type !== 'response' || message.payload?.status !== 'error') return null;
  const error = message.payload.error;
  return { code: textOf(error?.code, 'unknown'), message: textOf(error?.message, 'no explanation') };
}

/**
 * Return a value of a server as a text, if it is one that has one.
 * @param {unknown} value
 * @param {string} absent
 */
function textOf(value, absent) {
  return typeof value === 'object' || value === undefined ? absent : String(value);
}

module.exports = {
  PROTOCOL,
  SYSTEM_CHANNEL,
  errorOf,
  isAcknowledgement,
  isMessage,
  jsonPayload,
  makeConnect,
  makeMessage,
  withConnectionId,
};
