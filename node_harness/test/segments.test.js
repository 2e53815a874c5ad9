'use strict';

const assert = require('node:assert/strict');
const { barrier, connectedPair, frame, message } = require('./helper');
const { test } = require('./runner');

const PAYLOADS = [1, 'é€😀', { a: [] }];
const STREAM = Buffer.concat(PAYLOADS.map((payload) => frame(message('publish', 'c', payload))));

/** Let the client read what was written. */
function turn() {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

async function subscribedPair(t) {
  const pair = await connectedPair(t);
  const got = [];
  pair.client.subscribe('c', ({ payload }) => got.push(payload));
  await pair.peer.receive();
  return { got, ...pair };
}

test('client hands over the same messages wherever their octets are cut in two', async (t) => {
  const { client, peer, got } = await subscribedPair(t);
  for (let cut = 0; cut <= STREAM.length; cut += 1) {
    peer.write(STREAM.subarray(0, cut));
    await turn();
    peer.write(STREAM.subarray(cut));
    assert.equal(await barrier(client, peer), true);
    assert.deepEqual(got.splice(0), PAYLOADS, `cut at ${cut}`);
  }
});

test('client hands over the same messages octet by octet', async (t) => {
  const { client, peer, got } = await subscribedPair(t);
  await peer.trickle(STREAM);
  assert.equal(await barrier(client, peer), true);
  assert.deepEqual(got, PAYLOADS);
});

test('client hands over the same messages merged', async (t) => {
  const { client, peer, got } = await subscribedPair(t);
  peer.write(Buffer.concat([STREAM, STREAM, STREAM]));
  assert.equal(await barrier(client, peer), true);
  assert.deepEqual(got, [...PAYLOADS, ...PAYLOADS, ...PAYLOADS]);
});

test('client sends what it sends in one turn as one piece, each frame whole and in order', async (t) => {
  const { client, peer } = await connectedPair(t);
  const before = peer.octets.length;
  for (let number = 0; number < 20; number += 1) client.publish('c', number);
  for (let number = 0; number < 20; number += 1) assert.equal((await peer.receive()).payload, number);
  assert.equal(peer.octets.length - before, 1);
});
