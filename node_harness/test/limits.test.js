'use strict';

// What a server may do to a client, and a program to itself: the client's memory and time stay bounded.

const assert = require('node:assert/strict');
const { isDeeper, outlineOf } = require('../client/nesting');
const { IPCClient } = require('..');
const {
  barrier,
  connectedPair,
  errorAnswer,
  frame,
  message,
  recordedClient,
  response,
  scriptedServer,
} = require('./helper');
const { test } = require('./runner');

const KIB = 'x'.repeat(1024);
const BUFFERED = 1024 * 1024;
const FULL = { name: 'IPCError', code: 'buffer_full', message: /^the server does not read: \d+ octets wait/ };

/** Send until the client refuses; returns how many messages it took. */
async function fill(send) {
  for (let count = 0; count < 100000; count += 1) {
    try {
      send();
    } catch (error) {
      assert.equal(error.code, 'buffer_full');
      return count;
    }
    if (count % 100 === 0) await new Promise(setImmediate);
  }
  throw new Error('everything was taken');
}

/** A client with a full buffer: its server does not read. */
async function blockedPair(t, options) {
  const pair = await connectedPair(t, { maxBufferedBytes: BUFFERED, ...options });
  pair.peer.socket.pause();
  await fill(() => pair.client.publish('c', KIB));
  return pair;
}

function nested(depth, open = '[', close = ']') {
  return open.repeat(depth) + close.repeat(depth);
}

/** The text of a message whose root is the first of so many levels. */
function deepMessage(depth, type = 'publish', members = {}) {
  const text = JSON.stringify(message(type, 'c', 'deep', members));
  return text.replace('"deep"', nested(depth - 1));
}

test('a server that does not read does not make the client buffer without a bound', async (t) => {
  const { client } = await blockedPair(t);
  for (const send of ['publish', 'notify']) assert.throws(() => client[send]('c', KIB.repeat(16)), FULL);
  await assert.rejects(client.sendRequest('c', KIB.repeat(16)), FULL);
  assert.equal(client.getConnectionInfo().pendingRequests, 0);
  assert.equal(client.connected, true);
});

test('drained waits until a server reads, and further messages are taken', async (t) => {
  const { client, peer } = await blockedPair(t);
  const drained = client.drained();
  assert.equal(await Promise.race([drained, new Promise((resolve) => setTimeout(resolve, 50, 'waits'))]), 'waits');
  peer.socket.resume();
  assert.equal(await drained, true);
  client.publish('c', 'last');
  for (;;) if ((await peer.receive()).payload === 'last') break;
  assert.equal(await client.drained(), true);
});

test('drained is false when the connection ends, and without one', async (t) => {
  const { client, peer } = await blockedPair(t, { reconnectAttempts: 0 });
  const drained = client.drained();
  peer.reset();
  assert.equal(await drained, false);
  assert.equal(await client.drained(), false);
  assert.equal(await new IPCClient('a').drained(), false);
});

test('full buffer refuses a subscription and forgets it, and lets one be ended', async (t) => {
  const { client, peer } = await connectedPair(t, { maxBufferedBytes: 65536 });
  client.subscribe('before', () => {});
  await peer.receive();
  peer.socket.pause();
  await fill(() => client.publish('c', 1));
  let count = 0;
  await fill(() => client.subscribe(`c${(count += 1)}`, () => {}));
  const { subscribedChannels } = client.getConnectionInfo();
  assert.deepEqual([subscribedChannels.length, subscribedChannels.includes(`c${count}`)], [count, false]);
  client.unsubscribe('before');
  assert.equal(client.getConnectionInfo().subscribedChannels.length, count - 1);
});

test('heartbeat notices a server that does not read, also with a full buffer', async (t) => {
  const { client, nextError } = await blockedPair(t, { heartbeatInterval: 400, reconnectAttempts: 0 });
  const refilled = setInterval(() => fill(() => client.publish('c', KIB)).catch(() => {}), 5);
  t.after(() => clearInterval(refilled));
  assert.equal((await nextError()).code, 'heartbeat_timeout');
});

test('message nested up to maxDepth is delivered, and a deeper one dropped with an error', async (t) => {
  const { client, peer, nextError } = await connectedPair(t, { maxDepth: 100 });
  const depths = [];
  client.subscribe('c', ({ payload }) => depths.push(JSON.stringify(payload).length / 2 + 1));
  await peer.receive();
  for (const depth of [100, 101, 99]) peer.write(frame(deepMessage(depth)));
  const error = await nextError();
  assert.equal(error.code, 'too_deep');
  assert.equal(error.message, 'the server sent a message that is nested deeper than the option maxDepth, 100 levels');
  assert.equal(await barrier(client, peer), true);
  assert.deepEqual(depths, [100, 99]);
});

test('request whose response is too deep is rejected at once', async (t) => {
  const { client, peer } = await connectedPair(t);
  const asked = client.sendRequest('c', {}, 60000);
  const { message_id: answered } = await peer.receive();
  peer.write(frame(deepMessage(1025, 'response', { reply_to: answered })));
  await assert.rejects(asked, { name: 'IPCError', code: 'too_deep' });
  assert.equal(await barrier(client, peer), true);
});

test('a frame of brackets costs little memory and time', async (t) => {
  const { client, peer, nextError } = await connectedPair(t);
  const body = deepMessage(4 * 1024 * 1024);
  const before = process.memoryUsage().heapUsed;
  peer.write(frame(body));
  assert.equal((await nextError()).code, 'too_deep');
  const taken = process.memoryUsage().heapUsed - before;
  assert.ok(taken < 4 * body.length, `${taken} octets for ${body.length}`);
  assert.equal(await barrier(client, peer), true);
});

test('acknowledgement that is too deep makes the attempt fail', async (t) => {
  const server = await scriptedServer(t);
  const { client, nextError } = recordedClient(t, server.port);
  const opened = client.connect();
  const peer = await server.accept();
  await peer.receive();
  peer.write(frame(deepMessage(2000, 'response', { channel_id: 'system' })));
  assert.equal(await opened, false);
  assert.equal((await nextError()).code, 'too_deep');
});

test('client does not send what is nested deeper than the server announced', async (t) => {
  const { client, peer } = await connectedPair(t, {}, { limits: { max_depth: 200 } });
  const refused = { name: 'IPCError', code: 'too_deep', message: /the server's limit, 200 levels$/ };
  assert.throws(() => client.publish('c', JSON.parse(nested(200))), refused);
  await assert.rejects(client.sendRequest('c', JSON.parse(nested(200))), refused);
  client.publish('c', JSON.parse(nested(199)));
  assert.equal(JSON.stringify((await peer.receive()).payload), nested(199));
  client.publish('c', nested(5000)); // brackets in a text are no levels
  assert.equal((await peer.receive()).payload, nested(5000));
});

test('client accepts any depth of what it sends while the server announced no limit', async (t) => {
  const { client, peer } = await connectedPair(t);
  client.publish('c', JSON.parse(nested(2000)));
  assert.equal(JSON.stringify((await peer.receive()).payload), nested(2000));
});

/** Texts, their depth, and their outlines. */
const TEXTS = [
  ['{}', 1, '{}'],
  ['{"a":[1,{"b":[]}],"c":[]}', 4, '{"a":null,"c":null}'],
  ['{"a":"[{\\"[","b":"\\\\","c":{"d":"]"}}', 2, '{"a":"[{\\"[","b":"\\\\","c":null}'],
  ['[[],[[]]]', 3, '[null,null]'],
  ['{"é":"😀[","x":[[["]"]]]}', 4, '{"é":"😀[","x":null}'],
];
for (const [text, depth, outline] of TEXTS) {
  test(`depth and outline of ${text}`, () => {
    const octets = Buffer.from(text + ' '.repeat(20));
    assert.deepEqual([isDeeper(octets, depth), isDeeper(octets, depth - 1)], [false, true]);
    assert.equal(outlineOf(Buffer.from(text)).toString(), outline);
  });
}

test('texts that are no JSON have an outline too', () => {
  for (const text of ['', '[[[', ']]]', '"', '"\\', '{"a":[', '}{][']) assert.ok(outlineOf(Buffer.from(text)));
});

test('request is forgotten when its signal is aborted, and its response ignored', async (t) => {
  const { client, peer, events } = await connectedPair(t);
  const controller = new AbortController();
  const asked = client.sendRequest('c', {}, 60000, { signal: controller.signal });
  const request = await peer.receive();
  controller.abort();
  const aborted = { name: 'IPCError', code: 'aborted', message: "request on channel 'c' aborted by its signal" };
  await assert.rejects(asked, aborted);
  assert.equal(client.getConnectionInfo().pendingRequests, 0);
  peer.send(response(request));
  await assert.rejects(client.sendRequest('c', {}, 60000, { signal: controller.signal }), aborted);
  assert.equal(await barrier(client, peer), true);
  assert.equal(peer.unread, 0);
  assert.deepEqual(events, ['connected']);
});

test('signal has no listener of a request that has ended', async (t) => {
  const { client, peer } = await connectedPair(t);
  const listeners = new Set();
  const signal = {
    aborted: false,
    addEventListener: (type, listener) => listeners.add(listener),
    removeEventListener: (type, listener) => listeners.delete(listener),
  };
  const asked = client.sendRequest('c', {}, 60000, { signal });
  peer.send(response(await peer.receive()));
  await asked;
  assert.equal(listeners.size, 0);
  await assert.rejects(client.sendRequest('c', {}, 20, { signal }), { code: 'timeout' });
  assert.equal(listeners.size, 0);
  const bad = client.sendRequest('c', {}, 20, { signal: 7 });
  await assert.rejects(bad, { name: 'TypeError', message: /^signal must be/ });
});

test('error of a server is one line of printable characters, and of bounded length', async (t) => {
  const { client, peer, nextError } = await connectedPair(t);
  const attack = 'a\r\n2026-01-01 INFO \u001b[2J\u0085\u2028\u202e';
  peer.send(errorAnswer('internal', { payload: { status: 'error', error: { code: 'x\ny', message: attack } } }));
  const error = await nextError();
  const text = String.raw`a\u000d\u000a2026-01-01 INFO \u001b[2J\u0085\u2028\u202e`;
  assert.equal(error.message, String.raw`the server reported x\u000ay on this connection: ${text}`);
  assert.equal(error.code, String.raw`x\u000ay`);
  peer.send(errorAnswer('internal', { payload: { status: 'error', error: { code: KIB, message: KIB.repeat(9) } } }));
  const long = await nextError();
  assert.deepEqual([long.code.length, long.message.length], [103, 2003]);
  assert.equal(await barrier(client, peer), true);
});

test('error answer without texts does not end the connection', async (t) => {
  const { client, peer, nextError } = await connectedPair(t);
  for (const error of [{ code: { toString: 1 }, message: [] }, { code: 7, message: null }, 'text', null]) {
    peer.send(errorAnswer('x', { payload: { status: 'error', error } }));
    assert.match((await nextError()).message, /^the server reported (unknown|7) .*: no explanation$/);
  }
  assert.equal(await barrier(client, peer), true);
});

test('payload with the member __proto__ changes no object', async (t) => {
  const { client, peer } = await connectedPair(t);
  const payload = JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}');
  const asked = client.sendRequest('c', payload);
  const request = await peer.receive();
  assert.deepEqual(Object.keys(request.payload).sort(), ['__proto__', 'connection_id', 'constructor']);
  peer.send(response(request, payload));
  const answer = await asked;
  assert.deepEqual([answer.payload.polluted, {}.polluted], [undefined, undefined]);
  assert.equal(Object.hasOwn(answer.payload, '__proto__'), true);
});

test('a server cannot announce a larger frame than the specification allows', async (t) => {
  const { peer, nextError } = await connectedPair(t, {}, { limits: { max_frame_bytes: 2 ** 40 } });
  peer.write(Buffer.from([0xff, 0xff, 0xff, 0xff]));
  const error = await nextError();
  assert.equal(error.code, 'frame_too_large');
  assert.match(error.message, /exceeds the limit of 1073741824/);
});
