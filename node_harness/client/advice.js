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

// The names of these codes begin differently in different versions of OpenSSL.
const WANTS_CERTIFICATE = /ALERT_(CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE)$/;

/**
 * Add to the text of an error what a person can do about it, if anything.
 * @param {string} text
 * @param {string} state of the link that failed; empty when the server itself has said why
 * @param {string} [code] of the error behind it
 * @returns {string}
 */
function withAdvice(text, state, code = '') {
  const advice = adviceFor(state, code);
  return advice ? `${text.replace(/\.$/, '')}. ${advice}` : text;
}

/**
 * @param {string} state
 * @param {string} code
 */
function adviceFor(state, code) {
  if (WANTS_CERTIFICATE.test(code)) return 'Give tls.cert and tls.key, if the server demands a client certificate.';
  // A server may make up a code, such as the name of a member that every object has.
  return (Object.hasOwn(BY_CODE, code) ? BY_CODE[code] : BY_STATE[state]) ?? '';
}

module.exports = { withAdvice };
