'use strict';

const assert = require('node:assert/strict');
const {
  acceptAgain,
  acknowledgement,
  barrier,
  connectedPair,
  errorAnswer,
  message,
  recordedClient,
  scriptedServer,
} = require('./helper');
const { test } = require('./runner');

test('several handlers of a channel share one subscribe', async (t) => {
  const { client, peer } = await connectedPair(t);
  const got = [];
  client.subscribe('c', (received) => got.push(['one', received.payload]));
  client.subscribe('c', (received) => got.push(['two', received.payload]));
  const subscribe = await peer.receive();
  assert.deepEqual([subscribe.message_type, subscribe.channel_id], ['subscribe', 'c']);
  assert.deepEqual(subscribe.payload, { connection_id: client.connectionId });
  peer.send(message('publish', 'c', 1));
  assert.equal(await barrier(client, peer), true);
  assert.deepEqual(got, [['one', 1], ['two', 1]]);
});

test('a function that subscribes twice is called once', async (t) => {
  const { client, peer } = await connectedPair(t);
  let calls = 0;
  const handler = () => (calls += 1);
  client.subscribe('c', handler);
  client.subscribe('c', handler);
  await peer.receive();
  peer.send(message('publish', 'c', 1));
  await barrier(client, peer);
  assert.equal(calls, 1);
});

test('handlers get publishes and notifications of their channel, whole, and nothing else', async (t) => {
  const { client, peer } = await connectedPair(t);
  const got = [];
  client.subscribe('c', (received) => got.push(received));
  await peer.receive();
  const wanted = [message('publish', 'c', null), message('notification', 'c', [], { app_id: 'x', novelty: 1 })];
  const others = ['request', 'subscribe', 'type_to_come'].map((type) => message(type, 'c', 1));
  peer.send(message('publish', 'C', 1), ...others, ...wanted);
  await barrier(client, peer);
  assert.deepEqual(got, wanted);
});

test('unsubscribe of one handler leaves the others; of the last one it tells the server', async (t) => {
  const { client, peer } = await connectedPair(t);
  const got = [];
  const one = () => got.push('one');
  client.subscribe('c', one);
  client.subscribe('c', () => got.push('two'));
  await peer.receive();
  client.unsubscribe('c', () => {});
  client.unsubscribe('c', one);
  peer.send(message('publish', 'c', 1));
  await barrier(client, peer);
  assert.deepEqual(got, ['two']);
  client.unsubscribe('c');
  const unsubscribe = await peer.receive();
  assert.equal(unsubscribe.message_type, 'unsubscribe');
  assert.deepEqual(unsubscribe.payload, { connection_id: client.connectionId });
  peer.send(message('publish', 'c', 2));
  await barrier(client, peer);
  assert.deepEqual(got, ['two']);
});

test('unsubscribe from a channel without handlers sends nothing', async (t) => {
  const { client, peer } = await connectedPair(t);
  client.unsubscribe('c');
  client.unsubscribe('c', () => {});
  assert.equal(await barrier(client, peer), true);
  assert.equal(peer.unread, 0);
});

test('subscriptions made while not connected are sent after the acknowledgement', async (t) => {
  const server = await scriptedServer(t);
  const { client } = recordedClient(t, server.port);
  client.subscribe('__proto__', () => {});
  client.subscribe('b', () => {});
  client.subscribe('gone', () => {});
  client.unsubscribe('gone');
  const opened = client.connect();
  const { peer } = await acceptAgain(server);
  assert.equal(await opened, true);
  assert.deepEqual([(await peer.receive()).channel_id, (await peer.receive()).channel_id], ['__proto__', 'b']);
  assert.deepEqual(client.getConnectionInfo().subscribedChannels, ['__proto__', 'b']);
  assert.equal(await barrier(client, peer), true);
});

test('publish and notify send the payload as it is', async (t) => {
  const { client, peer } = await connectedPair(t);
  client.publish('c', { a: 1 });
  client.notify('n', 'text');
  const [publish, notification] = [await peer.receive(), await peer.receive()];
  assert.deepEqual([publish.message_type, publish.channel_id, publish.payload], ['publish', 'c', { a: 1 }]);
  assert.deepEqual([notification.message_type, notification.payload], ['notification', 'text']);
});

test('publish and notify throw while not connected, and for what JSON cannot express', async (t) => {
  const offline = recordedClient(t, 1).client;
  assert.throws(() => offline.publish('c', 1), { code: 'not_connected', message: /^not connected/ });
  assert.throws(() => offline.notify('c', 1), { code: 'not_connected', message: /^not connected/ });
  const { client } = await connectedPair(t);
  assert.throws(() => client.publish('c'), { name: 'TypeError', message: /payload must be a JSON value/ });
  assert.throws(() => client.notify('c', '\udfff'), { name: 'TypeError', message: /surrogate/ });
});

test('error answer to a one-way message goes to onError', async (t) => {
  const { client, peer, nextError } = await connectedPair(t);
  client.publish('system', 1);
  peer.send(errorAnswer('reserved_channel', { reply_to: (await peer.receive()).message_id }));
  assert.equal((await nextError()).code, 'reserved_channel');
  assert.equal(client.connected, true);
});

test('error answer that names no message goes to onError and ends nothing unless it is fatal', async (t) => {
  const { client, peer, nextError } = await connectedPair(t);
  peer.send(errorAnswer('invalid_message'));
  assert.match((await nextError()).message, /invalid_message.*told/);
  assert.equal(await barrier(client, peer), true);
});

test('a handler that fails is reported and does not stop the others', async (t) => {
  const { client, peer, events } = await connectedPair(t);
  const got = [];
  client.subscribe('c', () => {
    throw new Error('thrown');
  });
  client.subscribe('c', async () => {
    throw new TypeError('rejected');
  });
  client.subscribe('c', () => {
    throw 'no error at all'; // eslint-disable-line no-throw-literal -- people do it
  });
  client.subscribe('c', (received) => got.push(received.payload));
  await peer.receive();
  peer.send(message('publish', 'c', 1), message('publish', 'c', 2));
  await barrier(client, peer);
  assert.deepEqual(got, [1, 2]);
  const failures = ["error thrown", "error thrown value: 'no error at all'", 'error rejected'];
  assert.deepEqual(events.slice(1).sort(), [...failures, ...failures].sort());
});

test('handlers of connection events that fail are reported, those of onError as a warning', async (t) => {
  const server = await scriptedServer(t);
  const { client, events } = recordedClient(t, server.port);
  const warnings = [];
  const keep = (warning) => warnings.push(warning.message);
  process.on('warning', keep);
  t.after(() => process.off('warning', keep));
  client.onConnected(() => {
    throw new Error('in onConnected');
  });
  client.onDisconnected(async () => {
    throw new Error('in onDisconnected');
  });
  client.onError(() => {
    throw new Error('in onError');
  });
  const opened = client.connect();
  await acceptAgain(server);
  await opened;
  client.disconnect();
  await new Promise(setImmediate);
  assert.deepEqual(events, ['connected', 'error in onConnected', 'disconnected', 'error in onDisconnected']);
  assert.deepEqual(warnings, ['in onError', 'in onError']);
});

/** A client that subscribed to channels before it connects to a server whose limit is too small for some of them. */
async function limited(t, channels) {
  const server = await scriptedServer(t);
  const recorded = recordedClient(t, server.port, { reconnectAttempts: 0 }, 'a'.repeat(200));
  for (const channel of channels) recorded.client.subscribe(channel, () => {});
  const connect = async () => {
    const opened = recorded.client.connect();
    const peer = await server.accept();
    await peer.receive();
    peer.send(acknowledgement({ limits: { max_frame_bytes: 1024 } }));
    await opened;
    return peer;
  };
  return { connect, ...recorded };
}

const TOO_LONG = ['€'.repeat(255), '™'.repeat(255)];

test('a subscription that an error handler ends while they are renewed is not renewed', async (t) => {
  const { client, connect, events } = await limited(t, [TOO_LONG[0], 'a', 'b']);
  client.onError(() => client.unsubscribe('b'));
  const peer = await connect();
  const sent = [];
  client.publish('end', 1);
  do sent.push(await peer.receive());
  while (sent.at(-1).channel_id !== 'end');
  const told = sent.map(({ message_type: type, channel_id: channel }) => `${type} ${channel}`);
  assert.deepEqual(told, ['unsubscribe b', 'subscribe a', 'publish end']);
  assert.deepEqual(events, ['error frame_too_large', 'connected']);
});

test('an error handler that disconnects while subscriptions are renewed ends both', async (t) => {
  const { client, connect, events } = await limited(t, [...TOO_LONG, 'a']);
  client.onError(() => client.disconnect());
  const peer = await connect();
  await peer.gone();
  assert.equal(peer.unread, 0);
  assert.deepEqual(events, ['error frame_too_large', 'disconnected']);
});
