'use strict';

// A worker of a queue on a server that the test plays, octet by octet.

const assert = require('node:assert/strict');
const { acceptAgain, barrier, errorAnswer, message, response, scriptedServer } = require('../helper');
const { test } = require('../runner');
const { until } = require('./helper');
const { makeEnd, register } = require('./queues');

/** A worker whose connection is the test's, and its first request for jobs. */
async function makeScripted(t, options = {}) {
  const server = await scriptedServer(t);
  const { queue, errors } = makeEnd(t, server.port, { queueName: 'q', ...options });
  const gates = register(queue);
  const initialized = queue.initialize();
  const { peer } = await acceptAgain(server);
  const subscribe = await peer.receive();
  peer.send(response(await peer.receive(), { queue: 'q' }));
  await initialized;
  return { errors, gates, peer, queue, request: await peer.receive(), subscribe };
}

const EVENT = message('publish', 'queue:q', { type: 'job_available', queue: 'q' });
const job = (id) => ({ id, type: 'work', data: id, priority: 0, attempts: 0 });

test('worker subscribes first, asks once of its own accord, and again only after an event', async (t) => {
  const options = { maxConcurrency: 3, leaseTime: 200 };
  const { errors, gates, peer, queue, request, subscribe } = await makeScripted(t, options);
  assert.deepEqual([subscribe.message_type, subscribe.channel_id], ['subscribe', 'queue:q']);
  const { connection_id: _, ...payload } = request.payload;
  assert.deepEqual(payload, { action: 'dequeue', queue: 'q', count: 3, lease_ms: 200 });
  // An event during the request is not covered by its answer.
  peer.send(EVENT, message('publish', 'queue:q', null), response(request, { jobs: [] }));
  const second = await peer.receive();
  assert.equal(second.payload.action, 'dequeue');
  peer.send(response(second, { jobs: [job('a')] }));
  const third = await peer.receive(); // fewer than there was room for, but there may be more
  assert.equal(third.payload.count, 2);
  peer.send(response(third, { jobs: [] }));
  // The first ping may cross the answer; a request for jobs after that would come before the second.
  for (let count = 0; count < 2; count += 1) assert.equal(await barrier(queue.client, peer), true);
  gates[0].resolve();
  const completed = await peer.receive();
  assert.equal(completed.payload.action, 'job_completed');
  peer.send(response(completed, { status: 'ok' }));
  assert.equal(await barrier(queue.client, peer), true);
  peer.send(EVENT);
  assert.equal((await peer.receive()).payload.count, 3);
  assert.deepEqual([peer.unread, errors], [0, []]);
});

test('worker that gets a new lease while it tells the outcome under the old one tells it again', async (t) => {
  const { errors, gates, peer, request } = await makeScripted(t);
  peer.send(response(request, { jobs: [job('a')] }));
  const fetch = await peer.receive();
  gates[0].resolve('result');
  const completed = await peer.receive();
  peer.send(response(fetch, { jobs: [job('a')] }));
  assert.equal((await peer.receive()).payload.action, 'dequeue'); // it has taken note of the new lease
  peer.send(errorAnswer('not_leased', { reply_to: completed.message_id }));
  const again = (await peer.receive()).payload;
  assert.deepEqual([again.action, again.job_id, again.result], ['job_completed', 'a', 'result']);
  assert.deepEqual([gates.length, errors], [1, []]);
});

test('worker begins a job anew that it is handed out together with the refusal of its outcome', async (t) => {
  const { errors, gates, peer, request } = await makeScripted(t);
  peer.send(response(request, { jobs: [job('a')] }));
  const fetch = await peer.receive();
  gates[0].resolve('result');
  const completed = await peer.receive();
  peer.send(errorAnswer('not_leased', { reply_to: completed.message_id }), response(fetch, { jobs: [job('a')] }));
  await until(() => gates.length === 2, 'the job again');
  assert.deepEqual(errors.map(({ code }) => code), ['not_leased']);
});

test('delay of a job that has failed often is not longer than a server has to know', async (t) => {
  const { peer, queue, request } = await makeScripted(t, { retryDelay: 2 ** 31 - 1 });
  queue.registerProcessor('work', () => Promise.reject(new Error('no luck')));
  peer.send(response(request, { jobs: [{ ...job('a'), attempts: 50, maxAttempts: 100 }] }));
  await peer.receive();
  const { action, delay } = (await peer.receive()).payload;
  assert.deepEqual([action, delay], ['retry_job', 31536000000]);
});

for (const [name, answer, code] of [
  ['an error', errorAnswer('handler_failed').payload, 'handler_failed'],
  ['no jobs', { jobs: 1 }, 'invalid_message'],
  ['jobs that are none', { jobs: [null] }, 'invalid_message'],
  ['nothing', null, 'invalid_message'],
]) {
  test(`worker that is answered with ${name} reports it and asks again`, async (t) => {
    const { errors, gates, peer, request } = await makeScripted(t);
    peer.send(response(request, answer));
    const again = await peer.receive();
    assert.deepEqual(errors.map((error) => error.code), [code]);
    peer.send(response(again, { jobs: [job('a')] }));
    await until(() => gates.length === 1, 'the job');
  });
}

test('processJobs rejects when jobs cannot be fetched', async (t) => {
  const { errors, peer, queue, request } = await makeScripted(t, { reconnectAttempts: 0 });
  const drained = queue.processJobs();
  peer.send(response(request, errorAnswer('handler_failed').payload));
  await assert.rejects(drained, { code: 'handler_failed' });
  assert.deepEqual(errors, []);
  const lost = assert.rejects(queue.processJobs(), { code: 'connection_lost' });
  peer.reset();
  await lost;
});

test('jobs that come during shutdown are given back with the connection, and none is begun', async (t) => {
  const { errors, gates, peer, queue, request } = await makeScripted(t);
  peer.send(response(request, { jobs: [job('a')] }));
  const fetch = await peer.receive();
  const ended = queue.shutdown();
  peer.send(response(fetch, { jobs: [job('b')] }));
  gates[0].resolve();
  const completed = await peer.receive();
  peer.send(response(completed, { status: 'ok' }));
  await ended;
  await peer.gone();
  assert.deepEqual([gates.length, errors], [1, []]);
});
