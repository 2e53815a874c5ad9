'use strict';

// When a loop over messages ends after a loss: once no attempt to connect again follows, whoever made the last one.

const assert = require('node:assert/strict');
const { acceptAgain, connectedPair, message, withDeadline } = require('./helper');
const { test } = require('./runner');

for (const [name, act] of Object.entries({
  'attempts that wait': async ({ peer, nextError }) => {
    peer.end();
    await nextError();
  },
  'an attempt under way': async ({ peer, server }) => {
    peer.end();
    await server.accept().then((second) => setImmediate(() => second.end()));
  },
})) {
  test(`connect that takes the place of ${name} and fails is told as their end, once`, async (t) => {
    const pair = await connectedPair(t, { reconnectDelay: name === 'attempts that wait' ? 60000 : 5 });
    const { client, server } = pair;
    const failures = [];
    client.onReconnectFailed(({ code }) => failures.push(code));
    const next = client.messages('c').next();
    await pair.peer.receive();
    await act(pair);
    const opened = client.connect();
    if (name === 'attempts that wait') (await server.accept()).end();
    assert.equal(await opened, false);
    await assert.rejects(withDeadline(next, 'the end of the loop'), { code: 'connection_failed' });
    assert.deepEqual(failures, ['connection_failed']);
    server.stop();
    assert.equal(await client.connect(), false);
    assert.deepEqual(failures, ['connection_failed']);
  });
}

for (const event of ['error', 'disconnected']) {
  test(`loop ends when the only attempt after a loss, made by a handler of ${event}, fails`, async (t) => {
    const { client, server, peer } = await connectedPair(t, { reconnectAttempts: 0 });
    const next = client.messages('c').next();
    client.once(event, () => client.connect());
    peer.end();
    (await server.accept()).end();
    await assert.rejects(withDeadline(next, 'the end of the loop'), { code: 'connection_failed' });
  });
}

test('loop that began without a connection waits for one, over attempts that fail', async (t) => {
  const { client, server, peer, nextConnected } = await connectedPair(t, { reconnectAttempts: 0 });
  client.disconnect();
  await peer.gone();
  const next = client.messages('c').next();
  const failed = client.connect();
  (await server.accept()).end();
  assert.equal(await failed, false);
  client.connect();
  const again = await acceptAgain(server);
  await nextConnected();
  again.peer.send(message('publish', 'c', 1));
  assert.equal((await next).value.payload, 1);
});
