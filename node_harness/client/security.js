'use strict';

const { createSecureContext } = require('tls');
const { asError } = require('./errors');

/** What tells `tls.connect` where to connect. */
const ADDRESS_OPTIONS = ['host', 'port', 'path', 'socket'];
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * Refuse an option without showing its value, which may be a secret.
 * @param {string} what
 * @param {string} rule
 * @param {unknown} value
 * @returns {never}
 */
function refuseSecret(what, rule, value) {
  throw new TypeError(`${what} must be ${rule}, not ${value === '' ? 'empty' : `a value of the type ${typeof value}`}`);
}

/** @param {unknown} value */
function checkToken(value) {
  if (typeof value !== 'string' || value === '') refuseSecret('token', 'a string of at least one character', value);
  if (LONE_SURROGATE.test(value)) refuseSecret('token', 'a string without halves of surrogate pairs', value);
}

/**
 * Return options for `tls.connect`, with what takes long and can fail made once for all connections.
 * @param {any} value
 * @returns {Readonly<import('tls').ConnectionOptions> | null} null for plaintext
 */
function completeTls(value) {
  if (value === false) return null;
  const isObject = typeof value === 'object' && !Array.isArray(value);
  if (value !== true && !isObject) refuseSecret('tls', 'a boolean or an object of options of tls.connect', value);
  // Node takes an option that is undefined for one that is given.
  const options = Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined));
  const misplaced = ADDRESS_OPTIONS.find((name) => Object.hasOwn(options, name));
  if (misplaced) throw new TypeError(`tls must be without ${misplaced}: the client has options of its own for that`);
  options.secureContext ??= makeSecureContext(options);
  if (Object.hasOwn(options, 'checkServerIdentity')) {
    options.checkServerIdentity = guard(options.checkServerIdentity);
  }
  return Object.freeze(options);
}

/** @param {import('tls').SecureContextOptions} options */
function makeSecureContext(options) {
  try {
    return createSecureContext(options);
  } catch (thrown) {
    const error = asError(thrown);
    // What Node received in place of something else may be a secret.
    const reason = error.message.replace(/\.? Received [^]*/, '');
    throw new TypeError(`tls must be an object of options of tls.connect that OpenSSL accepts: ${reason}`);
  }
}

/**
 * Have a check that throws refuse the certificate; it would end the process.
 * @param {any} check
 */
function guard(check) {
  if (typeof check !== 'function') refuseSecret('tls.checkServerIdentity', 'a function', check);
  return (/** @type {unknown[]} */ ...values) => {
    try {
      return check(...values);
    } catch (error) {
      return asError(error);
    }
  };
}

module.exports = { checkToken, completeTls };
