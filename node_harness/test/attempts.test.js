'use strict';

// When and how often a client tries to connect again, and to which server.

const assert = require('node:assert/strict');
const dns = require('node:dns');
const { setTimeout: sleep } = require('node:timers/promises');
const { delayBefore } = require('../client/reconnector');
const { Candidates } = require('../client/candidates');
const { IPCClient } = require('..');
const { acceptAgain, acknowledgement, barrier, connectedPair, recordedClient, scriptedServer } = require('./helper');
const { makeFolder } = require('./folder');
const { freePort } = require('./reference');
const { replace, test } = require('./runner');

const NODE_16 = '16.20.2';

test('waits grow up to a maximum, and each is longer by a part at random', () => {
  const options = { reconnectDelay: 2000, maxReconnectDelay: 30000 };
  const waits = (random) => [0, 1, 2, 3, 4, 5, 1e9].map((failed) => delayBefore(failed, options, () => random));
  assert.deepEqual(waits(0), [2000, 4000, 8000, 16000, 20000, 20000, 20000]);
  assert.deepEqual(waits(1), [3000, 6000, 12000, 24000, 30000, 30000, 30000]);
  assert.equal(delayBefore(3, { reconnectDelay: 5000, maxReconnectDelay: 1000 }, () => 0), 5000);
  const close = { reconnectDelay: 25000, maxReconnectDelay: 30000 };
  assert.deepEqual([0, 0.5, 1].map((random) => delayBefore(5, close, () => random)), [25000, 27500, 30000]);
  assert.equal(delayBefore(0, { reconnectDelay: 30001, maxReconnectDelay: 30000 }, () => 1), 45002);
  assert.equal(delayBefore(1e9, { reconnectDelay: 0, maxReconnectDelay: 30000 }, () => 1), 0);
  assert.equal(delayBefore(1e9, { reconnectDelay: 2 ** 31 - 1, maxReconnectDelay: 2 ** 31 - 1 }, () => 1), 2 ** 31 - 1);
});

test('clients that lost the same server come back spread over half of the delay', async (t) => {
  const server = await scriptedServer(t);
  const delays = [];
  for (let number = 0; number < 50; number += 1) {
    const { client } = recordedClient(t, server.port, { reconnectDelay: 10000 });
    client.onReconnecting(({ delay }) => delays.push(delay));
    const opened = client.connect();
    const { peer } = await acceptAgain(server);
    await opened;
    await barrier(client, peer);
  }
  server.stop();
  while (delays.length < 50) await sleep(5);
  assert.ok(Math.min(...delays) >= 10000 && Math.max(...delays) <= 15000);
  assert.ok(Math.max(...delays) - Math.min(...delays) > 2500, delays);
});

test('client tells of each attempt, and of the last that failed', async (t) => {
  const { client, server, peer, events } = await connectedPair(t, { reconnectAttempts: 2 });
  client.onReconnecting(({ attempt, delay }) => events.push(`attempt ${attempt} ${Number.isInteger(delay)}`));
  const failed = new Promise((resolve) => client.onReconnectFailed(resolve));
  peer.end();
  for (let attempt = 0; attempt < 2; attempt += 1) (await server.accept()).end();
  assert.equal((await failed).code, 'reconnect_failed');
  const attempts = ['attempt 1 true', 'error connection_failed', 'attempt 2 true', 'error connection_failed'];
  assert.deepEqual(events, ['connected', 'error connection_lost', 'lost', ...attempts, 'error reconnect_failed']);
});

test('an error after which attempts do not help is told as the end of attempts', async (t) => {
  const { client, server, peer } = await connectedPair(t);
  const failed = new Promise((resolve) => client.onReconnectFailed(resolve));
  peer.end();
  const again = await server.accept();
  await again.receive();
  again.send({ ...acknowledgement(), payload: { status: 'error', error: { code: 'unauthorized', message: 'no' } } });
  assert.equal((await failed).code, 'unauthorized');
});

test('a server that acknowledges and ends at once uses up the attempts', async (t) => {
  const { client, server, peer, events } = await connectedPair(t, { reconnectAttempts: 3 });
  const failed = new Promise((resolve) => client.onReconnectFailed(resolve));
  let current = peer;
  for (let attempt = 0; attempt < 3; attempt += 1) {
    current.end();
    current = (await acceptAgain(server)).peer;
  }
  current.end();
  await failed;
  await sleep(50);
  assert.equal(server.waiting, 0);
  assert.deepEqual(events.slice(-3), ['error connection_lost', 'lost', 'error reconnect_failed']);
  assert.equal(client.getConnectionInfo().status, 'disconnected');
});

test('a connection that was open for a while has worked, although nothing arrived on it', async (t) => {
  const { server, peer, events } = await connectedPair(t, { reconnectAttempts: 1, heartbeatInterval: 0 });
  let current = peer;
  for (let loss = 0; loss < 2; loss += 1) {
    await sleep(1100);
    current.end();
    current = (await acceptAgain(server)).peer;
  }
  assert.ok(!events.includes('error reconnect_failed'), events.join());
});

test('reconnectAttempts can be Infinity', async (t) => {
  const { server, peer } = await connectedPair(t, { reconnectAttempts: Infinity, maxReconnectDelay: 5 });
  peer.end();
  for (let attempt = 0; attempt < 20; attempt += 1) (await server.accept()).end();
});

test('client connects to the first server that is there, and after a loss to another', async (t) => {
  const first = await scriptedServer(t);
  const second = await scriptedServer(t);
  const closed = `127.0.0.1:${await freePort()}`;
  const servers = [closed, { host: '127.0.0.1', port: first.port }, `127.0.0.1:${second.port}`];
  const client = new IPCClient('a', { servers, reconnectDelay: 5, connectionTimeout: 2000 });
  const codes = [];
  client.onError((error) => codes.push(error.code));
  t.after(() => client.disconnect());
  const opened = client.connect();
  const { peer } = await acceptAgain(first);
  assert.equal(await opened, true);
  assert.deepEqual(codes, ['connection_failed']);
  assert.equal(client.getConnectionInfo().port, first.port);
  first.stop();
  peer.reset();
  const reconnected = new Promise((resolve) => client.onConnected(resolve));
  await acceptAgain(second);
  await reconnected;
  assert.equal(client.getConnectionInfo().port, second.port);
  assert.deepEqual(codes, ['connection_failed', 'connection_lost', 'connection_failed']);
});

test('connect is false, with an error for each, when no server is there', async (t) => {
  const path = `${makeFolder(t)}/none.sock`;
  const client = new IPCClient('a', { servers: [`127.0.0.1:${await freePort()}`, { path }] });
  const messages = [];
  client.onError((error) => messages.push(error.message));
  assert.equal(await client.connect(), false);
  assert.deepEqual(messages.map((text) => /ECONNREFUSED|ENOENT/.exec(text)[0]), ['ECONNREFUSED', 'ENOENT']);
});

test('servers are given in several forms, and alone', () => {
  const address = (server) => {
    const { host, port, path } = new IPCClient('a', { servers: [server] }).getConnectionInfo();
    return path ?? [host, port];
  };
  assert.deepEqual(address('a.example'), ['a.example', 8888]);
  assert.deepEqual(address('a.example:1'), ['a.example', 1]);
  assert.deepEqual(address('[::1]:1'), ['::1', 1]);
  assert.deepEqual(address('::1'), ['::1', 8888]);
  assert.deepEqual(address('unix:/run/ipc.sock'), '/run/ipc.sock');
  assert.deepEqual(address({ port: '7' }), ['localhost', 7]);
  for (const servers of [[], 'a:1', [7], [null]]) {
    assert.throws(() => new IPCClient('a', { servers }), /^TypeError: servers must be an array of at least one server/);
  }
  for (const bad of ['a:b', 'ws://a:1', { port: 0 }, { path: '/x', host: 'a' }]) {
    assert.throws(() => new IPCClient('a', { servers: [bad] }), TypeError);
  }
  assert.throws(() => new IPCClient('a', { servers: ['a:1'], port: 1 }), /servers must be given without host/);
});

/** The addresses that one attempt tries when all of them fail. */
function triedBy(candidates) {
  const tried = [];
  candidates.restart();
  do {
    tried.push(candidates.current);
  } while (candidates.nextOfServer() || candidates.nextServer());
  return tried.map(({ host, path, family }) => `${host ?? path}${family ? ` ${family}` : ''}`);
}

test('each attempt begins with the server that worked last, whatever was tried since', () => {
  const candidates = new Candidates(['a', 'b', 'c'].map((host) => ({ host, port: 1, path: null })), '20.0.0');
  assert.deepEqual([triedBy(candidates), triedBy(candidates)], [['a', 'b', 'c'], ['a', 'b', 'c']]);
  candidates.restart();
  candidates.nextServer();
  candidates.opened();
  assert.deepEqual([triedBy(candidates), triedBy(candidates)], [['b', 'c', 'a'], ['b', 'c', 'a']]);
});

test('client comes back to the server that worked last, when others were tried in vain', async (t) => {
  const servers = [await scriptedServer(t), await scriptedServer(t), await scriptedServer(t)];
  const client = new IPCClient('a', { servers: servers.map(({ port }) => `127.0.0.1:${port}`), reconnectDelay: 5 });
  t.after(() => client.disconnect());
  const opened = client.connect();
  (await servers[0].accept()).end();
  const { peer } = await acceptAgain(servers[1]);
  assert.equal(await opened, true);
  peer.end();
  for (const each of [1, 2, 0]) (await servers[each].accept()).end(); // one attempt
  await acceptAgain(servers[1]);
});

test('versions of Node that try one address of a name are told to try both kinds', () => {
  const addresses = [
    { host: 'localhost', port: 1, path: null },
    { host: '::1', port: 1, path: null },
    { host: null, port: null, path: '/x' },
  ];
  const both = ['localhost 4', 'localhost 6', '::1', '/x'];
  for (const version of [NODE_16, '17.9.1', '18.12.1', '19.2.0']) {
    assert.deepEqual(triedBy(new Candidates(addresses, version)), both);
  }
  for (const version of ['18.13.0', '19.3.0', '20.0.0', '24.1.0']) {
    assert.deepEqual(triedBy(new Candidates(addresses, version)), ['localhost', '::1', '/x']);
  }
});

test('such a version tries the second kind when nothing listens at the first', async (t) => {
  const server = await scriptedServer(t); // at 127.0.0.1
  const families = [];
  replace(t, dns, 'lookup', (_host, { family }, done) => {
    families.push(family);
    // The first answer is an address at which nothing listens.
    process.nextTick(done, null, families.length === 1 ? '127.0.0.9' : '127.0.0.1', 4);
  });
  const { versions } = process;
  t.after(() => Object.defineProperty(process, 'versions', { value: versions }));
  Object.defineProperty(process, 'versions', { value: { ...versions, node: '18.12.1' } });
  const { client } = recordedClient(t, server.port, { host: 'localhost' });
  const opened = client.connect();
  await acceptAgain(server);
  assert.equal(await opened, true);
  assert.deepEqual(families, [4, 6]);
});

test('localhost is found on a server that has only one of its addresses', async (t) => {
  const server = await scriptedServer(t);
  const { client, events } = recordedClient(t, server.port, { host: 'localhost' });
  const opened = client.connect();
  await acceptAgain(server);
  assert.equal(await opened, true);
  assert.deepEqual(events, ['connected']);
});

test('a limit that no message fits is a failed attempt, and none follows', async (t) => {
  const server = await scriptedServer(t);
  const { client, events, nextError } = recordedClient(t, server.port);
  client.subscribe('c', () => {});
  const opened = client.connect();
  const peer = await server.accept();
  await peer.receive();
  peer.send(acknowledgement({ limits: { max_frame_bytes: 10 } }));
  assert.equal(await opened, false);
  assert.equal((await nextError()).code, 'limit_too_small');
  await sleep(30);
  assert.equal(server.waiting, 0);
  assert.deepEqual(events, ['error limit_too_small']);
});

test('a subscription over the announced limit costs nothing but an error', async (t) => {
  const server = await scriptedServer(t);
  const { client, nextError } = recordedClient(t, server.port);
  const long = '\u{10ffff}'.repeat(255);
  client.subscribe(long, () => {});
  client.subscribe('c', () => {});
  const opened = client.connect();
  const peer = await server.accept();
  await peer.receive();
  peer.send(acknowledgement({ limits: { max_frame_bytes: 1024 } }));
  assert.equal(await opened, true);
  assert.equal((await nextError()).code, 'frame_too_large');
  assert.equal((await peer.receive()).channel_id, 'c');
  const other = `${long.slice(2)}x`;
  assert.throws(() => client.subscribe(other, () => {}), { code: 'frame_too_large' });
  assert.deepEqual(client.getConnectionInfo().subscribedChannels, [long, 'c']);
});
