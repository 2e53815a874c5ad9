'use strict';

const assert = require('node:assert/strict');
const { IPCClient } = require('../client');
const { makeAuthority } = require('./certificates');
const {
  acceptAgain,
  acknowledgement,
  connectedPair,
  errorAnswer,
  failedAttempt,
  frame,
  recordedClient,
  scriptedServer,
} = require('./helper');
const { test } = require('./runner');

const authority = makeAuthority('authority');
const credentials = authority.issue();
const trusting = { tls: { ca: authority.ca } };

const PRIVATE = '-----BEGIN PRIVATE KEY----- c29tZXRoaW5n';
const BAD_CONTENTS = [{ key: PRIVATE }, { ca: 5 }, { minVersion: 'TLSv9' }, { ciphers: '?' }];
const BAD_TLS = [5, 'yes', PRIVATE, [], () => {}, ...BAD_CONTENTS];
for (const [number, value] of BAD_TLS.entries()) {
  test(`constructor refuses bad values of tls, number ${number}, without showing them`, () => {
    assert.throws(
      () => new IPCClient('a', { tls: value }),
      (error) => {
        assert.match(String(error), /^TypeError: tls must be .*tls\.connect/);
        return !/c29tZXRoaW5n|\b5\b/.test(error.message);
      },
    );
  });
}

test('constructor refuses options of tls that say where to connect', () => {
  for (const name of ['host', 'port', 'path', 'socket']) {
    const expected = new RegExp(`^TypeError: tls must be without ${name}`);
    assert.throws(() => new IPCClient('a', { tls: { [name]: 'x' } }), expected);
  }
  const options = { tls: { checkServerIdentity: null } };
  assert.throws(() => new IPCClient('a', options), /^TypeError: tls\.checkServerIdentity must be a function/);
});

test('client tells an authority from another of the same name', async (t) => {
  const other = makeAuthority('authority'); // of the same name, and not the same
  const server = await scriptedServer(t, other.issue());
  const error = await failedAttempt(t, server.port, trusting);
  assert.equal(error.code, 'tls_failed');
  assert.equal(server.waiting, 0);
});

const BAD_CERTIFICATES = {
  'of an authority that is not trusted': [() => credentials, { tls: true }, /tls\.ca/],
  'of another authority': [() => credentials, { tls: { ca: makeAuthority('other').ca } }, /tls\.ca/],
  'for another host': [() => authority.issue({ names: ['other.test'] }), trusting, /127\.0\.0\.1.*tls\.servername/],
  'that has expired': [() => authority.issue({ days: -1 }), trusting, /expired\. Renew/],
};
for (const [name, [certified, options, advice]] of Object.entries(BAD_CERTIFICATES)) {
  test(`client refuses a certificate ${name}, with advice`, async (t) => {
    const server = await scriptedServer(t, certified());
    const error = await failedAttempt(t, server.port, options);
    assert.equal(error.code, 'tls_failed');
    assert.match(error.message, /^connection failed: /);
    assert.match(error.message, advice);
    assert.ok(error.cause instanceof Error);
  });
}

test('client accepts any certificate when it is told to', async (t) => {
  const certified = authority.issue({ names: ['other.test'], days: -1 });
  await connectedPair(t, { tls: { rejectUnauthorized: false } }, {}, certified);
});

test('client takes options of tls that are undefined for absent', async (t) => {
  const options = { tls: { ...trusting.tls, checkServerIdentity: undefined, rejectUnauthorized: undefined } };
  await connectedPair(t, options, {}, credentials);
  const server = await scriptedServer(t, authority.issue({ names: ['other.test'] }));
  assert.equal((await failedAttempt(t, server.port, options)).code, 'tls_failed');
});

test('client takes a check of the certificate that fails for a refusal', async (t) => {
  const server = await scriptedServer(t, credentials);
  const checkServerIdentity = () => {
    throw new Error('not this one');
  };
  const error = await failedAttempt(t, server.port, { tls: { ...trusting.tls, checkServerIdentity } });
  assert.deepEqual([error.code, /not this one/.test(error.message)], ['tls_failed', true]);
});

test('client takes an option of tls that Node refuses late for a failed attempt', async (t) => {
  const server = await scriptedServer(t, credentials);
  const error = await failedAttempt(t, server.port, { tls: { ...trusting.tls, session: 5 } });
  assert.match(error.message, /^connection failed: .*[Ss]ession/);
});

test('client that speaks TLS says that the server does not: it answers in plaintext', async (t) => {
  const server = await scriptedServer(t);
  const { client, events, nextError } = recordedClient(t, server.port, trusting);
  const opened = client.connect();
  const peer = await server.accept();
  peer.write(frame(errorAnswer('frame_too_large')));
  assert.equal(await opened, false);
  const error = await nextError();
  assert.match(error.message, /^connection failed: .*speak TLS on this port.*omit the option tls/);
  assert.deepEqual(events, ['error tls_failed']);
});

test('client that speaks TLS says that the server may not: it closes the connection', async (t) => {
  const server = await scriptedServer(t);
  const { client, nextError } = recordedClient(t, server.port, trusting);
  const opened = client.connect();
  (await server.accept()).end();
  assert.equal(await opened, false);
  const error = await nextError();
  assert.deepEqual([error.code, /speak TLS on this port/.test(error.message)], ['tls_failed', true]);
});

test('client that speaks TLS says that the server may not: it says nothing', async (t) => {
  const server = await scriptedServer(t);
  const error = await failedAttempt(t, server.port, { ...trusting, connectionTimeout: 500 });
  assert.match(error.message, /^connection timeout: .*speak TLS on this port/);
  assert.equal(error.code, 'timeout');
});

test('client that speaks plaintext asks whether the server speaks TLS: it closes the connection', async (t) => {
  const server = await scriptedServer(t, credentials);
  const error = await failedAttempt(t, server.port, {});
  assert.deepEqual([error.code, /whether it speaks TLS/.test(error.message)], ['connection_failed', true]);
});

test('client that speaks plaintext asks whether the server speaks TLS: it answers with an alert', async (t) => {
  const server = await scriptedServer(t);
  const { client, nextError } = recordedClient(t, server.port);
  const opened = client.connect();
  (await server.accept()).write(Buffer.from([21, 3, 3, 0, 2, 2, 10])); // unexpected_message, RFC 8446, section 6
  assert.equal(await opened, false);
  const error = await nextError();
  assert.deepEqual([error.code, /whether it speaks TLS/.test(error.message)], ['frame_too_large', true]);
});

// Node 16 tells of the end of the stream ahead of the alert that explains it.
const TELLS_ALERTS = Number(process.versions.node.split('.')[0]) >= 18;
for (const maxVersion of ['TLSv1.2', 'TLSv1.3']) {
  test(`client says that the server demands a certificate, ${maxVersion}`, async (t) => {
    const demanding = { ...credentials, requestCert: true, ca: authority.ca, maxVersion };
    const server = await scriptedServer(t, demanding);
    const error = await failedAttempt(t, server.port, trusting);
    if (TELLS_ALERTS) {
      assert.match(error.message, /^connection failed: TLS: .*tls\.cert and tls\.key/);
      assert.equal(error.code, 'tls_failed');
    } else {
      assert.match(error.message, /^connection failed: the server closed the connection/);
    }
    const { client } = recordedClient(t, server.port, { tls: { ...trusting.tls, ...credentials } });
    const opened = client.connect();
    await acceptAgain(server);
    assert.equal(await opened, true);
  });
}

test('client ignores an acknowledgement that was sent ahead of the handshake', async (t) => {
  const server = await scriptedServer(t);
  const { client } = recordedClient(t, server.port, trusting);
  const opened = client.connect();
  (await server.accept()).send(acknowledgement());
  assert.equal(await opened, false);
});
