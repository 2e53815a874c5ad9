'use strict';

const assert = require('node:assert/strict');
const { MessageQueue } = require('../../patterns');
const { test } = require('../runner');
const { ownServer, until } = require('./helper');
const { NONE, counts, makeEnd, makeQueue, register } = require('./queues');

const HOUR = 3600000;

test('job is done by the processor of its type, and its result reaches the server', async (t) => {
  const { queue, errors } = await makeQueue(t);
  const got = [];
  queue.registerProcessor('send', async (data, job) => {
    got.push([data, job]);
    return { sent: true };
  });
  queue.registerProcessor('other', () => assert.fail('the wrong processor was called'));
  const id = await queue.enqueue('send', { to: 'someone' }, { priority: 3, maxAttempts: 9 });
  await until(async () => (await counts(queue)).completed === 1, 'the job');
  const [[data, job]] = got;
  assert.deepEqual(data, { to: 'someone' });
  const { createdAt, scheduledFor, ...rest } = job;
  assert.deepEqual(rest, { id, type: 'send', data, priority: 3, attempts: 0, maxAttempts: 9 });
  assert.ok(Math.abs(createdAt - Date.now()) < 60000 && Math.abs(scheduledFor - Date.now()) < 60000);
  assert.deepEqual([await counts(queue), got.length, errors], [{ ...NONE, completed: 1 }, 1, []]);
  assert.equal((await queue.getQueueStats()).queue, queue.queueName);
});

test('jobs that were there before are done, most urgent first, and all of them', async (t) => {
  const { queue: producer, port } = await makeQueue(t);
  for (let number = 0; number < 25; number += 1) await producer.enqueue('work', number, { priority: number % 3 });
  const { queue } = makeEnd(t, port, { queueName: producer.queueName, maxConcurrency: 2 });
  const done = [];
  queue.registerProcessor('work', (number) => done.push(number));
  await queue.initialize();
  await queue.processJobs();
  const order = [...Array(25).keys()].sort((a, b) => (b % 3) - (a % 3) || a - b);
  assert.deepEqual(done, order);
  assert.deepEqual(await counts(producer), { ...NONE, completed: 25 });
});

test('end without a processor takes no jobs', async (t) => {
  const { queue, errors } = await makeQueue(t);
  await queue.enqueue('work', 1);
  await queue.processJobs();
  assert.deepEqual([await counts(queue), errors], [{ ...NONE, pending: 1 }, []]);
  const done = [];
  queue.registerProcessor('work', (data) => done.push(data));
  await queue.processJobs();
  assert.deepEqual([done, await counts(queue)], [[1], { ...NONE, completed: 1 }]);
});

test('no more jobs than allowed are done or taken at a time, and each that is done makes room', async (t) => {
  const { queue } = await makeQueue(t, { maxConcurrency: 2 });
  const gates = register(queue);
  for (let number = 0; number < 5; number += 1) await queue.enqueue('work', number);
  await until(() => gates.length === 2, 'two jobs');
  assert.deepEqual(await counts(queue), { ...NONE, pending: 3, inFlight: 2 });
  gates[1].resolve();
  await until(() => gates.length === 3, 'the third job');
  assert.deepEqual(await counts(queue), { ...NONE, pending: 2, inFlight: 2, completed: 1 });
  const drained = queue.processJobs();
  for (let number = 0; number < 5; number += 1) {
    await until(() => gates.length > number, 'the next job');
    gates[number].resolve();
  }
  await drained;
  assert.deepEqual(gates.map(({ data }) => data), [0, 1, 2, 3, 4]);
  assert.deepEqual(await counts(queue), { ...NONE, completed: 5 });
});

test('job that fails is done again after a growing delay, and fails for good after its attempts', async (t) => {
  const { queue, errors } = await makeQueue(t, { retryAttempts: 3, retryDelay: 20 });
  const attempts = [];
  queue.registerProcessor('work', (data, job) => {
    attempts.push({ at: Date.now(), attempts: job.attempts });
    throw new Error('no luck');
  });
  const id = await queue.enqueue('work', 1);
  await until(async () => (await counts(queue)).failed === 1, 'the end of the job');
  assert.deepEqual(attempts.map((each) => each.attempts), [0, 1, 2]);
  const [first, second, third] = attempts.map(({ at }) => at);
  assert.ok(second - first >= 18 && third - second >= 38, `${second - first} and ${third - second} ms`);
  const words = [1, 2, 3].map((number) => `attempt ${number} of 3 at job ${id} (work) failed: no luck`);
  assert.deepEqual(errors.map((error) => error.message), words);
  assert.ok(errors.every(({ code, cause }) => code === 'job_failed' && cause.message === 'no luck'));
});

test('number of attempts is the one of the job itself, and what is thrown need not be an error', async (t) => {
  const { queue } = await makeQueue(t, { retryAttempts: 50 });
  let calls = 0;
  queue.registerProcessor('work', async () => {
    calls += 1;
    throw 'text'; // eslint-disable-line no-throw-literal -- people do
  });
  await queue.enqueue('work', 1, { maxAttempts: 2 });
  await until(async () => (await counts(queue)).failed === 1, 'the end of the job');
  assert.equal(calls, 2);
});

test('job that succeeds in a later attempt is completed', async (t) => {
  const { queue } = await makeQueue(t);
  queue.registerProcessor('work', (data, { attempts }) => {
    if (attempts < 2) throw new Error('not yet');
  });
  await queue.enqueue('work', 1);
  await until(async () => (await counts(queue)).completed === 1, 'the job');
  assert.equal((await counts(queue)).failed, 0);
});

test('job of a type that nobody knows fails at once', async (t) => {
  const { queue, errors } = await makeQueue(t);
  queue.registerProcessor('work', () => {});
  for (const type of ['toString', 'unknown']) await queue.enqueue(type, 1);
  await queue.enqueue('work', 1);
  await until(async () => (await counts(queue)).failed === 2, 'the end of the jobs');
  await queue.processJobs();
  assert.deepEqual(await counts(queue), { ...NONE, completed: 1, failed: 2 });
  assert.match(errors[1].message, /^job \S+ \(unknown\) failed: no processor is registered for the job type unknown$/);
});

test('delayed job waits, and is done without being asked for', async (t) => {
  const { queue } = await makeQueue(t);
  const done = [];
  queue.registerProcessor('work', (data) => done.push([data, Date.now()]));
  const begun = Date.now();
  await queue.enqueue('work', 'late', { delay: 100 });
  await queue.enqueue('work', 'much later', { delay: HOUR });
  await queue.processJobs();
  assert.deepEqual([done, await counts(queue)], [[], { ...NONE, delayed: 2 }]);
  await until(() => done.length === 1, 'the delayed job');
  assert.ok(done[0][1] >= begun + 100);
  assert.equal((await counts(queue)).delayed, 1);
});

test('result that cannot be sent fails the job, which is not done again', async (t) => {
  const { queue, errors } = await makeQueue(t);
  let calls = 0;
  queue.registerProcessor('work', (data) => {
    calls += 1;
    return data === 'long' ? 'x'.repeat(17000000) : 1n;
  });
  await queue.enqueue('work', 'long');
  await queue.enqueue('work', 'unsendable');
  await until(async () => (await counts(queue)).failed === 2, 'the end of the jobs');
  assert.equal(calls, 2);
  for (const error of errors) assert.match(error.message, /its outcome cannot be sent/);
});

test('job with an id is enqueued once, and one that cannot be enqueued is refused', async (t) => {
  const { queue } = await makeQueue(t);
  assert.equal(await queue.enqueue('work', 1, { id: 'mine' }), 'mine');
  assert.equal(await queue.enqueue('work', 2, { id: 'mine' }), 'mine');
  assert.deepEqual(await counts(queue), { ...NONE, pending: 1 });
  await assert.rejects(queue.enqueue('work', 1, { id: 'x'.repeat(256) }), { code: 'invalid_message' });
  for (const [type, options, words] of [
    ['', {}, /jobType must be a name/],
    ['work', { priority: 0.5 }, /priority must be an integer/],
    ['work', { delay: -1 }, /delay must be a number of ms/],
    ['work', { maxAttempts: 0 }, /maxAttempts must be an integer/],
  ]) {
    await assert.rejects(queue.enqueue(type, 1, options), { name: 'TypeError', message: words });
  }
});

test('shutdown finishes what is being done and takes nothing new', async (t) => {
  const { queue, port } = await makeQueue(t, { maxConcurrency: 1 });
  const gates = register(queue);
  await queue.enqueue('work', 1);
  await queue.enqueue('work', 2);
  await until(() => gates.length === 1, 'the job');
  const ended = queue.shutdown();
  gates[0].resolve();
  await ended;
  assert.equal(queue.client.connected, false);
  await assert.rejects(queue.processJobs(), { code: 'not_initialized' });
  const { queue: other } = makeEnd(t, port, { queueName: queue.queueName });
  await other.initialize();
  assert.deepEqual(await counts(other), { ...NONE, pending: 1, completed: 1 });
  assert.equal(gates.length, 1);
});

test('shutdown gives back what is not done in time, with as many attempts as before', async (t) => {
  const { queue, errors, port } = await makeQueue(t);
  const gates = register(queue);
  const id = await queue.enqueue('work', 1);
  await until(() => gates.length === 1, 'the job');
  await queue.shutdown({ timeout: 1 });
  const { queue: other } = makeEnd(t, port, { queueName: queue.queueName });
  const jobs = [];
  other.registerProcessor('work', (data, job) => void jobs.push(job));
  await other.initialize();
  await until(async () => (await counts(other)).completed === 1, 'the other worker');
  assert.deepEqual(jobs.map((job) => [job.id, job.attempts]), [[id, 0]]);
  gates[0].resolve();
  await until(() => errors.length === 1, 'the report');
  assert.equal(errors[0].code, 'not_connected');
});

test('queue can be initialized again after shutdown, not before', async (t) => {
  const { queue } = await makeQueue(t);
  await assert.rejects(queue.initialize(), { code: 'already_initialized' });
  await queue.shutdown();
  await queue.enqueue('work', 1).then(
    () => assert.fail('it was enqueued'),
    (error) => assert.equal(error.code, 'not_connected'),
  );
  await queue.initialize();
  const done = [];
  queue.registerProcessor('work', (data) => done.push(data));
  await queue.enqueue('work', 1);
  await queue.processJobs();
  assert.deepEqual(done, [1]);
});

test('initialize that fails says why and leaves no connection', async (t) => {
  const { queue: nobody } = makeEnd(t, 1);
  await assert.rejects(nobody.initialize(), { code: 'connection_failed' });
  const server = await ownServer(t);
  const { queue } = makeEnd(t, server.port);
  await assert.rejects(queue.initialize(), { code: 'no_handler', message: /does not offer queues.*profile 'queue'/ });
  assert.equal(queue.client.connected, false);
  assert.deepEqual(queue.client.getConnectionInfo().subscribedChannels, []);
});

test('wrong arguments are named', () => {
  for (const [name, options, words] of [
    ['', {}, /queueName must be a string of 1 to 249 characters/],
    ['x'.repeat(250), {}, /queueName must be/],
    ['new\nline', {}, /channel must be free of control characters/],
    ['q', null, /options must be an object/],
    ['q', { maxConcurrency: 0 }, /maxConcurrency must be an integer from 1 to 1000/],
    ['q', { retryAttempts: 0 }, /retryAttempts must be an integer/],
    ['q', { retryDelay: -1 }, /retryDelay must be/],
    ['q', { leaseTime: 99 }, /leaseTime must be an integer from 100 to 86400000/],
  ]) {
    assert.throws(() => new MessageQueue(name, options), { name: 'TypeError', message: words });
  }
  const queue = new MessageQueue('x'.repeat(249));
  assert.equal(queue.client.getConnectionInfo().appId.length, 255);
  assert.throws(() => queue.registerProcessor('work'), /TypeError: handler must be a function/);
  assert.throws(() => queue.registerProcessor(7, () => {}), /TypeError: jobType must be a name/);
});
