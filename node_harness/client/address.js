'use strict';

/**
 * Where a server listens: a host and a port, or the path of a Unix domain socket or of a Windows named pipe.
 * @typedef {{host: string, port: number, path: null} | {host: null, port: null, path: string}} Address
 */

/**
 * Return the text of an address for error messages: `HOST, port PORT` or `unix:PATH`.
 * @param {Address | {host: string | null, port: number | null, path: string | null}} address
 * @returns {string}
 */
function addressText({ host, port, path }) {
  return path === null ? `${host}, port ${port}` : `unix:${path}`;
}

module.exports = { addressText };
