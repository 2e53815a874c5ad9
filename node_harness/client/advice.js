'use strict';

const TRUST = 'Set tls.ca to the certificate of its authority: the text, not a file name.';
const CLOCK = "Renew the server's certificate, or set the clock of this machine.";

/**
 * Advice for an error of the socket, or for a refusal, by its code.
 * @type {Record<string, string>}
 */
const BY_CODE = {
  ECONNREFUSED: 'Start the server, or check host and port.',
  ENOTFOUND: 'Check the host name.',
  EAI_AGAIN: 'Check the host name, and that a name server can be reached.',
  CERT_HAS_EXPIRED: CLOCK,
  CERT_NOT_YET_VALID: CLOCK,
  ERR_TLS_CERT_ALTNAME_INVALID: 'Connect to a name that the certificate has, or set tls.servername to that name.',
  DEPTH_ZERO_SELF_SIGNED_CERT: TRUST,
  SELF_SIGNED_CERT_IN_CHAIN: TRUST,
  UNABLE_TO_GET_ISSUER_CERT: TRUST,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: TRUST,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: TRUST,
  unauthorized: 'Set the option token to the token that the server requires.',
};

/**
 * Advice for a link that fails in a state with an error that has no advice of its own.
 * @type {Record<string, string>}
 */
const BY_STATE = {
  connecting: 'Check host and port, and that no firewall is in the way.',
  securing: 'Does the server speak TLS on this port? If not, omit the option tls, or set the port that does.',
  greeting: 'Check that host and port are those of an IPC server, and whether it speaks TLS (option tls).',
};

const PERMISSIONS = 'Check the permissions: this user needs write access to the socket, and access to its directory.';

/**
 * Differences from `BY_CODE` for the path of a socket. {address} becomes `unix:PATH`, {path} the path.
 * @type {Record<string, string>}
 */
const BY_CODE_OF_PATH = {
  ENOENT: 'There is no such socket: is the server running with --unix {path}?',
  // Linux reports this for any file that is not a socket, too.
  ECONNREFUSED:
    'No server listens there: the file is not a socket, or it is the stale socket of a server that has ended. ' +
    'Start the server with --unix {path}.',
  EACCES: PERMISSIONS,
  EPERM: PERMISSIONS,
  ENOTSOCK: 'The file is not a socket. Check the option path.',
  ENOTDIR: 'A part of the path is not a directory. Check the option path.',
  EPROTOTYPE: 'The socket is not a stream socket. Check the option path.',
  EAGAIN: 'Too many clients wait for the server to accept them. Try again later.',
  ERR_TLS_CERT_ALTNAME_INVALID: 'Set tls.servername to a name that the certificate has.',
};

/**
 * Replaces `BY_STATE` for the path of a socket.
 * @type {Record<string, string>}
 */
const BY_STATE_OF_PATH = {
  connecting: 'Check that a server listens on {address}.',
  securing: 'Does the server speak TLS on {address}? If not, omit the option tls.',
  greeting: 'Check that {address} is the socket of an IPC server, and whether it speaks TLS (option tls).',
};

// The names of these codes begin differently in different versions of OpenSSL.
const WANTS_CERTIFICATE = /ALERT_(CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE)$/;

/**
 * A failure of a link.
 * @typedef {object} Failure
 * @property {string} state of the link that failed; empty if the server itself said why
 * @property {string} [code] of the error that caused it
 * @property {string | null} path of the socket; null for host and port
 */

/**
 * Add advice to the text of an error, if there is any.
 * @param {string} text
 * @param {Failure} failure
 * @returns {string}
 */
function withAdvice(text, failure) {
  const advice = adviceFor(failure);
  return advice ? `${text.replace(/\.$/, '')}. ${advice}` : text;
}

/** @param {Failure} failure */
function adviceFor({ state, code = '', path }) {
  if (WANTS_CERTIFICATE.test(code)) return 'Set tls.cert and tls.key, if the server requires a client certificate.';
  if (path === null) return find(BY_CODE, code) ?? find(BY_STATE, state) ?? '';
  const advice = find(BY_CODE_OF_PATH, code) ?? find(BY_CODE, code) ?? find(BY_STATE_OF_PATH, state) ?? '';
  return advice.replace('{address}', () => `unix:${path}`).replace('{path}', () => path);
}

/**
 * A server may make up a code, such as the name of a member that every object has.
 * @param {Record<string, string>} table
 * @param {string} key
 * @returns {string | undefined}
 */
function find(table, key) {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

module.exports = { withAdvice };
