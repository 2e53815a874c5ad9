'use strict';

// Brings what clients hand over into the form that schemas/tools/driver-event.schema.json asks for.

const { inspect } = require('util');

const STATUSES = new Set(['connected', 'connecting', 'reconnecting', 'disconnected']);

/** The names under which clients give one thing. */
const ID_NAMES = ['connectionId', 'connection_id', 'id'];
const CHANNELS_NAMES = ['subscribedChannels', 'subscribed_channels', 'subscriptions', 'channels'];

/**
 * Describe what was thrown, which JavaScript lets be anything.
 * @param {any} thrown
 * @returns {{message: string, code?: string | number}}
 */
function normalizeError(thrown) {
  const message = textOf(thrown) ?? inspect(thrown, { depth: 1, breakLength: Infinity });
  const code = thrown?.code;
  return typeof code === 'string' || Number.isInteger(code) ? { message, code } : { message };
}

/**
 * Return the reason that an `onDisconnected` handler was given, or null when it was given none.
 * @param {any} reason
 * @returns {string | null}
 */
function normalizeReason(reason) {
  return textOf(reason) ?? null;
}

/**
 * Find the connection id that a client shows, or that its `getConnectionInfo` does.
 * @param {any} client
 * @param {any} [info]
 * @returns {string | undefined}
 */
function connectionIdOf(client, info) {
  return [client.connectionId, ...ID_NAMES.map((name) => info?.[name])].find((id) => typeof id === 'string');
}

/**
 * Bring what `getConnectionInfo` returned into the form of the driver's answer.
 * @param {any} client
 * @param {any} info
 * @returns {{connection_id: string | undefined, connected: boolean, status: string, subscribed_channels: string[]}}
 */
function normalizeInfo(client, info) {
  const connected = Boolean(info?.connected ?? client.connected);
  const status = String(info?.status).toLowerCase();
  return {
    connection_id: connectionIdOf(client, info),
    connected,
    status: STATUSES.has(status) ? status : statusOf(connected),
    subscribed_channels: namesIn(CHANNELS_NAMES.map((name) => info?.[name]).find((channels) => channels != null)),
  };
}

/** @param {boolean} connected */
function statusOf(connected) {
  return connected ? 'connected' : 'disconnected';
}

/**
 * Return each string once of an array, a set, the keys of a map or the names of an object's members.
 * @param {any} names
 * @returns {string[]}
 */
function namesIn(names) {
  if (typeof names !== 'object' || names === null) return [];
  const all = names instanceof Map ? names.keys() : names[Symbol.iterator] ? names : Object.keys(names);
  return [...new Set(all)].filter((name) => typeof name === 'string');
}

/**
 * Tell whether a value is an object as JSON has them.
 * @param {any} value
 * @returns {boolean}
 */
function isObject(value) {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @param {any} value */
function textOf(value) {
  return [value, value?.message].find((text) => typeof text === 'string');
}

module.exports = { connectionIdOf, isObject, normalizeError, normalizeInfo, normalizeReason };
