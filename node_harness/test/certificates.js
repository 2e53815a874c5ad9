'use strict';

// Makes certificates for the time of a test run.

const { generateKeyPairSync } = require('node:crypto');
const forge = require('node-forge');

const DAY_MS = 24 * 60 * 60 * 1000;

let serial = 0;

function makeKeys() {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return {
    publicKey: forge.pki.publicKeyFromPem(publicKey.export({ type: 'spki', format: 'pem' })),
    privateKey: forge.pki.privateKeyFromPem(privateKey.export({ type: 'pkcs1', format: 'pem' })),
  };
}

function attributes(name) {
  return [{ name: 'commonName', value: name }];
}

/** Sign a certificate that is valid from a day ago until some days from now. */
function certificate({ subject, keys, issuer, extensions, days = 1 }) {
  const made = forge.pki.createCertificate();
  serial += 1;
  made.serialNumber = String(serial).padStart(2, '0');
  made.publicKey = keys.publicKey;
  made.validity.notBefore = new Date(Date.now() - 2 * DAY_MS);
  made.validity.notAfter = new Date(Date.now() + days * DAY_MS);
  made.setSubject(attributes(subject));
  made.setIssuer(attributes(issuer.name));
  made.setExtensions(extensions);
  made.sign(issuer.keys.privateKey, forge.md.sha256.create());
  return forge.pki.certificateToPem(made);
}

/** A name for the subject's alternative names: 2 is that of a host, 7 an IP address (RFC 5280, GeneralName). */
function alternativeName(name) {
  return /^[\d.]+$/.test(name) ? { type: 7, ip: name } : { type: 2, value: name };
}

/** Make an authority; `issue` has it certify a server, and returns what the server needs. */
function makeAuthority(name) {
  const authority = { name, keys: makeKeys() };
  const serverKeys = makeKeys();
  const extensions = [{ name: 'basicConstraints', cA: true, critical: true }];
  return {
    ca: certificate({ subject: name, keys: authority.keys, issuer: authority, extensions }),
    issue({ names = ['localhost', '127.0.0.1'], days } = {}) {
      const altNames = names.map(alternativeName);
      return {
        key: forge.pki.privateKeyToPem(serverKeys.privateKey),
        cert: certificate({
          subject: 'server',
          keys: serverKeys,
          issuer: authority,
          extensions: [{ name: 'subjectAltName', altNames }],
          days,
        }),
      };
    },
  };
}

module.exports = { makeAuthority };
