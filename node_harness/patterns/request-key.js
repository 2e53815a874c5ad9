'use strict';

const { jsonPayload } = require('../client/envelope');

/**
 * Return a text that is the same for the same request, in whatever order the members of its payload stand.
 * @param {string} channel
 * @param {unknown} payload
 * @returns {string}
 * @throws {TypeError} JSON cannot express the payload
 */
function requestKey(channel, payload) {
  return JSON.stringify([channel, jsonPayload(payload)], sortMembers);
}

/**
 * @param {string} _name
 * @param {any} value
 */
function sortMembers(_name, value) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

module.exports = { requestKey };
