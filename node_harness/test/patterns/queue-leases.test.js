'use strict';

const assert = require('node:assert/strict');
const path = require('node:path');
const { makeFolder } = require('../folder');
const { test } = require('../runner');
const { ownServer, until } = require('./helper');
const { NONE, PROFILE, counts, makeEnd, makeQueue, register } = require('./queues');

test('job whose lease has ended is done by another worker, and the first one reports that it lost it', async (t) => {
  const { queue: first, errors, port } = await makeQueue(t, { maxConcurrency: 1, leaseTime: 100 });
  const gates = register(first);
  await first.enqueue('work', 1);
  await until(() => gates.length === 1, 'the job');
  const { queue: second } = makeEnd(t, port, { queueName: first.queueName });
  second.registerProcessor('work', () => {});
  await second.initialize();
  await until(async () => (await counts(second)).completed === 1, 'the other worker');
  gates[0].resolve();
  await first.processJobs();
  assert.deepEqual(errors.map(({ code }) => code), ['not_leased']);
  assert.match(errors[0].message, /^job \S+ \(work\) was done, but the server may hand it out again/);
  assert.deepEqual(await counts(first), { ...NONE, completed: 1 });
});

test('job whose lease has ended is not done twice by the same worker', async (t) => {
  const { queue, errors } = await makeQueue(t, { leaseTime: 100 });
  const gates = register(queue);
  let leases = 0;
  const { sendRequest } = queue.client;
  queue.client.sendRequest = async function counting(...given) {
    const answer = await sendRequest.apply(this, given);
    leases += answer.payload.jobs?.length ?? 0;
    return answer;
  };
  await queue.enqueue('work', 1);
  await until(() => leases === 2, 'the second lease');
  gates[0].resolve();
  await queue.processJobs();
  assert.deepEqual([gates.length, errors, await counts(queue)], [1, [], { ...NONE, completed: 1 }]);
});

test('worker goes on after the server was killed, and does a job that it is still doing once', async (t) => {
  const state = path.join(makeFolder(t), 'jobs.db');
  const server = await ownServer(t, [...PROFILE, '--state', state]);
  const { queue } = makeEnd(t, server.port);
  await queue.initialize();
  const gates = register(queue);
  await queue.enqueue('work', 'under way');
  await queue.enqueue('work', 'delayed', { delay: 1 });
  await until(() => gates.length === 2, 'the jobs');
  await server.stop();
  await server.restart();
  await until(async () => (await counts(queue).catch(() => NONE)).inFlight === 2, 'the new leases');
  for (const gate of gates) gate.resolve();
  await queue.processJobs();
  assert.deepEqual([gates.length, await counts(queue)], [2, { ...NONE, completed: 2 }]);
  await queue.enqueue('work', 'new');
  await until(() => gates.length === 3, 'the new job');
  gates[2].resolve();
});
