'use strict';

// on, once and off; subscribing in onConnected; iterating over a channel; what observers are told.

const assert = require('node:assert/strict');
const diagnosticsChannel = require('node:diagnostics_channel');
const { setTimeout: sleep } = require('node:timers/promises');
const { IPCClient } = require('..');
const { MessageStream } = require('../client/message-stream');
const patterns = require('../patterns');
const { acceptAgain, barrier, connectedPair, errorAnswer, message, response } = require('./helper');
const { program } = require('./program');
const { test } = require('./runner');

const LOSSES = 3;

/** Lose the connection a number of times; returns the server's end of the last one. */
async function loseOften({ client, server, peer, nextConnected }) {
  let current = peer;
  for (let loss = 0; loss < LOSSES; loss += 1) {
    await barrierAfterSubscribes(client, current);
    current.end();
    current = (await acceptAgain(server)).peer;
    await nextConnected();
  }
  return current;
}

/** As `barrier`, for a peer that may have got subscribe messages before. */
async function barrierAfterSubscribes(client, peer) {
  const check = client.healthCheck();
  for (;;) {
    const received = await peer.receive();
    if (received.message_type !== 'request') continue;
    peer.send(response(received, { status: 'pong' }));
    return check;
  }
}

test('on, once and off register and remove handlers of each event', async (t) => {
  const { client, server, peer, nextConnected } = await connectedPair(t);
  const called = [];
  const always = () => called.push('always');
  const twice = () => called.push('once');
  assert.equal(client.on('connected', always).on('connected', always).once('connected', twice), client);
  client.once('disconnected', (reason) => called.push(reason.code));
  client.once('error', (error) => called.push(error.code));
  const last = await loseOften({ client, server, peer, nextConnected });
  assert.deepEqual(called, ['connection_lost', 'connection_lost', 'always', 'once', 'always', 'always']);
  client.off('connected', always);
  last.end();
  await acceptAgain(server);
  await nextConnected();
  assert.equal(called.length, 6);
  client.onConnected(always);
  client.off('connected');
  assert.throws(() => client.on('open', always), /^TypeError: event must be one of connected, disconnected, /);
  assert.throws(() => client.once('connected'), /^TypeError: handler must be a function/);
});

for (const [kind, register] of Object.entries({
  'a function': (client, got) => {
    client.onConnected(() => client.subscribe('c', ({ payload }) => got.push(payload)));
  },
  'an async function, after an await': (client, got) => {
    client.onConnected(async () => {
      await sleep(1);
      client.subscribe('c', ({ payload }) => got.push(payload));
    });
  },
})) {
  test(`subscribing in onConnected with ${kind} does not multiply handlers`, async (t) => {
    const pair = await connectedPair(t);
    const got = [];
    register(pair.client, got);
    const others = [];
    pair.client.subscribe('c', ({ payload }) => others.push(payload));
    const last = await loseOften(pair);
    await sleep(20);
    last.send(message('publish', 'c', 1));
    await barrierAfterSubscribes(pair.client, last);
    assert.deepEqual([got, others], [[1], [1]]);
  });
}

test('handlers that onConnected subscribes together, or at the first connection only, all stay', async (t) => {
  const pair = await connectedPair(t);
  const { client, server, peer } = pair;
  const got = [];
  let isFirst = true;
  client.onConnected(() => {
    if (isFirst) client.subscribe('once', () => got.push('once'));
    isFirst = false;
    for (const name of ['a', 'b']) client.subscribe('c', () => got.push(name));
  });
  const last = await loseOften({ client, server, peer, nextConnected: pair.nextConnected });
  last.send(message('publish', 'c', 1), message('publish', 'once', 1));
  await barrierAfterSubscribes(client, last);
  assert.deepEqual(got, ['a', 'b', 'once']);
  assert.deepEqual(client.getConnectionInfo().subscribedChannels, ['once', 'c']);
});

test('messages of a channel can be iterated over, also after a loss', async (t) => {
  const pair = await connectedPair(t);
  const { client, server, peer } = pair;
  const stream = client.messages('c');
  peer.send(message('publish', 'c', 1), message('notification', 'c', 2));
  await barrierAfterSubscribes(client, peer);
  peer.end();
  const { peer: again } = await acceptAgain(server);
  again.send(message('publish', 'c', 3));
  const got = [];
  for await (const { payload } of stream) {
    got.push(payload);
    if (payload === 3) break;
  }
  assert.deepEqual(got, [1, 2, 3]);
  assert.deepEqual(client.getConnectionInfo().subscribedChannels, []);
  assert.deepEqual(await stream.next(), { done: true, value: undefined });
});

test('iteration ends by disconnect and a signal, and throws when too much waits or after a loss', async (t) => {
  const { client, peer, nextConnected, server } = await connectedPair(t, { reconnectAttempts: 0 });
  const ended = client.messages('c').next();
  const controller = new AbortController();
  const aborted = client.messages('c', { signal: controller.signal }).next();
  controller.abort();
  assert.deepEqual(await aborted, { done: true, value: undefined });
  const late = client.messages('d', { signal: controller.signal });
  assert.deepEqual(await late.next(), { done: true, value: undefined });
  const full = client.messages('c', { maxWaiting: 2 });
  peer.send(...[1, 2, 3].map((number) => message('publish', 'c', number)));
  await barrierAfterSubscribes(client, peer);
  assert.equal((await ended).value.payload, 1);
  assert.deepEqual([(await full.next()).value.payload, (await full.next()).value.payload], [1, 2]);
  await assert.rejects(full.next(), { code: 'buffer_full', message: /^2 messages of channel 'c' wait, and more came/ });
  const last = client.messages('c').next();
  client.disconnect();
  assert.deepEqual(await last, { done: true, value: undefined });
  assert.deepEqual(client.getConnectionInfo().subscribedChannels, []);
  client.connect();
  const { peer: again } = await acceptAgain(server);
  await nextConnected();
  const lost = client.messages('c').next();
  again.end();
  await assert.rejects(lost, { code: 'connection_lost' });
  assert.throws(() => client.messages('c', { maxWaiting: 0 }), TypeError);
});

test('iteration throws when the attempts are at an end', async (t) => {
  const { client, server, peer } = await connectedPair(t, { reconnectAttempts: 1 });
  const next = client.messages('c').next();
  peer.end();
  (await server.accept()).end();
  await assert.rejects(next, { code: 'reconnect_failed' });
});

test('a stream that has ended takes no message', async () => {
  const stream = new MessageStream('c', 2, () => {});
  stream.push(message('publish', 'c', 1));
  stream.end();
  stream.push(message('publish', 'c', 2));
  assert.equal((await stream.next()).value.payload, 1);
  assert.deepEqual(await stream.next(), { done: true, value: undefined });
});

test('iterating in onConnected leaves one loop', async (t) => {
  const pair = await connectedPair(t);
  const got = [];
  let ended = 0;
  pair.client.onConnected(async () => {
    for await (const { payload } of pair.client.messages('c')) got.push(payload);
    ended += 1;
  });
  const last = await loseOften(pair);
  last.send(message('publish', 'c', 1));
  await barrierAfterSubscribes(pair.client, last);
  assert.deepEqual([got, ended], [[1], LOSSES - 1]);
});

test('request and sendRequestAsync return the message id, and tell of errors', async (t) => {
  const { client, peer, nextError } = await connectedPair(t);
  assert.equal(client.isConnected(), true);
  const id = client.request('c', { a: 1 });
  const request = await peer.receive();
  assert.deepEqual([request.message_id, request.payload.connection_id], [id, client.connectionId]);
  peer.send(errorAnswer('no_handler', { reply_to: id }));
  assert.equal((await nextError()).code, 'no_handler');
  const answered = new Promise((resolve) => {
    client.sendRequestAsync('c', 1, resolve);
  });
  peer.send(response(await peer.receive(), 'answer'));
  assert.equal((await answered).payload, 'answer');
  client.sendRequestAsync('c', 1, () => {}, 10);
  assert.equal((await nextError()).code, 'timeout');
  client.sendRequestAsync('c', 1, () => {
    throw new Error('the handler failed');
  });
  await peer.receive();
  peer.send(response(await peer.receive()));
  assert.equal((await nextError()).message, 'the handler failed');
  client.disconnect();
  assert.equal(client.isConnected(), false);
  assert.throws(() => client.request('c', 1), { code: 'not_connected' });
  assert.throws(() => client.sendRequestAsync('c', 1, () => {}), { code: 'not_connected' });
  assert.throws(() => client.sendRequestAsync('c', 1), TypeError);
});

test('observers are told of connections and messages, and of no payload', async (t) => {
  const told = [];
  const listener = (event) => told.push(event);
  for (const name of ['ipc.connection', 'ipc.message']) {
    diagnosticsChannel.channel(name).subscribe(listener);
    t.after(() => diagnosticsChannel.channel(name).unsubscribe(listener));
  }
  const { client, peer } = await connectedPair(t, { token: 'secret-token', reconnectAttempts: 0 });
  assert.equal(await barrier(client, peer), true);
  client.publish('c', 'secret-payload');
  client.disconnect();
  const events = told.map(({ event }) => event);
  assert.deepEqual(events, ['connecting', 'sent', 'connected', 'sent', 'received', 'sent', 'closed']);
  const { channel, type, octets } = told[5];
  assert.deepEqual([channel, type, octets > 100], ['c', 'publish', true]);
  assert.equal(told[2].appId, 'app');
  for (const secret of ['secret', client.connectionId]) assert.equal(JSON.stringify(told).includes(secret), false);
});

test('NODE_DEBUG=ipc prints what happens', async (t) => {
  const { ended } = program(
    t,
    1,
    "await new IPCClient('a', { host: '127.0.0.1', port }).connect();",
    [],
    { NODE_DEBUG: 'ipc' },
  );
  const { output } = await ended;
  assert.match(output, /^IPC \d+: connection {"event":"connecting","appId":"a","address":"127.0.0.1, port 1"}$/m);
  assert.match(output, /"event":"failed".*"code":"connection_failed"/);
});

test('options that look like known ones cause a warning, once each, and others none', async (t) => {
  const warnings = [];
  const listen = (warning) => warnings.push(warning);
  process.on('warning', listen);
  t.after(() => process.off('warning', listen));
  const mistakes = {
    hostname: 'host', Port: 'port', socketPath: 'path', server: 'servers', reconnect_delay: 'reconnectDelay',
    heartbeatIntervall: 'heartbeatInterval', conectionTimeout: 'connectionTimeout', ssl: 'tls',
  };
  for (const name of Object.keys(mistakes)) new IPCClient('a', { [name]: 1 });
  for (const name of Object.keys(mistakes)) new IPCClient('a', { [name]: 1 });
  new IPCClient('a', { unrelated: 1, x: 1, ports: 1, batchTimeout: 5 });
  const options = { appId: 'a', timeout: 5, retryDelay: 5, retryAttempts: 2, backoffMultiplier: 2, leaseTime: 10000 };
  const more = { maxConcurrency: 1, maxWaiting: 5, batchTimeout: 5, maxBatchSize: 5, cacheTimeout: 5, resetTimeout: 5 };
  const others = { maxCacheEntries: 5, failureThreshold: 5, minConnections: 1, maxConnections: 1, acquireTimeout: 5 };
  for (const name of ['MicroserviceClient', 'MessageQueue', 'RobustIPCClient', 'PerformantIPCClient']) {
    new patterns[name]('a', { ...options, ...more, ...others });
  }
  await sleep(10);
  const expected = Object.entries(mistakes).map(
    ([name, meant]) => `the client has no option '${name}', and ignores it. Is '${meant}' meant?`,
  );
  assert.deepEqual(warnings.map(({ message: text }) => text), expected);
  assert.deepEqual([...new Set(warnings.map(({ code }) => code))], ['IPC_UNKNOWN_OPTION']);
});
