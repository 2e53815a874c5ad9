'use strict';

const assert = require('node:assert/strict');
const { inspect } = require('node:util');
const { IPCClient } = require('../client');
const {
  acceptAgain,
  connectedPair,
  errorAnswer,
  failedAttempt,
  frame,
  recordedClient,
  scriptedServer,
} = require('./helper');
const { replace, test } = require('./runner');

const TOKEN = 'correct horse battery staple';

test('client sends its token in the connect message, and in each later one', async (t) => {
  const { server, peer, hello, nextConnected } = await connectedPair(t, { token: TOKEN });
  assert.equal(hello.payload.token, TOKEN);
  peer.end();
  const again = await acceptAgain(server);
  assert.equal(again.hello.payload.token, TOKEN);
  await nextConnected();
});

test('client without a token sends no such member', async (t) => {
  for (const options of [{}, { token: undefined }, { token: null }]) {
    const { hello } = await connectedPair(t, options);
    assert.equal(Object.hasOwn(hello.payload, 'token'), false);
  }
});

test('client shows its token nowhere', async (t) => {
  const written = [];
  for (const method of ['log', 'error', 'warn', 'info', 'debug']) {
    replace(t, console, method, (...values) => written.push(...values));
  }
  const { server, client, peer, nextError } = await connectedPair(t, { token: TOKEN, reconnectAttempts: 1 });
  const shown = [client, client.getConnectionInfo()];
  const { client: refused, nextError: nextRefusal } = recordedClient(t, 1, { token: TOKEN });
  shown.push(await refused.sendRequest('c', 1).catch((error) => error));
  await refused.connect();
  shown.push(await nextRefusal());
  shown.push(await client.sendRequest('c', 1, 1).catch((error) => error));
  peer.write(frame('broken'));
  shown.push(await nextError());
  (await server.accept()).send(errorAnswer('unauthorized'));
  shown.push(await nextError());
  const texts = shown.map((value) => `${inspect(value, { depth: 9, showHidden: true })} ${JSON.stringify(value)}`);
  for (const text of [...texts, ...written]) assert.ok(!String(text).includes(TOKEN), text);
  assert.deepEqual(written, []);
});

test('client refuses a bad token without showing it', () => {
  for (const token of ['', 5, 1234567, {}, [], true, Buffer.from(TOKEN), `half \ud800 ${TOKEN}`]) {
    assert.throws(
      () => new IPCClient('a', { token }),
      (error) => {
        assert.match(String(error), /^TypeError: token must be a string/);
        return !/correct|1234567/.test(error.message);
      },
    );
  }
});

test('client reports a token that is too long to be sent', async (t) => {
  const server = await scriptedServer(t);
  const error = await failedAttempt(t, server.port, { token: 'x'.repeat(16 * 1024 * 1024) });
  assert.deepEqual([error.code, error.message.length < 300], ['frame_too_large', true]);
});

test('client that is unauthorized says which option is wanting, and does not connect again', async (t) => {
  const server = await scriptedServer(t);
  const { client, events, nextError } = recordedClient(t, server.port, { token: TOKEN });
  const opened = client.connect();
  const peer = await server.accept();
  peer.send(errorAnswer('unauthorized'));
  assert.equal(await opened, false);
  await peer.gone();
  assert.match((await nextError()).message, /refused by the server \(unauthorized\): .*the option token/);
  assert.equal(client.getConnectionInfo().status, 'disconnected');
  assert.deepEqual(events, ['error unauthorized']);
});
