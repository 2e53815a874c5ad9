'use strict';

const assert = require('node:assert/strict');
const { setTimeout: sleep } = require('node:timers/promises');
const { RobustIPCClient } = require('../../patterns');
const { replace, test } = require('../runner');
const { ownServer, sharedServer, until } = require('./helper');

const HOUR = 3600000;
const SILENT = 'conformance.silent'; // never answers
const FAIL = 'conformance.fail'; // is answered with handler_failed
const ECHO = 'conformance.echo';

/** A connected client with a log that the test can read. */
async function makeClient(t, options = {}, server = undefined) {
  const { port } = server ?? (await sharedServer());
  const log = [];
  const write = (level) => (entry) => log.push({ level, ...entry });
  const logger = { info: write('info'), warn: write('warn'), error: write('error') };
  const client = new RobustIPCClient('conformance', { host: '127.0.0.1', port, logger, ...options });
  t.after(() => client.disconnect());
  assert.equal(await client.connect(), true);
  return { client, log };
}

/** Make requests that time out until the circuit is open. */
async function openCircuit(client) {
  for (let count = 0; count < client.getCircuitBreakerState().threshold; count += 1) {
    await assert.rejects(client.makeRequest(SILENT, {}, { timeout: 5 }), { code: 'timeout' });
  }
  assert.equal(client.getCircuitBreakerState().state, 'OPEN');
}

test('request resolves to the response; the breaker has the documented defaults', async (t) => {
  const { client } = await makeClient(t);
  assert.deepEqual((await client.makeRequest(ECHO, [1])).payload, [1]);
  const { state, threshold, timeout } = client.getCircuitBreakerState();
  assert.deepEqual([state, threshold, timeout], ['CLOSED', 5, 30000]);
});

test('timeouts open the circuit, which then refuses requests to all channels, and reset closes it', async (t) => {
  const { client } = await makeClient(t, { failureThreshold: 2, resetTimeout: HOUR });
  await openCircuit(client);
  const key = 'refused by the breaker';
  await assert.rejects(client.makeRequest('count', { key }), { code: 'circuit_open', message: /breaker is OPEN/ });
  client.circuitBreaker.reset();
  assert.equal((await client.makeRequest('count', { key })).payload.count, 1);
});

test('when its time is over an open circuit is closed by a request that succeeds', async (t) => {
  const { client } = await makeClient(t, { failureThreshold: 1, resetTimeout: 1 });
  await openCircuit(client);
  await sleep(5);
  assert.equal((await client.makeRequest(ECHO, 1)).payload, 1);
  assert.equal(client.getCircuitBreakerState().state, 'CLOSED');
});

test('requests that were wrong leave a half-open circuit to the next one', async (t) => {
  const { client } = await makeClient(t, { failureThreshold: 1, resetTimeout: 1 });
  await openCircuit(client);
  await sleep(5);
  await assert.rejects(client.makeRequest(ECHO, 1n), TypeError);
  assert.equal((await client.makeRequest(ECHO, 1)).payload, 1);
});

test('error answers resolve and do not open the circuit', async (t) => {
  const { client } = await makeClient(t, { failureThreshold: 1 });
  const response = await client.makeRequestWithRetry(FAIL, { detail: 'x' });
  assert.equal(response.payload.error.code, 'handler_failed');
  assert.deepEqual((await client.makeRequest('nobody', {})).payload.error.code, 'no_handler');
  assert.equal(client.getCircuitBreakerState().failures, 0);
});

test('circuit opens while the server is away, and a connection closes it', async (t) => {
  const server = await ownServer(t);
  const options = { failureThreshold: 3, resetTimeout: HOUR, reconnectAttempts: 10000, reconnectDelay: 5 };
  const { client, log } = await makeClient(t, options, server);
  await server.stop();
  for (let count = 0; count < 4; count += 1) await assert.rejects(client.makeRequest(ECHO, 1));
  await assert.rejects(client.makeRequest(ECHO, 1), { code: 'circuit_open' });
  await server.restart();
  await until(() => client.client.connected, 'the connection');
  assert.equal((await client.makeRequest(ECHO, 1)).payload, 1);
  const types = new Set(log.map(({ type }) => type));
  for (const type of ['ipc_connected', 'ipc_disconnected', 'ipc_connection_error', 'ipc_request_error']) {
    assert.ok(types.has(type), type);
  }
  const states = log.filter(({ type }) => type === 'circuit_breaker').map(({ state }) => state);
  assert.deepEqual(states, ['OPEN', 'CLOSED']);
});

test('request that is made again succeeds once the connection is back', async (t) => {
  const server = await ownServer(t);
  const options = { failureThreshold: 10000, reconnectAttempts: 10000, reconnectDelay: 5 };
  const { client } = await makeClient(t, options, server);
  await server.stop();
  const patient = { retries: 10000, retryDelay: 10, backoffMultiplier: 1 };
  const answered = client.makeRequestWithRetry(ECHO, 'at last', patient);
  await server.restart();
  assert.equal((await answered).payload, 'at last');
});

test('retries end when they open the circuit', async (t) => {
  const { client, log } = await makeClient(t, { failureThreshold: 2, resetTimeout: HOUR });
  const options = { retries: 50, retryDelay: 1, timeout: 5 };
  const refusal = { code: 'circuit_open', message: /3 attempts/ };
  await assert.rejects(client.makeRequestWithRetry(SILENT, {}, options), refusal);
  assert.equal(log.filter(({ type }) => type === 'ipc_request_error').length, 2);
});

test('safe request returns its default value when a request fails or is answered with an error', async (t) => {
  const { client } = await makeClient(t, { failureThreshold: 100 });
  const failures = [[SILENT, {}, { timeout: 5, retries: 1 }], [FAIL, { detail: 'x' }, {}], ['nobody', {}, {}]];
  for (const [channel, payload, options] of failures) {
    for (const defaultValue of [{ name: 'Unknown User' }, null, 0, '', false]) {
      const response = await client.safeRequest(channel, payload, { ...options, defaultValue });
      assert.deepEqual(response, { payload: defaultValue });
    }
    assert.equal(await client.safeRequest(channel, payload, { ...options, throwOnError: false }), null);
    const code = { [SILENT]: 'timeout', [FAIL]: 'handler_failed', nobody: 'no_handler' }[channel];
    await assert.rejects(client.safeRequest(channel, payload, options), { name: 'IPCError', code });
  }
  assert.equal((await client.safeRequest(ECHO, 1, { defaultValue: 2 })).payload, 1);
});

test('safe request does not hide mistakes of the program', async (t) => {
  const { client } = await makeClient(t);
  await assert.rejects(client.safeRequest('', {}, { defaultValue: 1, throwOnError: false }), TypeError);
  await assert.rejects(client.safeRequest(ECHO, {}, { defaultValue: 1, retries: 0 }), TypeError);
});

test('disconnect rejects a request that waits for its next attempt', async (t) => {
  const { client, log } = await makeClient(t);
  const options = { timeout: 5, retryDelay: HOUR, maxRetryDelay: HOUR };
  const answered = assert.rejects(client.makeRequestWithRetry(SILENT, {}, options), { code: 'timeout' });
  while (!log.some(({ type }) => type === 'ipc_request_error')) await sleep(1);
  client.disconnect();
  await answered;
});

test('log names application, channel and error, and no payload; without a logger nothing is written', async (t) => {
  const { client, log } = await makeClient(t);
  await assert.rejects(client.makeRequest(SILENT, { password: 'secret' }, { timeout: 5 }));
  const { level, timestamp, type, appId, channel, error } = log.at(-1);
  const wanted = ['error', 'ipc_request_error', 'conformance', SILENT, 'timeout'];
  assert.deepEqual([level, type, appId, channel, error.code], wanted);
  assert.ok(Math.abs(Date.parse(timestamp) - Date.now()) < 60000);
  assert.doesNotMatch(JSON.stringify(log), /secret|password/);

  for (const name of ['log', 'info', 'warn', 'error']) {
    replace(t, console, name, () => assert.fail('something was written to the console'));
  }
  const { client: quiet } = await makeClient(t, { logger: undefined });
  await assert.rejects(quiet.makeRequest(SILENT, {}, { timeout: 5 }), { code: 'timeout' });
});

test('a logger that fails changes nothing', async (t) => {
  const warned = new Promise((resolve) => process.once('warning', resolve));
  const fail = () => {
    throw new Error('disk full');
  };
  const { client } = await makeClient(t, { logger: { info: fail, warn: fail, error: fail } });
  assert.equal((await client.makeRequest(ECHO, 1)).payload, 1);
  assert.match((await warned).message, /disk full/);
});

test('client that cannot connect says so; wrong options are named', async (t) => {
  const client = new RobustIPCClient('app', { host: '127.0.0.1', port: 1 });
  t.after(() => client.disconnect());
  assert.equal(await client.connect(), false);
  await assert.rejects(client.makeRequest('a', {}), { code: 'not_connected' });
  for (const [options, words] of [
    [null, /options must be an object/],
    [{ failureThreshold: 0 }, /failureThreshold must be an integer from 1/],
    [{ resetTimeout: -1 }, /resetTimeout must be a number of milliseconds/],
    [{ port: 0 }, /port must be/],
  ]) {
    assert.throws(() => new RobustIPCClient('app', options), { name: 'TypeError', message: words });
  }
});
