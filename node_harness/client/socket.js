'use strict';

const net = require('net');
const tls = require('tls');
const { asError } = require('./errors');

/**
 * Begin to connect. The socket emits `connect`, and a TLS socket `secureConnect` once the server's certificate has
 * been verified.
 * @param {string} host
 * @param {number} port
 * @param {import('tls').ConnectionOptions | null} tlsOptions null for plaintext
 * @returns {net.Socket}
 */
function openSocket(host, port, tlsOptions) {
  // Some versions of Node would else try only the first address of a name, and localhost often has two.
  const address = { host, port, autoSelectFamily: true };
  if (tlsOptions === null) return net.connect(address);
  // Node names no server unless it is told to, and a machine with several certificates has to know which one is meant.
  const servername = net.isIP(host) ? '' : host;
  try {
    return tls.connect({ servername, ...tlsOptions, ...address });
  } catch (error) {
    // An option that Node looks at no earlier; the attempt fails as any other.
    return new net.Socket().destroy(asError(error));
  }
}

module.exports = { openSocket };
