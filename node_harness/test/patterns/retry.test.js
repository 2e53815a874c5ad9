'use strict';

const assert = require('node:assert/strict');
const { IPCError } = require('../../client');
const { Retrier, backoff, retryPolicy } = require('../../patterns/retry');
const { test } = require('../runner');

const QUICK = retryPolicy({ retryDelay: 1 });

function failing(...errors) {
  const attempt = async () => {
    attempt.calls += 1;
    const error = errors.shift();
    if (error) throw error;
    return 'done';
  };
  return Object.assign(attempt, { calls: 0 });
}

const timeout = () => new IPCError('timeout', 'too late');

test('policy has the documented defaults, and refuses what is no number of attempts or time', () => {
  const defaults = { retries: 3, retryDelay: 1000, backoffMultiplier: 2, maxRetryDelay: 30000 };
  assert.deepEqual(retryPolicy({}), defaults);
  for (const [name, wrong] of Object.entries({
    retries: [0, -1, 1.5, '3'],
    retryDelay: [-1, NaN, '1'],
    backoffMultiplier: [0.5, Infinity, '2'],
    maxRetryDelay: [-1, 2 ** 31],
  })) {
    for (const value of wrong) assert.throws(() => retryPolicy({ [name]: value }), new RegExp(`TypeError: ${name}`));
  }
  assert.equal(retryPolicy({ retryDelay: 0 }).retryDelay, 0);
});

test('pauses grow by the multiplier up to the longest, and the upper half of each is random', () => {
  const policy = retryPolicy({ retryDelay: 100, backoffMultiplier: 3, maxRetryDelay: 1000 });
  const longest = [1, 2, 3, 4, 5000].map((failed) => backoff(policy, failed, () => 1));
  assert.deepEqual(longest, [100, 300, 900, 1000, 1000]);
  assert.deepEqual([1, 2].map((failed) => backoff(policy, failed, () => 0)), [50, 150]);
});

test('attempts are made until one succeeds', async () => {
  const attempt = failing(timeout(), new IPCError('connection_lost', 'lost'));
  assert.equal(await new Retrier().run(QUICK, attempt), 'done');
  assert.equal(attempt.calls, 3);
});

test('the last error is told with its code and the number of attempts', async () => {
  const last = new IPCError('not_connected', 'nobody there');
  const attempt = failing(timeout(), timeout(), last, timeout());
  await assert.rejects(new Retrier().run(QUICK, attempt), {
    name: 'IPCError',
    code: 'not_connected',
    message: 'request failed after 3 attempts: nobody there',
    cause: last,
  });
  assert.equal(attempt.calls, 3);
});

test('an error that the next attempt cannot mend is told at once and as it is', async () => {
  for (const error of [new TypeError('bad'), new IPCError('frame_too_large', 'x'), new IPCError('circuit_open', 'x')]) {
    const attempt = failing(error);
    await assert.rejects(new Retrier().run(QUICK, attempt), (thrown) => thrown === error);
    assert.equal(attempt.calls, 1);
  }
});

test('stop rejects what waits for its next attempt, and lets what begins later run', async () => {
  const retrier = new Retrier();
  const hour = { ...QUICK, retryDelay: 3600000, maxRetryDelay: 3600000 };
  const attempts = Array.from({ length: 20 }, () => failing(timeout()));
  const runs = attempts.map((attempt) => assert.rejects(retrier.run(hour, attempt), { code: 'timeout' }));
  await new Promise(setImmediate);
  retrier.stop();
  await Promise.all(runs);
  assert.ok(attempts.every((attempt) => attempt.calls === 1));
  assert.equal(await retrier.run(QUICK, failing(timeout())), 'done');
});

test('stop during an attempt has no further one made', async () => {
  const retrier = new Retrier();
  const attempt = failing(timeout());
  const run = retrier.run(QUICK, attempt);
  retrier.stop();
  await assert.rejects(run, { code: 'timeout' });
  assert.equal(attempt.calls, 1);
});
