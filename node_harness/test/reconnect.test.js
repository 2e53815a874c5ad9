'use strict';

const assert = require('node:assert/strict');
const { setTimeout: sleep } = require('node:timers/promises');
const {
  acceptAgain,
  acknowledgement,
  barrier,
  connectedPair,
  errorAnswer,
  frame,
  message,
  response,
} = require('./helper');
const { test } = require('./runner');

test('client connects again after a loss, with its id and its subscriptions, ahead of onConnected', async (t) => {
  const { client, server, peer, hello, events } = await connectedPair(t);
  const got = [];
  client.subscribe('a', (received) => got.push(received.payload));
  client.subscribe('b', () => {});
  client.subscribe('gone', () => {});
  client.unsubscribe('gone');
  client.onConnected(() => client.publish('first', 'from onConnected'));
  peer.end();
  const again = await acceptAgain(server);
  assert.equal(again.hello.payload.connection_id, hello.payload.connection_id);
  assert.notEqual(again.hello.message_id, hello.message_id);
  const sent = [await again.peer.receive(), await again.peer.receive(), await again.peer.receive()];
  const types = sent.map(({ message_type: type, channel_id: channel }) => `${type} ${channel}`);
  assert.deepEqual(types, ['subscribe a', 'subscribe b', 'publish first']);
  again.peer.send(message('publish', 'a', 'still here'));
  assert.equal(await barrier(client, again.peer), true);
  assert.deepEqual(got, ['still here']);
  assert.deepEqual(events, ['connected', 'error connection_lost', 'lost', 'connected']);
});

test('client waits reconnectDelay ahead of each attempt', async (t) => {
  const { client, server, peer } = await connectedPair(t, { reconnectDelay: 60 });
  peer.end();
  const begun = Date.now();
  const second = await server.accept();
  assert.ok(Date.now() - begun >= 55);
  assert.equal(client.getConnectionInfo().status, 'reconnecting');
  second.end();
  await server.accept();
  assert.ok(Date.now() - begun >= 110);
});

test('client makes reconnectAttempts attempts and says that it gives up', async (t) => {
  const { client, server, peer, events } = await connectedPair(t, { reconnectAttempts: 3 });
  peer.end();
  for (let attempt = 0; attempt < 3; attempt += 1) (await server.accept()).end();
  await sleep(50);
  assert.equal(server.waiting, 0);
  const failed = 'error connection_failed';
  const expected = ['connected', 'error connection_lost', 'lost', failed, failed, failed, 'error reconnect_failed'];
  assert.deepEqual(events, expected);
  assert.equal(client.getConnectionInfo().status, 'disconnected');
});

test('each loss has the full number of attempts', async (t) => {
  const { client, server, peer, events, nextConnected } = await connectedPair(t, { reconnectAttempts: 1 });
  let current = peer;
  for (let loss = 0; loss < 3; loss += 1) {
    await barrier(client, current);
    current.reset();
    current = (await acceptAgain(server)).peer;
    await nextConnected();
  }
  assert.equal(events.filter((event) => event === 'connected').length, 4);
});

test('client does not connect again when it makes no attempts', async (t) => {
  const { client, server, peer, events, nextError } = await connectedPair(t, { reconnectAttempts: 0 });
  peer.end();
  await nextError();
  await sleep(20);
  assert.deepEqual(events, ['connected', 'error connection_lost', 'lost']);
  assert.equal(client.getConnectionInfo().status, 'disconnected');
  assert.equal(server.waiting, 0);
});

for (const code of ['session_replaced', 'unsupported_protocol', 'unauthorized']) {
  test(`client does not connect again after ${code}`, async (t) => {
    const { client, server, peer, events } = await connectedPair(t);
    const answered = client.sendRequest('a', {});
    peer.send(errorAnswer(code));
    await assert.rejects(answered, { code: 'connection_lost' });
    await sleep(30);
    assert.deepEqual(events, ['connected', `error ${code}`, 'lost']);
    assert.equal(server.waiting, 0);
  });
}

test('client stops its attempts when one is refused for good', async (t) => {
  const { server, peer, events } = await connectedPair(t);
  peer.end();
  const second = await server.accept();
  second.send(errorAnswer('unauthorized'));
  await second.gone();
  await sleep(30);
  assert.deepEqual(events.slice(3), ['error unauthorized']);
  assert.equal(server.waiting, 0);
});

for (const code of ['shutting_down', 'slow_consumer', 'malformed_frame']) {
  test(`client drops the connection at ${code} and connects again`, async (t) => {
    const { server, peer, events, nextConnected } = await connectedPair(t);
    peer.send(errorAnswer(code));
    await peer.gone();
    await acceptAgain(server);
    await nextConnected();
    assert.deepEqual(events, ['connected', `error ${code}`, 'lost', 'connected']);
  });
}

const BROKEN = {
  'no JSON': [frame('{"a"'), 'malformed_frame'],
  'no object': [frame('7'), 'malformed_frame'],
  'ill-formed UTF-8': [frame(Buffer.from([0x22, 0xff, 0x22])), 'malformed_frame'],
  'an empty body': [frame(''), 'malformed_frame'],
  'a length over the announced limit': [Buffer.from([0, 0x10, 0, 1]), 'frame_too_large'],
};
for (const [name, [octets, code]] of Object.entries(BROKEN)) {
  test(`client drops the connection at a frame with ${name}, and handles nothing behind it`, async (t) => {
    const { client, peer, events } = await connectedPair(
      t,
      { reconnectAttempts: 0 },
      { limits: { max_frame_bytes: 1048576 } },
    );
    const got = [];
    client.subscribe('c', (received) => got.push(received.payload));
    peer.write(Buffer.concat([frame(message('publish', 'c', 1)), octets, frame(message('publish', 'c', 2))]));
    await peer.gone();
    assert.deepEqual(got, [1]);
    assert.deepEqual(events, ['connected', `error ${code}`, 'lost']);
  });
}

test('client accepts frames up to the announced limit, above the customary one too', async (t) => {
  const limit = 17 * 1024 * 1024;
  const { client, peer } = await connectedPair(t, {}, { limits: { max_frame_bytes: limit } });
  const room = limit - JSON.stringify(message('publish', 'c', '', { message_id: 'm' })).length;
  let length = 0;
  client.subscribe('c', (received) => (length = received.payload.length));
  await peer.receive();
  peer.send(message('publish', 'c', 'x'.repeat(room), { message_id: 'm' }));
  assert.equal(await barrier(client, peer), true);
  assert.equal(length, room);
});

test('client reports a message with a bad envelope and keeps the connection', async (t) => {
  const { client, peer, events } = await connectedPair(t);
  peer.send({}, { ...message('publish', 'c', 1), channel_id: 7 });
  assert.equal(await barrier(client, peer), true);
  assert.deepEqual(events, ['connected', 'error invalid_message', 'error invalid_message']);
});

test('heartbeat sends a ping each interval while they are answered', async (t) => {
  const { client, peer, events } = await connectedPair(t, { heartbeatInterval: 100 });
  for (let beat = 0; beat < 3; beat += 1) {
    const ping = await peer.receive();
    assert.deepEqual([ping.channel_id, ping.message_type, ping.payload.action], ['system', 'request', 'ping']);
    peer.send(response(ping, { status: 'pong' }));
  }
  assert.equal(client.connected, true);
  assert.deepEqual(events, ['connected']);
});

test('heartbeat without an answer within the interval is a loss', async (t) => {
  const { server, peer, events, nextConnected } = await connectedPair(t, { heartbeatInterval: 30 });
  await peer.receive();
  peer.send(message('response', 'system', { status: 'pong' }, { reply_to: 'another' }));
  await peer.gone();
  await acceptAgain(server);
  await nextConnected();
  assert.deepEqual(events, ['connected', 'error heartbeat_timeout', 'lost', 'connected']);
});

test('client without a heartbeat sends no pings', async (t) => {
  const { peer } = await connectedPair(t, { heartbeatInterval: 0 });
  await sleep(30);
  assert.equal(peer.unread, 0);
});

test('disconnect ends the attempts', async (t) => {
  const { client, server, peer, nextError } = await connectedPair(t, { reconnectDelay: 20 });
  peer.end();
  await nextError();
  client.disconnect();
  await sleep(40);
  assert.equal(server.waiting, 0);
});

test('disconnect in onDisconnected ends the attempts', async (t) => {
  const { client, server, peer, events } = await connectedPair(t);
  client.onDisconnected(() => client.disconnect());
  peer.end();
  await sleep(30);
  assert.equal(server.waiting, 0);
  assert.deepEqual(events, ['connected', 'error connection_lost', 'lost']);
});

test('connect in onDisconnected takes the place of the attempts', async (t) => {
  const { client, server, peer, events } = await connectedPair(t);
  let again;
  client.onDisconnected(() => (again = client.connect()));
  peer.end();
  await acceptAgain(server);
  assert.equal(await again, true);
  await sleep(20);
  assert.equal(server.waiting, 0);
  assert.deepEqual(events, ['connected', 'error connection_lost', 'lost', 'connected']);
});

test('connect that fails ends the attempts', async (t) => {
  const { client, server, peer, nextError } = await connectedPair(t, { reconnectDelay: 20 });
  peer.end();
  await nextError();
  const opened = client.connect();
  (await server.accept()).end();
  assert.equal(await opened, false);
  await sleep(40);
  assert.equal(server.waiting, 0);
});

test('disconnect delivers what was sent, tells onDisconnected once, and can be repeated', async (t) => {
  const { client, peer, events } = await connectedPair(t);
  const data = 'x'.repeat(3000000);
  client.publish('c', data);
  client.disconnect();
  client.disconnect();
  assert.equal(client.connected, false);
  peer.send(message('publish', 'c', 'unread'));
  assert.equal((await peer.receive()).payload, data);
  await peer.gone();
  assert.deepEqual(events, ['connected', 'disconnected']);
});

test('disconnect in a handler leaves the rest of the segment alone', async (t) => {
  const { client, peer, events } = await connectedPair(t);
  const got = [];
  client.subscribe('c', (received) => {
    got.push(received.payload);
    client.disconnect();
  });
  const rest = [frame(message('publish', 'c', 2)), frame(acknowledgement()), frame('broken')];
  peer.write(Buffer.concat([frame(message('publish', 'c', 1)), ...rest]));
  await peer.gone();
  assert.deepEqual(got, [1]);
  assert.deepEqual(events, ['connected', 'disconnected']);
});

test('client can connect after disconnect', async (t) => {
  const { client, server, peer } = await connectedPair(t);
  client.disconnect();
  const opened = client.connect();
  await acceptAgain(server);
  assert.equal(await opened, true);
  await peer.gone();
});
