'use strict';

const TRUST = 'Give the certificate of its authority in tls.ca: its text, not the name of a file.';
const CLOCK = "Renew the server's certificate, or set the clock of this machine.";

/**
 * What to do about an error of the socket, or about a refusal, by its code.
 * @type {Record<string, string>}
 */
const BY_CODE = {
  ECONNREFUSED: 'Start the server, or check host and port.',
  ENOTFOUND: 'Check the host name.',
  EAI_AGAIN: 'Check the host name, and that a name server can be reached.',
  CERT_HAS_EXPIRED: CLOCK,
  CERT_NOT_YET_VALID: CLOCK,
  ERR_TLS_CERT_ALTNAME_INVALID: 'Connect to a name that the certificate has, or give that name as tls.servername.',
  DEPTH_ZERO_SELF_SIGNED_CERT: TRUST,
  SELF_SIGNED_CERT_IN_CHAIN: TRUST,
  UNABLE_TO_GET_ISSUER_CERT: TRUST,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: TRUST,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: TRUST,
  unauthorized: 'Give the token that the server demands as the option token.',
};

/**
 * What to do when a link fails in a state and its error says nothing in particular.
 * @type {Record<string, string>}
 */
const BY_STATE = {
  connecting: 'Check host and port, and that no firewall is in the way.',
  securing: 'Does the server speak TLS on this port? If not, leave the option tls out, or give the port that does.',
  greeting: 'Check that host and port are those of an IPC server, and whether it speaks TLS (option tls).',
};

const PERMISSIONS = 'Check the permissions: this user needs write access to the socket, and access to its directory.';

/**
 * For the path of a socket: what differs from `BY_CODE`. {address} stands for `unix:PATH`, {path} for the path.
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
  ERR_TLS_CERT_ALTNAME_INVALID: 'Give a name that the certificate has as tls.servername.',
};

/**
 * For the path of a socket, in place of `BY_STATE`.
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
 * What is known of a failure.
 * @typedef {object} Failure
 * @property {string} state of the link that failed; empty when the server itself has said why
 * @property {string} [code] of the error behind it
 * @property {string | null} path of the socket; null for host and port
 */

/**
 * Add to the text of an error what a person can do about it, if anything.
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
  if (WANTS_CERTIFICATE.test(code)) return 'Give tls.cert and tls.key, if the server demands a client certificate.';
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
