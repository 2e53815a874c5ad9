'use strict';

// Programs that use the patterns: they end by themselves, and in time, as soon as they have said that they are done.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { withDeadline } = require('../helper');
const { test } = require('../runner');
const { sharedServer } = require('./helper');

const PATTERNS = path.join(__dirname, '..', '..', 'patterns');
const PROFILES = ['batch', 'discovery', 'queue'].flatMap((profile) => ['--profile', profile]);
const HOUR = 3600000;

/**
 * Run a program that uses the patterns.
 * @returns {Promise<{status: number, output: string}>} output: whether it ended within a second after `done()`
 */
async function run(t, port, source) {
  const prelude = `
    const patterns = require(${JSON.stringify(PATTERNS)});
    const HOUR = ${HOUR};
    const address = { host: '127.0.0.1', port: ${port} };
    let begun;
    const done = () => (begun = Date.now());
    const ignore = () => {};
    process.on('exit', () => console.log(Date.now() - begun < 1000 ? 'in time' : 'late'));
  `;
  const child = spawn(process.execPath, ['-e', `${prelude}(async () => {${source}})()`]);
  t.after(() => child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += text));
  const [status] = await withDeadline(once(child, 'close'), 'the end of the program');
  return { status, output: output.trim() };
}

/** Each with something under way that would keep the process alive. */
const PROGRAMS = {
  MicroserviceClient: `
    const client = new patterns.MicroserviceClient('me', address);
    client.subscribeToEvents('x', ignore);
    await client.initialize();
    await client.broadcastEvent('x', 1);
    done();
    await client.shutdown();`,
  'LoadBalancedClient, with a request that waits for its next attempt': `
    const client = new patterns.LoadBalancedClient('nobody', address);
    await client.initialize();
    client.makeRequest('x', 1, { retryDelay: HOUR, maxRetryDelay: HOUR }).catch(ignore);
    await new Promise(setImmediate);
    done();
    await client.shutdown();`,
  'IPCConnectionPool, with a caller that waits': `
    const options = { minConnections: 1, maxConnections: 1, acquireTimeout: HOUR, connectionOptions: address };
    const pool = new patterns.IPCConnectionPool('pool', options);
    await pool.initialize();
    await pool.getConnection();
    pool.getConnection().catch(ignore);
    done();
    await pool.shutdown();`,
  'MessageQueue, with jobs that are done and that wait': `
    const queue = new patterns.MessageQueue('q', address);
    queue.registerProcessor('work', (data) => new Promise((resolve) => setTimeout(resolve, data)));
    await queue.initialize();
    await queue.enqueue('work', 1);
    await queue.enqueue('work', 1, { delay: HOUR });
    await queue.processJobs();
    done();
    await queue.shutdown();`,
  'MessageQueue, after jobs could not be fetched': `
    const queue = new patterns.MessageQueue('r', { ...address, retryDelay: HOUR });
    await queue.initialize();
    queue.client.sendRequest = async () => ({ payload: null });
    queue.registerProcessor('work', ignore);
    await queue.processJobs().catch(ignore);
    done();
    await queue.shutdown();`,
  'RobustIPCClient, with a request that waits for its next attempt': `
    const client = new patterns.RobustIPCClient('app', address);
    await client.connect();
    const options = { timeout: 1, retryDelay: HOUR, maxRetryDelay: HOUR };
    client.makeRequestWithRetry('gate', { gate: 'r' }, options).catch(ignore);
    while (client.getCircuitBreakerState().failures === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    done();
    client.disconnect();`,
  'PerformantIPCClient, with a request that waits for a batch': `
    const client = new patterns.PerformantIPCClient('app', { ...address, batchTimeout: HOUR });
    await client.connect();
    client.batchedRequest('gate', { gate: 'p' }).catch(ignore);
    await new Promise(setImmediate);
    done();
    client.disconnect();`,
  DataProcessor: `
    const processor = new patterns.DataProcessor(address);
    await processor.start();
    done();
    await processor.stop();`,
};

for (const [name, source] of Object.entries(PROGRAMS)) {
  test(`process ends by itself: ${name}`, async (t) => {
    const { port } = await sharedServer(PROFILES);
    assert.deepEqual(await run(t, port, source), { status: 0, output: 'in time' });
  });
}

test('process ends by itself when nothing could be initialized', async (t) => {
  const everything = `
    const nobody = { host: '127.0.0.1', port: 1 };
    const codes = await Promise.all([
      new patterns.MicroserviceClient('me', nobody).initialize(),
      new patterns.LoadBalancedClient('nobody', nobody).initialize(),
      new patterns.IPCConnectionPool('pool', { connectionOptions: nobody }).initialize(),
      new patterns.MessageQueue('q', nobody).initialize(),
      new patterns.DataProcessor(nobody).start(),
      new patterns.RobustIPCClient('app', nobody).makeRequest('a', 1),
      new patterns.PerformantIPCClient('app', nobody).batchedRequest('a', 1),
    ].map((promise) => promise.catch(({ code }) => code)));
    console.log(codes.join(' '));
    done();`;
  const failed = Array(5).fill('connection_failed').join(' ');
  const { status, output } = await run(t, 1, everything);
  assert.deepEqual([status, output], [0, `${failed} not_connected not_connected\nin time`]);
});
