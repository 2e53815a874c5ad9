'use strict';

const net = require('net');
const tls = require('tls');
const { asError } = require('./errors');

/** The name that a server's certificate must have if neither `host` nor `tls.servername` gives one. */
const LOCAL_NAME = 'localhost';

/**
 * Begin to connect. The socket emits `connect`, and a TLS socket `secureConnect` once the server's certificate has
 * been verified.
 * @param {import('./candidates').Candidate} address
 * @param {import('tls').ConnectionOptions | null} tlsOptions null for plaintext
 * @returns {net.Socket}
 */
function openSocket(address, tlsOptions) {
  const target = targetOf(address);
  if (tlsOptions === null) return net.connect(target);
  // By default Node names no server, but a machine with several certificates must know which one to send.
  const servername = net.isIP(address.host ?? '') ? '' : (address.host ?? LOCAL_NAME);
  try {
    return tls.connect({ servername, ...tlsOptions, ...target });
  } catch (error) {
    // An option that Node looks at no earlier; the attempt fails as any other.
    return new net.Socket().destroy(asError(error));
  }
}

/**
 * @param {import('./candidates').Candidate} address
 * @returns {net.NetConnectOpts}
 */
function targetOf({ host, port, path, family }) {
  if (path !== null) return { path };
  // Some versions of Node would else try only the first address of a name, and localhost often has two. Earlier ones do
  // not know the option; for them `family` says which to try.
  return family === undefined ? { host, port, autoSelectFamily: true } : { host, port, family };
}

module.exports = { openSocket };
