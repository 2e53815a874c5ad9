'use strict';

const { inspect } = require('util');

const SIZE = /^[1-9][0-9]*(b|kb|mb)$/i;

/**
 * @param {any} client
 * @throws {TypeError} it is no client
 */
function checkClient(client) {
  if (typeof client?.sendRequest === 'function') return;
  throw new TypeError(`client must be an IPCClient, not ${inspect(client, { depth: 0 })}`);
}

/**
 * Express takes a limit that it does not understand for none.
 * @param {unknown} limit
 * @throws {TypeError}
 */
function checkBodyLimit(limit) {
  const isSize = typeof limit === 'string' ? SIZE.test(limit) : Number.isInteger(limit) && Number(limit) > 0;
  if (isSize) return;
  throw new TypeError(`bodyLimit must be a number of octets over 0, or a text such as '100kb', not ${inspect(limit)}`);
}

/**
 * @param {string} option its name
 * @param {unknown} names
 * @throws {TypeError} they are no array of names
 */
function checkNames(option, names) {
  if (Array.isArray(names) && names.every((name) => typeof name === 'string')) return;
  throw new TypeError(`${option} must be an array of channel names, not ${inspect(names)}`);
}

module.exports = { checkBodyLimit, checkClient, checkNames };
