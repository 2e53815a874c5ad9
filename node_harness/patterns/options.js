'use strict';

const { checkInteger, checkMilliseconds, refuse } = require('../client/arguments');

/** @param {unknown} options */
function checkOptions(options) {
  if (typeof options !== 'object' || options === null) refuse('options', 'an object', options);
}

/**
 * Return an option that counts something, or its default when it is absent.
 * @param {any} options
 * @param {string} name
 * @param {number} fallback
 * @param {{least?: number, most?: number}} [range] default: from 1
 * @returns {number}
 * @throws {TypeError}
 */
function integerOption(options, name, fallback, { least = 1, most = Number.MAX_SAFE_INTEGER } = {}) {
  const value = options[name] ?? fallback;
  checkInteger(name, value, least, most);
  return value;
}

/**
 * Return an option that is a time in milliseconds, or its default when it is absent.
 * @param {any} options
 * @param {string} name
 * @param {number} fallback
 * @param {number} [least]
 * @returns {number}
 * @throws {TypeError}
 */
function millisecondsOption(options, name, fallback, least = 0) {
  const value = options[name] ?? fallback;
  checkMilliseconds(name, value, least);
  return value;
}

module.exports = { checkOptions, integerOption, millisecondsOption };
