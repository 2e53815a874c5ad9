'use strict';

// The client and the reference server, with a token and TLS between them.

const assert = require('node:assert/strict');
const path = require('node:path');
const { makeAuthority } = require('./certificates');
const { makeFolder } = require('./folder');
const { failedAttempt, recordedClient, withDeadline } = require('./helper');
const { freePort, startServer } = require('./reference');
const { test } = require('./runner');

const TOKEN = 'correct horse battery staple';
const authority = makeAuthority('authority');
const trusting = { ca: authority.ca };

/** Start a server that demands TLS, with a certificate for 127.0.0.1, and a token. */
async function secureServer(t, settings) {
  const { cert, key } = authority.issue();
  const folder = makeFolder(t, { 'cert.pem': cert, 'key.pem': key, token: `${TOKEN}\n` });
  const [certFile, keyFile, tokenFile] = ['cert.pem', 'key.pem', 'token'].map((name) => path.join(folder, name));
  const options = ['--tls-cert', certFile, '--tls-key', keyFile, '--token-file', tokenFile];
  const server = await startServer({ ...settings, options });
  t.after(() => server.stop());
  return server;
}

/** A client of the responder's application, connected over TLS with the right token. */
async function letIn(t, port) {
  const recorded = recordedClient(t, port, { tls: trusting, token: TOKEN }, 'conformance');
  assert.equal(await recorded.client.connect(), true);
  return recorded;
}

test('server lets a client with its token in over TLS, and serves it', async (t) => {
  const server = await secureServer(t);
  const { client } = await letIn(t, server.port);
  assert.ok(client.getConnectionInfo().server.profiles.includes('security'));
  const large = 'x'.repeat(4 * 1024 * 1024);
  assert.equal((await client.sendRequest('conformance.echo', large)).payload, large);
  const numbers = Array.from({ length: 1000 }, (_, number) => number);
  const answers = await Promise.all(numbers.map((number) => client.sendRequest('conformance.echo', number)));
  assert.deepEqual(answers.map(({ payload }) => payload), numbers);
});

test('server does not let a client with another token in, or with none', async (t) => {
  const server = await secureServer(t);
  for (const token of [undefined, `${TOKEN}.`]) {
    const error = await failedAttempt(t, server.port, { tls: trusting, token });
    assert.equal(error.code, 'unauthorized');
    assert.match(error.message, /the option token to the token that the server requires\.$/);
  }
});

test('server that demands TLS is not connected to in plaintext, nor one without TLS over TLS', async (t) => {
  const secure = await secureServer(t);
  const refused = await failedAttempt(t, secure.port, { token: TOKEN });
  assert.match(refused.message, /whether it speaks TLS/);
  const plain = await startServer();
  t.after(() => plain.stop());
  const failed = await failedAttempt(t, plain.port, { tls: trusting });
  assert.deepEqual([failed.code, /speak TLS on this port/.test(failed.message)], ['tls_failed', true]);
});

test('server gets what was sent over TLS right before disconnect', async (t) => {
  const server = await secureServer(t);
  const { client: listener } = await letIn(t, server.port);
  const heard = new Promise((resolve) => listener.subscribe('news', ({ payload }) => resolve(payload.length)));
  assert.equal(await listener.healthCheck(), true); // and so the subscription is there
  const { client } = await letIn(t, server.port);
  client.publish('news', 'x'.repeat(3000000));
  client.disconnect();
  assert.equal(await withDeadline(heard, 'what was published'), 3000000);
});

test('client is back over TLS, with its token, when the server is', async (t) => {
  const port = await freePort();
  const server = await secureServer(t, { port });
  const { client, nextConnected, nextError } = await letIn(t, port);
  await nextConnected();
  await server.kill();
  assert.equal((await nextError()).code, 'connection_lost');
  client.disconnect();
  await secureServer(t, { port });
  assert.equal(await client.connect(), true);
  assert.equal(await client.healthCheck(), true);
});
