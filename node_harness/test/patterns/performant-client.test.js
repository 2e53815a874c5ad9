'use strict';

const assert = require('node:assert/strict');
const { setTimeout: sleep } = require('node:timers/promises');
const { PerformantIPCClient } = require('../../patterns');
const { acknowledgement, response, scriptedServer } = require('../helper');
const { test } = require('../runner');
const { sharedServer, until } = require('./helper');

const HOUR = 3600000;
const ECHO = 'conformance.echo';
let keys = 0;

/** A key that no other request to the channel `count` has. */
function newKey() {
  keys += 1;
  return `key ${keys}`;
}

async function makeClient(t, options = {}) {
  const { port } = await sharedServer(['--profile', 'batch']);
  const client = new PerformantIPCClient('conformance', { host: '127.0.0.1', port, ...options });
  t.after(() => client.disconnect());
  assert.equal(await client.connect(), true);
  return client;
}

/** A client and the server's end of its connection, for what no right server does. */
async function makeScripted(t, options, acknowledged) {
  const server = await scriptedServer(t);
  const client = new PerformantIPCClient('app', { host: '127.0.0.1', port: server.port, ...options });
  t.after(() => client.disconnect());
  const opened = client.connect();
  const peer = await server.accept();
  await peer.receive();
  peer.send(acknowledgement(acknowledged));
  assert.equal(await opened, true);
  return { client, peer };
}

const WITH_BATCH = { profiles: ['batch'] };
const FULL = { maxBatchSize: 3, batchTimeout: HOUR };

test('cached request is made once, whatever the order of the members, and each caller has its own copy', async (t) => {
  const client = await makeClient(t);
  const key = newKey();
  const first = await client.cachedRequest('count', { key, a: { x: 1, y: 2 } });
  const second = await client.cachedRequest('count', { a: { y: 2, x: 1 }, key });
  assert.deepEqual(second, first);
  second.payload.count = 'changed';
  assert.deepEqual(await client.cachedRequest('count', { key, a: { x: 1, y: 2 } }), first);
  const { cacheHits, cacheMisses, cacheSize, requestCount } = client.getMetrics();
  assert.deepEqual([cacheHits, cacheMisses, cacheSize, requestCount], [2, 1, 1, 1]);
});

test('cached request is made again when the response is too old for its caller', async (t) => {
  const client = await makeClient(t, { cacheTimeout: 1 });
  const payload = { key: newKey() };
  await client.cachedRequest('count', payload);
  await sleep(5);
  assert.equal((await client.cachedRequest('count', payload, { cacheTtl: HOUR })).payload.count, 1);
  assert.equal((await client.cachedRequest('count', payload)).payload.count, 2);
  assert.equal((await client.cachedRequest('count', payload, { cacheTtl: 0 })).payload.count, 3);
});

test('cached requests at the same time are one request', async (t) => {
  const client = await makeClient(t);
  const payload = { key: newKey() };
  const responses = await Promise.all([1, 2, 3].map(() => client.cachedRequest('count', payload)));
  assert.deepEqual(responses.map((each) => each.payload.count), [1, 1, 1]);
});

test('error answers and failures are not cached', async (t) => {
  const client = await makeClient(t);
  for (let count = 0; count < 2; count += 1) {
    const failed = await client.cachedRequest('conformance.fail', { detail: 'x' });
    assert.equal(failed.payload.error.code, 'handler_failed');
    const late = client.cachedRequest('conformance.silent', {}, { timeout: 5 });
    await assert.rejects(late, { code: 'timeout' });
  }
  const { cacheSize, cacheMisses, errorCount } = client.getMetrics();
  assert.deepEqual([cacheSize, cacheMisses, errorCount], [0, 4, 2]);
});

test('cache is bounded', async (t) => {
  const client = await makeClient(t, { maxCacheEntries: 2 });
  for (const number of [1, 2, 3]) await client.cachedRequest(ECHO, number);
  assert.equal(client.getMetrics().cacheSize, 2);
  await client.cachedRequest(ECHO, 3);
  assert.equal(client.getMetrics().cacheHits, 1);
});

test('clearCache forgets what is there and what is on its way', async (t) => {
  const client = await makeClient(t);
  const payload = { key: newKey() };
  await client.cachedRequest('count', payload);
  client.clearCache();
  const onItsWay = client.cachedRequest('count', payload);
  client.clearCache();
  const fresh = client.cachedRequest('count', payload);
  assert.deepEqual([(await onItsWay).payload.count, (await fresh).payload.count], [2, 3]);
  assert.equal((await client.cachedRequest('count', payload)).payload.count, 3);
  const last = client.cachedRequest('count', { ...payload, other: 1 });
  client.clearCache();
  await last;
  assert.equal(client.getMetrics().cacheSize, 0);
});

test('deduplicated requests at the same time are one request, later ones are new', async (t) => {
  const client = await makeClient(t);
  const payload = { key: newKey() };
  const shared = [1, 2, 3].map(() => client.deduplicatedRequest('count', payload));
  assert.equal(client.getMetrics().pendingRequests, 1);
  const [first, second, third] = await Promise.all(shared);
  assert.equal(first.payload.count, 1);
  second.payload.count = 'changed';
  assert.equal(third.payload.count, 1);
  assert.equal((await client.deduplicatedRequest('count', payload)).payload.count, 2);
  const late = [1, 2].map(() => client.deduplicatedRequest('conformance.silent', {}, { timeout: 5 }));
  for (const each of late) await assert.rejects(each, { code: 'timeout' });
  const { requestCount, errorCount, pendingRequests } = client.getMetrics();
  assert.deepEqual([requestCount, errorCount, pendingRequests], [3, 1, 0]);
});

test('batched requests travel together and each gets its own response', async (t) => {
  const client = await makeClient(t, { batchTimeout: 1 });
  const payloads = [...Array(10).keys()].map((item_id) => ({ action: 'process_item', item_id }));
  const responses = await Promise.all(payloads.map((payload) => client.batchedRequest(ECHO, payload)));
  const whole = payloads.map((payload) => ({ ...payload, connection_id: client.client.connectionId }));
  assert.deepEqual(responses.map(({ payload }) => payload), whole);
  assert.ok(responses.every(({ message_type: type, channel_id: channel }) => type === 'response' && channel === ECHO));
  const { batchedRequests, requestCount, queuedBatches } = client.getMetrics();
  assert.deepEqual([batchedRequests, requestCount, queuedBatches], [10, 10, 0]);
  await Promise.all([1, 2].map((payload) => client.batchedRequest(ECHO, payload)));
  assert.equal(client.getMetrics().batchedRequests, 12);
});

test('an error in place of a response resolves as an error answer, and the others have theirs', async (t) => {
  const client = await makeClient(t, FULL);
  const batch = [{ detail: 'x' }, { detail: 'y' }, {}].map((each) => client.batchedRequest('conformance.fail', each));
  for (const { payload } of await Promise.all(batch)) assert.equal(payload.error.code, 'handler_failed');
  const nobody = await Promise.all([1, 2, 3].map((each) => client.batchedRequest('nobody', each)));
  assert.deepEqual(nobody.map(({ payload }) => payload.error.code), ['no_handler', 'no_handler', 'no_handler']);
});

test('a full batch is sent at once; batches are per channel and timeout', async (t) => {
  const { client, peer } = await makeScripted(t, FULL, WITH_BATCH);
  for (const channel of ['a', 'b', 'a', 'b', 'a']) client.batchedRequest(channel, channel).catch(() => {});
  client.batchedRequest('b', 'b', { timeout: 5 }).catch(() => {});
  const request = await peer.receive();
  const requests = [0, 1, 2].map((id) => ({ id, payload: 'a' }));
  assert.deepEqual([request.channel_id, request.payload.action], ['a', 'batch_process']);
  assert.deepEqual(request.payload.requests, requests);
  assert.equal(client.getMetrics().queuedBatches, 3);
});

test('batched requests are sent alone to a server that does not announce the profile', async (t) => {
  const { client, peer } = await makeScripted(t, FULL, { profiles: [] });
  const answers = [1, 2, 3].map((payload) => client.batchedRequest('a', payload));
  for (const payload of [1, 2, 3]) {
    const request = await peer.receive();
    assert.equal(request.payload, payload);
    peer.send(response(request, payload * 2));
  }
  assert.deepEqual((await Promise.all(answers)).map(({ payload }) => payload), [2, 4, 6]);
  assert.equal(client.getMetrics().batchedRequests, 0);
});

for (const wrong of [null, { responses: 'none' }, { responses: [1, 2] }, { responses: [1, 2, 3, 4] }]) {
  test(`batched requests are sent alone after the answer ${JSON.stringify(wrong)}`, async (t) => {
    const { client, peer } = await makeScripted(t, FULL, WITH_BATCH);
    const answers = [1, 2, 3].map((payload) => client.batchedRequest('a', payload));
    peer.send(response(await peer.receive(), wrong));
    for (let count = 0; count < 3; count += 1) {
      const request = await peer.receive();
      peer.send(response(request, request.payload));
    }
    assert.deepEqual((await Promise.all(answers)).map(({ payload }) => payload), [1, 2, 3]);
  });
}

test('batched requests are rejected, and not made again, after a timeout or a lost connection', async (t) => {
  const { client, peer } = await makeScripted(t, { ...FULL, reconnectAttempts: 0 }, WITH_BATCH);
  const late = [1, 2, 3].map((payload) => client.batchedRequest('a', payload, { timeout: 5 }));
  for (const each of late) await assert.rejects(each, { code: 'timeout' });
  assert.equal((await peer.receive()).payload.requests.length, 3);
  assert.equal(peer.unread, 0);
  const lost = [1, 2, 3].map((payload) => client.batchedRequest('a', payload));
  await peer.receive();
  peer.reset();
  for (const each of lost) await assert.rejects(each, { code: 'connection_lost' });
  const { errorCount, batchedRequests } = client.getMetrics();
  assert.deepEqual([errorCount, batchedRequests], [6, 0]);
});

test('one request that cannot be sent does not fail the others of its batch', async (t) => {
  const client = await makeClient(t, FULL);
  const unsendable = client.batchedRequest(ECHO, { number: 1n });
  const others = [client.batchedRequest(ECHO, 1), client.batchedRequest(ECHO, 2)];
  await assert.rejects(unsendable, TypeError);
  assert.deepEqual((await Promise.all(others)).map(({ payload }) => payload), [1, 2]);
  await assert.rejects(client.batchedRequest('', 1), TypeError);
  await assert.rejects(client.batchedRequest(ECHO, undefined), TypeError);
  await assert.rejects(client.batchedRequest(ECHO, 1, { timeout: -1 }), TypeError);
});

test('requests too long for one message together are sent alone', async (t) => {
  const limits = { max_frame_bytes: 1048576 };
  const { client, peer } = await makeScripted(t, FULL, { ...WITH_BATCH, limits });
  const long = 'x'.repeat(600000);
  const answers = [1, 2, 3].map(() => client.batchedRequest('a', long));
  for (let count = 0; count < 3; count += 1) {
    const request = await peer.receive();
    assert.equal(request.payload, long);
    peer.send(response(request, 'short'));
  }
  assert.deepEqual((await Promise.all(answers)).map(({ payload }) => payload), ['short', 'short', 'short']);
});

test('disconnect rejects what waits for a batch', async (t) => {
  const client = await makeClient(t, FULL);
  const waiting = client.batchedRequest(ECHO, 1);
  await until(() => client.getMetrics().queuedBatches === 1, 'the request in the queue');
  client.disconnect();
  await assert.rejects(waiting, { code: 'connection_lost', message: /disconnect/ });
  const { queuedBatches, errorCount } = client.getMetrics();
  assert.deepEqual([queuedBatches, errorCount], [0, 1]);
});

test('average is of the requests that got a response', async (t) => {
  const client = await makeClient(t);
  assert.equal(client.getMetrics().avgResponseTime, 0);
  await assert.rejects(client.deduplicatedRequest('conformance.silent', {}, { timeout: 1 }));
  assert.equal(client.getMetrics().avgResponseTime, 0);
  const slow = { delay_ms: 100, value: 1 };
  client.deduplicatedRequest('conformance.silent', {}).catch(() => {}); // one that is on its way
  await client.deduplicatedRequest('conformance.delay', slow);
  const one = client.getMetrics().avgResponseTime;
  assert.ok(one >= 99, `${one} ms`);
  await client.cachedRequest('conformance.delay', slow);
  const two = client.getMetrics().avgResponseTime;
  assert.ok(two >= 99, `${two} ms`);
});

test('wrong options are named', () => {
  for (const [options, words] of [
    [null, /options must be an object/],
    [{ maxBatchSize: 0 }, /maxBatchSize must be an integer from 1 to 1000/],
    [{ maxBatchSize: 1001 }, /maxBatchSize/],
    [{ batchTimeout: -1 }, /batchTimeout must be/],
    [{ cacheTimeout: '1' }, /cacheTimeout must be/],
    [{ maxCacheEntries: 0.5 }, /maxCacheEntries must be/],
  ]) {
    assert.throws(() => new PerformantIPCClient('app', options), { name: 'TypeError', message: words });
  }
});
