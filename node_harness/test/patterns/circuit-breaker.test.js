'use strict';

const assert = require('node:assert/strict');
const { CircuitBreaker } = require('../../patterns/circuit-breaker');
const { test } = require('../runner');
const { deferred } = require('./helper');

const FAILURE = new Error('failure');
const HARMLESS = new Error('harmless');

/** A breaker with a clock that the test moves, and what it told of its states. */
function makeBreaker() {
  const clock = { now: 0 };
  const states = [];
  const options = { threshold: 3, timeout: 100 };
  const breaker = new CircuitBreaker(options, (state) => states.push(state), () => clock.now);
  const run = (request) => breaker.run(request, (error) => error === FAILURE);
  const fail = async (error = FAILURE) => {
    const request = async () => {
      throw error;
    };
    await assert.rejects(run(request), (thrown) => thrown === error);
  };
  const refuses = async (state, words) => {
    const request = () => assert.fail('a request was made');
    const message = new RegExp(`^circuit breaker is ${state} after 3 failures: .*${words}`);
    await assert.rejects(run(request), { code: 'circuit_open', message });
  };
  return { breaker, clock, fail, refuses, run, states };
}

async function makeOpenBreaker() {
  const made = makeBreaker();
  for (let count = 0; count < 3; count += 1) await made.fail();
  return made;
}

const succeed = async () => 'done';

test('a closed circuit lets requests pass and opens after failures in a row', async () => {
  const { breaker, clock, fail, refuses, run, states } = makeBreaker();
  const fresh = { state: 'CLOSED', failures: 0, threshold: 3, timeout: 100, lastFailTime: null };
  assert.deepEqual(breaker.snapshot(), fresh);
  await fail();
  await fail();
  assert.equal(await run(succeed), 'done');
  await fail();
  await fail();
  assert.equal(breaker.snapshot().state, 'CLOSED');
  const before = Date.now();
  await fail();
  const { state, failures, lastFailTime } = breaker.snapshot();
  assert.deepEqual([state, failures], ['OPEN', 3]);
  assert.ok(lastFailTime >= before && lastFailTime <= Date.now());
  await refuses('OPEN', 'another 100 ms');
  clock.now = 99;
  await refuses('OPEN', 'another 1 ms');
  assert.deepEqual(states, ['OPEN']);
});

test('errors that do not count neither open the circuit nor break a row of failures', async () => {
  const { breaker, fail } = makeBreaker();
  for (let count = 0; count < 5; count += 1) await fail(HARMLESS);
  assert.equal(breaker.snapshot().failures, 0);
  await fail();
  await fail();
  await fail(HARMLESS);
  await fail();
  assert.equal(breaker.snapshot().state, 'OPEN');
});

test('after its time the circuit lets exactly one request pass, whose success closes it', async () => {
  const { breaker, clock, refuses, run, states } = await makeOpenBreaker();
  clock.now = 100;
  const answer = deferred();
  const probe = run(() => answer.promise);
  assert.equal(breaker.snapshot().state, 'HALF_OPEN');
  await refuses('HALF_OPEN', 'under way');
  clock.now = 1000;
  await refuses('HALF_OPEN', 'under way');
  answer.resolve('done');
  assert.equal(await probe, 'done');
  assert.deepEqual([breaker.snapshot().state, breaker.snapshot().failures], ['CLOSED', 0]);
  assert.equal(await run(succeed), 'done');
  assert.deepEqual(states, ['OPEN', 'HALF_OPEN', 'CLOSED']);
});

test('a probe that fails opens the circuit for its whole time again', async () => {
  const { breaker, clock, fail, run } = await makeOpenBreaker();
  clock.now = 150;
  await fail();
  assert.equal(breaker.snapshot().state, 'OPEN');
  clock.now = 249;
  await assert.rejects(run(succeed), { code: 'circuit_open' });
  clock.now = 250;
  assert.equal(await run(succeed), 'done');
  assert.equal(breaker.snapshot().state, 'CLOSED');
});

test('a probe with an error that does not count leaves the next request to be the probe', async () => {
  const { breaker, clock, fail, run } = await makeOpenBreaker();
  clock.now = 100;
  await fail(HARMLESS);
  assert.equal(breaker.snapshot().state, 'OPEN');
  assert.equal(await run(succeed), 'done');
  assert.equal(breaker.snapshot().state, 'CLOSED');
});

test('requests from before a change of state do not count after it', async () => {
  const { breaker, clock, fail, run } = makeBreaker();
  const early = [deferred(), deferred()];
  const runs = early.map(({ promise }) => run(() => promise));
  for (let count = 0; count < 3; count += 1) await fail();
  clock.now = 100;
  const answer = deferred();
  const probe = run(() => answer.promise);
  early[0].resolve('late');
  assert.equal(await runs[0], 'late');
  assert.equal(breaker.snapshot().state, 'HALF_OPEN');
  early[1].reject(FAILURE);
  await assert.rejects(runs[1]);
  assert.equal(breaker.snapshot().state, 'HALF_OPEN');
  answer.resolve();
  await probe;
  assert.deepEqual([breaker.snapshot().state, breaker.snapshot().failures], ['CLOSED', 0]);
});

test('reset closes the circuit at once and forgets failures, those under way included', async () => {
  const { breaker, fail, run } = await makeOpenBreaker();
  breaker.reset();
  assert.deepEqual([breaker.snapshot().state, breaker.snapshot().failures], ['CLOSED', 0]);
  const answers = [deferred(), deferred(), deferred()];
  const runs = answers.map(({ promise }) => run(() => promise));
  breaker.reset();
  for (const { reject } of answers) reject(FAILURE);
  await Promise.allSettled(runs);
  assert.equal(breaker.snapshot().failures, 0);
  await fail();
  await fail();
  assert.equal(breaker.snapshot().state, 'CLOSED');
});
