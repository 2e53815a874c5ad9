'use strict';

const { isIP } = require('net');
const { inspect } = require('util');
const { checkToken, completeTls } = require('./security');
const { warnAboutSimilar } = require('./similar-options');

const MAX_NAME_CHARACTERS = 255;
const MAX_ID_CHARACTERS = 128;
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
 * @property {readonly import('./address').Address[]} addresses of one server each, tried in turn
 * @property {string | null} connectionId null for one of the client's own
 * @property {Readonly<import('tls').ConnectionOptions> | null} tls null for plaintext
 * @property {string | null} token
 * @property {number} connectionTimeout until a connection must be acknowledged
 * @property {number} reconnectAttempts after a loss; 0 for none
 * @property {number} reconnectDelay before the first of these attempts
 * @property {number} maxReconnectDelay between later ones
 * @property {number} heartbeatInterval between pings; 0 for no pings
 * @property {number} maxBufferedBytes that may wait for a server that does not read, in octets
 * @property {number} maxDepth of a message that is delivered, in levels
 */

/** The same bound as that of servers for what waits for a client (LIM-004). */
const MAX_BUFFERED_BYTES = 64 * 1024 * 1024;

/** The connect message has to fit. */
const LEAST_MAX_BUFFERED_BYTES = 64 * 1024;

/** Far more than any payload needs, and little enough for handlers that recurse, such as JSON.stringify. */
const MAX_DEPTH = 1024;

/** What every server accepts and may pass on (ENC-009). */
const LEAST_MAX_DEPTH = 64;

const DEFAULT_OPTIONS = Object.freeze({
  host: 'localhost',
  port: 8888,
  path: null,
  servers: null,
  connectionId: null,
  tls: false,
  token: null,
  connectionTimeout: 10000,
  reconnectAttempts: 5,
  reconnectDelay: 2000,
  maxReconnectDelay: 30000,
  heartbeatInterval: 30000,
  maxBufferedBytes: MAX_BUFFERED_BYTES,
  maxDepth: MAX_DEPTH,
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
 * @param {number} [most] characters
 * @returns {string} the value
 */
function checkName(what, value, most = MAX_NAME_CHARACTERS) {
  const rule = `a string of 1 to ${most} characters`;
  if (typeof value !== 'string' || value === '' || LONE_SURROGATE.test(value)) refuse(what, rule, value);
  // Code points are counted (ENV-007); they are at most as many as UTF-16 code units.
  if (value.length > most && [...value].length > most) refuse(what, rule, value);
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

/** @param {any} signal */
function checkSignal(signal) {
  if (signal === undefined || typeof signal?.addEventListener === 'function') return;
  refuse('signal', 'an AbortSignal', signal);
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
 * Take the addresses of several servers.
 * @param {any} options as the user gave them
 * @returns {import('./address').Address[]}
 * @throws {TypeError}
 */
function takeAddresses(options) {
  const { servers } = options;
  const rule = "an array of at least one server, such as ['a.example:8888', { host: 'b.example', port: 8888 }]";
  if (!Array.isArray(servers) || servers.length === 0) refuse('servers', rule, servers);
  const other = ['host', 'port', 'path'].find((name) => options[name] != null);
  if (other) throw new TypeError(`servers must be given without host, port and path: omit ${other}`);
  return servers.map((server) => {
    const each = typeof server === 'string' ? splitAddress(server) : server;
    if (typeof each !== 'object' || each === null) refuse('servers', rule, servers);
    const { host, port, path } = DEFAULT_OPTIONS;
    return takeAddress(each, { host: each.host ?? host, port: each.port ?? port, path: each.path ?? path });
  });
}

/** @param {string} text as 'host', 'host:port', '[::1]:port' or 'unix:path' */
function splitAddress(text) {
  if (text.startsWith('unix:')) return { path: text.slice('unix:'.length) };
  if (isIP(text)) return { host: text };
  const [, bracketed, name = bracketed, port] = /^(?:\[(.*)\]|([^:]*))(?::(.*))?$/.exec(text) ?? [null, null, text];
  return { host: name, port };
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
 * Return the options with defaults filled in. Options that are not known are ignored: users hand theirs through. A
 * warning tells of those that look like mistakes.
 * @param {any} options
 * @returns {Readonly<Options>}
 * @throws {TypeError} naming the option and what it must be
 */
function completeOptions(options) {
  if (typeof options !== 'object' || options === null) refuse('options', 'an object', options);
  const given = Object.entries(DEFAULT_OPTIONS).map(([name, value]) => [name, options[name] ?? value]);
  warnAboutSimilar(options, Object.keys(DEFAULT_OPTIONS));
  const { host, port, path, servers, ...complete } = Object.fromEntries(given);
  complete.addresses = servers === null ? [takeAddress(options, { host, port, path })] : takeAddresses(options);
  if (complete.connectionId !== null) checkName('connectionId', complete.connectionId, MAX_ID_CHARACTERS);
  if (complete.token !== null) checkToken(complete.token);
  complete.tls = completeTls(complete.tls);
  checkMilliseconds('connectionTimeout', complete.connectionTimeout);
  if (complete.reconnectAttempts !== Infinity) {
    checkInteger('reconnectAttempts', complete.reconnectAttempts, 0, Number.MAX_SAFE_INTEGER);
  }
  checkMilliseconds('reconnectDelay', complete.reconnectDelay, 0);
  checkMilliseconds('maxReconnectDelay', complete.maxReconnectDelay, 0);
  checkMilliseconds('heartbeatInterval', complete.heartbeatInterval, 0);
  checkInteger('maxBufferedBytes', complete.maxBufferedBytes, LEAST_MAX_BUFFERED_BYTES, Number.MAX_SAFE_INTEGER);
  checkInteger('maxDepth', complete.maxDepth, LEAST_MAX_DEPTH, Number.MAX_SAFE_INTEGER);
  return Object.freeze(complete);
}

module.exports = {
  MAX_MILLISECONDS,
  checkAppId,
  checkChannel,
  checkHandler,
  checkInteger,
  checkMilliseconds,
  checkSignal,
  completeOptions,
  refuse,
};
