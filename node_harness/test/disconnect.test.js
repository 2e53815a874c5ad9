'use strict';

// What was sent arrives for as long as the server reads, and a program learns what did not; and how it sends no faster
// than a server reads.

const assert = require('node:assert/strict');
const { performance } = require('node:perf_hooks');
const { setTimeout: sleep } = require('node:timers/promises');
const { IPCClient } = require('..');
const { makeAuthority } = require('./certificates');
const { connectedPair } = require('./helper');
const { test } = require('./runner');

const CHUNK = 'x'.repeat(100000);
const COUNT = 150; // far more than the system buffers

function publishMuch(client, count = COUNT) {
  for (let number = 0; number < count; number += 1) client.publish('c', CHUNK);
}

/** Have a server read a little at a time, until the client ends the stream. */
function readSlowly({ socket }, pause = 10) {
  socket.on('data', async () => {
    socket.pause();
    await sleep(pause);
    socket.resume();
  });
}

test('disconnect delivers everything to a server that reads slowly', async (t) => {
  const { client, peer, events } = await connectedPair(t);
  readSlowly(peer);
  publishMuch(client);
  assert.deepEqual(await client.disconnect(), { lostBytes: 0 });
  for (let number = 0; number < COUNT; number += 1) assert.equal((await peer.receive()).payload, CHUNK);
  await peer.gone();
  assert.deepEqual(events, ['connected', 'disconnected']);
});

const authority = makeAuthority('authority');
for (const [name, options, credentials, pause] of [
  ['TCP', {}, undefined, 10],
  ['TLS', { tls: { ca: authority.ca } }, authority.issue(), 1], // which reads less at a time
]) {
  test(`disconnect waits longer than its timeout for a server that goes on reading, over ${name}`, async (t) => {
    const { client, peer } = await connectedPair(t, options, {}, credentials);
    readSlowly(peer, pause);
    publishMuch(client, 3 * COUNT);
    const began = performance.now();
    assert.deepEqual(await client.disconnect({ timeout: 1500 }), { lostBytes: 0 });
    assert.ok(performance.now() - began > 1600, 'the server read so quickly that this shows nothing');
    for (let number = 0; number < 3 * COUNT; number += 1) assert.equal((await peer.receive()).payload, CHUNK);
  });
}

test('disconnect gives up when the server reads nothing, and says what was lost', async (t) => {
  const { client, peer, events, nextError } = await connectedPair(t);
  peer.socket.pause();
  publishMuch(client);
  const first = client.disconnect({ timeout: 50 });
  const again = client.disconnect();
  const { lostBytes } = await first;
  assert.ok(lostBytes > 0 && lostBytes < COUNT * 100300, lostBytes);
  assert.deepEqual(await again, { lostBytes });
  const error = await nextError();
  assert.equal(error.code, 'connection_lost');
  assert.match(error.message, /^disconnect\(\) lost up to \d+ octets: the server read nothing, .+ for 50 ms, or ended/);
  assert.deepEqual(events, ['connected', 'disconnected', 'error connection_lost']);
});

test('disconnect says what was lost when the server resets the connection', async (t) => {
  const { client, peer } = await connectedPair(t);
  peer.socket.pause();
  publishMuch(client);
  const ended = client.disconnect();
  peer.reset();
  assert.ok((await ended).lostBytes > 0);
});

test('disconnect without a connection loses nothing', async () => {
  const client = new IPCClient('a');
  assert.deepEqual(await client.disconnect(), { lostBytes: 0 });
  client.connect();
  assert.deepEqual(await client.disconnect(), { lostBytes: 0 });
  assert.throws(() => client.disconnect({ timeout: 'soon' }), /^TypeError: timeout must be a number of milliseconds/);
});

test('publish and notify return false when the server does not read, and onDrain follows when it does', async (t) => {
  const { client, peer } = await connectedPair(t);
  assert.deepEqual([client.publish('c', 1), client.notify('c', 1)], [true, true]);
  peer.socket.pause();
  let isDrained = false;
  const drained = new Promise((resolve) => {
    client.onDrain(() => {
      isDrained = true;
      resolve();
    });
  });
  publishMuch(client);
  assert.deepEqual([client.publish('c', 1), client.notify('c', 1), isDrained], [false, false, false]);
  peer.socket.resume();
  await drained;
  assert.equal(client.publish('c', 1), true);
});

test('flush waits until the system has taken everything', async (t) => {
  const { client, peer } = await connectedPair(t, { reconnectAttempts: 0 });
  assert.equal(await client.flush(), true);
  peer.socket.pause();
  publishMuch(client);
  const flushed = [client.flush(), client.flush()];
  assert.equal(await Promise.race([flushed[0], sleep(50, 'waits')]), 'waits');
  peer.socket.resume();
  assert.deepEqual(await Promise.all(flushed), [true, true]);
  peer.socket.pause();
  publishMuch(client);
  const cut = client.flush();
  peer.reset();
  assert.equal(await cut, false);
  assert.equal(await client.flush(), false);
});

test('waits for a server that reads leave nothing on the connection', async (t) => {
  const { client, peer } = await connectedPair(t);
  const warnings = [];
  const warned = (warning) => warnings.push(warning.name);
  process.on('warning', warned);
  t.after(() => process.off('warning', warned));
  readSlowly(peer);
  for (let round = 0; round < 20; round += 1) {
    while (client.publish('c', CHUNK));
    const waits = [client.drained(), client.drained(), client.flush()];
    assert.deepEqual(await Promise.all(waits), [true, true, true]);
  }
  await sleep(10); // warnings are told later
  assert.deepEqual(warnings, []);
});
