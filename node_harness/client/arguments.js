'use strict';

const { isIP } = require('net');
const { inspect } = require('util');
const { checkToken, completeTls } = require('./security');

const MAX_NAME_CHARACTERS = 255;
// eslint-disable-next-line no-control-regex -- these are the characters that a channel name must not have
const CONTROL_CHARACTER = /[\u0000-\u001f]/;
const LONE_SURROGATE = /\p{Surrogate}/u;
const HOST_NAME = /^[^\s/:]+$/;
const DIGITS = /^\d+$/;

/** The longest path of a socket, in bytes: `sun_path` without its final NUL. Some versions of Node cut longer ones. */
const MAX_PATH_BYTES = process.platform === 'linux' || process.platform === 'android' ? 107 : 103;

/** The longest time that setTimeout understands, in milliseconds; it takes anything longer for 1. */
const MAX_MILLISECONDS = 2 ** 31 - 1;

/**
 * The options of a client, complete and checked. Times are in milliseconds.
 * @typedef {object} Options
 * @property {import('./address').Address} address
 * @property {Readonly<import('tls').ConnectionOptions> | null} tls null for plaintext
 * @property {string | null} token
 * @property {number} connectionTimeout until a connection must be acknowledged
 * @property {number} reconnectAttempts after a loss; 0 for none
 * @property {number} reconnectDelay before each of these attempts
 * @property {number} heartbeatInterval between pings; 0 for no pings
 */

const DEFAULT_OPTIONS = Object.freeze({
  host: 'localhost',
  port: 8888,
  path: null,
  tls: false,
  token: null,
  connectionTimeout: 10000,
  reconnectAttempts: 5,
  reconnectDelay: 2000,
  heartbeatInterval: 30000,
});

/**
 * @param {string} what
 * @param {string} rule
 * @param {unknown} value
 * @returns {never}
 */
function refuse(what, rule, value) {
  throw new TypeError(`${what} must be ${rule}, not ${inspect(value, { depth: 0, maxStringLength: 40 })}`);
}

/**
 * @param {string} what
 * @param {unknown} value
 * @returns {string} the value
 */
function checkName(what, value) {
  const rule = `a string of 1 to ${MAX_NAME_CHARACTERS} characters`;
  if (typeof value !== 'string' || value === '' || LONE_SURROGATE.test(value)) refuse(what, rule, value);
  // Code points are counted (ENV-007); they are at most as many as UTF-16 code units.
  if (value.length > MAX_NAME_CHARACTERS && [...value].length > MAX_NAME_CHARACTERS) refuse(what, rule, value);
  return value;
}

/** @param {unknown} value */
function checkAppId(value) {
  checkName('appId', value);
}

/** @param {unknown} value */
function checkChannel(value) {
  if (CONTROL_CHARACTER.test(checkName('channel', value))) refuse('channel', 'free of control characters', value);
}

/** @param {unknown} value */
function checkHandler(value) {
  if (typeof value !== 'function') refuse('handler', 'a function', value);
}

/**
 * @param {string} what
 * @param {number} value
 * @param {number} least
 * @param {number} most
 */
function checkInteger(what, value, least, most) {
  if (!Number.isInteger(value) || value < least || value > most) {
    refuse(what, `an integer from ${least} to ${most}`, value);
  }
}

/**
 * @param {string} what
 * @param {unknown} value
 * @param {number} [least]
 */
function checkMilliseconds(what, value, least = 1) {
  if (typeof value !== 'number' || !(value >= least && value <= MAX_MILLISECONDS)) {
    refuse(what, `a number of milliseconds from ${least} to ${MAX_MILLISECONDS}`, value);
  }
}

/** @param {unknown} value */
function checkHost(value) {
  // A colon is part of an IPv6 address, or else the beginning of what belongs into the option port.
  if (typeof value === 'string' && (HOST_NAME.test(value) || isIP(value))) return;
  refuse('host', "a host name or an IP address alone, as in { host: 'localhost', port: 8888 }", value);
}

/** @param {unknown} value */
function checkPath(value) {
  if (typeof value !== 'string' || value === '') refuse('path', 'a string of at least one character', value);
  if (value.startsWith('unix:')) refuse('path', "a path alone, without 'unix:'", value);
  if (value.includes('\0')) refuse('path', 'free of NUL characters', value);
  const bytes = Buffer.byteLength(value);
  if (process.platform === 'win32' || bytes <= MAX_PATH_BYTES) return;
  throw new TypeError(`path must be at most ${MAX_PATH_BYTES} bytes long, the limit for sockets here, not ${bytes}`);
}

/**
 * Take the address from options whose defaults are filled in.
 * @param {any} options as the user gave them
 * @param {any} complete the same with the defaults
 * @returns {import('./address').Address}
 * @throws {TypeError}
 */
function takeAddress(options, { host, port, path }) {
  if (path === null) {
    checkHost(host);
    const number = typeof port === 'string' && DIGITS.test(port) ? Number(port) : port;
    checkInteger('port', number, 1, 65535);
    return { host, port: number, path: null };
  }
  checkPath(path);
  const other = ['host', 'port'].find((name) => options[name] != null);
  if (other) throw new TypeError(`path must be given without host and port: omit ${other}, or omit path to use TCP`);
  return { host: null, port: null, path };
}

/**
 * Return the options with defaults filled in. Options that are not known are ignored: users hand theirs through.
 * @param {any} options
 * @returns {Readonly<Options>}
 * @throws {TypeError} naming the option and what it must be
 */
function completeOptions(options) {
  if (typeof options !== 'object' || options === null) refuse('options', 'an object', options);
  const given = Object.entries(DEFAULT_OPTIONS).map(([name, value]) => [name, options[name] ?? value]);
  const { host, port, path, ...complete } = Object.fromEntries(given);
  complete.address = Object.freeze(takeAddress(options, { host, port, path }));
  if (complete.token !== null) checkToken(complete.token);
  complete.tls = completeTls(complete.tls);
  checkMilliseconds('connectionTimeout', complete.connectionTimeout);
  checkInteger('reconnectAttempts', complete.reconnectAttempts, 0, Number.MAX_SAFE_INTEGER);
  checkMilliseconds('reconnectDelay', complete.reconnectDelay, 0);
  checkMilliseconds('heartbeatInterval', complete.heartbeatInterval, 0);
  return Object.freeze(complete);
}

module.exports = {
  checkAppId,
  checkChannel,
  checkHandler,
  checkInteger,
  checkMilliseconds,
  completeOptions,
  refuse,
};
